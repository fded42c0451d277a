# ruff: noqa: TID253 - a script that trains with torch; nothing imports it
"""Train the zoo's models on the generated inspection line: ``python -m benchbench.zoo.train``.

Renders the splits into a cache folder, trains with bfloat16 autocast over float32 weights, keeps a
running mean of the weights, and writes ``inspection-<model>.safetensors`` beside a JSON file of
the figures which that mean reaches in float32 on the validation split.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from benchbench.datasets.inspection_line import CATEGORIES, CONDITIONS, SPLITS, write_split
from benchbench.zoo import inspection

_DETECTOR_PX, _SEGMENTER_PX, _CLASSIFIER_PX = 320, 256, 192
_MOST_BOXES = 6
_PAD_VALUE = 114
_SCORE_FLOOR, _NMS_IOU, _MOST_DETECTIONS = 0.01, 0.6, 100
_EVAL_BATCH = 20

Truth = dict[str, Tensor]
Figures = dict[str, object]
Floats = NDArray[np.float32]


# ---------------------------------------------------------------- data


@dataclass(frozen=True, slots=True)
class Frames:
    """A split in memory.

    images: uint8, N x 3 x side x side.
    truth: per image what the task learns; every tensor's first axis is N.
    coco: the split's truth file, opened; ids: its image ids in the order of images.
    """

    images: Tensor
    truth: Truth
    coco: COCO
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a width x height image lies in a square of side pixels."""

    scale: float
    size: tuple[int, int]
    left: int
    top: int

    @classmethod
    def fit(cls, width: int, height: int, side: int) -> "Letterbox":
        """Scale the image to fit, and centre it."""
        scale = min(side / width, side / height)
        scaled = round(width * scale), round(height * scale)
        return cls(scale, scaled, (side - scaled[0]) // 2, (side - scaled[1]) // 2)


def _letterboxed(image: Image.Image, side: int) -> Image.Image:
    box = Letterbox.fit(*image.size, side)
    square = Image.new("RGB", (side, side), (_PAD_VALUE,) * 3)
    square.paste(image.resize(box.size, Image.Resampling.BILINEAR), (box.left, box.top))
    return square


def _stretched(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BILINEAR)


def _rendered(folder: Path, split: str) -> None:
    """Render a split into the cache, unless it lies there whole."""
    if not (folder / "annotations" / f"{split}-condition.json").exists():
        print(f"rendering {SPLITS[split]} images of {split} into {folder}", flush=True)
        write_split(folder, split, count=SPLITS[split])


def _boxes_of(coco: COCO, image_id: int) -> Truth:
    """Read boxes (6 x 4, corners in input pixels), classes (6, -1 where absent), crowds (6)."""
    info = coco.imgs[image_id]
    box = Letterbox.fit(info["width"], info["height"], _DETECTOR_PX)
    boxes, labels = torch.zeros(_MOST_BOXES, 4), torch.full((_MOST_BOXES,), -1)
    crowds = torch.zeros(_MOST_BOXES, dtype=torch.bool)
    for place, note in enumerate(coco.imgToAnns[image_id][:_MOST_BOXES]):
        x, y, width, height = note["bbox"]
        corners = torch.tensor([x, y, x + width, y + height]) * box.scale
        boxes[place] = corners + torch.tensor([box.left, box.top, box.left, box.top])
        labels[place], crowds[place] = note["category_id"] - 1, bool(note["iscrowd"])
    return {"boxes": boxes, "labels": labels, "crowds": crowds}


def _painted(coco: COCO, image_id: int) -> NDArray[np.uint8]:
    """Paint the classes at the image's own size; 0 is background, a crowd counts as its class."""
    info = coco.imgs[image_id]
    classes = np.zeros((info["height"], info["width"]), np.uint8)
    for note in coco.imgToAnns[image_id]:
        classes[coco.annToMask(note).astype(bool)] = note["category_id"]
    return classes


def _pixels_of(coco: COCO, image_id: int) -> Truth:
    side = (_SEGMENTER_PX, _SEGMENTER_PX)
    small = Image.fromarray(_painted(coco, image_id)).resize(side, Image.Resampling.NEAREST)
    return {"classes": torch.from_numpy(np.array(small))}


def _condition_of(coco: COCO, image_id: int) -> Truth:
    return {"class": torch.tensor(coco.imgToAnns[image_id][0]["category_id"] - 1)}


# ---------------------------------------------------------------- augmentation


def _normalised(images: Tensor) -> Tensor:
    """uint8 pixels to the models' input."""
    scaled = (images.float() / 255 - 0.5) / 0.25
    return scaled.contiguous(memory_format=torch.channels_last)


def _views(count: int, spread: float, share: float) -> tuple[Tensor, Tensor]:
    """Draw random looks at the images: matrices (N x 2 x 2) and shifts (N x 2), output to input.

    In the unit of grid_sample, -1..1 across the image: one of eight flips and quarter turns, zoom
    and shift, of a crop that shows a share of the side.
    """
    flips = torch.diag_embed(torch.randint(0, 2, (count, 2)).float() * 2 - 1)
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    turned = torch.where(torch.rand(count, 1, 1) < 0.5, flips, flips @ swap)
    zoom = torch.exp((torch.rand(count, 1, 1) * 2 - 1) * spread)
    return turned * zoom * share, (torch.rand(count, 2) * 2 - 1) * (spread + 1 - share)


def _looked_at(
    images: Tensor, views: tuple[Tensor, Tensor], side: int, mode: str, fill: float
) -> Tensor:
    """Show images (float, N x C x S x S) as the views do, in a square of side pixels."""
    theta = torch.cat((views[0], views[1][..., None]), dim=2)
    grid = functional.affine_grid(theta, [*images.shape[:2], side, side], align_corners=False)
    return functional.grid_sample(images - fill, grid, mode=mode, align_corners=False) + fill


def _relit(images: Tensor) -> Tensor:
    """Photometric jitter: gain, colour cast and offset of pixel values 0..255."""
    count = len(images)
    gain = torch.exp(torch.randn(count, 1, 1, 1) * 0.18 + torch.randn(count, 3, 1, 1) * 0.04)
    offset = torch.randn(count, 1, 1, 1) * 10
    return (images * gain + offset).clamp(0, 255)


def _moved_boxes(truth: Truth, views: tuple[Tensor, Tensor], side: int) -> Truth:
    """Boxes as the views show them; those mostly out of sight get the class -1."""
    unit = truth["boxes"].reshape(len(truth["boxes"]), -1, 2) * (2 / side) - 1
    back = torch.linalg.inv(views[0])
    points = ((unit - views[1][:, None]) @ back.mT + 1) * (side / 2)
    corners = points.reshape(*truth["boxes"].shape[:2], 2, 2)
    low, high = corners.amin(dim=2), corners.amax(dim=2)
    seen_low, seen_high = low.clamp(0, side), high.clamp(0, side)
    seen = (seen_high - seen_low).prod(dim=2) / (high - low).prod(dim=2).clamp(min=1e-6)
    boxes = torch.cat((seen_low, seen_high), dim=2)
    return {**truth, "boxes": boxes, "labels": truth["labels"].where(seen > 0.5, -1)}


def _augmented(images: Tensor, truth: Truth, spread: float, share: float) -> tuple[Tensor, Truth]:
    """Take a random look at a batch, in a crop of a share of its side, with the truth alike."""
    views = _views(len(images), spread, share)
    side = round(images.shape[-1] * share)
    looked = _relit(_looked_at(images.float(), views, side, "bilinear", float(_PAD_VALUE)))
    if "boxes" in truth:
        truth = _moved_boxes(truth, views, side)
    if "classes" in truth:
        # At the side of the segmenter's output; a loss at its input's side costs four times that.
        layers = truth["classes"][:, None].float()
        truth = {"classes": _looked_at(layers, views, side // 2, "nearest", 0.0)[:, 0].long()}
    return looked, truth


# ---------------------------------------------------------------- detector


def _cells(side: int) -> tuple[Tensor, Tensor]:
    """Centres (A x 2, x and y in pixels) and strides (A x 1) of all cells, level by level."""
    centres, strides = [], []
    for stride in inspection.STRIDES:
        count = side // stride
        line = (torch.arange(count) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        centres.append(torch.stack((x, y), dim=-1).reshape(-1, 2))
        strides.append(torch.full((count * count, 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def _predictions(outputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Logits (N x A x 5) and boxes (N x A x 4, corners in input pixels) of all cells."""
    logits = torch.cat([level.float().flatten(2).mT for level in outputs[0::2]], dim=1)
    sides = torch.cat([level.float().flatten(2).mT for level in outputs[1::2]], dim=1)
    centres, strides = _cells(_DETECTOR_PX)
    reach = sides * strides
    return logits, torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), dim=-1)


def _overlap(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes (... x 4, corners) that broadcast."""
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).clamp(min=0).prod(dim=-1) for box in (first, second)]
    union = areas[0] + areas[1] - shared + 1e-6
    hull_low = torch.minimum(first[..., :2], second[..., :2])
    hull_high = torch.maximum(first[..., 2:], second[..., 2:])
    hull = (hull_high - hull_low).prod(dim=-1) + 1e-6
    iou = shared / union
    return iou, iou - (hull - union) / hull


def _near(boxes: Tensor) -> Tensor:
    """Tell which cells may answer for which boxes, N x G x A: the centre lies in or hard by."""
    centres, strides = _cells(_DETECTOR_PX)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) / 2
    reach = torch.maximum(half[:, :, None], 0.75 * strides)
    return ((centres - middle[:, :, None]).abs() < reach).all(dim=-1)


@dataclass(frozen=True, slots=True)
class Targets:
    """What each cell is to answer: its box's number (N x A), whether it has one, how surely."""

    number: Tensor
    taken: Tensor
    quality: Tensor


def _assigned(logits: Tensor, boxes: Tensor, truth: Truth) -> Targets:
    """Give each true box the nine cells whose class and box fit it best (as TOOD does)."""
    real = (truth["labels"] >= 0) & ~truth["crowds"]
    iou, _ = _overlap(boxes[:, None], truth["boxes"][:, :, None])
    classes = truth["labels"].clamp(min=0)[:, :, None].expand(-1, -1, logits.shape[1])
    score = logits.sigmoid().mT.gather(1, classes)
    allowed = _near(truth["boxes"]) & real[:, :, None]
    fit = (score.sqrt() * iou.pow(4) + 1e-9) * allowed
    best = torch.zeros_like(fit).scatter(2, fit.topk(9, dim=2).indices, 1.0) * (fit > 0)
    number = (best * (iou + 1e-3)).argmax(dim=1)
    taken = best.amax(dim=1) > 0
    scaled = fit / fit.amax(dim=2, keepdim=True).clamp(min=1e-9) * (iou * best).amax(2, True)
    quality = scaled.gather(1, number[:, None])[:, 0] * taken
    return Targets(number, taken, quality)


def _detector_loss(outputs: tuple[Tensor, ...], truth: Truth) -> Tensor:
    """Quality focal loss of the scores plus generalised IoU loss of the boxes."""
    logits, boxes = _predictions(outputs)
    with torch.no_grad():
        targets = _assigned(logits, boxes, truth)
    labels = truth["labels"].gather(1, targets.number).clamp(min=0)
    wanted = functional.one_hot(labels, len(CATEGORIES)) * targets.quality[..., None]
    gap = (wanted - logits.sigmoid()).abs().detach()
    plain = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    crowds = (_near(truth["boxes"]) & truth["crowds"][:, :, None]).any(dim=1)
    counted = (~crowds | targets.taken)[..., None]
    total = targets.quality.sum().clamp(min=1)
    own = truth["boxes"].gather(1, targets.number[..., None].expand(-1, -1, 4))
    _, giou = _overlap(boxes, own)
    weight = targets.quality.clamp(min=0.1) * targets.taken
    return ((plain * gap.pow(1.5) * counted).sum() + 2 * ((1 - giou) * weight).sum()) / total


def _suppressed(boxes: Floats, scores: Floats) -> NDArray[np.intp]:
    """Greedy suppression of overlapping boxes of one class; the kept places, best first."""
    order, kept = np.argsort(-scores, kind="stable"), []
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    while order.size:
        first, rest = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        order = rest[shared / (areas[first] + areas[rest] - shared + 1e-9) <= _NMS_IOU]
    return np.array(kept, np.intp)


def _decoded(scores: Floats, boxes: Floats, info: Mapping[str, Any]) -> list[dict[str, object]]:
    """COCO results of one image from scores (A x 5) and boxes (A x 4) in input pixels."""
    width, height = info["width"], info["height"]
    box = Letterbox.fit(width, height, _DETECTOR_PX)
    limit = np.array([width, height, width, height], np.float32)
    shift = np.array([box.left, box.top, box.left, box.top], np.float32)
    placed = np.clip((boxes - shift) / box.scale, 0, limit)
    found = []
    for number in range(scores.shape[1]):
        likely = np.flatnonzero(scores[:, number] >= _SCORE_FLOOR)
        for place in likely[_suppressed(placed[likely], scores[likely, number])]:
            x, y, right, bottom = placed[place].tolist()
            found.append(
                {
                    "image_id": info["id"],
                    "category_id": number + 1,
                    "bbox": [x, y, right - x, bottom - y],
                    "score": float(scores[place, number]),
                }
            )
    return sorted(found, key=lambda result: -float(str(result["score"])))[:_MOST_DETECTIONS]


def _detector_figures(outputs: list[tuple[Tensor, ...]], frames: Frames) -> Figures:
    results = []
    for image_id, output in zip(frames.ids, outputs, strict=True):
        logits, boxes = _predictions(tuple(level[None] for level in output))
        scores = logits[0].sigmoid().numpy()
        results += _decoded(scores, boxes[0].numpy(), frames.coco.imgs[image_id])
    judge = COCOeval(frames.coco, frames.coco.loadRes(results), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    precision = judge.eval["precision"][:, :, :, 0, 2]
    per_class = {
        name: round(float(precision[:, :, number].mean()), 4)
        for number, name in enumerate(CATEGORIES)
    }
    names = ("mAP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
    figures = {name: round(float(v), 4) for name, v in zip(names, judge.stats[:6], strict=True)}
    return {**figures, "AP_per_class": per_class}


# ---------------------------------------------------------------- segmenter


def _segmenter_loss(logits: Tensor, truth: Truth) -> Tensor:
    """Cross entropy, defects weighing thrice, plus the Dice loss of the defects."""
    classes, logits = truth["classes"], logits.float()
    weight = torch.full((len(CONDITIONS),), 3.0)
    weight[0] = 1.0
    entropy = functional.cross_entropy(logits, classes, weight)
    wanted = functional.one_hot(classes, len(CONDITIONS)).permute(0, 3, 1, 2).float()
    chance = logits.softmax(dim=1)
    shared = (chance * wanted).sum(dim=(0, 2, 3))[1:]
    size = chance.sum(dim=(0, 2, 3))[1:] + wanted.sum(dim=(0, 2, 3))[1:]
    return 2 * entropy + 0.5 * (1 - (2 * shared + 50) / (size + 50)).mean()


def _segmenter_figures(outputs: list[Tensor], frames: Frames) -> Figures:
    count = len(CONDITIONS)
    table = np.zeros((count, count), np.int64)
    for image_id, logits in zip(frames.ids, outputs, strict=True):
        truth = _painted(frames.coco, image_id)
        large = functional.interpolate(
            logits[None], size=truth.shape, mode="bilinear", align_corners=False
        )
        answer = large[0].argmax(dim=0).numpy()
        table += np.bincount(
            (truth.astype(np.int64) * count + answer).ravel(), minlength=count * count
        ).reshape(count, count)
    right = np.diag(table)
    iou = right / (table.sum(axis=0) + table.sum(axis=1) - right)
    names = ("background", *CATEGORIES)
    per_class = {name: round(float(v), 4) for name, v in zip(names, iou, strict=True)}
    accuracy = round(float(right.sum() / table.sum()), 4)
    return {
        "mIoU": round(float(iou.mean()), 4),
        "IoU_per_class": per_class,
        "pixel_accuracy": accuracy,
    }


# ---------------------------------------------------------------- classifier


def _classifier_loss(logits: Tensor, truth: Truth) -> Tensor:
    return functional.cross_entropy(logits.float(), truth["class"], label_smoothing=0.05)


def _classifier_figures(outputs: list[Tensor], frames: Frames) -> Figures:
    answers = torch.stack([logits.argmax() for logits in outputs])
    right = answers == frames.truth["class"]
    per_class = {
        name: round(float(right[frames.truth["class"] == number].float().mean()), 4)
        for number, name in enumerate(CONDITIONS)
    }
    return {"top1": round(float(right.float().mean()), 4), "recall_per_class": per_class}


# ---------------------------------------------------------------- tasks


@dataclass(frozen=True, slots=True)
class Task:
    """One model of the zoo and how it learns.

    build: the untrained model; side: its input in pixels; truth_file: name after the split.
    fit: brings an image to the input; truth: reads one image's truth.
    loss: of a batch's outputs; figures: of the validation outputs, one entry an image.
    epochs, rate: passes over the training split and the highest learning rate.
    spread: how far augmentation zooms and shifts, as a share of the image.
    share: of the side that a training crop shows; less is cheaper.
    """

    build: Callable[[], nn.Module]
    side: int
    truth_file: str
    fit: Callable[[Image.Image, int], Image.Image]
    truth: Callable[[COCO, int], Truth]
    loss: Callable[[Any, Truth], Tensor]
    figures: Callable[[list[Any], Frames], Figures]
    epochs: int
    rate: float
    spread: float
    share: float = 1.0


TASKS: Mapping[str, Task] = {
    "detector": Task(
        inspection.detector, _DETECTOR_PX, "", _letterboxed, _boxes_of,
        _detector_loss, _detector_figures, 16, 3e-3, 0.2,
    ),
    "segmenter": Task(
        inspection.segmenter, _SEGMENTER_PX, "", _stretched, _pixels_of,
        _segmenter_loss, _segmenter_figures, 5, 3e-3, 0.15, 0.75,
    ),
    "classifier": Task(
        inspection.classifier, _CLASSIFIER_PX, "-condition", _stretched, _condition_of,
        _classifier_loss, _classifier_figures, 7, 2e-3, 0.05,
    ),
}  # fmt: skip


def _load(task: Task, folder: Path, split: str) -> Frames:
    """Read a rendered split into memory."""
    _rendered(folder, split)
    coco = COCO(str(folder / "annotations" / f"{split}{task.truth_file}.json"))
    ids = sorted(coco.imgs)
    images = torch.empty((len(ids), 3, task.side, task.side), dtype=torch.uint8)
    for place, image_id in enumerate(ids):
        with Image.open(folder / "images" / split / coco.imgs[image_id]["file_name"]) as image:
            pixels = np.array(task.fit(image.convert("RGB"), task.side))
        images[place] = torch.from_numpy(pixels).permute(2, 0, 1)
    truths = [task.truth(coco, image_id) for image_id in ids]
    truth = {key: torch.stack([entry[key] for entry in truths]) for key in truths[0]}
    return Frames(images, truth, coco, ids)


# ---------------------------------------------------------------- training


@dataclass(slots=True)
class Run:
    """A training under way: the model, its running mean, and what continues them."""

    model: nn.Module
    mean: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epoch: int = 0
    seconds: float = 0.0

    def save(self, file: Path) -> None:
        """Write all that continues the training."""
        state = {key: getattr(self, key).state_dict() for key in _STATEFUL}
        torch.save({**state, "epoch": self.epoch, "seconds": self.seconds}, file)

    def restore(self, file: Path) -> None:
        """Continue where a checkpoint stopped."""
        state = torch.load(file)
        for key in _STATEFUL:
            getattr(self, key).load_state_dict(state[key])
        self.epoch, self.seconds = state["epoch"], state["seconds"]


_STATEFUL = ("model", "mean", "optimiser", "schedule")


def _share(step: int, steps: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine down to nothing."""
    rise = max(steps // 12, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * min((step - rise) / max(steps - rise, 1), 1.0))


def _started_from(model: nn.Module, weights: Path) -> None:
    """Take over what fits of other weights: the backbone, which all models of the zoo share."""
    own = model.state_dict()
    fitting = {
        key: value
        for key, value in load_file(weights).items()
        if key in own and own[key].shape == value.shape
    }
    model.load_state_dict(fitting, strict=False)


def _begin(task: Task, steps: int, start: Path | None) -> Run:
    model = task.build().to(memory_format=torch.channels_last)
    if start:
        _started_from(model, start)
    optimiser = torch.optim.AdamW(model.parameters(), lr=task.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, steps))
    return Run(model, deepcopy(model).eval().requires_grad_(False), optimiser, schedule)


def _follow(run: Run, step: int) -> None:
    """Move the running mean towards the model, quickly at first."""
    keep = min(0.997, (1 + step) / (10 + step))
    own = run.model.state_dict()
    for key, value in run.mean.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(own[key], 1 - keep)
        else:
            value.copy_(own[key])


def _batches(frames: Frames, size: int) -> Iterator[tuple[Tensor, Truth]]:
    for places in torch.randperm(len(frames.images)).split(size):
        if len(places) == size:
            yield frames.images[places], {key: v[places] for key, v in frames.truth.items()}


def _train_epoch(run: Run, task: Task, frames: Frames, size: int) -> float:
    """Pass over the split once; the mean loss."""
    run.model.train()
    losses = []
    for images, truth in _batches(frames, size):
        looked, moved = _augmented(images, truth, task.spread, task.share)
        with torch.autocast("cpu", torch.bfloat16):
            outputs = run.model(_normalised(looked))
        loss = task.loss(outputs, moved)
        run.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), 10.0)
        run.optimiser.step()
        run.schedule.step()
        with torch.no_grad():
            _follow(run, run.schedule.last_epoch)
        losses.append(loss.item())
    return float(np.mean(losses))


def _evaluate(model: nn.Module, task: Task, frames: Frames) -> Figures:
    """Figures of the model in float32, one list entry of outputs an image."""
    outputs: list[Any] = []
    for images in frames.images.split(_EVAL_BATCH):
        with torch.no_grad():
            answer = model(_normalised(images))
        outputs += list(zip(*answer, strict=True)) if isinstance(answer, tuple) else list(answer)
    return task.figures(outputs, frames)


def _write(run: Run, name: str, figures: Figures, options: argparse.Namespace) -> None:
    """Write the running mean's weights and the figures it reached."""
    weights = {key: value.contiguous() for key, value in run.mean.state_dict().items()}
    file = options.out / f"inspection-{name}.safetensors"
    save_file(weights, file)
    report = {
        "model": name,
        "parameters": sum(value.numel() for value in run.mean.parameters()),
        "bytes": file.stat().st_size,
        "seed": options.seed,
        "epochs": run.epoch,
        "batch": options.batch,
        "training_s": round(run.seconds, 1),
        "figures": figures,
    }
    (options.out / f"inspection-{name}.json").write_text(json.dumps(report, indent=2) + "\n")


def train(name: str, options: argparse.Namespace) -> None:
    """Train one model and write its weights and figures; a checkpoint follows every epoch."""
    task = TASKS[name]
    torch.manual_seed(options.seed)
    learned, held_out = (_load(task, options.data, split) for split in ("train", "validation"))
    epochs = options.epochs or task.epochs
    run = _begin(task, epochs * (len(learned.images) // options.batch), options.start)
    checkpoint = options.out / f"inspection-{name}.checkpoint.pt"
    if options.resume and checkpoint.exists():
        run.restore(checkpoint)
    while run.epoch < epochs:
        start = time.perf_counter()
        loss = _train_epoch(run, task, learned, options.batch)
        run.epoch, run.seconds = run.epoch + 1, run.seconds + time.perf_counter() - start
        run.save(checkpoint)
        print(f"{name} epoch {run.epoch}/{epochs} loss {loss:.4f} {run.seconds:.0f} s", flush=True)
        if run.epoch % options.every == 0 or run.epoch == epochs:
            figures = _evaluate(run.mean, task, held_out)
            print(json.dumps(figures), flush=True)
            _write(run, name, figures, options)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchbench.zoo.train", description=__doc__)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("model", choices=tuple(TASKS))
    parser.add_argument("--epochs", type=int, help="passes over the training split")
    parser.add_argument("--batch", type=int, default=16, help="images a step")
    parser.add_argument("--every", type=int, default=4, help="epochs between evaluations")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the weights")
    parser.add_argument("--data", type=Path, default=cache / "benchbench" / "inspection-line")
    parser.add_argument("--start", type=Path, help="weights to start from, as far as they fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    return parser


def main() -> None:
    """Run the command line."""
    options = _arguments().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train(options.model, options)


if __name__ == "__main__":
    main()
