"""Checks that every evaluator makes before it scores, and names that do not collide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from benchbench.errors import PredictionError
from benchbench.types import ClassMap, DatasetSplit, Image, Prediction

P = TypeVar("P")


def pair(
    split: DatasetSplit, predictions: Mapping[int, Prediction], kind: type[P]
) -> list[tuple[Image, P]]:
    """Return each image of *split*, in the split's order, with its prediction.

    Raises :class:`~benchbench.errors.PredictionError` unless the predictions are of *kind* and
    belong to exactly the images of the split.
    """
    known = {image.id for image in split.images}
    _refuse([i for i in predictions if i not in known], "predictions for unknown images")
    _refuse([i for i in known if i not in predictions], "no predictions for images")
    return [(image, _typed(image, predictions[image.id], kind)) for image in split.images]


def unique_names(names: Sequence[str], tags: Sequence[str]) -> list[str]:
    """Return *names*, with the (unique) tag of the item appended where a name occurs twice."""
    seen = Counter(names)
    tagged = [f"{name} ({tag})" for name, tag in zip(names, tags, strict=True)]
    mixed = [full if seen[name] > 1 else name for name, full in zip(names, tagged, strict=True)]
    return mixed if len(set(mixed)) == len(mixed) else tagged


def split_counts(split: DatasetSplit, classes: ClassMap) -> dict[str, int]:
    """Return what every evaluator of objects counts of the truth, and the reader's notes."""
    unknown = {category.id for category in split.categories} - set(classes.category_ids)
    return {
        "images": len(split.images),
        "annotations": len(split.annotations),
        "crowd": sum(one.iscrowd for one in split.annotations),
        "categories": len(split.categories),
        "categories_without_model_class": len(unknown),
        **split.notes,
    }


def _refuse(ids: Iterable[int], what: str) -> None:
    found = sorted(ids)
    if found:
        shown = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
        raise PredictionError(
            f"{what}: {shown} ({len(found)} in all)",
            hint="give one prediction for each image of the split, and for no other",
        )


def _typed(image: Image, prediction: object, kind: type[P]) -> P:
    if not isinstance(prediction, kind):
        raise PredictionError(
            f"image {image.id}: {kind.__name__} expected, not {type(prediction).__name__}",
            hint="use a decoder of the evaluator's task",
        )
    return prediction
