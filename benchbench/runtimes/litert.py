"""LiteRT, formerly TensorFlow Lite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    check_device,
    check_input,
    cpus,
    dominant,
    effective,
    share_in,
    shares,
    unreadable,
)
from benchbench.runtimes.litert_evidence import BUILTIN, XNNPACK, look
from benchbench.runtimes.litert_profile import Mode
from benchbench.types import (
    Feed,
    Finding,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    TensorSpec,
    Variant,
)


class LiteRt(Record):
    """Runs ``.tflite`` files with the interpreter, on the CPU."""

    packages: ClassVar[Packages] = (("ai-edge-litert",),)
    extra: ClassVar[str] = "litert"

    xnnpack: bool = True
    """Give XNNPACK the operations that it takes; otherwise all run in the built-in kernels."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return tflite at fp32, int8 or int8-dynamic; half floats are computed in fp32."""
        known = device == "cpu" and precision in ("fp32", "int8", "int8-dynamic")
        return (Variant(format="tflite", precision=precision),) if known else ()

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    def checkup(self) -> Sequence[Finding]:
        """Say whether the library loads, and which version it is."""
        try:
            import ai_edge_litert
            from ai_edge_litert import interpreter  # noqa: F401 - loads the library
        except ImportError as error:
            hint = "pip install --force-reinstall ai-edge-litert"
            return (Finding(level="error", message=f"LiteRT does not load: {error}", hint=hint),)
        return (Finding(level="ok", message=f"LiteRT {ai_edge_litert.__version__}, device cpu"),)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input.

        A file with a quantized input takes float32, which is then quantized by the file's scale,
        or what the file has.
        """
        check_device("litert", request.device, self.known_devices())
        interpreter = self._interpreter(model, request.threads)
        tensors = _tensors(interpreter, interpreter.get_input_details(), "inputs")
        specs = [_offered(one, request.input.dtype) for one in tensors]
        check_input(model.path, specs, request.input)
        _allocate(interpreter, tensors[0], model, request)
        yield _Session(interpreter, specs, model, request, "xnnpack" if self.xnnpack else "builtin")

    def _interpreter(self, model: ModelFile, threads: int) -> Any:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise MissingDependency("ai-edge-litert", "litert") from error
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        kernels = OpResolverType.AUTO if self.xnnpack else plain
        try:
            return Interpreter(
                model_path=str(model.path),
                num_threads=threads,
                experimental_op_resolver_type=kernels,
            )
        except (ValueError, RuntimeError) as error:
            raise unreadable(model, "LiteRT", error) from error


@dataclass(frozen=True, slots=True)
class _Tensor:
    """An input or output of the model, with its scale and zero point where it is quantized."""

    name: str
    index: int
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    scale: float | None
    zero: int

    def quantize(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return float *values* as the integers of the file."""
        limits = np.iinfo(self.dtype)
        steps = np.rint(values / np.float32(self.scale or 1)) + self.zero
        made: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return made

    def plain(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return *values* of the file as float32 or integers."""
        if self.scale is None:
            return values.astype(np.float32, copy=False) if self.dtype.kind == "f" else values
        real: NDArray[Any] = values.astype(np.float32)
        real -= np.float32(self.zero)
        real *= np.float32(self.scale)
        return real


class _Session:
    """Sets and gets tensors, which both copy; float32 is quantized in upload, not in run."""

    def __init__(
        self,
        interpreter: Any,
        inputs: list[TensorSpec],
        model: ModelFile,
        request: Request,
        mode: Mode,
    ) -> None:
        self.inputs: Sequence[TensorSpec] = inputs
        self._interpreter, self._model = interpreter, model
        self._request, self._mode = request, mode
        (self._input,) = _tensors(interpreter, interpreter.get_input_details(), "inputs")
        self._outputs = _tensors(interpreter, interpreter.get_output_details(), "outputs")
        self._quantizes = inputs[0].dtype != self._input.dtype.name
        self._invoke = interpreter.invoke

    def upload(self, feed: Feed) -> Any:
        values = feed[self.inputs[0].name]
        ready = self._input.quantize(values) if self._quantizes else values
        self._interpreter.set_tensor(self._input.index, ready)
        return self._interpreter

    def run(self, handle: Any) -> None:  # noqa: ARG002 - the interpreter holds the tensors
        self._invoke()

    def download(self, handle: Any) -> Feed:
        return {one.name: one.plain(handle.get_tensor(one.index)) for one in self._outputs}

    def placement(self) -> Placement:
        operations = self._interpreter._get_ops_details()  # noqa: SLF001 - there is no other way
        asked = self._request
        found = look(operations, self._model.path, asked.threads, self._mode)
        requested = XNNPACK if self._mode == "xnnpack" else BUILTIN
        providers = [(one.provider, one.ms) for one in found.ran]
        work = [(one.precision, one.ms) for one in found.ran if one.precision]
        timed, coverage = found.evidence == "measured", shares(work)
        return Placement(
            requested_provider=requested,
            provider=dominant(shares(providers)) if providers else requested,
            requested_device=asked.device,
            device="cpu",
            requested_precision=asked.precision,
            precision=effective(coverage),
            threads=asked.threads,
            affinity=cpus(),
            coverage=coverage,
            on_device=share_in(providers, requested, timed=timed),
            in_precision=share_in(work, asked.precision, timed=timed),
            evidence=found.evidence,
            source=found.source,
            details={"providers": json.dumps(shares(providers)), **found.details},
        )


def _tensors(interpreter: Any, details: list[dict[str, Any]], side: str) -> list[_Tensor]:
    """Return inputs or outputs in the file's order, named as in its signature if it has one.

    A signature lists its names alphabetically, which is not the order of the outputs.
    """
    signatures = interpreter._get_full_signature_list()  # noqa: SLF001 - it alone has the indices
    first: dict[str, Any] = next(iter(signatures.values()), {})
    names = {index: name for name, index in first.get(side, {}).items()}
    return [_tensor(one, names.get(one["index"], one["name"])) for one in details]


def _tensor(detail: dict[str, Any], name: str) -> _Tensor:
    scale, zero = detail["quantization"]
    open_dims = list(detail["shape_signature"]) or list(detail["shape"])
    dtype = np.dtype(detail["dtype"])
    return _Tensor(
        name=name,
        index=int(detail["index"]),
        shape=tuple(None if dim < 0 else int(dim) for dim in open_dims),
        dtype=dtype,
        scale=float(scale) if scale and dtype.kind in "iu" else None,
        zero=int(zero),
    )


def _offered(tensor: _Tensor, fed: str) -> TensorSpec:
    dtype = "float32" if tensor.scale and fed == "float32" else tensor.dtype.name
    return TensorSpec(name=tensor.name, shape=tensor.shape, dtype=dtype)


def _allocate(interpreter: Any, tensor: _Tensor, model: ModelFile, request: Request) -> None:
    """Give the open dimensions their sizes, and make the tensors."""
    try:
        if None in tensor.shape:
            interpreter.resize_tensor_input(tensor.index, request.input.shape, strict=True)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"{model.path}: LiteRT cannot prepare the model for "
            f"{list(request.input.shape)}: {str(error).strip().splitlines()[-1][:300]}",
            hint="it may need operations that this LiteRT lacks, or hold a fixed batch inside",
        ) from error
