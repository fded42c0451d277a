"""What every runtime checks when it opens a model, and how it sums up its evidence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import ModelError, PlacementError
from benchbench.types import Feed, InputShape, ModelFile, Share, TensorSpec

Work = tuple[str, float]
"""Precision and weight (a time, in any unit) of one convolution or matrix product."""

MOST = 0.9
"""Share of the work in one precision from which on the model is said to run in it."""
_SEVERAL = "torch, onnxruntime and openvino"
PROBE_RUNS = 3
"""Untimed runs that evidence is taken from; each operation counts with its fastest."""


def check_device(runtime: str, device: str, known: Sequence[str]) -> None:
    """Raise PlacementError unless *device* is among *known*."""
    if device not in known:
        raise PlacementError(
            f"the runtime '{runtime}' knows no device '{device}'",
            hint=f"known devices: {', '.join(known)}",
        )


def check_input(path: Path | None, inputs: Sequence[TensorSpec], wanted: InputShape) -> TensorSpec:
    """Return the model's image input; raise ModelError if what is fed does not fit it.

    For runtimes of one input: those of several have :func:`check_inputs`.
    """
    if wanted.companions:
        beside = ", ".join(f"'{one.name}'" for one in wanted.companions)
        raise ModelError(
            f"{path}: this runtime feeds one image tensor, the suite also {beside}",
            hint=f"{_SEVERAL} feed several inputs",
        )
    if len(inputs) != 1:
        raise ModelError(
            f"{path}: takes {len(inputs)} inputs ({', '.join(map(_words, inputs))})",
            hint="the suite feeds one image tensor: export the model with one input, or name the"
            f" others under 'prompts' or 'texts' of the model's 'input' ({_SEVERAL})",
        )
    have = inputs[0]
    fed = TensorSpec(name=wanted.name or have.name, shape=wanted.shape, dtype=wanted.dtype)
    _check_fits(path, have, fed)
    return have


def check_inputs(
    path: Path | None, inputs: Sequence[TensorSpec], wanted: InputShape
) -> list[TensorSpec]:
    """Return the model's image input, then those of the companions in the order of *wanted*.

    The image's is the one that bears no companion's name. Raises ModelError if what is fed does not
    fit.
    """
    if not wanted.companions:
        return [check_input(path, inputs, wanted)]
    known = {one.name: one for one in inputs}
    beside = [one.spec for one in wanted.companions]
    images = [known[name] for name in known.keys() - {one.name for one in beside}]
    if len(images) != 1 or len(inputs) != 1 + len(beside):
        raise ModelError(
            f"{path}: the model takes {', '.join(map(_words, inputs))}; the suite feeds the image"
            f" and {', '.join(map(_words, beside))}",
            hint="name the model's inputs under 'prompts' and 'texts' of its 'input'",
        )
    for one in beside:
        _check_fits(path, known[one.name], one)
    image = check_input(path, images, replace(wanted, companions=()))
    return [image, *(known[one.name] for one in beside)]


def _check_fits(path: Path | None, have: TensorSpec, fed: TensorSpec) -> None:
    fits = len(have.shape) == len(fed.shape) and all(
        dim is None or dim == size for dim, size in zip(have.shape, fed.shape, strict=True)
    )
    if not fits or have.dtype != fed.dtype or have.name != fed.name:
        raise ModelError(
            f"{path}: the model takes {_words(have)}, the suite feeds {_words(fed)}",
            hint="mend the model's 'input' (size, layout, dtype, name) or the batch, "
            "or export the model with open dimensions",
        )


def unreadable(model: ModelFile, library: str, error: Exception) -> ModelError:
    """Return the error for a file that *library* cannot load."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ModelError(
        f"{model.path}: {library} cannot load the model: {(lines or [''])[-1][:300]}",
        hint="the file may be truncated, of another kind, or use operations that this version "
        "lacks; export or download it again",
    )


def probe(shape: InputShape) -> NDArray[np.generic]:
    """Return an input for untimed runs: uniform noise, always the same."""
    noise = np.random.default_rng(0).random(shape.shape)
    scale = 255 if np.issubdtype(np.dtype(shape.dtype), np.integer) else 1
    return (noise * scale).astype(shape.dtype)


def probes(inputs: Sequence[TensorSpec], shape: InputShape) -> Feed:
    """Return a feed for untimed runs; the first of *inputs* is the image's."""
    beside = {one.name: one.example for one in shape.companions}
    return {inputs[0].name: probe(shape), **beside}


def shares(work: Iterable[Work]) -> dict[str, float]:
    """Return precision → share of the work, largest first; empty without work."""
    sums: dict[str, float] = {}
    for precision, weight in work:
        sums[precision] = sums.get(precision, 0.0) + weight
    total = sum(sums.values())
    ranked = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(weight / total, 4) for name, weight in ranked} if total else {}


def share_in(work: Sequence[Work], precision: str, *, timed: bool) -> Share:
    """Return the share of *work* in *precision*; of time too, where the weights are times."""
    if not work:
        return Share()
    nodes = sum(name == precision for name, _ in work) / len(work)
    return Share(nodes=round(nodes, 4), time=shares(work).get(precision, 0.0) if timed else None)


def cpus() -> tuple[int, ...]:
    """Return the logical CPUs that this process may use; empty where the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return tuple(sorted(affinity(0))) if affinity else ()


def dominant(coverage: dict[str, float]) -> str:
    """Return the name with the largest share, ``unknown`` where there is no evidence."""
    return max(coverage, key=coverage.__getitem__) if coverage else "unknown"


def effective(coverage: dict[str, float]) -> str:
    """Return the precision of nine tenths of the work, ``mixed`` if of none, or ``unknown``."""
    name = dominant(coverage)
    return name if coverage.get(name, 1.0) >= MOST else "mixed"


def _words(spec: TensorSpec) -> str:
    shape = ", ".join("?" if dim is None else str(dim) for dim in spec.shape)
    return f"'{spec.name}' {spec.dtype} [{shape}]"
