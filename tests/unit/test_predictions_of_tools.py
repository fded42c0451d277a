"""Prediction files as each tool really writes them: read, and scored as the tool scores them.

Ultralytics' files were written by Ultralytics itself (``golden/predictions/make.py``); those of
the others are written here, key by key, as the source of their writers does it.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.classes import class_map
from benchbench.datasets.coco import read_coco
from benchbench.errors import PredictionError
from benchbench.masks import dense_mask, runs_by_mask
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.metrics.coco_masks import CocoMasks
from benchbench.predictions.coco_results import CocoResults, Ultralytics
from benchbench.predictions.kitti import Kitti
from benchbench.types import Category, ClassMap, DatasetSplit, Image, Scores

GOLDEN = Path(__file__).parents[1] / "golden" / "predictions"
FIGURES = json.loads((GOLDEN / "ultralytics_figures.json").read_text())
PRINTED = {
    "AP_all": "map",
    "AP_50": "map_50",
    "AP_75": "map_75",
    "AP_small": "map_small",
    "AP_medium": "map_medium",
    "AP_large": "map_large",
}
"""Names of the tool's figures, and ours."""


# --- Ultralytics -------------------------------------------------------------------------


def truth_of(folder: Path, tmp_path: Path, change: Any, task: Any = "detection") -> DatasetSplit:
    """Return the first 20 images of the COCO folder, their document mended by *change*."""
    document = json.loads((folder / "annotations" / "instances.json").read_text())
    document["images"] = sorted(document["images"], key=lambda one: one["id"])[:20]
    known = {one["id"] for one in document["images"]}
    kept = [one for one in document["annotations"] if one["image_id"] in known]
    document["annotations"] = kept
    change(document)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(document))
    return read_coco(path, None, name="coco", split="val", task=task)


def as_labels(document: dict[str, Any]) -> None:
    """Make of a COCO document what Ultralytics knows of its YOLO labels."""
    sides = {one["id"]: (one["width"], one["height"]) * 2 for one in document["images"]}
    document["annotations"] = [one for one in document["annotations"] if not one["iscrowd"]]
    for image in document["images"]:
        image["file_name"] = f"shot_{image['file_name']}"
    for one in document["annotations"]:
        (x, y, w, h), scale = one["bbox"], np.array(sides[one["image_id"]])
        shares = np.round(np.array([x + w / 2, y + h / 2, w, h]) / scale, 6) * scale
        low, high = shares[:2] - shares[2:] / 2, shares[:2] + shares[2:] / 2
        low, high = (np.clip(each, 0, scale[:2]) for each in (low, high))
        one["bbox"] = [*low.tolist(), *(high - low).tolist()]
        one["area"] = one["bbox"][2] * one["bbox"][3]


def assert_printed(scores: Scores, told: dict[str, float]) -> None:
    found = {key: scores.metrics[PRINTED[key]] for key in told}
    assert found == pytest.approx(told, abs=1e-9)


def test_ultralytics_file_of_coco_scores_as_it_printed(data_dir: Path, tmp_path: Path) -> None:
    truth = truth_of(data_dir / "coco_val2017_68", tmp_path, lambda _: None)
    classes = class_map(truth.categories, None, None)
    source = Ultralytics(path=GOLDEN / "ultralytics_coco.json")
    scores = CocoBoxes().score(truth, source.read(truth, classes, "detection"), classes)
    assert_printed(scores, FIGURES["coco"]["bbox"])


def test_ultralytics_file_of_another_dataset_names_classes_by_place(
    data_dir: Path, tmp_path: Path
) -> None:
    truth = truth_of(data_dir / "coco_val2017_68", tmp_path, as_labels)
    classes = class_map(truth.categories, None, None)
    source = Ultralytics(path=GOLDEN / "ultralytics_custom.json", categories="index")
    scores = CocoBoxes().score(truth, source.read(truth, classes, "detection"), classes)
    assert_printed(scores, FIGURES["custom"]["bbox"])


