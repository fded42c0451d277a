"""Slices: what is in them, what an expression may say, and that they score what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from benchbench.errors import DatasetError
from benchbench.metrics import coco_tally
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.sliced import mark_of, pack_sliced, unpack_sliced
from benchbench.slicing import LookCache, SliceSpec, cut
from benchbench.slicing.looks import look
from benchbench.types import Annotation, Category, ClassMap, DatasetSplit, Detections, Image
from tests.unit.test_metrics_coco_boxes import Coco, Found, found_lists, reference, truths
from tests.unit.test_metrics_coco_tally import columns, ones, plain

CARS = [("red", 10.0), ("red", 2000.0), ("blue", 20000.0), (None, 50.0), ("blue", 500.0)]


def image(number: int, **attributes: object) -> Image:
    return Image(number, f"{number}.png", Path(f"{number}.png"), 640, 480, attributes)


@pytest.fixture
def split() -> DatasetSplit:
    """Three images in rain, sun and an unknown weather; cars of two colours and no colour."""
    images = (image(1, weather="rain", night=True), image(2, weather="sun", night=False), image(3))
    owners = [1, 1, 2, 2, 3]
    annotations = tuple(
        Annotation(
            id=number,
            image_id=owner,
            category_id=1,
            bbox=(10.0, 10.0, area**0.5, area**0.5),
            area=area,
            attributes={} if color is None else {"color": color},
        )
        for number, (owner, (color, area)) in enumerate(zip(owners, CARS, strict=True), 1)
    )
    return DatasetSplit("d", "validation", images, (Category(1, "car"),), annotations)


def chosen(split: DatasetSplit, **spec: object) -> dict[str, list[int]]:
    """Return the ids in each slice by its name."""
    parts = cut(split, [SliceSpec.model_validate(spec)], {})
    items = {"images": split.images, "objects": split.annotations}
    return {
        part.name: [
            one.id for one, inside in zip(items[part.of], part.chosen, strict=True) if inside
        ]
        for part in parts
    }


def test_attributes_cut_by_value_and_what_lacks_them_is_in_none(split):
    assert chosen(split, by="weather") == {"weather: rain": [1], "weather: sun": [2]}
    assert chosen(split, by="night") == {"night: false": [2], "night: true": [1]}
    assert chosen(split, by="color") == {"color: blue": [3, 5], "color: red": [1, 2]}


def test_objects_can_stand_for_the_images_that_hold_them(split):
    assert chosen(split, by="color", of="images") == {"color: blue": [2, 3], "color: red": [1]}


def test_sizes_are_cut_where_coco_cuts_them(split):
    found = chosen(split, by="size")
    assert found == {"size: small": [1, 4, 5], "size: medium": [2], "size: large": [3]}


def test_numbers_are_cut_at_bounds_or_into_equal_parts(split):
    assert chosen(split, by="objects", bounds=[2]) == {
        "objects: objects < 2": [3],
        "objects: objects ≥ 2": [1, 2],
    }
    many = tuple(image(n, speed=float(n)) for n in range(12))
    parts = chosen(replace(split, images=many, annotations=()), by="speed")
    assert [len(ids) for ids in parts.values()] == [4, 4, 4]
    assert [i for ids in parts.values() for i in ids] == list(range(12))


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ('weather == "rain"', [1]),
        ('weather != "rain"', [2]),
        ("objects >= 2 and not night", [2]),
        ('count("car") == 1', [3]),
        ('attribute("weather") in ["sun", "fog"]', [2]),
        ("1 / (objects - 2) > 0", []),
        ("weather > 3", []),
        ("area < 1000", [1, 4, 5]),
        ('area < 1000 and weather == "rain"', [1]),
        ('color == "red" or area > 10000', [1, 2, 3]),
    ],
)
def test_an_expression_picks_what_it_says(split, where, wanted):
    assert chosen(split, where=where, name="x") == {"x": wanted}


@pytest.mark.parametrize(
    "where",
    [
        "objects.__class__",
        "().__class__.__bases__",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "2 ** 10 ** 10 > objects",
        "open('/etc/passwd')",
        "count(objects)",
        "count.x('car')",
        "objects if night else 1",
        "f'{objects}'",
        "objects >",
        "objects > 1; night",
        "x" * 600,
    ],
)
def test_nothing_else_can_be_said(where):
    with pytest.raises(ValidationError, match=r"expression|functions"):
        SliceSpec(where=where)


def test_a_slice_has_one_rule():
    for wrong in ({}, {"by": "size", "where": "area > 1"}, {"where": "area > 1", "bounds": [2]}):
        with pytest.raises(ValidationError):
            SliceSpec.model_validate(wrong)
    with pytest.raises(ValidationError, match="ascend"):
        SliceSpec(by="area", bounds=(3, 2))


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ({"by": "wether"}, "the property 'wether'", "did you mean 'weather'"),
        ({"where": "colour == 'red'"}, "the property 'colour'", "did you mean 'color'"),
        ({"by": "color", "bounds": (1,)}, "'color' is no number", "each value"),
    ],
)
def test_what_nothing_has_is_told(split, spec, message, hint):
    with pytest.raises(DatasetError) as error:
        cut(split, [SliceSpec.model_validate(spec)], {})
    assert message in error.value.message
    assert hint in error.value.hint


def test_two_slices_of_one_name_are_refused(split):
    specs = [SliceSpec(by="size"), SliceSpec(by="size", of="images")]
    with pytest.raises(DatasetError, match="two slices are called 'size: small'"):
        cut(split, specs, {})


def test_a_metric_that_cannot_leave_objects_out_gets_images(split):
    (part,) = cut(split, [SliceSpec(where="area > 10000")], {}, objects=False)
    assert (part.of, part.chosen.tolist()) == ("images", [False, True, False])
    assert part.definition == "images with an object of area > 10000"


# --- looks -------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Image]:
    """A flat grey image, noise, the noise blurred, and one that cannot be read."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
    blurred = PIL.Image.fromarray(noise).resize((15, 10)).resize((60, 40))
    made = {
        "flat": PIL.Image.fromarray(np.full((40, 60), 51, np.uint8)),
        "noise": PIL.Image.fromarray(noise),
        "blurred": blurred,
    }
    found = {}
    for number, (name, picture) in enumerate(made.items()):
        picture.save(tmp_path / f"{name}.png")
        found[name] = Image(number, f"{name}.png", tmp_path / f"{name}.png", 60, 40)
    (tmp_path / "bad.png").write_bytes(b"no")
    found["bad"] = Image(9, "bad.png", tmp_path / "bad.png", 60, 40)
    return found


