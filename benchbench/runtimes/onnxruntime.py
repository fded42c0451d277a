"""ONNX Runtime."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MissingDependency, PlacementError
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
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    TensorSpec,
    Variant,
)

_PROVIDERS = {"cpu": "CPUExecutionProvider"}
_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_HEAVY = re.compile(r"Conv|Gemm|MatMul|Attention|Einsum|LSTM|GRU")
_INTEGER = re.compile(r"QLinear|Integer|^QGemm|DynamicQuant|QAttention")
_PRECISIONS = {
    "float": "fp32",
    "double": "fp64",
    "float16": "fp16",
    "bfloat16": "bf16",
    "uint8": "int8",
    "int8": "int8",
}
_NUMPY = {"float": "float32", "double": "float64"}


class OnnxRuntime(Record):
    """Runs ``.onnx`` files; one session, sequential, nothing quantized or cast on the way."""

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu"),)
    extra: ClassVar[str] = "ort"

    provider: Literal["cpu"] = "cpu"
    """Execution provider."""
    allow_spinning: bool = True
    """Let idle threads spin: faster alone, slower on a shared machine with several threads."""
    optimization: Literal["none", "basic", "extended", "all"] = "all"
    """Graph optimizations made at loading."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return onnx at fp32 or int8: the CPU provider computes fp16 files in fp32."""
        if precision == "int8":
            return (_INT8, _INT8.model_copy(update={"target": ""}))
        return (Variant(format="onnx"),) if precision == "fp32" else ()

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input."""
        check_device("onnxruntime", request.device, self.known_devices())
        make = _Maker(self, model, request)
        session = make()
        specs = [
            TensorSpec(name=one.name, shape=_shape(one.shape), dtype=_dtype(one.type))
            for one in session.get_inputs()
        ]
        check_input(model.path, specs, request.input)
        yield _Session(session, specs, make, request)


_INT8 = Variant(format="onnx", precision="int8", target="cpu")


class _Maker:
    """Makes sessions of one model with the same options, plain or profiled."""

    def __init__(self, options: OnnxRuntime, model: ModelFile, request: Request) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependency("onnxruntime", "ort") from error
        self._library = onnxruntime
        self._options, self._model, self._request = options, model, request
        self.provider = _PROVIDERS[options.provider]

    def __call__(self, profile: Path | None = None) -> Any:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
        errors: tuple[type[Exception], ...] = (RuntimeError, ValueError)
        errors += tuple(kind for kind in kinds if issubclass(kind, Exception))
        try:
            session = self._library.InferenceSession(
                str(self._model.path),
                self._session_options(profile),
                providers=[self.provider],
                enable_fallback=0,
            )
        except errors as error:
            raise unreadable(self._model, "ONNX Runtime", error) from error
        # A missing provider is replaced by the CPU with no more than a warning.
        if session.get_providers()[0] != self.provider:
            raise PlacementError(
                f"asked ONNX Runtime for {self.provider}, got {session.get_providers()[0]}",
                hint="install the onnxruntime package that holds this provider",
            )
        return session

    def _session_options(self, profile: Path | None) -> Any:
        ort = self._library
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._request.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        level = getattr(ort.GraphOptimizationLevel, _LEVELS[self._options.optimization])
        options.graph_optimization_level = level
        options.log_severity_level = 3
        spinning = "1" if self._options.allow_spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        return options


class _Session:
    """Binds inputs in place; ONNX Runtime allocates the outputs, which download copies."""

    def __init__(
        self, session: Any, inputs: list[TensorSpec], make: _Maker, request: Request
    ) -> None:
        self.inputs: Sequence[TensorSpec] = inputs
        self._make, self._request = make, request
        self._binding = session.io_binding()
        self._names = [output.name for output in session.get_outputs()]
        for name in self._names:
            self._binding.bind_output(name)
        self._infer: Callable[[Any], None] = session.run_with_iobinding
        halves = [
            one.type in {"tensor(float16)", "tensor(double)"} for one in session.get_outputs()
        ]
        self._casts = any(halves)

    def upload(self, feed: Feed) -> Any:
        for name, array in feed.items():
            self._binding.bind_cpu_input(name, array)
        return self._binding

    def run(self, handle: Any) -> None:
        self._infer(handle)

    def download(self, handle: Any) -> Feed:
        outputs = dict(zip(self._names, handle.copy_outputs_to_cpu(), strict=True))
        return {name: _single(array) for name, array in outputs.items()} if self._casts else outputs

    def placement(self) -> Placement:
        nodes = self._profile()
        providers = shares((node["args"]["provider"], node["dur"]) for node in nodes)
        coverage = shares(node_work(nodes))
        return Placement(
            requested_provider=self._make.provider,
            provider=dominant(providers),
            requested_device=self._request.device,
            device="cpu",
            requested_precision=self._request.precision,
            precision=dominant(coverage),
            threads=self._request.threads,
            coverage=coverage,
            source="onnxruntime profile",
            details={"providers": json.dumps(providers), "operations": _operations(nodes)},
        )

    def _profile(self) -> list[dict[str, Any]]:
        """Return one profiled event a node, the fastest of a few untimed runs."""
        feed = {self.inputs[0].name: probe(self._request.input)}
        with tempfile.TemporaryDirectory() as folder:
            session = self._make(Path(folder) / "profile")
            for _ in range(PROBE_RUNS):
                session.run(None, feed)
            events = json.loads(Path(session.end_profiling()).read_text())
        fastest: dict[str, dict[str, Any]] = {}
        for event in events:
            key = event["name"]
            if event.get("cat") == "Node" and key.endswith("_kernel_time"):
                fastest[key] = min(fastest.get(key, event), event, key=lambda one: one["dur"])
        return list(fastest.values())


def node_work(nodes: Sequence[dict[str, Any]]) -> Iterator[Work]:
    """Yield (precision, microseconds) of each convolution and product in a profile."""
    for node in nodes:
        operation = node["args"]["op_name"]
        if _HEAVY.search(operation):
            kinds = [next(iter(one), "") for one in node["args"].get("input_type_shape", [])]
            precision = _PRECISIONS.get(kinds[0], kinds[0]) if kinds else "unknown"
            # A profile rounds to whole microseconds; no kernel takes none at all.
            weight = max(float(node["dur"]), 0.5)
            yield "int8" if _INTEGER.search(operation) else precision, weight


def _operations(nodes: Sequence[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for node in nodes:
        name = node["args"]["op_name"]
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _shape(dims: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(dim if isinstance(dim, int) else None for dim in dims)


def _dtype(kind: str) -> str:
    """Return numpy's name of ``tensor(float)`` and its like."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return _NUMPY.get(inner, inner)
