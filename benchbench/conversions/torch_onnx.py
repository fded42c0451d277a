"""Export of torch modules to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.checking import difference
from benchbench.conversions.quiet import quiet
from benchbench.conversions.torch_programs import (
    Flat,
    example,
    flat,
    head,
    open_module,
    open_program,
)
from benchbench.errors import ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.tensors import leaves
from benchbench.types import ConversionJob, InputShape, ModelFile, Record, Variant


class TorchOnnx(Record):
    """Exports with ``torch.onnx.export(dynamo=True)`` and checks the result against the module."""

    packages: ClassVar[Packages] = (("torch",), ("onnx",), ("onnxscript",))
    extra: ClassVar[str] = "torch"
    calibrates: ClassVar[bool] = False
    several_inputs: ClassVar[bool] = True

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
            fed = _fed(job)
            program, module = _opened(model, fed)
            self._export(program, module, job).save(str(target))
            onnx.checker.check_model(str(target))
            self._check_opset(onnx.load(str(target), load_external_data=False))
            if self.verify:
                self._compare(module.module(*fed), target, fed)
        return target

    def _export(self, program: Any, module: Flat, job: ConversionJob) -> Any:
        import torch

        names, shape = module.names, job.input
        if program is None and self.dynamic_batch:
            # torch specializes a batch of 0 or 1, so the example must be larger.
            fed = _fed(job, batch=max(2, shape.shape[0]))
            axis = {0: torch.export.Dim("batch")}
            beside = tuple(axis if one.batched else {} for one in shape.companions)
            dynamic = (axis, *([beside] if beside else []))
            try:
                return self._program(module.module, fed, names, shape, dynamic)
            except ConversionError as error:
                job.log(f"the batch stays {shape.shape[0]}: {error.message}")
        subject = module.module if program is None else program
        return self._program(subject, _fed(job), names, shape)

    def _program(
        self,
        subject: Any,
        fed: tuple[Any, ...],
        names: list[str],
        shape: InputShape,
        dynamic: tuple[Any, ...] | None = None,
    ) -> Any:
        import torch

        try:
            program = torch.onnx.export(
                subject,
                fed,
                dynamo=True,
                verbose=False,
                opset_version=self.opset,
                input_names=[shape.name or "images", *(one.name for one in shape.companions)],
                output_names=names,
                dynamic_shapes=dynamic,
            )
        except (RuntimeError, ValueError, TypeError, AssertionError, KeyError) as error:
            raise ConversionError(
                f"torch.onnx.export failed: {type(error).__name__}: {head(error)}",
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

    def _compare(self, outputs: Any, target: Path, fed: tuple[Any, ...]) -> None:
        wanted = [_array(leaf) for _, leaf in leaves(outputs)]
        given = _evaluator(target)([tensor.numpy() for tensor in fed])
        for index, (want, got) in enumerate(zip(wanted, given, strict=True)):
            self._check_output(index, want, got)

    def _check_output(self, index: int, want: NDArray[Any], got: NDArray[Any]) -> None:
        fault = difference(want, got, self.tolerance)
        if fault:
            raise ConversionError(
                f"output {index} of the export differs from the module: {fault}",
                hint="the module may depend on its input's values; raise 'tolerance' or set "
                "'verify: false' only if you know why",
            )


def _opened(model: ModelFile, fed: tuple[Any, ...]) -> tuple[Any, Flat]:
    """Return (exported program or None, module that takes the tensors *fed*)."""
    program = None if model.load else open_program(model)
    return program, flat(open_module(model) if program is None else program.module(), *fed)


def _fed(job: ConversionJob, batch: int | None = None) -> tuple[Any, ...]:
    """Return an image of noise, and the companions' examples, as tensors of *batch* rows."""
    import torch

    image = example(job.input, job.seed, batch)
    rows = np.arange(len(image))
    arrays = [
        one.example[rows % len(one.example)] if one.batched else one.example
        for one in job.input.companions
    ]
    return (image, *(torch.from_numpy(np.array(array)) for array in arrays))


def _strip(graph: Any) -> None:
    """Remove stack traces, which name the machine's folders."""
    for node in graph.all_nodes():
        node.metadata_props.clear()


def _evaluator(path: Path) -> Callable[[Sequence[NDArray[Any]]], list[NDArray[Any]]]:
    """Return a function from the model's inputs, in its order, to its outputs."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        reference = ReferenceEvaluator(str(path))
        return lambda fed: list(
            reference.run(None, dict(zip(reference.input_names, fed, strict=True)))
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda fed: list(session.run(None, dict(zip(names, fed, strict=True))))


def _array(tensor: Any) -> NDArray[Any]:
    return np.asarray(tensor.detach().cpu().numpy())
