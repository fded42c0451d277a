"""OpenVINO."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    Work,
    check_device,
    check_input,
    dominant,
    probe,
    shares,
    unreadable,
)
from benchbench.types import (
    Feed,
    InputShape,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    TensorSpec,
    Variant,
)

_TELEMETRY = "openvino_telemetry"
_FORMATS = ("openvino-ir", "onnx")
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_HEAVY = frozenset(
    {
        "Convolution",
        "BinaryConvolution",
        "Deconvolution",
        "DeformableConvolution",
        "FullyConnected",
        "MatMul",
        "RNNCell",
        "RNNSeq",
        "ScaledDotProductAttention",
    }
)
_PRECISIONS = {
    "f32": "fp32",
    "f16": "fp16",
    "bf16": "bf16",
    "i8": "int8",
    "I8": "int8",
    "u8": "int8",
}


class OpenVino(Record):
    """Runs OpenVINO IR and ``.onnx`` files, at the precision asked for and no other.

    OpenVINO computes fp32 models in bf16 on CPUs that can, unless it is told the precision, so it
    is always told.
    """

    packages: ClassVar[Packages] = (("openvino",),)
    extra: ClassVar[str] = "openvino"

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return IR, then onnx: fp32 files for fp32, bf16 and fp16, int8 files for int8."""
        if precision not in _HINTS:
            return ()
        stored: Precision = "int8" if precision == "int8" else "fp32"
        found = tuple(Variant(format=name, precision=stored) for name in _FORMATS)
        quantized = Variant(format="onnx", precision="int8", target="cpu")
        return (*found, quantized) if stored == "int8" else found

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Compile *model*; raise ModelError if it cannot be read or does not take the input."""
        check_device("openvino", request.device, self.known_devices())
        core = _library().Core()
        network, spec = _network(core, model, request.input)
        config = {
            "INFERENCE_PRECISION_HINT": _HINTS[request.precision],
            "INFERENCE_NUM_THREADS": request.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            compiled = core.compile_model(network, "CPU", config)
        except RuntimeError as error:
            raise unreadable(model, "OpenVINO", error) from error
        yield _Session(compiled, spec, request, _Recompile(core, network, config))


class _Recompile:
    """Compiles the same network once more, with performance counters."""

    def __init__(self, core: Any, network: Any, config: dict[str, Any]) -> None:
        self._core, self._network, self._config = core, network, config

    def __call__(self) -> Any:
        return self._core.compile_model(self._network, "CPU", self._config | {"PERF_COUNT": True})


class _Session:
    """Shares the caller's input memory; outputs live in the request until download copies them."""

    def __init__(
        self, compiled: Any, spec: TensorSpec, request: Request, recompile: _Recompile
    ) -> None:
        self.inputs: Sequence[TensorSpec] = (spec,)
        self._compiled, self._request, self._recompile = compiled, request, recompile
        self._infer = compiled.create_infer_request()
        self._names = [_name(port, index) for index, port in enumerate(compiled.outputs)]
        self._ports = list(compiled.outputs)
        self._tensor = _library().Tensor
        self._held: NDArray[Any] | None = None

    def upload(self, feed: Feed) -> Any:
        (array,) = feed.values()
        # OpenVINO shares only memory that it might write to; it does not write to inputs.
        self._held = array if array.flags.carray else np.array(array, order="C")
        self._infer.set_input_tensor(self._tensor(self._held, shared_memory=True))
        return self._infer

    def run(self, handle: Any) -> None:
        # infer() would copy every output into a dict; these two do the same work without.
        handle.start_async()
        handle.wait()

    def download(self, handle: Any) -> Feed:
        return {
            name: _copied(handle.get_tensor(port).data)
            for name, port in zip(self._names, self._ports, strict=True)
        }

    def placement(self) -> Placement:
        work, source = evidence(self._recompile(), self._request.input)
        coverage = shares(work)
        devices = ", ".join(self._compiled.get_property("EXECUTION_DEVICES"))
        kernels = sorted({kernel for kernel, _, _ in heavy_nodes(self._compiled)})
        return Placement(
            requested_provider="CPU",
            provider=devices,
            requested_device=self._request.device,
            device="cpu" if devices == "CPU" else devices.lower(),
            requested_precision=self._request.precision,
            precision=dominant(coverage),
            threads=int(self._compiled.get_property("INFERENCE_NUM_THREADS")),
            coverage=coverage,
            source=source,
            details={"kernels": ", ".join(kernels)},
        )


