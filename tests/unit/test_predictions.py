"""Predictions of other tools: every dialect read right, every fault named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchbench.errors import PredictionError
from benchbench.predictions.coco_results import CocoResults, Ultralytics
from benchbench.predictions.kitti import Kitti
from benchbench.types import Category, ClassMap, DatasetSplit, Image

CLASSES = ClassMap(("cat", "traffic light"), (3, 7))
SPLIT = DatasetSplit(
    name="street",
    split="validation",
    images=tuple(
        Image(identity, name, Path(name), 100, 80)
        for identity, name in ((11, "a/left.jpg"), (12, "a/000042.jpg"), (13, "empty.png"))
    ),
    categories=(Category(3, "cat"), Category(7, "traffic light")),
    annotations=(),
)
LEFT = {"image_id": 11, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}
RIGHT = {"image_id": 12, "category_id": 7, "bbox": [5.5, 6, 7, 8], "score": 0.25}


def written(folder: Path, document: object) -> Path:
    path = folder / "results.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def read(source):
    return source.read(SPLIT, CLASSES, "detection")


@pytest.mark.parametrize("key", [None, "annotations", "predictions"])
def test_a_list_of_results_is_read_wherever_it_stands(key, tmp_path):
    items = [RIGHT, LEFT, {**LEFT, "score": 0.9, "bbox": [0, 0, 1, 1]}]
    found = read(CocoResults(path=written(tmp_path, {key: items, "info": {}} if key else items)))
    assert list(found) == [11, 12, 13]
    assert found[11].scores.tolist() == [0.9, 0.5]
    assert found[11].boxes.tolist() == [[0, 0, 1, 1], [1, 2, 3, 4]]
    assert found[12].labels.tolist() == [7]
    assert found[13].boxes.shape == (0, 4)


def test_equal_scores_keep_the_order_of_the_file(tmp_path):
    items = [{**LEFT, "bbox": [n, 0, 1, 1]} for n in range(5)]
    found = read(CocoResults(path=written(tmp_path, items)))
    assert found[11].boxes[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_ultralytics_names_images_by_their_files_and_classes_from_one(tmp_path):
    items = [
        {**LEFT, "image_id": "left", "category_id": 2},
        {**RIGHT, "image_id": 42, "category_id": 1},
    ]
    found = read(Ultralytics(path=written(tmp_path, items), categories="index"))
    assert found[11].labels.tolist() == [7]
    assert found[12].labels.tolist() == [3]


def test_categories_may_be_places_in_the_class_list(tmp_path):
    path = written(tmp_path, [{**LEFT, "category_id": 1}])
    assert read(CocoResults(path=path, categories="index"))[11].labels.tolist() == [7]
    assert read(CocoResults(path=path, categories="index", first_index=1))[11].labels == [3]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image_id": 99}, r"result 1: the image 99 is not in the dataset"),
        ({"category_id": 4}, r"result 1: the category 4 is not in the dataset"),
        ({"image_id": None}, r"result 1: no usable 'image_id'"),
        ({"image_id": [11]}, r"result 1: no usable 'image_id'"),
        ({"bbox": [1, 2, 3]}, r"result 1: 'bbox' is \[1, 2, 3\], not 4 numbers"),
        ({"bbox": "1234"}, r"result 1: 'bbox' is 1234, not 4 numbers"),
        ({"score": "high"}, r"result 1: 'score' is high, not a number"),
        ({"score": float("nan")}, r"result 1: the score \[nan\] is not finite"),
        ({"bbox": [1, 2, float("inf"), 4]}, r"result 1: the box .* is not finite"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(change, told, tmp_path):
    path = written(tmp_path, [LEFT, {**LEFT, **change}])
    with pytest.raises(PredictionError, match=told):
        read(CocoResults(path=path))


@pytest.mark.parametrize("document", ["{", "[1, 2]", '{"info": []}', "[" * 100_000, "3"])
def test_what_is_no_list_of_results_is_refused(document, tmp_path):
    with pytest.raises(PredictionError, match=r"results\.json"):
        read(CocoResults(path=written(tmp_path, document)))


def test_a_pickle_is_refused_with_advice(tmp_path):
    path = tmp_path / "results.pkl"
    path.write_bytes(b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00].")
    with pytest.raises(PredictionError) as caught:
        read(CocoResults(path=path))
    assert "COCO's JSON" in (caught.value.hint or "")


def test_a_file_that_is_not_there_is_named(tmp_path):
    for source in (CocoResults(path=tmp_path / "none.json"), Kitti(path=tmp_path / "none")):
        with pytest.raises(PredictionError, match="No such file"):
            source.fingerprint()


def test_two_images_of_one_name_cannot_be_told_apart(tmp_path):
    images = (Image(1, "a/x.jpg", Path("x"), 1, 1), Image(2, "b/x.jpg", Path("x"), 1, 1))
    split = DatasetSplit("d", "s", images, SPLIT.categories, ())
    with pytest.raises(PredictionError, match="two images of d are called 'x'"):
        Ultralytics(path=written(tmp_path, [])).read(split, CLASSES, "detection")


LINE = "traffic light 0.00 0 0.00 10.5 20 30.5 60 0 0 0 0 0 0 0 0.75"


def test_kitti_lines_are_corners_with_a_score(tmp_path):
    (tmp_path / "left.txt").write_text(f"{LINE}\n\nCat 0 0 0 1 2 3 4 0 0 0 0 0 0 0 0.9\n")
    (tmp_path / "000042.txt").write_text("")
    found = read(Kitti(path=tmp_path))
    assert found[11].labels.tolist() == [3, 7]
    assert found[11].boxes.tolist() == [[1, 2, 2, 2], [10.5, 20, 20, 40]]
    assert found[11].scores.tolist() == [0.9, 0.75]
    assert not len(found[12].scores)


@pytest.mark.parametrize("line", [LINE.rpartition(" ")[0].replace("traffic light", "cat"), "cat"])
def test_a_kitti_line_without_a_score_is_named(line, tmp_path):
    (tmp_path / "left.txt").write_text(f"{LINE}\n{line}\n")
    with pytest.raises(PredictionError, match=r"left\.txt:2"):
        read(Kitti(path=tmp_path))


def test_the_fingerprint_follows_the_content(tmp_path):
    path = tmp_path / "left.txt"
    path.write_text(LINE)
    before = Kitti(path=tmp_path).fingerprint()
    path.write_text(LINE.replace("0.75", "0.76"))
    assert Kitti(path=tmp_path).fingerprint() != before


def test_the_numbers_of_a_real_file_come_through(data_dir):
    """The boxes of a file that pycocotools wrote, value by value."""
    path = data_dir / "reference_detections" / "sampled_bbox_results.json"
    items = json.loads(path.read_text())["annotations"]
    ids = sorted({item["image_id"] for item in items})
    categories = sorted({item["category_id"] for item in items})
    split = DatasetSplit(
        name="reference",
        split="validation",
        images=tuple(Image(i, f"{i}.jpg", Path(f"{i}.jpg"), 640, 480) for i in ids),
        categories=tuple(Category(c, str(c)) for c in categories),
        annotations=(),
    )
    found = CocoResults(path=path).read(split, ClassMap((), ()), "detection")
    assert sum(len(one.scores) for one in found.values()) == len(items) == 734
    best = max((item for item in items if item["image_id"] == ids[0]), key=lambda i: i["score"])
    np.testing.assert_array_equal(found[ids[0]].boxes[0], best["bbox"])


MASK = {"size": [80, 100], "counts": [100, 30, 7870]}
MASKED = {"image_id": 11, "category_id": 3, "score": 0.5, "segmentation": MASK}


def test_masks_are_read_with_the_boxes_around_them(tmp_path):
    path = written(tmp_path, [MASKED, {**MASKED, "score": 0.9, "bbox": [0, 0, 99, 79]}])
    found = CocoResults(path=path).read(SPLIT, CLASSES, "instance-segmentation")
    assert found[11].scores.tolist() == [0.9, 0.5]
    assert found[11].lengths.tolist() == [3, 3]
    # 100 zeros down columns of 80: the mask begins at row 20 of the second column.
    assert found[11].boxes.tolist() == [[1, 20, 1, 30]] * 2
    assert found[13].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (None, "result 1: 'segmentation' is not a run-length encoding"),
        ([[1, 2, 3, 4, 5, 6]], "result 1: 'segmentation' is not a run-length encoding"),
        ({**MASK, "size": [100, 80]}, r"result 1: the size of the RLE is \[100, 80\]"),
        ({**MASK, "counts": [100, 30]}, "result 1: the run lengths cover 130 pixels"),
    ],
)
def test_a_wrong_mask_is_named_with_its_place(mask, told, tmp_path):
    path = written(tmp_path, [MASKED, {**MASKED, "segmentation": mask}])
    with pytest.raises(PredictionError, match=told):
        CocoResults(path=path).read(SPLIT, CLASSES, "instance-segmentation")
