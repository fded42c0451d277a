"""From the runs of a store to the series of one figure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from pydantic import ValidationError

from benchbench import baselines
from benchbench.errors import BenchbenchError, StoreError, UsageError
from benchbench.history.parts import Sourced, judged
from benchbench.history.reading import CellReading, Reading, read
from benchbench.history_view import HistoryView, Point, SeriesView
from benchbench.plugins import suggest
from benchbench.quantities import Named, named
from benchbench.stats.trend import ALPHA, LEVEL
from benchbench.store import Invocation, Manifest, Run, Store

KEYS = ("model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
"""What makes a cell of one run the same as a cell of another."""
FILTERS = (*KEYS, "machine")
"""``machine``: the environment's key; one of several machines that take turns."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the history is of."""

    quantity: str
    suite: str | None = None
    """Name of a suite, or a run of it; the suite used last by default."""
    where: tuple[str, ...] = ()
    """``key=glob`` over FILTERS; all have to match."""
    cell: str | None = None
    """Pattern of labels."""
    since: str | None = None
    """ISO date: earlier measurements are left out."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A figure of a cell, and the run that it is from."""

    run: Run
    manifest: Manifest
    reading: CellReading

    @property
    def measured(self) -> str:
        return self.reading.started or self.manifest.created


def history(store: Store, wanted: Wanted) -> HistoryView:
    """Return the figure over all runs of a suite in *store*, cell by cell, oldest first.

    Runs that cannot be read are named and left out. Raises
    :class:`~benchbench.errors.UsageError` for names that nothing has, and what is wrong with
    options.
    """
    figure, chosen = named(wanted.quantity), _filters(wanted)
    since = _date(wanted.since)
    suite, runs = _runs(store, wanted.suite)
    read_, unread = _read(runs, figure)
    _check(figure, [reading for _, _, reading in read_])
    sources = [
        _Source(run, manifest, cell)
        for run, manifest, reading in read_
        for cell in reading.cells
        if _matches(manifest, cell, chosen, wanted.cell)
    ]
    kept = [one for one in sources if one.measured[:10] >= since]
    if not kept:
        raise UsageError("no cell of any run is left", hint=_left(sources, wanted, suite))
    series, tested = judged(list(_series(kept, _baselines(store))), ALPHA)
    return HistoryView(
        suite=suite,
        quantity=str(figure),
        runs=len(read_),
        unread=tuple(unread),
        tested=tested,
        alpha=ALPHA,
        level=LEVEL,
        series=series,
    )


def _runs(store: Store, suite: str | None) -> tuple[str, list[tuple[Run, Manifest | str]]]:
    """Return the name of the suite and its runs, each with its manifest or why it has none."""
    runs = [(run, _manifest(run)) for run in store.runs()]
    known = {m.suite for _, m in runs if isinstance(m, Manifest)}
    if suite not in known:
        if suite is not None and not any(run.id.startswith(suite) for run, _ in runs):
            raise UsageError(
                f"no suite or run '{suite}' in {store.folder}", hint=suggest(suite, known)
            )
        suite = store.run(suite or "latest").manifest().suite
    mine = [(run, m) for run, m in runs if isinstance(m, str) or m.suite == suite]
    return suite, [one for one in mine if not isinstance(one[1], str) or _named(one[0], suite)]


def _named(run: Run, suite: str) -> bool:
    return run.id.rpartition("-")[0] == suite


def _manifest(run: Run) -> Manifest | str:
    try:
        return run.manifest()
    except StoreError as error:
        return error.message


def _read(
    runs: Iterable[tuple[Run, Manifest | str]], figure: Named
) -> tuple[list[tuple[Run, Manifest, Reading]], list[str]]:
    found, unread = [], []
    for run, manifest in runs:
        if isinstance(manifest, str):
            unread.append(f"{run.id}: {manifest}")
            continue
        try:
            found.append((run, manifest, read(run, manifest, figure)))
        except BenchbenchError as error:
            unread.append(f"{run.id}: {error.message}")
    return found, unread


def _check(figure: Named, readings: Sequence[Reading]) -> None:
    """Raise UsageError if no run has the figure."""
    cells = [cell for reading in readings for cell in reading.cells]
    if any(cell.quantity.value is not None for cell in cells):
        return
    for reading in readings:
        if reading.unknown:
            raise UsageError(reading.unknown, hint=reading.unknown_hint)
    if not cells:
        raise UsageError(f"no run that can be read has {figure}", hint="see benchbench show RUN")


