"""ONNX Runtime, with the providers CPU, CUDA, TensorRT and OpenVINO."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from benchbench import cuda
from benchbench.errors import PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes import ort_install, ort_placement
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    check_device,
    check_inputs,
    cpus,
    dominant,
    effective,
    probes,
    share_in,
    shares,
)
from benchbench.runtimes.ort_sessions import InPlace, Maker, OnDevice, Wish
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

Provider = Literal["cpu", "cuda", "tensorrt", "openvino"]

_DEVICES = {
    "cpu": ("cpu",),
    "cuda": ("cuda", "cuda:*"),
    "tensorrt": ("cuda", "cuda:*"),
    "openvino": ("cpu", "gpu"),
}
_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "cpu": ("fp32", "fp16", "int8"),
    "cuda": ("fp32", "tf32", "fp16"),
    "tensorrt": ("fp32", "tf32", "fp16", "int8"),
    "openvino": ("fp32", "fp16", "int8"),
}
_NUMPY = {"float": "float32", "double": "float64"}
_NO_TF32 = "NVIDIA_TF32_OVERRIDE"


class OnnxRuntime(Record):
    """Runs ``.onnx`` files; one session, sequential, nothing quantized or cast on the way."""

    packages: ClassVar[Packages] = (("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),)
    extra: ClassVar[str] = "ort"

    provider: Provider = "cpu"
    """Execution provider; each but the CPU's needs the onnxruntime package that holds it."""
    quantized_for: Literal["cpu", "tensorrt"] | None = None
    """Which int8 file to take; None for the provider's own. A row with TensorRT's file on a CPU
    is a proxy for its accuracy."""
    cpu_fallback: bool = False
    """Let nodes that the provider does not take run elsewhere; the coverage tells which share."""
    allow_spinning: bool = True
    """Let idle threads spin: faster alone, slower on a shared machine with several threads."""
    optimization: Literal["none", "basic", "extended", "all"] = "all"
    """Graph optimizations made at loading."""

    @model_validator(mode="after")
    def _tensorrt_takes_its_own_files(self) -> Self:
        if self.provider == "tensorrt" and self.quantized_for == "cpu":
            raise ValueError("the provider 'tensorrt' refuses files that are quantized for a CPU")
        return self

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return the onnx variants that the provider runs at *precision*.

        Raises PlacementError for int8 on CUDA, which computes it in float, and for fp32 through
        TensorRT where the environment lets it compute in tf32.
        """
        if not any(fnmatchcase(device, pattern) for pattern in self.known_devices()):
            return ()
        if self.provider == "cuda" and precision == "int8":
            raise PlacementError(
                "ONNX Runtime's CUDA provider computes quantized convolutions in float",
                hint="provider: tensorrt",
            )
        if precision not in _PRECISIONS[self.provider]:
            return ()
        if self.provider == "openvino" and (device, precision) == ("cpu", "fp16"):
            return ()
        self._check_tf32(precision, device)
        if precision != "int8":
            stored: Precision = "fp16" if precision == "fp16" else "fp32"
            return (Variant(format="onnx", precision=stored),)
        own = "tensorrt" if self.provider == "tensorrt" else "cpu"
        named = Variant(format="onnx", precision="int8", target=self.quantized_for or own)
        return (named, named.model_copy(update={"target": ""}))

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``, ``gpu`` too for OpenVINO, or the patterns of CUDA devices."""
        return _DEVICES[self.provider]

    def absent(self, device: str) -> str | None:
        """Return why the provider cannot run on *device*: no driver, or the wrong package."""
        if self.provider in ("cuda", "tensorrt") and (reason := cuda.absent(device)):
            return reason
        if device == "gpu" and not Path("/dev/dri").exists():
            return "no GPU here: /dev/dri is not to be found"
        return ort_install.without(self.provider)

    def checkup(self) -> Sequence[Finding]:
        """Tell the version, the usable providers, and packages that spoil one another."""
        return ort_install.checkup()

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input.

        Raises PlacementError if the provider is not there or does not take every node.
        """
        self._check_device(request.device)
        self._check_tf32(request.precision, request.device)
        own = ("provider", "cpu_fallback", "allow_spinning", "optimization")
        make = Maker(Wish(model, request, **self.model_dump(include=set(own))))
        session = make()
        specs = [
            TensorSpec(name=one.name, shape=_shape(one.shape), dtype=_dtype(one.type))
            for one in session.get_inputs()
        ]
        inputs = check_inputs(model.path, specs, request.input)
        binding = OnDevice if request.device.startswith("cuda") else InPlace
        proxy = self.provider == "cpu" and self.quantized_for == "tensorrt"
        yield _Session(binding(session, inputs[0], request), inputs, make, proxy=proxy)

    def _check_device(self, device: str) -> None:
        known = self.known_devices()
        check_device("onnxruntime", "cuda:*" if device.startswith("cuda:") else device, known)
        reason = cuda.absent(device) if device.startswith("cuda") else None
        if reason:
            raise PlacementError(
                f"the provider '{self.provider}' cannot run: {reason}",
                hint="run it on a machine with an NVIDIA GPU",
            )

    def _check_tf32(self, precision: Precision, device: str) -> None:
        # No option of the provider turns it off.
        risky = self.provider == "tensorrt" and os.environ.get(_NO_TF32) != "0"
        if precision == "fp32" and risky and cuda.computes_tf32(device):
            raise PlacementError(
                "ONNX Runtime's TensorRT provider computes fp32 files in tf32 on this GPU",
                hint=f"ask for tf32, or set {_NO_TF32}=0 in the environment for fp32",
            )


class _Session:
    """One loaded model."""

    def __init__(
        self,
        binding: InPlace | OnDevice,
        inputs: Sequence[TensorSpec],
        make: Maker,
        *,
        proxy: bool,
    ) -> None:
        self.inputs = inputs
        self._make, self._proxy = make, proxy
        self._names = [output.name for output in binding.outputs]
        halves = {"tensor(float16)", "tensor(double)"}
        self._casts = any(one.type in halves for one in binding.outputs)
        self.upload: Callable[[Feed], Any] = binding.upload
        self.run: Callable[[Any], None] = binding.infer

    def download(self, handle: Any) -> Feed:
        outputs = dict(zip(self._names, handle.copy_outputs_to_cpu(), strict=True))
        return {name: _single(array) for name, array in outputs.items()} if self._casts else outputs

    def placement(self) -> Placement:
        wish, request = self._make.wish, self._make.wish.request
        nodes, given = self._profile()
        provider = dominant(shares(given.items())) if given else wish.name
        work, kind, source = ort_placement.evidence(wish.provider, nodes, wish.model, request)
        coverage, on_cpu = shares(work), request.device == "cpu"
        if self._proxy and request.precision == "int8":
            kind, source = "proxy", f"{source}; a file quantized for TensorRT, run on the CPU"
        return Placement(
            requested_provider=wish.name,
            provider=provider,
            requested_device=request.device,
            device=request.device if provider == wish.name else "cpu",
            requested_precision=request.precision,
            precision=effective(coverage),
            threads=request.threads,
            affinity=cpus(),
            coverage=coverage,
            on_device=ort_placement.on_provider(wish.name, nodes, given, timed=on_cpu),
            in_precision=share_in(work, request.precision, timed=wish.provider == "cpu"),
            evidence=kind,
            source=source,
            copies_inside_run=request.device == "gpu",
            details={
                "assigned": json.dumps(given),
                "operations": ort_placement.operations(nodes),
                **_libraries(wish.provider, request.device),
            },
        )

    def _profile(self) -> tuple[list[ort_placement.Node], dict[str, int]]:
        """Return one profiled event a node, and provider → nodes as it was assigned them."""
        feed = probes(self.inputs, self._make.wish.request.input)
        with tempfile.TemporaryDirectory() as folder:
            session = self._make(Path(folder) / "profile")
            for _ in range(PROBE_RUNS):
                session.run(None, feed)
            events = json.loads(Path(session.end_profiling()).read_text())
        return ort_placement.fastest(events), ort_placement.assigned(session)


def _libraries(provider: str, device: str) -> dict[str, str]:
    """Return what a row on a GPU depends on beside ONNX Runtime."""
    built = ort_install.version("tensorrt") if provider == "tensorrt" else None
    return (cuda.describe(device) if device.startswith("cuda") else {}) | (
        {"tensorrt": built} if built else {}
    )


def _single(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _shape(dims: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(dim if isinstance(dim, int) else None for dim in dims)


def _dtype(kind: str) -> str:
    """Return numpy's name of ``tensor(float)`` and its like."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return _NUMPY.get(inner, inner)
