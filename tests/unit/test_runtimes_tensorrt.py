"""What is claimed of an engine, without the libraries and without a GPU."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchbench import cuda
from benchbench.conversions.tensorrt_build import batches, targets
from benchbench.conversions.tensorrt_engine import TensorRtEngine
from benchbench.errors import CompiledOnly, ConversionError, ModelError, PlacementError
from benchbench.protocols import DeviceTimed
from benchbench.runtimes.contract import shares
from benchbench.runtimes.cudart import Gpu
from benchbench.runtimes.engine_layers import layer_work
from benchbench.runtimes.engine_session import EngineSession, single
from benchbench.runtimes.tensorrt import TensorRt
from benchbench.runtimes.tensorrt_rtx import TensorRtRtx
from benchbench.types import (
    ConversionJob,
    InputShape,
    ModelFile,
    Placement,
    Request,
    TensorSpec,
    Variant,
)

SHAPE = InputShape((1, 3, 32, 32))


def layer(kind: str, stored: str, tactic: str = "", **more: Any) -> dict[str, Any]:
    """Return a layer in the form of the engine inspector's JSON."""
    ends = [{"Name": "t", "Dimensions": [1, 8, 4, 4], "Format/Datatype": stored}]
    found = {"Name": f"{kind} {stored}", "LayerType": kind, "Inputs": ends, "Outputs": ends}
    return found | ({"TacticName": tactic} if tactic else {}) | more


TF32 = "sm80_xmma_fprop_implicit_gemm_f32f32_tf32f32_f32_nhwckrsc_nhwc_tilesize256x64x32"


