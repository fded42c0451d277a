"""What a session costs beside a bare loop over the library's own interface.

Both sides take turns, in alternating order, with the same artifact, threads, inputs and copies,
so that a noisy neighbour hits both; each pair of turns gives a ratio, and their median is the
finding. More turns are taken while a busy machine blurs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.types import InputShape, ModelFile, Request, Variant
from tests import small_model

LIMIT = 1.02
ROUND, ROUNDS = 80, 12
"""Pairs of turns in a round; rounds before the limit counts as missed."""


@dataclass(frozen=True)
class Subject:
    """A network with the file that a runtime takes, and its input."""

    module: Callable[[], Any]
    onnx: Path
    shape: InputShape
    folder: Path

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
    for name in ("torch", "onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    found = {}
    for name, module, shape in (
        ("middling", _middling, InputShape((1, 3, 224, 224))),
        ("tiny", small_model.module, small_model.SHAPE),
    ):
        job = replace(small_model.job(tmp_path_factory.mktemp(name)), input=shape)
        source = ModelFile(Variant(format="torch-module"), load=module)
        found[name] = Subject(module, TorchOnnx().convert(source, job), shape, job.folder)
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


def bare_opencv(subject: Subject) -> Callable[[Any], list[Any]]:
    import cv2

    net = cv2.dnn.readNetFromONNX(str(subject.onnx))
    names = net.getUnconnectedOutLayersNames()

    def infer(image: Any) -> list[Any]:
        net.setInput(image, "images")
        return list(net.forward(names))

    return infer


def bare_ncnn(subject: Subject) -> Callable[[Any], list[Any]]:
    import ncnn

    param = ncnn_file(subject)
    net = ncnn.Net()
    for flag in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{flag}", False)
    net.opt.num_threads = 1
    net.load_param(str(param))
    net.load_model(str(param.with_suffix(".bin")))
    (name,), names = net.input_names(), sorted(net.output_names())

    def infer(image: Any) -> list[Any]:
        extractor = net.create_extractor()
        extractor.input(name, ncnn.Mat(image, batch_index=0))
        return [extractor.extract(one)[1].numpy(batch_index=0) for one in names]

    return infer


def bare_executorch(subject: Subject) -> Callable[[Any], list[Any]]:
    import torch

    with warnings.catch_warnings():
        # What the library's own imports warn of is not ours to mend.
        warnings.simplefilter("ignore")
        from executorch.extension.pybindings import portable_lib

    program = portable_lib._load_for_executorch(str(executorch_file(subject)))

    def infer(image: Any) -> list[Any]:
        found = program.forward((torch.from_numpy(image),), clone_outputs=False)
        return [one.numpy().copy() for one in found]

    return infer


def onnx_file(subject: Subject) -> Path:
    return subject.onnx


def ncnn_file(subject: Subject) -> Path:
    from benchbench.conversions.ncnn import Ncnn

    return made(subject, "ncnn", Ncnn())


def executorch_file(subject: Subject) -> Path:
    from benchbench.conversions.executorch import ExecuTorch

    return made(subject, "executorch", ExecuTorch())


def made(subject: Subject, form: str, conversion: Any) -> Path:
    """Return the file that *conversion* makes of the module, made once."""
    folder = subject.folder / form
    known = list(folder.glob("*.p*")) if folder.is_dir() else []
    if known:
        return next(path for path in known if path.suffix in {".param", ".pte"})
    folder.mkdir()
    job = replace(small_model.job(folder), input=subject.shape, target=Variant(format=form))
    source = ModelFile(Variant(format="torch-module"), load=subject.module)
    return conversion.convert(source, job)


Bare = Callable[[Subject], Callable[[Any], list[Any]]]
CASES: dict[str, tuple[tuple[str, ...], str, str, Bare, Callable[[Subject], Path] | None]] = {
    "torch": (("torch",), "torch:Torch", "torch-module", bare_torch, None),
    "onnxruntime": ((), "onnxruntime:OnnxRuntime", "onnx", bare_onnxruntime, onnx_file),
    "openvino": (("openvino",), "openvino:OpenVino", "onnx", bare_openvino, onnx_file),
    "opencv": (("cv2",), "opencv:OpenCv", "onnx", bare_opencv, onnx_file),
    "ncnn": (("ncnn", "pnnx"), "ncnn:Ncnn", "ncnn", bare_ncnn, ncnn_file),
    "executorch": (
        ("executorch",),
        "executorch:ExecuTorch",
        "executorch",
        bare_executorch,
        executorch_file,
    ),
}
"""Modules needed; the runtime; its format; the bare loop; how its file is made."""


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
    modules, where, form, make_bare, make_file = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in modules:
            pytest.importorskip(module)
    place, _, kind = where.partition(":")
    runtime = getattr(import_module(f"benchbench.runtimes.{place}"), kind)()
    model = ModelFile(
        Variant(format=form),
        path=make_file(subject) if make_file else None,
        load=None if make_file else subject.module,
    )
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries', when they are imported
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


def test_litert_is_at_most_two_hundredths_slower_than_the_bare_library(data_dir, benchmark):
    """On a real file: torch cannot write one without litert-torch."""
    pytest.importorskip("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter

    from benchbench.runtimes.litert import LiteRt

    path = data_dir / "models/tflite/pretrainedResnet.tflite"
    # One image takes 0.3 ms, of which a busy machine's noise is more than two hundredths.
    shape = InputShape((16, 32, 32, 3))
    image = np.random.default_rng(0).random(shape.shape, np.float32)
    bare = Interpreter(model_path=str(path), num_threads=1)
    bare.resize_tensor_input(bare.get_input_details()[0]["index"], shape.shape)
    bare.allocate_tensors()
    ends = bare.get_input_details()[0]["index"], bare.get_output_details()[0]["index"]

    def infer(array: Any) -> Any:
        bare.set_tensor(ends[0], array)
        bare.invoke()
        return bare.get_tensor(ends[1])

    model = ModelFile(Variant(format="tflite"), path=path)
    with LiteRt().open(model, Request("fp32", "cpu", 1, shape)) as session:

        def three_verbs(array: Any) -> Any:
            handle = session.upload({session.inputs[0].name: array})
            session.run(handle)
            return session.download(handle)

        np.testing.assert_allclose(next(iter(three_verbs(image).values())), infer(image), atol=1e-5)
        found = benchmark.pedantic(
            settled, args=(image, three_verbs, infer), rounds=1, iterations=1
        )
    benchmark.extra_info |= {"ratio": round(ratio(found), 4), "pairs": len(found)}
    assert ratio(found) <= LIMIT
