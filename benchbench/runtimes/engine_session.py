"""Run an engine of TensorRT or TensorRT-RTX on one GPU: the same calls for both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import cuda
from benchbench.errors import ModelError, PlacementError
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    check_input,
    cpus,
    effective,
    probe,
    share_in,
    shares,
)
from benchbench.runtimes.cudart import Gpu
from benchbench.runtimes.engine_layers import layer_work
from benchbench.runtimes.engine_library import Loaded, profiler
from benchbench.runtimes.engines import Engine
from benchbench.types import (
    Evidence,
    Feed,
    Placement,
    Request,
    Share,
    TensorSpec,
)

VERBS = ("upload", "run", "download")


@contextmanager
def session(
    trt: Any,
    file: Engine,
    request: Request,
    make_context: Callable[[Any], Any],
    *,
    graph: bool,
) -> Iterator[EngineSession]:
    """Load an engine on ``request.device``; the caller has seen that a driver is there.

    *make_context* makes an execution context of the loaded engine. Raises ModelError if the
    library refuses the engine or its tensors do not fit.
    """
    with ExitStack() as stack:
        gpu = Gpu(request.device, file.product)
        stack.callback(gpu.close)
        loaded = Loaded(trt, file, make_context)
        yield EngineSession(loaded, gpu, request, graph=graph)


class EngineSession:
    """One engine with buffers on the device; each verb waits for the device."""

    def __init__(self, loaded: Loaded, gpu: Gpu, request: Request, *, graph: bool) -> None:
        self._loaded, self._gpu, self._request = loaded, gpu, request
        inputs, outputs = loaded.tensors()
        spec = check_input(loaded.file.model.path, inputs, request.input)
        self.inputs: Sequence[TensorSpec] = (spec,)
        self._context = loaded.context(spec.name, request.input.shape)
        self._addresses: dict[str, int] = {}
        self._outputs = [self._prepared(one) for one in outputs]
        self._check_linear(spec)
        size = math.prod(request.input.shape) * np.dtype(request.input.dtype).itemsize
        self._addresses[spec.name] = gpu.allocate(size)
        self._bind(self._context)
        self._marks = {verb: (gpu.event(), gpu.event()) for verb in VERBS}
        self._done = False
        self._launch: Callable[[], Any] = self._enqueue
        if graph:
            self._enqueue()  # a first run settles what may not be settled while recording
            gpu.wait()
            self._launch = gpu.captured(self._enqueue)

    def _prepared(self, spec: TensorSpec) -> tuple[TensorSpec, NDArray[Any]]:
        """Return an output and an empty array of its kind, with memory for it on the device."""
        path, shape = self._loaded.file.model.path, tuple(self._context.get_tensor_shape(spec.name))
        if -1 in shape:
            raise ModelError(
                f"{path}: the shape of the output '{spec.name}' depends on the data",
                hint="export the model without what selects boxes (NMS, NonZero); the decoder "
                "does that",
            )
        self._check_linear(spec)
        array = np.empty(shape, _NUMPY[spec.dtype])
        self._addresses[spec.name] = self._gpu.allocate(array.nbytes)
        return spec, array

    def _check_linear(self, spec: TensorSpec) -> None:
        if not self._loaded.linear(spec.name) or spec.dtype not in _NUMPY:
            raise ModelError(
                f"{self._loaded.file.model.path}: the tensor '{spec.name}' ({spec.dtype}) is not "
                "laid out as numpy has it",
                hint="build the engine with linear inputs and outputs",
            )

    def _bind(self, context: Any) -> None:
        for name, address in self._addresses.items():
            context.set_tensor_address(name, address)

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._gpu.stream):
            raise PlacementError(f"{self._loaded.file.name} could not start the engine")

    def upload(self, feed: Feed) -> Any:
        """Copy the image to the device."""
        (array,) = feed.values()
        rows = np.ascontiguousarray(array)  # held until the copy is done
        start, end = self._marks["upload"]
        self._gpu.mark(start)
        self._gpu.copy_in(self._addresses[self.inputs[0].name], rows)
        self._gpu.mark(end)
        self._gpu.wait()
        return self

    def run(self, handle: Any) -> None:  # noqa: ARG002 - the buffers are the session's own
        """Infer, and wait for the stream."""
        start, end = self._marks["run"]
        self._gpu.mark(start)
        self._launch()
        self._gpu.mark(end)
        self._gpu.wait()

    def download(self, handle: Any) -> Feed:  # noqa: ARG002
        """Return the outputs as new arrays."""
        copies = [(spec, np.empty_like(array)) for spec, array in self._outputs]
        start, end = self._marks["download"]
        self._gpu.mark(start)
        for spec, array in copies:
            self._gpu.copy_out(array, self._addresses[spec.name])
        self._gpu.mark(end)
        self._gpu.wait()
        self._done = True
        return {spec.name: single(array, spec.dtype) for spec, array in copies}

    def device_ns(self) -> Mapping[str, int] | None:
        """Return the stream's own time of each verb of the last query; None before the first."""
        if not self._done:
            return None
        return {verb: self._gpu.between_ns(*pair) for verb, pair in self._marks.items()}

    def placement(self) -> Placement:
        """Ask the inspector for each layer's kernel, and a profiled run for its time."""
        request, name = self._request, self._loaded.file.name
        information = self._loaded.information(self._context)
        kernels, work, timed = layer_work(information, self._times())
        evidence: Evidence = "measured"
        source = "engine inspector, weighted by the layers' times" if timed else "engine inspector"
        beside = self._loaded.file.beside
        if beside and {kind for kind, _ in work} <= {"unknown"}:
            work, timed = [(layer.precision, 1.0) for layer in beside.layers], False
            evidence = "proxy"
            source = "types of the network that was built; the inspector names no kernels"
        coverage = shares(work)
        return Placement(
            requested_provider=name,
            provider=name,
            requested_device=request.device,
            device=request.device,
            requested_precision=request.precision,
            precision=effective(coverage),
            threads=request.threads,
            affinity=cpus(),
            coverage=coverage,
            # An engine runs nowhere else.
            on_device=Share(nodes=1.0, time=1.0 if timed else None),
            in_precision=share_in(work, request.precision, timed=timed),
            evidence=evidence,
            source=source,
            details=self._details(information, kernels),
        )

    def _details(self, information: dict[str, Any], kernels: list[str]) -> dict[str, str]:
        return {
            "version": str(self._loaded.trt.__version__),
            **cuda.describe(self._request.device),
            "layers": str(len(information.get("Layers", []))),
            "kernels": ", ".join(sorted(set(kernels)))[:2000],
        }

    def _times(self) -> dict[str, float]:
        """Return layer → milliseconds in a context of its own, so that none slows the measured."""
        times: dict[str, float] = {}
        context = self._loaded.context(self.inputs[0].name, self._request.input.shape)
        self._bind(context)
        listening = profiler(self._loaded.trt, times)
        context.profiler = listening
        self.upload({self.inputs[0].name: probe(self._request.input)})
        for _ in range(PROBE_RUNS):
            context.execute_async_v3(self._gpu.stream)
            self._gpu.wait()
        return times


_NUMPY = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": np.uint16,
    "int64": np.int64,
    "int32": np.int32,
    "int8": np.int8,
    "uint8": np.uint8,
    "bool": np.bool_,
}


def single(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return floats as float32; bfloat16 arrives as the bits of uint16."""
    if dtype == "bfloat16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32) if array.dtype == np.float16 else array