@pytest.mark.parametrize(
    ("one", "precision"),
    [
        # TensorRT 8's and 10's words for the same things, and kernels that hide the type.
        (layer("CaskConvolution", "Row major linear FP32", "ampere_scudnn_128x64_relu"), "fp32"),
        (layer("CaskConvolution", "Channel major FP32 format", TF32), "tf32"),
        (layer("CaskConvolution", "Float", "sm80_xmma_fprop_f32f32_f32f32_f32"), "fp32"),
        (layer("CaskConvolution", "Half", "ampere_h1688cudnn_128x128"), "fp16"),
        (layer("gemm", "BFloat16", "sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn"), "bf16"),
        (
            layer("CaskConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
            "int8",
        ),
        (layer("fusion", "Int8", "sm80_xmma_gemm_i8i8_i8i32_f32_tn"), "int8"),
        (layer("gemm", "FP8", "sm89_xmma_gemm_e4m3e4m3_e4m3f32_f32"), "fp8"),
        (
            layer(
                "CaskConvolution",
                "N/A due to dynamic shapes",
                "sm80_xmma_fprop_implicit_gemm_interleaved_i8f32_i8i32_f32",
                Weights={"Type": "Int8", "Count": 13824},
            ),
            "int8",
        ),
        (layer("CaskConvolution", "?", "", Weights={"Type": "Half", "Count": 9}), "fp16"),
        ("[HostToDeviceCopy] or whatever an engine without detail names", "unknown"),
    ],
)
def test_the_inspectors_words_are_read_as_precisions(one, precision):
    _, work, timed = layer_work({"Layers": [one]}, {})
    assert work == [(precision, 1.0)]
    assert not timed


def test_layers_that_compute_nothing_do_not_count():
    idle = [
        layer("Reformat", "Half", "", Name="Reformatting CopyNode for Input Tensor 0 to Conv_0"),
        layer("NoOp", "Half"),
        layer("kgen", "Half", "__myl_AddRelu"),
        layer("PointWiseV2", "Int8", "0x1d"),
        layer("TiledPooling", "Half", "", ParameterType="Pooling"),
    ]
    assert layer_work({"Layers": idle}, {}) == ([], [], False)


def test_times_weigh_the_layers_they_belong_to():
    layers = [layer("CaskConvolution", "Int8"), layer("CaskConvolution", "Half")]
    _, work, timed = layer_work(
        {"Layers": layers}, {"CaskConvolution Int8": 3.0, "CaskConvolution Half": 1.0, "x": 9.0}
    )
    assert timed
    assert shares(work) == {"int8": 0.75, "fp16": 0.25}
    _, work, timed = layer_work({"Layers": layers}, {"another name": 3.0})
    assert not timed
    assert shares(work) == {"int8": 0.5, "fp16": 0.5}


def engine(
    folder: Path, magic: bytes = b"vtrt", version: tuple[int, ...] = (1, 7, 1, 116), **beside: Any
) -> ModelFile:
    """Write the head of an engine, and a sidecar if *beside* is given."""
    path = folder / "model.engine"
    path.write_bytes(magic + bytes(20) + bytes(version) + bytes(100))
    if beside:
        told = {
            "product": "tensorrt-rtx",
            "engine_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "version": "1.7.1.116",
            "precision": "int8",
            "coverage": {"int8": 0.95, "fp32": 0.05},
            "layers": [{"name": "c", "kind": "CONVOLUTION", "precision": "int8"}],
            "inputs": [{"name": "images", "shape": [None, 3, 32, 32], "dtype": "FLOAT"}],
            "outputs": [{"name": "y", "shape": [None, 8, 16, 16], "dtype": "FLOAT"}],
            "batches": [1, 1, 4],
            "compute_capabilities": [],
            "build_s": 1.5,
        } | beside
        (folder / "network.json").write_text(json.dumps(told))
    return ModelFile(Variant(format="tensorrt-rtx-engine", precision="int8"), path=path)


def request_of(**changes: Any) -> Request:
    return replace(Request("int8", "cuda", 1, SHAPE), **changes)


def opened(model: ModelFile, **changes: Any) -> None:
    with TensorRtRtx().open(model, request_of(**changes)):
        pass


@pytest.fixture
def without_gpu() -> None:
    if cuda.absent("cuda") is None:
        pytest.skip("there is a GPU here")


def test_an_engine_without_a_gpu_is_compiled_only_with_what_was_built(tmp_path, without_gpu):
    with pytest.raises(CompiledOnly, match="NVIDIA driver") as caught:
        opened(engine(tmp_path, precision="int8"))
    placement = caught.value.placement
    assert isinstance(placement, Placement)
    assert placement.evidence == "compiled_only"
    assert placement.coverage == {"int8": 0.95, "fp32": 0.05}
    assert placement.precision == "int8"
    assert placement.in_precision.nodes == 0.95
    assert placement.on_device.best is None
    assert TensorRtRtx().absent("cuda") is None
    assert "NVIDIA driver" in (TensorRtRtx().absent("cuda:1") or "")


def test_what_was_said_of_another_engine_does_not_count(tmp_path, without_gpu):
    model = engine(tmp_path, precision="int8")
    assert model.path
    model.path.write_bytes(model.path.read_bytes() + b"other")
    with pytest.raises(CompiledOnly) as caught:
        opened(model)
    assert isinstance(caught.value.placement, Placement)
    assert caught.value.placement.precision == "unknown"


def test_a_ready_engine_claims_no_precision_that_nobody_saw(tmp_path, without_gpu):
    with pytest.raises(CompiledOnly) as caught:
        opened(engine(tmp_path))
    placement = caught.value.placement
    assert isinstance(placement, Placement)
    assert (placement.precision, placement.coverage) == ("unknown", {})
    assert placement.in_precision.nodes is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"input": InputShape((1, 3, 64, 64))}, "1, 3, 64, 64"),
        ({"input": InputShape((1, 3, 32, 32), "uint8")}, "uint8"),
        ({"input": InputShape((8, 3, 32, 32))}, "batches 1 to 4, not 8"),
    ],
)
def test_an_engine_for_another_input_is_refused_before_anything_is_loaded(change, told, tmp_path):
    with pytest.raises(ModelError, match=re.escape(told)):
        opened(engine(tmp_path, precision="int8"), **change)