def _filters(wanted: Wanted) -> Mapping[str, str]:
    found = {}
    for text in wanted.where:
        key, equals, glob = text.partition("=")
        if key not in FILTERS or not equals:
            raise UsageError(
                f"'{text}' narrows nothing", hint=f"write key=glob; keys: {', '.join(FILTERS)}"
            )
        found[key] = glob
    return found


def _date(text: str | None) -> str:
    if text is None:
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"'{text}' is not a date", hint="write it like 2026-11-22") from None


def _matches(
    manifest: Manifest, cell: CellReading, chosen: Mapping[str, str], label: str | None
) -> bool:
    known = {"machine": manifest.environment_key} | {key: str(getattr(cell, key)) for key in KEYS}
    fits = all(fnmatchcase(known[key], glob) for key, glob in chosen.items())
    return fits and (label is None or fnmatchcase(cell.label, label))


def _left(sources: Sequence[_Source], wanted: Wanted, suite: str) -> str:
    if sources:
        return f"the last was measured at {max(one.measured for one in sources)[:10]}"
    narrowed = wanted.where or wanted.cell
    return f"benchbench show {suite} lists the cells" if narrowed else "see benchbench show RUN"


# --- series ------------------------------------------------------------------------------


def _series(sources: Iterable[_Source], named_runs: Mapping[str, list[str]]) -> Iterator[Sourced]:
    groups: dict[tuple[str, ...], list[_Source]] = {}
    for one in sources:
        key = tuple(str(getattr(one.reading, name)) for name in KEYS)
        groups.setdefault(key, []).append(one)
    for _, group in sorted(groups.items()):
        yield _sourced(group, named_runs)


def _sourced(group: Sequence[_Source], named_runs: Mapping[str, list[str]]) -> Sourced:
    once = sorted(_once(group), key=lambda one: one[0].measured)
    readings = [one.reading for one, _ in once]
    points = [_point(one, also, named_runs) for one, also in once]
    model = next((r for r in reversed(readings) if r.quantity.value is not None), readings[-1])
    figure = model.quantity
    view = SeriesView(
        label=model.label,
        **{name: getattr(model, name) for name in KEYS},
        quantity=figure.full_name,
        unit=figure.unit,
        currency=figure.currency,
        higher_is_better=figure.higher_is_better,
        points=tuple(points),
        parts=(),
        changes=(),
    )
    return Sourced(view, tuple(readings))


def _once(group: Iterable[_Source]) -> Iterator[tuple[_Source, tuple[str, ...]]]:
    """Yield each measurement once, at the run that made it, with the runs that took it over.

    Its figure is that of the run which has measured most on top of it.
    """
    same: dict[tuple[str, str], list[_Source]] = {}
    for one in sorted(group, key=lambda one: one.manifest.created):
        own = one.reading.started or one.run.id
        same.setdefault((one.manifest.environment_key, own), []).append(one)
    for first, *others in same.values():
        most = max([first, *others], key=lambda one: one.reading.quantity.n or 0)
        yield (
            _Source(first.run, first.manifest, most.reading),
            tuple(one.run.id for one in others),
        )


def _point(one: _Source, also: tuple[str, ...], named_runs: Mapping[str, list[str]]) -> Point:
    figure, git = one.reading.quantity, _git(one.run, one.measured)
    runs = (one.run.id, *also)
    return Point(
        run=one.run.id,
        also=also,
        measured=one.measured,
        commit=git[0],
        dirty=git[1],
        environment=one.manifest.environment_key,
        status=one.reading.status,
        **{
            name: getattr(figure, name)
            for name in ("value", "low", "high", "level", "basis", "n", "reason")
        },
        caveats=one.reading.caveats,
        baselines=tuple(name for run in runs for name in named_runs.get(run, ())),
    )


def _git(run: Run, measured: str) -> tuple[str | None, bool]:
    """Return the commit of the invocation that measured, and whether its folder had changes."""
    stamp = measured.replace(":", "")
    paths = sorted((run.folder / "invocations").glob("*.json"))
    before = [path for path in paths if path.name.split("Z-")[0] + "Z" <= stamp] or paths[:1]
    for path in before[-1:]:
        try:
            facts = Invocation.model_validate_json(path.read_bytes()).environment
        except (OSError, ValidationError):
            return None, False
        git = facts.get("git") or {}
        return git.get("commit"), bool(git.get("dirty"))
    return None, False


def _baselines(store: Store) -> dict[str, list[str]]:
    """Return the names of the stored baselines by the run that each is of."""
    found: dict[str, list[str]] = {}
    for name in baselines.names(store):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            body = json.loads(baselines.path_of(store, name).read_bytes())
            found.setdefault(str(body["view"]["run"]), []).append(name)
    return found
