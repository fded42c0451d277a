"""Torch modules that a Python function makes."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.sources.content import sha256
from benchbench.sources.weights import apply_state, read_state, seeded
from benchbench.sources.zoo import opened
from benchbench.types import ModelFile, Record, Variant

_PACKAGE = "package:"


class TorchFactory(Record):
    """A ``torch.nn.Module`` made by ``package.module:function``, with weights or without."""

    packages: ClassVar[Packages] = (("torch",),)
    extra: ClassVar[str] = "torch"

    factory: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:function``; the function returns the module."""
    kwargs: dict[str, Any] = {}
    """Keyword arguments of the function."""
    weights: Path | None = None
    """A ``.safetensors`` or torch file; ``package:some.package/file`` looks in a package."""
    allow_pickle: bool = False
    """Admit weights that are pickled objects; loading them can run any code."""
    seed: int = 0
    """Seed of torch while the function runs: it decides the weights where none are given."""

    def variants(self) -> Sequence[Variant]:
        """Return the module at fp32."""
        return (Variant(format="torch-module"),)

    def fingerprint(self) -> Mapping[str, str]:
        """Return the factory, and the SHA-256 of its source file and of the weights."""
        module = self.factory.partition(":")[0]
        source = _find(module).origin
        found = {
            "factory": self.factory,
            "kwargs": repr(sorted(self.kwargs.items())),
            "source": sha256(Path(source)) if source else "",
            "seed": str(self.seed),
        }
        path = self._weights()
        return found | ({"weights": sha256(path)} if path else {})

    def open(self, variant: Variant) -> ModelFile:
        """Return a loader of the module, in eval mode."""
        return opened(variant, self._load, self._weights())

    def _weights(self) -> Path | None:
        """Return the weights' file; ``package:`` names are looked up without importing."""
        text = str(self.weights)
        if not text.startswith(_PACKAGE):
            return self.weights
        package, _, name = text.removeprefix(_PACKAGE).partition("/")
        folders = _find(package).submodule_search_locations
        if not folders:
            raise ModelError(
                f"'{text}': '{package}' is a module, not a package",
                hint="write package:some.package/file.safetensors",
            )
        return Path(folders[0]) / name

    def _load(self) -> Any:
        make = _function(self.factory)
        try:
            module = seeded(lambda: make(**self.kwargs), self.seed)
        except TypeError as error:
            raise ModelError(
                f"{self.factory} cannot be called with {sorted(self.kwargs)}: {error}",
                hint="check 'kwargs'",
            ) from error
        return _ready(self.factory, module, self._weights(), allow_pickle=self.allow_pickle)


def _ready(factory: str, module: Any, path: Path | None, *, allow_pickle: bool) -> Any:
    import torch

    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            f"{factory} returned a {type(module).__name__}, not a torch.nn.Module",
            hint="name a function that returns the module",
        )
    if path:
        apply_state(module, read_state(path, allow_pickle=allow_pickle), path)
    return module.eval()


def _function(factory: str) -> Any:
    name, _, attribute = factory.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingDependency("torch", "torch") from error
        raise ModelError(
            f"'{factory}' cannot be imported: {error}",
            hint="install the package, or put its folder on PYTHONPATH",
        ) from error
    if not callable(getattr(module, attribute, None)):
        public = sorted(item for item in vars(module) if not item.startswith("_"))
        raise ModelError(
            f"'{name}' has no function '{attribute}'", hint=f"it has: {', '.join(public[:12])}"
        )
    return getattr(module, attribute)


def _find(name: str) -> ModuleSpec:
    """Return the spec of a module without running it or its parents.

    ``importlib.util.find_spec`` would import the parents of a dotted name, and with them torch.
    """
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    path = top
    for part in rest:
        path = f"{path}.{part}"
        folders = spec.submodule_search_locations if spec else None
        spec = PathFinder.find_spec(path, list(folders)) if folders else None
    if spec is None:
        raise ModelError(
            f"no module named '{name}'", hint="install the package, or put its folder on PYTHONPATH"
        )
    return spec