@pytest.mark.parametrize(
    ("magic", "told"),
    [
        (b"ftrt", "an engine of TensorRT, where one of TensorRT-RTX is needed"),
        (b"PK\3\4", "not a whole engine"),
    ],
)
def test_a_file_that_is_no_engine_of_the_product_is_told_apart(magic, told, tmp_path):
    with pytest.raises(ModelError, match=told):
        opened(engine(tmp_path, magic))


def test_a_truncated_engine_is_an_error_that_names_it(tmp_path):
    model = engine(tmp_path)
    assert model.path
    model.path.write_bytes(b"vtrt\0\0")
    with pytest.raises(ModelError, match="not a whole engine"):
        opened(model)


def test_a_sidecar_that_nobody_wrote_is_an_error_that_names_it(tmp_path):
    model = engine(tmp_path, precision="int8")
    (tmp_path / "network.json").write_text('{"product": 3}')
    with pytest.raises(ModelError, match=r"network\.json"):
        opened(model)


def test_tensorrt_is_never_imported_without_a_driver(tmp_path, without_gpu):
    # Its runtime object segfaults on deletion.
    model = engine(tmp_path, b"ftrt", (11, 4, 0, 106))
    with (
        pytest.raises(PlacementError, match="NVIDIA driver"),
        TensorRt().open(model, request_of()),
    ):
        pass
    job = ConversionJob(tmp_path, SHAPE, target=Variant(format="tensorrt-engine"), device="cuda")
    with pytest.raises(ConversionError, match="NVIDIA driver"):
        TensorRtEngine().convert(ModelFile(Variant(format="onnx"), path=tmp_path / "m"), job)
    assert "tensorrt" not in sys.modules
    assert "NVIDIA driver" in (TensorRt().absent("cuda") or "")
    assert TensorRtEngine().chip("cuda") == {}


@pytest.mark.parametrize("runtime", [TensorRt(), TensorRtRtx()])
@pytest.mark.parametrize("device", ["cpu", "cuda:x", "npu"])
def test_a_device_that_is_no_gpu_is_an_error_that_lists_the_known(runtime, device, tmp_path):
    with (
        pytest.raises(PlacementError, match="knows no device") as caught,
        runtime.open(engine(tmp_path), request_of(device=device)),
    ):
        pass
    assert "cuda" in (caught.value.hint or "")


@pytest.mark.parametrize("runtime", [TensorRt(), TensorRtRtx()])
def test_a_checkup_never_raises_and_tells_what_is_missing(runtime):
    found = runtime.checkup()
    assert found
    assert all(one.hint for one in found if one.level != "ok")


@pytest.mark.parametrize(
    ("source", "made"),
    [
        (Variant(format="onnx"), ["fp32", "tf32", "bf16"]),
        (Variant(format="onnx", precision="fp16"), ["fp16"]),
        (Variant(format="onnx", precision="int8", target="tensorrt"), ["int8"]),
        (Variant(format="onnx", precision="int8"), ["int8"]),
        (Variant(format="onnx", precision="int8", target="cpu"), []),
        (Variant(format="onnx", precision="fp8"), ["fp8"]),
        (Variant(format="openvino-ir"), []),
    ],
)
def test_engines_are_offered_only_of_files_that_tensorrt_takes(source, made):
    assert [one.precision for one in targets(source, "tensorrt-engine")] == made


def test_fp8_is_offered_only_by_a_chip_that_has_it(without_gpu):
    assert TensorRt().accepts("fp8", "cuda") == ()
    assert TensorRt().accepts("int8-dynamic", "cuda") == ()


