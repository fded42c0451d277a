"""The verbs: plan, run, score, show, report. Nothing here prints or exits."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbench import plugins
from benchbench.assemble import run_view
from benchbench.brand import Brand, read_brand
from benchbench.confidence import PowerOf, powers
from benchbench.errors import BenchbenchError, MissingDependency, StoreError, SuiteError, UsageError
from benchbench.files import make_folder, sha256_file, user_cache, write_atomic
from benchbench.forecast import DONE, Forecast, More, forecast
from benchbench.forecast import more as more_takes
from benchbench.gate_view import OnInconclusive
from benchbench.measure import environment
from benchbench.plan import Plan, make_plan
from benchbench.protocols import Foldered
from benchbench.running import Interrupts, Runner, StopAtOnce, Watcher
from benchbench.scoring import Scorer
from benchbench.stats.power import Question
from benchbench.store import Invocation, Manifest, PlannedCell, Run, Store, utc_now
from benchbench.suite.document import load as load_yaml
from benchbench.suite.load import LoadedSuite, find_datasets, load_suite, reload_suite
from benchbench.takes import Extras, extras
from benchbench.taking import Taker
from benchbench.types import (
    Asked,
    Cell,
    Event,
    Failure,
    Price,
    Result,
    Take,
    Taken,
    TaskName,
    digest,
)
from benchbench.view import RunView

if TYPE_CHECKING:
    import pandas as pd

    from benchbench import bundles
    from benchbench.baselines import Baseline
    from benchbench.bundles import BundleManifest, Content, Reproduction, Unpacked
    from benchbench.cases import Case
    from benchbench.claims_view import Claim, Linted, Verification
    from benchbench.compare_view import CompareView
    from benchbench.comparing import Asked as ComparisonAsked
    from benchbench.diagnosis.attribute import Diagnosis
    from benchbench.gating import Wanted as WantedMore
    from benchbench.history_view import HistoryView
    from benchbench.inspecting import Inspection
    from benchbench.noise import Noise
    from benchbench.quantizing import Quantized, Ranking
    from benchbench.recommend_view import RecommendView
    from benchbench.recommending import Question as Choice
    from benchbench.rescoring.account import Rescoring

DEFAULT_STORE = Path(".benchbench")


def default_store() -> Path:
    """Return the store's folder: ``BENCHBENCH_STORE``, or ``.benchbench`` here."""
    return Path(os.environ.get("BENCHBENCH_STORE") or DEFAULT_STORE)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    run: str
    view: RunView
    finished: bool
    """False if it was stopped before its last cell."""
    problems: tuple[str, ...] = ()
    """Why intervals or slices of some cells could not be formed."""
    left: tuple[str, ...] = ()
    """What was not measured, taken or decided, in words."""

    @property
    def failed(self) -> int:
        """How many cells failed, or have a take that did; a meter that is not there is none."""
        return sum(cell.status == "failed" or bool(cell.untaken) for cell in self.view.cells)


class Quiet:
    """A watcher that does nothing."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""

    def event(self, cell: Cell, event: Event) -> None:
        """Do nothing."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        """Do nothing."""

    def taking(self, take: Take, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""

    def taken(self, taken: Taken, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""


def plan(
    suite: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> tuple[Plan, list[Forecast]]:
    """Return the cells of *suite* and what each is expected to cost. Measures nothing."""
    cache = cache or user_cache()
    made = make_plan(load_suite(suite, settings), cache)
    where = Store(store or default_store())
    key = environment.collect(Path.cwd())["key"]
    runs = where.series(_base_name(made, key))
    return made, forecast(made, where, cache, runs[-1] if runs else None, key)


def plan_takes(made: Plan, *, store: Path | None = None) -> More:
    """Return what is to be taken beside the cells' first passes, and how long it lasts."""
    where = Store(store or default_store())
    runs = where.series(_base_name(made, environment.collect(Path.cwd())["key"]))
    return more_takes(extras(made), runs[-1] if runs else None)


def run(  # noqa: PLR0913 - a public verb: every option by keyword
    suite: str | LoadedSuite,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
    fresh: bool = False,
    keep_failures: bool = False,
    executor: str = "local",
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
    command_line: Sequence[str] = (),
    processes: int | None = None,
    budget_s: float | None = None,
) -> RunOutcome:
    """Measure what is missing of *suite* and return the run.

    Results are stored cell by cell; a cell that fails is a result too. *processes* goes before the
    suite's own number. With *budget_s* nothing new begins once so many seconds have passed, what
    comparisons need comes first, and each of them ends when it is settled. Raises
    :class:`~benchbench.errors.BenchbenchError` if the suite is wrong or the store unusable.
    """
    begun = time.monotonic()
    cache = cache or user_cache()
    where = Store(store or default_store())
    where.prepare()
    loaded = load_suite(suite, settings) if isinstance(suite, str) else suite
    made = make_plan(loaded, cache)
    more = extras(made, processes=processes, rule="sequence" if budget_s is not None else None)
    facts = environment.collect(Path.cwd())
    current = _open_run(where, made, facts, fresh=fresh, command_line=command_line)
    if not fresh:
        _adopt(where, current, made, facts["key"])
        _adopt_taken(where, current, more, facts["key"])
    runner = Runner(
        run=current,
        store=where,
        cache=cache,
        executor=plugins.build("executors", {"kind": executor}),
        environment=facts["key"],
        watcher=watcher or Quiet(),
        interrupts=interrupts or StopAtOnce(),
        keep_failures=keep_failures,
    )
    cells = made.cells
    if budget_s is not None:
        cells = _compared_first(cells, more)
        runner.ends = begun + budget_s
        runner.expected_s = _expected(where, made, cache, facts["key"])
    finished, left = _carry_out(runner, cells, more, made.loaded.suite.prices, budget_s)
    scorer = Scorer(current, made.loaded.datasets, cache, made.loaded.slices)
    problems = scorer.all_tallied()
    return RunOutcome(current.id, run_view(current), finished, tuple(problems), left)


