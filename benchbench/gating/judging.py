"""Each limit on each cell that it is about: what the figure says, before the others are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any, get_args

from benchbench.compare_view import Delta
from benchbench.comparing import Source, Two, delta, differing, without_energy
from benchbench.errors import Place, UsageError
from benchbench.gate_view import LimitView
from benchbench.gating.changes import (
    Pairs,
    change_tails,
    few_rounds,
    known_change,
    narrower,
    over_all,
    ratios,
)
from benchbench.gating.doubts import CODES
from benchbench.gating.figures import (
    Question,
    Unknown,
    by_class,
    by_processes,
    closer,
    few,
    known,
    words,
)
from benchbench.gating.looks import TRIAL_LOOKS, spent
from benchbench.gating.opposites import FP32, Opposite, Opposites, picks
from benchbench.gating.retrying import Turns
from benchbench.gating.verdicts import Judged
from benchbench.limits import Absolute, Relative, fits
from benchbench.quantities import Quantity, absence, guess, kind, quantity, resolved
from benchbench.quantities.resources import COVERAGES
from benchbench.stats.limits import Estimate, Exact, Tails, tails
from benchbench.suite.gates import LoadedGate
from benchbench.types import Elsewhere, Precision
from benchbench.view import CellView

_NO_BASELINE = (
    "name one: '… than fp32', 'against' in the entry, gating.baseline in the suite, or --baseline"
)
_OPEN = "the search leaves it open: it lies above what was met and below what was missed"
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the limits of one run."""

    source: Source
    opposites: Opposites
    baseline: str | None = None
    """What relative limits that name none are against."""
    admit: tuple[str, ...] = ()
    retries: bool = False
    """Whether more may be measured, so that what is seen now is not looked at for the last time."""
    used: set[str] = field(default_factory=set)
    """Differing keys that were admitted."""

    def all(self, entries: Sequence[LoadedGate]) -> list[Judged]:
        """Return every limit on every cell that it is about.

        Raises :class:`~benchbench.errors.UsageError`, with the place, for an entry that picks no
        cell, a figure that no cell knows, and a relative limit without a baseline.
        """
        return [judged for entry in entries for judged in self._entry(entry)]

    def _entry(self, entry: LoadedGate) -> list[Judged]:
        cells = [cell for cell in self.source.view.cells if picks(entry.entry.where, cell)]
        if not cells:
            raise _at(entry, "this limit picks no cell of the run", _cells(self.source))
        self._known_doubts(entry)
        cells = _asked_of(entry, self._about(entry, cells))
        limit = entry.limit
        if isinstance(limit, Absolute):
            return [self._absolute(entry, limit, cell) for cell in cells]
        found = [one for cell in cells for one in self._relative(entry, limit, cell)]
        if not found:
            raise _at(entry, "every cell that it picks is its own baseline", "widen 'where'")
        return found

    def _about(self, entry: LoadedGate, cells: Sequence[CellView]) -> list[CellView]:
        """Return those of *cells* whose task knows the figure: mAP is none of a segmenter's.

        Where no measured cell knows it, those of another task that were not measured stay, if it
        is a figure that some task has. Raises UsageError if there are none: the figure is no
        cell's, or does not fit the limit.
        """
        faults, unknown, tasks = [], set(), set()
        for cell in (cell for cell in cells if cell.status == "measured"):
            try:
                fits(entry.limit, quantity(cell, entry.limit.figure))
            except UsageError as error:
                faults.append(error)
                unknown.add(cell.task)
            else:
                tasks.add(cell.task)
        if tasks:
            return [cell for cell in cells if cell.task in tasks]
        rest = [cell for cell in cells if cell.task not in unknown]
        named = kind(entry.limit.figure.name)
        if faults and not (rest and named.higher_is_better is not None):
            raise _at(entry, faults[0].message, faults[0].hint)
        return rest

    def _known_doubts(self, entry: LoadedGate) -> None:
        """Raise UsageError for a code of ``without`` that no doubt has: it would guard nothing."""
        seen = {one.code for cell in self.source.view.cells for one in cell.caveats}
        for pattern in entry.entry.without:
            if not any(fnmatchcase(code, pattern) for code in (*CODES, *seen)):
                told = f"no doubt is called '{pattern}' (without)"
                raise _at(entry, told, guess(pattern, sorted({*CODES, *seen})))

    # --- absolute ------------------------------------------------------------------------

    def _absolute(self, entry: LoadedGate, limit: Absolute, cell: CellView) -> Judged:
        view = _view(entry, cell, kind="absolute", sense=limit.sense, limit=limit.value)
        if settled := self._settled(cell, view):
            return settled
        try:
            found = quantity(cell, limit.figure)
        except UsageError as error:
            return _undecided(view, Unknown(error.message, error.hint))
        found = self._drawn(found, cell)
        view = _with_figure(view, found, exactly=limit.on_these_images)
        more = self._more_processes(found, cell)
        said = known(found, cell, Question(limit.value, limit.on_these_images, self._looks(found)))
        if found.basis == "trials" and isinstance(said, Estimate):
            said = replace(said, looks=self._looks(found))
        if doubt := _doubt(entry, cell):
            return _undecided(view, doubt)
        if isinstance(said, Unknown):
            return _undecided(view, said, processes=more, energies=_energies(found, cell))
        if isinstance(said, Exact):
            kept = limit.holds(said.value)
            return Judged(_with_tails(view, Tails(float(not kept), float(kept))), exact=True)
        made = _with_tails(view, tails(said, limit.value, limit.sense), closer(found))
        if found.basis == "probes":
            made = made.model_copy(update={"reason": _OPEN})
        return Judged(made, few=few(found), processes=more, energies=_energies(found, cell))

    def _drawn(self, found: Quantity, cell: CellView) -> Quantity:
        """Return *found* with the interval that what lies below the view gives it."""
        if found.name == "throughput":
            return by_processes(found, self.source, cell)
        of_class = (found.subject or "").startswith("class=")
        return by_class(found, self.source, cell) if of_class else found

    def _looks(self, found: Quantity) -> int:
        """Return what p-values are multiplied by where more may be taken and looked at again."""
        if not self.retries or found.basis not in ("processes", "rounds", "trials"):
            return 1
        return TRIAL_LOOKS if found.basis == "trials" else spent(found.n or 0)

    def _more_processes(self, found: Quantity, cell: CellView) -> dict[str, int]:
        """Return the cells of which fresh processes would tell more of *found*."""
        cells = {cell.id: cell}
        if found.name == "speedup" and cell.speedup:
            cells |= {one.id: one for one in self._cells(cell.speedup.against)}
        elif found.name not in ("latency.p50", "latency.p90", "latency.p99", "throughput"):
            return {}
        counts = {name: one.processes for name, one in cells.items() if one.latency}
        return {name: of.processes if of else 0 for name, of in counts.items()}

    def _cells(self, name: str) -> Iterator[CellView]:
        return (cell for cell in self.source.view.cells if cell.id == name)

    # --- relative ------------------------------------------------------------------------

    def _relative(self, entry: LoadedGate, limit: Relative, cell: CellView) -> list[Judged]:
        against = entry.entry.against or limit.against or self.baseline
        if against is None:
            raise _at(
                entry,
                "this limit names no baseline, and the gate has none",
                _NO_BASELINE,
            )
        try:
            opposites = self.opposites.of(cell, against)
        except UsageError as error:
            raise _at(entry, error.message, error.hint) from error
        plain = _view(entry, cell, kind="relative", sense="at most", limit=1 + limit.margin)
        if isinstance(opposites, Unknown):
            return [self._settled(cell, plain) or _undecided(plain, opposites)]
        return [
            self._settled(cell, view) or self._change(entry, limit, cell, one, view)
            for one in opposites
            for view in (_beside(plain, one, several=len(opposites) > 1),)
        ]

    def _change(
        self, entry: LoadedGate, limit: Relative, cell: CellView, other: Opposite, view: LimitView
    ) -> Judged:
        ends = (other.source, other.cell, self.source, cell)
        try:
            found = delta(*ends, limit.figure, admit=self.admit, level=_LEVEL, margin=limit.margin)
        except UsageError as error:
            return _undecided(view, Unknown(error.message, error.hint))
        if self.admit:
            keys = (one.key for one in differing(*ends) if one.spoils)
            self.used.update(key for key in keys if _matches(key, self.admit))
        turns = self._turns(limit, other, cell, found)
        pairs = self._pairs(other, cell, found, able=turns is not None)
        found = over_all(found, pairs)
        view = _with_change(view, limit, found)
        single = quantity(cell, limit.figure).basis if found.change is not None else None
        said = known_change(found, pairs)
        if single == "one run" and found.design == "trend" and self._alike(other):
            view = view.model_copy(update={"basis": "one run each"})
            said = Exact(found.change or 0.0)
        if doubt := _doubt(entry, cell):
            return _undecided(view, doubt)
        more: dict[str, Any] = {"turns": turns, "energies": self._trials(other, cell, found)}
        if isinstance(said, Unknown):
            return _undecided(view, said, **more)
        made = change_tails(said, found, view.limit, view.sense)
        told = _with_tails(view, made, narrower(found))
        return Judged(told, exact=isinstance(said, Exact), few=few_rounds(found), **more)

    def _alike(self, other: Opposite) -> bool:
        """Return whether a figure that one run tells is told of the same environment."""
        keys = [source.view.environment.get("key") for source in (other.source, self.source)]
        return self._own(other) or (keys[0] is not None and keys[0] == keys[1])

    def _own(self, other: Opposite) -> bool:
        return other.source is self.source

    def _two(self, other: Opposite, cell: CellView) -> Two:
        return Two(other.source, other.cell, self.source, cell)

    def _pairs(self, other: Opposite, cell: CellView, found: Delta, *, able: bool) -> Pairs:
        timed = found.quantity == "latency.p50"
        rounds = timed and cell.processes is not None and other.cell.processes is not None
        two = self._two(other, cell)
        failed = without_energy(two, found.subject) if found.quantity == "energy" else None
        return Pairs(ratios(two, found), self.retries, rounds, able, failed)

    def _turns(
        self, limit: Relative, other: Opposite, cell: CellView, found: Delta
    ) -> Turns | None:
        """Return the pairs that would tell more of two timed cells: of the median, or of energy."""
        timed = cell.latency is not None and other.cell.latency is not None
        if not timed or found.change is None:
            return None
        elsewhere = None if self._own(other) else _elsewhere(other)
        asked = Turns(other.cell.id, cell.id, limit.margin, elsewhere=elsewhere)
        if found.quantity == "energy":
            return self._watched(asked, cell, found)
        # A retry may take processes too: their rounds then answer the same question once more.
        return replace(asked, looks=2) if found.quantity == "latency.p50" else None

    def _watched(self, asked: Turns, cell: CellView, found: Delta) -> Turns | None:
        """Return *asked* of energy.

        Of two cells of this run where a meter watched pairs of them; against another run's cell by
        the meter that measured *cell*.
        """
        if asked.elsewhere is None:
            return replace(asked, settles="energy") if found.design == "turns" else None
        if found.design not in ("turns", "trend"):
            return None
        meters = _metered(found.subject, cell)
        return next((replace(asked, settles="energy", meter=kind) for _, kind in meters), None)

    def _trials(self, other: Opposite, cell: CellView, found: Delta) -> tuple[tuple[str, str], ...]:
        """Return the cells, both of this run, of which more energy would tell more."""
        if found.design != "trials" or not self._own(other):
            return ()
        return (*_metered(found.subject, other.cell), *_metered(found.subject, cell))

    # --- what needs no test --------------------------------------------------------------

    def _settled(self, cell: CellView, view: LimitView) -> Judged | None:
        """Return the verdict on a cell that was not measured."""
        if cell.status == "measured":
            return None
        update: dict[str, Any] = {"reason": absence(cell), "hint": _mends(cell)}
        failed = cell.status == "failed" and not _not_yet(cell)
        update["outcome"] = "fail" if failed else "inconclusive"
        return Judged(view.model_copy(update=update), settled=True)


