"""Architectures of timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchbench.errors import MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.sources.content import sha256
from benchbench.sources.weights import seeded
from benchbench.sources.zoo import VARIANTS, finished, opened, unknown_name, version
from benchbench.types import ModelFile, Record, Variant


class Timm(Record):
    """A model of ``timm`` by name."""

    packages: ClassVar[Packages] = (("torch",), ("timm",))
    extra: ClassVar[str] = "timm"

    name: str
    """Name as in ``timm.list_models()``; a tag of trained weights may follow after a dot."""
    pretrained: bool = False
    """Download the trained weights; otherwise they are random."""
    weights: Path | None = None
    """A local state dict to use instead."""
    seed: int = 0
    """Seed of the random weights."""
    kwargs: dict[str, Any] = {}
    """Keyword arguments of ``timm.create_model``, e.g. ``num_classes``."""

    def variants(self) -> Sequence[Variant]:
        """Return the module at fp32."""
        return VARIANTS

    def fingerprint(self) -> Mapping[str, str]:
        """Return the name, timm's version, and what decides the weights."""
        return {
            "timm": version("timm"),
            "name": self.name,
            "kwargs": repr(sorted(self.kwargs.items())),
            "weights": sha256(self.weights) if self.weights else f"pretrained={self.pretrained}",
            "seed": str(self.seed),
        }

    def open(self, variant: Variant) -> ModelFile:
        """Return a loader of the module, in eval mode."""
        return opened(variant, self._load, self.weights)

    def _load(self) -> Any:
        try:
            import timm
        except ImportError as error:
            raise MissingDependency("timm", "timm") from error
        known = timm.list_models()
        if self.name.partition(".")[0] not in known:
            raise unknown_name("timm", self.name, known)
        pretrained = self.pretrained and not self.weights
        try:
            module = seeded(
                lambda: timm.create_model(self.name, pretrained=pretrained, **self.kwargs),
                self.seed,
            )
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"timm cannot build '{self.name}': {error}", hint="check 'name' and 'kwargs'"
            ) from error
        return finished(module, self.weights)
