"""What surrounded each latency pass, in words: waiting, pressure, others' load, clocks and heat."""

from __future__ import annotations

from benchbench.conditions_view import ConditionsView
from benchbench.folding import kept
from benchbench.reports.grouping import finite
from benchbench.reports.soak import changes
from benchbench.reports.tables import (
    Head,
    Row,
    Section,
    Value,
    columns,
    number,
    row,
    section,
    table,
    words,
)
from benchbench.reports.wording import percent, ratio, seconds, significant
from benchbench.view import CellView, RunView

_HEADS = (
    "conditions",
    "Conditions",
    (
        "What went on around the latency pass. Wall over CPU time is about 1 for one busy "
        "thread that nothing keeps waiting. Pressure is the share of the time in which some "
        "task of the machine waited. Others’ load is the share of the machine’s CPUs that "
        "other processes took."
    ),
)
_HEADINGS = columns(
    "Wall / CPU time", "CPU pressure", "Memory, I/O pressure", "Switches", "Others’ load",
    "Frequency, MHz", "Temperature, °C", "Held back", Head("Changes of level", "text"),
)  # fmt: skip


def conditions(run: RunView) -> Section | None:
    """Return the section; None if no conditions were recorded."""
    cells = kept(run.cells)
    rows = [_row(cell, cells) for cell in cells if cell.conditions]
    caption = "Around the latency pass; before → after"
    return section(_HEADS, [table(caption, _HEADINGS, rows)])


def _row(cell: CellView, cells: tuple[CellView, ...]) -> Row:
    view = cell.conditions
    assert view is not None, "the caller asks only for cells with conditions"
    taken = f"{view.voluntary_switches:,} voluntary"
    return row(
        cell,
        cells,
        number(
            view.wall_over_cpu, _reason(view, "wall_over_cpu"),
            text=ratio(view.wall_over_cpu), detail=f"{seconds(view.wall_s)} wall",
        ),
        _share(view, "pressure_cpu"),
        _both(view),
        number(view.involuntary_switches, text=f"{view.involuntary_switches:,}", detail=taken),
        _share(view, "others_cpu", _stolen(view)),
        _change(view, "frequency_mhz"),
        _change(view, "temperature_c"),
        _held(view),
        words(changes(cell.changes)),
    )  # fmt: skip


def _reason(view: ConditionsView, name: str) -> str | None:
    return view.absent.get(name)


def _share(view: ConditionsView, name: str, detail: str = "") -> Value:
    value = getattr(view, name)
    return number(value, _reason(view, name), text=percent(value), detail=detail)


def _stolen(view: ConditionsView) -> str:
    share = finite(view.steal)
    return f"{percent(share)} stolen" if share else ""


def _both(view: ConditionsView) -> Value:
    memory, disk = finite(view.pressure_memory), finite(view.pressure_io)
    reason = _reason(view, "pressure_memory") or _reason(view, "pressure_io")
    text = f"{percent(memory)}, {percent(disk)}"
    return number(memory if memory is not None else disk, reason, text=text)


def _change(view: ConditionsView, name: str) -> Value:
    before, after = (finite(getattr(view, f"{name}_{at}")) for at in ("before", "after"))
    reason = _reason(view, f"{name}_after") or _reason(view, f"{name}_before")
    text = f"{_whole(before)} → {_whole(after)}"
    return number(after if after is not None else before, reason, text=text)


def _whole(value: float | None) -> str:
    return significant(value) if value is None or value < 1000 else f"{value:,.0f}"


def _held(view: ConditionsView) -> Value:
    """Return how often quota, heat or the disk held the pass back; the dash where nobody tells."""
    found = (
        (view.cgroup_throttled_periods, "by the quota"),
        (view.thermal_throttle_events, "by heat"),
        (view.major_faults, "by the disk"),
    )
    told = [f"{count:,} × {by}" for count, by in found if count]
    unknown = [by for count, by in found if count is None]
    silent = f"{', '.join(unknown)}: not known" if unknown else ""
    return words("; ".join(told) or "not seen", silent)