def _carry_out(
    runner: Runner,
    cells: tuple[PlannedCell, ...],
    more: Extras,
    prices: Mapping[str, Price],
    budget_s: float | None,
) -> tuple[bool, tuple[str, ...]]:
    """Measure and take what is missing; return whether that came to its end, and what is left."""
    asked = Asked(
        compared=tuple(one.compared for one in more.contests),
        prices=dict(prices),
        budget_s=budget_s,
    )
    runner.run.put_asked(asked)
    taker = Taker(runner, more.under(runner.run.asked().compared))
    finished = runner.all(cells) and taker.all()
    left = (*_unmeasured(runner.run, cells), *taker.left())
    runner.run.put_asked(asked.model_copy(update={"left": left}))
    return finished, left


def _compared_first(cells: Iterable[PlannedCell], more: Extras) -> tuple[PlannedCell, ...]:
    """Return *cells*, those that comparisons need before the others."""
    needed = {name for one in more.contests for name in (one.baseline.id, one.candidate.id)}
    return tuple(sorted(cells, key=lambda planned: planned.cell.id not in needed))


def _expected(where: Store, made: Plan, cache: Path, key: str) -> dict[str, float]:
    """Return how long each cell is thought to last, in seconds."""
    runs = where.series(_base_name(made, key))
    found = forecast(made, where, cache, runs[-1] if runs else None, key)
    return {one.planned.cell.id: one.seconds for one in found}


def _unmeasured(run: Run, cells: Iterable[PlannedCell]) -> list[str]:
    missing = [one.cell.label for one in cells if run.result(one.cell.id) is None]
    return [f"{label}: not measured" for label in missing]


def _adopt_taken(where: Store, current: Run, more: Extras, key: str) -> None:
    """Take over takes that other runs in this store made in the same environment."""
    others = [run for run in where.runs() if run.id != current.id]
    for take in more.takes:
        if current.taken(take.id) is None:
            for other in others:
                taken = other.taken(take.id)
                if taken and not taken.failure and taken.environment == key and other.intact(taken):
                    current.adopt_taken(other, taken)
                    break


def _base_name(made: Plan, key: str) -> str:
    return f"{made.loaded.suite.name}-{digest([made.digest, key])[:6]}"


def _open_run(
    where: Store, made: Plan, facts: dict[str, Any], *, fresh: bool, command_line: Sequence[str]
) -> Run:
    """Return the run to go on with, or a new one."""
    base = _base_name(made, facts["key"])
    before = where.series(base)
    current = before[-1] if before and not fresh else where.new(base)
    now = utc_now()
    suite = made.loaded.suite
    manifest = Manifest(
        run=current.id,
        suite=suite.name,
        title=suite.title,
        description=suite.description,
        suite_text=made.loaded.document.text,
        suite_file=str(Path(made.loaded.document.file).resolve()),
        suite_sha256=made.loaded.sha256,
        settings=dict(made.loaded.settings),
        created=now,
        environment_key=facts["key"],
        datasets=made.cards,
        cells=made.cells,
    )
    invocation = Invocation(started=now, command_line=tuple(command_line), environment=facts)
    current.begin(manifest, invocation)
    return current


def _adopt(where: Store, current: Run, made: Plan, key: str) -> None:
    """Take over cells that other runs in this store measured in the same environment."""
    others = [run for run in where.runs() if run.id != current.id]
    for planned in made.cells:
        if current.result(planned.cell.id) is None:
            _adopt_one(others, current, planned, key)


def _adopt_one(others: list[Run], current: Run, planned: PlannedCell, key: str) -> None:
    for other in others:
        result = _readable(other, planned.cell.id)
        if result and result.status in DONE and result.environment == key:
            current.adopt(other, result)
            return


def _readable(run: Run, cell_id: str) -> Result | None:
    """Return the result of another run, unless it is damaged: then the cell is measured anew."""
    try:
        result = run.result(cell_id)
    except StoreError:
        return None
    return result if result and run.intact(result) else None


