"""What is fed beside the image: prompts out of annotations, texts out of class names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.companions import Prompts, Texts
from benchbench.errors import ConversionError, DatasetError, ModelError
from benchbench.inputs import InputContract
from benchbench.measure.accuracy import Row, predict
from benchbench.runtimes.contract import check_input, check_inputs
from benchbench.types import (
    Annotation,
    Category,
    DatasetSplit,
    Geometry,
    Image,
    InputShape,
    PromptedMasks,
    TensorSpec,
)
from benchbench.worker.build import check_inputs as check_conversion
from benchbench.worker.prompts import in_input, interior_point, rows_of

PLAIN = {"size": (32, 32), "color": "RGB"}
BOXES = {"kind": "box", "name": "boxes", "count": 2}


def image(identity: int = 1, width: int = 40, height: int = 20) -> Image:
    return Image(identity, f"{identity}.png", Path(f"{identity}.png"), width, height)


def square(identity: int, box: tuple[float, ...], image_id: int = 1, **more: Any) -> Annotation:
    x, y, w, h = box
    outline = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return Annotation(identity, image_id, 1, (x, y, w, h), w * h, segmentation=outline, **more)


def split(images: tuple[Image, ...], annotations: tuple[Annotation, ...]) -> DatasetSplit:
    return DatasetSplit("d", "val", images, (Category(1, "a"),), annotations)


# --- the contract ------------------------------------------------------------------------


def test_a_contract_of_one_input_is_written_as_before_there_were_others() -> None:
    written = InputContract.model_validate(PLAIN).model_dump(mode="json")
    assert set(written) == {
        *("size", "color", "resize", "scale", "mean", "std", "layout", "dtype", "name"),
    }
    assert InputContract.model_validate(written).companions(1, ["a"]) == ()


def test_a_contract_with_prompts_is_written_and_read_back() -> None:
    contract = InputContract.model_validate({**PLAIN, "prompts": BOXES})
    written = contract.model_dump(mode="json")
    assert "texts" not in written
    assert InputContract.model_validate(written) == contract
    assert "2 a row" in contract.describe()["prompts"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prompts": {**BOXES, "labels_name": "labels"}}, "boxes have no labels"),
        ({"prompts": {**BOXES, "kind": "point", "labels_name": "boxes"}}, "must differ"),
        ({"prompts": BOXES, "resize": {"kind": "center-crop", "shorter": 40}}, "a crop may lose"),
        ({"prompts": BOXES, "name": "boxes"}, "'boxes' is given to two inputs"),
        ({"prompts": {**BOXES, "name": "images"}}, "'images' is given to two inputs"),
    ],
)
def test_prompts_that_cannot_be_fed_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        InputContract.model_validate({**PLAIN, **changes})


def test_a_border_of_the_mean_becomes_zero() -> None:
    resize = {"kind": "letterbox", "align": "top-left", "pad": "mean"}
    norm = {"mean": (10.0, 20.0, 30.0), "std": (2.0, 3.0, 4.0), "resize": resize}
    contract = InputContract.model_validate({**PLAIN, **norm})
    tensor, _ = contract.prepare(np.full((20, 40, 3), 200, np.uint8))
    assert (tensor[:, 16:] == 0).all()
    assert (tensor[:, :16] > 0).all()


# --- prompts -----------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=20), st.integers(1, 5))
def test_every_object_but_crowds_is_prompted_once(objects: list[Any], count: int) -> None:
    annotations = tuple(
        square(number, (1, 1, 5, 5), owner, iscrowd=crowd)
        for number, (owner, crowd) in enumerate(objects)
    )
    images = tuple(image(identity) for identity in (3, 1, 2))
    rows = rows_of(Prompts(**{**BOXES, "count": count}), split(images, annotations), images)
    asked = [one.id for row in rows for one in row.prompts]
    assert sorted(asked) == [one.id for one in annotations if not one.iscrowd]
    assert all(one.image_id == row.id for row in rows for one in row.prompts)
    assert max(len(row.prompts) for row in rows) <= count
    assert list(dict.fromkeys(row.id for row in rows)) == [3, 1, 2]


@pytest.mark.parametrize(
    "resize", ["stretch", "letterbox", {"kind": "letterbox", "align": "top-left"}]
)
def test_a_box_in_the_input_is_where_the_object_is(resize: Any) -> None:
    contract = InputContract.model_validate(
        {**PLAIN, "size": (64, 64), "resize": resize, "prompts": BOXES}
    )
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[5:15, 10:30] = 255
    contract = contract.model_copy(
        update={"resize": contract.resize.model_copy(update={"filter": "nearest"})}
    )
    tensor, geometry = contract.prepare(pixels)
    row = Row(image(), (square(1, (10, 5, 20, 10)),))
    assert contract.prompts
    ((left, top, right, bottom),) = in_input(contract.prompts, row, geometry)
    lit = np.argwhere(tensor[0] == 255)
    assert lit.min(axis=0) == pytest.approx([top, left], abs=1)
    assert lit.max(axis=0) + 1 == pytest.approx([bottom, right], abs=1)


def test_rows_are_filled_by_repeating_the_last_prompt() -> None:
    prompts = Prompts(kind="point", name="points", labels_name="labels", count=3)
    made = prompts.tensors([np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]])])
    assert made["points"].tolist() == [[[1, 2], [3, 4], [3, 4]], [[5, 6]] * 3]
    assert made["points"].dtype == np.float32
    assert made["labels"].tolist() == [[1] * 3] * 2
    assert made["labels"].dtype == np.int64


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_the_point_is_the_pixel_farthest_from_all_that_is_outside(
    seed: int, height: int, width: int
) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.7
    mask[0, 0] = True
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    inside = np.argwhere(mask)
    depths = [int(((outside - one) ** 2).sum(axis=1).min()) for one in inside]
    y, x = inside[int(np.argmax(depths))]
    assert interior_point(mask) == (x, y)


def test_an_object_without_a_pixel_is_prompted_in_the_middle_of_its_box() -> None:
    prompts = Prompts(kind="point", name="points", count=1)
    thin = square(1, (10, 4, 6, 0.01))
    same = Geometry(40, 20, 40, 20, 1.0, 1.0, 0.0, 0.0)
    assert in_input(prompts, Row(image(), (thin,)), same).tolist() == [[13, 4.005]]


def test_an_object_without_box_cannot_be_prompted_by_a_box() -> None:
    bare = replace(square(7, (1, 1, 4, 4)), bbox=None)
    same = Geometry(40, 20, 40, 20, 1.0, 1.0, 0.0, 0.0)
    with pytest.raises(DatasetError, match=r"annotation 7 .*has no box"):
        in_input(Prompts(**BOXES), Row(image(), (bare,)), same)


def test_the_rows_of_an_image_become_one_prediction() -> None:
    class Echo:
        inputs = (TensorSpec(name="images", shape=(2, 1), dtype="float32"),)

        def upload(self, feed: Any) -> Any:
            return feed

        def run(self, handle: Any) -> None:
            del handle

        def download(self, handle: Any) -> Any:
            return handle

    def prepare(row: Row) -> Any:
        ids = tuple(one.id for one in row.prompts)
        return np.zeros(1, np.float32), Geometry(1, 1, 1, 1, 1, 1, 0, 0, ids)

    def decode(outputs: Any, geometries: Any) -> Any:
        assert outputs["images"].shape == (2, 1)
        ids = [np.array(one.prompts, np.int64) for one in geometries]
        ones = [np.ones(len(one), np.int64) for one in ids]
        return [
            PromptedMasks(one, n.astype(float), n, n.astype(np.uint32))
            for one, n in zip(ids, ones, strict=True)
        ]

    annotations = tuple(square(number, (1, 1, 2, 2), 1) for number in range(5))
    rows = rows_of(Prompts(**BOXES), split((image(), image(2)), annotations), (image(), image(2)))
    told: list[Any] = []
    found = predict(Echo(), rows, 2, prepare, decode, lambda *pair: told.append(pair))  # type: ignore[arg-type] # Echo has no placement
    assert found[1].annotation_ids.tolist() == [0, 1, 2, 3, 4]  # type: ignore[union-attr] # masks
    assert found[2].annotation_ids.tolist() == []  # type: ignore[union-attr] # masks
    assert told[-1] == (2, 2)


# --- texts -------------------------------------------------------------------------------


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: index for index, word in enumerate(["<pad>", "<unk>", "a", "the", "cat", "dog"])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def texts(path: Path, **more: Any) -> Texts:
    options = {"templates": ["a {}", "the {}"], "length": 4, "pad": "<pad>"}
    return Texts.model_validate({"tokenizer": str(path), **options, **more})


def test_each_class_has_its_templates_one_after_the_other(tokenizer: Path) -> None:
    made = texts(tokenizer).tensors(["cat", "dog"])
    assert made["input_ids"].tolist() == [[2, 4, 0, 0], [3, 4, 0, 0], [2, 5, 0, 0], [3, 5, 0, 0]]
    assert made["attention_mask"].tolist() == [[1, 1, 0, 0]] * 4
    only = texts(tokenizer, mask_name=None, dtype="int32").tensors(["cat"])
    assert {name: array.dtype.name for name, array in only.items()} == {"input_ids": "int32"}


def test_a_text_that_is_too_long_is_refused_and_not_cut(tokenizer: Path) -> None:
    with pytest.raises(ModelError, match=r"'a dog cat dog cat' has 5 tokens, more than .* 4"):
        texts(tokenizer).tensors(["cat", "dog cat dog cat"])


def test_a_padding_that_the_tokenizer_does_not_have_is_refused(tokenizer: Path) -> None:
    with pytest.raises(ModelError, match="has no token '<none>'"):
        texts(tokenizer, pad="<none>").tensors(["cat"])
    with pytest.raises(ModelError, match="says no padding"):
        texts(tokenizer, pad=None).tensors(["cat"])


def test_the_identity_follows_the_tokenizers_content(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    one = texts(path)
    assert one.sha256 == hashlib.sha256(b"{}").hexdigest()
    assert Texts.model_validate(one.model_dump(mode="json")) == one
    path.write_text("{} ")
    with pytest.raises(ValidationError, match="the SHA-256 of"):
        Texts.model_validate(one.model_dump(mode="json"))
    assert texts(path).sha256 != one.sha256


@pytest.mark.parametrize("template", ["a photo", "{} and {}"])
def test_a_template_has_one_gap(tmp_path: Path, template: str) -> None:
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(ValidationError, match=r"must hold one \{\}"):
        texts(tmp_path / "t.json", templates=[template])


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(ModelError, match="not a usable tokenizer"):
        texts(tmp_path / "t.json").tensors(["cat"])
    with pytest.raises(ValidationError, match="cannot be read"):
        texts(tmp_path / "none.json")


# --- runtimes and conversions ------------------------------------------------------------


def shape(batch: int = 1) -> InputShape:
    contract = InputContract.model_validate({**PLAIN, "prompts": BOXES})
    return InputShape(contract.shape(batch), companions=contract.companions(batch, []))


IMAGE = TensorSpec(name="pixels", shape=(None, 3, 32, 32), dtype="float32")
BESIDE = TensorSpec(name="boxes", shape=(None, 2, 4), dtype="float32")


def test_the_image_is_the_input_that_no_companion_names() -> None:
    assert check_inputs(None, [BESIDE, IMAGE], shape()) == [IMAGE, BESIDE]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([IMAGE], "the suite feeds the image and 'boxes'"),
        ([IMAGE, BESIDE, BESIDE.model_copy(update={"name": "more"})], "the suite feeds the image"),
        (
            [IMAGE, BESIDE.model_copy(update={"shape": (None, 3, 4)})],
            r"'boxes' float32 \[1, 2, 4\]",
        ),
        ([IMAGE, BESIDE.model_copy(update={"dtype": "int64"})], r"takes 'boxes' int64"),
    ],
)
def test_inputs_that_do_not_fit_the_companions_are_refused(inputs: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        check_inputs(None, inputs, shape())


def test_a_runtime_of_one_input_refuses_companions() -> None:
    with pytest.raises(ModelError, match="feeds one image tensor, the suite also 'boxes'"):
        check_input(None, [IMAGE], shape())


def test_a_conversion_that_knows_one_input_refuses_and_says_why() -> None:
    contract = InputContract.model_validate({**PLAIN, "prompts": BOXES})
    int8 = SimpleNamespace(kind="onnx-int8", calibrates=True)
    with pytest.raises(
        ConversionError, match=r"'onnx-int8' calibrates with images alone; .* boxes"
    ):
        check_conversion(int8, contract)
    check_conversion(int8, InputContract.model_validate(PLAIN))
    check_conversion(SimpleNamespace(calibrates=False, several_inputs=True), contract)
