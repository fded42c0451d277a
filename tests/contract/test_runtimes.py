"""What every runtime owes: the same facts, asked of each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.onnx_int8 import OnnxInt8
from benchbench.conversions.openvino_int8 import OpenVinoInt8
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import ModelError, PlacementError
from benchbench.protocols import Runtime
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.runtimes.openvino import OpenVino, evidence
from benchbench.runtimes.torch import Torch
from benchbench.types import InputShape, ModelFile, Precision, Request, Variant
from tests import small_model

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("nncf")

RUNTIMES: dict[str, Runtime] = {
    "torch": Torch(),
    "onnxruntime": OnnxRuntime(),
    "openvino": OpenVino(),
}
CASES = [
    ("torch", "torch-module", "fp32"),
    ("torch", "torchscript", "fp32"),
    ("torch", "pt2", "fp32"),
    ("torch", "torch-module", "bf16"),
    ("torch", "torchscript", "bf16"),
    ("onnxruntime", "onnx", "fp32"),
    ("onnxruntime", "onnx", "int8"),
    ("openvino", "onnx", "fp32"),
    ("openvino", "onnx", "bf16"),
    ("openvino", "onnx", "int8"),
    ("openvino", "openvino-ir", "int8"),
]
FP32 = [case for case in CASES if case[2] == "fp32"]


def _cpu_flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


NATIVE = {
    "fp32": True,
    "bf16": bool(_cpu_flags() & {"amx_bf16", "avx512_bf16"}),
    "int8": bool(_cpu_flags() & {"avx512_vnni", "amx_int8", "avx_vnni"}),
}


@dataclass(frozen=True)
class Models:
    """Files by format and stored precision."""

    files: dict[tuple[str, str], ModelFile]

    def of(self, format_: str, precision: Precision) -> ModelFile:
        """Return the file that a runtime is given for *precision*."""
        return self.files[format_, "int8" if precision == "int8" else "fp32"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: Any) -> Models:
    folder = tmp_path_factory.mktemp("models")
    module = small_model.torch_file()
    onnx = TorchOnnx().convert(module, small_model.job(folder / "onnx"))
    source = ModelFile(Variant(format="onnx"), path=onnx)
    quantized = OnnxInt8().convert(source, small_model.job(folder / "int8"))
    network = OpenVinoInt8().convert(source, small_model.job(folder / "ir"))
    paths = {
        ("torchscript", "fp32"): small_model.save_torchscript(folder / "model.torchscript"),
        ("pt2", "fp32"): small_model.save_exported(folder / "model.pt2"),
        ("onnx", "fp32"): onnx,
        ("onnx", "int8"): quantized,
        ("openvino-ir", "int8"): network,
    }
    files = {
        (name, precision): ModelFile(Variant(format=name, precision=precision), path=path)
        for (name, precision), path in paths.items()
    }
    return Models(files | {("torch-module", "fp32"): module})


def request_of(precision: Precision, **changes: Any) -> Request:
    return replace(Request(precision, "cpu", 1, small_model.SHAPE), **changes)


def infer(session: Any, image: Any) -> list[Any]:
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return list(session.download(handle).values())


def image(seed: int = 5) -> Any:
    return np.random.default_rng(seed).standard_normal((1, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
def test_what_is_opened_was_announced_by_accepts(name, form, precision, models):
    stored = models.of(form, precision).variant
    assert stored in RUNTIMES[name].accepts(precision, "cpu")


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
def test_outputs_have_torchs_shapes_order_and_dtype(name, form, precision, models):
    with RUNTIMES[name].open(models.of(form, precision), request_of(precision)) as session:
        outputs = infer(session, image())
    wanted = small_model.reference(image())
    assert [one.shape for one in outputs] == [one.shape for one in wanted]
    assert {one.dtype.name for one in outputs} == {"float32"}
    for got, want in zip(outputs, wanted, strict=True):
        assert small_model.cosine(got, want) > 0.99


@pytest.mark.parametrize(("name", "form", "precision"), FP32)
def test_fp32_outputs_agree_with_torch_to_a_thousandth_of_sigma(name, form, precision, models):
    with RUNTIMES[name].open(models.of(form, precision), request_of(precision)) as session:
        outputs = infer(session, image())
    for got, want in zip(outputs, small_model.reference(image()), strict=True):
        assert np.abs(got - want).max() < 1e-3 * want.std()


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
def test_downloaded_arrays_survive_the_next_run(name, form, precision, models):
    with RUNTIMES[name].open(models.of(form, precision), request_of(precision)) as session:
        first = infer(session, image(1))
        kept = [one.copy() for one in first]
        second = infer(session, image(2))
    for one, copy, other in zip(first, kept, second, strict=True):
        np.testing.assert_array_equal(one, copy)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
def test_an_array_that_may_not_be_written_is_accepted_and_left_alone(name, form, precision, models):
    array = image()
    array.flags.writeable = False
    with RUNTIMES[name].open(models.of(form, precision), request_of(precision)) as session:
        infer(session, array)
    np.testing.assert_array_equal(array, image())


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
def test_placement_finds_the_precision_asked_for(name, form, precision, models):
    if not NATIVE[precision]:
        pytest.skip(f"this CPU has no {precision} instructions")
    with RUNTIMES[name].open(models.of(form, precision), request_of(precision)) as session:
        placement = session.placement()
    assert placement.precision == precision
    assert placement.coverage[precision] >= 0.9
    assert sum(placement.coverage.values()) == pytest.approx(1, abs=1e-3)
    assert placement.evidence == "measured"
    assert (placement.device, placement.requested_precision) == ("cpu", precision)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("name", "form"), [case[:2] for case in FP32])
def test_placement_records_the_threads_in_use(name, form, threads, models):
    asked = request_of("fp32", threads=threads)
    with RUNTIMES[name].open(models.of(form, "fp32"), asked) as session:
        assert session.placement().threads == threads


def test_torch_gives_its_threads_back(models):
    import torch

    before = torch.get_num_threads()
    with Torch().open(models.of("torch-module", "fp32"), request_of("fp32", threads=before + 1)):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("name", "form", "precision"), CASES)
@pytest.mark.parametrize("shape", [(1, 1, 64, 64), (1, 64, 64, 3)])
def test_a_wrong_shape_is_an_error_that_names_it(name, form, precision, shape, models):
    asked = request_of(precision, input=InputShape(shape))
    with (
        pytest.raises(ModelError, match=re.escape(", ".join(map(str, shape)))),
        RUNTIMES[name].open(models.of(form, precision), asked),
    ):
        pass


@pytest.mark.parametrize(("name", "form"), [("onnxruntime", "onnx"), ("openvino", "onnx")])
def test_a_wrong_dtype_is_an_error_that_names_both(name, form, models):
    asked = request_of("fp32", input=InputShape((1, 3, 64, 64), "uint8"))
    with (
        pytest.raises(ModelError, match=r"float32.*uint8"),
        RUNTIMES[name].open(models.of(form, "fp32"), asked),
    ):
        pass


@pytest.mark.parametrize(("name", "form"), [case[:2] for case in FP32 if "module" not in case[1]])
@pytest.mark.parametrize("keep", [0, 3000])
def test_a_truncated_file_is_an_error_that_names_it(name, form, keep, models, tmp_path):
    whole = models.of(form, "fp32")
    assert whole.path
    broken = tmp_path / f"broken{whole.path.suffix}"
    broken.write_bytes(whole.path.read_bytes()[:keep])
    with (
        pytest.raises(ModelError, match=re.escape(str(broken))),
        RUNTIMES[name].open(replace(whole, path=broken), request_of("fp32")),
    ):
        pass


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_unknown_device_is_an_error_that_lists_the_known(name, models):
    form = "torch-module" if name == "torch" else "onnx"
    with (
        pytest.raises(PlacementError, match="known devices: cpu"),
        RUNTIMES[name].open(models.of(form, "fp32"), request_of("fp32", device="npu")),
    ):
        pass


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_precision_that_cannot_be_run_has_no_variants(name):
    assert RUNTIMES[name].accepts("tf32", "cpu") == ()


def test_torch_names_nested_outputs_by_their_keys():
    import torch

    class Named(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"z": x * 2, "a": (x.sum(dim=1), x.argmax(dim=1))}

    with Torch().open(small_model.torch_file(Named()), request_of("bf16")) as session:
        handle = session.upload({"images": image()})
        session.run(handle)
        outputs = session.download(handle)
    assert {name: one.dtype.name for name, one in outputs.items()} == {
        "z": "float32",
        "a.0": "float32",
        "a.1": "int64",
    }


@pytest.mark.parametrize("name", RUNTIMES)
def test_an_open_batch_takes_more_images(name, models):
    form = "torch-module" if name == "torch" else "onnx"
    asked = request_of("fp32", input=InputShape((3, 3, 64, 64)))
    batch = np.concatenate([image(1), image(2), image(3)])
    with RUNTIMES[name].open(models.of(form, "fp32"), asked) as session:
        scores, _ = infer(session, batch)
    for row, seed in enumerate((1, 2, 3)):
        np.testing.assert_allclose(scores[row], small_model.reference(image(seed))[0][0], atol=1e-4)


@pytest.mark.skipif("amx_bf16" not in _cpu_flags(), reason="this CPU has no AMX")
@pytest.mark.parametrize(("hint", "found"), [(None, "bf16"), ("f32", "fp32")])
def test_evidence_sees_the_bf16_that_openvino_picks_unasked(hint, found, models):
    import openvino

    core = openvino.Core()
    network = core.read_model(str(models.of("onnx", "fp32").path))
    network.reshape(list(small_model.SHAPE.shape))
    config = {"INFERENCE_PRECISION_HINT": hint} if hint else {}
    for perf in (False, True):
        compiled = core.compile_model(network, "CPU", config | {"PERF_COUNT": perf})
        work, _ = evidence(compiled, small_model.SHAPE)
        assert {precision for precision, _ in work} == {found}
        assert sum(weight for _, weight in work) > 0


_CHILD = """
from benchbench.runtimes.torch import Torch
from benchbench.types import Request
from tests import small_model
with Torch().open(small_model.torch_file(), Request("fp32", "cpu", 1, small_model.SHAPE)) as one:
    print("said", one.placement().precision)
