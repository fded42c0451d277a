"""Counts torch modules by torch's own ``FlopCounterMode``: the operations that one image runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from benchbench.complexity import per_image
from benchbench.definitions_view import Complexity
from benchbench.errors import ModelError
from benchbench.files import NOT_TORCH, plain_tensors_only
from benchbench.types import InputShape, ModelFile, Record

_MULTIPLYING = ("conv", "linear", "mm", "matmul", "attention", "lstm", "gru", "rnn", "einsum")
_HARMLESS = ("layernorm", "convert", "packed_params", "bilinear", "trilinear", "prepack")
_RUNNING = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, LookupError)


class TorchCounter(Record):
    """Counts ``torch-module``, ``pt2`` and ``torchscript``, by running one image on the CPU."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("torch",),)
    extra: ClassVar[str] = "torch"

    def count(self, model: ModelFile, shape: InputShape) -> Complexity:
        """Count one run on noise; a program of a fixed batch is run at that, and divided.

        Raises ModelError for a file that torch cannot read, or a module that does not run.
        """
        import torch

        module = _opened(model)
        last: Exception | None = None
        for batch in dict.fromkeys((1, shape.shape[0])):
            try:
                flops, uncounted = _counted(module, _inputs(module, shape, batch))
            except _RUNNING as error:  # perhaps exported for the cell's own batch alone
                last = error
                continue
            by = f"torch {torch.__version__} FlopCounterMode"
            return per_image(flops // 2, batch, _parameters(module), by, uncounted)
        raise ModelError(
            f"{model.path or model.variant}: does not run on the CPU to be counted: "
            f"{(str(last).splitlines() or [''])[0][:200]}",
            hint="mend the model's 'input' (size, layout, dtype)",
        ) from last


def _opened(model: ModelFile) -> Any:
    """Return the module of *model* on the CPU."""
    import torch

    if model.load:
        return model.load()
    try:
        if model.variant.format == "torchscript":
            return torch.jit.load(str(model.path), map_location="cpu").eval()
        with plain_tensors_only():
            return torch.export.load(str(model.path)).module()
    except NOT_TORCH as error:
        raise ModelError(
            f"{model.path}: not a readable {model.variant.format} file",
            hint="it may be truncated or of a newer torch",
        ) from error


def _inputs(module: Any, shape: InputShape, batch: int) -> tuple[Any, ...]:
    """Return an image of zeros in the module's own float type, and what is fed beside it."""
    import torch

    image = torch.from_numpy(np.zeros((batch, *shape.shape[1:]), shape.dtype))
    stored = next((p.dtype for p in module.parameters() if p.is_floating_point()), image.dtype)
    if image.is_floating_point():
        image = image.to(stored)
    rows = [one.example[:batch] if one.batched else one.example for one in shape.companions]
    return (image, *(torch.from_numpy(np.ascontiguousarray(one)) for one in rows))


def _counted(module: Any, inputs: tuple[Any, ...]) -> tuple[int, set[str]]:
    """Return the floating-point operations of one run, and what multiplies beside them."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    seen: set[str] = set()

    class Watch(TorchDispatchMode):  # type: ignore[misc] # torch has no types here
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            if func.overloadpacket not in flop_registry:
                seen.add(str(func.overloadpacket))
            return func(*args, **(kwargs or {}))

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), _plain_attention(), Watch(), counter:
        module(*inputs)
    return int(counter.get_total_flops()), {name for name in seen if _multiplies(name)}


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Have attention run as products: the counter does not know all of its fused kernels."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _multiplies(name: str) -> bool:
    """Return whether an operation that the counter does not know is one of products."""
    own = name.partition(".")[2]
    return any(word in own for word in _MULTIPLYING) and not any(word in own for word in _HARMLESS)


def _parameters(module: Any) -> int:
    """Return the elements of the parameters, each storage once, and of int8 weights in buffers."""
    held = [*module.parameters()]
    held += [one for one in module.buffers() if str(one.dtype) in {"torch.int8", "torch.uint8"}]
    return sum({one.data_ptr(): one.numel() for one in held}.values())
