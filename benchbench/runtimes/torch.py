"""PyTorch, in eager mode."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, ClassVar

from benchbench.errors import MissingDependency, ModelError
from benchbench.files import plain_tensors_only
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    check_device,
    dominant,
    probe,
    shares,
    unreadable,
)
from benchbench.runtimes.onednn import listen, parse
from benchbench.tensors import leaves, output_names
from benchbench.types import (
    Feed,
    InputShape,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    TensorSpec,
    Variant,
)

_FORMATS = ("torch-module", "torchscript", "pt2")
_RUNS = ("fp32", "bf16")
_MATH = "ONEDNN_DEFAULT_FPMATH_MODE"
_LOADING = (
    RuntimeError,
    OSError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    EOFError,
    zipfile.BadZipFile,
)
_REFUSING = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, IndexError)


class Torch(Record):
    """Runs torch modules, TorchScript and exported programs, without autograd."""

    packages: ClassVar[Packages] = (("torch",),)
    extra: ClassVar[str] = "torch"

    channels_last: bool = True
    """Keep images and weights as NHWC in memory: as fast or faster on CPUs, twice in bf16."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return every torch format at fp32, for fp32 and (cast when opened) bf16."""
        if precision not in _RUNS:
            return ()
        return tuple(Variant(format=name) for name in _FORMATS)

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input."""
        try:
            import torch
        except ImportError as error:
            raise MissingDependency("torch", "torch") from error
        check_device("torch", request.device, self.known_devices())
        with ExitStack() as stack:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(request.threads)
            # Torch admits this once a process; a later session keeps what the first one set.
            with suppress(RuntimeError):
                torch.set_num_interop_threads(1)
            stack.enter_context(torch.inference_mode())
            module = _prepared(_loaded(model), model, request, channels_last=self.channels_last)
            session = _Session(module, request, channels_last=self.channels_last)
            session.try_out(model)
            yield session


class _Session:
    """One module; inputs are cast and laid out in upload, outputs cast to float32 in download."""

    def __init__(self, module: Any, request: Request, *, channels_last: bool) -> None:
        import torch

        self._module, self._request, self._torch = module, request, torch
        shape = request.input
        self.inputs: Sequence[TensorSpec] = (
            TensorSpec(name=shape.name or "images", shape=shape.shape, dtype=shape.dtype),
        )
        cast = request.precision == "bf16" and shape.dtype.startswith("float")
        self._dtype = torch.bfloat16 if cast else getattr(torch, shape.dtype)
        channels_last = channels_last and len(shape.shape) == 4
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._single = torch.float32
        self._outputs: Any = None
        self._names: list[str] = []
        self._flat = False

    def upload(self, feed: Feed) -> Any:
        (array,) = feed.values()
        tensor = self._torch.from_numpy(array)
        return tensor.to(dtype=self._dtype, memory_format=self._layout)

    def run(self, handle: Any) -> None:
        self._outputs = self._module(handle)

    def download(self, handle: Any) -> Feed:
        del handle
        outputs = self._outputs
        flat = outputs if self._flat else (leaf for _, leaf in leaves(outputs))
        return {name: self._array(leaf) for name, leaf in zip(self._names, flat, strict=True)}

    def try_out(self, model: ModelFile) -> None:
        """Run once: a torch module says what it takes only by failing."""
        array = probe(self._request.input)
        # Torch warns once a process of arrays that it may not write to; nothing here writes.
        array.flags.writeable = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                handle = self.upload({"images": array})
            self.run(handle)
            self._names = output_names(self._outputs)
            self._flat = all(len(path) == 1 for path, _ in leaves(self._outputs)) and (
                not isinstance(self._outputs, Mapping)
            )
            self.download(handle)
        except _REFUSING as error:
            raise _refused(model, self._request, error) from error

    def placement(self) -> Placement:
        handle = self.upload({"images": probe(self._request.input)})
        self._module(handle)
        text = listen(lambda: [self._module(handle) for _ in range(PROBE_RUNS)])
        found = list(parse(text))
        coverage = shares(work for _, work in found)
        stored = self._stored()
        return Placement(
            requested_provider="cpu",
            provider="cpu",
            requested_device=self._request.device,
            device="cpu",
            requested_precision=self._request.precision,
            precision=dominant(coverage) if coverage else _by_parameters(stored),
            threads=self._torch.get_num_threads(),
            coverage=coverage,
            evidence="measured" if coverage else "proxy",
            source="oneDNN verbose" if coverage else "dtypes of the parameters",
            details=self._details(stored, sorted({kernel for kernel, _ in found})),
        )

    def _array(self, leaf: Any) -> Any:
        if leaf.dtype is not self._single and leaf.is_floating_point():
            leaf = leaf.to(self._single)
        return leaf.contiguous().numpy()

    def _stored(self) -> str:
        """Return the dtype that most parameters have."""
        counts: dict[str, int] = {}
        for parameter in self._module.parameters():
            name = str(parameter.dtype).removeprefix("torch.")
            counts[name] = counts.get(name, 0) + parameter.numel()
        return max(counts, key=counts.__getitem__) if counts else "none"

    def _details(self, stored: str, kernels: list[str]) -> dict[str, str]:
        return {
            "parameters": stored,
            "kernels": ", ".join(kernels) or "none in oneDNN",
            "interop_threads": str(self._torch.get_num_interop_threads()),
            "memory_format": str(self._layout).removeprefix("torch."),
            _MATH: os.environ.get(_MATH, "unset"),
        }


def _loaded(model: ModelFile) -> Any:
    import torch

    if model.load:
        return model.load()
    path = str(model.path)
    try:
        if model.variant.format != "torchscript":
            with plain_tensors_only():
                return torch.export.load(path).module()
        with warnings.catch_warnings():
            # That TorchScript is deprecated is not news to who benchmarks a TorchScript file.
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(path, map_location="cpu").eval()
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds pickled objects, and loading them can run any code",
            hint="export the model without custom objects among its inputs and constants",
        ) from error
    except _LOADING as error:
        raise unreadable(model, "torch", error) from error


def _prepared(module: Any, model: ModelFile, request: Request, *, channels_last: bool) -> Any:
    import torch

    try:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
        if request.precision == "bf16":
            module = module.to(torch.bfloat16)
        if channels_last and len(request.input.shape) == 4:
            module = module.to(memory_format=torch.channels_last)
    except _REFUSING as error:
        raise _refused(model, request, error) from error
    return module


def _refused(model: ModelFile, request: Request, error: Exception) -> ModelError:
    shape: InputShape = request.input
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    fed = f"{shape.dtype} {list(shape.shape)} at {request.precision}"
    hint = "mend the model's 'input' (size, layout, dtype); the module must take one image tensor"
    if request.precision == "bf16":
        hint += "; a traced model may hold float constants that bar bf16: use its torch source"
    return ModelError(
        f"{model.path or model.variant}: the model does not take {fed}: "
        f"{(lines or [type(error).__name__])[-1][:300]}",
        hint=hint,
    )


def _by_parameters(stored: str) -> str:
    """Return the likely precision: fp32 parameters may be computed in bf16 by oneDNN's setting."""
    if stored == "float32" and os.environ.get(_MATH, "").upper() in {"BF16", "ANY"}:
        return "bf16"
    return {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}.get(stored, "unknown")
