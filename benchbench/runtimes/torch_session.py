"""An opened torch module, and what it says of its work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from benchbench.errors import ModelError
from benchbench.runtimes.contract import PROBE_RUNS, cpus, effective, probes, share_in, shares
from benchbench.runtimes.onednn import Kernel, Operation, fastest, observe
from benchbench.tensors import leaves, output_names
from benchbench.types import Feed, InputShape, ModelFile, Placement, Request, Share, TensorSpec

REFUSING = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, IndexError)
"""What torch raises at a module that does not take its input."""
FLOATS = {"bf16": "bfloat16", "fp16": "float16"}
"""The dtype that a precision casts a module and its input to."""
_STORED = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
_MATH = "ONEDNN_DEFAULT_FPMATH_MODE"

Watched = Callable[[AbstractContextManager[Any]], AbstractContextManager[Any]]
"""Turns a watching mode into the context in which the module is called to be watched."""


class Session:
    """One module on the CPU; inputs are cast and laid out in upload, outputs cast in download."""

    def __init__(
        self, module: Any, request: Request, *, channels_last: bool, watched: Watched
    ) -> None:
        import torch

        self._module, self._request, self._torch = module, request, torch
        self._watched = watched
        shape = request.input
        image = TensorSpec(name=shape.name or "images", shape=shape.shape, dtype=shape.dtype)
        self.inputs: Sequence[TensorSpec] = (image, *(one.spec for one in shape.companions))
        self._image, self._beside = image.name, [one.name for one in shape.companions]
        floats = FLOATS.get(request.precision) if shape.dtype.startswith("float") else None
        self._dtype = getattr(torch, floats or shape.dtype)
        channels_last = channels_last and len(shape.shape) == 4
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._from_numpy = torch.from_numpy
        self._outputs: Any = None
        self._names: list[str] = []
        self._flat: Callable[[Any], Iterable[Any]] = _leaves
        self._single = False
        self.details: dict[str, str] = {}
        """What the placement tells beside the usual."""

    def upload(self, feed: Feed) -> Any:
        """Wrap the inputs in tensors; cast and lay out the image where that is asked for."""
        image = self._from_numpy(feed[self._image])
        image = image.to(dtype=self._dtype, memory_format=self._layout)
        return (image, *(self._from_numpy(feed[name]) for name in self._beside))

    def run(self, handle: Any) -> None:
        """Call the module with the image, then the companions in their order."""
        self._outputs = self._module(*handle)

    def download(self, handle: Any) -> Feed:
        """Return the outputs as contiguous float32 or integer arrays."""
        del handle
        named = zip(self._names, self._flat(self._outputs), strict=True)
        if self._single:
            return {name: leaf.contiguous().numpy() for name, leaf in named}
        return {name: single(leaf).contiguous().numpy() for name, leaf in named}

    def try_out(self, model: ModelFile) -> None:
        """Run once: a torch module says what it takes only by failing."""
        feed = probes(self.inputs, self._request.input)
        # Torch warns once a process of arrays that it may not write to; nothing here writes.
        feed[self._image].flags.writeable = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                handle = self.upload(feed)
                self.run(handle)
            self._names = output_names(self._outputs)
            self._flat = _flattening(self._outputs)
            self._single = all(single(leaf) is leaf for leaf in self._flat(self._outputs))
            self.download(handle)
        except REFUSING as error:
            raise refused(model, self._request, error) from error

    def placement(self) -> Placement:
        """Run a few times, watched, and say what was seen."""
        handle = self.upload(probes(self.inputs, self._request.input))
        self.run(handle)
        runs = [observe(lambda mode: self._look(mode, handle)) for _ in range(PROBE_RUNS)]
        kernels, source = self._evidence(runs, handle)
        work = [one for _, one in kernels]
        coverage, stored = shares(work), self._stored()
        return Placement(
            requested_provider=self._request.device.partition(":")[0],
            provider=self._place().partition(":")[0],
            requested_device=self._request.device,
            device=self._place(),
            requested_precision=self._request.precision,
            precision=effective(coverage) if coverage else _by_parameters(stored),
            threads=self._torch.get_num_threads(),
            affinity=cpus(),
            coverage=coverage,
            on_device=self._on_device(runs[-1]),
            in_precision=share_in(work, self._request.precision, timed=True),
            evidence="measured" if coverage else "proxy",
            source=source if coverage else "dtypes of the parameters",
            details=self._details(stored, sorted({name for name, _ in kernels})),
        )

    def _look(self, mode: AbstractContextManager[Any], handle: Any) -> None:
        with self._watched(mode):
            self.run(handle)

    def _evidence(self, runs: list[list[Operation]], handle: Any) -> tuple[list[Kernel], str]:
        del handle
        return fastest(runs), "oneDNN verbose, and torch's operations outside oneDNN"

    def _on_device(self, operations: list[Operation]) -> Share:
        """Return the share of operations whose result lies where it was asked for."""
        found = [self._called(one.device) for one in operations if one.device]
        there = found.count(self._request.device)
        return Share(nodes=round(there / len(found), 4)) if found else Share()

    def _place(self) -> str:
        """Return the device of the outputs."""
        found = [self._called(str(leaf.device)) for leaf in self._flat(self._outputs)]
        return max(found, key=found.count) if found else "cpu"

    def _called(self, device: str) -> str:
        """Return *device* by the name that was asked for: torch gives ``cuda`` a number."""
        wanted = self._request.device
        return wanted if device.partition(":")[0] == wanted else device

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
            "kernels": ", ".join(kernels) or "no convolutions or products",
            "interop_threads": str(self._torch.get_num_interop_threads()),
            "memory_format": str(self._layout).removeprefix("torch."),
            _MATH: os.environ.get(_MATH, "unset"),
        } | self.details


def refused(model: ModelFile, request: Request, error: Exception) -> ModelError:
    """Return the error for a module that does not run as asked."""
    subject = f"{model.path or model.variant}"
    lines = [line.strip() for line in _said(error).splitlines() if line.strip()]
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        # They end in advice for torch's own developers.
        told = [line for line in lines if not line.endswith("raised:")]
        return ModelError(
            f"{subject}: cannot be compiled: {(told or [type(error).__name__])[0][:300]}",
            hint="check the model's 'input', or use 'mode: eager'",
        )
    shape: InputShape = request.input
    beside = "".join(
        f", {one.name} {one.spec.dtype} {list(one.example.shape)}" for one in shape.companions
    )
    fed = f"{shape.dtype} {list(shape.shape)}{beside} at {request.precision}"
    hint = "mend the model's 'input' (size, layout, dtype); the module must take " + (
        "the image, then those by position" if beside else "one image tensor"
    )
    if request.precision in FLOATS:
        hint += (
            f"; a traced model may hold float constants that bar {request.precision}: "
            "use its torch source"
        )
    return ModelError(
        f"{subject}: the model does not take {fed}: {(lines or [type(error).__name__])[-1][:300]}",
        hint=hint,
    )


def _flattening(outputs: Any) -> Callable[[Any], Iterable[Any]]:
    """Return the cheapest function from the module's outputs to its tensors."""
    if any(len(path) > 1 for path, _ in leaves(outputs)):
        return _leaves
    if isinstance(outputs, Mapping):
        return lambda found: found.values()
    return iter if isinstance(outputs, tuple | list) else lambda found: (found,)


def _leaves(outputs: Any) -> Iterable[Any]:
    return (leaf for _, leaf in leaves(outputs))


def single(leaf: Any) -> Any:
    """Return *leaf* as float32 if it is of floats; itself where it is float32 or of integers."""
    return leaf.float() if leaf.is_floating_point() else leaf


def _by_parameters(stored: str) -> str:
    """Return the likely precision: fp32 parameters may be computed in bf16 by oneDNN's setting."""
    if stored == "float32" and os.environ.get(_MATH, "").upper() in {"BF16", "ANY"}:
        return "bf16"
    return _STORED.get(stored, "unknown")


def _said(error: Exception) -> str:
    """Return what *error* says, without the traceback and the advice that dynamo appends."""
    return str(error).partition("\nfrom user code:")[0]