def evidence(compiled: Any, shape: InputShape) -> tuple[list[Work], str]:
    """Return the work by effective precision, and its source, of a compiled model.

    Kernel names come from the executed graph: ``primitiveType``, as ``runtimePrecision`` misleads.
    Times weigh them where the model was compiled with ``PERF_COUNT``; otherwise each node counts 1.
    """
    nodes = list(heavy_nodes(compiled))
    # The property reads "YES" or "NO", both of them true.
    if str(compiled.get_property("PERF_COUNT")).upper() not in {"YES", "TRUE"}:
        return [(precision, 1.0) for _, precision, _ in nodes], "openvino executed graph"
    times = _times(compiled, shape)
    work = [(precision, times.get(name, 0.0)) for _, precision, name in nodes]
    return work, "openvino executed graph, weighted by its performance counters"


def heavy_nodes(compiled: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (kernel, precision, name) of each convolution and product of the executed graph."""
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) in _HEAVY:
            kernel = info["primitiveType"].astype(str)
            suffix = kernel.rpartition("_")[2]
            yield kernel, _PRECISIONS.get(suffix, suffix), node.get_friendly_name()


def _times(compiled: Any, shape: InputShape) -> dict[str, float]:
    """Return node → microseconds, the fastest of a few untimed runs."""
    array = probe(shape)
    request = compiled.create_infer_request()
    fastest: dict[str, float] = {}
    for _ in range(PROBE_RUNS):
        request.infer([array])
        for node in request.profiling_info:
            taken = node.real_time.total_seconds() * 1e6
            fastest[node.node_name] = min(fastest.get(node.node_name, taken), taken)
    return fastest


def _library() -> Any:
    """Import OpenVINO without its telemetry.

    The import alone would write an id into the home folder and report over the network, in the
    process that measures. With the telemetry package hidden it takes a stub.
    """
    before = sys.modules.get(_TELEMETRY)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # import then raises ImportError
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency("openvino", "openvino") from error
    finally:
        del sys.modules[_TELEMETRY]
        if before is not None:
            sys.modules[_TELEMETRY] = before
    return openvino


def _network(core: Any, model: ModelFile, shape: InputShape) -> tuple[Any, TensorSpec]:
    try:
        network = core.read_model(str(model.path))
    except RuntimeError as error:
        raise unreadable(model, "OpenVINO", error) from error
    specs = [
        TensorSpec(name=_name(port, index), shape=_shape(port), dtype=_dtype(port))
        for index, port in enumerate(network.inputs)
    ]
    spec = check_input(model.path, specs, shape)
    try:
        network.reshape(list(shape.shape))
    except RuntimeError as error:
        raise ModelError(
            f"{model.path}: OpenVINO cannot fix the input to {list(shape.shape)}: "
            f"{str(error).strip().splitlines()[-1][:300]}",
            hint="export the model at the batch that the suite asks for",
        ) from error
    return network, spec


def _shape(port: Any) -> tuple[int | None, ...]:
    return tuple(None if dim.is_dynamic else dim.get_length() for dim in port.get_partial_shape())


def _dtype(port: Any) -> str:
    return str(np.dtype(port.get_element_type().to_dtype()))


def _name(port: Any, index: int) -> str:
    names = sorted(port.get_names())
    return names[0] if names else f"tensor_{index}"


def _copied(array: Any) -> Any:
    half = array.dtype.kind == "f" and array.dtype != np.float32
    return array.astype(np.float32) if half else array.copy()
