"""The run in a few plain sentences: who is fastest, who is most accurate, what needs care."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.folding import Fold, folds, kept, pairs, undamaged
from benchbench.reports import energy, parts, processes, turns
from benchbench.reports.evidence import MARKED, OTHERWISE, PROXY, named, placed, signs
from benchbench.reports.grouping import (
    Group,
    Rung,
    accuracy,
    differs,
    finite,
    groups,
    ladder,
    median_ms,
    merit,
    sense,
    shared_caveats,
)
from benchbench.reports.sureness import bounds, valued
from benchbench.reports.wording import (
    ONE_EACH,
    STATUS,
    against,
    chip,
    delta,
    fraction,
    interval,
    metric_name,
    milliseconds,
    plural,
    ratio,
    short,
)
from benchbench.turns_view import TurnsView
from benchbench.types import Status
from benchbench.view import CellView, RunView


@dataclass(frozen=True, slots=True)
class Sentence:
    """A plain sentence; ``lead`` is its opening words, for emphasis."""

    lead: str
    text: str

    def __str__(self) -> str:
        return f"{self.lead} {self.text}"


def counts(cells: Iterable[CellView]) -> dict[Status, int]:
    """Return how many cells have each status; every status is present."""
    found = Counter(cell.status for cell in cells)
    return {status: found[status] for status in STATUS}


def summary(run: RunView) -> tuple[Sentence, ...]:
    """Return the run in at most nine sentences; two groups of cells at most are spoken of.

    The best are sought among cells on undamaged images.
    """
    folded, own, clean = folds(run.cells), kept(run.cells), undamaged(run.cells)
    parts = groups(run.model_copy(update={"cells": clean}))
    told: list[Sentence | None] = [_counted(run.cells, len(folded))]
    if len(parts) == 1:
        told += [fastest(parts[0]), most_accurate(parts[0]), boldest(parts[0].cells, run.turns)]
    else:
        told += [_on(part, best) for part in parts[:2] if (best := most_accurate(part))]
        told.append(boldest(clean, run.turns))
    told += [_led("By turn-taking:", turns.told(run)), fall(pairs(run.cells)), harm(run)]
    told += [_led("Least energy:", energy.told(run)), _doubts(own, folded)]
    return tuple(sentence for sentence in told if sentence is not None)


def _led(lead: str, text: str) -> Sentence | None:
    return Sentence(lead, text) if text else None


def _counted(cells: Sequence[CellView], damaged: int) -> Sentence:
    found = counts(cells)
    words: dict[Status, str] = {
        "compiled": "compiled only",
        "failed": "failed",
        "not_run": f"{'was' if found['not_run'] == 1 else 'were'} not run",
    }
    tail = [f"{found[status]} {text}" for status, text in words.items() if found[status]]
    verb = "was" if found["measured"] == 1 else "were"
    lead = f"{found['measured']} of {plural(len(cells), 'cell')}"
    tail += [f"{damaged} of the cells on damaged images"] if damaged else []
    return Sentence(lead, f"{verb} measured" + "".join(f"; {text}" for text in tail) + ".")


def fastest(group: Group) -> Sentence | None:
    """Return who has the lowest median latency, or None if nobody has one."""
    timed = _as_asked([cell for cell in group.cells if median_ms(cell) is not None])
    if not timed:
        return None
    best = min(timed, key=lambda cell: median_ms(cell) or 0.0)
    facts = _typical(best)
    if accuracy(best) is not None:
        facts += f", {metric_name(best.primary, best.lower_is_better)} {fraction(accuracy(best))}"
    return Sentence("Fastest at p50:", f"{named(best)} ({facts}).")


def most_accurate(group: Group) -> Sentence | None:
    """Return who scores best by the group's primary metric, the faster one among equals."""
    first = group.primary
    known = [c for c in group.cells if c.primary == first and accuracy(c) is not None]
    scored = _as_asked(known)
    if not scored:
        return None
    best = min(scored, key=lambda c: (-(merit(c) or 0.0), median_ms(c) or math.inf))
    level = sum(fraction(accuracy(cell)) == fraction(accuracy(best)) for cell in scored) - 1
    facts = f"{metric_name(best.primary, best.lower_is_better)} {fraction(accuracy(best))}"
    if median_ms(best) is not None:
        facts += f", p50 {_typical(best)}"
    tail = f"; {plural(level, 'other')} level at three decimals" if level else ""
    return Sentence("Most accurate:", f"{named(best)} ({facts}){tail}.")


