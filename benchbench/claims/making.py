"""From a run to a claim: the figure, what it rests on, and the sentence."""

from __future__ import annotations

from math import isclose

from benchbench import __version__
from benchbench.claims import evidence, hints
from benchbench.claims.asking import Wanted
from benchbench.claims.conditions import claimed
from benchbench.claims.footnotes import footnote
from benchbench.claims.wording import Said, sentence
from benchbench.claims_view import Claim, ClaimFamily, ClaimFigure
from benchbench.compare_view import Delta
from benchbench.comparing import Source, delta
from benchbench.errors import UsageError
from benchbench.quantities import Named, Quantity, quantity
from benchbench.stats.resampling import interval
from benchbench.store.directory import utc_now
from benchbench.types import ArrayRef, digest
from benchbench.view import CellView

_STILL = ("size", "parameters", "macs", "memory", "memory.load", "memory.device", "build")
"""Figures that no pass of queries tells."""


def make(source: Source, wanted: Wanted) -> Claim:
    """Return the claim of a figure or a comparison; *source* is a run.

    Raises :class:`~benchbench.errors.UsageError` for what may not be claimed: a figure that is
    absent, a trend, a comparison that is refused.
    """
    if wanted.named.name == "speedup":
        told = hints.speedup(wanted, source.cells)
        raise UsageError("a speed-up is claimed with both of its cells", hint=told)
    found = _measured(source, wanted)
    made = _single(source, wanted, found) if wanted.against is None else _pair(source, wanted)
    figure, family, arrays = made
    name = Named(found.name, found.subject)
    _check_follows(source, Wanted(name, wanted.cell, wanted.against), figure, family)
    raw = bool(arrays) and all(
        evidence.is_raw(source, cell.id, name, found.basis)
        for cell in (wanted.cell, wanted.against)
        if cell is not None
    )
    return _claim(source, Wanted(name, wanted.cell, wanted.against), figure, family, arrays, raw)


def _claim(
    source: Source,
    wanted: Wanted,
    figure: ClaimFigure,
    family: ClaimFamily,
    arrays: tuple[ArrayRef, ...],
    raw: bool,
) -> Claim:
    view, cell, other = source.view, wanted.cell, wanted.against
    ours = claimed(view, cell, family, wanted.named.name)
    theirs = claimed(view, other, family, wanted.named.name) if other else None
    made = Claim(
        id=_id(source, wanted, figure, arrays), asked=wanted.text, run=view.run, suite=view.suite,
        measured=cell.started or view.created, quantity=str(wanted.named), family=family,
        cell=ours, against=theirs, figure=figure,
        sentence=sentence(Said(view, wanted.named, cell, figure, other)), footnote="",
        footnote_long="", arrays=arrays, raw=raw, version=__version__, created=utc_now(),
    )  # fmt: skip
    notes = {"footnote": footnote(made, long=False), "footnote_long": footnote(made, long=True)}
    return made.model_copy(update=notes)


def _id(source: Source, wanted: Wanted, figure: ClaimFigure, arrays: tuple[ArrayRef, ...]) -> str:
    cells = [one.id for one in (wanted.cell, wanted.against) if one is not None]
    of = [one.sha256 for one in arrays] or evidence.traces(source.run, cells, figure)
    parts = [
        source.view.run, wanted.cell.id, str(wanted.named),
        wanted.against.id if wanted.against else None, figure.design or figure.basis, of,
    ]  # fmt: skip
    return f"bb-{digest(parts)[:8]}"


# --- one figure --------------------------------------------------------------------------


def _measured(source: Source, wanted: Wanted) -> Quantity:
    found = quantity(wanted.cell, wanted.named)
    if found.value is None:
        raise UsageError(
            f"{found.full_name} of '{wanted.cell.label[:80]}' cannot be claimed: {found.reason}",
            hint="benchbench claim RUN --all lists what can",
        )
    kind, _, of = (found.subject or "").partition("=")
    return _of_class(source, wanted.cell, found, of) if kind == "class" else found


def _of_class(source: Source, cell: CellView, found: Quantity, of: str) -> Quantity:
    """Return a figure by class with its interval, where its draws are kept."""
    drawn = source.resamples(cell.id)
    sample = drawn.by_class.get(found.name) if drawn else None
    if drawn is None or sample is None or of not in drawn.classes:
        return found
    made = interval(sample.column(drawn.classes.index(of)), drawn.draws)
    more = {"low": made.low, "high": made.high, "level": made.level, "n": made.images}
    return found.model_copy(update={**more, "reason": made.reason})


