"""Who counts where categories are annotated on some images only (LVIS).

A category is judged on the images on which it is annotated or verified absent. Source: Gupta et
al., LVIS, 2019, section 2.2, and lvis-api, ``LVISEval._prepare``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DatasetError
from benchbench.metrics.detection_table import category_ids, image_ids
from benchbench.types import DatasetSplit, Image

FREQUENCIES = ("", "rare", "common", "frequent")
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Federation:
    """What a split says of its categories; positions are those of the ids in ascending order."""

    judged: Rows
    """Pairs of image and category, as keys, that are annotated or verified absent."""
    incomplete: Rows
    """Pairs of which not every object is annotated."""
    frequency: NDArray[np.int8]
    """(K,): position of each category's frequency in :data:`FREQUENCIES`."""

    @classmethod
    def of(cls, split: DatasetSplit) -> Federation:
        """Return the rules of *split*; raise DatasetError if an image does not tell them."""
        mute = [image for image in split.images if image.negatives is None]
        if mute:
            raise _not_federated(mute, len(split.images))
        images, categories = image_ids(split), category_ids(split)

        def keys(pairs: Iterable[tuple[int, int]]) -> Rows:
            found = np.array(list(pairs), np.int64).reshape(-1, 2)
            own = np.searchsorted(images, found[:, 0]) * len(categories)
            return np.unique(own + np.searchsorted(categories, found[:, 1]))

        absent = [(image.id, one) for image in split.images for one in image.negatives or ()]
        present = [(one.image_id, one.category_id) for one in split.annotations]
        partly = ((image.id, one) for image in split.images for one in image.incomplete)
        order = sorted(split.categories, key=lambda category: category.id)
        return cls(
            keys([*absent, *present]),
            keys(partly),
            np.array([FREQUENCIES.index(one.frequency) for one in order], np.int8),
        )

    def is_judged(self, image: Rows, category: Rows) -> NDArray[np.bool_]:
        """Return whether each pair is annotated or verified absent."""
        return np.isin(image * len(self.frequency) + category, self.judged)

    def is_incomplete(self, image: Rows, category: Rows) -> NDArray[np.bool_]:
        """Return whether each pair is one of which objects may lack."""
        return np.isin(image * len(self.frequency) + category, self.incomplete)


def best(image: Rows, scores: NDArray[np.float64], limit: int) -> Rows:
    """Return the rows of each image's *limit* best scores, in their order; ties in their order.

    As in lvis-api, ``LVISResults``: over all categories, judged or not.
    """
    order = np.lexsort((-scores, image))
    owner = image[order]
    rank = np.arange(len(order)) - np.searchsorted(owner, owner)
    return np.sort(order[rank < limit])


def without_crowds(split: DatasetSplit) -> DatasetSplit:
    """Return *split* with every object an ordinary one: LVIS has no crowds."""
    if not any(one.iscrowd for one in split.annotations):
        return split
    plain = tuple(replace(one, iscrowd=False) for one in split.annotations)
    return replace(split, annotations=plain)


def _not_federated(mute: list[Image], images: int) -> DatasetError:
    return DatasetError(
        f"image {mute[0].id} ({mute[0].file_name}) does not say which categories were looked for"
        f" and are absent; neither do {len(mute) - 1} more of {images}",
        hint="LVIS's rules need 'neg_category_ids' (and 'not_exhaustive_category_ids') of each"
        " image in the annotation file; where every image is annotated for every category, take"
        " the metric 'coco-boxes' or 'coco-masks'",
    )
