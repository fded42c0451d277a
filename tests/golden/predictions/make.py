"""Make the Ultralytics files of this folder again, by Ultralytics' own validation.

    python -m tests.golden.predictions.make COCO_VAL2017_68

The argument is the folder of 68 COCO images with ``images`` and ``annotations``; the first 20 are
used. Needs ultralytics and faster-coco-eval; nothing of them is kept but what they write. The
network is random, so its boxes are replaced by displaced ground truth and noise *after* its own
non-maximum suppression: scaling to the image, the JSON and its evaluation are the tool's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
COUNT = 20
SIZE = 160
PREFIX = "shot_"
"""Names of a dataset that is not COCO are no numbers."""


def first_images(document: dict[str, Any]) -> dict[str, Any]:
    """Return the first images of a COCO document with their annotations."""
    images = sorted(document["images"], key=lambda one: one["id"])[:COUNT]
    known = {one["id"] for one in images}
    annotations = [one for one in document["annotations"] if one["image_id"] in known]
    return {**document, "images": images, "annotations": annotations}


def label(annotation: dict[str, Any], image: dict[str, Any], *, polygon: bool) -> str:
    """Return the numbers of a line of a YOLO label file: of its longest polygon, or its box."""
    width, height = image["width"], image["height"]
    x, y, w, h = annotation["bbox"]
    numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
    if polygon:
        longest = np.reshape(max(annotation["segmentation"], key=len), (-1, 2))
        numbers = (longest / [width, height]).ravel().tolist()
    return " ".join(f"{number:.6f}" for number in numbers)


def dataset(source: Path, root: Path, *, coco: bool, polygons: bool) -> Path:
    """Write the images and labels as Ultralytics wants them; return the dataset's YAML."""
    document = first_images(json.loads((source / "annotations" / "instances.json").read_text()))
    categories = sorted(document["categories"], key=lambda one: one["id"])
    places = {one["id"]: place for place, one in enumerate(categories)}
    folders = {name: root / name / "val2017" for name in ("images", "labels")}
    for folder in (*folders.values(), root / "annotations"):
        folder.mkdir(parents=True)
    listed = []
    for image in document["images"]:
        name = image["file_name"] if coco else PREFIX + image["file_name"]
        content = (source / "images" / image["file_name"]).read_bytes()
        (folders["images"] / name).write_bytes(content)
        lines = [
            f"{places[one['category_id']]} {label(one, image, polygon=polygons)}"
            for one in document["annotations"]
            if one["image_id"] == image["id"] and not one["iscrowd"]
        ]
        (folders["labels"] / name).with_suffix(".txt").write_text("\n".join(lines))
        listed.append(f"./images/val2017/{name}")
    (root / "val2017.txt").write_text("\n".join(listed))
    (root / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    split = "val2017.txt" if coco else "images/val2017"
    names = {place: one["name"] for place, one in enumerate(categories)}
    described = {"path": str(root), "train": split, "val": split, "names": names}
    path = root / f"{root.name}.yaml"
    path.write_text(json.dumps(described))
    return path


def displaced(batch: dict[str, Any], index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return corners in pixels of the input, scores and classes for an image of a batch."""
    rng = np.random.default_rng(int(Path(batch["im_file"][index]).stem[-6:]))
    height, width = batch["img"].shape[2:]
    scale = np.array([width, height, width, height])
    own = (batch["batch_idx"] == index).numpy()
    boxes, classes = batch["bboxes"].numpy()[own] * scale, batch["cls"].numpy()[own].ravel()
    kept = rng.random(len(boxes)) < 0.8
    boxes, classes = boxes[kept], classes[kept]
    boxes = boxes + rng.normal(0, 0.06, boxes.shape) * np.tile(boxes[:, 2:], 2)
    noise = rng.uniform(0.2, 0.8, (rng.integers(2, 6), 4)) * scale * [1, 1, 0.5, 0.5]
    scores = rng.random(len(boxes) + len(noise))
    scores[len(boxes) :] *= 0.7
    boxes = np.concatenate([boxes, noise])
    classes = np.concatenate([classes, rng.integers(0, 8, len(noise))])
    order = np.argsort(-scores)
    low, half = boxes[order, :2], boxes[order, 2:] / 2
    return np.concatenate([low - half, low + half], axis=1), scores[order], classes[order]


def ellipses(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return masks (N, H, W) uint8 of the ellipses in the boxes."""
    y, x = np.mgrid[: size[0], : size[1]]
    centre, half = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / 2
    across = (x + 0.5 - centre[:, 0, None, None]) / np.maximum(half[:, 0, None, None], 0.5)
    down = (y + 0.5 - centre[:, 1, None, None]) / np.maximum(half[:, 1, None, None], 0.5)
    return (across**2 + down**2 <= 1).astype(np.uint8)


@contextmanager
def recorded() -> Iterator[dict[str, dict[str, float]]]:
    """Keep what faster-coco-eval prints, by kind of overlap."""
    from faster_coco_eval import COCOeval_faster

    kept: dict[str, dict[str, float]] = {}
    original = COCOeval_faster.summarize

    def summarize(evaluator: Any) -> None:
        original(evaluator)
        found = evaluator.stats_as_dict
        names = ("AP_all", "AP_50", "AP_75", "AP_small", "AP_medium", "AP_large")
        kept[evaluator.params.iouType] = {name: float(found[name]) for name in names}

    COCOeval_faster.summarize = summarize
    try:
        yield kept
    finally:
        COCOeval_faster.summarize = original


def biased(base: type) -> Any:
    """Return a validator of Ultralytics whose network finds what :func:`displaced` says."""
    import torch

    class Biased(base):  # type: ignore[misc]  # the base is chosen by the caller
        printed: dict[str, dict[str, float]] = {}

        def preprocess(self, batch: dict[str, Any]) -> dict[str, Any]:
            self.batch = super().preprocess(batch)
            return self.batch

        def postprocess(self, preds: Any) -> list[dict[str, Any]]:
            super().postprocess(preds)
            found = []
            for index in range(len(self.batch["im_file"])):
                corners, scores, classes = displaced(self.batch, index)
                one = {"bboxes": corners, "conf": scores, "cls": classes}
                tensors = {key: torch.tensor(each).float() for key, each in one.items()}
                if self.args.task == "segment":
                    masks = ellipses(corners, tuple(self.batch["img"].shape[2:]))
                    tensors["masks"] = torch.from_numpy(masks)
                found.append(tensors)
            return found

        def eval_json(self, stats: dict[str, Any]) -> dict[str, Any]:
            with recorded() as Biased.printed:
                return super().eval_json(stats)

    return Biased


def validated(yaml: str, data: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of ``predictions.json`` and the figures that the tool prints."""
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionValidator
    from ultralytics.models.yolo.segment import SegmentationValidator

    kind = biased(SegmentationValidator if "-seg" in yaml else DetectionValidator)
    options = {"plots": False, "save_json": True, "workers": 0, "verbose": False, "device": "cpu"}
    where = {"project": str(folder), "name": data.stem, "exist_ok": True}
    YOLO(yaml).val(validator=kind, data=str(data), imgsz=SIZE, batch=10, **options, **where)
    return (folder / data.stem / "predictions.json").read_text(), kind.printed


def main(source: Path) -> None:
    """Write the predictions of COCO, of a dataset of one's own, and of masks, and the figures."""
    versions = {name: version(name) for name in ("ultralytics", "torch", "faster-coco-eval")}
    figures: dict[str, Any] = {"versions": versions}
    runs = {"coco": "yolov8n.yaml", "custom": "yolov8n.yaml", "segment": "yolov8n-seg.yaml"}
    with tempfile.TemporaryDirectory() as temporary:
        for name, yaml in runs.items():
            root = Path(temporary) / ("street" if name == "custom" else f"coco_{name}")
            data = dataset(source, root, coco=name != "custom", polygons=name == "segment")
            text, figures[name] = validated(yaml, data, Path(temporary) / "runs")
            (FOLDER / f"ultralytics_{name}.json").write_text(text)
    (FOLDER / "ultralytics_figures.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
