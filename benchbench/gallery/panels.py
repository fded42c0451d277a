"""The panels of one picture: the truth, and what each cell predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from benchbench.gallery.drawing import Mark, bars, scaled, with_classes, with_marks
from benchbench.gallery.matching import (
    CONFUSED,
    FALSE,
    FOUND,
    HIDDEN,
    IGNORED,
    MISSED,
    TRUE,
    States,
)
from benchbench.gallery.objects import OBJECT_TASKS, Objects, predicted_objects, true_objects
from benchbench.gallery.reading import Subject
from benchbench.gallery.style import STROKES, Colour, class_colour, shown
from benchbench.truth import VOID, paint
from benchbench.types import ClassScores, Image, LabelMap, Prediction

_BAR_WIDTH_PX, _MOST_BARS = 240, 5
_RIGHT: Colour = STROKES[FOUND].colour
_WRONG: Colour = STROKES[FALSE].colour
_OTHER: Colour = (190, 190, 190)


Title = tuple[str, str]
"""Two lines over a panel."""


@dataclass(frozen=True, slots=True)
class Panels:
    """What is put side by side, and what its legend explains."""

    panels: tuple[tuple[Title, PIL.Image.Image], ...]
    """Titles and pictures."""
    states: tuple[int, ...] = ()
    classes: tuple[tuple[Colour, str], ...] = ()
    striped: bool = False
    words: tuple[str, ...] = ()
    """What each cell's panel shows, in words."""


def panels(subjects: Sequence[Subject], image: Image) -> Panels:
    """Return the panels of *image* for one cell, or for two of one task and split.

    Raises :class:`~benchbench.errors.BenchbenchError` for an image that cannot be read.
    """
    task = subjects[0].cell.task
    base = scaled(subjects[0].pixels(image))
    if task in OBJECT_TASKS:
        return _with_objects(subjects, image, base)
    if task == "semantic-segmentation":
        return _with_classes(subjects, image, base)
    return _with_bars(subjects, image, base)


def _truth(image: Image, words: str = "truth") -> Title:
    return words, image.file_name


def _title(subject: Subject) -> Title:
    cell, least = subject.cell, subject.threshold
    head = cell.label.removeprefix(f"{cell.model} · ")
    return head, cell.model + ("" if least is None else f", score from {least:.2f}")


# --- objects -----------------------------------------------------------------------------


def _with_objects(subjects: Sequence[Subject], image: Image, base: PIL.Image.Image) -> Panels:
    first = subjects[0]
    size = image.width, image.height
    real = true_objects(first.cell.task, image, first.truth_of(image.id))
    own = first.judged[image.id].objects
    states = own if len(subjects) == 1 else np.where(own == IGNORED, IGNORED, TRUE)
    shown_states = set(states.tolist())
    made, words = [(_truth(image), with_marks(base, size, _marks(first, real, states)))], []
    for subject in subjects:
        found = predicted_objects(subject.prediction(image.id), subject.truth_of(image.id))
        assert found is not None, "the task has objects"
        matched = subject.judged[image.id]
        marks = _marks(subject, found, matched.predictions)
        if len(subjects) > 1:
            missed = matched.objects == MISSED
            marks = _marks(subject, real, np.where(missed, MISSED, HIDDEN)) + marks
            shown_states |= {MISSED} if missed.any() else set()
        made.append((_title(subject), with_marks(base, size, marks)))
        shown_states |= set(matched.predictions.tolist())
        words.append(_object_words(subject, image, real, found))
    return Panels(
        tuple(made),
        states=tuple(state for state in STROKES if state in shown_states),
        classes=_legend_of(subjects, real, image) if _by_class(first) else (),
        words=tuple(words),
    )


def _by_class(subject: Subject) -> bool:
    """Whether masks are filled by class, and not by what became of them: they fill the image."""
    return subject.cell.task == "panoptic-segmentation"


def _places(subject: Subject) -> dict[int, int]:
    return {category: place for place, category in enumerate(subject.names)}


def _legend_of(
    subjects: Sequence[Subject], real: Objects, image: Image
) -> tuple[tuple[Colour, str], ...]:
    first = subjects[0]
    there = set(real.labels.tolist())
    for subject in subjects:
        there |= set(getattr(subject.prediction(image.id), "labels", np.zeros(0)).tolist())
    places = _places(first)
    return tuple((class_colour(places[one]), first.names[one]) for one in places if one in there)


_RANK = {IGNORED: 0, TRUE: 1, FOUND: 1, CONFUSED: 2, MISSED: 3, FALSE: 4}


def _marks(subject: Subject, objects: Objects, states: States | NDArray[np.int64]) -> list[Mark]:
    """Return what is drawn of *objects*, what is wrong on top and the best scores last."""
    places, scores = _places(subject), objects.scores
    rows = [row for row in range(len(objects.labels)) if states[row] != HIDDEN]
    rows.sort(key=lambda row: (_RANK[int(states[row])], -row))
    return [
        Mark(
            STROKES[int(states[row])],
            objects.outlines[row],
            _label(subject, objects, row, scores),
            objects.runs[row] if objects.runs else None,
            class_colour(places.get(int(objects.labels[row]), 0)) if _by_class(subject) else None,
            objects.points[row] if objects.points else None,
        )
        for row in rows
    ]


