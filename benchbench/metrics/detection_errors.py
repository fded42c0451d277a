"""What kinds of error cost how much AP at IoU 0.5 (TIDE; Bolya et al., ECCV 2020).

Kinds, thresholds and repairs are those of the paper's section 2. A means over classes, and what
stays of a class whose last object a repair takes away, differ between implementations: here every
class that has objects keeps its place in the mean, so that the costs of one run are comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchbench.metrics.detection_matches import (
    FOREGROUND_IOU,
    Flags,
    Floats,
    Ints,
    Matches,
    Pairs,
    stable_order,
)

KINDS = ("classification", "localisation", "both", "duplicate", "background")
"""Kinds of false positives; an object without any is ``missed``."""
_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND = range(len(KINDS))
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Errors:
    """The false positives of a run by kind, in the order of the ranking."""

    places: Ints
    """(F,) positions of the detections in the ranking."""
    kinds: Ints
    """(F,) positions in :data:`KINDS`."""
    objects: Ints
    """(F,) the object that a detection of another class or place meant; -1 for other kinds."""
    repaired: Flags
    """(F,) true where a repair makes it a true positive: the first to mean a free object."""
    missed: Ints
    """Rows of the objects that nothing found or meant."""


def error_costs(matches: Matches) -> dict[str, float | None]:
    """Return how much AP at IoU 0.5 would rise, as a fraction of 1, were one kind repaired.

    A detection of the wrong class or place becomes right (only the best of those that mean the
    same free object; the rest vanish), duplicates, background and both-wrong ones vanish, and
    missed objects no longer count. None without any object.
    """
    if not matches.objects.any():
        return dict.fromkeys((*KINDS, "missed"))
    errors, repair = find_errors(matches), _Repair(matches)
    none = np.zeros(len(errors.places), np.bool_)
    base = repair.mean(errors, none)
    costs = {
        kind: repair.mean(errors, errors.kinds == number) - base
        for number, kind in enumerate(KINDS)
    }
    lost = np.bincount(matches.truth.category[errors.missed], minlength=matches.truth.categories)
    return {**costs, "missed": repair.mean(errors, none, lost) - base}


def find_errors(matches: Matches) -> Errors:
    """Return the kind of every false positive, in the paper's order of precedence."""
    detected, truth = matches.detected, matches.truth
    places = np.flatnonzero(matches.taken[matches.ranking] < 0)
    rows = matches.ranking[places]
    false = np.zeros(len(detected.scores), np.bool_)
    false[rows] = True
    pairs = matches.pairs
    pairs = pairs.where(false[pairs.detection] & ~matches.ignored[pairs.object])
    same = detected.category[pairs.detection] == truth.category[pairs.object]
    own_iou, own = _nearest(pairs.where(same), rows, len(false))
    other_iou, other = _nearest(pairs.where(~same), rows, len(false))
    kinds = np.full(len(rows), _BACKGROUND)
    kinds[other_iou > 0] = _BOTH
    kinds[own_iou >= FOREGROUND_IOU] = _DUPLICATE
    kinds[other_iou >= FOREGROUND_IOU] = _CLASSIFICATION
    kinds[(own_iou > 0) & (own_iou < FOREGROUND_IOU)] = _LOCALISATION
    objects = np.where(kinds == _LOCALISATION, own, other)
    objects[(kinds != _LOCALISATION) & (kinds != _CLASSIFICATION)] = -1
    return Errors(places, kinds, objects, *_repairs(matches, objects))


def _nearest(pairs: Pairs, rows: Ints, count: int) -> tuple[Floats, Ints]:
    """Return greatest IoU and its (first) object for each of *rows*; 0 and -1 where none is."""
    best, nearest = np.zeros(count), np.full(count, -1, np.int64)
    np.maximum.at(best, pairs.detection, pairs.iou)
    # Written backwards, so that the first of equal overlaps stays.
    equal = np.flatnonzero(pairs.iou == best[pairs.detection])[::-1]
    nearest[pairs.detection[equal]] = pairs.object[equal]
    return best[rows], nearest[rows]


def _repairs(matches: Matches, objects: Ints) -> tuple[Flags, Ints]:
    """Return which errors a repair makes right, and the objects that are missed altogether."""
    found = np.zeros(len(matches.ignored) + 1, np.bool_)
    found[matches.taken] = True
    found[-1] = True
    first = np.zeros(len(objects), np.bool_)
    first[np.unique(objects, return_index=True)[1]] = True
    repaired = first & ~found[objects]
    found[objects] = True
    return repaired, np.flatnonzero(~found[:-1] & ~matches.ignored)


class _Repair:
    """AP at IoU 0.5 with some errors mended."""

    def __init__(self, matches: Matches) -> None:
        self._truth, self._objects = matches.truth, matches.objects
        self._category = matches.detected.category[matches.ranking]
        self._right = matches.taken[matches.ranking] >= 0

    def mean(self, errors: Errors, mended: Flags, lost: Ints | int = 0) -> float:
        """Return the mean over the classes that have objects; *lost* of them (K,) do not count."""
        category, right = self._category.copy(), self._right.copy()
        now = errors.places[mended & errors.repaired]
        right[now] = True
        category[now] = self._truth.category[errors.objects[mended & errors.repaired]]
        stays = np.ones(len(right), np.bool_)
        stays[errors.places[mended & ~errors.repaired]] = False
        points = average_precisions(category[stays], right[stays], self._objects - lost)
        return float(points[self._objects > 0].mean())


def average_precisions(category: Ints, right: Flags, objects: Ints) -> Floats:
    """Return (K,) interpolated precision averaged over 101 recalls; 0 in a class without objects.

    *category* and *right*: (N,) detections, best score first; *objects*: (K,).
    """
    order = stable_order(category)
    ends = np.cumsum(np.bincount(category, minlength=len(objects)))
    hits = np.flatnonzero(right[order])
    starts = np.searchsorted(hits, np.append(0, ends))
    points = np.zeros(len(objects))
    for one in np.flatnonzero((objects > 0) & (np.diff(starts) > 0)):
        mine = hits[starts[one] : starts[one + 1]]
        place = mine - (ends[one - 1] if one else 0) + 1
        number = np.arange(1, len(mine) + 1)
        # Precision is highest at true positives, so the envelope needs only those.
        envelope = np.maximum.accumulate((number / place)[::-1])[::-1]
        index = np.searchsorted(number / objects[one], _RECALLS)
        points[one] = np.append(envelope, 0)[np.minimum(index, len(mine))].mean()
    return points
