"""From torch to ExecuTorch, for its XNNPACK backend: fp32, and int8 by PT2E quantization."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchbench.conversions.checking import difference
from benchbench.conversions.quiet import quiet
from benchbench.conversions.torch_graphs import apart
from benchbench.conversions.torch_programs import example, flat, head, open_module
from benchbench.errors import CalibrationError, ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.tensors import leaves
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_FAILING = (RuntimeError, ValueError, TypeError, AssertionError, LookupError, AttributeError)
_LOGGERS = ("torch", "executorch", "torchao", "root")
_SOURCES = {Variant(format="torch-module"), Variant(format="pt2")}


class ExecuTorch(Record):
    """Lowers what XNNPACK takes to XNNPACK, in fp32; writes ``model.pte``."""

    packages: ClassVar[Packages] = (("executorch",), ("torch",))
    extra: ClassVar[str] = "executorch"
    calibrates: ClassVar[bool] = False

    verify: bool = True
    """Compare the program with the module on random input; a difference is an error."""
    tolerance: float = Field(1e-3, gt=0)
    """Largest difference admitted, as a share of the output's deviation."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return executorch at fp32, for a module or an exported program."""
        return (Variant(format="executorch"),) if source in _SOURCES else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.pte``; raise ConversionError if it cannot be lowered or is wrong."""
        torch = _libraries()
        with quiet(job.log, *_LOGGERS), torch.no_grad():
            image = example(job.input, job.seed)
            module = _opened(model, image)
            with _faults(model):
                target = _lower(torch.export.export(module, (image,)), job)
            if self.verify:
                self._compare(module(image), target, image)
        return target

    def _compare(self, outputs: Any, target: Path, image: Any) -> None:
        from executorch.extension.pybindings import portable_lib

        wanted = [leaf.numpy() for _, leaf in leaves(outputs)]
        given = portable_lib._load_for_executorch(str(target)).forward((image,))  # noqa: SLF001
        for index, (want, got) in enumerate(zip(wanted, given, strict=True)):
            fault = difference(want, got.numpy(), self.tolerance)
            if fault:
                raise ConversionError(
                    f"output {index} of the program differs from the module: {fault}",
                    hint="set 'verify: false' only if you know why",
                )


class ExecuTorchInt8(Record):
    """Quantizes with ``XNNPACKQuantizer``: signed 8 bits, activations asymmetric; writes .pte."""

    packages: ClassVar[Packages] = (("executorch",), ("torchao",), ("torch",))
    extra: ClassVar[str] = "executorch"
    calibrates: ClassVar[bool] = True

    per_channel: bool = True
    """One scale for each output channel of the weights, not one for the whole tensor."""
    exclude: tuple[str, ...] = ()
    """Globs of module names (``head.*``) to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return executorch at int8, for a module or an exported program."""
        made = Variant(format="executorch", precision="int8")
        return (made,) if source in _SOURCES else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.pte``; raise ConversionError, or CalibrationError without images."""
        torch = _libraries()
        if next(iter(job.feeds() if job.feeds else ()), None) is None:
            raise CalibrationError(
                "no calibration images", hint="give the suite a calibration set with images"
            )
        with quiet(job.log, *_LOGGERS), torch.no_grad():
            image = example(job.input, job.seed)
            module = _opened(model, image)
            with _faults(model):
                program = torch.export.export(module, (image,))
                quantized = self._quantize(program, job)
                target = _lower(torch.export.export(quantized, (image,)), job)
            _check_runs(target, image)
        return target

    def _quantize(self, program: Any, job: ConversionJob) -> Any:
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        # XNNPACK refuses a convolution of int8 input and float weights.
        module = apart(program.module())
        prepared = prepare_pt2e(module, self._quantizer(program))
        images = 0
        for one in job.feeds() if job.feeds else ():
            prepared(torch.from_numpy(np.repeat(one, job.input.shape[0], axis=0)))
            images += 1
        quantized = convert_pt2e(prepared)
        count = sum("quantize_per" in str(node.target) for node in quantized.graph.nodes)
        job.log(f"{count} quantizing operations, calibrated on {images} images")
        if not count:
            raise ConversionError(
                "the quantizer found nothing to quantize",
                hint="check 'exclude'; a model without convolutions gains nothing from int8",
            )
        return quantized

    def _quantizer(self, program: Any) -> Any:
        from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack

        config = xnnpack.get_symmetric_quantization_config(is_per_channel=self.per_channel)
        quantizer = xnnpack.XNNPACKQuantizer().set_global(config)
        names = sorted({name for node in program.graph.nodes for name in _modules(node)})
        hits = {glob: frozenset(fnmatch.filter(names, glob)) for glob in self.exclude}
        idle = [glob for glob, found in hits.items() if not found]
        if idle:
            raise ConversionError(
                f"'exclude' matches no module: {', '.join(idle)}",
                hint=f"modules: {', '.join(names[:8]) or 'none has a name'}",
            )
        left = frozenset().union(*hits.values())
        return quantizer.set_filter_function(lambda node: not left & _modules(node))


def _libraries() -> Any:
    try:
        import executorch.exir  # noqa: F401 - the first of its parts that may be missing
        import torch
        import torchao  # noqa: F401 - both conversions need it: executorch imports it
    except ImportError as error:
        raise MissingDependency(error.name or "executorch", "executorch") from error
    return torch


def _modules(node: Any) -> frozenset[str]:
    """Return the names of the modules that an operation lies in, without the outermost."""
    stack = (node.meta.get("nn_module_stack") or {}).values()
    return frozenset(path.removeprefix("L['self'].") for path, _ in stack) - {"", "L['self']"}


def _opened(model: ModelFile, image: Any) -> Any:
    """Return the module of *model*; raise ModelError if it does not take *image*."""
    module = open_module(model)
    flat(module, image)
    return module


def _lower(program: Any, job: ConversionJob) -> Path:
    """Write *program* with XNNPACK's subgraphs; the caller's input is read where it lies."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    info = get_delegation_info(edge.exported_program().graph_module)
    left = {
        name: found.non_delegated
        for name, found in sorted(info.delegation_by_operator.items())
        if found.non_delegated and name != "getitem"
    }
    job.record(
        "delegation",
        {"backend": "XNNPACK", "delegated": info.num_delegated_nodes, "left": left},
    )
    job.log(f"{info.num_delegated_nodes} operations in XNNPACK; left out: {left or 'none'}")
    planning = MemoryPlanningPass(alloc_graph_input=False)
    lowered = edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))
    target = job.folder / "model.pte"
    target.write_bytes(lowered.buffer)
    return target


def _check_runs(target: Path, image: Any) -> None:
    """Run the program once: XNNPACK refuses some operations only when it is loaded."""
    from executorch.extension.pybindings import portable_lib

    try:
        portable_lib._load_for_executorch(str(target)).forward((image,))  # noqa: SLF001
    except RuntimeError as error:
        raise ConversionError(
            f"XNNPACK does not take the quantized program: {head(error)}",
            hint="the standard error names the operation (as 'Failed to create convolution'); "
            "leave its module in float: 'exclude'",
        ) from error


@contextlib.contextmanager
def _faults(model: ModelFile) -> Iterator[None]:
    """Turn what the exporters raise into an error that names the model."""
    from executorch.exir.error import ExportError, InternalError

    try:
        yield
    except (*_FAILING, ExportError, InternalError) as error:
        raise ConversionError(
            f"{model.path or 'the module'}: lowering to ExecuTorch failed: "
            f"{type(error).__name__}: {head(error)}",
            hint="the job's log holds the exporter's account; check that the calibration images "
            "fit the input",
        ) from error
