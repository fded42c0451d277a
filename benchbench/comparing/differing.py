"""What differs between two cells besides their figures, and which figures it spoils."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from benchbench.compare_view import Differing, Family
from benchbench.comparing.sides import Source, same_job
from benchbench.view import CellView

_TIMED: tuple[Family, ...] = ("latency", "energy")
_SCORED: tuple[Family, ...] = ("accuracy",)
_MACHINE = ("cpu", "system", "limits", "math_variables", "governor", "virtualised")
"""Parts of the environment that times depend on."""
_PASS = ("canary",)
"""Keys of the latency protocol that its figures do not depend on."""
_GPU = ("gpu", "compute_capability", "driver", "driver_cuda", "cuda")
"""What a placement tells of the accelerator."""
_LONGEST = 160
_ABSENT = "not recorded"


def differing(a: Source, a_cell: CellView, b: Source, b_cell: CellView) -> tuple[Differing, ...]:
    """Return what differs between two cells and is not a figure, by key.

    Accuracy is spoilt by other images or annotations, another metric, evaluator or convention, and
    by another protocol of one and the same model; times and energy by another machine, thread
    count, batch or way of measuring; energy by another meter. Versions and weights spoil nothing:
    they are often what is compared. Nothing spoils sizes.
    """
    found = [*_data(a_cell, b_cell), *_metric(a_cell, b_cell), *_protocol(a_cell, b_cell)]
    found += [*_timing(a_cell, b_cell), *_meters(a_cell, b_cell)]
    if not same_job(a, b):
        found += _machine(a.view.environment, b.view.environment)
        found += _accelerator(a_cell, b_cell)
    found += _shown(a_cell, b_cell)
    return tuple(found)


def spoiling(found: Iterable[Differing], family: Family, admit: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that spoil *family* and that no pattern of *admit* names."""
    return tuple(one.key for one in found if family in one.spoils and not admitted(one.key, admit))


def admitted(key: str, admit: Sequence[str]) -> bool:
    """Return whether *key* was admitted, by name or by a pattern with ``*``."""
    return any(fnmatchcase(key, pattern) for pattern in admit)


# --- accuracy ----------------------------------------------------------------------------


def _data(a: CellView, b: CellView) -> Iterator[Differing]:
    """Yield what differs in the images and annotations; their names and places do not matter."""
    ours, theirs = (cell.protocol.get("dataset") or {} for cell in (a, b))
    yield from _of("task", a.task, b.task, _SCORED)
    if "content_sha256" in ours and "content_sha256" in theirs:
        keys = ("content_sha256", "images", "label_map")
        yield from _keys("dataset", ours, theirs, keys, _SCORED)
    else:
        yield from _of("dataset", a.dataset, b.dataset, _SCORED)
        yield from _of("split", a.split, b.split, _SCORED)
    ours, theirs = (cell.protocol.get("corruption") or {} for cell in (a, b))
    yield from _flat("corruption", ours, theirs, _SCORED)


def _metric(a: CellView, b: CellView) -> Iterator[Differing]:
    if a.primary is None or b.primary is None:
        return
    yield from _of("metric.primary", a.primary, b.primary, _SCORED)
    yield from _of("metric.evaluator", a.evaluator, b.evaluator, _SCORED)
    yield from _flat("metric.convention", a.convention, b.convention, _SCORED)


def _protocol(a: CellView, b: CellView) -> Iterator[Differing]:
    """Yield what differs in preprocessing and decoding; other models have others by right."""
    spoils = _SCORED if a.model == b.model else ()
    for part in ("preprocessing", "decoder"):
        ours, theirs = (cell.protocol.get(part) or {} for cell in (a, b))
        for one in _flat(f"protocol.{part}", ours, theirs, spoils):
            sized = one.key == "protocol.preprocessing.input" and a.model == b.model
            yield one.model_copy(update={"spoils": (*_SCORED, *_TIMED)}) if sized else one


