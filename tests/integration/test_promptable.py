"""SAM, CLIP and SigLIP of docs/promptable.md, small and random, from its suites to figures."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from benchbench import api
from benchbench.inputs import InputContract
from benchbench.types import InputShape, TensorSpec
from tests import promptable_models, tiny

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promptable.md").read_text()
ALL = ["torch", "onnxruntime", "openvino"]
LIBRARIES = ("torch", "transformers", "tokenizers", "onnxruntime", "onnxscript", "openvino")


def block(language: str, first: str) -> str:
    """Return the example of the page that begins with *first*."""
    found = re.findall(
        rf"^```{language}\n({re.escape(first)}.*?)^```$", PAGE, re.DOTALL | re.MULTILINE
    )
    return str(found[0])


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the page's module known here and in worker processes."""
    for name in LIBRARIES:
        pytest.importorskip(name)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "promptable.py").write_text(block("python", "import torch"))
    for folder in (ROOT, tmp_path / "modules"):
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


def write_data(folder: Path, *, objects: int) -> None:
    """Write four images of noise with 0, 1, … objects each, or one class each."""
    rng = np.random.default_rng(0)
    (folder / "val").mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, 5):
        width, height = (80, 56) if number % 2 else (48, 72)
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "val" / f"{number}.png")
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": width, "height": height}
        )
        for _ in range(number - 1 if objects else 1):
            x, y, w, h = (int(v) for v in rng.integers(6, 25, 4))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1 + number % 2,
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "val.json").write_text(json.dumps(document))


