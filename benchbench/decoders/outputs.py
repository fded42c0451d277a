"""Choose a model's outputs and check that they are what a decoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import DecoderMismatch
from benchbench.types import ClassMap, Feed

Array = NDArray[Any]


class Outputs:
    """One batch's outputs in the order a decoder wants them, with words for what it expects."""

    def __init__(
        self, feed: Feed, names: Sequence[str] | None, expected: str, *, images: int
    ) -> None:
        self.feed = feed
        self.expected = expected
        self.images = images
        unknown = [name for name in names or () if name not in feed]
        if unknown:
            raise self.mismatch(f"the model has no output named '{unknown[0]}'")
        self.names = tuple(feed) if names is None else tuple(names)
        self.arrays: tuple[Array, ...] = tuple(feed[name] for name in self.names)

    def mismatch(self, what: str) -> DecoderMismatch:
        """Return the error: what is wrong, the shapes expected and the shapes found."""
        found = ", ".join(f"{name} {array.shape}" for name, array in self.feed.items())
        return DecoderMismatch(
            f"{what}; expected {self.expected}; found {found or 'no outputs'}",
            hint="choose the decoder that fits the model, or name its outputs in order: 'outputs'",
        )

    def count(self, number: int) -> None:
        """Check that there are exactly *number* outputs."""
        if len(self.arrays) != number:
            raise self.mismatch(f"{len(self.arrays)} outputs instead of {number}")

    def shape(self, index: int, *sides: int | None) -> Array:
        """Return output *index* if its axes after the batch are *sides* (None: any length).

        Axis 0 must hold at least the images of the batch; further rows are padding.
        """
        array = self.arrays[index]
        fits = array.ndim == len(sides) + 1 and all(
            side in {None, length} for side, length in zip(sides, array.shape[1:], strict=True)
        )
        if not fits:
            raise self.mismatch(f"output '{self.names[index]}' has the shape {array.shape}")
        if array.shape[0] < self.images:
            raise self.mismatch(
                f"output '{self.names[index]}' holds {array.shape[0]} images instead of"
                f" {self.images}"
            )
        return array[: self.images]

    def finite(self, index: int, values: Array) -> None:
        """Check that *values*, taken from output *index*, hold neither NaN nor infinity."""
        if not np.isfinite(values).all():
            wrong = values[~np.isfinite(values)][0]
            raise DecoderMismatch(
                f"output '{self.names[index]}' holds {wrong} among its values",
                hint="the model or its precision is broken: compare the outputs with fp32",
            )

    def classes(self, found: int, classes: ClassMap) -> None:
        """Check that *found* class channels are as many as the class list has."""
        if found != len(classes.names):
            raise self.mismatch(
                f"{found} class channels, but the model's class list has {len(classes.names)}"
            )
