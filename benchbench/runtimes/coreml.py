"""Core ML: runs on macOS; elsewhere the program is read and its precision told."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchbench.errors import CompiledOnly, MissingDependency, ModelError, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    Work,
    check_device,
    check_input,
    cpus,
    effective,
    share_in,
    shares,
    unreadable,
)
from benchbench.types import (
    Evidence,
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

_UNITS = {"cpu": "CPU_ONLY", "gpu": "CPU_AND_GPU", "ane": "CPU_AND_NE", "all": "ALL"}
_HEAVY = frozenset({"conv", "conv_transpose", "linear", "matmul", "einsum"})
_TYPES = {"FLOAT16": "fp16", "FLOAT32": "fp32"}
_ARRAYS = {"FLOAT32": "float32", "FLOAT16": "float16", "INT32": "int32", "DOUBLE": "float64"}
_DEQUANTIZED = ("dequantize", "constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")
_SOURCE = "types and dequantizing operations of the ML program"


class CoreMl(Record):
    """Runs ``.mlpackage`` folders; a device names the compute units that Core ML may use.

    Core ML chooses among them for each operation, and the number of threads.
    """

    packages: ClassVar[Packages] = (("coremltools",),)
    extra: ClassVar[str] = "coreml"

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return Core ML at fp32, fp16 or int8; raise PlacementError for fp32 on ``ane``."""
        if (precision, device) == ("fp32", "ane"):
            raise PlacementError(
                "Apple's Neural Engine computes in fp16: Core ML runs fp32 programs elsewhere",
                hint="precision: fp16, or device: cpu",
            )
        known = device in _UNITS and precision in ("fp32", "fp16", "int8")
        return (Variant(format="coreml", precision=precision),) if known else ()

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``, ``gpu`` and ``ane`` (each beside the CPU), and ``all``."""
        return tuple(_UNITS)

    def checkup(self) -> Sequence[Finding]:
        """Say which coremltools is there, and whether this system runs Core ML."""
        try:
            import coremltools
        except (ImportError, OSError) as error:
            hint = "pip install --force-reinstall coremltools"
            told = f"coremltools does not load: {error}"
            return (Finding(level="error", message=told, hint=hint),)
        found = Finding(level="ok", message=f"coremltools {coremltools.__version__}")
        if sys.platform == "darwin":
            return (found,)
        return (
            found,
            Finding(
                level="warning",
                message=f"Core ML does not run on {sys.platform}: its cells are compiled only",
                hint="measure on a Mac",
            ),
        )

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input.

        Raises CompiledOnly, with the program's precision, on anything but macOS.
        """
        check_device("coreml", request.device, self.known_devices())
        package = _package(model)
        spec = _spec(model, package)
        inputs = [_tensor(one, model) for one in spec.description.input]
        check_input(model.path, inputs, request.input)
        placement = _placement(_operations(spec, model), request)
        if sys.platform != "darwin":
            raise CompiledOnly(
                f"Core ML does not run on {sys.platform}", placement, hint="measure on a Mac"
            )
        names = [one.name for one in spec.description.output]
        yield _Session(_loaded(model, package, request.device), inputs, names, placement)


class _Session:
    """Predicts through coremltools, which copies inputs and outputs inside the call."""

    def __init__(
        self, model: Any, inputs: list[TensorSpec], outputs: list[str], placement: Placement
    ) -> None:
        self.inputs: Sequence[TensorSpec] = inputs
        self._predict, self._outputs, self._placement = model.predict, outputs, placement
        self._made: dict[str, Any] = {}

    def upload(self, feed: Feed) -> Any:
        return dict(feed)

    def run(self, handle: Any) -> None:
        self._made = self._predict(handle)

    def download(self, handle: Any) -> Feed:  # noqa: ARG002 - predict returned the outputs
        arrays = {name: np.array(self._made[name]) for name in self._outputs}
        return {
            name: array.astype(np.float32) if array.dtype.kind == "f" else array
            for name, array in arrays.items()
        }

    def placement(self) -> Placement:
        return self._placement


def _library() -> Any:
    try:
        import coremltools
    except ImportError as error:
        raise MissingDependency("coremltools", "coreml") from error
    return coremltools


def _package(model: ModelFile) -> Path:
    """Return the package's folder; a model file names its manifest."""
    path = Path(str(model.path))
    folder = next((one for one in (path, *path.parents) if one.suffix == ".mlpackage"), None)
    if folder is None or not folder.is_dir():
        raise ModelError(
            f"{path}: not inside a Core ML package",
            hint="name the folder that ends in .mlpackage",
        )
    return folder


