"""A series cut where its runs do not compare, and each part searched for changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.history.reading import CellReading
from benchbench.history_view import ChangePoint, Different, Part, Point, SeriesView
from benchbench.stats.trend import LEAST, LEVEL, Step, least_step, steps, typical_noise

ENOUGH = 2 * LEAST
"""A part of fewer figures is not searched."""
_LONGEST = 160
_ABSENT = "not recorded"

Scale = Literal["difference", "ratio"]


@dataclass(frozen=True, slots=True)
class Sourced:
    """A series without parts and changes, and what each of its points was read from."""

    view: SeriesView
    readings: tuple[CellReading, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part with the points of it that have a figure."""

    part: Part
    measured: tuple[int, ...]


def judged(series: Sequence[Sourced], alpha: float) -> tuple[tuple[SeriesView, ...], int]:
    """Return the series with their parts and changes, and how many parts were searched."""
    cut = [list(_stretches(one)) for one in series]
    asked = sum(stretch.part.tested for found in cut for stretch in found)
    views = (_changed(one, found, asked, alpha) for one, found in zip(series, cut, strict=True))
    return tuple(views), asked


def _changed(one: Sourced, found: Sequence[_Stretch], asked: int, alpha: float) -> SeriesView:
    changes = [
        change for stretch in found for change in _changes(one, stretch, max(asked, 1), alpha)
    ]
    update = {"parts": tuple(stretch.part for stretch in found), "changes": tuple(changes)}
    return one.view.model_copy(update=update)


# --- parts -------------------------------------------------------------------------------


def _stretches(one: Sourced) -> Iterator[_Stretch]:
    """Yield the parts. A point without figure breaks nothing, and nothing is asked of it."""
    points = one.view.points
    begin, last = 0, None
    broken: tuple[Different, ...] = ()
    for index, point in enumerate(points):
        if point.value is None:
            continue
        differing = () if last is None else _differing(one, last, index, "setting")
        if differing:
            yield _stretch(one, begin, index, broken)
            begin, broken = index, differing
        last = index
    yield _stretch(one, begin, len(points), broken)


def _stretch(one: Sourced, begin: int, end: int, broken: tuple[Different, ...]) -> _Stretch:
    points = one.view.points
    measured = tuple(i for i in range(begin, end) if points[i].value is not None)
    counted = bool(measured) and all(points[i].basis == "counted" for i in measured)
    tested = len(measured) >= ENOUGH and not counted
    reason = None
    if not tested:
        few = f"{len(measured)} figure{'s' if len(measured) != 1 else ''}; two levels need {ENOUGH}"
        reason = "counted figures have no noise: each difference is a change" if counted else few
    least = _least(one.view, [float(points[i].value or 0) for i in measured]) if tested else None
    part = Part(
        begin=begin,
        end=end,
        broken_by=broken,
        tested=tested,
        reason=reason,
        least=least,
        least_scale=_scale(one.view) if tested else None,
    )
    return _Stretch(part, measured)


def _least(view: SeriesView, values: Sequence[float]) -> float | None:
    size = least_step(len(values), typical_noise(_scaled(view, values)))
    return exp(size) if _scale(view) == "ratio" else size


def _scale(view: SeriesView) -> Scale:
    """Return how levels are compared: fractions of 1 by difference, all else as a ratio."""
    values = [point.value for point in view.points if point.value is not None]
    return "difference" if view.unit == "" or min(values, default=0.0) <= 0 else "ratio"


def _scaled(view: SeriesView, values: Sequence[float]) -> NDArray[np.float64]:
    found = np.array(values, np.float64)
    return np.log(found) if _scale(view) == "ratio" else found


def _differing(
    one: Sourced, before: int, after: int, of: Literal["setting", "software"]
) -> tuple[Different, ...]:
    old: Mapping[str, str] = getattr(one.readings[before], of)
    new: Mapping[str, str] = getattr(one.readings[after], of)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return tuple(
        Different(key=key, before=_short(old.get(key)), after=_short(new.get(key)))
        for key in sorted(keys)
    )


def _short(text: str | None) -> str:
    if text is None:
        return _ABSENT
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


# --- changes -----------------------------------------------------------------------------


def _changes(one: Sourced, stretch: _Stretch, asked: int, alpha: float) -> Iterator[ChangePoint]:
    points, places = one.view.points, stretch.measured
    values = [float(points[i].value or 0.0) for i in places]
    if stretch.part.tested:
        for step in steps(_scaled(one.view, values), asked=asked, alpha=alpha):
            yield _tested(one, places, step)
    elif len(places) > 1 and stretch.part.reason and points[places[0]].basis == "counted":
        for at in range(1, len(places)):
            if values[at] != values[at - 1]:
                yield _counted(one, places, at)


def _tested(one: Sourced, places: Sequence[int], step: Step) -> ChangePoint:
    ratio = _scale(one.view) == "ratio"
    sizes = (step.change, step.low, step.high)
    change, low, high = (exp(size) if ratio else size for size in sizes)
    made = _placed(one, places, (step.first, step.at, step.last), change)
    told = {"low": low, "high": high, "level": LEVEL, "p": step.p, "p_adjusted": step.p_adjusted}
    return made.model_copy(update=told)


def _counted(one: Sourced, places: Sequence[int], at: int) -> ChangePoint:
    old, new = (float(one.view.points[places[i]].value or 0.0) for i in (at - 1, at))
    change = new / old if _scale(one.view) == "ratio" else new - old
    return _placed(one, places, (at, at, at), change)


def _placed(
    one: Sourced, places: Sequence[int], where: tuple[int, int, int], change: float
) -> ChangePoint:
    points: Sequence[Point] = one.view.points
    first, at, last = where
    scale = _scale(one.view)
    up = change > (1.0 if scale == "ratio" else 0.0)
    return ChangePoint(
        at=places[at],
        first=places[first],
        last=places[last],
        before_run=points[places[at - 1]].run,
        run=points[places[at]].run,
        before_commit=points[places[first - 1]].commit,
        commit=points[places[last]].commit,
        scale=scale,
        change=change,
        outcome="better" if up == one.view.higher_is_better else "worse",
        differing=_differing(one, places[first - 1], places[last], "software"),
    )