def find_run(name: str, settings: Iterable[str] = (), *, store: Path | None = None) -> Run:
    """Return a run by id, prefix, suite name or ``latest``.

    *settings* (``key=value``) narrow a suite's name or ``latest`` to runs made with them.
    """
    return Store(store or default_store()).run(name, settings)


def show(
    name: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    gallery: int = 0,
    disagree: Sequence[tuple[str, str]] = (),
    trends: Sequence[str] = (),
    cache: Path | None = None,
) -> RunView:
    """Return a run with its derived statistics, and the history of each figure of *trends*.

    With *gallery* it has so many pictures of each cell, and of each pair of cells that are
    compared (or of the pairs *disagree*, named as in :func:`diagnose`). Then *settings* do not
    narrow the runs: they say where the data lie now. Data that are not there cost the pictures
    and nothing else; ``gallery_notes`` tells why. Raises
    :class:`~benchbench.errors.UsageError` for cells of *disagree* that no picture can compare.
    """
    from benchbench.gallery.making import Request as GalleryRequest
    from benchbench.gallery.making import make as make_gallery

    current = find_run(name, () if gallery else settings, store=store)
    found = [history(one, current.id, store=store) for one in dict.fromkeys(trends)]
    view = run_view(current).model_copy(update={"trends": tuple(found)})
    if not gallery:
        return view
    manifest = current.manifest()
    asked = GalleryRequest(gallery, tuple(_both(current, *names) for names in disagree))
    try:
        text, file = manifest.suite_text, manifest.suite_file
        datasets = reload_suite(text, file, manifest.settings, settings).datasets
    except SuiteError as error:
        return view.model_copy(update={"gallery_notes": (f"no pictures: {error}",)})
    made = make_gallery(current, view, datasets, cache or user_cache(), asked)
    return view.model_copy(update={"gallery": made.items, "gallery_notes": made.notes})


def _both(run: Run, first: str, second: str) -> tuple[str, str]:
    from benchbench.diagnosis.attribute import find_cell
    from benchbench.gallery.choosing import alike

    one, other = (find_cell(run, name).cell for name in (first, second))
    if not alike(one, other):
        raise UsageError(
            f"'{first}' and '{second}' were not scored on the same images of one task",
            hint="name two cells of one dataset and split",
        )
    return one.id, other.id