def _typical(cell: CellView) -> str:
    """Return the median latency, of several processes with its interval and their number."""
    found = processes.typical(cell)
    return found.phrase(" ms") if found else milliseconds(median_ms(cell))


def _as_asked(cells: Sequence[CellView]) -> Sequence[CellView]:
    """Return those of *cells* that ran as asked; all of them, which carry marks, if none did."""
    return [cell for cell in cells if not differs(cell)] or cells


def boldest(cells: Sequence[CellView], taken: Sequence[TurnsView] = ()) -> Sentence | None:
    """Return what the reduced precision that gains most time costs in accuracy, or None.

    Time is told by the pairs of *taken* where the two cells took turns.
    """
    rungs = [r for r in ladder(cells) if r.time_ratio and r.accuracy_delta is not None]
    rungs = [rung for rung in rungs if rung.sound]
    if not rungs:
        return None
    return rung_sentence(min(rungs, key=lambda rung: _time_ratio(rung, taken)), taken)


def rung_sentence(rung: Rung, taken: Sequence[TurnsView] = ()) -> Sentence:
    """Return ``int8 in OpenVINO loses 0.012 mAP and is 2.41 × as fast as fp32 at p50``."""
    lead = f"{rung.cell.precision} in {short(rung.cell.runtime, 40)}"
    pair = _pair(rung, taken)
    gain = _told_speed(rung) if pair is None else _told_turns(rung, pair)
    return Sentence(lead, f"{_effect(rung)} and {gain}.")


def _effect(rung: Rung) -> str:
    """Return what it costs: a loss only where a difference is shown, or exactly these images."""
    cell, change = rung.cell, rung.accuracy_delta or 0.0
    name, found = metric_name(cell.primary, cell.lower_is_better), cell.comparison
    if found is None or rung.baseline is None or found.a != rung.baseline.id:
        return f"{_changed(cell, change, name)} on these images"
    if bounds(found) and found.verdict == "inconclusive":
        apart = (found.low or 0.0) > 0 or (found.high or 0.0) < 0
        asked = f": not after correction over {found.family:,}" if apart else ""
        return f"is not shown to differ in {name} ({delta(change)}, {bounds(found)}{asked})"
    if bounds(found) and found.verdict == "equivalent":
        return f"is equivalent in {name} ({delta(change)}, {bounds(found)})"
    return f"{_changed(cell, change, name)} ({against(cell)})"


def _changed(cell: CellView, change: float, name: str) -> str:
    if abs(change) < 0.0005:
        return f"leaves {name} within 0.0005"
    if sense(cell) < 0:
        return f"{'lowers' if change < 0 else 'raises'} {name} by {abs(change):.3f}"
    return f"{'loses' if change < 0 else 'gains'} {abs(change):.3f} {name}"


def _told_speed(rung: Rung) -> str:
    """Return how fast it is; of one process each, a trend and no more."""
    speed = rung.cell.speedup
    told = interval(speed) if speed else ONE_EACH
    trend = "" if speed and speed.rounds else ", a trend"
    times_as = f"is {ratio(rung.speed)} as fast as fp32 at p50{trend}"
    return f"{times_as} ({short(rung.cell.model)}; {told})"


def _pair(rung: Rung, taken: Sequence[TurnsView]) -> TurnsView | None:
    """Return the turns that the cell and its fp32 cell took, in either order; None without any."""
    ends = {rung.cell.id, rung.baseline.id} if rung.baseline else set()
    alike = (one for one in taken if {one.a, one.b} == ends and one.elsewhere is None)
    return next(alike, None)


def _time_ratio(rung: Rung, taken: Sequence[TurnsView]) -> float:
    pair = _pair(rung, taken)
    found = finite(pair.wall.ratio) if pair else None
    if pair is None or not found:
        return rung.time_ratio or 0.0
    return found if pair.b == rung.cell.id else 1 / found


def _told_turns(rung: Rung, pair: TurnsView) -> str:
    told = (
        f"({turns.VERDICTS[pair.verdict]}, {plural(pair.pairs, 'pair')}; {short(rung.cell.model)})"
    )
    if finite(pair.wall.ratio) is None:
        return f"no ratio of times is known by turn-taking {told}"
    if pair.b == rung.cell.id:
        return f"takes {turns.measured(pair.wall)} the time of fp32 by turn-taking {told}"
    return f"fp32 takes {turns.measured(pair.wall)} its time by turn-taking {told}"


