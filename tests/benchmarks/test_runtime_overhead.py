"""What a session costs beside a bare loop over the library's own interface.

Both sides take turns, in alternating order, with the same artifact, threads, inputs and copies,
so that a noisy neighbour hits both; each pair of turns gives a ratio, and their median is the
finding. More turns are taken while a busy machine blurs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.runtimes.onnxruntime import OnnxRuntime
from benchbench.runtimes.openvino import OpenVino
from benchbench.runtimes.torch import Torch
from benchbench.types import InputShape, ModelFile, Request, Variant
from tests import small_model

LIMIT = 1.02
ROUND, ROUNDS = 80, 12
"""Pairs of turns in a round; rounds before the limit counts as missed."""


@dataclass(frozen=True)
class Subject:
    """A network with its onnx file and its input."""

    module: Callable[[], Any]
    onnx: Path
    shape: InputShape

    @property
    def image(self) -> Any:
        """Return a fixed image."""
        return np.random.default_rng(0).standard_normal(self.shape.shape).astype(np.float32)


def _middling() -> Any:
    """Return a network of some 400 million products: a few milliseconds on one thread."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = [layer for _ in range(4) for layer in (nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU())]
        return nn.Sequential(nn.Conv2d(3, 64, 3, 4, 1), nn.ReLU(), *body).eval()


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: Any) -> dict[str, Subject]:
    for name in ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"):
        pytest.importorskip(name)
    found = {}
    for name, module, shape in (
        ("middling", _middling, InputShape((1, 3, 224, 224))),
        ("tiny", small_model.module, small_model.SHAPE),
    ):
        job = replace(small_model.job(tmp_path_factory.mktemp(name)), input=shape)
        source = ModelFile(Variant(format="torch-module"), load=module)
        found[name] = Subject(module, TorchOnnx().convert(source, job), shape)
    return found


def bare_torch(subject: Subject) -> Callable[[Any], list[Any]]:
    import torch

    module = subject.module().to(memory_format=torch.channels_last)
    for parameter in module.parameters():
        parameter.requires_grad_(False)

    def infer(image: Any) -> list[Any]:
        found = module(torch.from_numpy(image).to(memory_format=torch.channels_last))
        tensors = found if isinstance(found, tuple) else (found,)
        return [one.contiguous().numpy() for one in tensors]

    return infer


def bare_onnxruntime(subject: Subject) -> Callable[[Any], list[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(subject.onnx), options, providers=["CPUExecutionProvider"]
    )
    return lambda image: session.run(None, {"images": image})


def bare_openvino(subject: Subject) -> Callable[[Any], list[Any]]:
    import openvino

    core = openvino.Core()
    network = core.read_model(str(subject.onnx))
    network.reshape(list(subject.shape.shape))
    config = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(network, "CPU", config).create_infer_request()
    return lambda image: list(request.infer([image], share_inputs=True).values())


CASES: dict[str, tuple[Any, Callable[[Subject], Callable[[Any], list[Any]]]]] = {
    "torch": (Torch(), bare_torch),
    "onnxruntime": (OnnxRuntime(), bare_onnxruntime),
    "openvino": (OpenVino(), bare_openvino),
}


def taken_ns(side: Callable[[Any], Any], image: Any) -> int:
    start = perf_counter_ns()
    side(image)
    return perf_counter_ns() - start


def pairs(image: Any, ours: Callable[[Any], Any], bare: Callable[[Any], Any]) -> Any:
    """Return (ROUND, 2) nanoseconds: ours, bare; every other pair starts with the other side."""
    found = []
    for turn in range(ROUND):
        first, second = (ours, bare) if turn % 2 else (bare, ours)
        times = taken_ns(first, image), taken_ns(second, image)
        found.append(times if turn % 2 else times[::-1])
    return np.array(found)


def settled(image: Any, ours: Callable[[Any], Any], bare: Callable[[Any], Any]) -> Any:
    """Return the pairs of as many rounds as it takes for the median ratio to keep the limit."""
    pairs(image, ours, bare)
    found = np.empty((0, 2))
    for index in range(ROUNDS):
        found = np.concatenate([found, pairs(image, ours, bare)])
        if index and ratio(found) <= LIMIT:
            break
    return found


def ratio(found: Any) -> float:
    return float(np.median(found[:, 0] / found[:, 1]))


def overhead(name: str, subject: Subject, judge: Callable[..., Any]) -> Any:
    """Return what *judge* gives for a session's three verbs and the bare loop."""
    runtime, make_bare = CASES[name]
    model = ModelFile(Variant(format="onnx"), path=subject.onnx)
    if name == "torch":
        model = ModelFile(Variant(format="torch-module"), load=subject.module)
    with runtime.open(model, Request("fp32", "cpu", 1, subject.shape)) as session:
        bare = make_bare(subject)
        (spec,) = session.inputs

        def three_verbs(array: Any) -> Any:
            handle = session.upload({spec.name: array})
            session.run(handle)
            return session.download(handle)

        both = zip(three_verbs(subject.image).values(), bare(subject.image), strict=True)
        for mine, theirs in both:
            np.testing.assert_allclose(mine, theirs, atol=1e-4)
        return judge(subject.image, three_verbs, bare)


@pytest.mark.parametrize("name", CASES)
def test_a_session_is_at_most_two_hundredths_slower_than_the_bare_library(
    name, subjects, benchmark
):
    found = benchmark.pedantic(
        overhead, args=(name, subjects["middling"], settled), rounds=1, iterations=1
    )
    small = overhead(name, subjects["tiny"], pairs)
    benchmark.extra_info |= {
        "ratio": round(ratio(found), 4),
        "pairs": len(found),
        "bare_ms": round(float(np.median(found[:, 1])) / 1e6, 3),
        "tiny_model_overhead_us": round(float(np.median(small[:, 0] - small[:, 1])) / 1e3, 2),
    }
    assert ratio(found) <= LIMIT