def _asked_of(entry: LoadedGate, cells: list[CellView]) -> list[CellView]:
    """Return *cells* without those that a limit without ``where`` on precision cannot mean.

    fp32 has no speedup over itself; a share of int8 at least is asked of int8 cells. Raises
    UsageError where none is left.
    """
    limit, named = entry.limit, resolved(entry.limit.name)
    if "precision" in entry.entry.where.model_fields_set or not isinstance(limit, Absolute):
        return cells
    of = named.removeprefix("coverage.")
    kept = cells
    if named == "speedup":
        kept = [cell for cell in cells if cell.precision != FP32]
    elif named in COVERAGES and of in get_args(Precision) and limit.sense == "at least":
        kept = [cell for cell in cells if cell.precision == of]
    if not kept:
        told = "fp32 itself" if named == "speedup" else f"of another precision than {of}"
        raise _at(entry, f"every cell that it picks is {told}", "measure that precision too")
    return kept


def _elsewhere(other: Opposite) -> Elsewhere:
    digest = other.cell.artifact.sha256 if other.cell.artifact else ""
    return Elsewhere(run=other.source.view.run, artifact=digest, label=other.cell.label)


def _energies(found: Quantity, cell: CellView) -> tuple[tuple[str, str], ...]:
    """Return *cell* with its meter where more trials would tell more of *found*."""
    if found.basis != "trials" or found.value is None:
        return ()
    return _metered(found.subject, cell)


