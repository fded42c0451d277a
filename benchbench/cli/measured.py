"""The lines under the table of cells: verdicts of turn-taking, load, energy, what was left."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.text import Text

from benchbench.cli.output import significant
from benchbench.energy_view import EnergyView
from benchbench.folding import kept
from benchbench.inert import inert, visible
from benchbench.load_view import CamerasView, MultiStreamView, OfflineView, ServerView
from benchbench.turns_view import ProcessesView, RatioView, TurnsView
from benchbench.view import CellView, RunView

MOST_UNTAKEN = 10
"""Failures of takes that lines tell."""
_STYLE = {"pass": "green", "regression": "bold red", "inconclusive": "yellow"}


def plain(text: str) -> str:
    """Return the first line of *text*; what moves a terminal or changes direction is written out.

    What commands a CI runner is broken up.
    """
    line = next(iter(text.strip().splitlines()), "")
    return inert("".join(char for char in visible(line) if char.isprintable()))


def median_ms(cell: CellView) -> float | None:
    """Return the median over several processes where they were taken, else the pass's p50."""
    if cell.processes is not None and cell.processes.wall.median_ms is not None:
        return cell.processes.wall.median_ms
    return cell.latency.p50_ms if cell.latency else None


def lines(view: RunView) -> Iterator[Text]:
    """Yield a line a verdict, a line a cell of which more than its pass was taken, what is left."""
    labels = {cell.id: plain(cell.label) for cell in view.cells}
    for one in view.turns:
        names = [labels.get(one.b, plain(one.b)), labels.get(one.a, plain(one.a))]
        if one.elsewhere is not None:
            names[1] = plain(f"{one.elsewhere.label} of {one.elsewhere.run}")
        yield Text.assemble(f"{names[0]} vs {names[1]}: ", *_verdict(one))
    for cell in kept(view.cells):
        if told := "; ".join(_taken(cell)):
            yield Text(f"{labels[cell.id]}: {told}")
    yield from (Text(f"left: {plain(text)}", style="yellow") for text in view.left)
    yield from _failed(view)


def _verdict(view: TurnsView) -> Iterator[str | tuple[str, str]]:
    yield f"{_ratio(view.wall)} "
    yield view.verdict.upper(), _STYLE[view.verdict]
    yield f" ({_pairs(view.pairs)})"
    if view.reason:
        yield f": {plain(view.reason)}"
    if view.energy_meter:
        yield from _drawn(view)


def _pairs(count: int) -> str:
    return f"{count} {'pair' if count == 1 else 'pairs'}"


def _drawn(view: TurnsView) -> Iterator[str | tuple[str, str]]:
    """Yield the energy of an image against the baseline's, or why there is none."""
    if view.energy is None or view.energy_verdict is None:
        reason = plain(view.energy_reason or "the meter gives no reason")
        yield f"; energy by {plain(view.energy_meter or '')} not measured: {reason}"
        return
    yield f"; energy an image {_ratio(view.energy)} "
    yield view.energy_verdict.upper(), _STYLE[view.energy_verdict]
    if view.energy_pairs != view.pairs:
        yield f" ({_pairs(view.energy_pairs or 0)})"
    if view.energy_reason:
        yield f": {plain(view.energy_reason)}"


def _ratio(found: RatioView) -> str:
    ratio, low, high = map(_finite, (found.ratio, found.low, found.high))
    if ratio is None:
        return "–"
    if low is None or high is None:
        return f"{ratio:.2f}×"
    places = 2 if high - low >= 0.02 else 3
    sure = "" if found.level is None else f" ({found.level * 100:.3g} %)"
    return f"{ratio:.{places}f}× [{low:.{places}f}, {high:.{places}f}]{sure}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _taken(cell: CellView) -> Iterator[str]:
    if cell.processes is not None:
        yield _processes(cell.processes)
    yield from map(_server, cell.server)
    yield from map(_cameras, cell.cameras)
    yield from map(_offline, cell.offline)
    yield from map(_multi_stream, cell.multi_stream)
    for soak in cell.soak:
        if soak.ratio is None:
            yield f"soak: {plain(soak.reason or '–')}"
        else:
            yield f"sustained {soak.ratio:.2f}× burst"
    yield from map(_energy, cell.energy)


