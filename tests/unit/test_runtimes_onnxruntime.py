"""What ONNX Runtime's rows claim, on the CPU provider and without the packages of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.errors import PlacementError
from benchbench.runtimes import ort_install, ort_placement
from benchbench.runtimes.contract import shares
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.runtimes.ort_sessions import OnDevice, Wish, provider_options
from benchbench.types import ModelFile, Request, TensorSpec, Variant
from tests.nvidia import nets

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


def request_of(precision: Any = "fp32", **changes: Any) -> Request:
    return replace(Request(precision, "cpu", 1, nets.SHAPE), **changes)


def run(session: Any, array: Any) -> Any:
    handle = session.upload({"images": array})
    session.run(handle)
    return session.download(handle)["y"]


def test_an_fp16_file_is_told_to_compute_in_fp32_on_the_cpu(tmp_path):
    model = nets.file(nets.floating(tmp_path / "m.onnx", "float16"), "fp16")
    with OnnxRuntime().open(model, request_of("fp16")) as session:
        placement = session.placement()
        outputs = run(session, nets.image())
    assert placement.precision == "fp32"
    assert placement.in_precision.nodes == 0
    assert model.variant in OnnxRuntime().accepts("fp16", "cpu")
    np.testing.assert_allclose(outputs, nets.reference(nets.image()), atol=5e-3)


def test_every_node_and_all_time_are_on_the_cpu_provider(tmp_path):
    model = nets.file(nets.floating(tmp_path / "m.onnx"))
    with OnnxRuntime().open(model, request_of()) as session:
        placement = session.placement()
    assert (placement.on_device.nodes, placement.on_device.time) == (1, 1)
    assert (placement.in_precision.nodes, placement.in_precision.time) == (1, 1)
    assert placement.affinity
    assert placement.evidence == "measured"


def test_a_file_for_tensorrt_on_the_cpu_is_a_proxy(tmp_path):
    model = nets.file(nets.quantized(tmp_path / "m.onnx", "tensorrt"), "int8", "tensorrt")
    runtime = OnnxRuntime(quantized_for="tensorrt")
    assert runtime.accepts("int8", "cpu")[0] == model.variant
    assert model.variant not in OnnxRuntime().accepts("int8", "cpu")
    with runtime.open(model, request_of("int8")) as session:
        placement = session.placement()
        outputs = run(session, nets.image())
    assert placement.evidence == "proxy"
    assert "TensorRT" in placement.source
    assert np.abs(outputs - nets.reference(nets.image())).max() < 0.2


def test_a_file_quantized_for_the_cpu_runs_in_int8(tmp_path):
    model = nets.file(nets.quantized(tmp_path / "m.onnx", "cpu"), "int8", "cpu")
    with OnnxRuntime().open(model, request_of("int8")) as session:
        placement = session.placement()
    assert (placement.precision, placement.evidence) == ("int8", "measured")


@pytest.mark.parametrize(
    ("write", "found"),
    [
        (nets.floating, {"fp32": 1}),
        (lambda path: nets.floating(path, "float16"), {"fp16": 1}),
        (lambda path: nets.quantized(path, "tensorrt"), {"int8": 1}),
        (lambda path: nets.quantized(path, "cpu", only="ab"), {"int8": 0.6667, "fp32": 0.3333}),
    ],
)
def test_the_precision_stored_in_a_file_is_read_node_by_node(tmp_path, write, found):
    assert shares(ort_placement.stored_work(write(tmp_path / "m.onnx"))) == found


def test_the_device_binding_gives_the_same_outputs_as_the_library(tmp_path):
    # The same calls that bind to a GPU, with ONNX Runtime's name of the CPU as device.
    import onnxruntime

    path = nets.floating(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    spec = TensorSpec(name="images", shape=(1, 3, 32, 32), dtype="float32")
    bound = OnDevice(session, spec, request_of(), "cpu")
    for seed in (1, 2):
        handle = bound.upload({"images": nets.image(seed)})
        bound.infer(handle)
        (got,) = handle.copy_outputs_to_cpu()
        np.testing.assert_array_equal(got, session.run(None, {"images": nets.image(seed)})[0])


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "openvino"])
def test_a_provider_that_is_not_installed_is_absent_with_its_package(provider):
    if ort_install.version(ort_install.PACKAGES[provider][0]):
        pytest.skip("the package with this provider is installed")
    runtime = OnnxRuntime(provider=provider)
    device = "cpu" if provider == "openvino" else "cuda"
    reason = runtime.absent(device) or ""
    assert "NVIDIA driver" in reason or ort_install.PACKAGES[provider][0] in reason
    assert OnnxRuntime().absent("cpu") is None


def test_asking_for_openvino_without_its_package_never_runs_on_the_cpu(tmp_path):
    if ort_install.version("onnxruntime-openvino"):
        pytest.skip("the package with this provider is installed")
    model = nets.file(nets.floating(tmp_path / "m.onnx"))
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(PlacementError, match="OpenVINOExecutionProvider") as caught,
        OnnxRuntime(provider="openvino").open(model, request_of()),
    ):
        pass
    assert "onnxruntime-openvino" in (caught.value.hint or "")


def test_int8_on_cuda_is_refused_with_the_option_that_makes_it_possible():
    with pytest.raises(PlacementError, match="in float") as caught:
        OnnxRuntime(provider="cuda").accepts("int8", "cuda")
    assert caught.value.hint == "provider: tensorrt"


def test_tensorrt_takes_only_its_own_quantized_files():
    with pytest.raises(ValueError, match="refuses files"):
        OnnxRuntime(provider="tensorrt", quantized_for="cpu")
    (own, unknown) = OnnxRuntime(provider="tensorrt").accepts("int8", "cuda")
    assert (own.target, unknown.target) == ("tensorrt", "")


def test_engines_of_two_models_lie_in_two_cache_folders(tmp_path: Path):
    asked = request_of("int8", device="cuda:1", cache=tmp_path)
    variant = Variant(format="onnx")
    told = [
        provider_options(Wish(ModelFile(variant, sha256=content), asked, "tensorrt"))
        for content in ("a", "b")
    ]
    assert told[0]["trt_engine_cache_path"] != told[1]["trt_engine_cache_path"]
    assert told[0]["trt_timing_cache_path"] == told[1]["trt_timing_cache_path"] == str(tmp_path)
    assert (told[0]["trt_int8_enable"], told[0]["device_id"]) == ("1", "1")
    assert "trt_fp16_enable" not in told[0]


def test_a_provider_is_offered_on_its_own_devices_alone():
    assert OnnxRuntime(provider="cuda").accepts("fp16", "cpu") == ()
    assert OnnxRuntime().accepts("fp32", "cuda") == ()
    assert OnnxRuntime(provider="openvino").accepts("fp16", "cpu") == ()
    assert OnnxRuntime(provider="openvino").accepts("fp16", "gpu")


@pytest.mark.parametrize(("precision", "flag"), [("fp32", "0"), ("tf32", "1"), ("fp16", "0")])
def test_cuda_is_told_whether_tf32_is_allowed(precision, flag):
    asked = request_of(precision, device="cuda")
    told = provider_options(Wish(ModelFile(Variant(format="onnx")), asked, "cuda"))
    assert told["use_tf32"] == flag


def test_the_checkup_tells_the_version_and_the_usable_providers():
    found = OnnxRuntime().checkup()
    assert found[0].level == "ok"
    assert any("CPUExecutionProvider" in one.message for one in found)


needs_openvino = pytest.mark.skipif(
    ort_install.version("onnxruntime-openvino") is None,
    reason="onnxruntime-openvino is not installed: run 'tox -e ort-openvino'",
)


@needs_openvino
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_runs_every_node_and_says_how_that_is_known(precision, tmp_path):
    if precision == "int8":
        model = nets.file(nets.quantized(tmp_path / "m.onnx", "cpu"), "int8", "cpu")
    else:
        model = nets.file(nets.floating(tmp_path / "m.onnx"))
    runtime = OnnxRuntime(provider="openvino")
    assert runtime.absent("cpu") is None
    assert model.variant in runtime.accepts(precision, "cpu")
    with runtime.open(model, request_of(precision, cache=tmp_path / "cache")) as session:
        placement = session.placement()
        outputs = run(session, nets.image())
    # bf16, which OpenVINO takes unasked on some chips, would be wrong by some 4 % of sigma.
    worst = np.abs(outputs - nets.reference(nets.image())).max()
    assert worst < (1e-4 if precision == "fp32" else 0.2)
    assert placement.provider == placement.requested_provider == "OpenVINOExecutionProvider"
    assert placement.on_device.nodes == 1
    assert (placement.precision, placement.evidence) == (precision, "proxy")


@needs_openvino
def test_nodes_that_a_provider_does_not_take_are_named_and_told_where_they_ran(tmp_path):
    model = nets.file(nets.floating(tmp_path / "m.onnx", extra="Hardmax"))
    with (
        pytest.raises(PlacementError, match="1 Hardmax") as caught,
        OnnxRuntime(provider="openvino").open(model, request_of()),
    ):
        pass
    assert "cpu_fallback" in (caught.value.hint or "")
    with OnnxRuntime(provider="openvino", cpu_fallback=True).open(model, request_of()) as session:
        placement = session.placement()
    # The session still lists OpenVINO first; what it was given tells the truth.
    assert placement.provider == "CPUExecutionProvider"
    assert placement.on_device.nodes == 0


@needs_openvino
def test_a_gpu_that_openvino_does_not_find_is_not_replaced_by_the_cpu(tmp_path):
    if Path("/dev/dri").exists():
        pytest.skip("there may be an Intel GPU here")
    model = nets.file(nets.floating(tmp_path / "m.onnx"))
    runtime = OnnxRuntime(provider="openvino")
    assert runtime.absent("gpu") == "no GPU here: /dev/dri is not to be found"
    with (
        pytest.raises(PlacementError, match="OpenVINOExecutionProvider"),
        runtime.open(model, request_of(device="gpu")),
    ):
        pass
