"""Masks from annotations."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchbench.errors import DatasetError
from benchbench.truth import VOID, annotations_by_image, paint, segmentation_mask, semantic_mask
from benchbench.types import Annotation, ClassMap, DatasetSplit, Image
from tests.helpers import class_map, split_from_coco

SQUARE = [[2, 1, 6, 1, 6, 4, 2, 4]]


def annotated(segmentation: Any, **changes: Any) -> Annotation:
    values: dict[str, Any] = {"id": 77, "image_id": 5, "category_id": 1, "area": 1.0}
    return Annotation(**values | changes, segmentation=segmentation)


def rectangle(x: int, y: int, width: int, height: int) -> list[list[int]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def image(width: int = 8, height: int = 6) -> Image:
    return Image(5, "5.png", Path("5.png"), width, height)


TWO = ClassMap(("background", "a", "b"), (None, 1, 2))


def test_a_polygon_becomes_its_pixels() -> None:
    mask = segmentation_mask(annotated(SQUARE), 6, 8)
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:6] = True
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, expected)


def test_several_polygons_are_united() -> None:
    both = segmentation_mask(annotated(rectangle(0, 0, 2, 2) + rectangle(4, 3, 2, 2)), 6, 8)
    assert both.sum() == 8
    assert both[0, 0]
    assert both[4, 5]


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_every_mask_survives_both_kinds_of_rle(mask: np.ndarray) -> None:
    coder = pytest.importorskip("pycocotools.mask")
    height, width = mask.shape
    coded = coder.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(int)))
    plain = np.diff([0, *edges, flat.size]).tolist()
    for counts in (coded, coded.decode(), plain):
        rle = {"size": [height, width], "counts": counts}
        assert np.array_equal(segmentation_mask(annotated(rle), height, width), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_real_masks_equal_pycocotools(data_dir: Path) -> None:
    coder = pytest.importorskip("pycocotools.mask")
    data = json.loads((data_dir / "coco_val2017_68/annotations/instances.json").read_text())
    sizes = {one["id"]: (one["height"], one["width"]) for one in data["images"]}
    split = split_from_coco(data)
    crowds = [a for a in split.annotations if a.iscrowd]
    assert crowds
    for annotation in [*crowds, *split.annotations[:80]]:
        size = sizes[annotation.image_id]
        rle = coder.frPyObjects(annotation.segmentation, *size)
        expected = coder.decode(coder.merge(rle) if isinstance(rle, list) else rle)
        assert np.array_equal(segmentation_mask(annotation, *size), expected)


NAN, INF = math.nan, math.inf
SHORT = "00"
HOSTILE: dict[str, tuple[Any, str]] = {
    "nothing": (None, "there is none"),
    "no polygons": ([], "there is none"),
    "a number": (7, "neither polygons nor RLE but int"),
    "text": ("abc", "neither polygons nor RLE but str"),
    "odd": ([[1, 1, 5, 1, 5, 5, 2]], "polygon 0 has 7 coordinates"),
    "a box": ([[1, 1, 5, 1]], "polygon 0 has 4 coordinates"),
    "second empty": ([*SQUARE, []], "polygon 1"),
    "flat": ([1, 1, 5, 1, 5, 5], "polygon 0 is not a list of numbers"),
    "words": ([["1", "1", "5", "1", "5", "5"]], "polygon 0 is not a list of numbers"),
    "pairs": ([[[1, 1], [5, 1], [5, 5]]], "polygon 0 is not a list of numbers"),
    "ragged": ([[1, [2], 3, 4, 5, 6]], "polygon 0 is not a list of numbers"),
    "huge integers": ([[2**80, 1, 5, 1, 5, 5]], "polygon 0 is not a list of numbers"),
    "none inside": ([[None, 1, 5, 1, 5, 5]], "polygon 0 is not a list of numbers"),
    "nan": ([[1, 1, NAN, 1, 5, 5]], "polygon 0 has the coordinate nan"),
    "infinite": ([[1, 1, 5, -INF, 5, 5]], "polygon 0 has the coordinate -inf"),
    "nan of decimals": ([[1.0, 1.0, NAN, 1.0, 5.0, 5.0]], "polygon 0 has the coordinate nan"),
    "infinities that cancel": (
        [[1.0, INF, 5.0, -INF, 5.0, 5.0]],
        "polygon 0 has the coordinate inf",
    ),
    "odd decimals": ([[1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 2.0]], "polygon 0 has 7 coordinates"),
    "few decimals": ([[1.0, 1.0, 5.0, 1.0]], "polygon 0 has 4 coordinates"),
    "no size": ({"counts": [48]}, "RLE size None"),
    "swapped size": ({"size": [8, 6], "counts": [48]}, "RLE size [8, 6]"),
    "size text": ({"size": "6,8", "counts": [48]}, "RLE size 6,8"),
    "short": ({"size": [6, 8], "counts": [5, 5]}, "sum to 10"),
    "long": ({"size": [6, 8], "counts": [5, 500]}, "sum to 505"),
    "negative": ({"size": [6, 8], "counts": [-2, 50]}, "least -2"),
    "wrapping": ({"size": [6, 8], "counts": [2**63 - 1, 2**63 - 1, 50]}, "sum to 1844674"),
    "fractions": ({"size": [6, 8], "counts": [5.5, 42.5]}, "nor a list of integers"),
    "no counts": ({"size": [6, 8]}, "nor a list of integers (NoneType)"),
    "no runs": ({"size": [6, 8], "counts": []}, "nor a list of integers"),
    "empty code": ({"size": [6, 8], "counts": ""}, "fewer pixels"),
    "short code": ({"size": [6, 8], "counts": SHORT}, "fewer pixels"),
    "garbage": ({"size": [6, 8], "counts": "!!~~\x00"}, "invalid RLE"),
    "not ascii": ({"size": [6, 8], "counts": "ÿÿÿé"}, "invalid RLE"),
    "not utf-8": ({"size": [6, 8], "counts": b"\xff\xfe"}, "invalid"),
    "endless": ({"size": [6, 8], "counts": "o" * 200}, "invalid RLE"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_segmentation_is_refused_by_annotation_and_fault(name: str) -> None:
    segmentation, fault = HOSTILE[name]
    with pytest.raises(DatasetError) as caught:
        segmentation_mask(annotated(segmentation), 6, 8)
    assert "annotation 77 (image 5)" in str(caught.value)
    assert fault in str(caught.value)


@given(counts=st.one_of(st.text(max_size=40), st.binary(max_size=40)))
def test_any_coded_counts_give_a_mask_or_an_error(counts: str | bytes) -> None:
    try:
        mask = segmentation_mask(annotated({"size": [6, 8], "counts": counts}), 6, 8)
    except DatasetError:
        return
    assert mask.shape == (6, 8)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=12))
def test_any_finite_polygon_gives_a_mask_or_an_error(numbers: list[float]) -> None:
    try:
        mask = segmentation_mask(annotated([numbers]), 6, 8)
    except DatasetError:
        assert len(numbers) % 2
        return
    assert mask.shape == (6, 8)


def test_small_objects_stay_visible_whatever_the_order() -> None:
    large = annotated(rectangle(0, 0, 8, 6), id=1, area=48.0, category_id=1)
    small = annotated(rectangle(2, 2, 2, 2), id=2, area=4.0, category_id=2)
    for order in ([large, small], [small, large]):
        painted = paint(order, image(), TWO)
        assert painted.dtype == np.uint8
        assert np.array_equal(np.unique(painted[2:4, 2:4]), [2])
        assert (painted == 1).sum() == 44


def test_an_absent_area_is_taken_from_the_mask() -> None:
    large = annotated(rectangle(0, 0, 8, 6), area=0.0, category_id=1)
    small = annotated(rectangle(2, 2, 2, 2), area=0.0, category_id=2)
    assert (paint([small, large], image(), TWO) == 2).sum() == 4


def test_of_equal_areas_the_later_annotation_lies_above() -> None:
    first = annotated(rectangle(0, 0, 4, 4), id=1, category_id=1)
    later = annotated(rectangle(0, 0, 4, 4), id=2, category_id=2)
    assert (paint([first, later], image(), TWO) == 2).sum() == 16


def test_background_is_found_by_name_and_not_by_its_missing_id() -> None:
    classes = ClassMap(("unicorn", "a", "Background"), (None, 1, None))
    painted = paint([annotated(SQUARE)], image(), classes)
    assert painted[0, 0] == 2
    assert painted[1, 2] == 1


def test_without_a_background_class_unpainted_pixels_are_void() -> None:
    painted = paint([annotated(SQUARE)], image(), ClassMap(("a",), (1,)))
    assert (painted == VOID).sum() == 48 - 12


def test_where_every_pixel_is_annotated_the_rest_is_void_and_not_background():
    painted = paint([annotated(SQUARE)], image(), TWO, dense=True)
    assert set(np.unique(painted).tolist()) == {VOID, 1}


def test_crowds_are_their_class_or_void_on_request() -> None:
    crowd = annotated(SQUARE, iscrowd=True)
    assert (paint([crowd], image(), TWO) == 1).sum() == 12
    assert (paint([crowd], image(), TWO, crowd="void") == VOID).sum() == 12


def test_objects_of_categories_that_the_model_lacks_are_not_painted() -> None:
    assert not paint([annotated(SQUARE, category_id=9)], image(), TWO).any()


def test_256_classes_are_refused() -> None:
    classes = ClassMap(tuple(map(str, range(256))), tuple(range(256)))
    with pytest.raises(DatasetError, match="256 classes"):
        paint([], image(), classes)


def test_a_split_s_image_is_painted_from_its_own_annotations_only() -> None:
    data = {
        "images": [{"id": i, "width": 8, "height": 6} for i in (5, 6, 7)],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 1, "segmentation": SQUARE, "area": 12},
            {"id": 2, "image_id": 6, "category_id": 1, "segmentation": rectangle(0, 0, 1, 1)},
        ],
    }
    split: DatasetSplit = split_from_coco(data)
    sums = [semantic_mask(split, i, class_map(data, background=True)).sum() for i in split.images]
    assert sums == [12, 1, 0]
    assert [len(found) for found in annotations_by_image(split).values()] == [1, 1, 0]