def _single(
    source: Source, wanted: Wanted, found: Quantity
) -> tuple[ClaimFigure, ClaimFamily, tuple[ArrayRef, ...]]:
    figure = ClaimFigure(
        value=found.value, low=found.low, high=found.high, level=found.level, n=found.n,
        basis=found.basis, unit=found.unit, currency=found.currency,
        higher_is_better=found.higher_is_better, reason=found.reason,
    )  # fmt: skip
    return figure, family_of(found), evidence.of_figure(source, wanted.cell.id, found)


def family_of(found: Quantity) -> ClaimFamily:
    """Return the kind of figure."""
    if found.basis == "images":
        return "accuracy"
    if found.name.startswith("energy"):
        return "energy"
    return "size" if found.name in _STILL or found.name.startswith("coverage.") else "latency"


# --- two cells ---------------------------------------------------------------------------


def _pair(source: Source, wanted: Wanted) -> tuple[ClaimFigure, ClaimFamily, tuple[ArrayRef, ...]]:
    assert wanted.against is not None
    found = delta(source, wanted.against, source, wanted.cell, wanted.named)
    _check_shown(wanted, found)
    n = wanted.cell.counts.get("images") if found.design == "images" else None
    kind, _, of = (found.subject or "").partition("=")
    if kind == "slice":
        n = next((part.images for part in wanted.cell.slices if part.name == of), n)
    figure = ClaimFigure(
        value=found.change, low=found.low, high=found.high, level=found.level, n=n,
        basis=found.basis, unit=found.unit, higher_is_better=found.higher_is_better,
        scale=found.scale, design=found.design, outcome=found.outcome, looks=found.looks,
        own=found.b, other=found.a, reason=found.reason,
    )  # fmt: skip
    refs = evidence.of_change(source, wanted.against.id, wanted.cell.id, found)
    return figure, found.family, refs


def _check_shown(wanted: Wanted, found: Delta) -> None:
    """Raise UsageError for a comparison that nothing may be said of."""
    assert wanted.against is not None
    ends = f"'{wanted.cell.label[:80]}' against '{wanted.against.label[:80]}'"
    what = f"{wanted.named} of {ends}"
    if found.outcome == "trend":
        raise UsageError(
            f"{what} is a trend, which no sentence may claim: {found.reason}",
            hint=hints.tied(found.quantity, found.family),
        )
    if found.change is None:
        raise UsageError(f"{what} cannot be claimed: {found.reason}",
                         hint="claim each figure by itself, or measure the two alike")  # fmt: skip
    if found.design != "counted" and (found.low is None or found.high is None):
        raise UsageError(
            f"{what} cannot be claimed: it has no interval ({found.reason or 'none was formed'})",
            hint=hints.more(found.family),
        )


# --- whether it follows ------------------------------------------------------------------


def _check_follows(
    source: Source, wanted: Wanted, figure: ClaimFigure, family: ClaimFamily
) -> None:
    """Raise UsageError for a figure that its raw tally does not give, or outside its interval."""
    sides = [(wanted.cell, figure.value if wanted.against is None else figure.own)]
    sides += [(wanted.against, figure.other)] if wanted.against is not None else []
    for cell, value in sides if family == "accuracy" else ():
        found = evidence.of_tally(source, cell.id, wanted.named)
        if value is None or found is None or isclose(value, found, rel_tol=1e-6, abs_tol=1e-12):
            continue
        raise UsageError(
            f"{wanted.named} of '{cell.label[:80]}' cannot be claimed: the record has {value:.9g},"
            f" its raw tally gives {found:.9g}",
            hint="the record was altered after the measurement: measure the cell again",
        )
    if not _within(figure):
        raise UsageError(
            f"{wanted.text[:200]} cannot be claimed: {figure.value:.9g} lies outside its own"
            f" interval, {figure.low:.9g} to {figure.high:.9g}",
            hint="the record was altered after the measurement: measure the cell again",
        )


def _within(figure: ClaimFigure) -> bool:
    if None in (figure.value, figure.low, figure.high):
        return True
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    slack = 1e-9 * max(abs(figure.low), abs(figure.high))
    return figure.low - slack <= figure.value <= figure.high + slack