def test_ultralytics_masks_score_as_it_printed(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "coco_val2017_68"
    truth = truth_of(folder, tmp_path, lambda _: None, "instance-segmentation")
    classes = class_map(truth.categories, None, None)
    source = Ultralytics(path=GOLDEN / "ultralytics_segment.json")
    boxes = source.read(truth, classes, "detection")
    assert_printed(CocoBoxes().score(truth, boxes, classes), FIGURES["segment"]["bbox"])
    masks = source.read(truth, classes, "instance-segmentation")
    found = CocoMasks().score(truth, masks, classes)
    told = FIGURES["segment"]["segm"]
    assert_printed(found, {key: told[key] for key in ("AP_all", "AP_50", "AP_75")})
    # Where a result has a box too, the reference takes an object's size from that: Ultralytics
    # leaves it so, Detectron2 and MMDetection remove the boxes first, and so do we.
    assert_printed(found, by_pycocotools(tmp_path / "truth.json", source.path, with_boxes=False))
    by_box = by_pycocotools(tmp_path / "truth.json", source.path, with_boxes=True)
    assert by_box == pytest.approx(told, abs=1e-9)


def by_pycocotools(truth: Path, results: Path, *, with_boxes: bool) -> dict[str, float]:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    items = json.loads(results.read_text())
    if not with_boxes:
        items = [{key: one[key] for key in one if key != "bbox"} for one in items]
    with contextlib.redirect_stdout(io.StringIO()):
        known = coco.COCO(truth)
        evaluator = evaluation.COCOeval(known, known.loadRes(items), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return dict(zip(PRINTED, evaluator.stats[:6].tolist(), strict=True))


# --- Detectron2 --------------------------------------------------------------------------

CLASSES = ClassMap(("cat", "traffic light"), (3, 7))
SPLIT = DatasetSplit(
    name="street",
    split="validation",
    images=tuple(
        Image(identity, name, Path(name), 40, 30)
        for identity, name in ((139, "000000000139.jpg"), (285, "left.png"), (632, "empty.jpg"))
    ),
    categories=(Category(3, "cat"), Category(7, "traffic light")),
    annotations=(),
)
CORNERS = np.array([[2.5, 3.25, 20.125, 17.5], [10, 4, 31.0625, 25.75]], np.float32)
SCORES = np.array([0.7310586, 0.9046505], np.float32)
MASKS = np.zeros((2, 30, 40), np.uint8)
MASKS[0, 4:17, 3:20] = 1
MASKS[1, 5:25, 11:30] = 1
MASKS[1, 10:12, 15:18] = 0


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def encoded() -> list[dict[str, Any]]:
    """Return the masks as pycocotools encodes them, decoded to text as every writer does."""
    mask = pytest.importorskip("pycocotools.mask")
    found = [mask.encode(np.asfortranarray(one)) for one in MASKS]
    return [{"size": one["size"], "counts": one["counts"].decode()} for one in found]


def sides(corners: np.ndarray) -> list[float]:
    """Return x, y, width, height in single precision, as numbers of Python."""
    return [*corners[:2].tolist(), *(corners[2:] - corners[:2]).tolist()]


def detectron2(masks: bool) -> list[dict[str, Any]]:
    """Return what ``instances_to_json`` makes of an image's instances, classes mapped back.

    facebookresearch/detectron2@021ec576, evaluation/coco_evaluation.py: ``instances_to_json``,
    ``COCOEvaluator.process`` (masks), ``_eval_predictions`` (category ids, the file's name).
    """
    results = []
    for k, category in enumerate((3, 7)):
        result = {
            "image_id": 139,
            "category_id": category,
            "bbox": sides(CORNERS[k]),
            "score": float(SCORES[k]),
        }
        if masks:
            result["segmentation"] = encoded()[k]
        results.append(result)
    return results


def assert_boxes(found: Any) -> None:
    """The two results, best first, on the image 139; none elsewhere."""
    assert [len(found[one].scores) for one in (139, 285, 632)] == [2, 0, 0]
    assert found[139].labels.tolist() == [7, 3]
    np.testing.assert_array_equal(found[139].scores, SCORES[::-1].astype(np.float64))
    np.testing.assert_allclose(found[139].boxes, [sides(one) for one in CORNERS[::-1]])


def assert_masks(found: Any) -> None:
    assert found[139].labels.tolist() == [7, 3]
    runs = runs_by_mask(found[139].lengths, found[139].runs)
    np.testing.assert_array_equal([dense_mask(one, 30, 40) for one in runs], MASKS[::-1])
    assert found[139].boxes.tolist() == [[11, 5, 19, 20], [3, 4, 17, 13]]
    assert not len(found[632].scores)


def test_detectron2_writes_boxes_and_masks_in_one_file(tmp_path: Path) -> None:
    path = written(tmp_path / "coco_instances_results.json", detectron2(masks=True))
    assert_boxes(CocoResults(path=path).read(SPLIT, CLASSES, "detection"))
    assert_masks(CocoResults(path=path).read(SPLIT, CLASSES, "instance-segmentation"))


def test_a_detector_of_detectron2_has_no_masks_to_score(tmp_path: Path) -> None:
    path = written(tmp_path / "coco_instances_results.json", detectron2(masks=False))
    assert_boxes(CocoResults(path=path).read(SPLIT, CLASSES, "detection"))
    with pytest.raises(PredictionError, match="result 0: no usable 'segmentation'"):
        CocoResults(path=path).read(SPLIT, CLASSES, "instance-segmentation")


# --- MMDetection -------------------------------------------------------------------------


def mmdetection(categories: tuple[int, int], scores: np.ndarray) -> list[dict[str, Any]]:
    """Return the box results of ``results2json``.

    open-mmlab/mmdetection@013e5419, mmdet/evaluation/metrics/coco_metric.py: ``xyxy2xywh`` (on
    Python numbers), ``results2json``, ``compute_metrics`` (``cat_ids``).
    """
    results = []
    for i, category in enumerate(categories):
        x1, y1, x2, y2 = CORNERS[i].tolist()
        data: dict[str, Any] = {}
        data["image_id"] = 139
        data["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        data["score"] = float(scores[i])
        data["category_id"] = category
        results.append(data)
    return results


def test_mmdetection_writes_boxes_and_masks_in_two_files(tmp_path: Path) -> None:
    boxes = written(tmp_path / "out.bbox.json", mmdetection((3, 7), SCORES))
    assert_boxes(CocoResults(path=boxes).read(SPLIT, CLASSES, "detection"))
    results = mmdetection((3, 7), SCORES / 2)  # Mask Scoring R-CNN: masks have their own
    for result, segmentation in zip(results, encoded(), strict=True):
        result["segmentation"] = segmentation
    masks = written(tmp_path / "out.segm.json", results)
    found = CocoResults(path=masks).read(SPLIT, CLASSES, "instance-segmentation")
    assert_masks(found)
    np.testing.assert_array_equal(found[139].scores, (SCORES / 2)[::-1].astype(np.float64))


def test_mmdetection_without_an_annotation_file_counts_classes_from_nought(tmp_path: Path) -> None:
    path = written(tmp_path / "out.bbox.json", mmdetection((0, 1), SCORES))
    source = CocoResults(path=path, categories="index")
    assert_boxes(source.read(SPLIT, CLASSES, "detection"))


# --- NVIDIA TAO --------------------------------------------------------------------------


def tao_pytorch(name: str, box: np.ndarray, score: float) -> str:
    """Return a line of ``save_inference_prediction``.

    NVIDIA/tao_pytorch_backend@045dae78, cv/deformable_detr/model/post_process.py; DINO, RT-DETR
    and Grounding DINO write with it too.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    head = name + " 0.00 0 0.00 "
    tail = f" 0.00 0.00 0.00 0.00 0.00 0.00 0.00 {score:.3f}\n"
    return head + f"{x1:.3f} {y1:.3f} {x2:.3f} {y2:.3f}" + tail


def tao_tensorflow(name: str, box: np.ndarray, score: float) -> str:
    """Return a line of ``InferenceModel.visualize_detections``.

    NVIDIA/tao_tensorflow2_backend@2d184444, cv/efficientdet/inferencer/inference.py.
    """
    numbers = " ".join(str(value) for value in box)
    return f"{name} 0 0 0 {numbers} 0 0 0 0 0 0 0 {score}\n"


@pytest.mark.parametrize(("line", "places"), [(tao_pytorch, 3), (tao_tensorflow, 7)])
def test_tao_writes_a_label_file_for_each_image(line: Any, places: int, tmp_path: Path) -> None:
    pairs = zip(("cat", "traffic light"), CORNERS, SCORES, strict=True)
    labels = tmp_path / "labels"
    written(labels / "000000000139.txt", "".join(line(*one) for one in pairs))
    written(labels / "left.txt", "")
    found = Kitti(path=labels).read(SPLIT, CLASSES, "detection")
    assert found[139].labels.tolist() == [7, 3]
    np.testing.assert_allclose(found[139].scores, SCORES[::-1], atol=0.6 * 10.0**-places)
    expected = [sides(one) for one in CORNERS[::-1]]
    np.testing.assert_allclose(found[139].boxes, expected, atol=1.1 * 10.0**-places)


def tao_mal() -> dict[str, Any]:
    """Return what ``MALPseudoLabels`` dumps where its boxes came with scores.

    NVIDIA/tao_pytorch_backend@191babfb, cv/mal/models/mal.py: ``predict_step``,
    ``on_predict_epoch_end`` (the annotation file given, its annotations replaced).
    """
    annotations = []
    for k, category in enumerate((3, 7)):
        x0, y0, x1, y1 = CORNERS[k].tolist()
        labels = {
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "id": k + 1,
            "category_id": category,
            "segmentation": encoded()[k],
            "iscrowd": 0,
            "area": (x1 - x0) * (y1 - y0),
            "image_id": 139,
            "score": float(SCORES[k]),
        }
        annotations.append(labels)
    images = [{"id": 139, "file_name": "000000000139.jpg", "width": 40, "height": 30}]
    return {"images": images, "categories": [{"id": 3, "name": "cat"}], "annotations": annotations}


def test_tao_mask_auto_labels_stand_among_a_datasets_annotations(tmp_path: Path) -> None:
    path = written(tmp_path / "labels.json", tao_mal())
    assert_boxes(CocoResults(path=path).read(SPLIT, CLASSES, "detection"))
    assert_masks(CocoResults(path=path).read(SPLIT, CLASSES, "instance-segmentation"))


def test_tao_deploys_results_json_holds_figures_and_is_refused(tmp_path: Path) -> None:
    """NVIDIA/tao_deploy@0698b38d, cv/mask_rcnn/scripts/evaluate.py: metrics by name."""
    path = written(tmp_path / "results.json", {"AP": 0.33, "AP50": 0.5, "mask_AP": 0.3})
    with pytest.raises(PredictionError, match=r"results\.json: holds no list of results"):
        CocoResults(path=path).read(SPLIT, CLASSES, "detection")
