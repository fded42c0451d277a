"""A metric's values image by image, from what is kept of each: cases, as medicine calls them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchbench import plugins
from benchbench.columns import unpack_tally
from benchbench.protocols import Resampled
from benchbench.store import Run
from benchbench.types import Record, Result, Tally

BLOCK = 256
"""Images at once, which bounds the memory."""


class Case(Record):
    """One value of one image."""

    cell: str
    label: str
    dataset: str
    split: str
    image_id: int
    file_name: str | None
    """None where the dataset is not at hand."""
    metric: str
    subject: str | None
    """The class; None for all of them."""
    value: float | None
    """None where the image alone does not define it."""


def cases(
    run: Run,
    result: Result,
    file_names: Mapping[int, str],
    *,
    metrics: Collection[str] = (),
    by_class: bool = False,
) -> Iterator[Case]:
    """Yield the values of each image of *result*; nothing if its metric keeps no tally.

    Each is the metric as if the image were the whole dataset. *metrics* picks some by name.
    """
    ref = result.arrays.get("tally")
    if ref is None:
        return
    tally = unpack_tally(run.array(ref))
    cell = result.cell
    for first, name, values in _values(cell.spec["metric"], tally, by_class=by_class):
        if metrics and name not in metrics:
            continue
        subjects = (None,) if values.ndim == 1 else tally.classes
        for row, own in enumerate(values.reshape(len(values), -1).tolist()):
            image = int(tally.image_ids[first + row])
            for subject, value in zip(subjects, own, strict=True):
                yield Case(
                    cell=cell.id,
                    label=cell.label,
                    dataset=cell.dataset,
                    split=cell.split,
                    image_id=image,
                    file_name=file_names.get(image),
                    metric=name,
                    subject=subject,
                    value=None if np.isnan(value) else value,
                )


def _values(
    spec: Mapping[str, object], tally: Tally, *, by_class: bool
) -> Iterator[tuple[int, str, NDArray[np.float64]]]:
    """Yield the first image's place, a metric, and (B,) or (B, K) values of single images."""
    metric = plugins.build("metrics", spec)
    assert isinstance(metric, Resampled)
    count = len(tally.image_ids)
    form = metric.class_estimates if by_class else metric.estimates
    for first in range(0, count, BLOCK):
        weights = np.eye(min(BLOCK, count - first), count, first, dtype=np.int64)
        for name, values in form(tally, weights).items():
            yield first, name, values