def _label(subject: Subject, objects: Objects, row: int, scores: NDArray[np.float64] | None) -> str:
    name = shown(subject.names.get(int(objects.labels[row]), "?"), 24)
    if scores is None or subject.threshold is None or not np.isfinite(scores[row]):
        return name
    return f"{name} {scores[row]:.2f}"


def _object_words(subject: Subject, image: Image, real: Objects, found: Objects) -> str:
    matched = subject.judged[image.id]
    counts = matched.counts
    parts = [f"{counts.found} of {counts.found + counts.missed + counts.confused} objects found"]
    missed = [real.labels[row] for row in np.flatnonzero(matched.objects == MISSED)]
    if missed:
        parts.append(f"{len(missed)} missed ({_named(subject, missed)})")
    for state, word in ((CONFUSED, "in the wrong class"), (FALSE, "false")):
        rows = np.flatnonzero(matched.predictions == state)
        if len(rows):
            parts.append(f"{len(rows)} {word} ({_named(subject, found.labels[rows].tolist())})")
    return ", ".join(parts)


def _named(subject: Subject, labels: Sequence[int]) -> str:
    names = dict.fromkeys(shown(subject.names.get(int(one), "?"), 24) for one in labels)
    listed = list(names)[:4]
    more = len(names) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


# --- classes of pixels -------------------------------------------------------------------


def _with_classes(subjects: Sequence[Subject], image: Image, base: PIL.Image.Image) -> Panels:
    first = subjects[0]
    split, classes = first.split, first.class_map
    truth = paint(first.truth_of(image.id), image, classes, dense=split.dense)
    maps = [_map_of(subject.prediction(image.id)) for subject in subjects]
    there = np.unique(np.concatenate([np.unique(one) for one in (truth, *maps)])).tolist()
    colours = [
        (value, class_colour(value), classes.names[value])
        for value in there
        if value < len(classes.names) and value != classes.background
    ]
    made, words = [(_truth(image), with_classes(base, truth, colours))], []
    counted = truth != VOID
    for subject, found in zip(subjects, maps, strict=True):
        wrong = counted & (found != truth)
        made.append((_title(subject), with_classes(base, found, colours, wrong)))
        share = float(wrong.sum()) / max(1, int(counted.sum()))
        words.append(f"{share:.1%} of the annotated pixels have the wrong class")
    legend = tuple((colour, name) for _, colour, name in colours)
    return Panels(tuple(made), classes=legend, striped=True, words=tuple(words))


def _map_of(prediction: Prediction) -> NDArray[np.uint8]:
    assert isinstance(prediction, LabelMap), "the task predicts maps"
    return prediction.labels


# --- classes of images -------------------------------------------------------------------


def _with_bars(subjects: Sequence[Subject], image: Image, base: PIL.Image.Image) -> Panels:
    made, words = [], []
    true = _true_names(subjects[0], image)
    made.append((_truth(image, f"truth: {', '.join(true) or 'none'}"), base))
    size = _BAR_WIDTH_PX, max(base.height, 40 * _MOST_BARS + 8)
    for subject in subjects:
        rows = _best(subject, image)
        made.append((_title(subject), bars(size, _bars(rows, true))))
        name, share = rows[0] if rows else ("nothing", 0.0)
        words.append(f"{shown(name)} with {share:.0%}, truly {shown(', '.join(true) or 'none')}")
    return Panels(tuple(made), words=tuple(words))


def _true_names(subject: Subject, image: Image) -> list[str]:
    ids = {one.category_id for one in subject.truth_of(image.id)}
    return [shown(subject.names[one], 24) for one in subject.names if one in ids]


def _best(subject: Subject, image: Image) -> list[tuple[str, float]]:
    prediction = subject.prediction(image.id)
    assert isinstance(prediction, ClassScores), "the task predicts class scores"
    order = np.argsort(-prediction.scores, kind="stable")[:_MOST_BARS].tolist()
    classes = subject.class_map
    # A class of the dataset goes by the dataset's name, which the truth goes by too.
    names = [
        subject.names.get(category, name) if category is not None else name
        for name, category in zip(classes.names, classes.category_ids, strict=True)
    ]
    return [(shown(names[place], 24), float(prediction.scores[place])) for place in order]


def _bars(
    rows: Sequence[tuple[str, float]], true: Sequence[str]
) -> list[tuple[str, float, Colour]]:
    """Return the bars: true classes and a wrong first choice have colours of their own."""
    found = []
    for place, (name, share) in enumerate(rows):
        right = name in true
        colour = _RIGHT if right else _WRONG if place == 0 else _OTHER
        found.append((f"{share:.3f}  {name}" + ("  (true)" if right else ""), share, colour))
    return found
