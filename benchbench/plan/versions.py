"""Which packages a cell needs, at which versions, and what is not here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchbench import plugins
from benchbench.errors import MissingDependency
from benchbench.plan.known import Known
from benchbench.plan.matrix import Combination
from benchbench.plan.parts import Parts
from benchbench.protocols import Probing
from benchbench.types import Failure

BASE = ("benchbench", "hotcoco", "numpy", "pillow")
"""Packages whose version every result depends on: they read images and compute scores."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Package → version, by the part that the packages play."""

    cell: dict[str, str]
    """What measures and scores."""
    source: Mapping[str, str]
    """What makes the module; empty if the chain begins with a file."""
    steps: tuple[Mapping[str, str], ...]
    """What each conversion of the chain needs."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one plug-in needs: the versions that are installed, or what is lacking."""

    versions: Mapping[str, str]
    lacking: Failure | None = None


def needs(known: Known, plugin: Any) -> Needs:
    """Return what *plugin* needs."""
    return known.of(plugin, _needs)


def _needs(plugin: Any) -> Needs:
    try:
        return Needs(plugins.versions(plugin))
    except MissingDependency as error:
        failure = Failure(code=error.code, stage="plan", message=error.message, hint=error.hint)
        return Needs({}, failure)


def installed(known: Known, parts: Parts) -> tuple[Versions, Failure | None]:
    """Return the versions in play, and why the cell cannot run here; None if it can."""
    at, model, route = parts.at, parts.model, parts.route
    measures = (at.runtime, model.decoder, parts.metric, model.input)
    measuring = [needs(known, plugin) for plugin in measures]
    from_module = route.start.format == "torch-module"
    making = needs(known, model.source) if from_module else Needs({})
    steps = [needs(known, conversion) for conversion, _, _ in route.steps]
    damaging = [needs(known, at.dataset.corrupt)] if at.dataset.corrupt else []
    found = Versions(
        cell=together(*measuring, *damaging),
        source=making.versions,
        steps=tuple(step.versions for step in steps),
    )
    return found, first_lacking(*measuring, making, *steps, *damaging) or _missing_device(at)


def together(*parts: Needs) -> dict[str, str]:
    """Return the versions of all *parts*, and of what every result depends on."""
    found = {name: here for name in BASE if (here := plugins.installed_version(name))}
    for part in parts:
        found |= part.versions
    return found


def first_lacking(*parts: Needs) -> Failure | None:
    """Return what the first of *parts* that lacks something lacks; None if all is here."""
    return next((part.lacking for part in parts if part.lacking), None)


def _missing_device(at: Combination) -> Failure | None:
    reason = at.runtime.absent(at.device) if isinstance(at.runtime, Probing) else None
    if reason is None:
        return None
    hint = "benchbench doctor tells what is missing"
    return Failure(code="missing_device", stage="plan", message=reason, hint=hint)