def test_brightness_and_sharpness_are_what_they_are_called(pictures):
    looks = {name: look(one) for name, one in pictures.items() if name != "bad"}
    assert looks["flat"].brightness == pytest.approx(51 / 255)
    assert looks["flat"].sharpness == 0
    assert looks["noise"].sharpness > 10 * looks["blurred"].sharpness > 0


def test_looks_are_remembered_by_content_and_the_unreadable_have_none(pictures, tmp_path):
    hashes = {one.id: name for name, one in pictures.items()}
    cache = LookCache(tmp_path / "cache")
    found = cache.looks(list(pictures.values()), hashes)
    assert set(found) == {0, 1, 2}
    for one in pictures.values():
        one.path.unlink()
    assert LookCache(tmp_path / "cache").looks(list(pictures.values()), hashes) == found


def test_without_image_files_a_slice_says_why_it_is_empty(split):
    for spec in (SliceSpec(by="blur"), SliceSpec(where="brightness < 0.2 and objects > 0")):
        (part,) = cut(split, [spec], {})
        assert not part.chosen.any()
        assert "no image files at hand" in part.reason


# --- what is scored ----------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(truths(), found_lists)
def test_ignored_objects_are_pycocotools_ignored_ones(data: Coco, found: Found) -> None:
    """An area outside every range is pycocotools' way to ignore an object that is no crowd."""
    outside = [i % 3 == 0 for i in range(len(data["annotations"]))]
    ids, names, truth, detected = columns(data, found)
    truth = replace(truth, ignored=np.array(outside, np.bool_))
    values = plain(coco_tally.estimates(coco_tally.tally(ids, names, truth, detected), _one(data)))
    rows = [
        {**row, "area": 1e11} if out else row
        for row, out in zip(data["annotations"], outside, strict=True)
    ]
    wanted = list(reference({**data, "annotations": rows}, found).stats)
    assert list(values.values()) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(truths(), found_lists)
def test_a_slice_by_size_is_the_reference_s_number(data: Coco, found: Found) -> None:
    ids, names, truth, detected = columns(data, found)
    whole = coco_tally.estimates(coco_tally.tally(ids, names, truth, detected), _one(data))
    for area, (low, high) in list(coco_tally.AREAS.items())[1:]:
        out = (truth.area < low) | (truth.area > high)
        part = replace(truth, ignored=out, area_range=(low, high))
        tally = coco_tally.tally(ids, names, part, detected)
        got = coco_tally.estimates(tally, ones(tally))["map"]
        assert got == pytest.approx(whole[f"map_{area}"], abs=1e-12, nan_ok=True)


def _one(data: Coco) -> np.ndarray:
    return np.ones((1, len(data["images"])), np.int64)


def test_what_is_kept_comes_back(split):
    boxes = {
        1: Detections(np.array([[10.0, 10, 3, 3]]), np.array([0.9]), np.array([1])),
        2: Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)),
        3: Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)),
    }
    specs = [
        SliceSpec(by="color"),
        SliceSpec(by="weather"),
        SliceSpec(where="area > 1e9", name="e"),
    ]
    parts = cut(split, specs, {})
    data = pack_sliced("mark", parts, split, boxes, ClassMap(("car",), (1,)), CocoBoxes())
    assert mark_of(data) == "mark"
    kept = {one.name: one for one in unpack_sliced(data)}
    assert list(kept) == [part.name for part in parts]
    red, rain, empty = kept["color: red"], kept["weather: rain"], kept["e"]
    assert (red.images, red.objects, red.chosen) == (1, 2, None)
    assert CocoBoxes().estimates(red.tally, np.ones((1, 3), np.int64))["map_50"] == pytest.approx(
        51 / 101
    )
    assert (rain.images, rain.objects, rain.chosen.tolist()) == (1, 2, [True, False, False])
    assert (empty.tally, empty.reason) == (None, "no object is in it")
