"""The torch runtime on an NVIDIA GPU."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench import cuda
from benchbench.protocols import DeviceTimed
from benchbench.runtimes.torch import Torch
from benchbench.runtimes.torch_cuda import CudaSession, absent
from benchbench.types import InputShape, ModelFile, Request, Variant
from tests import small_model

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        cuda.absent("cuda") is not None or absent("cuda") is not None,
        reason=f"torch has no GPU here: {absent('cuda')}",
    ),
]

REQUEST = Request("fp32", "cuda", 1, small_model.SHAPE)
WIDE = Request("fp32", "cuda", 1, InputShape((8, 64, 64, 64)))


def wide() -> ModelFile:
    """Return a network whose convolutions are large enough for tensor cores."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [torch.nn.Conv2d(64, 64, 3, 1, 1), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 1)]
        net = torch.nn.Sequential(*layers).eval()
    return ModelFile(Variant(format="torch-module"), load=lambda: net)


def infer(session: Any, image: Any) -> list[Any]:
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return list(session.download(handle).values())


@pytest.mark.parametrize("mode", ["eager", "compile"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_the_kernels_are_of_the_precision_asked_for(precision, mode, tmp_path):
    if precision == "tf32" and not cuda.computes_tf32("cuda"):
        pytest.skip("this GPU has no TF32")
    request = replace(WIDE, precision=precision, cache=tmp_path)
    with Torch(mode=mode).open(wide(), request) as session:
        assert isinstance(session, CudaSession)
        placement = session.placement()
    assert placement.precision == precision, placement.details["kernels"]
    assert placement.evidence == "measured"
    assert placement.provider == "cuda"
    assert placement.device == "cuda"


def test_fp32_agrees_with_the_cpu_and_everything_ran_on_the_gpu():
    image = next(small_model.feeds())
    with Torch().open(small_model.torch_file(), REQUEST) as session:
        outputs = infer(session, image)
        placement = session.placement()
    assert placement.on_device.nodes == 1.0
    assert placement.details["allow_tf32"] == "products False, cuDNN False"
    for got, want in zip(outputs, small_model.reference(image), strict=True):
        assert got.dtype == np.float32
        assert np.abs(got - want).max() < 1e-3 * want.std()


@pytest.mark.parametrize("form", ["torchscript", "pt2"])
def test_files_are_moved_to_the_gpu(form, tmp_path):
    save = {"torchscript": small_model.save_torchscript, "pt2": small_model.save_exported}[form]
    model = ModelFile(Variant(format=form), path=save(tmp_path / "model"))
    image = next(small_model.feeds())
    with Torch().open(model, REQUEST) as session:
        outputs = infer(session, image)
        assert session.placement().device == "cuda"
    for got, want in zip(outputs, small_model.reference(image), strict=True):
        assert np.abs(got - want).max() < 1e-3 * want.std()


def test_run_waits_for_the_device():
    with Torch().open(wide(), WIDE) as session:
        handle = session.upload({"images": np.zeros(WIDE.input.shape, np.float32)})
        for _ in range(20):
            session.run(handle)
            assert torch.cuda.current_stream().query()


def test_tf32_is_as_it_was_after_the_session():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with Torch().open(wide(), replace(WIDE, precision="tf32")):
        assert torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_downloaded_arrays_survive_the_next_run():
    one, two = small_model.feeds(2)
    with Torch().open(small_model.torch_file(), REQUEST) as session:
        first = infer(session, one)
        kept = [array.copy() for array in first]
        infer(session, two)
    for array, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_devices_own_times_lie_within_the_hosts():
    image = np.random.default_rng(0).standard_normal(WIDE.input.shape).astype(np.float32)
    with Torch().open(wide(), WIDE) as session:
        assert isinstance(session, DeviceTimed)
        infer(session, image)
        handle = session.upload({session.inputs[0].name: image})
        start = perf_counter_ns()
        session.run(handle)
        host = perf_counter_ns() - start
        session.download(handle)
        found = session.device_ns()
    assert found is not None
    assert set(found) == {"upload", "run", "download"}
    assert 0 < found["run"] <= host + 1000  # CUDA tells half microseconds
