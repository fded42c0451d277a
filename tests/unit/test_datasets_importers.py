"""Importers: other formats become the COCO file that a person would have written by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from pydantic import ValidationError

from benchbench.datasets.fiftyone import FiftyOne
from benchbench.datasets.hugging_face import HuggingFace
from benchbench.datasets.image_folder import ImageFolder
from benchbench.datasets.roboflow import Roboflow
from benchbench.datasets.voc import Voc
from benchbench.datasets.yolo import Yolo
from benchbench.errors import DatasetError
from benchbench.protocols import Dataset


def picture(path: Path, width: int = 8, height: int = 4, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (width, height)).save(path, **options)
    return path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def names_of(split: Any) -> list[tuple[int, str]]:
    return [(category.id, category.name) for category in split.categories]


# --- Roboflow ----------------------------------------------------------------------------

ROBOFLOW = {
    "categories": [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "cells", "supercategory": "cells"},
        {"id": 2, "name": "platelets", "supercategory": "cells"},
    ],
    "images": [{"id": 0, "file_name": "a_jpg.rf.1.jpg", "width": 8, "height": 4}],
    "annotations": [{"id": 0, "image_id": 0, "category_id": 2, "bbox": [1, 1, 2, 2], "area": 4}],
}


def roboflow(root: Path, body: Any = ROBOFLOW) -> Roboflow:
    for name in ("train", "valid"):
        picture(root / name / "a_jpg.rf.1.jpg")
        written(root / name / "_annotations.coco.json", json.dumps(body))
    return Roboflow(root=root)


def test_a_roboflow_export_needs_only_its_root(tmp_path) -> None:
    made = roboflow(tmp_path)
    assert isinstance(made, Dataset)
    assert made.splits() == ("train", "validation")
    split = made.load("validation", "detection", tmp_path / "cache")
    assert split.images[0].path == tmp_path / "valid" / "a_jpg.rf.1.jpg"
    assert names_of(split) == [(1, "cells"), (2, "platelets")]
    assert split.notes == {"superclass_dropped": 1}


def test_a_category_0_that_is_annotated_stays(tmp_path) -> None:
    body = json.loads(json.dumps(ROBOFLOW))
    body["annotations"][0]["category_id"] = 0
    split = roboflow(tmp_path, body).load("train", "detection", tmp_path)
    assert len(split.categories) == 3
    assert split.notes == {}


def test_a_split_by_its_folders_name_meets_the_right_one(tmp_path) -> None:
    with pytest.raises(DatasetError, match=r"did you mean 'validation'\?"):
        roboflow(tmp_path).load("valid", "detection", tmp_path)
    with pytest.raises(DatasetError, match=r"holds '_annotations\.coco\.json'"):
        Roboflow(root=tmp_path / "train").splits()


# --- YOLO --------------------------------------------------------------------------------


def yolo(root: Path, lines: str, **options: Any) -> Yolo:
    picture(root / "images" / "val" / "a.png")
    written(root / "labels" / "val" / "a.txt", lines)
    written(root / "data.yaml", "names: {0: cat, 1: dog}\nval: images/val\n")
    return Yolo(root=root, **options)


def test_yolo_lines_become_boxes_and_polygons_in_pixels(tmp_path) -> None:
    made = yolo(tmp_path, "1 0.5 0.5 0.25 0.5\n\n0 0 0 0.5 0 0.5 1 0 1\n1 0.5 0.5 0.25 0.5\n")
    assert isinstance(made, Dataset)
    assert made.splits() == ("validation",)
    split = made.load("validation", "detection", tmp_path / "cache")
    assert names_of(split) == [(1, "cat"), (2, "dog")]
    box, polygon = split.annotations
    assert (box.category_id, box.bbox, box.area) == (2, (3.0, 1.0, 2.0, 2.0), 4.0)
    assert (polygon.bbox, polygon.area) == ((0.0, 0.0, 4.0, 4.0), 16.0)
    assert polygon.segmentation == [[0, 0, 4, 0, 4, 4, 0, 4]]
    assert split.notes == {"repeated_labels_dropped": 1}
    assert split.images[0].file_name == "images/val/a.png"


def test_a_changed_label_is_imported_again_and_an_unchanged_one_is_not(tmp_path) -> None:
    made = yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
    first = made.locate("validation", "detection", tmp_path / "cache").annotations
    before = first.stat().st_mtime_ns
    assert made.locate("validation", "detection", tmp_path / "cache").annotations == first
    assert first.stat().st_mtime_ns == before
    written(tmp_path / "labels" / "val" / "a.txt", "0 0.5 0.5 0.5 0.25")
    split = made.load("validation", "detection", tmp_path / "cache")
    assert split.annotations[0].area == 4.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 1 2", "neither five numbers nor"),
        ("0 0.1 0.1 0.2 0.2 0.9", "neither five numbers nor"),
        ("a b c d e", "neither five numbers nor"),
        ("2 0.5 0.5 0.1 0.1", r"the class 2 is none of the 2 classes 0…1"),
        ("0.5 0.5 0.5 0.1 0.1", "the class 0.5 is none"),
        ("nan 0.5 0.5 0.1 0.1", "the class nan is none"),
        ("0 320 200 40 40", "the coordinate 320 is not between 0 and 1"),
        ("0 nan 0.5 0.1 0.1", "the coordinate nan is not"),
        ("0 0.5 0.5 -0.005 0.1", "is negative"),
    ],
)
def test_a_wrong_yolo_line_is_named_with_its_number(tmp_path, line, message) -> None:
    made = yolo(tmp_path, f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(DatasetError, match=message) as caught:
        made.load("validation", "detection", tmp_path / "cache")
    assert str(caught.value).startswith(f"{tmp_path / 'labels' / 'val' / 'a.txt'}:2: ")
    assert not list((tmp_path / "cache" / "imported").iterdir())


def test_images_without_label_file_are_counted_unless_they_are_all(tmp_path) -> None:
    made = yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
    picture(tmp_path / "images" / "val" / "b.png")
    split = made.load("validation", "detection", tmp_path / "cache")
    assert (len(split.images), split.notes) == (2, {"images_without_label_file": 1})
    (tmp_path / "labels" / "val" / "a.txt").unlink()
    with pytest.raises(DatasetError, match=r"none of the 2 images.*labels/val/a\.txt"):
        made.load("validation", "detection", tmp_path / "cache")


def test_roboflows_paths_lists_of_files_and_plain_options_find_the_same_image(tmp_path) -> None:
    root = tmp_path / "set"
    options = {"names": ["cat", "dog"], "images": {"validation": "images/val"}}
    found = [yolo(root, "0 0.5 0.5 0.5 0.5", **options)]
    written(root / "val.txt", "./images/val/a.png\n")
    for text in ("../images/val", "val.txt", "[images/val]"):
        data = written(root / f"{len(found)}.yaml", f"names: [cat, dog]\nval: {text}\n")
        found.append(Yolo(root=root, data=Path(data.name)))
    for made in found:
        split = made.load("validation", "detection", tmp_path / "cache")
        assert split.images[0].file_name == "images/val/a.png"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a\n", "not YAML"),
        ("- 1", "not a mapping"),
        ("val: images/val", "'names' is neither"),
        ("names: {0: a, 2: b}\nval: images/val", "'names' is neither"),
        ("names: [a, a]\nval: images/val", "'a' stands there twice"),
        ("names: [a]\nval: 3", "'val' is neither a path"),
        ("names: [a]\nval: ../../..", "which leads out of"),
        ("names: [a]\nval: /etc", "which leads out of"),
        ("names: [a]\nval: list.txt", "which leads out of"),
        ("names: [a]\nval: gone", "gone does not exist"),
    ],
)
def test_a_wrong_data_file_is_named(tmp_path, text, message) -> None:
    root = tmp_path / "set"
    made = yolo(root, "")
    written(root / "data.yaml", text)
    written(root / "list.txt", "../../secret.png\n")
    with pytest.raises(DatasetError, match=message):
        made.load("validation", "detection", tmp_path / "cache")


def test_an_image_that_is_none_and_one_that_is_turned_are_told(tmp_path) -> None:
    made = yolo(tmp_path, "0 0.5 0.5 0.5 0.5")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "images" / "val" / "turned.jpg", exif=exif)
    split = made.load("validation", "detection", tmp_path / "cache")
    assert split.notes["exif_turned_images"] == 1
    written(tmp_path / "images" / "val" / "b.png", "no image")
    with pytest.raises(DatasetError, match=r"b\.png: cannot read the image"):
        made.load("validation", "detection", tmp_path / "cache")


def test_a_link_out_of_the_root_is_refused(tmp_path) -> None:
    root = tmp_path / "set"
    made = yolo(root, "0 0.5 0.5 0.5 0.5")
    secret = picture(tmp_path / "secret.png")
    (root / "images" / "val" / "b.png").symlink_to(secret)
    with pytest.raises(DatasetError, match="a link that leads out of"):
        made.load("validation", "detection", tmp_path / "cache")


# --- Pascal VOC --------------------------------------------------------------------------

OBJECT = """<object><name>{name}</name><pose>Left</pose><truncated>1</truncated>
<difficult>{difficult}</difficult><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>4</xmax><ymax>3</ymax>
</bndbox></object>"""


def voc(root: Path, xml: str | None = None, **options: Any) -> Voc:
    pytest.importorskip("defusedxml")
    picture(root / "JPEGImages" / "a.jpg")
    objects = OBJECT.format(name="dog", difficult=0) + OBJECT.format(name="cat", difficult=1)
    size = "<size><width>8</width><height>4</height><depth>3</depth></size>"
    body = f"<annotation><filename>a.jpg</filename>{size}{objects}</annotation>"
    written(root / "Annotations" / "a.xml", body if xml is None else xml)
    written(root / "ImageSets" / "Main" / "val.txt", "a\n")
    return Voc(root=root, **options)


def test_voc_boxes_count_pixels_from_1_and_difficult_objects_are_crowds(tmp_path) -> None:
    made = voc(tmp_path)
    assert isinstance(made, Dataset)
    assert made.splits() == ("validation",)
    split = made.load("validation", "detection", tmp_path / "cache")
    assert names_of(split) == [(1, "cat"), (2, "dog")]
    dog, cat = split.annotations
    assert (dog.category_id, dog.bbox, dog.area) == (2, (1.0, 0.0, 3.0, 3.0), 9.0)
    assert (dog.iscrowd, cat.iscrowd) == (False, True)
    assert split.notes["difficult_objects"] == 1
    files = made.locate("validation", "detection", tmp_path / "cache")
    attributes = json.loads(files.annotations.read_text())["annotations"][0]["attributes"]
    assert attributes == {"truncated": True, "difficult": False, "pose": "Left"}


def test_voc_options_change_boxes_and_difficult_objects(tmp_path) -> None:
    options = {"one_based": False, "difficult": "drop", "names": ["dog", "cat", "cow"]}
    split = voc(tmp_path, **options).load("validation", "detection", tmp_path / "cache")
    assert [annotation.bbox for annotation in split.annotations] == [(2.0, 1.0, 2.0, 2.0)]
    assert names_of(split) == [(1, "dog"), (2, "cat"), (3, "cow")]


def test_voc_files_beside_their_images_are_found(tmp_path) -> None:
    pytest.importorskip("defusedxml")
    picture(tmp_path / "valid" / "a.png")
    body = f"<annotation><filename>a</filename>{OBJECT.format(name='x', difficult=0)}</annotation>"
    written(tmp_path / "valid" / "a.xml", body)
    split = Voc(root=tmp_path).load("validation", "detection", tmp_path / "cache")
    assert split.images[0].file_name == "valid/a.png"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>&b;</annotation>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>'


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (BOMB, "EntitiesForbidden"),
        (FILE, "EntitiesForbidden"),
        ("<annotation>", "not usable XML"),
        ("", "not usable XML"),
        ("<html/>", "the file holds <html>"),
        ("<annotation><object/></annotation>", "object 1 has no name"),
        ("<annotation><filename>../x.jpg</filename></annotation>", "leads out of"),
        (
            "<annotation><size><width>9</width><height>4</height></size></annotation>",
            "'size' is 9 × 4, the image has 8 × 4",
        ),
        (
            "<annotation><object><name>x</name></object></annotation>",
            "'bndbox/xmin' is None, not a number",
        ),
        (
            f"<annotation>{OBJECT.format(name='x', difficult=0)}</annotation>".replace(
                "<xmax>4", "<xmax>-4"
            ),
            "ends before it begins",
        ),
    ],
)
def test_wrong_or_hostile_xml_is_refused_by_name(tmp_path, xml, message) -> None:
    made = voc(tmp_path, xml, names=["x"])
    with pytest.raises(DatasetError, match=message) as caught:
        made.load("validation", "detection", tmp_path / "cache")
    assert str(caught.value).startswith(str(tmp_path / "Annotations" / "a.xml"))


# --- image folder ------------------------------------------------------------------------


def test_folders_are_classes_with_the_same_ids_in_every_split(tmp_path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "val/dog/deep/2.png", "val/.x/3.png"):
        picture(tmp_path / name)
    made = ImageFolder(root=tmp_path, names={"dog": "hound"})
    assert isinstance(made, Dataset)
    assert made.splits() == ("train", "validation")
    split = made.load("validation", "classification", tmp_path / "cache")
    assert names_of(split) == [(1, "cat"), (2, "hound")]
    assert [(a.image_id, a.category_id) for a in split.annotations] == [(1, 2)]
    assert split.images[0].file_name == "dog/deep/2.png"
    with pytest.raises(DatasetError, match=r"no folder below .* holds images"):
        ImageFolder(root=tmp_path, folders={"x": "val/dog/deep"}).load(
            "x", "classification", tmp_path
        )


# --- FiftyOne ----------------------------------------------------------------------------

DETECTIONS = {
    "_cls": "Detections",
    "detections": [
        {"_cls": "Detection", "label": "dog", "bounding_box": [0.25, 0.5, 0.5, 0.25]},
        {"_cls": "Detection", "label": "cat", "bounding_box": [0, 0, 1, 1], "iscrowd": True},
    ],
}


def fiftyone(root: Path, truth: Any = DETECTIONS, **options: Any) -> FiftyOne:
    picture(root / "data" / "a.png")
    samples = [
        {"filepath": "data/a.png", "tags": ["val"], "ground_truth": truth},
        {"filepath": "data/gone.png", "tags": ["train"], "ground_truth": None},
    ]
    written(root / "samples.json", json.dumps({"samples": samples}))
    written(root / "metadata.json", json.dumps({"classes": {}, "default_classes": []}))
    return FiftyOne(root=root, **options)


def test_a_fiftyone_export_is_read_by_tag(tmp_path) -> None:
    made = fiftyone(tmp_path)
    assert isinstance(made, Dataset)
    assert made.splits() == ("train", "validation")
    split = made.load("validation", "detection", tmp_path / "cache")
    assert names_of(split) == [(1, "cat"), (2, "dog")]
    assert [a.bbox for a in split.annotations] == [(2.0, 2.0, 4.0, 1.0), (0.0, 0.0, 8.0, 4.0)]
    assert [a.iscrowd for a in split.annotations] == [False, True]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"_cls": "Segmentation"}, "the field 'ground_truth' holds \"Segmentation\""),
        ({"_cls": "Detections", "detections": 3}, "'detections' is not a list"),
        ({"_cls": "Detections", "detections": [{"label": "x"}]}, "'bounding_box' is null"),
        ({"_cls": "Classification"}, "the label null is not among the classes"),
    ],
)
def test_a_fiftyone_field_that_cannot_be_read_is_named(tmp_path, truth, message) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        fiftyone(tmp_path, truth).load("validation", "detection", tmp_path / "cache")
    assert "samples[0]" in str(caught.value)


def test_a_fiftyone_classification_is_one_annotation(tmp_path) -> None:
    made = fiftyone(tmp_path, {"_cls": "Classification", "label": "dog"}, names=["cat", "dog"])
    split = made.load("validation", "classification", tmp_path / "cache")
    assert [a.category_id for a in split.annotations] == [2]


# --- Hugging Face ------------------------------------------------------------------------


def hugging_face(root: Path, rows: dict[str, Any], **options: Any) -> HuggingFace:
    library = pytest.importorskip("datasets", exc_type=ImportError)
    if not hasattr(library, "Dataset"):
        pytest.skip("the library datasets is not installed")
    images = [PIL.Image.new("RGB", (8, 4), (index, 0, 0)) for index in range(2)]
    names = library.ClassLabel(names=["cat", "dog"])
    kinds = {
        "image": library.Image(),
        "label": names,
        "objects": {
            "bbox": library.List(library.List(library.Value("float32"))),
            "category": library.List(names),
        },
    }
    features = library.Features({key: kinds[key] for key in ("image", *rows)})
    table = library.Dataset.from_dict({"image": images, **rows}, features=features)
    library.DatasetDict({"test": table}).save_to_disk(root / "saved")
    return HuggingFace(root=root / "saved", **options)


def test_a_saved_dataset_of_classes_is_imported_with_its_pixels(tmp_path) -> None:
    made = hugging_face(tmp_path, {"label": [1, 0]}, label="label")
    assert isinstance(made, Dataset)
    assert made.splits() == ("test",)
    split = made.load("test", "classification", tmp_path / "cache")
    assert names_of(split) == [(1, "cat"), (2, "dog")]
    assert [a.category_id for a in split.annotations] == [2, 1]
    assert np.asarray(PIL.Image.open(split.images[1].path))[0, 0].tolist() == [1, 0, 0]


def test_a_saved_dataset_of_boxes_is_read_as_its_format_says(tmp_path) -> None:
    objects = [{"bbox": [[1, 1, 3, 2]], "category": [1]}, {"bbox": [], "category": []}]
    options = {"objects": "objects", "box_format": "xyxy"}
    made = hugging_face(tmp_path, {"objects": objects}, **options)
    split = made.load("test", "detection", tmp_path / "cache")
    assert [(a.category_id, a.bbox) for a in split.annotations] == [(2, (1.0, 1.0, 2.0, 1.0))]
    wrong = made.model_copy(update={"category": "klass"})
    with pytest.raises(DatasetError, match="have no names"):
        wrong.load("test", "detection", tmp_path / "cache")


@pytest.mark.parametrize(
    "options",
    [
        {"label": "a"},
        {"root": "a"},
        {"root": "a", "objects": "b"},
    ],
)
def test_a_hugging_face_dataset_says_where_it_lies_and_what_it_holds(options) -> None:
    with pytest.raises(ValidationError):
        HuggingFace.model_validate(options)


def test_plugins_survive_the_way_to_a_worker(tmp_path) -> None:
    made = [
        HuggingFace(repository="owner/name", label="label"),
        Yolo(root=tmp_path, names=["a"], images={"validation": "images"}),
        Voc(root=tmp_path, difficult="drop"),
        ImageFolder(root=tmp_path, names={"a": "b"}),
        FiftyOne(root=tmp_path),
    ]
    for one in made:
        assert type(one).model_validate(json.loads(one.model_dump_json())) == one