def _spec(model: ModelFile, package: Path) -> Any:
    from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
        DecodeError,
    )

    ct = _library()
    try:
        return ct.models.MLModel(str(package), skip_model_load=True).get_spec()
    except (RuntimeError, ValueError, OSError, DecodeError) as error:
        raise unreadable(model, "coremltools", error) from error


def _loaded(model: ModelFile, package: Path, device: str) -> Any:
    ct = _library()
    try:
        return ct.models.MLModel(str(package), compute_units=ct.ComputeUnit[_UNITS[device]])
    except (RuntimeError, ValueError, OSError) as error:
        raise unreadable(model, "Core ML", error) from error


def _tensor(feature: Any, model: ModelFile) -> TensorSpec:
    """Return an input that is an array; raise ModelError for an image."""
    if feature.type.WhichOneof("Type") != "multiArrayType":
        raise ModelError(
            f"{model.path}: the input '{feature.name}' is no array",
            hint="benchbench feeds arrays: convert the model with a TensorType as input",
        )
    array = feature.type.multiArrayType
    kind = array.ArrayDataType.Name(array.dataType)
    opened = array.WhichOneof("ShapeFlexibility") is not None
    return TensorSpec(
        name=feature.name,
        shape=tuple(None if opened else int(dim) for dim in array.shape),
        dtype=_ARRAYS.get(kind, kind.lower()),
    )


def _operations(spec: Any, model: ModelFile) -> list[Any]:
    """Return the operations of the program's main function."""
    if spec.WhichOneof("Type") != "mlProgram":
        raise ModelError(
            f"{model.path}: holds no ML program but {spec.WhichOneof('Type')}",
            hint="convert it again with convert_to='mlprogram'",
        )
    function = spec.mlProgram.functions["main"]
    return list(function.block_specializations[function.opset].operations)


def _placement(operations: list[Any], request: Request) -> Placement:
    """Tell the precision that is written into the program; Core ML itself tells none."""
    work = _work(operations)
    coverage = shares(work)
    here = sys.platform == "darwin"
    evidence: Evidence = "proxy" if here else "compiled_only"
    return Placement(
        requested_provider="Core ML",
        provider="Core ML",
        requested_device=request.device,
        device=request.device,
        requested_precision=request.precision,
        precision=effective(coverage),
        threads=request.threads,
        affinity=cpus() if hasattr(os, "sched_getaffinity") else (),
        coverage=coverage,
        in_precision=share_in(work, request.precision, timed=False),
        evidence=evidence,
        source=_SOURCE,
        copies_inside_run=True,
        details={
            "compute_units": _UNITS[request.device],
            "int8_weights": str(_int8_weights(operations)),
            "operations": _counted(operations),
        },
    )


def _work(operations: list[Any]) -> list[Work]:
    """Return the precision of each convolution and product.

    int8 if both operands are dequantized where they enter, which is how a program says it; else
    the type of the result. Int8 weights alone are computed with in that type.
    """
    makers = _makers(operations)
    found: list[Work] = []
    for one in operations:
        if one.type in _HEAVY:
            integer = all(makers.get(name) in _DEQUANTIZED for name in _operands(one))
            tensor = one.outputs[0].type.tensorType
            kind = type(tensor).DESCRIPTOR.fields_by_name["dataType"].enum_type
            told = kind.values_by_number[tensor.dataType].name
            found.append(("int8" if integer else _TYPES.get(told, told.lower()), 1.0))
    return found


def _int8_weights(operations: list[Any]) -> int:
    makers = _makers(operations)
    heavy = [one for one in operations if one.type in _HEAVY]
    return sum(
        any(str(makers.get(name)).startswith("constexpr") for name in _operands(one))
        for one in heavy
    )


def _makers(operations: list[Any]) -> dict[str, str]:
    return {output.name: one.type for one in operations for output in one.outputs}


def _operands(operation: Any) -> list[str]:
    """Return the names of the two factors."""
    named = {key: value.arguments for key, value in operation.inputs.items()}
    if "values" in named:
        return [one.name for one in named["values"]]
    return [named[key][0].name for key in ("x", "weight", "y") if key in named]


def _counted(operations: list[Any]) -> str:
    counts = Counter(one.type for one in operations if one.type != "const")
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
