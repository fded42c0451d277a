"""Static int8 quantization of torch modules, for torch's own compiler on x86 CPUs."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from benchbench.conversions.quiet import quiet
from benchbench.conversions.torch_graphs import (
    HEAVY,
    QUANTIZED,
    apart,
    is_int8,
    is_one_of,
    layer_of,
    stripped,
    tail,
    tell_sources,
)
from benchbench.conversions.torch_programs import head, open_module, open_program
from benchbench.errors import CalibrationError, ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_FAILING = (RuntimeError, ValueError, TypeError, AssertionError, KeyError, IndexError)
_ANNOTATION = "quantization_annotation"


class TorchInt8(Record):
    """Quantizes an exported program (PT2E): u8 activations, s8 weights by channel.

    The result is a program of quantize, dequantize and float operations, which torch computes in
    int8 only where its compiler fuses them: run it with ``mode: compile``.
    """

    packages: ClassVar[Packages] = (("torch",), ("torchao",))
    extra: ClassVar[str] = "torchao"
    calibrates: ClassVar[bool] = True

    method: Literal["minmax", "histogram"] = "minmax"
    """How activation ranges come from the calibration images; ``histogram`` cuts rare values off
    where that makes the squared error less."""
    reduce_range: bool = False
    """Use 7 bits for activations: for CPUs without VNNI, whose products of u8 and s8 saturate."""
    float_tail: bool = True
    """Leave what follows the last convolutions and products of each output in float."""
    include: tuple[str, ...] = ()
    """Globs of module names to quantize; all of them if empty."""
    exclude: tuple[str, ...] = ()
    """Globs of module names to leave in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return an int8 program for a CPU, of an fp32 module or program."""
        readable = source in {Variant(format="torch-module"), Variant(format="pt2")}
        return (Variant(format="pt2", precision="int8", target="cpu"),) if readable else ()

    def layers(self, model: ModelFile) -> Sequence[str]:
        """Return the names of the modules that are quantized; see :class:`Layered`."""
        import torch

        if model.load is None:
            nodes = open_program(model).graph.nodes
            return list(dict.fromkeys(layer_of(one) for one in nodes if is_one_of(one, QUANTIZED)))
        kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Linear)
        return [name for name, one in model.load().named_modules() if isinstance(one, kinds)]

    def only(self, model: ModelFile, layers: Sequence[str]) -> TorchInt8:
        """Return this conversion limited to *layers*."""
        del model
        return self.model_copy(update={"include": tuple(map(glob.escape, layers)), "exclude": ()})

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.pt2``; raise ConversionError, or CalibrationError without images."""
        with quiet(job.log, "torch"):
            torch = _library()
            feeds = _feeds(job)
            batch = job.input.shape[0]
            with torch.no_grad(), _faults(model):
                program, open_batch = _exported(open_module(model), job, batch)
                graph = apart(program.module())
            left = self._left(graph.graph)
            with torch.no_grad(), _faults(model):
                made = self._quantize(graph, feeds, 1 if open_batch else batch, set(left))
                program, _ = _exported(stripped(made), job, batch)
            for node in program.graph.nodes:
                # It names the folders of this machine.
                node.meta.pop("stack_trace", None)
            self._record(program.graph, job, len(feeds), left)
            target = job.folder / "model.pt2"
            torch.export.save(program, str(target))
        return target

    def _left(self, graph: Any) -> list[str]:
        """Return the layers to leave in float; raise ConversionError for an idle glob."""
        names = list(
            dict.fromkeys(layer_of(one) for one in graph.nodes if is_one_of(one, QUANTIZED))
        )
        for option, globs in (("include", self.include), ("exclude", self.exclude)):
            if idle := [one for one in globs if not fnmatch.filter(names, one)]:
                known = f"; modules are named like '{names[0]}'" if names else ""
                raise ConversionError(
                    f"'{option}' matches no convolution or product: {', '.join(idle)}",
                    hint=f"globs are matched against the names of modules{known}",
                )
        taken = _matching(names, self.include) if self.include else set(names)
        return [name for name in names if name not in taken - _matching(names, self.exclude)]

    def _quantize(self, graph: Any, feeds: list[Any], copies: int, left: set[str]) -> Any:
        import torch
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        prepared = prepare_pt2e(graph, self._quantizer(left))
        for one in feeds:
            prepared(torch.from_numpy(np.repeat(one, copies, axis=0)))
        return convert_pt2e(prepared)

    def _quantizer(self, left: set[str]) -> Any:
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        tail_too = self.float_tail

        class Quantizer(x86.X86InductorQuantizer):  # type: ignore[misc] # torchao has no types
            def annotate(self, model: Any) -> Any:
                tell_sources(model.graph)
                for node in model.graph.nodes:
                    if is_one_of(node, QUANTIZED) and layer_of(node) in left:
                        node.meta[_ANNOTATION] = x86._X86InductorQuantizationAnnotation(  # noqa: SLF001 # the mark that its own exclusions leave
                            _annotated=True
                        )
                super().annotate(model)
                for node in tail(model.graph) if tail_too else ():
                    node.meta.pop(_ANNOTATION, None)
                return model

        return Quantizer().set_global(self._config(x86))

    def _config(self, x86: Any) -> Any:
        from torchao.quantization.pt2e.observer import MinMaxObserver

        config = x86.get_default_x86_inductor_quantization_config(reduce_range=self.reduce_range)
        if self.method == "histogram":
            return config
        observer = MinMaxObserver.with_args(eps=2**-12)
        spec = replace(config.input_activation, observer_or_fake_quant_ctr=observer)
        return replace(config, input_activation=spec, output_activation=spec)

    def _record(self, graph: Any, job: ConversionJob, images: int, left: list[str]) -> None:
        heavy = [one for one in graph.nodes if is_one_of(one, HEAVY)]
        done = sum(is_int8(one) for one in heavy)
        job.record("calibration", {"method": self.method, "images": images, "seed": job.seed})
        facts = {"convolutions_and_products": len(heavy), "quantized": done, "in_float": left}
        job.record("int8", facts)
        job.log(
            f"{done} of {len(heavy)} convolutions and products are int8; "
            f"left in float on purpose: {', '.join(left) or 'none'}"
        )
        if not done:
            raise ConversionError(
                f"none of the {len(heavy)} convolutions and products of the model was quantized",
                hint="check 'include' and 'exclude'; a model of other operations gains nothing "
                "from int8",
            )


