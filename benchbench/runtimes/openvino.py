"""OpenVINO."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MissingDependency, ModelError, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    Work,
    check_device,
    check_inputs,
    cpus,
    effective,
    probes,
    share_in,
    shares,
    unreadable,
)
from benchbench.types import (
    Feed,
    Finding,
    InputShape,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    Share,
    TensorSpec,
    Variant,
)

_TELEMETRY = "openvino_telemetry"
_DRIVER = "install Intel's GPU driver (package intel-opencl-icd) and give this user /dev/dri"
_DRM = Path("/sys/class/drm")
_INTEL = "0x8086"
_KNOWN = ("cpu", "gpu", "gpu:*")
_FORMATS = ("openvino-ir", "onnx")
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
_HEAVY = frozenset(
    {
        "Convolution",
        "BinaryConvolution",
        "Deconvolution",
        "DeformableConvolution",
        "FullyConnected",
        "Gemm",
        "MatMul",
        "RNNCell",
        "RNNSeq",
        "ScaledDotProductAttention",
    }
)
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "i8": "int8", "u8": "int8"}


class OpenVino(Record):
    """Runs OpenVINO IR and ``.onnx`` files, at the precision asked for and no other.

    OpenVINO computes fp32 models in bf16 on CPUs that can, unless it is told the precision, so it
    is always told.
    """

    packages: ClassVar[Packages] = (("openvino",),)
    extra: ClassVar[str] = "openvino"

    weights: Literal["fp32", "fp16"] = "fp32"
    """How the file stores the weights for fp32, bf16 and fp16; they are computed as requested."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return IR, then onnx: as ``weights`` says, int8 files for int8. No bf16 on a GPU."""
        if precision not in _HINTS or (precision == "bf16" and device != "cpu"):
            return ()
        if precision == "int8":
            made = Variant(format="onnx", precision="int8", target="cpu")
            return (*(Variant(format=name, precision="int8") for name in _FORMATS), made)
        return tuple(Variant(format=name, precision=self.weights) for name in _FORMATS)

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``, and ``gpu`` or ``gpu:N`` for an Intel GPU."""
        return _KNOWN

    def absent(self, device: str) -> str | None:
        """Return why an Intel GPU cannot be used here; None for the CPU."""
        return None if device == "cpu" else _no_intel_gpu(_DRM)

    def checkup(self) -> Sequence[Finding]:
        """Tell OpenVINO's version, its devices and what they compute in."""
        try:
            openvino = _library()
            core = openvino.Core()
            names = list(core.available_devices)
            devices = [_finding(core, name) for name in names]
        except MissingDependency as error:
            return (Finding(level="error", message=error.message, hint=error.hint),)
        except (RuntimeError, ImportError, OSError) as error:
            hint = "pip install --force-reinstall openvino"
            return (Finding(level="error", message=f"OpenVINO does not start: {error}", hint=hint),)
        version = f"openvino {openvino.__version__}, telemetry hidden while benchbench imports it"
        found = [Finding(level="ok", message=version), *devices]
        if not any(name.startswith("GPU") for name in names) and not _no_intel_gpu(_DRM):
            message = "there is an Intel GPU, but OpenVINO does not see it"
            found.append(Finding(level="warning", message=message, hint=_DRIVER))
        return found

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Compile *model*; raise ModelError if it cannot be read or does not take the input."""
        core = _library().Core()
        name = _plugin_device(core, request.device)
        network, inputs = _network(core, model, request.input)
        compile_ = _Compile(core, network, name, _config(request))
        try:
            compiled = compile_()
        except RuntimeError as error:
            raise unreadable(model, "OpenVINO", error) from error
        yield _Session(compiled, inputs, request, compile_)


class _Compile:
    """Compiles the same network for the same device, with performance counters if asked."""

    def __init__(self, core: Any, network: Any, device: str, config: dict[str, Any]) -> None:
        self.device, self.network = device, network
        self._core, self._config = core, config

    def __call__(self, *, counted: bool = False) -> Any:
        config = self._config | ({"PERF_COUNT": True} if counted else {})
        return self._core.compile_model(self.network, self.device, config)


class _Session:
    """Shares the caller's input memory; outputs live in the request until download copies them."""

    def __init__(
        self, compiled: Any, inputs: Sequence[TensorSpec], request: Request, compile_: _Compile
    ) -> None:
        self.inputs = inputs
        self._compiled, self._request, self._compile = compiled, request, compile_
        self._infer = compiled.create_infer_request()
        self._names = [_name(port, index) for index, port in enumerate(compiled.outputs)]
        self._ports = list(compiled.outputs)
        self._tensor = _library().Tensor
        self._places = [(one.name, _place(compiled, one.name)) for one in inputs]
        self._held: list[NDArray[Any]] = []

    def upload(self, feed: Feed) -> Any:
        self._held = []
        for name, place in self._places:
            array = feed[name]
            # OpenVINO shares only memory that it might write to; it does not write to inputs.
            held = array if array.flags.carray else np.array(array, order="C")
            self._held.append(held)
            self._infer.set_input_tensor(place, self._tensor(held, shared_memory=True))
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
        request = self._request
        work, source = evidence(self._compile(counted=True), request.input)
        coverage = shares(work)
        asked = self._compile.device
        executed = ", ".join(self._compiled.get_property("EXECUTION_DEVICES"))
        there = executed in {asked, f"{asked}.0"}
        kernels = sorted({kernel for kernel, _, _ in heavy_nodes(self._compiled)})
        return Placement(
            requested_provider=asked,
            provider=asked if there else executed,
            requested_device=request.device,
            device=request.device if there else executed.lower().replace(".", ":"),
            requested_precision=request.precision,
            precision=effective(coverage),
            threads=self._threads(),
            affinity=cpus(),
            coverage=coverage,
            # A compiled model has one device: without HETERO or AUTO no node goes elsewhere.
            on_device=Share(nodes=float(there), time=float(there)),
            in_precision=share_in(work, request.precision, timed=True),
            source=source,
            copies_inside_run=request.device != "cpu",
            details={"kernels": ", ".join(kernels), "stored": _stored(self._compile.network)},
        )

    def _threads(self) -> int:
        if self._request.device != "cpu":
            return self._request.threads
        return int(self._compiled.get_property("INFERENCE_NUM_THREADS"))


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
            suffix = kernel.rpartition("_")[2].lower()
            yield kernel, _PRECISIONS.get(suffix, suffix), node.get_friendly_name()


