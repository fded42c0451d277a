"""Engines of TensorRT and TensorRT-RTX: what the file is, and what stands beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import ValidationError

from benchbench import cuda
from benchbench.errors import ModelError, PlacementError
from benchbench.runtimes.contract import check_device, check_input, cpus, effective
from benchbench.types import (
    Finding,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    Share,
    TensorSpec,
    Variant,
)

PRODUCTS = {"tensorrt": b"ftrt", "tensorrt-rtx": b"vtrt"}
"""Product → the first four bytes of its engines."""
DEVICES = ("cuda", "cuda:*")
DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT64": "int64",
    "INT32": "int32",
    "INT8": "int8",
    "UINT8": "uint8",
    "BOOL": "bool",
    "BF16": "bfloat16",
}
"""TensorRT's names of tensor types → numpy's; numpy alone has no bfloat16."""
_PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16", "int8")
_SIDECAR = "network.json"
_HEADER = 28
_NAMES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}


class Layer(Record):
    """One convolution or product of the network that was built."""

    name: str
    kind: str
    precision: str


class Sidecar(Record):
    """What a conversion wrote beside an engine."""

    product: str
    engine_sha256: str
    """Of the engine that it speaks of."""
    version: str
    precision: Precision
    coverage: dict[str, float]
    layers: tuple[Layer, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batches: tuple[int, int, int]
    compute_capabilities: tuple[str, ...]
    """Chips that the engine serves; none for all that the product knows."""
    build_s: float


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine's file, read and checked."""

    product: str
    model: ModelFile
    data: bytes
    built_with: str
    beside: Sidecar | None

    @property
    def name(self) -> str:
        """The product's own spelling."""
        return _NAMES[self.product]


def accepted(product: str, precision: Precision, device: str) -> Sequence[Variant]:
    """Return the engine of *precision*; fp8 only where the chip is known to have it."""
    if cuda.ordinal(device) is None:
        return ()
    chip = cuda.compute_capability(device)
    known = precision in _PRECISIONS or (
        precision == "fp8" and chip is not None and float(chip) >= 8.9
    )
    return (Variant(format=f"{product}-engine", precision=precision),) if known else ()


def check_name(product: str, device: str) -> None:
    """Raise PlacementError unless *device* is the name of a CUDA device."""
    numbered = device.startswith("cuda:") and cuda.ordinal(device) is not None
    check_device(product, "cuda:*" if numbered else device, DEVICES)


def read(model: ModelFile, product: str, request: Request, library: str | None) -> Engine:
    """Read an engine and what stands beside it.

    Raises ModelError if the file is no engine of *product*, of another major version than the
    installed *library*, or takes another input, and PlacementError if it is for another chip.
    """
    assert model.path
    data = model.path.read_bytes()
    built_with = _built_with(model.path, data, product)
    if library and library.partition(".")[0] != built_with.partition(".")[0]:
        raise ModelError(
            f"{model.path}: built with version {built_with}, and {library} is installed",
            hint="build the engine again, or install the version that built it",
        )
    beside = _sidecar(model.path, product)
    if beside and beside.engine_sha256 != hashlib.sha256(data).hexdigest():
        beside = None  # another engine's: this one arrived ready
    if beside:
        _check_fit(model, request, beside)
    return Engine(product, model, data, built_with, beside)


def _built_with(path: Path, data: bytes, product: str) -> str:
    """Return the version that built an engine, e.g. ``10.16.1``."""
    whole = len(data) >= _HEADER
    found = next((name for name, magic in PRODUCTS.items() if whole and data[:4] == magic), None)
    if found != product:
        told = f"an engine of {_NAMES[found]}" if found else "not a whole engine"
        raise ModelError(
            f"{path}: {told}, where one of {_NAMES[product]} is needed",
            hint="build it again from the onnx file; an engine of one product serves no other",
        )
    return ".".join(str(byte) for byte in data[24:27])


def _sidecar(engine: Path, product: str) -> Sidecar | None:
    """Return what the conversion said of the engine; None for one that arrived ready."""
    path = engine.with_name(_SIDECAR)
    if not path.is_file():
        return None
    try:
        return Sidecar.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ModelError(
            f"{path}: not what a conversion to {_NAMES[product]} writes: "
            f"{error.errors()[0]['msg']}",
            hint="delete it beside an engine of your own, or build the engine again",
        ) from error


def _check_fit(model: ModelFile, request: Request, beside: Sidecar) -> None:
    """Raise ModelError or PlacementError if the engine is for another input or chip."""
    specs = [
        one.model_copy(update={"dtype": DTYPES.get(one.dtype, one.dtype)}) for one in beside.inputs
    ]
    spec = check_input(model.path, specs, request.input)
    batch, (low, _, high) = request.input.shape[0], beside.batches
    if spec.shape[0] is None and not low <= batch <= high:
        raise ModelError(
            f"{model.path}: the engine serves the batches {low} to {high}, not {batch}",
            hint="mend the conversion's 'min_batch' and 'max_batch'",
        )
    chip, served = cuda.compute_capability(request.device), beside.compute_capabilities
    if chip and served and chip not in served:
        raise PlacementError(
            f"{model.path}: built for compute capability {', '.join(served)}, and "
            f"{request.device} has {chip}",
            hint="build the engine for this GPU",
        )


def compiled(engine: Engine, request: Request) -> Placement:
    """Return the placement of an engine that nothing here can run."""
    coverage = engine.beside.coverage if engine.beside else {}
    return Placement(
        requested_provider=engine.name,
        provider=engine.name,
        requested_device=request.device,
        device=request.device,
        requested_precision=request.precision,
        precision=effective(coverage),
        threads=request.threads,
        affinity=cpus(),
        coverage=coverage,
        in_precision=Share(nodes=coverage.get(request.precision, 0.0) if coverage else None),
        evidence="compiled_only",
        source="types of the network that was built; no kernel was chosen and none has run",
        details={"built_with": engine.built_with},
    )


def installed(names: Sequence[str]) -> tuple[str, str] | None:
    """Return (name, version) of the first of *names* that is installed."""
    for name in names:
        try:
            return name, version(name)
        except PackageNotFoundError:
            continue
    return None


def checkup(product: str, packages: Sequence[str], cuda_major: int) -> Iterator[Finding]:
    """Tell the version of *product*, the driver and the devices, without importing it."""
    found = installed(packages)
    if found is None:
        hint = f"pip install 'benchbench[{product}]'"
        yield Finding(level="error", message=f"{packages[0]} is not installed", hint=hint)
        return
    yield Finding(level="ok", message=f"{found[0]} {found[1]}")
    if not installed(["cuda-bindings"]):
        hint = f"pip install 'benchbench[{product}]'"
        yield Finding(level="error", message="cuda-bindings is not installed", hint=hint)
    if reason := cuda.absent("cuda"):
        hint = "it runs on a machine with an NVIDIA GPU and driver"
        yield Finding(level="warning", message=reason, hint=hint)
    elif old := cuda.too_old(cuda_major):
        yield Finding(level="error", message=old, hint="install a newer NVIDIA driver")
    else:
        chip = f"{cuda.name('cuda')}, compute capability {cuda.compute_capability('cuda')}"
        yield Finding(level="ok", message=f"cuda: {chip}")
