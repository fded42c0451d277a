"""The wheel with the GPU providers, on a machine without a GPU: nothing falls back in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from benchbench import cuda
from benchbench.errors import ModelError, PlacementError
from benchbench.runtimes import ort_install
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.runtimes.ort_sessions import Maker, Wish
from benchbench.types import ModelFile, Request
from tests.nvidia import nets

onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = [
    pytest.mark.skipif(
        ort_install.version("onnxruntime-gpu") is None, reason="onnxruntime-gpu is not installed"
    ),
    pytest.mark.skipif(cuda.absent("cuda") is None, reason="there is a GPU here"),
]


@pytest.fixture
def model(tmp_path: Any) -> ModelFile:
    return nets.file(nets.floating(tmp_path / "m.onnx"))


def wish(model: ModelFile, provider: str, **changes: Any) -> Wish:
    return Wish(model, Request("fp32", "cuda", 1, nets.SHAPE), provider, **changes)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_without_a_gpu_is_absent_and_refused(provider, model):
    runtime = OnnxRuntime(provider=provider)
    assert "NVIDIA driver" in (runtime.absent("cuda") or "")
    with (
        pytest.raises(PlacementError, match="NVIDIA driver"),
        runtime.open(model, Request("fp32", "cuda", 1, nets.SHAPE)),
    ):
        pass


@pytest.mark.parametrize("fallback", [False, True])
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_the_silent_fall_back_of_a_session_is_caught(provider, fallback, model):
    # Past the check of the driver: as on a machine whose CUDA libraries are missing.
    with pytest.raises(PlacementError, match=ort_install.NAMES[provider]) as caught:
        Maker(wish(model, provider, cpu_fallback=fallback))()
    assert "pip install" in (caught.value.hint or "")


def test_the_library_itself_would_have_fallen_back_in_silence(model):
    session = onnxruntime.InferenceSession(str(model.path), providers=["CUDAExecutionProvider"])
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def test_a_broken_file_is_not_blamed_on_the_provider(model, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        Maker(wish(nets.file(broken), "cuda"))()


def test_a_misspelt_provider_is_no_option():
    with pytest.raises(ValidationError, match="provider"):
        OnnxRuntime(provider="cudaa")


def test_the_cpu_runs_with_the_same_wheel(model):
    with OnnxRuntime().open(model, Request("fp32", "cpu", 1, nets.SHAPE)) as session:
        handle = session.upload({"images": nets.image()})
        session.run(handle)
        (got,) = session.download(handle).values()
        placement = session.placement()
    np.testing.assert_allclose(got, nets.reference(nets.image()), atol=1e-4)
    assert placement.on_device.nodes == 1


def test_the_checkup_tells_usable_providers_from_listed_ones():
    found = OnnxRuntime().checkup()
    usable = next(one.message for one in found if one.message.startswith("usable"))
    assert usable == "usable providers: CPUExecutionProvider"
    (lost,) = [one for one in found if "without a usable device" in one.message]
    assert lost.level == "warning"
    assert "CUDAExecutionProvider, TensorrtExecutionProvider" in lost.message
    assert "NVIDIA driver" in (lost.hint or "")


def test_the_provider_links_the_tensorrt_and_cuda_that_are_told():
    assert ort_install.linked(b"libnvinfer") == "10"
    assert ort_install.linked(b"libcudart") == "13"


def test_two_packages_that_overwrite_each_other_are_found(monkeypatch, tmp_path):
    info = tmp_path / "onnxruntime-1.20.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.20.0\n")
    other = tmp_path / "tensorrt-11.4.0.106.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorrt\nVersion: 11.4.0.106\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = OnnxRuntime().checkup()
    (doubled,) = [one for one in found if one.level == "error"]
    assert "onnxruntime and onnxruntime-gpu write the same files" in doubled.message
    assert doubled.hint.startswith("pip uninstall -y onnxruntime onnxruntime-gpu")
    (foreign,) = [one for one in found if "TensorRT 11.4.0.106" in one.message]
    assert "links TensorRT 10" in foreign.message
