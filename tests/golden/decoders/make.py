"""Make the golden files of this folder again: outputs of real exports, and what their tool decodes.

    python -m tests.golden.decoders.make IMAGES

IMAGES is a folder with the images named in ``IMAGES`` below (COCO val2017). Needs ultralytics,
torch and onnxruntime; nothing of them is kept but numbers. Networks are initialised at random from
Ultralytics' own YAML files, brought to life by :func:`enliven`, exported as its users do it and run
with ONNX Runtime. A file holds some of the rows of the outputs and what Ultralytics' predictor makes
of exactly those.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from benchbench.decoders.end_to_end import YoloEndToEnd
from benchbench.decoders.yolo import YoloV8
from benchbench.decoders.yolo_segment import YoloEndToEndSegment, YoloV8Segment
from benchbench.inputs import InputContract

IMAGES = ("000000005001.jpg", "000000006818.jpg", "000000119828.jpg")
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A network, how it is exported and how it is decoded."""

    yaml: str
    export: dict[str, Any] = field(default_factory=dict)
    size: int = 320
    conf: float = 0.3
    iou: float = 0.6
    rows: int = 60
    """How many rows of the output the golden file keeps."""
    shrink: int = 1
    """The image is made this many times smaller, for small masks."""


CASES = {
    "yolov5n": Case("yolov5n.yaml"),
    "yolov8n": Case("yolov8n.yaml"),
    "yolov9t": Case("yolov9t.yaml"),
    "yolov10n-one-to-many": Case("yolov10n.yaml"),
    "yolo11n": Case("yolo11n.yaml"),
    "yolo12n": Case("yolo12n.yaml"),
    "yolo26n-one-to-many": Case("yolo26n.yaml"),
    "yolov10n": Case("yolov10n.yaml", {"nms": False}),
    "yolo26n": Case("yolo26n.yaml", {"nms": False}),
    "yolo11n-nms": Case("yolo11n.yaml", {"nms": True, "conf": 0.3, "iou": 0.6}),
    "rtdetr-l": Case("rtdetr-l.yaml"),
    "yolov8n-seg": Case("yolov8n-seg.yaml", size=96, rows=24, shrink=4),
    "yolo11n-seg": Case("yolo11n-seg.yaml", size=96, rows=24, shrink=4),
    "yolo26n-seg": Case("yolo26n-seg.yaml", {"nms": False}, conf=0.2, size=96, rows=24, shrink=4),
    "yolov8n-seg-nms": Case(
        "yolov8n-seg.yaml", {"nms": True, "conf": 0.3, "iou": 0.6}, size=96, rows=24, shrink=4
    ),
}


def decoder(name: str) -> Any:
    """Return benchbench's decoder with the settings of Ultralytics' prediction."""
    case = CASES[name]
    chosen: dict[str, Any] = {"score_floor": case.conf}
    if name == "rtdetr-l":
        return YoloEndToEnd(corners="cxcywh", coordinates="relative", clip=False, **chosen)
    if case.export:
        return (YoloEndToEndSegment if "-seg" in name else YoloEndToEnd)(**chosen)
    kind = YoloV8Segment if "-seg" in name else YoloV8
    return kind(nms_iou=case.iou, multi_label=False, **chosen)


def contract(name: str) -> InputContract:
    """Return the input that Ultralytics prepares for a network that it has exported."""
    size = (CASES[name].size,) * 2
    kind = "stretch" if name == "rtdetr-l" else "letterbox"
    resize = {"kind": kind, "library": "opencv"}
    return InputContract.model_validate(
        {"size": size, "color": "RGB", "scale": "1/255", "resize": resize}
    )