def _times(compiled: Any, shape: InputShape) -> dict[str, float]:
    """Return node → microseconds, the fastest of a few untimed runs."""
    specs = [one.spec for one in shape.companions]
    names = [_name(port, index) for index, port in enumerate(compiled.inputs)]
    image = next(name for name in names if name not in {one.name for one in specs})
    fed = probes([TensorSpec(name=image, shape=shape.shape, dtype=shape.dtype)], shape)
    request = compiled.create_infer_request()
    fastest: dict[str, float] = {}
    for _ in range(PROBE_RUNS):
        request.infer([fed[name] for name in names])
        for node in request.profiling_info:
            taken = node.real_time.total_seconds() * 1e6
            fastest[node.node_name] = min(fastest.get(node.node_name, taken), taken)
    return fastest


def _config(request: Request) -> dict[str, Any]:
    config = {
        "INFERENCE_PRECISION_HINT": _HINTS[request.precision],
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    if request.device == "cpu":
        config["INFERENCE_NUM_THREADS"] = request.threads
    elif request.cache is not None:
        config["CACHE_DIR"] = str(request.cache)
    return config


def _plugin_device(core: Any, device: str) -> str:
    """Return OpenVINO's name of *device*; raise PlacementError if it is unknown or absent."""
    if not re.fullmatch(r"cpu|gpu(:\d+)?", device):
        check_device("openvino", device, ("cpu", "gpu", "gpu:0"))
    name = device.upper().replace(":", ".")
    there = list(core.available_devices)
    # One GPU alone is listed as "GPU"; with several each has its number.
    if name not in there and not {f"{name}.0", name.removesuffix(".0")} & set(there):
        raise PlacementError(f"OpenVINO has no {name} here, only {', '.join(there)}", hint=_DRIVER)
    return name


def _no_intel_gpu(drm: Path) -> str | None:
    """Return why no Intel GPU can be used, from the kernel's list of render nodes."""
    vendors = [path.read_text().strip() for path in drm.glob("renderD*/device/vendor")]
    if _INTEL in vendors:
        return None
    others = f"; those of {', '.join(sorted(set(vendors)))} are none" if vendors else ""
    return f"no Intel GPU: the kernel lists no render node of vendor {_INTEL}{others}"


def _finding(core: Any, name: str) -> Finding:
    full = core.get_property(name, "FULL_DEVICE_NAME")
    able = ", ".join(sorted(core.get_property(name, "OPTIMIZATION_CAPABILITIES")))
    return Finding(level="ok", message=f"{name}: {full}; computes {able}")


def _stored(network: Any) -> str:
    """Return the share of constants' bytes by element type, e.g. ``f16 99 %, i64 1 %``."""
    sizes: dict[str, int] = {}
    for op in network.get_ops():
        if op.get_type_name() == "Constant":
            kind = op.get_element_type().get_type_name()
            sizes[kind] = sizes.get(kind, 0) + int(op.get_byte_size())
    total = sum(sizes.values()) or 1
    ranked = sorted(sizes.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{kind} {size / total:.0%}" for kind, size in ranked)


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


def _network(core: Any, model: ModelFile, shape: InputShape) -> tuple[Any, list[TensorSpec]]:
    try:
        network = core.read_model(str(model.path))
    except RuntimeError as error:
        raise unreadable(model, "OpenVINO", error) from error
    specs = [
        TensorSpec(name=_name(port, index), shape=_shape(port), dtype=_dtype(port))
        for index, port in enumerate(network.inputs)
    ]
    inputs = check_inputs(model.path, specs, shape)
    sizes = [shape.shape, *(one.example.shape for one in shape.companions)]
    places = [specs.index(one) for one in inputs]
    try:
        network.reshape({at: list(size) for at, size in zip(places, sizes, strict=True)})
    except RuntimeError as error:
        raise ModelError(
            f"{model.path}: OpenVINO cannot fix the input to {list(shape.shape)}: "
            f"{str(error).strip().splitlines()[-1][:300]}",
            hint="export the model at the batch that the suite asks for",
        ) from error
    return network, inputs


def _place(compiled: Any, name: str) -> int:
    """Return the number of the input *name*."""
    return [_name(port, index) for index, port in enumerate(compiled.inputs)].index(name)


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
