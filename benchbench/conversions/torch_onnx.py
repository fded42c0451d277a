"""Export of torch modules to ONNX."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.checking import difference
from benchbench.conversions.quiet import quiet
from benchbench.errors import ConversionError, MissingDependency, ModelError
from benchbench.files import plain_tensors_only
from benchbench.protocols import Packages
from benchbench.tensors import leaves, output_names
from benchbench.types import ConversionJob, InputShape, ModelFile, Record, Variant

_LOADING = (
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class TorchOnnx(Record):
    """Exports with ``torch.onnx.export(dynamo=True)`` and checks the result against the module."""

    packages: ClassVar[Packages] = (("torch",), ("onnx",), ("onnxscript",))
    extra: ClassVar[str] = "torch"
    calibrates: ClassVar[bool] = False

    opset: int = Field(20, ge=18)
    """ONNX opset; the exporter cannot write older ones than 18."""
    dynamic_batch: bool = True
    """Leave the batch open where the model allows it; otherwise it is the cell's batch."""
    verify: bool = True
    """Compare the export with the module on random input; a difference is an error."""
    tolerance: float = Field(1e-3, gt=0)
    """Largest difference admitted beside rounding, as a share of the output's deviation."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return onnx for a module or an exported program."""
        readable = source in {Variant(format="torch-module"), Variant(format="pt2")}
        return (Variant(format="onnx"),) if readable else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.onnx``; raise ConversionError if it cannot be exported or is wrong."""
        try:
            import onnx
            import onnxscript  # noqa: F401 - torch needs it, and says so late and badly
            import torch
        except ImportError as error:
            raise MissingDependency(error.name or "torch", "torch") from error
        target = job.folder / "model.onnx"
        with quiet(job.log, "torch", "torch.onnx", "onnxscript", "onnx_ir"), torch.no_grad():
            program, module = _opened(model, job.input)
            self._export(program, module, job).save(str(target))
            onnx.checker.check_model(str(target))
            self._check_opset(onnx.load(str(target), load_external_data=False))
            if self.verify:
                self._compare(module, target, job)
        return target

    def _export(self, program: Any, module: Any, job: ConversionJob) -> Any:
        import torch

        names, flat = _flattened(module, _example(job.input, job.seed))
        if program is None and self.dynamic_batch:
            # torch specializes a batch of 0 or 1, so the example must be larger.
            example = _example(job.input, job.seed, batch=max(2, job.input.shape[0]))
            dynamic = ({0: torch.export.Dim("batch")},)
            try:
                return self._program(flat, example, names, job.input, dynamic)
            except ConversionError as error:
                job.log(f"the batch stays {job.input.shape[0]}: {error.message}")
        subject = flat if program is None else program
        return self._program(subject, _example(job.input, job.seed), names, job.input)

    def _program(
        self,
        subject: Any,
        example: Any,
        names: list[str],
        shape: InputShape,
        dynamic: tuple[Any, ...] | None = None,
    ) -> Any:
        import torch

        try:
            program = torch.onnx.export(
                subject,
                (example,),
                dynamo=True,
                verbose=False,
                opset_version=self.opset,
                input_names=[shape.name or "images"],
                output_names=names,
                dynamic_shapes=dynamic,
            )
        except (RuntimeError, ValueError, TypeError, AssertionError, KeyError) as error:
            raise ConversionError(
                f"torch.onnx.export failed: {type(error).__name__}: {_head(error)}",
                hint="the job's log holds the exporter's account; supply an .onnx file if the "
                "module cannot be exported",
            ) from error
        _strip(program.model.graph)
        return program

    def _check_opset(self, proto: Any) -> None:
        written = next(one.version for one in proto.opset_import if one.domain in {"", "ai.onnx"})
        if written != self.opset:
            raise ConversionError(
                f"the exporter wrote opset {written}, not {self.opset}",
                hint=f"set 'opset: {written}'",
            )

    def _compare(self, module: Any, target: Path, job: ConversionJob) -> None:
        run = _evaluator(target)
        example = _example(job.input, job.seed)
        wanted = [_array(leaf) for _, leaf in leaves(module(example))]
        for index, (want, got) in enumerate(zip(wanted, run(example.numpy()), strict=True)):
            self._check_output(index, want, got)

    def _check_output(self, index: int, want: NDArray[Any], got: NDArray[Any]) -> None:
        fault = difference(want, got, self.tolerance)
        if fault:
            raise ConversionError(
                f"output {index} of the export differs from the module: {fault}",
                hint="the module may depend on its input's values; raise 'tolerance' or set "
                "'verify: false' only if you know why",
            )


def _opened(model: ModelFile, shape: InputShape) -> tuple[Any, Any]:
    """Return (exported program or None, callable module)."""
    import torch

    if model.load:
        return None, model.load()
    try:
        with plain_tensors_only():
            program = torch.export.load(str(model.path))
    except _LOADING as error:
        raise ModelError(
            f"{model.path}: not a readable exported program: {_head(error)}",
            hint="write it with torch.export.save; it may be truncated or of a newer torch",
        ) from error
    module = program.module()
    _fits(module, shape, model)
    return program, module


def _fits(module: Any, shape: InputShape, model: ModelFile) -> None:
    try:
        module(_example(shape, 0))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"{model.path}: does not take {shape.dtype} {list(shape.shape)}: {_head(error)}",
            hint="mend the input's size or layout, or export with a dynamic batch",
        ) from error


def _example(shape: InputShape, seed: int, batch: int | None = None) -> Any:
    import torch

    size = (batch or shape.shape[0], *shape.shape[1:])
    values = np.random.default_rng(seed).standard_normal(size)
    if np.issubdtype(np.dtype(shape.dtype), np.integer):
        values = np.clip(values * 64 + 128, 0, 255)
    return torch.from_numpy(values.astype(shape.dtype))


def _flattened(module: Any, example: Any) -> tuple[list[str], Any]:
    """Return the output names, and a module that returns the outputs as a flat tuple."""
    import torch

    class Flat(torch.nn.Module):  # type: ignore[misc] # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Any) -> tuple[Any, ...]:
            return tuple(leaf for _, leaf in leaves(self.inner(images)))

    try:
        outputs = module(example)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"the module does not take one tensor {list(example.shape)}: {_head(error)}",
            hint="mend the input's size, or wrap the module so that it takes one image tensor",
        ) from error
    flat = Flat()
    # Not eval(): the module of an exported program refuses to be told.
    flat.training = False
    return output_names(outputs), flat


def _strip(graph: Any) -> None:
    """Remove stack traces, which name the machine's folders."""
    for node in graph.all_nodes():
        node.metadata_props.clear()


def _evaluator(path: Path) -> Callable[[NDArray[Any]], list[NDArray[Any]]]:
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        reference = ReferenceEvaluator(str(path))
        return lambda array: list(reference.run(None, {reference.input_names[0]: array}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda array: list(session.run(None, {session.get_inputs()[0].name: array}))


def _array(tensor: Any) -> NDArray[Any]:
    return np.asarray(tensor.detach().cpu().numpy())


def _head(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:300]