def frame(name: str, *, store: Path | None = None) -> pd.DataFrame:
    """Return a run as a pandas frame: one row a cell, flat columns with units in their names.

    Absent values are missing (NaN in numeric columns is pandas' own way to say so). Raises
    :class:`~benchbench.errors.MissingDependency` without pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependency("pandas", "pandas") from error
    from benchbench.flat import rows

    return pd.DataFrame(rows(show(name, store=store)))


def report(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str,
    formats: Sequence[str],
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    out: Path | None = None,
    gallery: int = 0,
    trends: Sequence[str] = (),
    brand: Brand | None = None,
) -> list[Path]:
    """Write a run's reports to ``reports/<run>/`` (or *out*); return the files.

    *gallery* and *trends* are those of :func:`show`; *brand* goes to the formats that take one.
    Raises :class:`~benchbench.errors.PluginError` for an unknown format.
    """
    view = show(name, settings, store=store, gallery=gallery, trends=trends)
    return write_reports(view, formats, out=out, brand=brand)


def brand_of(path: Path) -> Brand:
    """Return the brand that a YAML file gives; its logo lies in the file's folder.

    Raises :class:`~benchbench.errors.SuiteError` for YAML that cannot be read,
    :class:`~benchbench.errors.UsageError` for a wrong key or value.
    """
    return read_brand(load_yaml(path).data, path.parent, path.name)


def usual_formats() -> list[str]:
    """Return the formats that are written where none is named: not those made for one CI system."""
    every = plugins.names("reports")
    return [name for name in every if getattr(plugins.load("reports", name), "usual", True)]


def write_reports(
    view: RunView,
    formats: Sequence[str],
    *,
    out: Path | None = None,
    brand: Brand | None = None,
) -> list[Path]:
    """Write reports of a run that is already read; see :func:`report`."""
    makers = [_maker(kind, brand) for kind in formats]
    folder = make_folder(out or Path("reports") / view.run)
    return [_write_files(maker, view, folder) for maker in makers]


def _maker(kind: str, brand: Brand | None) -> Any:
    """Return the report plug-in *kind*, with the brand if it takes one."""
    branded = brand is not None and "brand" in plugins.load("reports", kind).model_fields
    return plugins.build("reports", {"kind": kind, **({"brand": brand} if branded else {})})


def _write_files(maker: Any, view: RunView, folder: Path) -> Path:
    """Write a report, and what lies beside it; return the path of the report."""
    several = isinstance(maker, Foldered)
    files = maker.files(view) if several else {maker.file_name: maker.render(view)}
    for name, data in files.items():
        path = folder / name
        make_folder(path.parent)
        write_atomic(path, data)
    return folder / str(maker.file_name)


def export(
    name: str,
    to: str,
    options: Mapping[str, Any] | None = None,
    *,
    formats: Sequence[str] = (),
    settings: Iterable[str] = (),
    store: Path | None = None,
    out: Path | None = None,
) -> str:
    """Hand a run and the reports *formats* to another system; return where it went.

    *to* names an exporter, *options* are its own. Reports are written to ``reports/<run>/`` (or
    *out*). Raises :class:`~benchbench.errors.PluginError` for an unknown exporter, format or
    option, the exporter's own error for what the other system refuses.
    """
    exporter = plugins.build("exporters", {"kind": to, **(options or {})})
    view = show(name, settings, store=store)
    files = write_reports(view, formats, out=out) if formats else []
    where: str = exporter.export(view, files)
    return where


def history(
    quantity: str,
    suite: str | None = None,
    *,
    where: Sequence[str] = (),
    cell: str | None = None,
    since: str | None = None,
    store: Path | None = None,
) -> HistoryView:
    """Return a figure of each cell over the runs of a suite, and where it changed.

    *suite*: its name or a run of it, the one used last by default. *where*: ``key=glob``; *cell*: a
    pattern of labels; *since*: an ISO date. Raises :class:`~benchbench.errors.UsageError` for names
    that nothing has.
    """
    from benchbench.history import Wanted
    from benchbench.history import history as history_of

    wanted = Wanted(quantity=quantity, suite=suite, where=tuple(where), cell=cell, since=since)
    return history_of(Store(store or default_store()), wanted)


def history_page(view: HistoryView) -> bytes:
    """Return a history as a self-contained HTML page."""
    from benchbench.history import page as page_of_history

    return page_of_history(view)


def write_report(view: RunView, kind: str, path: Path) -> None:
    """Write one report of a run that is already read to *path*; see :func:`report`."""
    make_folder(path.parent)
    write_atomic(path, rendered(view, kind))


def rendered(view: RunView, kind: str) -> bytes:
    """Return one report of a run; raise PluginError for an unknown format."""
    made: bytes = plugins.build("reports", {"kind": kind}).render(view)
    return made


def gate(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str = "latest",
    settings: Iterable[str] = (),
    *,
    limits: Path | None = None,
    texts: Sequence[str] = (),
    baseline: str | None = None,
    on_inconclusive: OnInconclusive | None = None,
    budget_s: float | None = None,
    alpha: float | None = None,
    admit: Sequence[str] = (),
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
) -> RunView:
    """Return a run with the verdict over its limits in ``gate``.

    *limits*: a file, in place of the suite's own; *texts*: limits of every cell beside them. The
    other options go before those of ``gating``. With ``on_inconclusive="retry"`` what is undecided
    is measured more, for *budget_s* at most, and stored in the run. Raises
    :class:`~benchbench.errors.UsageError` for limits that fit no cell or where there are none.
    """
    from benchbench.gating import BUDGET_S, asked_of, measure_more
    from benchbench.gating import Options as GateOptions
    from benchbench.gating import gate as gated

    where = Store(store or default_store())
    current = where.run(name, settings)
    asked = asked_of(current, limits, texts)
    how = asked.gating
    options = GateOptions(
        alpha=alpha or how.alpha,
        on_inconclusive=on_inconclusive or how.on_inconclusive,
        baseline=baseline or how.baseline,
        admit=tuple(admit),
    )
    seconds = budget_s or how.budget_s or BUDGET_S

    def measure(wanted: WantedMore) -> tuple[str, ...]:
        where.prepare()
        runner = Runner(
            run=current,
            store=where,
            cache=cache or user_cache(),
            executor=plugins.build("executors", {"kind": "local"}),
            environment=environment.collect(Path.cwd())["key"],
            watcher=watcher or Quiet(),
            interrupts=interrupts or StopAtOnce(),
            ends=time.monotonic() + seconds,
        )
        return measure_more(runner, wanted)

    return gated(current, where, asked.entries, options, measure)


def compare(
    a: str,
    b: str,
    settings: Iterable[str] = (),
    *,
    asked: ComparisonAsked | None = None,
    store: Path | None = None,
) -> CompareView:
    """Return how side *b* differs from side *a*, cell by cell and figure by figure.

    A side is a run, a baseline's name or file, or ``git:REF``; ``#CELLS`` after it picks cells.
    *settings* narrow a suite's name or ``latest`` to runs made with them. Raises
    :class:`~benchbench.errors.UsageError` for sides that are not there or pair no cells, and where
    nothing is comparable; it names the keys that differ.
    """
    from benchbench.comparing import compare as compare_sides
    from benchbench.comparing import open_both

    ours, theirs = open_both(a, b, Store(store or default_store()), tuple(settings))
    return compare_sides(ours, theirs, asked)


@dataclass(frozen=True, slots=True)
class SavedBaseline:
    """A baseline that was just written."""

    baseline: Baseline
    path: Path
    bytes: int
    replaced: str | None = None
    """The run that was kept there before; empty where what was there cannot be read."""


def baseline_save(
    name: str,
    run: str = "latest",
    settings: Iterable[str] = (),
    *,
    file: Path | None = None,
    all_metrics: bool = False,
    store: Path | None = None,
) -> SavedBaseline:
    """Keep a run as the baseline *name*, in the store or as *file*; one of that name is replaced.

    With *all_metrics* the draws of every metric are kept, not of the primary one only. Raises
    :class:`~benchbench.errors.UsageError` for a run that is not there or has no measured cell.
    """
    from benchbench import baselines

    baselines.check_name(name)
    where = Store(store or default_store())
    current = where.run(run, settings)
    made = baselines.make(current, run_view(current), name, all_metrics=all_metrics)
    path = file or baselines.path_of(where, name)
    replaced = None
    if path.exists():
        try:
            replaced = baselines.read(path).view.run
        except StoreError:
            replaced = ""
    return SavedBaseline(made, path, baselines.write(made, path), replaced)


def baselines_kept(*, store: Path | None = None) -> dict[str, Baseline | StoreError]:
    """Return the store's baselines by name; for a damaged one, what is wrong with it."""
    from benchbench import baselines

    where = Store(store or default_store())
    found: dict[str, Baseline | StoreError] = {}
    for name in baselines.names(where):
        try:
            found[name] = baselines.find(where, name)
        except StoreError as error:
            found[name] = error
    return found


