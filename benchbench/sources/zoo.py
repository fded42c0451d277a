"""What the sources of library architectures share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchbench.errors import ModelError
from benchbench.sources.content import sha256
from benchbench.sources.weights import apply_state, read_state
from benchbench.types import ModelFile, Variant

VARIANTS: Sequence[Variant] = (Variant(format="torch-module"),)


def version(distribution: str) -> str:
    """Return the installed version, or ``absent``."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def unknown_name(library: str, name: str, known: Iterable[str]) -> ModelError:
    """Return the error for a *name* that the library lacks."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return ModelError(
        f"{library} has no model '{name}'",
        hint=f"did you mean {' or '.join(repr(one) for one in close)}?"
        if close
        else f"{library}.list_models() lists them",
    )


def opened(variant: Variant, load: Callable[[], Any], weights: Path | None) -> ModelFile:
    """Return a loader; its digest and size are those of the local *weights*, if any."""
    if weights is None:
        return ModelFile(variant=variant, load=load)
    digest = sha256(weights)
    return ModelFile(variant=variant, load=load, sha256=digest, bytes=weights.stat().st_size)


def finished(module: Any, weights: Path | None) -> Any:
    """Return *module* in eval mode, with the local *weights* if any."""
    if weights:
        apply_state(module, read_state(weights), weights)
    return module.eval()
