"""The verbs: plan, run, score, show, report. Nothing here prints or exits."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbench import plugins
from benchbench.assemble import run_view
from benchbench.cases import Case
from benchbench.cases import cases as by_image
from benchbench.confidence import PowerOf, powers
from benchbench.diagnosis.attribute import Diagnosis, find_cell
from benchbench.diagnosis.attribute import diagnose as attribute
from benchbench.errors import MissingDependency, StoreError, UsageError
from benchbench.files import make_folder, user_cache, write_atomic
from benchbench.forecast import DONE, Forecast, forecast
from benchbench.inspecting import Inspection
from benchbench.inspecting import inspect as inspect_dataset
from benchbench.inspecting.sheet import contact_sheet
from benchbench.measure import environment
from benchbench.plan import Plan, make_plan
from benchbench.quantizing import Quantized, Ranking, layered, quantized, quantizing, rank
from benchbench.rescoring.account import Rescorer, Rescoring, skipped
from benchbench.rescoring.tools import rules_of
from benchbench.running import Interrupts, Runner, StopAtOnce, Watcher
from benchbench.scoring import Scorer
from benchbench.stats.power import Question
from benchbench.store import Invocation, Manifest, PlannedCell, Run, Store, utc_now
from benchbench.suite.load import LoadedSuite, find_datasets, load_suite, reload_suite
from benchbench.types import Cell, Event, Failure, Result, TaskName, digest
from benchbench.view import RunView

if TYPE_CHECKING:
    import pandas as pd

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

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return sum(cell.status == "failed" for cell in self.view.cells)


class Quiet:
    """A watcher that does nothing."""

    def begin(self, cell: Cell, index: int, total: int) -> None:
        """Do nothing."""

    def event(self, cell: Cell, event: Event) -> None:
        """Do nothing."""

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
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


def run(  # noqa: PLR0913 - a public verb: every option by keyword
    suite: str,
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
) -> RunOutcome:
    """Measure what is missing of *suite* and return the run.

    Results are stored cell by cell; a cell that fails is a result too. Raises
    :class:`~benchbench.errors.BenchbenchError` if the suite is wrong or the store unusable.
    """
    cache = cache or user_cache()
    where = Store(store or default_store())
    where.prepare()
    made = make_plan(load_suite(suite, settings), cache)
    facts = environment.collect(Path.cwd())
    current = _open_run(where, made, facts, fresh=fresh, command_line=command_line)
    if not fresh:
        _adopt(where, current, made, facts["key"])
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
    finished = runner.all(made.cells)
    scorer = Scorer(current, made.loaded.datasets, cache, made.loaded.slices)
    problems = scorer.all_tallied()
    return RunOutcome(current.id, run_view(current), finished, tuple(problems))


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


def show(name: str, settings: Iterable[str] = (), *, store: Path | None = None) -> RunView:
    """Return a run with its derived statistics."""
    return run_view(find_run(name, settings, store=store))


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


def report(
    name: str,
    formats: Sequence[str],
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    out: Path | None = None,
) -> list[Path]:
    """Write a run's reports to ``reports/<run>/`` (or *out*); return the files.

    Raises :class:`~benchbench.errors.PluginError` for an unknown format.
    """
    return write_reports(show(name, settings, store=store), formats, out=out)


def write_reports(view: RunView, formats: Sequence[str], *, out: Path | None = None) -> list[Path]:
    """Write reports of a run that is already read; see :func:`report`."""
    makers = [plugins.build("reports", {"kind": kind}) for kind in formats]
    folder = make_folder(out or Path("reports") / view.run)
    written = []
    for maker in makers:
        path = folder / maker.file_name
        write_atomic(path, maker.render(view))
        written.append(path)
    return written


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
    cache = cache or user_cache()
    cells = quantizing(make_plan(load_suite(suite, settings), cache).cells, models)
    runner = _scratch_runner(Store(store or default_store()), cache, watcher, "quantize")
    return [rank(runner, cell, images) for cell in layered(cells)]


def first_failure(view: RunView) -> Failure | None:
    """Return the first failed cell's failure."""
    return next((cell.failure for cell in view.cells if cell.status == "failed"), None)
