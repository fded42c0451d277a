"""A soak in words: what a cell does at first, and what it keeps up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchbench.conditions_view import Beside, ChangesView, SoakView
from benchbench.folding import kept
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Section,
    Table,
    Trace,
    Value,
    columns,
    number,
    row,
    section,
    table,
    words,
)
from benchbench.reports.wording import (
    ABSENT,
    figure,
    figure_name,
    milliseconds,
    plural,
    ratio,
    short,
    significant,
)
from benchbench.reports.wording import seconds as in_seconds
from benchbench.view import RunView

HEIGHT = 46
"""Of a trace, in pixels."""
MOST_CHANGES = 3
_POINTS = 150
_HEADS = (
    "soak",
    "Burst and sustained",
    (
        "The same query for minutes. Burst is the median of the first seconds, sustained "
        "that of the last third."
    ),
)
_DRAWING = (
    "The trace is latency against time, each on its own scale; dashed lines are lasting "
    "changes of its level."
)
_UNITS = {"_mhz": " MHz", "temperature_c": " °C", "_w": " W"}


def soak(run: RunView) -> Section | None:
    """Return the section; None if no cell was soaked."""
    cells = kept(run.cells)
    heads = columns(
        "Burst, ms", "Sustained, ms", "Sustained over burst", Head("Latency against time", "lane"),
        Head("Changes of level", "text"), Head("Clocks and temperatures", "text"), "Throttled",
    )  # fmt: skip
    rows = [
        row(
            cell,
            cells,
            number(view.burst_ms, view.reason, detail=f"first {view.burst_s:.3g} s"),
            number(view.sustained_ms, view.reason),
            number(view.ratio, view.reason, text=ratio(view.ratio)),
            _trace(view),
            words(changes(view.changes)),
            words("; ".join(_beside(view)), "" if view.beside else "none was sampled"),
            _events(view),
            beside=f"{plural(view.queries, 'query', 'queries')} in {view.seconds:.3g} s",
        )
        for cell in cells
        for view in cell.soak
    ]
    caption = "A closed loop, one query at a time; burst → sustained"
    return section(_HEADS, [table(caption, heads, rows), _readings(run)], drawing=_DRAWING)


def _readings(run: RunView) -> Table:
    """Return what was sampled beside the traces, each against the same time."""
    cells = kept(run.cells)
    heads = columns(Head("Reading", "text"), "Burst", "Sustained", Head("Against time", "lane"))
    rows = [
        row(
            cell,
            cells,
            words(_name(one.name)),
            number(one.burst, text=_level(one.name, one.burst)),
            number(one.sustained, text=_level(one.name, one.sustained)),
            _sampled(one, view.seconds),
        )
        for cell in cells
        for view in cell.soak
        for one in view.beside
        if one.values
    ]
    return table("Clocks, temperatures and power, by a process of its own", heads, rows)


def changes(view: ChangesView | None) -> str:
    """Return the lasting changes of level in words, or why none were looked for."""
    if view is None:
        return "not looked for"
    if view.found is None:
        return f"not looked for: {short(view.reason or ABSENT, 200)}"
    told = [
        f"{milliseconds(one.before_ms)} → {milliseconds(one.after_ms)} after {in_seconds(one.at_s)}"
        for one in view.found[:MOST_CHANGES]
    ]
    more = len(view.found) - len(told)
    return "; ".join(told) + (f" and {more} more" if more > 0 else "") or "none"


def _beside(view: SoakView) -> Sequence[str]:
    return [
        f"{_name(one.name)} {_levels(one.name, one.burst, one.sustained)}" for one in view.beside
    ]


def _name(name: str) -> str:
    return figure_name(name.removesuffix("_mhz").removesuffix("_c").removesuffix("_w"))


def _levels(name: str, burst: float, sustained: float) -> str:
    unit = _unit(name)
    if unit:
        return f"{significant(burst)} → {significant(sustained)}{unit}"
    return f"{figure(name, burst)} → {figure(name, sustained)}"


def _level(name: str, value: float) -> str:
    unit = _unit(name)
    return f"{significant(value)}{unit}" if unit else figure(name, value)


def _unit(name: str) -> str:
    return next((text for end, text in _UNITS.items() if name.endswith(end)), "")


def _events(view: SoakView) -> Value:
    count = view.throttle_events
    return number(count, "nothing here reports throttling", text=f"{count or 0:,}")


def _trace(view: SoakView) -> Value:
    points = _finite(view.trace_s, view.trace_ms)
    across = tuple(one.at_s for one in view.changes.found or () if finite(one.at_s) is not None)
    return _drawn("latency", points, view.seconds, milliseconds, across)


def _sampled(one: Beside, end_s: float) -> Value:
    def told(value: float | None) -> str:
        return ABSENT if value is None else _level(one.name, value)

    return _drawn(_name(one.name), _finite(one.at_s, one.values), end_s, told)


def _finite(times: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    return [
        (at, value)
        for at, value in zip(times, values, strict=False)
        if finite(at) is not None and finite(value) is not None
    ]


def _drawn(
    what: str,
    points: list[tuple[float, float]],
    end_s: float,
    told: Callable[[float | None], str],
    across: Sequence[float] = (),
) -> Value:
    """Return *points* as a line over the time of the soak, on a scale of its own."""
    points = points[:: -(-len(points) // _POINTS) or 1]
    if len(points) < 2:
        return Value(ABSENT, "the run holds no trace")
    low, high = min(value for _, value in points), max(value for _, value in points)
    end = max(end_s, points[-1][0]) or 1.0

    def place(at: float) -> float:
        return round(100 * min(max(at / end, 0.0), 1.0), 2)

    path = " ".join(f"{place(at):g},{_height(value, low, high):g}" for at, value in points)
    label = f"{what} against time, from {told(low)} to {told(high)}"
    lines = tuple(place(at) for at in across)
    return Value("", f"{significant(low)}–{told(high)}", drawn=Trace(f"M{path}", label, lines))


def _height(value: float, low: float, high: float) -> float:
    return round(2 + (HEIGHT - 4) * (1 - (value - low) / ((high - low) or 1.0)), 1)