def baseline(name: str, *, store: Path | None = None) -> Baseline:
    """Return a baseline of the store, or the one in the file *name*."""
    from benchbench import baselines

    if name.endswith(".json"):
        return baselines.read(Path(name))
    return baselines.find(Store(store or default_store()), name)


def baseline_remove(name: str, *, store: Path | None = None) -> None:
    """Remove a baseline from the store; its run stays."""
    from benchbench import baselines

    baselines.remove(Store(store or default_store()), name)


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was just written."""

    path: Path
    bytes: int
    sha256: str
    content: Content


def bundle(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str = "latest",
    settings: Iterable[str] = (),
    *,
    out: Path | None = None,
    formats: Sequence[str] | None = None,
    with_models: bool = False,
    with_data: bool = False,
    logs: bool = True,
    store: Path | None = None,
    cache: Path | None = None,
    tell: Callable[[Content], None] | None = None,
) -> Bundled:
    """Pack a run into one archive (``<run>.bundle.zip`` or *out*); equal runs give equal bytes.

    *formats*: reports that it holds; by default the usual ones that can be rendered here. *tell* is
    given what will be packed, with its sizes, before anything is written. Raises
    :class:`~benchbench.errors.UsageError` for a run without results,
    :class:`~benchbench.errors.StoreError` for one that was damaged.
    """
    from benchbench import bundles

    current = find_run(name, settings, store=store)
    inputs = bundles.Inputs()
    view = run_view(current)
    reports = _bundled_reports(view, formats, inputs)
    try:
        loaded = _reloaded(current, ())
    except BenchbenchError:
        loaded = None
    cache = cache or user_cache()
    bundles.add_models(inputs, current, loaded, wanted=with_models)
    if with_models:
        bundles.add_artifacts(inputs, current, cache)
    bundles.add_data(inputs, current, loaded, cache, wanted=with_data)
    content = bundles.collect(current, view, reports, inputs, logs=logs)
    if tell is not None:
        tell(content)
    path = out or Path(bundles.default_name(current))
    bundles.write_bundle(path, content.members, content.manifest)
    return Bundled(path, path.stat().st_size, sha256_file(path), content)


BUNDLED_REPORTS = ("html", "markdown", "json", "csv")


def _bundled_reports(
    view: RunView, formats: Sequence[str] | None, inputs: bundles.Inputs
) -> dict[str, bytes]:
    """Return reports by file name; of the usual ones, what cannot be rendered is said."""
    from benchbench.bundles import LeftOut

    found: dict[str, bytes] = {}
    for kind in formats or BUNDLED_REPORTS:
        try:
            maker = plugins.build("reports", {"kind": kind})
            several = isinstance(maker, Foldered)
            found |= maker.files(view) if several else {maker.file_name: maker.render(view)}
        except BenchbenchError as error:
            if formats:
                raise
            inputs.left_out.append(LeftOut(what=f"report {kind}", why=error.message))
    return found


def reproduce(  # noqa: PLR0913 - a public verb: every option by keyword
    path: Path,
    settings: Iterable[str] = (),
    *,
    until: Literal["checked", "rederived", "measured"] = "measured",
    rebuild: bool = False,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
    command_line: Sequence[str] = (),
) -> Reproduction:
    """Check the bundle at *path*, derive its figures again, measure its suite again and compare.

    *until* says where to stop; nothing of the bundle is run before ``measured``. *settings* say
    where models and data lie that it does not hold. The new run goes to the store, the bundle's own
    to ``<store>/bundles/<sha256>``. With *rebuild* artifacts are built here even if the bundle has
    them. Raises :class:`~benchbench.errors.StoreError` for what is no archive.
    """
    from benchbench import bundles
    from benchbench.bundles import Reproduction

    checked, manifest = bundles.check(path)
    found = Reproduction(checked=checked)
    if manifest is None or checked.problems or until == "checked":
        return found
    where, wanted = store or default_store(), tuple(settings)
    with contextlib.ExitStack() as stack:
        folder = where / "bundles" / checked.sha256[:12]
        if until == "rederived":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bundle"
        unpacked = bundles.unpacked(path, manifest, folder)
        cache = _bundle_cache(unpacked, manifest, cache, rebuild=rebuild)
        loaded, obstacle = _bundled_suite(unpacked, manifest, wanted)
        derived = bundles.rederive(unpacked.run, unpacked.view, manifest, loaded, cache)
    found = found.model_copy(update={"derived": derived})
    if until == "rederived":
        return found
    obstacle = obstacle or _unplannable(loaded, cache)
    if loaded is None or obstacle is not None:
        hint = bundles.missing(manifest.left_out)
        return found.model_copy(update={"obstacle": obstacle, "hint": hint})
    outcome = run(
        loaded,
        store=where,
        cache=cache,
        fresh=True,
        watcher=watcher,
        interrupts=interrupts,
        command_line=command_line,
    )
    packed = () if rebuild else manifest.artifacts
    return found.model_copy(update={"again": _judged(unpacked, outcome, where, packed)})


def _judged(
    unpacked: Unpacked, outcome: RunOutcome, store: Path, packed: Sequence[str]
) -> bundles.Again:
    """Return what a new run says of the bundle's own."""
    from benchbench import bundles
    from benchbench.comparing import of_run

    old = of_run(unpacked.run, "bundle")
    new = of_run(find_run(outcome.run, store=store), view=outcome.view)
    return bundles.judge(old, new, finished=outcome.finished, packed=packed)


