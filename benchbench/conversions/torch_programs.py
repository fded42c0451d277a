"""Torch modules as exported programs of named outputs, at a fixed shape."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from benchbench.errors import ConversionError, ModelError
from benchbench.files import NOT_TORCH, plain_tensors_only
from benchbench.tensors import leaves, output_names
from benchbench.types import InputShape, ModelFile

_CALLING = (RuntimeError, TypeError, ValueError, AssertionError)
_EXPORTING = (RuntimeError, ValueError, TypeError, AssertionError, LookupError, AttributeError)


def open_module(model: ModelFile) -> Any:
    """Return the module of *model*, a ``torch-module`` or a ``pt2``; raise ModelError."""
    return model.load() if model.load else open_program(model).module()


def open_program(model: ModelFile) -> Any:
    """Return the exported program that *model*, a ``pt2``, holds; raise ModelError."""
    import torch

    try:
        with plain_tensors_only():
            return torch.export.load(str(model.path))
    except NOT_TORCH as error:
        raise ModelError(
            f"{model.path}: not a readable exported program: {head(error)}",
            hint="write it with torch.export.save; it may be truncated or of a newer torch",
        ) from error


def example(shape: InputShape, seed: int, batch: int | None = None) -> Any:
    """Return a tensor of noise as the suite feeds it: 0..255 for integers, normal for floats."""
    import torch

    size = (batch or shape.shape[0], *shape.shape[1:])
    values = np.random.default_rng(seed).standard_normal(size)
    if np.issubdtype(np.dtype(shape.dtype), np.integer):
        values = np.clip(values * 64 + 128, 0, 255)
    return torch.from_numpy(values.astype(shape.dtype))


class Flat(NamedTuple):
    """A module that returns a flat tuple of tensors, and takes its image as ``images``."""

    module: Any
    names: list[str]
    """Of the outputs, in their order."""
    floats: list[bool]
    """Which outputs are floating-point numbers."""


def flat(module: Any, image: Any, *beside: Any) -> Flat:
    """Return *module* with its outputs as a flat tuple, in eval mode.

    Raises ModelError if *image*, and what is given *beside* it, are not for the module.
    """
    import torch

    class Wrapper(torch.nn.Module):  # type: ignore[misc] # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Any) -> tuple[Any, ...]:
            return tuple(leaf for _, leaf in leaves(self.inner(images)))

    class Several(Wrapper):
        # Apart, because some converters do not know a variable number of inputs.
        def forward(self, images: Any, *more: Any) -> tuple[Any, ...]:
            return tuple(leaf for _, leaf in leaves(self.inner(images, *more)))

    try:
        with torch.no_grad():
            outputs = module(image, *beside)
    except _CALLING as error:
        fed = [f"{str(x.dtype).removeprefix('torch.')} {list(x.shape)}" for x in (image, *beside)]
        raise ModelError(
            f"the module does not take {', '.join(fed)}: {head(error)}",
            hint="mend the input's size, dtype or layout; a model takes one image tensor, and by"
            " position what 'prompts' and 'texts' of its 'input' name",
        ) from error
    made = Several() if beside else Wrapper()
    # Not eval(): the module of an exported program refuses to be told.
    for part in made.modules():
        part.training = False
    floats = [leaf.is_floating_point() for _, leaf in leaves(outputs)]
    return Flat(made, output_names(outputs), floats)


def exported(module: Any, image: Any) -> Any:
    """Return *module* exported at the shape of *image*; raise ConversionError."""
    import torch

    try:
        with torch.no_grad():
            return torch.export.export(module, (image,))
    except _EXPORTING as error:
        raise ConversionError(
            f"torch.export failed: {type(error).__name__}: {head(error)}",
            hint="the job's log holds torch's account; the module may depend on its input's values",
        ) from error


def head(error: Exception) -> str:
    """Return the first line of what *error* says, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:300]
