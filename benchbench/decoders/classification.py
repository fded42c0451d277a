"""Classifiers: one vector of class scores an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, ClassScores, Feed, Geometry, Prediction, Record, TaskName


class Classification(Record):
    """Decodes (N, C), or (N, C, 1, 1)."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "classification"

    outputs: tuple[str, ...] | None = None
    """Name of the output; None: the only one."""
    activation: Literal["softmax", "sigmoid", "none"] = "softmax"
    """What turns the outputs into probabilities; none if the model has done it."""

    expected: ClassVar[str] = "one output (N, classes)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        chosen.count(1)
        ones = (1,) * max(0, chosen.arrays[0].ndim - 2)
        values = chosen.shape(0, None, *ones).reshape(len(geometries), -1)
        chosen.classes(values.shape[1], classes)
        chosen.finite(0, values)
        return [ClassScores(scores=row) for row in activated(values, self.activation, axis=1)]

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        return {"decoder": "class scores", "activation": self.activation}


def activated(
    values: NDArray[Any], activation: Literal["softmax", "sigmoid", "none"], axis: int
) -> NDArray[np.float32]:
    """Return *values* as float32 after *activation* along *axis*."""
    single = np.asarray(values, np.float32)
    if activation == "none":
        return single
    if activation == "sigmoid":
        half: NDArray[np.float32] = np.float32(0.5) * np.tanh(np.float32(0.5) * single)
        return half + np.float32(0.5)
    powers = np.exp(single - single.max(axis=axis, keepdims=True))
    share: NDArray[np.float32] = powers / powers.sum(axis=axis, keepdims=True)
    return share