# --- times and energy --------------------------------------------------------------------


def _timing(a: CellView, b: CellView) -> Iterator[Differing]:
    yield from _of("batch", a.batch, b.batch, _TIMED)
    if a.latency is None or b.latency is None:
        return
    ours, theirs = a.protocol, b.protocol
    yield from _of("protocol.threads", ours.get("threads"), theirs.get("threads"), _TIMED)
    yield from _of("protocol.affinity", ours.get("affinity"), theirs.get("affinity"), _TIMED)
    ours, theirs = (_without(one.get("latency") or {}, _PASS) for one in (ours, theirs))
    yield from _flat("protocol.latency", ours, theirs, _TIMED)
    mine, other = (cell.placement.copies_inside_run if cell.placement else None for cell in (a, b))
    if a.runtime == b.runtime:  # of two runtimes it is how they are made
        yield from _of("placement.copies_inside_run", mine, other, _TIMED)


def _accelerator(a: CellView, b: CellView) -> Iterator[Differing]:
    """Yield what differs of GPU and driver, as far as both placements tell it."""
    ours, theirs = (cell.placement.details if cell.placement else {} for cell in (a, b))
    keys = [key for key in _GPU if key in ours and key in theirs]
    yield from _keys("placement", ours, theirs, keys, _TIMED)


def _meters(a: CellView, b: CellView) -> Iterator[Differing]:
    for ours, theirs in zip(a.energy[:1], b.energy[:1], strict=False):
        yield from _of("meter", ours.meter, theirs.meter, ("energy",))
        yield from _of("meter.scope", ours.scope, theirs.scope, ("energy",))
        yield from _flat("meter.identity", ours.identity, theirs.identity, ("energy",))


def _machine(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Differing]:
    found = [
        one
        for part in _MACHINE
        for one in _flat("environment", _part(ours, part), _part(theirs, part), _TIMED)
    ]
    if not found and ours.get("key") != theirs.get("key"):
        found = [*_of("environment.key", ours.get("key"), theirs.get("key"), _TIMED)]
    return found


def _part(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: facts[name]} if name in facts else {}


# --- what is shown and spoils nothing ----------------------------------------------------


def _shown(a: CellView, b: CellView) -> list[Differing]:
    found: list[Differing] = []
    if a.model == b.model:
        ours, theirs = (cell.protocol.get("model") or {} for cell in (a, b))
        found += _flat("model", ours, theirs, ())
    found += _flat("versions", a.versions, b.versions, ())
    mine, other = (cell.placement.precision if cell.placement else None for cell in (a, b))
    if a.precision == b.precision and mine and other:
        found += _of("placement.precision", mine, other, ())
    return found


# --- how two values are set side by side -------------------------------------------------


def _of(key: str, ours: Any, theirs: Any, spoils: tuple[Family, ...]) -> Iterator[Differing]:
    if ours != theirs:
        yield Differing(key=key, a=_told(ours), b=_told(theirs), spoils=spoils)


def _keys(
    prefix: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    keys: Sequence[str],
    spoils: tuple[Family, ...],
) -> Iterator[Differing]:
    for key in keys:
        yield from _of(f"{prefix}.{key}", ours.get(key), theirs.get(key), spoils)


def _flat(prefix: str, ours: Any, theirs: Any, spoils: tuple[Family, ...]) -> Iterator[Differing]:
    """Yield the leaves that differ of two nested mappings, by dotted key."""
    if ours == theirs:
        return
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        yield from _of(prefix, ours, theirs, spoils)
        return
    for key in sorted({*ours, *theirs}, key=str):
        yield from _flat(f"{prefix}.{key}", ours.get(key), theirs.get(key), spoils)


def _without(facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in names}


def _told(value: Any) -> str:
    """Return *value* in a line; what it may be called comes from files."""
    text = _ABSENT if value is None else " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
