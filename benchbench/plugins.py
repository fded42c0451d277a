"""Find plug-ins by name through entry points; built-ins come through the same door.

A family, its entry-point group (``benchbench.<family>``) and its folder share one word.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import (
    Distribution,
    EntryPoint,
    EntryPoints,
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    version,
)
from typing import Annotated, Any, Literal, Union, cast

from pydantic import Field, ValidationError, create_model

from benchbench.errors import MissingDependency, PluginError
from benchbench.types import Record

FAMILIES = (
    "sources",
    "conversions",
    "runtimes",
    "datasets",
    "decoders",
    "predictions",
    "metrics",
    "meters",
    "counters",
    "reports",
    "exporters",
    "executors",
)
OWN = "benchbench"
_ORIGINS: dict[type, dict[str, str]] = {}
"""The distribution that registers each tagged plug-in: its code is part of what a result needs."""


def singular(family: str) -> str:
    """``runtimes`` → ``runtime``: for messages."""
    return family.removesuffix("s")


@cache
def _every_point() -> EntryPoints:
    """Return the entry points of all installed distributions, whose files are read once."""
    return cast("EntryPoints", entry_points())  # Python 3.11: another class with the same select


@cache
def _points(family: str) -> Mapping[str, EntryPoint]:
    found = sorted(_every_point().select(group=f"benchbench.{family}"), key=_own_last)
    return {point.name: point for point in found}


def _own_last(point: EntryPoint) -> bool:
    """Sort key: ours last, so that nobody else's plug-in takes a built-in's name."""
    return point.dist is not None and OWN in _named(point.dist)


@cache
def _named(distribution: Distribution) -> dict[str, str]:
    """Return ``{name: version}``, read once: a distribution parses its metadata at every access."""
    return {distribution.name: distribution.version}


def names(family: str) -> list[str]:
    """Return the names registered in *family*, sorted."""
    return sorted(_points(family))


def is_builtin(family: str, name: str) -> bool:
    """Return whether *name* is registered by benchbench itself."""
    return _own_last(_points(family)[name])


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Return a did-you-mean, or the list of what is known."""
    known = sorted(known)
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(wrong.casefold(), folded, 1, 0.6)
    if close:
        return f"did you mean '{folded[close[0]]}'?"
    return f"known: {', '.join(known) or 'none'}"


@cache
def load(family: str, name: str) -> type[Record]:
    """Return the plug-in class *name* of *family*.

    Raises :class:`~benchbench.errors.PluginError` if it is unknown, does not import, or is not a
    ``Record``.
    """
    point = _points(family).get(name)
    if point is None:
        raise PluginError(
            f"no {singular(family)} named '{name}'", hint=suggest(name, names(family))
        )
    try:
        found = point.load()
    except MemoryError:
        raise
    except Exception as error:
        raise PluginError(
            f"the {singular(family)} '{name}' ({point.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}",
            hint="reinstall or remove the package that registers it",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Record)):
        raise PluginError(
            f"the {singular(family)} '{name}' ({point.value}) is not a benchbench Record",
            hint="a plug-in is a class derived from benchbench.types.Record",
        )
    return found


@cache
def tagged(family: str, name: str, *bases: type[Record]) -> type[Record]:
    """Return the plug-in class with its name as the field ``kind`` (and the fields of *bases*)."""
    found = load(family, name)
    kind: Any = (Literal[name], Field(default=name, description=f"{singular(family)} plug-in"))
    base = (*bases, found) if bases else found
    made = create_model(found.__name__, __base__=base, __doc__=found.__doc__, kind=kind)
    origin = _points(family)[name].dist
    _ORIGINS[made] = _named(origin) if origin else {}
    return cast("type[Record]", made)


@cache
def union(family: str, *bases: type[Record]) -> Any:
    """Return a type that validates any installed plug-in of *family*, chosen by ``kind``.

    A plug-in that does not import is left out; :func:`load` says why when it is asked for by name.
    """
    members = []
    for name in names(family):
        try:
            members.append(tagged(family, name, *bases))
        except PluginError:
            continue
    if len(members) == 1:
        return members[0]
    return Annotated[Union[tuple(members)], Field(discriminator="kind")]  # noqa: UP007


def build(family: str, spec: Mapping[str, Any]) -> Any:
    """Make a plug-in from ``{"kind": name, **options}``, as a worker receives it."""
    try:
        return tagged(family, str(spec["kind"])).model_validate(dict(spec))
    except ValidationError as error:
        raise PluginError(f"bad options for {singular(family)} '{spec['kind']}': {error}") from None


def own_fields(plugin: Record, family: str) -> dict[str, Any]:
    """Return ``kind`` and the plug-in's own options, without fields added by the suite."""
    kind = plugin.kind  # type: ignore[attr-defined]  # every tagged class has it
    fields = set(load(family, kind).model_fields)
    return {"kind": kind, **plugin.model_dump(mode="json", include=fields)}


@cache
def installed_version(distribution: str) -> str | None:
    """Return the installed version of *distribution*, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def versions(plugin: Any) -> dict[str, str]:
    """Return the versions of the packages that *plugin* needs, and of the one it comes from.

    Raises :class:`~benchbench.errors.MissingDependency` for the first that is not installed.
    """
    found = dict(_ORIGINS.get(type(plugin), {}))
    for alternatives in plugin.packages:
        present = {name: v for name in alternatives if (v := installed_version(name)) is not None}
        if not present:
            raise MissingDependency(alternatives[0], plugin.extra)
        found |= present
    return found


def provider_of(module: str) -> str | None:
    """Return the distribution that provides the top-level *module*, or None."""
    found = packages_distributions().get(module.partition(".")[0])
    return found[0] if found else None
