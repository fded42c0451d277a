"""How a figure over runs is worded, for the terminal, pages and documents."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.history_view import ChangePoint, Different, HistoryView, Part, Point, SeriesView
from benchbench.stats.trend import CORRELATION
from benchbench.units import digits, show

ABSENT = "–"
_COMMIT = 9
_MOST = 4
"""Keys that differ are named up to so many."""
KEY = (
    "Dots are runs in the order measured, bars their intervals, lines the median of each level. "
    "Dashed: a change. Dotted: what is left of it does not compare with what is right. A cross: no "
    "figure. A ring: a baseline."
)
"""What the marks of a chart mean."""


def line(text: object, limit: int = 80) -> str:
    """Return *text* on one line without what moves a terminal, its middle cut where it is long."""
    kept = "".join(char if char.isprintable() else " " for char in str(text))
    flat = " ".join(kept.split())
    if len(flat) <= limit:
        return flat
    head = (limit - 1) * 2 // 3
    return f"{flat[:head]}…{flat[head + 1 - limit :]}"


def moment(point: Point) -> str:
    """Return when it was measured, to the minute."""
    return line(point.measured)[:16].replace("T", " ")


def day(point: Point) -> str:
    """Return the date when it was measured."""
    return line(point.measured)[:10]


def commit(point: Point) -> str:
    """Return the short commit, with ``+`` where the folder had changes of its own."""
    if point.commit is None:
        return ABSENT
    return short_commit(point.commit) + ("+" if point.dirty else "")


def short_commit(name: str | None) -> str:
    """Return the first digits of a commit, or a dash."""
    return line(name)[:_COMMIT] if name else ABSENT


def value(series: SeriesView, point: Point) -> str:
    """Return the figure with its unit, or a dash."""
    return line(show(point.value, series.unit, series.currency), 40)


def interval(series: SeriesView, point: Point) -> str:
    """Return the ends of the interval and what it is of, or a dash."""
    if point.low is None and point.high is None:
        return ABSENT
    ends = [show(end, series.unit, series.currency) for end in (point.low, point.high)]
    return line(f"{ends[0]} to {ends[1]}, {basis(point)}", 120)


def basis(point: Point) -> str:
    """Return what the interval is of: ``10 processes``."""
    several = point.n and point.basis not in ("one process", "one run")
    return line(f"{point.n} {point.basis}" if several else point.basis)


def remark(point: Point) -> str:
    """Return what is to be said of a point besides its figure: why it is absent, baselines."""
    told = [f"baseline {line(name, 60)}" for name in point.baselines]
    if point.value is None:
        told.append(line(point.reason or "no reason is given", 100))
    told += (
        [f"taken over by {', '.join(line(run, 40) for run in point.also)}"] if point.also else []
    )
    return "; ".join(told)


def change(made: ChangePoint) -> str:
    """Return a change in words: ``+12 % (+8 to +16), worse``."""
    ends = extent(made)
    return f"{size(made)} ({ends}), {made.outcome}" if ends else f"{size(made)}, {made.outcome}"


def size(made: ChangePoint) -> str:
    """Return how large a change is: ``+12 %``, ``−0.4 points``."""
    return f"{_signed(made, made.change)} {'%' if made.scale == 'ratio' else 'points'}"


def extent(made: ChangePoint) -> str:
    """Return the interval of a change in the unit of its size; nothing where it has none."""
    if made.low is None or made.high is None:
        return ""
    return f"{_signed(made, made.low)} to {_signed(made, made.high)}"


def _signed(made: ChangePoint, number: float) -> str:
    moved = 100 * (number - 1 if made.scale == "ratio" else number)
    return f"{'−' if moved < 0 else '+'}{digits(abs(moved))}"


def where(made: ChangePoint) -> str:
    """Return between which commits, or else runs, a change came."""
    ends = (made.before_commit, made.commit)
    if all(ends) and ends[0] != ends[1]:
        told = f"between commits {short_commit(ends[0])} and {short_commit(ends[1])}"
    elif all(ends):
        told = f"both sides measured at commit {short_commit(ends[0])}"
    else:
        told = "commits are not known"
    return f"{told} (runs {line(made.before_run, 40)}, {line(made.run, 40)})"


def sureness(made: ChangePoint) -> str:
    """Return the p-value in words, and how far the place of the change is uncertain."""
    if made.p_adjusted is None:
        return "counted: no noise"
    p = "p < 0.001" if made.p_adjusted < 0.001 else f"p = {made.p_adjusted:.3f}"
    if made.first == made.last:
        return p
    return f"{p}; it may be at any of points {made.first + 1} to {made.last + 1}"


def differences(found: Sequence[Different], most: int = _MOST) -> str:
    """Return what differs, key by key."""
    told = [
        f"{line(one.key, 60)}: {line(one.before, 40)} → {line(one.after, 40)}"
        for one in found[:most]
    ]
    rest = len(found) - most
    return "; ".join(told) + (f"; and {rest} more" if rest > 0 else "")


def resolved(part: Part) -> str | None:
    """Return how small a change in the middle of *part* would be found half the time."""
    if part.least is None:
        return None
    ratio = part.least_scale == "ratio"
    least = 100 * (part.least - 1 if ratio else part.least)
    return f"one of {digits(least)} {'%' if ratio else 'points'}" if least else "any"


def part_line(series: SeriesView, number: int, part: Part) -> str:
    """Return what was searched in a part, in a line."""
    found = [one for one in series.changes if part.begin <= one.at < part.end]
    name = f"part {number}, " if len(series.parts) > 1 else ""
    if part.reason:
        return f"{name}not tested: {part.reason}" if "two levels" in part.reason else part.reason
    told = f"{len(found)} change{'s' if len(found) != 1 else ''}" if found else "no change found"
    return f"{name}{told}; {resolved(part)} in its middle would be found half the time"


def method(view: HistoryView) -> str:
    """Return what stands behind the changes, in a sentence."""
    if not view.tested:
        reasons = [part.reason or "" for series in view.series for part in series.parts]
        if any("no noise" in reason for reason in reasons):
            return "Nothing was tested: counted figures have no noise, each difference is a change."
        return "Nothing was tested: no part has enough figures."
    parts = f"{view.tested} part{'s' if view.tested != 1 else ''}"
    return (
        f"Changes: at most {100 * view.alpha:.0f} % chance of any false one over {parts}, for "
        f"noise whose neighbours correlate by up to {CORRELATION}. Intervals of changes are "
        f"{100 * view.level:.0f} %."
    )


_LEVELS = "▁▂▃▄▅▆▇█"


def spark(series: SeriesView) -> str:
    """Return the series as a line of bars: ``│`` a new part, ``╎`` a change, ``·`` no figure."""
    values = [point.value for point in series.points if point.value is not None]
    if not values:
        return "·" * len(series.points)
    low, span = min(values), (max(values) - min(values))
    breaks = {part.begin for part in series.parts[1:]}
    cuts = {made.at for made in series.changes}
    made = []
    for index, point in enumerate(series.points):
        made.append("│" if index in breaks else "╎" if index in cuts else "")
        place = 0.5 if not span else ((point.value or low) - low) / span
        made.append("·" if point.value is None else _LEVELS[round(7 * place)])
    return "".join(made)