def _bundle_cache(
    unpacked: Unpacked, manifest: BundleManifest, cache: Path | None, *, rebuild: bool
) -> Path:
    """Return where artifacts are: the bundle's own, none at all, or this machine's."""
    if rebuild:
        return unpacked.empty_cache
    return unpacked.cache if manifest.artifacts else cache or user_cache()


def _bundled_suite(
    unpacked: Unpacked, manifest: BundleManifest, settings: tuple[str, ...]
) -> tuple[LoadedSuite | None, str | None]:
    """Return the bundle's suite, or why it cannot be loaded here."""
    from benchbench import bundles

    plan = unpacked.run.manifest()
    try:
        return bundles.suite_of(plan, manifest, unpacked.files, settings), None
    except BenchbenchError as error:
        return None, _in_words(error)


def _unplannable(loaded: LoadedSuite | None, cache: Path) -> str | None:
    """Return why the cells of a suite cannot be planned here; None where they can."""
    try:
        _ = loaded and make_plan(loaded, cache)
    except BenchbenchError as error:
        return _in_words(error)
    return None


def _in_words(error: BenchbenchError) -> str:
    """Return every problem with its place, without the hints."""
    told = error.problems if isinstance(error, SuiteError) else (error,)
    return "; ".join(f"{one.place}: {one.message}" if one.place else one.message for one in told)


def claim(
    name: str, text: str, settings: Iterable[str] = (), *, store: Path | None = None
) -> Claim:
    """Return the sentence that may be quoted of a run, and keep it there.

    *text*: ``<quantity> of <cell> [vs <cell>]``. Raises :class:`~benchbench.errors.UsageError` for
    what it does not know, and for what may not be claimed.
    """
    from benchbench.claims import keep, make, read_asked
    from benchbench.comparing import of_run

    current = find_run(name, settings, store=store)
    source = of_run(current)
    return keep(current, make(source, read_asked(text, source.view)))


def claims(
    name: str = "latest", settings: Iterable[str] = (), *, store: Path | None = None
) -> list[Claim]:
    """Return every claim that a run supports, and keep them there."""
    from benchbench.claims import keep, supported
    from benchbench.comparing import of_run

    current = find_run(name, settings, store=store)
    return [keep(current, one) for one in supported(of_run(current))]


def verify_claim(name: str, *, store: Path | None = None) -> Verification:
    """Return whether a claim follows from raw samples; *name* is its id, or a file ``*.json``.

    Raises :class:`~benchbench.errors.UsageError` for an id that no run has,
    :class:`~benchbench.errors.StoreError` for a file that is no claim.
    """
    from benchbench.claims import find, read_claim, verify

    where = Store(store or default_store())
    kept = read_claim(Path(name)) if name.endswith(".json") else find(where, name)
    return verify(where, kept)


def lint_claims(
    path: Path, *, run: str | None = None, check: bool = True, store: Path | None = None
) -> Linted:
    """Return the sentences of a proposal that cite a figure wrongly.

    *run* is where alone a figure without a claim is looked for; with *check* each cited claim is
    derived anew. Raises :class:`~benchbench.errors.UsageError` for a file that cannot be used.
    """
    from benchbench.claims import lint

    where = Store(store or default_store())
    return lint(path, where, run=where.run(run) if run else None, check=check)