def _processes(view: ProcessesView) -> str:
    wall = view.wall
    if wall.median_ms is None:
        return f"p50 of {view.processes} processes: {plain(wall.reason or '–')}"
    ends = _span(wall.low_ms, wall.high_ms)
    grade = "" if view.grade == "full" else f", {view.grade}"
    many = "1 process" if view.processes == 1 else f"{view.processes} processes"
    middle = significant(wall.median_ms, _digits(wall.low_ms, wall.high_ms))
    return f"p50 {middle} ms{ends} ({many}{grade})"


def _span(low: float | None, high: float | None) -> str:
    """Return the interval with as many significant digits as tell its ends apart."""
    if low is None or high is None:
        return ""
    count = _digits(low, high)
    return f" [{significant(low, count)}, {significant(high, count)}]"


def _digits(low: float | None, high: float | None) -> int:
    """Return how many significant digits tell the ends of an interval apart, 3 to 5, as reports."""
    if low is None or high is None or not math.inf > high > max(low, 0.0):
        return 3
    return min(max(3, math.ceil(math.log10(high / (high - low))) + 1), 5)


def _server(view: ServerView) -> str:
    bound = f"p{view.percentile:g} ≤ {view.bound_ms:.4g} ms"
    if view.highest_met_qps is None:
        return (
            f"server {bound}: no rate shown to keep it: {_reason(view.reasons, 'highest_met_qps')}"
        )
    missed = "" if view.lowest_missed_qps is None else f", not {view.lowest_missed_qps:.4g}"
    return f"server {view.highest_met_qps:.4g} queries/s{missed} ({bound})"


def _cameras(view: CamerasView) -> str:
    setting = f"{view.fps:g} frames/s, {view.deadline_ms:.4g} ms"
    if view.highest_met is None:
        return f"cameras ({setting}): none: {_reason(view.reasons, 'highest_met')}"
    missed = "" if view.lowest_missed is None else f", not {view.lowest_missed}"
    return f"{view.highest_met} camera{'s' * (view.highest_met != 1)}{missed} ({setting})"


def _reason(reasons: dict[str, str], name: str) -> str:
    return plain(reasons.get(name, "the run gives no reason"))


def _offline(view: OfflineView) -> str:
    streams = f"{view.best_streams} stream{'s' * (view.best_streams != 1)}"
    return f"offline {significant(view.images_per_s)} images/s (batch {view.batch}, {streams})"


def _multi_stream(view: MultiStreamView) -> str:
    tail = "" if view.p99_ms is None else f", p99 {significant(view.p99_ms)} ms"
    return f"multi-stream of {view.samples} p50 {significant(view.p50_ms)} ms{tail}"


def _energy(view: EnergyView) -> str:
    gross, net = view.gross_j_per_image, view.net_j_per_image.value
    if gross.value is None:
        reason = view.reason or gross.reason or "the meter gives no reason"
        return f"energy by {plain(view.meter)} not measured: {plain(reason)}"
    grade = view.quality.grade if view.quality and view.quality.grade else "–"
    tail = "" if net is None else f", {significant(net)} net"
    ends, scope = _span(gross.low, gross.high), plain(view.scope or view.meter)
    amount = significant(gross.value, _digits(gross.low, gross.high))
    return f"{amount} J/image{ends} gross{tail} ({scope}, grade {grade})"


def _failed(view: RunView) -> Iterator[Text]:
    told = [
        f"left: {plain(cell.label)}: {one.kind} {one.number}: {plain(one.failure.message)}"
        for cell in view.cells
        for one in cell.untaken
    ]
    yield from (Text(text, style="yellow") for text in told[:MOST_UNTAKEN])
    if len(told) > MOST_UNTAKEN:
        yield Text(f"left: {len(told) - MOST_UNTAKEN:,} more: benchbench report {view.run}")