def harm(run: RunView) -> Sentence | None:
    """Return in how many cells slices or classes are worse than fp32; None if none is."""
    told = []
    for kind, many in parts.PLURALS.items():
        counts = [len(parts.harmed(block)) for block in parts.blocks(kept(run.cells), kind)]
        hit = [count for count in counts if count]
        if hit:
            told.append(f"{plural(sum(hit), kind, many)} in {plural(len(hit), 'cell')}")
    if not told:
        return None
    where = "named under Slices and classes"
    return Sentence("Worse than fp32:", f"{' and '.join(told)}, after correction; {where}.")


def fall(found: Sequence[Fold]) -> Sentence | None:
    """Return which corruption costs most accuracy, and what it costs fp32; None if none is known.

    Falls of one metric alone are ranked: that of most cells.
    """
    known = [fold for fold in found if fold.fall is not None]
    names = [fold.cell.primary or "" for fold in known]
    known = [f for f in known if f.cell.primary == max(sorted(set(names)), key=names.count)]
    if not known:
        return None
    worst = max(known, key=lambda fold: fold.fall or 0.0)
    name = metric_name(worst.cell.primary, worst.cell.lower_is_better)
    if (worst.fall or 0.0) < 0.0005:
        return Sentence(
            "Damaged images", f"cost none of {plural(len(known), 'cell')} 0.0005 {name} or more."
        )
    cell = placed(worst.clean, (fold.clean for fold in known))
    ends = " to ".join(_told(one) for one in (worst.clean, worst.cell))
    cost = f"{abs(worst.change or 0.0):.3f}"
    effect = f"raises {name} of {cell} by {cost}" if sense(worst.cell) < 0 else ""
    effect = effect or f"costs {cell} {cost} {name}"
    lead = f"{short(worst.damage.title, 60)}, severity {worst.damage.severity},"
    text = f"{effect} ({ends}), the largest fall on damaged images{_beside(worst, known)}."
    return Sentence(lead, text)


def _told(cell: CellView) -> str:
    found = cell.intervals.get(cell.primary or "")
    return valued(found) if found else fraction(accuracy(cell))


def _beside(worst: Fold, known: Sequence[Fold]) -> str:
    """Return what the same corruption does to fp32 of the same model, runtime and device."""
    cell = worst.clean
    seat = (cell.model, cell.runtime, cell.device, cell.batch, cell.dataset, cell.split)
    for fold in known:
        own = fold.clean
        same = seat == (own.model, own.runtime, own.device, own.batch, own.dataset, own.split)
        if same and fold.damage == worst.damage and own.precision == "fp32" != cell.precision:
            compared = worst.cell.comparison
            sure = compared and compared.a == fold.cell.id and bounds(compared)
            tail = f"; {cell.precision} against fp32 there: {against(worst.cell)}" if sure else ""
            return f"; fp32 of it changes by {delta(fold.change)}{tail}"
    return ""


def _on(group: Group, sentence: Sentence) -> Sentence:
    lead = sentence.lead[0].lower() + sentence.lead[1:]
    return Sentence(f"On {short(group.title)}, {lead}", sentence.text)


def _doubts(cells: Sequence[CellView], folded: Sequence[Fold]) -> Sentence | None:
    """Return what needs care; of folded cells, what the undamaged ones do not have as well."""
    measured = [cell for cell in cells if cell.status == "measured"]
    more = [fold for fold in folded if fold.cell.status == "measured"]
    shared = shared_caveats(cells)
    marked = Counter(sign for cell in measured for sign in signs(cell))
    marked.update(s for fold in more for s in signs(fold.cell) if s not in signs(fold.clean))
    told = [f"{plural(marked[k], 'cell')} {text}" for k, text in _MARKED.items() if marked[k]]
    own = Counter(
        chip(caveat)
        for caveats in (*(cell.caveats for cell in measured), *(fold.caveats for fold in more))
        for caveat in caveats
        if caveat not in shared and caveat.code not in MARKED
    )
    told += [f"{name} ({plural(number, 'cell')})" for name, number in own.most_common()]
    for caveat in shared:
        every = all(caveat in fold.cell.caveats for fold in more)
        told.append(f"every measured cell{'' if every else ' on undamaged images'}: {chip(caveat)}")
    return Sentence("Read with care:", f"{'; '.join(told)}.") if told else None


_MARKED = {OTHERWISE: "ran otherwise than asked (†)", PROXY: "by proxy (‡)"}
