"""Models that give masks for prompts, such as SAM: candidates, perhaps with scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat

from benchbench.decoders.mask_sampling import Axis, ImageSampler, bilinear
from benchbench.decoders.outputs import Outputs
from benchbench.masks import Runs, mask_runs
from benchbench.types import ClassMap, Feed, Geometry, Prediction, PromptedMasks, Record, TaskName


class PromptedMasksDecoder(Record):
    """Decodes masks (N, P, M, h, w) or (N, P, h, w), and scores (N, P, M) or (N, P) if given.

    P prompts of which those beyond the image's are padding, M candidates. Masks cover the whole
    input, its padding included.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "promptable-segmentation"

    outputs: tuple[str, ...] | None = None
    """Names of masks and scores in this order, or of the masks alone; None: all outputs."""
    mask: int | None = Field(None, ge=0)
    """Index of the candidate that is taken; None: the one of the best score, the first of ties."""
    threshold: FiniteFloat = 0.0
    """A pixel belongs to the object if its value is above this: 0 for logits."""
    resize: Literal["direct", "through-input"] = "direct"
    """``direct``: values are interpolated at the image's pixels; ``through-input``: at those of the
    input first, as SAM's own code does."""

    expected: ClassVar[str] = (
        "masks (N, prompts, candidates, h, w) or (N, prompts, h, w), and perhaps scores"
        " (N, prompts, candidates) or (N, prompts)"
    )

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`."""
        del classes
        chosen = Outputs(outputs, self.outputs, self.expected, images=len(geometries))
        if len(chosen.arrays) != 2:
            chosen.count(1)
        masks = _with_candidates(chosen)
        scores = _scores(chosen, masks) if len(chosen.arrays) == 2 else None
        self._check(chosen, masks, scores, geometries)
        return [
            self._image(chosen, masks[row], None if scores is None else scores[row], geometry)
            for row, geometry in enumerate(geometries)
        ]

    def _check(
        self,
        outputs: Outputs,
        masks: NDArray[Any],
        scores: NDArray[Any] | None,
        geometries: Sequence[Geometry],
    ) -> None:
        prompts, candidates = masks.shape[1:3]
        asked = max((len(one.prompts) for one in geometries), default=0)
        if asked > prompts:
            raise outputs.mismatch(f"masks of {prompts} prompts, but {asked} were fed")
        if self.mask is not None and self.mask >= candidates:
            raise outputs.mismatch(f"no candidate {self.mask}: there are {candidates} a prompt")
        if self.mask is None and scores is None and candidates > 1:
            raise outputs.mismatch(
                f"{candidates} candidates a prompt and no scores to choose by: set 'mask'"
            )

    def _image(
        self,
        outputs: Outputs,
        masks: NDArray[Any],
        scores: NDArray[Any] | None,
        geometry: Geometry,
    ) -> PromptedMasks:
        rows = np.arange(len(geometry.prompts))
        given = np.full(masks.shape[:2], np.nan) if scores is None else scores
        best = np.zeros(len(rows), np.int64)
        if self.mask is not None:
            best += self.mask
        elif scores is not None:
            best = scores[: len(rows)].argmax(axis=1)
        taken = masks[rows, best]
        outputs.finite(0, taken)
        if scores is not None:
            outputs.finite(1, scores[: len(rows)])
        runs = self._runs(taken, geometry)
        return PromptedMasks(
            annotation_ids=np.array(geometry.prompts, np.int64),
            scores=given[rows, best].astype(np.float64),
            lengths=np.array([len(one) for one in runs], np.int64),
            runs=np.concatenate([np.zeros(0, np.uint32), *runs]).astype(np.uint32),
        )

    def _runs(self, masks: NDArray[Any], geometry: Geometry) -> list[Runs]:
        if self.resize == "direct":
            sampler = ImageSampler(geometry, masks.shape[1:])
            return [sampler.anywhere(one, self.threshold) for one in masks]
        through = _ThroughInput(geometry, masks.shape[1:])
        return [mask_runs(through.whole(one) > self.threshold) for one in masks]

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        how = {
            "direct": "interpolated bilinearly at the image's pixels in one step",
            "through-input": "interpolated bilinearly to the input's size, cut to the image's part,"
            " and again to the image's size",
        }
        taken = "that of the best score" if self.mask is None else f"number {self.mask}"
        return {
            "decoder": "masks of prompts",
            "candidate": f"{taken} of each prompt",
            "masks": f"value > {self.threshold:g} at the original image's size, {how[self.resize]}",
        }


class _ThroughInput:
    """Samples a map at the input's pixels, then what covers the image at the image's pixels.

    As SAM's ``postprocess_masks``: ``interpolate`` without aligned corners or antialiasing, twice.
    """

    def __init__(self, geometry: Geometry, cells: tuple[int, ...]) -> None:
        one = geometry
        vertical = (one.image_height, one.scale_y, one.offset_y, one.input_height)
        horizontal = (one.image_width, one.scale_x, one.offset_x, one.input_width)
        self._rows = _two_steps(*vertical, cells[0])
        self._columns = _two_steps(*horizontal, cells[1])

    def whole(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Return (H, W) values at the pixels of the image."""
        for rows, columns in zip(self._rows, self._columns, strict=True):
            values = bilinear(values, rows, columns)
        return values


def _two_steps(
    pixels: int, scale: float, offset: float, length: int, cells: int
) -> tuple[Axis, Axis]:
    start = min(max(round(offset), 0), length - 1)
    stop = min(max(round(offset + pixels * scale), start + 1), length)
    covered = np.arange(start, stop)
    return (
        Axis.at((covered + 0.5) * (cells / length) - 0.5, 0, cells),
        Axis.at((np.arange(pixels) + 0.5) * ((stop - start) / pixels) - 0.5, 0, stop - start),
    )


def _with_candidates(outputs: Outputs) -> NDArray[Any]:
    """Return the masks (N, P, M, h, w)."""
    if outputs.arrays[0].ndim == 4:
        return outputs.shape(0, None, None, None)[:, :, None]
    return outputs.shape(0, None, None, None, None)


def _scores(outputs: Outputs, masks: NDArray[Any]) -> NDArray[Any]:
    """Return the scores (N, P, M) that belong to *masks*."""
    prompts, candidates = masks.shape[1:3]
    if outputs.arrays[1].ndim == 2 and candidates == 1:
        return outputs.shape(1, prompts)[:, :, None]
    return outputs.shape(1, prompts, candidates)
