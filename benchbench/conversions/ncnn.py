"""From torch to ncnn, with pnnx."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.conversions.checking import difference
from benchbench.conversions.quiet import quiet
from benchbench.errors import ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.tensors import leaves
from benchbench.types import ConversionJob, InputShape, ModelFile, Record, Variant

_LOADING = (RuntimeError, OSError, ValueError, TypeError, AssertionError, AttributeError)
_INPUT = re.compile(r"^(Input\s+\S+\s+0 1 \S+)\s*$", re.MULTILINE)


class Ncnn(Record):
    """Runs the program ``pnnx``; writes ``model.param`` and ``model.bin`` with fp32 weights."""

    packages: ClassVar[Packages] = (("pnnx",), ("ncnn",), ("torch",))
    extra: ClassVar[str] = "ncnn"
    calibrates: ClassVar[bool] = False

    verify: bool = True
    """Compare the result with the source on random input; a difference is an error."""
    tolerance: float = Field(1e-3, gt=0)
    """Largest difference admitted, as a share of the output's deviation."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return ncnn at fp32, for TorchScript or a module."""
        readable = source in {Variant(format="torchscript"), Variant(format="torch-module")}
        return (Variant(format="ncnn"),) if readable else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.param``; raise ConversionError if it cannot be made or is wrong."""
        program, torch, ncnn = _program(), _library("torch"), _library("ncnn")
        shape = job.input
        if shape.dtype != "float32" or len(shape.shape) != 4:
            raise ConversionError(
                f"ncnn takes float32 images [N, C, H, W], the suite feeds {shape.dtype} "
                f"{list(shape.shape)}",
                hint="feed the model float images, or leave out ncnn",
            )
        target = job.folder / "model.param"
        with (
            quiet(job.log),
            torch.no_grad(),
            tempfile.TemporaryDirectory(dir=job.folder) as scratch,
        ):
            source = Path(scratch) / "source.pt"
            module = _traced(model, shape, source)
            _run(_command(program, source, target, shape), Path(scratch), job)
            _describe(target, shape)
            _check_layers(ncnn, target)
            if self.verify:
                self._compare(module, target, job)
        return target

    def _compare(self, module: Any, target: Path, job: ConversionJob) -> None:
        import torch

        values = np.random.default_rng(job.seed).standard_normal(job.input.shape)
        array = values.astype(np.float32)
        wanted = [leaf.numpy() for _, leaf in leaves(module(torch.from_numpy(array)))]
        given = _infer(target, array, len(wanted))
        for index, (want, got) in enumerate(zip(wanted, given, strict=True)):
            fault = difference(want, got, self.tolerance)
            if fault:
                raise ConversionError(
                    f"output {index} of the conversion differs from its source: {fault}",
                    hint="pnnx or ncnn computes an operation of this model otherwise; set "
                    "'verify: false' only if you know why",
                )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(name, "ncnn") from error


def _program() -> Path:
    """Return pnnx's program, without importing the package, which would run torch."""
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise MissingDependency("pnnx", "ncnn")
    return Path(spec.origin).with_name("pnnx")


def _traced(model: ModelFile, shape: InputShape, target: Path) -> Any:
    """Put TorchScript of *model* at *target*; return a callable that gives its outputs."""
    import torch

    example = torch.zeros(shape.shape)
    try:
        if model.load:
            module = model.load()
            torch.jit.trace(_flat(module), example, check_trace=False).save(str(target))
        else:
            module = torch.jit.load(str(model.path), map_location="cpu").eval()
            _tell_strides(module.graph)
            module.save(str(target))
        module(example)
    except _LOADING as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            f"{model.path or 'the module'}: cannot be traced or does not take float32 "
            f"{list(shape.shape)}: {(lines or [''])[-1][:300]}",
            hint="mend the input's size or the batch; a traced file holds the batch it was "
            "traced with",
        ) from error
    return module


def _tell_strides(graph: Any) -> None:
    """Write out the strides of poolings that a frozen file leaves empty: pnnx dies of them."""
    for kind in ("aten::max_pool2d", "aten::avg_pool2d"):
        for node in graph.findAllNodes(kind):
            _, size, stride, *_ = node.inputs()
            if stride.node().kind() == "prim::Constant" and not stride.toIValue():
                # A list of its own: pnnx matches no pooling whose two lists are one value.
                written = graph.createClone(size.node(), lambda value: value)
                written.insertBefore(node)
                node.replaceInput(2, written.output())


def _flat(module: Any) -> Any:
    """Return a module whose outputs are a flat tuple: pnnx knows no dictionaries."""
    import torch

    class Flat(torch.nn.Module):  # type: ignore[misc] # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Any) -> tuple[Any, ...]:
            return tuple(leaf for _, leaf in leaves(self.inner(images)))

    return Flat().eval()


def _command(program: Path, source: Path, target: Path, shape: InputShape) -> list[str]:
    size = ",".join(map(str, shape.shape))
    return [
        str(program),
        str(source),
        f"inputshape=[{size}]f32",
        "fp16=0",
        "device=cpu",
        f"ncnnparam={target}",
        f"ncnnbin={target.with_suffix('.bin')}",
    ]


def _run(command: list[str], folder: Path, job: ConversionJob) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    for line in said:
        job.log(line)
    if done.returncode or not (job.folder / "model.param").is_file():
        raise ConversionError(
            f"pnnx failed with status {done.returncode}: {(said or [''])[-1][:300]}",
            hint="the job's log holds pnnx's account; a traced file is bound to the size and batch "
            "that it was traced with",
        )


def _describe(target: Path, shape: InputShape) -> None:
    """Write the input's name and size into the file: ncnn reads past the end of a smaller one."""
    _, channels, height, width = shape.shape
    text = re.sub(r"(?<=\s)in0(?=\s)", shape.name or "images", target.read_text())
    target.write_text(_INPUT.sub(rf"\1 0={width} 1={height} 2={channels}", text))


def _check_layers(ncnn: Any, target: Path) -> None:
    kinds = {line.split()[0] for line in target.read_text().splitlines()[2:] if line.strip()}
    unknown = sorted(kind for kind in kinds if ncnn.layer_to_index(kind) < 0)
    if unknown:
        raise ConversionError(
            f"pnnx left operations that ncnn lacks: {', '.join(unknown)}",
            hint="cut them off the model (decode in benchbench), or leave out ncnn",
        )


def _infer(target: Path, array: NDArray[np.float32], outputs: int) -> list[NDArray[Any]]:
    import ncnn

    net = ncnn.Net()
    for flag in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
        setattr(net.opt, flag, False)
    if net.load_param(str(target)) or net.load_model(str(target.with_suffix(".bin"))):
        raise ConversionError("ncnn cannot load what pnnx wrote", hint="report it to pnnx")
    extractor = net.create_extractor()
    extractor.input(net.input_names()[0], ncnn.Mat(array, batch_index=0))
    found = [extractor.extract(f"out{index}") for index in range(outputs)]
    lost = [index for index, (code, _) in enumerate(found) if code]
    if lost:
        raise ConversionError(
            f"pnnx's file does not give output {lost[0]} of the module",
            hint="an output that is the input, or is returned twice, is lost: return it once",
        )
    return [np.asarray(mat.numpy(batch_index=0)) for _, mat in found]
