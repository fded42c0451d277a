"""How far an artifact's outputs are from its source's, as tensors and as predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.masks import chosen, mask_overlaps
from benchbench.types import (
    Caveat,
    ClassScores,
    Detections,
    Feed,
    Instances,
    LabelMap,
    OrientedDetections,
    OutputError,
    PanopticMap,
    Parity,
    Poses,
    Prediction,
    PromptedMasks,
)

CONFIDENT = 0.25
"""Detections below this score are not asked to agree: nobody acts on them."""
SAME_IOU = 0.5
FAR_DB = {"fp32": 60.0, "tf32": 40.0, "fp16": 35.0, "bf16": 20.0}
"""Signal-to-noise ratio of every output below which an artifact is doubted, by precision; a
half-precision graph of this field keeps 25 to 50 dB. Quantized ones are doubted by agreement."""
FAR_AGREEMENT = 0.75

Tensor = NDArray[Any]


def compare(want: Sequence[Feed], got: Sequence[Feed]) -> tuple[OutputError, ...] | str:
    """Return the error of each output over all batches, in the model's order; or why it cannot be.

    Outputs are matched by position: exporters rename them, none reorders them.
    """
    if not want:
        return "the source gave no outputs"
    if len(want[0]) != len(got[0]):
        return f"{len(got[0])} outputs instead of {len(want[0])}"
    found = []
    for index, name in enumerate(want[0]):
        pairs = [(_at(w, index), _at(g, index)) for w, g in zip(want, got, strict=True)]
        for ours, theirs in pairs:
            if ours.shape != theirs.shape:
                return f"output '{name}' has the shape {theirs.shape}, its source {ours.shape}"
        error = _error(name, _flat([ours for ours, _ in pairs]), _flat([got for _, got in pairs]))
        if error is None:
            return f"output '{name}' holds infinite or undefined values where its source has none"
        found.append(error)
    return tuple(found)


def _flat(arrays: Sequence[Tensor]) -> NDArray[np.float64]:
    return np.concatenate([array.ravel() for array in arrays]).astype(np.float64)


def _at(feed: Feed, index: int) -> Tensor:
    return np.asarray(list(feed.values())[index])


def _error(name: str, want: NDArray[np.float64], got: NDArray[np.float64]) -> OutputError | None:
    """Return the error measures of one output; None if only one of the two is finite somewhere."""
    finite = np.isfinite(want)
    if not np.array_equal(finite, np.isfinite(got)):
        return None
    want, got = want[finite], got[finite]
    gap = np.abs(want - got)
    power, noise = float(want @ want), float(gap @ gap)
    norms = float(np.sqrt(power * (got @ got)))
    sigma = float(want.std()) if want.size else 0.0
    worst = float(gap.max()) if gap.size else 0.0
    return OutputError(
        name=name,
        max_abs=worst,
        mean_abs=float(gap.mean()) if gap.size else 0.0,
        max_sigma=worst / sigma if sigma > 0 else None,
        cosine=float(want @ got) / norms if norms > 0 else None,
        snr_db=10 * float(np.log10(power / noise)) if noise > 0 and power > 0 else None,
    )


def agreement(want: Sequence[Prediction], got: Sequence[Prediction]) -> dict[str, float]:
    """Return how far decoded predictions agree, 0..1 each, over all images; empty for none."""
    pairs = list(zip(want, got, strict=True))
    if not pairs:
        return {}
    kind = type(pairs[0][0])
    return _BY_KIND[kind](pairs)


def _detections(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    return _objects([(_confident(a), _confident(b)) for a, b in pairs], _box_overlaps)


def _instances(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    kept = [tuple(chosen(one, one.scores >= CONFIDENT) for one in pair) for pair in pairs]
    return _objects(kept, mask_overlaps)


def _objects(
    pairs: Sequence[tuple[Any, ...]], overlaps: Callable[[Any, Any], Tensor]
) -> dict[str, float]:
    """Return ``matched``, 2 matches / (ours + theirs), and the mean IoU of the matches."""
    ious: list[float] = []
    count = 0
    for ours, theirs in pairs:
        count += len(ours.scores) + len(theirs.scores)
        ious += _matches(overlaps(ours, theirs), ours.labels, theirs.labels)
    if not count:
        return {}
    found = {"matched": 2 * len(ious) / count}
    return found | ({"iou": float(np.mean(ious))} if ious else {})


def _poses(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    return _detections([(_boxes_of(a), _boxes_of(b)) for a, b in pairs])


def _boxes_of(one: Poses) -> Detections:
    return Detections(one.boxes, one.scores, one.labels)


def _oriented(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    return _detections([(_envelopes(a), _envelopes(b)) for a, b in pairs])


def _envelopes(one: OrientedDetections) -> Detections:
    """Return the upright boxes around turned ones: enough to see that two runs agree."""
    x, y, width, height, angle = one.boxes.reshape(-1, 5).T
    sine, cosine = np.abs(np.sin(angle)), np.abs(np.cos(angle))
    w, h = width * cosine + height * sine, width * sine + height * cosine
    return Detections(np.stack([x - w / 2, y - h / 2, w, h], axis=1), one.scores, one.labels)


def _panoptic(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """Return ``pixels``: the share of pixels of equal category."""
    same = [_categories(ours) == _categories(theirs) for ours, theirs in pairs]
    return {"pixels": float(np.concatenate([one.ravel() for one in same]).mean())}


def _categories(one: PanopticMap) -> NDArray[np.int64]:
    return np.concatenate([[-1], one.labels]).astype(np.int64)[one.segments]


def _prompted(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """Return ``iou``: the mean IoU of the masks of equal prompts."""
    ious = [np.diag(mask_overlaps(_as_instances(a), _as_instances(b))) for a, b in pairs]
    found = np.concatenate(ious) if ious else np.zeros(0)
    return {"iou": float(found.mean())} if found.size else {}


def _as_instances(one: PromptedMasks) -> Instances:
    count = len(one.lengths)
    none = np.zeros(count, np.int64)
    return Instances(np.zeros((count, 4)), np.ones(count), none, one.lengths, one.runs)


def _confident(one: Detections) -> Detections:
    keep = one.scores >= CONFIDENT
    return Detections(one.boxes[keep], one.scores[keep], one.labels[keep])


def _matches(overlaps: Tensor, ours: Tensor, theirs: Tensor) -> list[float]:
    """Return the IoU of each pair of one class, best scores first, each object used once."""
    free = np.ones(len(theirs), bool)
    found = []
    for row, label in zip(overlaps, ours, strict=True):
        usable = np.flatnonzero(free & (theirs == label))
        if len(usable) and row[usable].max() >= SAME_IOU:
            best = int(row[usable].argmax())
            free[usable[best]] = False
            found.append(float(row[usable[best]]))
    return found


def _box_overlaps(ours: Detections, theirs: Detections) -> NDArray[np.float64]:
    """Return the (N, M) IoU of each box with each other one."""
    rows = [_iou(box, theirs.boxes) for box in ours.boxes]
    return np.array(rows).reshape(len(ours.boxes), len(theirs.boxes))


def _iou(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the IoU of one x, y, width, height box with each of *others*."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = box[2] * box[3] + others[:, 2] * others[:, 3] - shared
    found: NDArray[np.float64] = np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0)
    return found


def _maps(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """Return ``pixels``, the share of equal labels, and ``miou`` over the classes of the source."""
    size = 1 + max(int(max(w.labels.max(), g.labels.max())) for w, g in pairs)
    counts = np.zeros((size, size), np.int64)
    for ours, theirs in pairs:
        index = ours.labels.astype(np.int64) * size + theirs.labels
        counts += np.bincount(index.ravel(), minlength=size * size).reshape(size, size)
    same, rows, columns = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    present = rows > 0
    ious = same[present] / (rows + columns - same)[present]
    return {"pixels": float(same.sum() / counts.sum()), "miou": float(ious.mean())}


def _classes(pairs: Sequence[tuple[Any, Any]]) -> dict[str, float]:
    """Return ``top1``, the share of equal best classes, and ``overlap`` of the scores.

    The overlap is the sum of the lesser over the mean of both sums, as scores need not sum to 1
    (sigmoid); there is none where scores are negative or all 0 (logits).
    """
    same = [int(ours.scores.argmax()) == int(theirs.scores.argmax()) for ours, theirs in pairs]
    found = {"top1": float(np.mean(same))}
    whole = [float(ours.scores.sum() + theirs.scores.sum()) for ours, theirs in pairs]
    least = min(float(one.scores.min()) for pair in pairs for one in pair)
    if least < 0 or min(whole) <= 0:
        return found
    shared = [2 * float(np.minimum(a.scores, b.scores).sum()) for a, b in pairs]
    return found | {"overlap": float(np.mean(np.divide(shared, whole)))}


_BY_KIND = {
    Detections: _detections,
    Instances: _instances,
    LabelMap: _maps,
    ClassScores: _classes,
    PanopticMap: _panoptic,
    Poses: _poses,
    OrientedDetections: _oriented,
    PromptedMasks: _prompted,
}


def doubts(parity: Parity, precision: str) -> tuple[Caveat, ...]:
    """Return a caveat ``parity_far`` for outputs or predictions that are further than they may."""
    floor = FAR_DB.get(precision)
    if floor is not None:
        noisy = [o for o in parity.outputs if o.snr_db is not None and o.snr_db < floor]
        worst = min(noisy, key=lambda o: o.snr_db or 0.0, default=None)
        if worst:
            figures: dict[str, float | int | str] = {
                "output": worst.name,
                "snr_db": worst.snr_db or 0.0,
                "expected_db": floor,
            }
            return (Caveat(code="parity_far", figures=figures),)
    low = {name: v for name, v in parity.agreement.items() if v < FAR_AGREEMENT}
    if low:
        name = min(low, key=low.__getitem__)
        return (Caveat(code="parity_far", figures={"agreement": name, "value": low[name]}),)
    return ()
