"""The OpenVINO runtime beyond what every runtime owes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchbench.conversions.onnx_fp16 import OnnxFp16
from benchbench.conversions.openvino_ir import IR_FP16, OpenVinoIr
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import PlacementError
from benchbench.runtimes.openvino import OpenVino, _no_intel_gpu, heavy_nodes
from benchbench.types import ModelFile, Request, Share, Variant
from tests import small_model

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
openvino = pytest.importorskip("openvino")

FP32 = Variant(format="onnx")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    job = small_model.job(tmp_path_factory.mktemp("float"))
    return ModelFile(FP32, path=TorchOnnx().convert(small_model.torch_file(), job))


@pytest.fixture(scope="module")
def halves(source, tmp_path_factory):
    """Return IR and ONNX files whose weights are float16."""
    pytest.importorskip("onnxconverter_common")
    folder = tmp_path_factory.mktemp("half")
    job = replace(small_model.job(folder / "ir"), target=IR_FP16)
    onnx = OnnxFp16().convert(source, small_model.job(folder / "onnx"))
    return [
        ModelFile(IR_FP16, path=OpenVinoIr().convert(source, job)),
        ModelFile(Variant(format="onnx", precision="fp16"), path=onnx),
    ]


def capabilities():
    return set(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def run(model, precision, device="cpu"):
    image = next(small_model.feeds())
    request = Request(precision, device, 1, small_model.SHAPE)
    with OpenVino().open(model, request) as session:
        handle = session.upload({"images": image})
        session.run(handle)
        return list(session.download(handle).values()), session.placement()


def test_fp32_is_fp32_even_where_openvino_would_choose_bf16(source):
    if "BF16" not in capabilities():
        pytest.skip("this CPU has no bf16, so OpenVINO would not choose it")
    unasked = openvino.Core().compile_model(str(source.path), "CPU", {})
    assert {precision for _, precision, _ in heavy_nodes(unasked)} == {"bf16"}
    outputs, placement = run(source, "fp32")
    assert placement.precision == "fp32"
    assert placement.in_precision == Share(nodes=1, time=1)
    for got, want in zip(outputs, small_model.reference(next(small_model.feeds())), strict=True):
        assert np.abs(got - want).max() < 1e-3 * want.std()


def test_bf16_that_was_asked_for_is_told_as_what_it_is(source):
    _, placement = run(source, "bf16")
    known = "BF16" in capabilities()
    assert placement.precision == ("bf16" if known else "fp32")
    assert placement.in_precision.nodes == float(known)


def test_fp16_weights_can_be_computed_in_fp32(halves, source):
    exact, placement = run(source, "fp32")
    assert placement.details["stored"].startswith("f32 100%")
    for model in halves:
        outputs, placement = run(model, "fp32")
        assert placement.precision == "fp32"
        assert placement.details["stored"].startswith("f16 100%")
        assert not np.array_equal(outputs[1], exact[1])
        assert np.abs(outputs[1] - exact[1]).max() < 0.01 * exact[1].std()


def test_the_option_weights_chooses_the_stored_form_for_all_but_int8():
    for precision in ("fp32", "bf16", "fp16"):
        for weights in ("fp32", "fp16"):
            accepted = OpenVino(weights=weights).accepts(precision, "cpu")
            assert {one.precision for one in accepted} == {weights}
            assert [one.format for one in accepted] == ["openvino-ir", "onnx"]
    assert OpenVino(weights="fp16").accepts("int8", "cpu") == OpenVino().accepts("int8", "cpu")


def test_int8_files_for_a_cpu_or_for_nobody_are_accepted_but_not_those_for_tensorrt():
    assert [str(one) for one in OpenVino().accepts("int8", "cpu")] == [
        "openvino-ir int8",
        "onnx int8",
        "onnx int8 for cpu",
    ]


@pytest.mark.parametrize("precision", ["tf32", "fp8", "int8-dynamic"])
def test_what_openvino_cannot_compute_is_not_accepted(precision):
    assert OpenVino().accepts(precision, "cpu") == ()


def test_bf16_is_not_accepted_on_an_intel_gpu():
    assert OpenVino().accepts("bf16", "gpu") == ()
    assert OpenVino().accepts("fp16", "gpu:1")


def test_the_placement_names_the_device_and_covers_all_nodes(source):
    _, placement = run(source, "fp32")
    assert (placement.device, placement.provider, placement.requested_provider) == (
        "cpu",
        "CPU",
        "CPU",
    )
    assert placement.on_device == Share(nodes=1, time=1)
    assert placement.affinity
    assert not placement.copies_inside_run


@pytest.mark.parametrize("device", ["gpu:x", "npu", "cuda"])
def test_a_device_of_another_kind_is_unknown(device, source):
    with pytest.raises(PlacementError, match="knows no device"):
        run(source, "fp32", device)


def test_a_gpu_that_openvino_does_not_have_is_never_replaced_by_the_cpu(source):
    with pytest.raises(PlacementError, match=r"no GPU\.9 here, only .*CPU"):
        run(source, "fp32", "gpu:9")


def test_an_intel_gpu_is_looked_for_among_the_kernels_render_nodes(tmp_path: Path):
    assert "no render node" in _no_intel_gpu(tmp_path)
    for number, vendor in ((128, "0x10de"), (129, "0x8086")):
        device = tmp_path / f"renderD{number}" / "device"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        reason = _no_intel_gpu(tmp_path)
        assert (reason is None) == (vendor == "0x8086")
        assert reason is None or "0x10de" in reason


def test_the_cpu_is_never_absent():
    assert OpenVino().absent("cpu") is None


def test_the_checkup_names_the_version_and_what_the_cpu_computes():
    version, *devices = OpenVino().checkup()
    assert openvino.__version__ in version.message
    assert any(one.message.startswith("CPU: ") and "FP32" in one.message for one in devices)
    assert {one.level for one in (version, *devices)} <= {"ok", "warning"}


def test_the_checkup_of_a_missing_library_is_an_error_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    (finding,) = OpenVino().checkup()
    assert finding.level == "error"
    assert finding.hint == "pip install 'benchbench[openvino]'"