"""


@pytest.mark.skipif("amx_bf16" not in _cpu_flags(), reason="this CPU has no AMX")
@pytest.mark.parametrize(("mode", "found"), [("BF16", "bf16"), ("STRICT", "fp32")])
def test_torchs_fp32_is_bf16_where_the_environment_says_so(mode, found):
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env=os.environ | {"ONEDNN_DEFAULT_FPMATH_MODE": mode, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert child.stdout.splitlines() == [f"said {found}"]


def test_onnx_runtime_profile_leaves_no_file_behind(models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with OnnxRuntime().open(models.of("onnx", "fp32"), request_of("fp32")) as session:
        session.placement()
    assert list(tmp_path.iterdir()) == []


def test_a_float_convolution_in_an_int8_file_stays_visible_in_the_coverage(models, tmp_path):
    mixed = OnnxInt8(exclude=("*Conv*",)).convert(
        models.of("onnx", "fp32"), small_model.job(tmp_path / "mixed")
    )
    file = ModelFile(Variant(format="onnx", precision="int8"), path=mixed)
    with OnnxRuntime().open(file, request_of("int8")) as session:
        coverage = session.placement().coverage
    assert set(coverage) == {"fp32", "int8"}


def test_fastestdet_is_the_same_in_all_three_runtimes(data_dir):
    folder = data_dir / "models" / "fastestdet"
    asked = request_of("fp32", input=InputShape((1, 3, 352, 352)))
    files = {
        "torch": ModelFile(
            Variant(format="torchscript"), path=folder / "fastestdet.torchscript.pt"
        ),
        "onnxruntime": ModelFile(Variant(format="onnx"), path=folder / "fastestdet.onnx"),
        "openvino": ModelFile(Variant(format="onnx"), path=folder / "fastestdet.onnx"),
    }
    array = np.random.default_rng(0).random((1, 3, 352, 352), np.float32)
    outputs = {}
    for name, file in files.items():
        with RUNTIMES[name].open(file, asked) as session:
            (outputs[name],) = infer(session, array)
    for other in ("onnxruntime", "openvino"):
        worst = np.abs(outputs["torch"] - outputs[other]).max()
        assert worst < 1e-3 * outputs["torch"].std()