def _library() -> Any:
    try:
        import torch
        import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401 # asked for by name here only
    except ImportError as error:
        name = (error.name or "torchao").partition(".")[0]
        raise MissingDependency(name, "torchao") from error
    return torch


def _feeds(job: ConversionJob) -> list[Any]:
    feeds = list(job.feeds()) if job.feeds else []
    if not feeds:
        raise CalibrationError(
            "no calibration images", hint="give the suite a calibration set with images"
        )
    return feeds


def _exported(module: Any, job: ConversionJob, batch: int) -> tuple[Any, bool]:
    """Return (exported program, whether its batch is open)."""
    import torch

    def export(size: int, dims: Any = None) -> Any:
        shape = (size, *job.input.shape[1:])
        example = torch.zeros(shape, dtype=getattr(torch, job.input.dtype))
        return torch.export.export(module, (example,), dynamic_shapes=dims)

    try:
        # torch specializes a batch of 0 or 1, so the example must be larger.
        return export(max(2, batch), ({0: torch.export.Dim("batch")},)), True
    except _FAILING as error:
        job.log(f"the batch stays {batch}: {head(error)}")
    return export(batch), False


def _matching(names: list[str], globs: Sequence[str]) -> set[str]:
    return {name for one in globs for name in fnmatch.filter(names, one)}


@contextlib.contextmanager
def _faults(model: ModelFile) -> Iterator[None]:
    """Turn what torch raises into errors that name the model."""
    try:
        yield
    except _FAILING as error:
        raise ConversionError(
            f"{model.path or model.variant}: quantization failed: {type(error).__name__}: "
            f"{head(error)}",
            hint="check that the calibration images fit the model's input; 'exclude' leaves a "
            "module in float; a module that torch.export refuses can be quantized from its onnx "
            "file",
        ) from error
