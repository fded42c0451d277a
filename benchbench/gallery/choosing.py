"""Which images a gallery shows: the worst of a cell, and those on which two cells disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchbench.gallery.matching import FALSE, LEAST_IOU, Matched
from benchbench.gallery.objects import overlaps, predicted_objects
from benchbench.gallery.reading import Subject
from benchbench.gallery_view import GalleryKind
from benchbench.types import Cell, ClassScores

COUNTED = ("detection", "instance-segmentation", "keypoints", "oriented-detection")
"""Tasks whose images are ranked by wrong objects, and not by the metric of the image alone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An image to show."""

    kind: GalleryKind
    image: int
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The images of a cell or pair, first the one to see first, and what is told of the others."""

    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()


def worst(subject: Subject, most: int) -> Chosen:
    """Return the *most* worst images of a cell; an image without an error is none of them."""
    if subject.cell.task in COUNTED:
        return _told_if_none(_most_wrong(subject.judged, most), "no image has an error")
    values = subject.values
    if not values:
        return Chosen((), ("its metric keeps no values of single images",))
    name, best = subject.primary, 0.0 if subject.lower_is_better else 1.0
    sign = -1.0 if subject.lower_is_better else 1.0
    known = {image: value for image, value in values.items() if value is not None}
    wrong = [image for image, value in known.items() if value != best]
    wrong.sort(key=lambda image: (sign * known[image], _belief(subject, image), image))
    choices = tuple(
        Choice("worst", image, f"{name} of this image alone: {known[image]:.3f}")
        for image in wrong[:most]
    )
    left = len(values) - len(known)
    told = f"{left} image{'s' if left != 1 else ''} left out: {name} is not defined on them alone"
    return Chosen(choices, (told,) if left else ())


def _most_wrong(judged: Mapping[int, Matched], most: int) -> tuple[Choice, ...]:
    counts = {image: one.counts for image, one in judged.items()}
    wrong = [image for image, one in counts.items() if one.errors]
    wrong.sort(key=lambda image: (-counts[image].errors, -judged[image].wrong_score, image))
    return tuple(Choice("worst", image, _told(counts[image].errors)) for image in wrong[:most])


def _told(errors: int) -> str:
    return (
        "1 object or prediction is wrong"
        if errors == 1
        else f"{errors} objects or predictions are wrong"
    )


def _belief(subject: Subject, image: int) -> float:
    """Return the probability given to the true class, which ranks images of equal value."""
    if subject.cell.task != "classification":
        return 0.0
    prediction = subject.prediction(image)
    assert isinstance(prediction, ClassScores), "the task predicts class scores"
    true = {one.category_id for one in subject.truth_of(image)}
    ids = subject.class_map.category_ids
    return float(sum(prediction.scores[i] for i, one in enumerate(ids) if one in true))


def disagreements(one: Subject, other: Subject, most: int) -> Chosen:
    """Return the *most* images on which two cells of one split differ most; order-free."""
    if one.cell.task in COUNTED:
        amounts = {image: _differing(one, other, image) for image in one.judged}
        told = "{0:.0f} objects or false predictions differ"
    else:
        amounts = _apart(one, other)
        told = f"{one.primary} of this image alone differs by {{0:.3f}}"
    apart = [image for image, amount in amounts.items() if amount > 0]
    apart.sort(key=lambda image: (-amounts[image], -_distance(one, other, image), image))
    choices = tuple(Choice("disagreement", i, told.format(amounts[i])) for i in apart[:most])
    return _told_if_none(choices, "they differ on no image")


def _told_if_none(choices: tuple[Choice, ...], note: str) -> Chosen:
    return Chosen(choices, () if choices else (note,))


def _differing(one: Subject, other: Subject, image: int) -> float:
    """Return how many objects end differently, and how many false predictions only one makes."""
    mine, theirs = one.judged[image], other.judged[image]
    changed = int((mine.objects != theirs.objects).sum())
    return changed + _alone(one, other, image) + _alone(other, one, image)


def _alone(one: Subject, other: Subject, image: int) -> int:
    """Return how many false predictions of *one* are near no false one of *other*, same class."""
    sides = [(s, predicted_objects(s.prediction(image))) for s in (one, other)]
    (mine, own), (theirs, beside) = (
        (np.flatnonzero(s.judged[image].predictions == FALSE), found) for s, found in sides
    )
    if not len(mine) or not len(theirs):
        return len(mine)
    assert own is not None, "the task has objects"
    assert beside is not None, "the task has objects"
    size = one.images[image].height, one.images[image].width
    near = overlaps(own, beside, size)[np.ix_(mine, theirs)] >= LEAST_IOU
    near &= own.labels[mine][:, None] == beside.labels[theirs][None]
    return int((~near.any(axis=1)).sum())


def _apart(one: Subject, other: Subject) -> dict[int, float]:
    """Return the difference of the two cells' metric of single images, where both have it."""
    found = {}
    for image, value in one.values.items():
        beside = other.values.get(image)
        if value is not None and beside is not None:
            found[image] = abs(value - beside)
    return found


def _distance(one: Subject, other: Subject, image: int) -> float:
    """Return the total variation distance of two classifications; 0 for other tasks."""
    if one.cell.task != "classification":
        return 0.0
    a, b = one.prediction(image), other.prediction(image)
    if isinstance(a, ClassScores) and isinstance(b, ClassScores) and len(a.scores) == len(b.scores):
        return float(np.abs(a.scores.astype(np.float64) - b.scores).sum()) / 2
    return 0.0


def alike(one: Cell, other: Cell) -> bool:
    """Whether two cells are of the same images and task, so that pictures can compare them."""
    return _scene(one) == _scene(other)


def _scene(cell: Cell) -> tuple[object, ...]:
    return (cell.dataset, cell.split, cell.task, cell.spec["images"])


def pairs(
    compared: Sequence[tuple[str, str]], subjects: Mapping[str, Subject]
) -> list[tuple[str, str]]:
    """Return *compared* (fp32 and what is derived of it), then runtimes of one model, each once.

    A pair must be of one split, task and number of images.
    """
    firsts: dict[tuple[object, ...], str] = {}
    found = [pair for pair in compared if all(name in subjects for name in pair)]
    taken = {name for pair in found for name in pair[1:]}
    for name, subject in subjects.items():
        cell = subject.cell
        key = (cell.model, *_scene(cell))
        first = firsts.setdefault(key, name) if cell.precision in ("fp32", "given") else name
        if first != name and name not in taken:
            found.append((first, name))
    return list(dict.fromkeys(found))
