"""Label maps become run lengths that COCO's own code would have written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from benchbench.classes import class_map
from benchbench.datasets.label_maps import regions
from benchbench.datasets.mask_folder import MaskFolder
from benchbench.datasets.panoptic import CocoPanoptic
from benchbench.errors import DatasetError
from benchbench.protocols import Dataset
from benchbench.truth import VOID, semantic_mask

LABELS = np.array([[0, 0, 1, 1], [0, 2, 2, 255], [1, 1, 2, 255]], np.uint8)
PALETTE = {"road": "#804080", "car": "#00008E", "sky": "#4682b4"}


@given(
    arrays(
        np.int64,
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        elements=st.integers(0, 3),
    )
)
def test_regions_are_those_of_pycocotools(labels) -> None:
    mask = pytest.importorskip("pycocotools.mask")
    found = list(regions(labels))
    assert [region.value for region in found] == sorted(set(labels.ravel().tolist()))
    for region in found:
        coded = mask.encode(np.asfortranarray((labels == region.value).astype(np.uint8)))
        assert region.segmentation["counts"] == coded["counts"].decode()
        assert region.segmentation["size"] == coded["size"]
        assert region.bbox == mask.toBbox(coded).tolist()
        assert region.area == mask.area(coded)


def test_long_runs_are_coded_as_pycocotools_codes_them() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    labels = np.zeros((900, 700), np.int64)
    labels[100:800, 50:600:90] = 1
    for region in regions(labels):
        coded = mask.encode(np.asfortranarray((labels == region.value).astype(np.uint8)))
        assert region.segmentation["counts"] == coded["counts"].decode()


def save(path: Path, array: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(path)


def folder(root: Path, mask: Any = LABELS, **options: Any) -> MaskFolder:
    save(root / "img" / "ulm" / "a_leftImg8bit.png", np.zeros((3, 4, 3), np.uint8))
    save(root / "gt" / "ulm" / "a_gtFine_labelIds.png", mask)
    given_options = {
        "files": {"validation": {"images": "img", "masks": "gt"}},
        "classes": {"road": 0, "car": 1, "sky": 2},
        "image_suffix": "_leftImg8bit.png",
        "mask_suffix": "_gtFine_labelIds.png",
    }
    return MaskFolder.model_validate({"root": root} | given_options | options)


def painted(made: Any, cache: Path) -> Any:
    split = made.load("validation", "semantic-segmentation", cache)
    assert isinstance(made, Dataset)
    return semantic_mask(split, split.images[0], class_map(split.categories, None, None))


def test_a_painted_truth_is_the_label_map_that_it_came_from(tmp_path) -> None:
    made = folder(tmp_path)
    assert np.array_equal(painted(made, tmp_path / "cache"), LABELS)
    split = made.load("validation", "semantic-segmentation", tmp_path / "cache")
    assert [category.name for category in split.categories] == ["road", "car", "sky"]
    assert split.images[0].file_name == "ulm/a_leftImg8bit.png"
    assert split.notes == {"void_pixels": 2}


def test_colours_and_palettes_and_sixteen_bits_say_the_same(tmp_path) -> None:
    colours = np.array([[128, 64, 128], [0, 0, 142], [70, 130, 180]] + [[0] * 3] * 253, np.uint8)
    options = {"classes": PALETTE, "ignore": ["#000000"]}
    made = folder(tmp_path / "rgb", colours[LABELS], **options)
    assert np.array_equal(painted(made, tmp_path / "cache"), LABELS)
    wide = folder(tmp_path / "wide", LABELS.astype(np.uint16))
    assert np.array_equal(painted(wide, tmp_path / "cache"), LABELS)
    indexed = PIL.Image.fromarray(LABELS).convert("P")
    indexed.putdata(LABELS.ravel().tolist())
    palette = folder(tmp_path / "p")
    indexed.save(tmp_path / "p" / "gt" / "ulm" / "a_gtFine_labelIds.png")
    assert np.array_equal(painted(palette, tmp_path / "cache"), LABELS)


def test_several_values_make_one_class_and_the_order_given_makes_the_ids(tmp_path) -> None:
    made = folder(tmp_path, classes={"sky": 2, "ground": [0, 1]})
    want = np.where(LABELS == 255, VOID, np.where(LABELS == 2, 0, 1))
    assert np.array_equal(painted(made, tmp_path / "cache"), want)
    turned = folder(tmp_path, classes={"ground": [0, 1], "sky": 2})
    want = np.where(LABELS == 255, VOID, np.where(LABELS == 2, 1, 0))
    assert np.array_equal(painted(turned, tmp_path / "cache"), want)


def test_an_unlisted_value_is_an_error_unless_it_is_to_be_ignored(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"labelIds\.png: the values 1 are neither in"):
        painted(folder(tmp_path, classes={"road": 0, "sky": 2}), tmp_path / "cache")
    made = folder(tmp_path, classes={"road": 0, "sky": 2}, unlisted="ignore")
    assert (painted(made, tmp_path / "cache") == VOID).sum() == 6


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"the mask has 4 × 4 pixels .*its image 4 × 3"),
        (np.zeros((3, 4, 3), np.uint8), "the mask holds colours"),
        (np.full((3, 4), -1, np.int32), "the values -1"),
    ],
)
def test_a_mask_that_does_not_fit_is_named(tmp_path, mask, message) -> None:
    made = folder(tmp_path, np.zeros((3, 4), np.uint8), mask_suffix=".tif")
    save(tmp_path / "gt" / "ulm" / "a.tif", mask)
    with pytest.raises(DatasetError, match=message):
        painted(made, tmp_path / "cache")
    (tmp_path / "gt" / "ulm" / "a.tif").unlink()
    with pytest.raises(DatasetError, match=r"a\.tif: cannot read the image"):
        painted(made, tmp_path / "cache")


@pytest.mark.parametrize(
    "classes", [{}, {"a": 0, "b": 0}, {"a": 0, "b": "#000000"}, {"a": "red"}, {"a": -1}]
)
def test_a_table_of_classes_has_one_meaning(tmp_path, classes) -> None:
    with pytest.raises(ValidationError):
        folder(tmp_path, classes=classes)


SEGMENTS = [
    {"id": 300, "category_id": 7, "iscrowd": 0},
    {"id": 70000, "category_id": 3, "iscrowd": 1},
]


def panoptic(root: Path, **entry: Any) -> CocoPanoptic:
    ids = np.array([[300, 300, 0], [70000, 300, 0]])
    pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    save(root / "images" / "a.jpg", np.zeros((2, 3, 3), np.uint8))
    save(root / "masks" / "a.png", pixels)
    annotation = {"image_id": 5, "file_name": "a.png", "segments_info": SEGMENTS} | entry
    body = {
        "images": [{"id": 5, "file_name": "a.jpg", "width": 3, "height": 2}],
        "categories": [{"id": 3, "name": "sky", "isthing": 0}, {"id": 7, "name": "car"}],
        "annotations": [annotation],
    }
    (root / "truth.json").write_text(json.dumps(body))
    files = {"validation": {"images": "images", "annotations": "truth.json", "masks": "masks"}}
    return CocoPanoptic.model_validate({"root": root, "files": files})


def test_panoptic_segments_become_annotations_with_their_masks(tmp_path) -> None:
    made = panoptic(tmp_path)
    assert painted(made, tmp_path / "cache").tolist() == [[1, 1, VOID], [0, 1, VOID]]
    split = made.load("validation", "instance-segmentation", tmp_path / "cache")
    assert [(a.category_id, a.area, a.iscrowd) for a in split.annotations] == [
        (7, 3.0, False),
        (3, 1.0, True),
    ]
    assert split.annotations[0].bbox == (0.0, 0.0, 2.0, 2.0)
    assert split.notes == {"void_pixels": 2}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"file_name": "../a.png"}, "may lead out of"),
        ({"image_id": 6}, "'image_id' 6 is not in the file's list"),
        ({"segments_info": SEGMENTS[:1]}, r"a\.png holds the segment 70000"),
        ({"segments_info": [*SEGMENTS, {"id": 9, "category_id": 7}]}, "segment 9 has no pixel"),
        ({"segments_info": [{"id": 300, "category_id": 1}]}, "'category_id' 1 is not in the list"),
        ({"segments_info": None}, "segments_info' is missing"),
    ],
)
def test_a_panoptic_file_that_contradicts_its_masks_is_refused(tmp_path, entry, message) -> None:
    with pytest.raises(DatasetError, match=message):
        painted(panoptic(tmp_path, **entry), tmp_path / "cache")
