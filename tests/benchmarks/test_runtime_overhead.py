"""What a session costs beside a bare loop over the library's own interface.

Interleaved: both sides take turns, so that a noisy neighbour hits both. The ratio is the finding
(``--benchmark-enable`` shows it under extra_info); only a gross one fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.runtimes.openvino import OpenVino
from benchbench.runtimes.torch import Torch
from benchbench.types import ModelFile, Request, Variant
from tests import small_model

TURNS = 150


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: Any) -> ModelFile:
    for name in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(name)
    job = small_model.job(tmp_path_factory.mktemp("overhead"))
    path = TorchOnnx().convert(small_model.torch_file(), job)
    return ModelFile(Variant(format="onnx"), path=path)


def bare_torch(path: Path) -> Callable[[Any], Any]:
    import torch

    module = small_model.module().to(memory_format=torch.channels_last)

    def infer(image: Any) -> Any:
        tensor = torch.from_numpy(image).contiguous(memory_format=torch.channels_last)
        return [one.contiguous().numpy() for one in module(tensor)]

    return infer


def bare_onnxruntime(path: Path) -> Callable[[Any], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    return lambda image: session.run(None, {"images": image})


def bare_openvino(path: Path) -> Callable[[Any], Any]:
    import openvino

    core = openvino.Core()
    network = core.read_model(str(path))
    network.reshape([1, 3, 64, 64])
    config = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(network, "CPU", config).create_infer_request()
    return lambda image: request.infer([image], share_inputs=True)


CASES = {
    "torch": (Torch(), bare_torch),
    "onnxruntime": (OnnxRuntime(), bare_onnxruntime),
    "openvino": (OpenVino(), bare_openvino),
}


def interleaved_medians(image: Any, *sides: Callable[[Any], Any]) -> list[float]:
    samples: list[list[int]] = [[] for _ in sides]
    for _ in range(TURNS):
        for side, taken in zip(sides, samples, strict=True):
            start = perf_counter_ns()
            side(image)
            taken.append(perf_counter_ns() - start)
    return [float(np.median(taken[TURNS // 10 :])) for taken in samples]


@pytest.mark.parametrize("name", CASES)
def test_a_session_costs_about_what_the_bare_library_costs(name, onnx_file, benchmark):
    runtime, make_bare = CASES[name]
    model = small_model.torch_file() if name == "torch" else onnx_file
    image = next(small_model.feeds())
    with runtime.open(model, Request("fp32", "cpu", 1, small_model.SHAPE)) as session:
        bare = make_bare(onnx_file.path)

        def three_verbs(array: Any) -> Any:
            handle = session.upload({"images": array})
            session.run(handle)
            return session.download(handle)

        for mine, theirs in zip(three_verbs(image).values(), _arrays(bare(image)), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-4)
        ours_ns, bare_ns = interleaved_medians(image, three_verbs, bare)
        benchmark.extra_info |= {
            "ratio": round(ours_ns / bare_ns, 4),
            "overhead_us": round((ours_ns - bare_ns) / 1000, 2),
        }
        benchmark.pedantic(three_verbs, args=(image,), rounds=20)
    assert ours_ns < 2 * bare_ns


def _arrays(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else list(outputs.values())