@pytest.mark.parametrize("runtime", [TensorRt(), TensorRtRtx()])
def test_an_engine_is_offered_on_gpus_alone(runtime):
    assert runtime.accepts("fp32", "cuda:1")
    assert runtime.accepts("fp32", "cpu") == ()


@pytest.mark.parametrize(
    ("given", "found"),
    [((None, None, None), (4, 4, 4)), ((1, None, 8), (1, 4, 8)), ((1, 2, None), (1, 2, 4))],
)
def test_a_batch_range_holds_the_suites_batch(given, found):
    assert batches(4, *given) == found


def test_bfloat16_bits_become_the_numbers_they_stand_for():
    values = np.array([1.0, -2.5, 0.0, 96.0], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(single(bits, "bfloat16"), values)


class VirtualCuda:
    """CUDA's runtime library with a clock of its own: a copy takes 3 ms, a launch 7 ms."""

    cudaError_t = SimpleNamespace(cudaSuccess=0, cudaErrorMemoryAllocation=2)  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815

    def __init__(self) -> None:
        self.ms, self.log, self.times = 0.0, [], {}

    def __getattr__(self, name: str) -> Any:
        made = {"cudaStreamCreateWithFlags": 1, "cudaMalloc": 4096}
        return lambda *_: (self.log.append(name), (0, made[name]) if name in made else (0,))[1]

    def cudaMemcpyAsync(self, *_: Any) -> tuple[int]:
        self.ms += 3
        return (0,)

    def cudaEventCreate(self) -> tuple[int, int]:
        self.times[len(self.times)] = None
        return 0, len(self.times) - 1

    def cudaEventRecord(self, event: int, stream: int) -> tuple[int]:
        self.times[event] = self.ms
        self.ms += 100  # the host, which takes its time before the next call, is not counted
        self.log.append("record")
        return (0,)

    def cudaEventElapsedTime(self, start: int, end: int) -> tuple[int, float]:
        return 0, self.times[end] - self.times[start] - 100


def virtual_session(monkeypatch: pytest.MonkeyPatch) -> tuple[EngineSession, VirtualCuda]:
    """Return a session of an engine with one input and two outputs on a virtual device."""
    device = VirtualCuda()
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.bindings", SimpleNamespace(runtime=device))

    def launch(stream: int) -> bool:
        device.ms += 7
        return True

    specs = [TensorSpec(name=name, shape=(1, 2), dtype="float32") for name in ("x", "a", "b")]
    context = SimpleNamespace(
        get_tensor_shape=lambda name: (1, 2),
        set_tensor_address=lambda name, address: None,
        execute_async_v3=launch,
    )
    file = SimpleNamespace(model=SimpleNamespace(path=Path("net.engine")), name="TensorRT")
    loaded: Any = SimpleNamespace(
        file=file,
        tensors=lambda: (specs[:1], specs[1:]),
        context=lambda *_: context,
        linear=lambda name: True,
    )
    request = Request("fp32", "cuda", 1, InputShape((1, 2)))
    return EngineSession(loaded, Gpu("cuda", "tensorrt"), request, graph=False), device


def test_an_engine_tells_the_devices_own_time_of_each_verb_of_the_last_query(monkeypatch):
    session, device = virtual_session(monkeypatch)
    assert isinstance(session, DeviceTimed)
    assert session.device_ns() is None
    for _ in range(2):
        session.download(session.run(session.upload({"x": np.zeros((1, 2), np.float32)})))
        assert session.device_ns() == {"upload": 3_000_000, "run": 7_000_000, "download": 6_000_000}
    # Each verb waits once, as it did before there were events, and after its end is noted.
    verb = ["record", "record", "cudaStreamSynchronize"]
    assert [one for one in device.log if one in verb] == verb * 6


def test_a_closed_device_gives_its_events_back(monkeypatch):
    session, device = virtual_session(monkeypatch)
    session._gpu.close()
    assert device.log.count("cudaEventDestroy") == len(device.times) == 6
