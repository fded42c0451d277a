"""Mask classification: queries, each with class logits and one mask, become a panoptic map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.decoders.classification import activated
from benchbench.decoders.detections import Count, Unit
from benchbench.decoders.mask_sampling import Axis, ImageSampler, bilinear
from benchbench.decoders.outputs import Outputs
from benchbench.types import ClassMap, Feed, Geometry, PanopticMap, Prediction, Record, TaskName

Map = NDArray[np.float32]
NAMES = ("class_queries_logits", "masks_queries_logits")


class MaskQueries(Record):
    """Decodes class logits (N, Q, C + 1), no-object last, then mask logits (N, Q, h, w).

    MaskFormer, Mask2Former and OneFormer give them; so does DETR's panoptic head.
    """

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    task: ClassVar[TaskName] = "panoptic-segmentation"

    outputs: tuple[str, str] | None = None
    """Names of the two outputs; None: transformers' names where the model has them, else its only
    two."""
    threshold: Unit = 0.5
    """A query counts if the probability of its best class is above this."""
    mask_threshold: Unit = 0.5
    """A mask's own area are the pixels from this value on."""
    overlap_mask_area_threshold: Unit = 0.8
    """Least share of its own area that a segment must be left with."""
    stuff: tuple[str | Annotated[int, Field(ge=0)], ...] = ()
    """Names or indices of the classes whose segments are made one in each image."""
    rules: Literal["transformers", "maskformer"] = "transformers"
    """Whose post-processing: transformers', or that of the published MaskFormer and Mask2Former."""
    first_resize: tuple[Count, Count] | Literal["input"] | None = None
    """Height and width that mask logits are scaled to before all else, or the model's input's."""

    expected: ClassVar[str] = "class logits (N, Q, classes + 1) then mask logits (N, Q, h, w)"

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; see :class:`benchbench.protocols.Decoder`.

        A segment of a class that the dataset lacks is left out: its pixels belong to none.
        """
        known = self.outputs is None and all(name in outputs for name in NAMES)
        names = NAMES if known else self.outputs
        chosen = Outputs(outputs, names, self.expected, images=len(geometries))
        chosen.count(2)
        logits = chosen.shape(0, None, None)
        masks = chosen.shape(1, logits.shape[1], None, None)
        chosen.classes(logits.shape[2] - 1, classes)
        chosen.finite(0, logits)
        stuff = self._stuff(chosen, classes)
        return [
            self._image(chosen, (logits[row], masks[row]), geometry, classes, stuff)
            for row, geometry in enumerate(geometries)
        ]

    def _stuff(self, outputs: Outputs, classes: ClassMap) -> frozenset[int]:
        index = {name.casefold(): place for place, name in enumerate(classes.names)}
        places = [index.get(i.casefold(), -1) if isinstance(i, str) else i for i in self.stuff]
        wrong = [
            i for i, place in zip(self.stuff, places, strict=True) if not 0 <= place < len(index)
        ]
        if wrong:
            raise outputs.mismatch(f"'stuff' names {wrong[0]!r}, which is no class of the model")
        return frozenset(places)

    def _image(
        self,
        outputs: Outputs,
        found: tuple[NDArray[Any], NDArray[Any]],
        geometry: Geometry,
        classes: ClassMap,
        stuff: frozenset[int],
    ) -> PanopticMap:
        scores = activated(found[0], "softmax", axis=1)
        best = scores.argmax(axis=1)
        top = scores.max(axis=1)
        kept = np.flatnonzero((best < len(classes.names)) & (top > self.threshold))
        masks = found[1][kept]
        outputs.finite(1, masks)
        contest = _Contest((geometry.image_height, geometry.image_width))
        for mask, score in zip(masks, top[kept], strict=True):
            probability = self._sampled(mask, geometry)
            weighted = probability * score
            own = weighted if self.rules == "transformers" else probability
            contest.enter(weighted, own >= self.mask_threshold)
        return _assembled(self._valid(contest), contest.winner, best[kept], classes, stuff)

    def _sampled(self, mask: NDArray[Any], geometry: Geometry) -> Map:
        """Return the (H, W) probabilities of one query's mask at the pixels of the image."""
        size = self.first_resize
        if size is not None:
            size = (geometry.input_height, geometry.input_width) if size == "input" else size
            rows, columns = map(_stretched, size, mask.shape)
            mask = bilinear(mask, rows, columns)
        sampler = ImageSampler(geometry, mask.shape)
        if self.rules == "maskformer":
            return activated(sampler.whole(mask), "sigmoid", axis=0)
        return sampler.whole(activated(mask, "sigmoid", axis=0))

    def _valid(self, contest: _Contest) -> NDArray[np.int64]:
        """Return which queries keep enough of their own area, in order."""
        won, own = contest.pixels(), np.array(contest.own_px, np.int64)
        share, least = won / np.maximum(own, 1), self.overlap_mask_area_threshold
        enough = share > least if self.rules == "transformers" else share >= least
        if self.rules == "maskformer":
            contest.leave_faint()
        return np.flatnonzero((contest.pixels() > 0) & (own > 0) & enough)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines."""
        sign = ">" if self.rules == "transformers" else "≥"
        order = {
            "transformers": "sigmoid, then upsampled bilinearly, times the score",
            "maskformer": "upsampled bilinearly, then sigmoid; pixels from the mask threshold on",
        }
        resized = "" if self.first_resize is None else f"; logits first to {self._first()}"
        return {
            "decoder": f"mask queries, {self.rules}' rules",
            "score": f"softmax with no-object last > {self.threshold:g}",
            "masks": f"{order[self.rules]}{resized}; largest score × value wins a pixel",
            "kept": f"pixels won {sign} {self.overlap_mask_area_threshold:g} of those with values ≥"
            f" {self.mask_threshold:g}",
            "stuff": f"{len(self.stuff)} classes' segments made one each",
        }

    def _first(self) -> str:
        size = self.first_resize
        return "the input's size" if size == "input" else f"{size[0]} × {size[1]}" if size else ""


class _Contest:
    """Which query has the largest weighted value at each pixel; one mask is held at a time."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.winner = np.zeros(size, np.uint16)
        """(H, W): number of the winning query, from 1."""
        self.own_px: list[int] = []
        """How many pixels each query's mask has by itself."""
        self._best: Map = np.full(size, -np.inf, np.float32)
        self._sure = np.zeros(size, np.bool_)

    def enter(self, weighted: Map, own: NDArray[np.bool_]) -> None:
        """Let the next query compete; *own* (H, W) is its own area."""
        better = weighted > self._best
        self.own_px.append(int(np.count_nonzero(own)))
        self.winner[better] = len(self.own_px)
        self._sure[better] = own[better]
        np.maximum(self._best, weighted, out=self._best)

    def leave_faint(self) -> None:
        """Take pixels from winners to whose own area they do not belong."""
        self.winner[~self._sure] = 0

    def pixels(self) -> NDArray[np.int64]:
        """Return how many pixels each query has."""
        return np.bincount(self.winner.ravel(), minlength=len(self.own_px) + 1)[1:]


def _assembled(
    valid: NDArray[np.int64],
    winner: NDArray[np.uint16],
    best: NDArray[np.int64],
    classes: ClassMap,
    stuff: frozenset[int],
) -> PanopticMap:
    """Return the map of the *valid* queries, whose classes are *best*; *stuff* is united."""
    numbers = np.zeros(len(best) + 1, np.uint16)
    labels: list[int] = []
    united: dict[int, int] = {}
    for query in valid.tolist():
        index = int(best[query])
        category = classes.category_ids[index]
        if category is None:
            continue
        if index not in united:
            labels.append(category)
        numbers[query + 1] = united.get(index, len(labels))
        if index in stuff:
            united.setdefault(index, len(labels))
    return PanopticMap(segments=numbers[winner], labels=np.array(labels, np.int64))


def _stretched(pixels: int, cells: int) -> Axis:
    return Axis.at((np.arange(pixels) + 0.5) * (cells / pixels) - 0.5, 0, cells)
