import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchbench.datasets.coco import Coco, read_coco
from benchbench.errors import DatasetError
from benchbench.protocols import Dataset
from benchbench.types import Annotation, Category, DatasetFiles

NAN, INF = float("nan"), float("inf")
POLYGON = [1, 1, 3, 1, 3, 3]
GOOD: dict[str, Any] = {
    "info": {"anything": [1]},
    "images": [
        {"id": 0, "file_name": "a.png", "width": 6, "height": 4},
        {"id": 9, "file_name": "deep/b.png", "width": 5, "height": 5},
    ],
    "categories": [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat"}],
    "annotations": [
        {
            "id": 0,
            "image_id": 9,
            "category_id": 3,
            "bbox": [1, 2.5, 3, 1],
            "area": 2,
            "iscrowd": 0,
            "segmentation": [POLYGON],
        },
        {
            "id": 4,
            "image_id": 0,
            "category_id": 1,
            "bbox": [0, 0, 2, 3],
            "iscrowd": 1,
            "segmentation": {"size": [4, 6], "counts": [0, 20, 4]},
        },
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images" / "deep").mkdir(parents=True)
    (tmp_path / "images" / "a.png").touch()
    (tmp_path / "images" / "deep" / "b.png").touch()
    return tmp_path


def read(folder: Path, body: Any, task: Any = "detection", **options: Any):
    path = folder / "truth.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), "utf-8")
    return read_coco(path, folder / "images", name="pets", split="val", task=task, **options)


def changed(*trail: Any, to: Any) -> dict[str, Any]:
    """Return the good file with the value at *trail* replaced (or removed, for `...`)."""
    body = copy.deepcopy(GOOD)
    at: Any = body
    for step in trail[:-1]:
        at = at[step]
    if to is ...:
        del at[trail[-1]]
    else:
        at[trail[-1]] = to
    return body


def test_a_good_file_becomes_a_split(folder) -> None:
    split = read(folder, GOOD)
    assert (split.name, split.split) == ("pets", "val")
    assert [image.id for image in split.images] == [0, 9]
    assert split.images[1].path == folder / "images" / "deep" / "b.png"
    assert split.categories == (Category(3, "dog", "animal"), Category(1, "cat", ""))
    assert split.annotations[0] == Annotation(
        0, 9, 3, (1.0, 2.5, 3.0, 1.0), 2.0, iscrowd=False, segmentation=[POLYGON]
    )
    assert split.annotations[1].iscrowd is True


def test_an_area_that_is_missing_comes_from_the_box_and_is_counted(folder) -> None:
    split = read(folder, GOOD)
    assert split.annotations[1].area == 6.0
    assert split.notes == {"area_from_box": 1}


def test_boxes_without_a_size_stay_and_are_counted(folder) -> None:
    split = read(folder, changed("annotations", 0, "bbox", to=[1, 1, 0, 2]))
    assert split.annotations[0].bbox == (1.0, 1.0, 0.0, 2.0)
    assert split.notes["zero_size_boxes"] == 1


def test_a_byte_order_mark_and_another_encoding_do_not_matter(folder) -> None:
    path = folder / "truth.json"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(json.dumps(GOOD), encoding)
        found = read_coco(path, folder / "images", name="pets", split="val")
        assert len(found.annotations) == 2


FIRST = ("annotations", 0)
BOX = (*FIRST, "bbox")
HOSTILE = [
    (("images",), ..., "'images' is missing"),
    (("images",), {}, "'images' is an object, not a list"),
    (("images",), [], "there are no images"),
    (("categories",), [], "there are no categories"),
    (("categories",), "dog", "'categories' is a text, not a list"),
    (("annotations",), None, "'annotations' is missing"),
    (("annotations", 0), [1], r"annotations\[0\] is \[1\], not an object"),
    (("images", 1), None, r"images\[1\] is null, not an object"),
    (("images", 1, "id"), 0, r"images\[1\] \(id 0\): the id 0 is also that of images\[0\]"),
    (("images", 1, "id"), "9", "'id' is \"9\", not a whole number"),
    (("images", 1, "id"), True, "'id' is true, not a whole number"),
    (("images", 1, "id"), 9.0, r"'id' is 9\.0, not a whole number"),
    (("images", 1, "id"), NAN, "'id' is NaN, not a whole number"),
    (("images", 1, "id"), -1, "'id' is -1, not a whole number"),
    (("images", 1, "id"), 2**63, "not a whole number"),
    (("images", 1, "id"), ..., r"images\[1\] \(id missing\): 'id' is missing"),
    (("images", 0, "width"), ..., r"images\[0\] \(id 0\): 'width' is missing"),
    (("images", 0, "height"), 0, "'height' is 0, not a whole number of 1"),
    (("images", 0, "height"), 10**9, "'height' is 1000000000"),
    (("images", 0, "width"), 6.5, r"'width' is 6\.5"),
    (("images", 0, "file_name"), 7, "'file_name' is 7, not a text"),
    (("images", 0, "file_name"), "", "'file_name' is \"\", not a text"),
    (("images", 0, "file_name"), "/etc/passwd", "may lead out of the image folder"),
    (("images", 0, "file_name"), "../truth.json", "may lead out of the image folder"),
    (("images", 0, "file_name"), "deep/../../x", "may lead out of the image folder"),
    (("images", 0, "file_name"), "..\\x", "may lead out of the image folder"),
    (("images", 0, "file_name"), "C:\\x.png", "may lead out of the image folder"),
    (("images", 0, "file_name"), "a\0.png", "may lead out of the image folder"),
    (("images", 0, "file_name"), "x" * 2000, "is not the name of a file"),
    (("images", 0, "file_name"), ".", "is not the name of a file"),
    (("images", 0, "file_name"), "deep", "1 of 2 image files are not in"),
    (("images", 0, "file_name"), "gone.png", r"1 of 2 image files are not in .*: gone\.png"),
    (("categories", 1, "id"), 3, r"the id 3 is also that of categories\[0\]"),
    (("categories", 1, "name"), None, r"categories\[1\] \(id 1\): 'name' is null"),
    (("categories", 0, "supercategory"), [], r"'supercategory' is \[\], not a text"),
    ((*FIRST, "id"), 4, r"annotations\[1\] \(id 4\): the id 4 is also that of annotations\[0\]"),
    ((*FIRST, "image_id"), 8, r"annotations\[0\] \(id 0\): 'image_id' 8 is not in the file's list"),
    ((*FIRST, "image_id"), ..., "'image_id' is missing"),
    ((*FIRST, "category_id"), 2, "'category_id' 2 is not in the file's list"),
    ((*FIRST, "category_id"), [1], r"'category_id' is \[1\]"),
    (BOX, ..., r"annotations\[0\] \(id 0\): 'bbox' is missing"),
    (BOX, [1, 2, 3], "not four finite numbers"),
    (BOX, [1, 2, NAN, 1], r"'bbox' is \[1, 2, NaN, 1\], not four finite numbers"),
    (BOX, [-INF, 2, 3, 1], "not four finite numbers"),
    (BOX, [1, 2, 3, 10**400], "not four finite numbers"),
    (BOX, [True, 2, 3, 1], "not four finite numbers"),
    (BOX, ["1", 2, 3, 1], "not four finite numbers"),
    (BOX, {"x": 1}, "not four finite numbers"),
    (BOX, list(range(9999)), "'bbox' is a list, not four"),
    (BOX, [1, 2, -3, 1], "has a negative size"),
    ((*FIRST, "area"), NAN, "'area' is NaN, not a finite number"),
    ((*FIRST, "area"), -1, "'area' is -1"),
    ((*FIRST, "area"), True, "'area' is true"),
    ((*FIRST, "area"), 10**400, "'area' is 1000"),
    ((*FIRST, "iscrowd"), 2, "'iscrowd' is 2, neither 0 nor 1"),
    ((*FIRST, "iscrowd"), None, "'iscrowd' is null"),
    ((*FIRST, "iscrowd"), [0], r"'iscrowd' is \[0\]"),
    ((*FIRST, "segmentation"), "x", "neither polygons nor run lengths"),
]


@pytest.mark.parametrize(("trail", "value", "message"), HOSTILE)
def test_a_hostile_value_is_named_with_its_file_and_item(folder, trail, value, message) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read(folder, changed(*trail, to=value))
    assert str(caught.value).startswith(str(folder / "truth.json"))


MASK = (*FIRST, "segmentation")
HOSTILE_MASKS = [
    (MASK, ..., "'segmentation' is missing"),
    (MASK, [], "'segmentation' is missing"),
    (MASK, [[1, 1, 2, 2]], "not a list of at least three pairs"),
    (MASK, [[1, 1, 2, 2, 3, 3, 4]], "not a list of at least three pairs"),
    (MASK, [POLYGON, [1, 1, 2, 2, 3, NAN]], "a polygon holds NaN"),
    (MASK, [POLYGON, [1, 1, 2, 2, 3, "3"]], 'a polygon holds "3"'),
    (MASK, POLYGON, "a polygon is 1, not a list"),
    (MASK, {"counts": [25]}, r"size null, the image's \[height, width\] is \[5, 5\]"),
    (MASK, {"size": [5, 6], "counts": [25]}, "are of size"),
    (MASK, {"size": [5, 5], "counts": [26]}, "cover 26 pixels, the image has 25"),
    (MASK, {"size": [5, 5], "counts": [-1, 26]}, "neither whole numbers nor"),
    (MASK, {"size": [5, 5], "counts": [True, 24]}, "neither whole numbers nor"),
    (MASK, {"size": [5, 5], "counts": "\u00ff\n"}, "neither whole numbers nor"),
    (MASK, {"size": [5, 5], "counts": None}, "'counts' is null"),
]


@pytest.mark.parametrize(("trail", "value", "message"), HOSTILE_MASKS)
def test_a_hostile_mask_is_named_where_masks_matter(folder, trail, value, message) -> None:
    body = changed(*trail, to=value)
    with pytest.raises(DatasetError, match=message) as caught:
        read(folder, body, "semantic-segmentation")
    assert "annotations[0] (id 0)" in str(caught.value)
    assert len(read(folder, body, "detection").annotations) == 2


def test_tasks_differ_in_what_they_need(folder) -> None:
    body = changed("annotations", to=[{"id": 1, "image_id": 0, "category_id": 1}])
    split = read(folder, body, "classification")
    assert split.annotations == (Annotation(1, 0, 1),)
    assert split.notes == {}
    masks = changed(*BOX, to=...)
    assert read(folder, masks, "semantic-segmentation").annotations[0].bbox is None


DEEP = "[" * 100_000
FILES = [
    ("", "not JSON"),
    ('{"images": [}', r"truth\.json:1:13: not JSON"),
    ('{"images": [],\n "annotations": nul}', ":2:17: not JSON"),
    ("[]", "the file holds a list, not an object"),
    ("3", "the file holds a number"),
    (DEEP, "not usable JSON: RecursionError"),
    ('{"images": ' + "9" * 5000 + "}", "not usable JSON: ValueError"),
]


@pytest.mark.parametrize(("text", "message"), FILES, ids=range(len(FILES)))
def test_a_file_that_is_no_annotation_file_is_refused(folder, text, message) -> None:
    with pytest.raises(DatasetError, match=message):
        read(folder, text)


def test_bytes_that_are_no_text_are_refused(folder) -> None:
    path = folder / "truth.json"
    path.write_bytes(b'{"images": "\xff\xfe\xfa"}')
    with pytest.raises(DatasetError, match="not text in utf-8 at byte 12"):
        read_coco(path, folder / "images", name="pets", split="val")


def test_a_missing_file_a_folder_and_a_monster_are_refused_unread(folder) -> None:
    monster = folder / "monster.json"
    with monster.open("wb") as file:
        file.truncate((2 << 30) + 1)
    for path, message in (
        (folder / "gone.json", r"gone\.json: cannot be read"),
        (folder, "not a file"),
        (monster, "2147483649 bytes are more than the limit"),
    ):
        with pytest.raises(DatasetError, match=message):
            read_coco(path, folder / "images", name="pets", split="val")


def test_missing_images_are_counted_and_the_first_five_named(folder) -> None:
    images = [{"id": i, "file_name": f"{i}.png", "width": 1, "height": 1} for i in range(7)]
    body = {**GOOD, "images": images, "annotations": []}
    with pytest.raises(DatasetError, match=r"7 of 7 .*: 0\.png, 1\.png, .*4\.png, …"):
        read(folder, body)
    with pytest.raises(DatasetError, match=r"image folder .*nowhere does not exist"):
        read_coco(folder / "truth.json", folder / "nowhere", name="pets", split="val")


def test_links_may_stay_inside_the_folder_but_not_leave_it(folder) -> None:
    secret = folder / "secret"
    secret.mkdir()
    (secret / "b.png").touch()
    inside = folder / "images" / "link.png"
    inside.symlink_to("a.png")
    (folder / "images" / "out.png").symlink_to(secret / "b.png")
    (folder / "images" / "aside").symlink_to(secret)
    assert read(folder, changed("images", 0, "file_name", to="link.png"))
    for name in ("out.png", "aside/b.png"):
        with pytest.raises(DatasetError, match=f"'{name}' is a link that leads out of"):
            read(folder, changed("images", 0, "file_name", to=name))


def test_a_pipe_is_not_an_image(folder) -> None:
    os.mkfifo(folder / "images" / "pipe.png")
    with pytest.raises(DatasetError, match=r"not in .*: pipe\.png"):
        read(folder, changed("images", 0, "file_name", to="pipe.png"))


def test_a_checksum_that_differs_is_shown(folder) -> None:
    text = json.dumps(GOOD)
    right = hashlib.sha256(text.encode()).hexdigest()
    assert read(folder, text, sha256=right)
    with pytest.raises(DatasetError, match=f"SHA-256 is {right}, the dataset says 0000"):
        read(folder, text, sha256="0" * 64)


def plugin(folder: Path, **split: Any) -> Coco:
    files = {"validation": {"images": "images", "annotations": "truth.json"} | split}
    return Coco.model_validate({"root": folder, "files": files, "licence": "CC0"})


def test_the_plugin_finds_its_files_below_the_root(folder) -> None:
    made = plugin(folder)
    assert isinstance(made, Dataset)
    assert made.splits() == ("validation",)
    assert made.card().licence == "CC0"
    assert made.card().name == folder.name
    assert made.locate("validation", "detection", folder) == DatasetFiles(
        images=folder / "images", annotations=folder / "truth.json"
    )
    (folder / "truth.json").write_text(json.dumps(GOOD))
    assert made.load("validation", "detection", folder).split == "validation"
    with pytest.raises(DatasetError, match="SHA-256"):
        plugin(folder, sha256="0" * 64).load("validation", "detection", folder)


def test_an_unknown_split_meets_a_suggestion(folder) -> None:
    with pytest.raises(DatasetError, match="did you mean 'validation'"):
        plugin(folder).locate("valdation", "detection", folder)


@pytest.mark.parametrize("files", [{}, {"v": {"images": "i"}}, {"v": {"sha256": "xyz"}}])
def test_incomplete_options_are_refused(folder, files) -> None:
    with pytest.raises(ValidationError):
        Coco.model_validate({"root": folder, "files": files})


def dialect(folder: Path, names: list[str], **options: Any):
    images = [{"id": i, "file_name": name, "width": 6, "height": 4} for i, name in enumerate(names)]
    return read(folder, {**GOOD, "images": images, "annotations": []}, **options)


UPLOADS = ["images/0a1b2c3d-a.png", "https://host/x/0a1b2c3d-a.png", "images\\a.png"]
UPLOADS += ["/data/local-files/?d=a.png", "/data/upload/1/0a1b2c3d-a.png"]


@pytest.mark.parametrize("name", UPLOADS)
def test_label_studios_file_names_are_read_by_their_last_part_where_asked(folder, name) -> None:
    with pytest.raises(DatasetError):
        dialect(folder, [name])
    split = dialect(folder, [name], file_names="original-name")
    assert split.images[0].path == folder / "images" / "a.png"
    assert split.notes == {"file_names_changed": 1}


def test_names_that_become_equal_are_refused(folder) -> None:
    with pytest.raises(DatasetError, match=r"'a\.png' is also the name of images\[0\]"):
        dialect(folder, ["x/a.png", "y/a.png"], file_names="name")


def test_the_hint_says_which_option_finds_a_missing_file(folder) -> None:
    with pytest.raises(DatasetError, match="set 'file_names: name'"):
        dialect(folder, ["train/a.png"])
    with pytest.raises(DatasetError, match="set 'file_names: original-name'"):
        dialect(folder, ["train/0a1b2c3d-a.png"])
    with pytest.raises(DatasetError, match="give the folder above it as 'images'"):
        dialect(folder, ["images/a.png"])
    with pytest.raises(DatasetError, match="fetch the images"):
        dialect(folder, ["a" * 300])


def test_lvis_images_are_named_by_their_address(folder) -> None:
    body = changed("images", 1, "file_name", to=...)
    body["images"][1]["coco_url"] = "http://images.cocodataset.org/deep/b.png"
    split = read(folder, body)
    assert split.images[1].file_name == "deep/b.png"
    assert split.notes["file_names_from_url"] == 1
    body["images"][1]["coco_url"] = "http://host/../../secret"
    with pytest.raises(DatasetError, match="may lead out of the image folder"):
        read(folder, body)


def test_cvats_turned_boxes_and_scores_in_the_truth_are_counted(folder) -> None:
    body = changed("annotations", 0, "attributes", to={"occluded": False, "rotation": 45.0})
    body["annotations"][1] |= {"attributes": {"rotation": 0.0}, "score": 0.5}
    notes = read(folder, body).notes
    assert notes == {"area_from_box": 1, "turned_boxes": 1, "annotations_with_score": 1}


def test_a_file_of_crowd_regions_alone_is_told(folder) -> None:
    assert read(folder, changed("annotations", 0, "iscrowd", to=1)).notes["crowd_throughout"] == 2


def test_a_panoptic_file_is_sent_to_its_own_plugin(folder) -> None:
    body = changed("annotations", to=[{"image_id": 0, "file_name": "a.png", "segments_info": []}])
    with pytest.raises(DatasetError, match="kind: coco-panoptic"):
        read(folder, body)


def test_instance_masks_without_an_area_get_that_of_the_mask(folder) -> None:
    split = read(folder, GOOD, "instance-segmentation")
    assert [annotation.area for annotation in split.annotations] == [2.0, 20.0]
    assert split.notes == {"area_from_mask": 1}
    with pytest.raises(DatasetError, match="'segmentation' is missing"):
        read(folder, changed("annotations", 0, "segmentation", to=[]), "instance-segmentation")


def test_predictions_given_as_truth_are_refused_and_their_truth_is_read(data_dir, tmp_path) -> None:
    folder = data_dir / "reference_detections"
    truth = folder / "sampled_gts_bbox_area.json"
    for image in json.loads(truth.read_text())["images"]:
        (tmp_path / image["file_name"]).touch()
    with pytest.raises(DatasetError, match="these are predictions, not truth"):
        read_coco(folder / "sampled_bbox_results.json", tmp_path, name="reference", split="val")
    assert len(read_coco(truth, tmp_path, name="reference", split="val").images) == 100
