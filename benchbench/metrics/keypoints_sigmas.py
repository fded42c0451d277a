"""How fast a point's similarity falls off with its distance: one number for each keypoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from benchbench.errors import DatasetError
from benchbench.types import Category, DatasetSplit

Sigma = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sigmas = Annotated[tuple[Sigma, ...], Field(min_length=1)]
Given = Sigmas | dict[str, Sigmas] | None
"""For all categories, by category name, or None for COCO's."""

COCO_SIGMAS = tuple(
    tenfold / 10
    for tenfold in (
        *(0.26, 0.25, 0.25, 0.35, 0.35),
        *(0.79, 0.79, 0.72, 0.72, 0.62, 0.62),
        *(1.07, 1.07, 0.87, 0.87, 0.89, 0.89),
    )
)
"""Nose, eyes, ears; shoulders, elbows, wrists; hips, knees, ankles. Divided, as in pycocotools,
not written out: the last bit differs."""


def resolve(split: DatasetSplit, given: Given) -> dict[int, tuple[float, ...]]:
    """Return the sigmas of each category that has keypoints, by its id, ascending.

    Raises :class:`~benchbench.errors.DatasetError` if no category has keypoints, if *given* names
    an unknown one, or if there are not as many sigmas as a category has points.
    """
    posed = sorted((c for c in split.categories if c.keypoints), key=lambda one: one.id)
    if not posed:
        raise DatasetError(
            f"no category of {split.name} names keypoints",
            hint="give its categories 'keypoints': the points' names, in order, as COCO does",
        )
    if isinstance(given, Mapping):
        _check_names(given, posed)
    return {category.id: _fitting(category, given) for category in posed}


def _check_names(given: Iterable[str], posed: Iterable[Category]) -> None:
    known = [category.name for category in posed]
    for name in given:
        if name not in known:
            raise DatasetError(
                f"'sigmas' names the category '{name}', which has no keypoints here",
                hint=f"with keypoints: {', '.join(known)}",
            )


def _fitting(category: Category, given: Given) -> tuple[float, ...]:
    own = given.get(category.name) if isinstance(given, Mapping) else given
    found, count = own or COCO_SIGMAS, len(category.keypoints)
    if len(found) == count:
        return found
    held = f"'sigmas' has {len(found)}" if own else "there are sigmas for COCO's 17 points only"
    raise DatasetError(
        f"category '{category.name}' has {count} keypoints, but {held}",
        hint=f"give the metric 'sigmas', {count} numbers, or lists by category name;"
        f" Ultralytics takes {1 / count:.4g} (1 over their number) for each",
    )