def _metered(subject: str | None, cell: CellView) -> tuple[tuple[str, str], ...]:
    meters = (view.meter for view in cell.energy if subject in (None, f"meter={view.meter}"))
    return tuple((cell.id, meter) for meter in islice(meters, 1))


def _doubt(entry: LoadedGate, cell: CellView) -> Unknown | None:
    """Return why a doubt of *cell* that the limit refuses keeps it from a verdict."""
    for caveat in cell.caveats:
        if _matches(caveat.code, entry.entry.without):
            figures = ", ".join(f"{key} {_number(v)}" for key, v in caveat.figures.items())
            told = f"{caveat.code} ({figures})" if figures else caveat.code
            again = "measure it again on a quiet machine (--fresh)"
            return Unknown(f"the cell is doubted: {told}", again)
    return None


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _not_yet(cell: CellView) -> bool:
    return cell.failure is not None and cell.failure.code in ("pending", "interrupted")


def _mends(cell: CellView) -> str | None:
    return cell.failure.hint if cell.failure else None


def _number(value: float | int | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _at(entry: LoadedGate, message: str, hint: str | None) -> UsageError:
    place = Place(entry.file, entry.line) if entry.file else None
    return UsageError(f"{message}: {entry.entry.limit}", hint=hint, place=place)


def _cells(source: Source) -> str:
    labels = [cell.label for cell in source.view.cells]
    more = f" and {len(labels) - 6} more" if len(labels) > 6 else ""
    return f"its cells: {'; '.join(labels[:6])}{more}"


# --- views -------------------------------------------------------------------------------


def _view(entry: LoadedGate, cell: CellView, **more: Any) -> LimitView:
    """Return a limit on a cell of which nothing is known yet."""
    return LimitView(
        name=f"{entry.entry.name or entry.entry.limit} · {cell.label}",
        text=entry.entry.limit,
        file=entry.file or None,
        line=entry.line,
        cell=cell.id,
        label=cell.label,
        quantity=str(entry.limit.figure),
        unit=entry.limit.unit,
        outcome="inconclusive",
        caveats=tuple(one.code for one in cell.caveats),
        **more,
    )


def _with_figure(view: LimitView, found: Quantity, *, exactly: bool) -> LimitView:
    update = found.model_dump(include={"value", "low", "high", "level"})
    if exactly:
        update |= {"low": None, "high": None, "level": None}
    told = {"quantity": found.full_name, "basis": words(found, exactly=exactly)}
    return view.model_copy(update={**update, **told})


def _beside(view: LimitView, other: Opposite, *, several: bool) -> LimitView:
    name = f"{view.name} against {other.label}" if several else view.name
    return view.model_copy(update={"against": other.label, "name": name})


def _with_change(view: LimitView, limit: Relative, found: Delta) -> LimitView:
    """Return *view* with a change, and the limit in its terms."""
    sense, bound = limit.bound(higher_is_better=found.higher_is_better)
    difference = found.scale == "difference" or found.design == "images"
    if difference and limit.scale == "ratio":
        bound = (bound - 1) * (found.a or 0.0)  # a share of the baseline's value
    return view.model_copy(
        update={
            "sense": sense,
            "limit": bound,
            "scale": "difference" if difference else "ratio",
            "value": found.b,
            "against_value": found.a,
            "change": found.change,
            "change_low": found.low,
            "change_high": found.high,
            "level": found.level,
            "basis": found.basis,
        }
    )


def _with_tails(view: LimitView, made: Tails, hint: str | None = None) -> LimitView:
    """Return *view* with its p-values; *hint*: what would settle it if they do not."""
    update = {"p_holds": made.holds, "p_broken": made.broken, "hint": hint}
    return view.model_copy(update=update)


def _undecided(view: LimitView, why: Unknown, **more: Any) -> Judged:
    said = view.model_copy(update={"reason": why.reason, "hint": why.hint})
    return Judged(said, settled=True, **more)
