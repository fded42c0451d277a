"""ONNX Runtime's CUDA and TensorRT providers on a GPU: every node there, the numbers right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import cuda
from benchbench.errors import PlacementError
from benchbench.runtimes import ort_install
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.types import ModelFile, Request
from tests.nvidia import nets

REASON = cuda.absent("cuda")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    pytest.mark.skipif(
        ort_install.version("onnxruntime-gpu") is None, reason="onnxruntime-gpu is not installed"
    ),
]
WORST = {"fp32": 1e-5, "tf32": 5e-3, "fp16": 5e-3, "int8": 0.2}
CASES = [
    ("cuda", "fp32"),
    ("cuda", "tf32"),
    ("cuda", "fp16"),
    ("tensorrt", "tf32"),
    ("tensorrt", "fp16"),
    ("tensorrt", "int8"),
]


@pytest.fixture(autouse=True)
def _tensorrt(request: pytest.FixtureRequest) -> None:
    """Skip what asks for TensorRT where the version that the provider links is not installed."""
    wanted = "tensorrt" in request.node.name.partition("[")[2]
    found, linked = ort_install.version("tensorrt") or "", ort_install.linked(b"libnvinfer")
    if wanted and found.partition(".")[0] != linked:
        pytest.skip(f"the provider links TensorRT {linked}, and here is {found or 'none'}")


def source(folder: Path, precision: str) -> ModelFile:
    path = folder / "net.onnx"
    if precision == "int8":
        return nets.file(nets.quantized(path, "tensorrt"), "int8", "tensorrt")
    half = precision == "fp16"
    nets.floating(path, "float16" if half else "float32")
    return nets.file(path, "fp16" if half else "fp32")


def request_of(precision: Any, **changes: Any) -> Request:
    return replace(Request(precision, "cuda", 1, nets.SHAPE), **changes)


def infer(session: Any, image: Any) -> Any:
    handle = session.upload({"images": image})
    session.run(handle)
    (found,) = session.download(handle).values()
    return found


@pytest.mark.parametrize(("provider", "precision"), CASES)
def test_every_node_runs_on_the_gpu_and_the_numbers_are_right(provider, precision, tmp_path):
    model = source(tmp_path, precision)
    asked = request_of(precision, cache=tmp_path)
    with OnnxRuntime(provider=provider).open(model, asked) as session:
        placement = session.placement()
        outputs = [infer(session, nets.image(seed)) for seed in range(3)]
    for seed, found in enumerate(outputs):
        assert np.abs(found - nets.reference(nets.image(seed))).max() < WORST[precision]
    assert placement.provider == ort_install.NAMES[provider]
    assert placement.on_device.nodes == 1
    lacks = precision == "tf32" and not cuda.computes_tf32("cuda")
    assert placement.precision == ("fp32" if lacks else precision)
    assert placement.evidence == ("measured" if provider == "cuda" else "proxy")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_node_that_only_the_cpu_has_is_an_error_until_it_is_allowed(provider, tmp_path):
    model = nets.file(nets.floating(tmp_path / "net.onnx", extra="Hardmax"))
    asked = request_of("tf32", cache=tmp_path)
    with (
        pytest.raises(PlacementError, match="Hardmax"),
        OnnxRuntime(provider=provider).open(model, asked),
    ):
        pass
    with OnnxRuntime(provider=provider, cpu_fallback=True).open(model, asked) as session:
        placement = session.placement()
    assert placement.provider == ort_install.NAMES[provider]
    assert 0 < (placement.on_device.nodes or 0) < 1


def test_fp32_through_tensorrt_is_refused_while_the_environment_allows_tf32(monkeypatch):
    if not cuda.computes_tf32("cuda"):
        pytest.skip("this GPU has no tf32")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    with pytest.raises(PlacementError, match="in tf32"):
        OnnxRuntime(provider="tensorrt").accepts("fp32", "cuda")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert OnnxRuntime(provider="tensorrt").accepts("fp32", "cuda")


@pytest.mark.parametrize("provider", ["tensorrt"])
def test_a_second_session_finds_the_engine_of_the_first(provider, tmp_path):
    model, asked = source(tmp_path, "fp16"), request_of("fp16", cache=tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    times = []
    for _ in range(2):
        with OnnxRuntime(provider=provider).open(model, asked) as session:
            infer(session, nets.image())
        times.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.engine")})
    assert times[0]
    assert times[0] == times[1]


def test_downloaded_arrays_survive_the_next_run(tmp_path):
    with OnnxRuntime(provider="cuda").open(source(tmp_path, "fp32"), request_of("fp32")) as session:
        first = infer(session, nets.image(1))
        kept = first.copy()
        infer(session, nets.image(2))
    np.testing.assert_array_equal(first, kept)


def test_the_checkup_tells_that_cuda_is_usable():
    found = OnnxRuntime(provider="cuda").checkup()
    (usable,) = [one.message for one in found if one.message.startswith("usable")]
    assert "CUDAExecutionProvider" in usable