def score(
    name: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> RunView:
    """Compute the accuracy figures of a run again from its stored predictions; needs no device.

    *settings* replace those of the run, for example where the dataset lies now. Raises
    :class:`~benchbench.errors.DatasetError` if the dataset is not the one that was predicted on.
    """
    current = find_run(name, store=store)
    loaded = _reloaded(current, settings)
    scorer = Scorer(current, loaded.datasets, cache or user_cache(), loaded.slices)
    scored = [scorer.again(result) for result in _predicted(current)]
    for result in scored:
        current.put(result)
    return run_view(current)


def _reloaded(current: Run, settings: Iterable[str]) -> LoadedSuite:
    """Return a run's suite, with *settings* in place of its own."""
    manifest = current.manifest()
    return reload_suite(manifest.suite_text, manifest.suite_file, manifest.settings, settings)


def _predicted(current: Run) -> list[Result]:
    """Return the results with stored predictions; raise UsageError if there are none."""
    found = [result for result in current.results() if "predictions" in result.arrays]
    if not found:
        raise UsageError(
            f"the run {current.id} has no stored predictions",
            hint="run it first, with measure.accuracy on",
        )
    return found


def rescore(
    name: str,
    tool: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> Rescoring:
    """Return what *tool*'s published rules make of a run's stored predictions, and why.

    Nothing that is stored changes. *settings* as for :func:`score`. Raises
    :class:`~benchbench.errors.UsageError` for a tool that is not known or has no rules for the
    run's tasks, :class:`~benchbench.errors.MissingDependency` for a package that it needs.
    """
    from benchbench.rescoring.account import Rescorer, Rescoring, skipped
    from benchbench.rescoring.tools import rules_of

    current = find_run(name, store=store)
    results = [result for result in _predicted(current) if result.scores]
    loaded = _reloaded(current, settings)
    rules = rules_of(tool, [result.cell.task for result in results])
    scorer = Rescorer(current, loaded.datasets, cache or user_cache())
    known = [result for result in results if result.cell.task in rules]
    return Rescoring(
        run=current.id,
        tool=tool,
        cells=tuple(scorer.rescored(one, tool, rules[one.cell.task]) for one in known),
        skipped=tuple(skipped(one.cell) for one in results if one not in known),
    )


def cases(
    name: str,
    settings: Iterable[str] = (),
    *,
    metrics: Sequence[str] = (),
    by_class: bool = False,
    store: Path | None = None,
    cache: Path | None = None,
) -> list[Case]:
    """Return the accuracy of a run image by image; *metrics* picks some by name.

    *settings* replace those of the run, for example where the dataset lies now: it gives the file
    names. Raises :class:`~benchbench.errors.UsageError` if the run has no such values.
    """
    from benchbench.cases import cases as by_image

    current = find_run(name, store=store)
    manifest = current.manifest()
    loaded = reload_suite(manifest.suite_text, manifest.suite_file, manifest.settings, settings)
    scorer = Scorer(current, loaded.datasets, cache or user_cache())
    options: dict[str, Any] = {"metrics": metrics, "by_class": by_class}
    found = [
        case
        for result in current.results()
        for case in by_image(current, result, scorer.file_names(result.cell), **options)
    ]
    if not found:
        told = f"the metric {' or '.join(metrics)}" if metrics else "a metric"
        raise UsageError(
            f"no cell of the run {current.id} has {told} that can be formed of single images",
            hint="benchbench show RUN --json names the metrics, under 'intervals'",
        )
    return found


def power(
    name: str,
    settings: Iterable[str] = (),
    *,
    points: float = 0.5,
    store: Path | None = None,
) -> list[PowerOf]:
    """Return how many images it takes to tell the cells of an earlier run from fp32.

    *points* is the difference of the primary metric to be shown, in hundredths, at 80 % power and
    95 % confidence. Raises :class:`~benchbench.errors.UsageError` if no run tells.
    """
    current = find_run(name, settings, store=store)
    results = {result.cell.id: result for result in current.results()}
    found = powers(current, run_view(current).cells, results, Question(difference=points / 100))
    if not found:
        raise UsageError(
            f"the run {current.id} compares nothing with fp32",
            hint="run a suite with fp32 and another precision of one model first",
        )
    return found


def recommend(
    name: str, choice: Choice, settings: Iterable[str] = (), *, store: Path | None = None
) -> RecommendView:
    """Return which cell of a run is the best by one figure within limits on others, and how surely.

    Raises :class:`~benchbench.errors.UsageError` for a limit or figure that the run does not know.
    """
    from benchbench.recommending import recommend as choose

    current = find_run(name, settings, store=store)
    return choose(run_view(current), choice, current, tuple(current.results()))


def inspect(
    name: str,
    dataset: str | None = None,
    splits: Sequence[str] = (),
    *,
    task: TaskName = "detection",
    sheet: Path | None = None,
    settings: Iterable[str] = (),
    cache: Path | None = None,
) -> list[Inspection]:
    """Return what spoils a benchmark on the datasets of *name*, a card or a suite.

    *sheet* is a folder for a contact sheet of each split. Raises
    :class:`~benchbench.errors.UsageError` for names that are not there.
    """
    from benchbench.inspecting import inspect as inspect_dataset
    from benchbench.inspecting.sheet import contact_sheet

    found = find_datasets(name, settings)
    if dataset is not None and dataset not in found:
        hint = plugins.suggest(dataset, found)
        raise UsageError(f"'{name}' has no dataset named '{dataset}'", hint=hint)
    wanted = found if dataset is None else {dataset: found[dataset]}
    inspections = []
    for label, plugin in wanted.items():
        made, loaded = inspect_dataset(label, plugin, splits, task, cache or user_cache())
        inspections.append(made)
        for split, one in loaded.items() if sheet else ():
            folder = make_folder(sheet) if sheet else Path()
            write_atomic(folder / f"{label}-{split}.png", contact_sheet(one, made.troubles))
    return inspections


def diagnose(
    name: str,
    a: str,
    b: str,
    *,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
) -> Diagnosis:
    """Return where the points between two measured cells of a run go.

    Cells between the two are measured (accuracy only) and kept apart from the run's own, below
    ``<store>/diagnoses``. Raises :class:`~benchbench.errors.UsageError` for cells that are not
    there or have no common dataset.
    """
    from benchbench.diagnosis.attribute import diagnose as attribute
    from benchbench.diagnosis.attribute import find_cell

    where = Store(store or default_store())
    current = where.run(name)
    first, second = find_cell(current, a), find_cell(current, b)
    runner = _scratch_runner(where, cache, watcher, "diagnoses", current.id)
    return attribute(runner, first, second)


def _scratch_runner(
    where: Store, cache: Path | None, watcher: Watcher | None, *names: str
) -> Runner:
    """Return a runner whose results belong to no run."""
    where.prepare()
    return Runner(
        run=where.scratch(*names),
        store=where,
        cache=cache or user_cache(),
        executor=plugins.build("executors", {"kind": "local"}),
        environment=environment.collect(Path.cwd())["key"],
        watcher=watcher or Quiet(),
        keep_failures=True,
    )


def aa(  # noqa: PLR0913 - a public verb: every option by keyword
    suite: str,
    settings: Iterable[str] = (),
    *,
    cells: Sequence[str] = (),
    pairs: int = 8,
    builds: int = 1,
    budget_s: float | None = None,
    gate_s: float | None = None,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
) -> list[Noise]:
    """Measure the noise of this machine: cells of *suite* against themselves, in *pairs* pairs.

    *cells*: patterns of labels; by default the first cell that is timed. With *budget_s* no pair
    begins after so many seconds. *gate_s*: the time that a comparison shall take, for which the
    smallest difference is told. *builds* above 1: build the artifact so often. Raises
    :class:`~benchbench.errors.UsageError` if no cell matches.
    """
    from benchbench.noise import chosen, measure_noise

    begun, cache = time.monotonic(), cache or user_cache()
    made = make_plan(load_suite(suite, settings), cache)
    timed = list(extras(made).cells.values())
    where = Store(store or default_store())
    stamp = utc_now().replace(":", "")
    runner = _scratch_runner(where, cache, watcher, "aa", stamp)
    runner.interrupts = interrupts or StopAtOnce()
    ends = None if budget_s is None else begun + budget_s
    return [
        measure_noise(runner, cell, pairs, ends=ends, gate_s=gate_s, builds=builds)
        for cell in chosen(timed, cells)
        if not runner.interrupts.stop
    ]


def quantize(
    suite: str,
    settings: Iterable[str] = (),
    *,
    models: Sequence[str] = (),
    store: Path | None = None,
    cache: Path | None = None,
    out: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Quantized]:
    """Build the int8 artifacts of *suite*'s int8 cells and return them; copy them below *out*.

    Raises :class:`~benchbench.errors.UsageError` if the suite has no cell whose chain quantizes.
    """
    from benchbench.quantizing import quantized, quantizing

    cache = cache or user_cache()
    cells = quantizing(make_plan(load_suite(suite, settings), cache).cells, models)
    runner = _scratch_runner(Store(store or default_store()), cache, watcher, "quantize")
    return [quantized(runner, cell, out) for cell in cells]


def sensitivity(
    suite: str,
    settings: Iterable[str] = (),
    *,
    models: Sequence[str] = (),
    images: int = 32,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Ranking]:
    """Rank the layers of each int8 artifact of *suite* by what quantizing them alone costs.

    Measured on *images* calibration images, never on those that are evaluated. Raises
    :class:`~benchbench.errors.UsageError` if no chain of the suite can be limited to layers.
    """
    from benchbench.quantizing import layered, quantizing, rank

    cache = cache or user_cache()
    cells = quantizing(make_plan(load_suite(suite, settings), cache).cells, models)
    runner = _scratch_runner(Store(store or default_store()), cache, watcher, "quantize")
    return [rank(runner, cell, images) for cell in layered(cells)]


def first_failure(view: RunView) -> Failure | None:
    """Return the first failed cell's failure."""
    return next((cell.failure for cell in view.cells if cell.status == "failed"), None)