def write_tokenizer(path: Path) -> None:
    """Write a tokenizer of eleven words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    names = "<s> <|endoftext|> <unk> a photo drawing of cat dog . the".split()
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(names)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", 0), ("<|endoftext|>", 1)]
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A <|endoftext|>", special_tokens=ends
    )
    path.parent.mkdir(parents=True)
    made.save(str(path))


def measured(
    tmp_path: Path, model: dict[str, Any], factory: str, runtimes: list[str], **kwargs: Any
) -> list[Any]:
    """Run *model* of the page with a small module in its place; torch first."""
    model = json.loads(json.dumps(model))
    model["source"] = {"kind": "torch", "factory": f"tests.promptable_models:{factory}"}
    model["source"]["kwargs"] = kwargs
    model["input"]["size"] = [promptable_models.SIDE] * 2
    if "shorter" in model["input"]["resize"]:
        model["input"]["resize"]["shorter"] = promptable_models.SIDE
    files = {"validation": {"images": "val", "annotations": "val.json"}}
    source = {"kind": "coco", "root": str(tmp_path / "data"), "files": files}
    suite = tiny.suite(
        tmp_path,
        datasets=[{"name": "d", "source": source}],
        models=[model],
        runtimes=runtimes,
        batch_sizes=[2],
    )
    path = tiny.write_suite(tmp_path / "suite.yaml", suite)
    cells = list(api.run(str(path), store=tmp_path / "store").view.cells)
    assert [(c.failure.message if c.failure else None) for c in cells] == [None] * len(runtimes)
    return cells


def agree(cells: list[Any]) -> None:
    """Assert that the exports give what the module gives, on every prompt or class."""
    for cell in cells[1:]:
        assert cell.metrics == pytest.approx(cells[0].metrics, abs=1e-4, nan_ok=True)
        assert all(one.snr_db > 80 for one in cell.parity.outputs)
        agreement = cell.parity.agreement
        assert agreement.get("iou", agreement.get("top1")) == pytest.approx(1)
        assert cell.placement.coverage == {"fp32": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["box", "point"])
def test_sam_gives_a_mask_for_every_object(tmp_path: Path, modules: None, kind: str) -> None:
    write_data(tmp_path / "data", objects=True)
    (model,) = yaml.safe_load(block("yaml", "benchbench: 1"))["models"]
    if kind == "box":
        model["input"]["prompts"] |= {"count": 2}  # the last image, with three, is fed twice
        cells = measured(tmp_path, model, "sam_boxes", ALL)
    else:
        point = {"kind": "point", "name": "points", "labels_name": "labels", "count": 4}
        model["input"]["prompts"] = point
        cells = measured(tmp_path, model, "sam_points", ALL[:2])
    agree(cells)
    first = cells[0]
    assert first.task == "promptable-segmentation"
    assert first.primary == "miou"
    assert 0 < first.metrics["miou"] < 1
    assert first.metrics["score_error"] is not None
    assert "repeating the last" in first.protocol["preprocessing"]["prompts"]
    assert cells[1].artifact.chain == ("torch-onnx",)


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["clip", "siglip"])
def test_texts_of_the_classes_are_fed_with_every_image(
    tmp_path: Path, modules: None, factory: str
) -> None:
    write_data(tmp_path / "data", objects=False)
    tokenizer = tmp_path / "clip-vit-base-patch32" / "tokenizer.json"
    write_tokenizer(tokenizer)
    (model,) = yaml.safe_load(block("yaml", "# a part"))["models"]
    model["input"]["texts"] |= {"tokenizer": str(tokenizer), "length": 8}
    if factory == "siglip":
        model["input"]["texts"]["mask_name"] = None
        model["decoder"] = {"kind": "classification", "activation": "sigmoid"}
    cells = measured(tmp_path, model, factory, ALL if factory == "clip" else ALL[:2], templates=2)
    agree(cells)
    assert cells[0].metrics["top1"] in {0.25, 0.5, 0.75}
    assert "'a drawing of a {}.'" in cells[0].protocol["preprocessing"]["texts"]
    assert cells[0].versions["tokenizers"]


def test_fixed_texts_give_what_the_texts_give(modules: None) -> None:
    import torch
    from promptable import FixedTexts

    model = promptable_models.clip(1).eval()
    generator = torch.manual_seed(0)
    images = torch.randn(2, 3, promptable_models.SIDE, promptable_models.SIDE, generator=generator)
    ids, ones = torch.tensor([[0, 3, 7, 1], [0, 3, 8, 1]]), torch.ones(2, 4, dtype=torch.int64)
    with torch.no_grad():
        texts = model.model(pixel_values=images, input_ids=ids, attention_mask=ones).text_embeds
        want, got = model(images, ids, ones), FixedTexts(model.model, texts).eval()(images)
    assert torch.allclose(want["logits"], got["logits"], atol=1e-5)


def shape(batch: int) -> InputShape:
    """Return images with two boxes each."""
    prompts = {"kind": "box", "name": "boxes", "count": 2}
    contract = InputContract.model_validate({"size": (32, 32), "color": "RGB", "prompts": prompts})
    return InputShape(contract.shape(batch), companions=contract.companions(batch, []))


def test_a_module_of_two_inputs_gives_the_same_in_every_runtime(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for name in LIBRARIES[3:]:
        pytest.importorskip(name)
    from benchbench.conversions.torch_onnx import TorchOnnx
    from benchbench.runtimes.onnxruntime import OnnxRuntime
    from benchbench.runtimes.openvino import OpenVino
    from benchbench.runtimes.ort_sessions import OnDevice
    from benchbench.runtimes.torch import Torch
    from benchbench.types import ConversionJob, ModelFile, Request, Variant

    class Sums(torch.nn.Module):  # type: ignore[misc] # torch has no types here
        def forward(self, images: Any, boxes: Any) -> Any:
            return boxes * images.mean(dim=(1, 2, 3))[:, None, None]

    source = ModelFile(Variant(format="torch-module"), load=lambda: Sums().eval())
    job = ConversionJob(folder=tmp_path, input=shape(1), log=lambda _: None)
    onnx = ModelFile(Variant(format="onnx"), path=TorchOnnx().convert(source, job))
    rng = np.random.default_rng(0)
    feed = {
        "images": rng.random((2, 3, 32, 32)).astype(np.float32),
        "boxes": rng.random((2, 2, 4)).astype(np.float32),
    }
    wanted = feed["boxes"] * feed["images"].mean(axis=(1, 2, 3))[:, None, None]
    request = Request("fp32", "cpu", 1, shape(2))  # the export at batch 1 left the batch open
    for runtime, model in ((Torch(), source), (OnnxRuntime(), onnx), (OpenVino(), onnx)):
        with runtime.open(model, request) as session:  # type: ignore[attr-defined] # a union
            assert [one.name for one in session.inputs] == ["images", "boxes"]
            handle = session.upload(feed)
            session.run(handle)
            (got,) = session.download(handle).values()
            assert got == pytest.approx(wanted, abs=1e-5)
            assert session.placement().requested_precision == "fp32"
    import onnxruntime

    plain = onnxruntime.InferenceSession(str(onnx.path), providers=["CPUExecutionProvider"])
    bound = OnDevice(plain, TensorSpec(name="images", shape=(), dtype="float32"), request, "cpu")
    handle = bound.upload(feed)
    bound.infer(handle)
    assert handle.copy_outputs_to_cpu()[0] == pytest.approx(wanted, abs=1e-5)