def enliven(network: Any, pictures: np.ndarray) -> None:
    """Give a network of random weights activations of unit variance, and scores that differ.

    Normalisation layers take the statistics of *pictures* (N, H, W, 3); the last layers of the head
    are drawn wide enough that boxes and classes vary from cell to cell, or query to query.
    """
    import torch

    network.eval()
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for layer in norms:
        layer.momentum = None
        layer.reset_running_stats()
        layer.train()
    with torch.no_grad():
        network(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
    network.eval()
    head = network.model[-1]
    scores, boxes = last_layers(head)
    outward = 0.0 if hasattr(head, "dec_score_head") else 2.0
    for layers, spread, bias in ((scores, 0.4, -1.8), (boxes, 1.5, outward)):
        for last in layers:
            torch.nn.init.normal_(last.weight, std=spread / last.weight[0].numel() ** 0.5)
            torch.nn.init.normal_(last.bias, mean=bias, std=0.4)


def last_layers(head: Any) -> tuple[list[Any], list[Any]]:
    """Return the layers of a YOLO or RT-DETR head that make class logits, and those of boxes."""
    if hasattr(head, "dec_score_head"):
        boxes = [head.enc_bbox_head, *head.dec_bbox_head]
        return [head.enc_score_head, *head.dec_score_head], [mlp.layers[-1] for mlp in boxes]
    found = {
        kind: [
            level[-1]
            for name in (f"cv{kind}", f"one2one_cv{kind}")
            for level in getattr(head, name, None) or ()
        ]
        for kind in (2, 3)
    }
    return found[3], found[2]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in *folder*: an export writes where it stands."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def padded(images: Path, size: int) -> np.ndarray:
    """Return the pictures (N, size, size, 3) in RGB that bring a network to life."""
    grey = (114, 114, 114)
    made = []
    for name in IMAGES:
        with PIL.Image.open(images / name) as opened:
            made.append(PIL.ImageOps.pad(opened.convert("RGB"), (size, size), color=grey))
    return np.stack([np.asarray(each) for each in made])


def exported(case: Case, folder: Path, images: Path) -> Any:
    """Return the exported network as Ultralytics' own model object of the ONNX file."""
    import torch
    from ultralytics import RTDETR, YOLO

    torch.manual_seed(0)
    kind = RTDETR if "rtdetr" in case.yaml else YOLO
    with inside(folder):
        made = kind(case.yaml)
        enliven(made.model, padded(images, case.size))
        path = made.export(
            format="onnx",
            imgsz=case.size,
            simplify=False,
            verbose=False,
            device="cpu",
            **case.export,
        )
    task = "segment" if "-seg" in case.yaml else "detect"
    return kind(folder / path, **({} if kind is RTDETR else {"task": task}))


def picture(path: Path, shrink: int) -> np.ndarray:
    """Return the pixels (H, W, 3) in BGR, as OpenCV would read them."""
    with PIL.Image.open(path) as opened:
        rgb = opened.convert("RGB").reduce(shrink) if shrink > 1 else opened.convert("RGB")
        return np.ascontiguousarray(np.asarray(rgb)[..., ::-1])


def predicted(model: Any, pixels: np.ndarray, case: Case) -> Any:
    """Return Ultralytics' result for one image, with masks at the size of the image."""
    options = {"conf": case.conf, "iou": case.iou, "imgsz": case.size, "retina_masks": True}
    return model.predict(pixels, verbose=False, save=False, **options)[0]


def outputs(model: Any, pixels: np.ndarray) -> list[Any]:
    """Return what the network itself gives for one image; after :func:`predicted`."""
    predictor = model.predictor
    found = predictor.inference(predictor.preprocess([pixels]))
    return list(found) if isinstance(found, list | tuple) else [found]


def result_arrays(result: Any) -> dict[str, np.ndarray]:
    """Return corners (n, 4), scores, classes and masks (n, H, W) of a result."""
    found = {
        "boxes": result.boxes.xyxy.numpy(),
        "scores": result.boxes.conf.numpy(),
        "classes": result.boxes.cls.numpy().astype(np.int64),
    }
    if result.masks is not None:
        found["masks"] = result.masks.data.numpy().astype(bool)
    return found


def redecoded(model: Any, found: list[Any], pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return what Ultralytics' predictor makes of outputs *found*; after :func:`predicted`."""
    predictor = model.predictor
    whole = [each.clone() for each in found] if len(found) > 1 else found[0].clone()
    tensor = predictor.preprocess([pixels])
    return result_arrays(predictor.postprocess(whole, tensor, [pixels])[0])


def golden(model: Any, pixels: np.ndarray, case: Case) -> dict[str, Any]:
    """Return some rows of the outputs, and what Ultralytics' predictor makes of them."""
    predicted(model, pixels, case)
    found = outputs(model, pixels)
    rows = some_rows(found[0], case.rows, by_row=bool(case.export) or "rtdetr" in case.yaml)
    kept = [rows, *(each.half() for each in found[1:])]
    arrays = {f"output{index}": each.numpy().copy() for index, each in enumerate(kept)}
    decoded = redecoded(model, [each.float().clone() for each in kept], pixels)
    if "masks" in decoded:
        decoded["masks"] = np.packbits(decoded["masks"])
    return {**arrays, **decoded, "image": pixels.shape[1::-1]}


def some_rows(output: Any, count: int, *, by_row: bool) -> Any:
    """Return the *count* candidates of *output* with the best scores, in their order."""
    import torch

    scores = output[0, :, 4] if by_row else output[0, 4:84].amax(0)
    chosen = torch.sort(torch.topk(scores, count).indices).values
    return output[:, chosen] if by_row else output[:, :, chosen]


def main(images: Path) -> None:
    """Write a file for each case, of the first image for boxes and the second for masks."""
    versions = {name: version(name) for name in ("ultralytics", "torch", "onnxruntime", "numpy")}
    for number, (name, case) in enumerate(CASES.items()):
        with tempfile.TemporaryDirectory() as folder:
            model = exported(case, Path(folder), images)
            pixels = picture(images / IMAGES[number % len(IMAGES)], case.shrink)
            arrays = golden(model, pixels, case)
        settings = {"conf": case.conf, "iou": case.iou, "versions": versions}
        np.savez_compressed(FOLDER / f"{name}.npz", settings=json.dumps(settings), **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
