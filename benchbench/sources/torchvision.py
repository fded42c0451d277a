"""Architectures of torchvision."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.sources.content import sha256
from benchbench.sources.weights import seeded
from benchbench.sources.zoo import VARIANTS, finished, opened, unknown_name, version
from benchbench.types import ModelFile, Record, Variant

_FILES = {".pt", ".pth", ".safetensors"}


class Torchvision(Record):
    """A model of ``torchvision.models`` by name."""

    packages: ClassVar[Packages] = (("torch",), ("torchvision",))
    extra: ClassVar[str] = "torch"

    name: str
    """Name as in ``torchvision.models.list_models()``."""
    weights: Path | str | None = None
    """A local state dict, or a name such as ``DEFAULT``, which downloads; None: random weights."""
    seed: int = 0
    """Seed of the random weights."""
    kwargs: dict[str, Any] = {}
    """Keyword arguments of the model builder, e.g. ``num_classes``."""

    def variants(self) -> Sequence[Variant]:
        """Return the module at fp32."""
        return VARIANTS

    def fingerprint(self) -> Mapping[str, str]:
        """Return the name, torchvision's version, and what decides the weights."""
        file = self._file()
        return {
            "torchvision": version("torchvision"),
            "name": self.name,
            "kwargs": repr(sorted(self.kwargs.items())),
            "weights": sha256(file) if file else str(self.weights),
            "seed": str(self.seed),
        }

    def open(self, variant: Variant) -> ModelFile:
        """Return a loader of the module, in eval mode."""
        return opened(variant, self._load, self._file())

    def _file(self) -> Path | None:
        path = Path(self.weights) if self.weights else None
        return path if path and path.suffix in _FILES else None

    def _load(self) -> Any:
        try:
            from torchvision import models
        except ImportError as error:
            raise MissingDependency("torchvision", "torch") from error
        known = models.list_models()
        if self.name not in known:
            raise unknown_name("torchvision.models", self.name, known)
        module = seeded(lambda: self._build(models), self.seed)
        return finished(module, self._file())

    def _build(self, models: Any) -> Any:
        options: dict[str, Any] = {"weights": None}
        if self.weights and not self._file():
            options["weights"] = _named_weights(models, self.name, str(self.weights))
        elif (
            "weights_backbone" in inspect.signature(models.get_model_builder(self.name)).parameters
        ):
            # Builders of detectors download a trained backbone unless told not to.
            options["weights_backbone"] = None
        try:
            return models.get_model(self.name, **(options | self.kwargs))
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"torchvision cannot build '{self.name}': {error}", hint="check 'kwargs'"
            ) from error


def _named_weights(models: Any, name: str, weights: str) -> Any:
    known = models.get_model_weights(name)
    try:
        return known[weights]
    except KeyError:
        raise ModelError(
            f"torchvision has no weights '{weights}' of '{name}'",
            hint=f"it has: {', '.join(known.__members__)}; a file must end in .pth, .pt "
            "or .safetensors",
        ) from None
