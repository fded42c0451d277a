"""The run in a few plain sentences: who is fastest, who is most accurate, what needs care."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbench.reports.grouping import (
    Group,
    Rung,
    accuracy,
    differs,
    groups,
    ladder,
    median_ms,
    shared_caveats,
)
from benchbench.reports.wording import (
    chip,
    fraction,
    metric_name,
    milliseconds,
    plural,
    ratio,
    short,
)
from benchbench.view import CellView, RunView


@dataclass(frozen=True, slots=True)
class Sentence:
    """A plain sentence; ``lead`` is its opening words, for emphasis."""

    lead: str
    text: str

    def __str__(self) -> str:
        return f"{self.lead} {self.text}"


def counts(cells: Iterable[CellView]) -> dict[str, int]:
    """Return how many cells are measured, failed and not run; every status is present."""
    found = Counter(cell.status for cell in cells)
    return {status: found[status] for status in ("measured", "failed", "not_run")}


def summary(run: RunView) -> tuple[Sentence, ...]:
    """Return the run in at most five sentences; two groups of cells at most are spoken of."""
    parts = groups(run)
    told: list[Sentence | None] = [_counted(run.cells)]
    if len(parts) == 1:
        told += [fastest(parts[0]), most_accurate(parts[0]), boldest(parts[0].cells)]
    else:
        told += [_on(part, best) for part in parts[:2] if (best := most_accurate(part))]
        told.append(boldest(run.cells))
    told.append(_doubts(run.cells))
    return tuple(sentence for sentence in told if sentence is not None)


def _counted(cells: Sequence[CellView]) -> Sentence:
    found = counts(cells)
    tail = [
        f"{number} {'was' if number == 1 else 'were'} not run" if status == "not_run"
        else f"{number} failed"
        for status, number in found.items()
        if number and status != "measured"
    ]  # fmt: skip
    verb = "was" if found["measured"] == 1 else "were"
    lead = f"{found['measured']} of {plural(len(cells), 'cell')}"
    return Sentence(lead, f"{verb} measured" + "".join(f"; {text}" for text in tail) + ".")


def fastest(group: Group) -> Sentence | None:
    """Return who has the lowest median latency, or None if nobody has one."""
    timed = [cell for cell in group.cells if median_ms(cell) is not None]
    if not timed:
        return None
    best = min(timed, key=lambda cell: median_ms(cell) or 0.0)
    facts = milliseconds(median_ms(best))
    if accuracy(best) is not None:
        facts += f", {metric_name(best.primary)} {fraction(accuracy(best))}"
    return Sentence("Fastest at p50:", f"{short(best.label)} ({facts}).")


def most_accurate(group: Group) -> Sentence | None:
    """Return who scores best by the group's primary metric, the faster one among equals."""
    scored = [c for c in group.cells if c.primary == group.primary and accuracy(c) is not None]
    if not scored:
        return None
    best = min(scored, key=lambda c: (-(accuracy(c) or 0.0), median_ms(c) or math.inf))
    level = sum(fraction(accuracy(cell)) == fraction(accuracy(best)) for cell in scored) - 1
    facts = f"{metric_name(best.primary)} {fraction(accuracy(best))}"
    if median_ms(best) is not None:
        facts += f", p50 {milliseconds(median_ms(best))}"
    tail = f"; {plural(level, 'other')} level at three decimals" if level else ""
    return Sentence("Most accurate:", f"{short(best.label)} ({facts}){tail}.")


def boldest(cells: Sequence[CellView]) -> Sentence | None:
    """Return what the reduced precision that gains most time costs in accuracy, or None."""
    rungs = [r for r in ladder(cells) if r.time_ratio and r.accuracy_delta is not None]
    rungs = [rung for rung in rungs if not differs(rung.cell)]
    if not rungs:
        return None
    return rung_sentence(min(rungs, key=lambda rung: rung.time_ratio or 0.0))


def rung_sentence(rung: Rung) -> Sentence:
    """Return ``int8 in OpenVINO loses 0.012 mAP and takes 0.41 × the time of fp32``."""
    cell, change = rung.cell, rung.accuracy_delta or 0.0
    name = metric_name(cell.primary)
    if abs(change) < 0.0005:
        effect = f"leaves {name} within 0.0005"
    else:
        effect = f"{'loses' if change < 0 else 'gains'} {abs(change):.3f} {name}"
    return Sentence(
        f"{cell.precision} in {short(cell.runtime, 40)}",
        f"{effect} and takes {ratio(rung.time_ratio)} the time of fp32 ({short(cell.model)}).",
    )


def _on(group: Group, sentence: Sentence) -> Sentence:
    lead = sentence.lead[0].lower() + sentence.lead[1:]
    return Sentence(f"On {short(group.title)}, {lead}", sentence.text)


def _doubts(cells: Sequence[CellView]) -> Sentence | None:
    measured = [cell for cell in cells if cell.status == "measured"]
    shared = shared_caveats(cells)
    own = Counter(chip(c) for cell in measured for c in cell.caveats if c not in shared)
    told = [f"{name} ({plural(number, 'cell')})" for name, number in own.most_common()]
    told += [f"every measured cell: {chip(caveat)}" for caveat in shared]
    admitted = {c.id for c in measured if any(k.code == "precision_admitted" for k in c.caveats)}
    elsewhere = sum(differs(cell) and cell.id not in admitted for cell in measured)
    if elsewhere:
        told.append(f"{plural(elsewhere, 'cell')} ran otherwise than asked")
    return Sentence("Read with care:", f"{'; '.join(told)}.") if told else None
