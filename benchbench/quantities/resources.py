"""Energy, memory, size, cost and coverage, as quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

from benchbench.energy_view import EnergyFigure, EnergyView
from benchbench.quantities.quantity import Getter, Quantity, absence, higher, lower, told
from benchbench.types import Placement, Precision
from benchbench.units import Unit
from benchbench.view import CellView


def _energy(name: str, unit: Unit, of: Callable[[EnergyView], EnergyFigure]) -> Getter:
    def found(cell: CellView) -> Quantity:
        made = higher if name == "energy.images" else lower
        base = made(name, unit, "trials")
        for view in cell.energy[:1]:
            figure = of(view)
            trials = view.quality.trials if view.quality else None
            return told(
                base, figure.value, figure.reason or view.reason, low=figure.low, high=figure.high,
                level=figure.level if figure.low is not None else None, n=trials,
                reason=figure.reason,
            )  # fmt: skip
        return told(base, None, absence(cell) or "the suite names no meter for this cell")

    return found


def _peak(cell: CellView) -> Quantity:
    base = lower("energy.peak", "W")
    for view in cell.energy[:1]:
        return told(base, view.peak_w, view.peak_reason or view.reason)
    return told(base, None, absence(cell) or "the suite names no meter for this cell")


def _memory(name: str, key: str, what: str) -> Callable[[CellView], Quantity]:
    def found(cell: CellView) -> Quantity:
        why = absence(cell) or f"{what} was not read"
        return told(lower(name, "bytes"), cell.memory.get(key), why)

    return found


def unfiled(cell: CellView) -> str:
    """Return why no file of *cell* is known: neither its size nor its digest."""
    if cell.artifact:
        return "it is made by code and no file holds it"
    return absence(cell) or "it has no artifact"


def _size(cell: CellView) -> Quantity:
    value = cell.artifact.bytes if cell.artifact else None
    return told(lower("size", "bytes", "counted"), value, unfiled(cell))


def build(cell: CellView) -> Quantity:
    """Return the seconds of all conversions; absent where there were none."""
    base, made = lower("build", "s"), cell.artifact
    if made is None:
        return told(base, None, absence(cell) or "it has no artifact")
    if made.build_s:
        return told(base, sum(made.build_s.values()), None)
    if made.chain:
        return told(base, None, "how long its conversions took was not recorded")
    return told(base, None, "nothing was built: the model is run as it is")


def _complexity(name: str, unit: Unit, field: str) -> Callable[[CellView], Quantity]:
    def found(cell: CellView) -> Quantity:
        made = cell.complexity
        why = (made.reason if made else absence(cell)) or "not counted"
        return told(lower(name, unit, "counted"), getattr(made, field) if made else None, why)

    return found


def _cost(cell: CellView) -> Quantity:
    base = lower("cost.million", "currency")
    for cost in cell.costs[:1]:
        return told(base, cost.per_million, None, currency=cost.currency)
    return told(base, None, absence(cell) or "the suite gives no price for this device")


def unplaced(place: Placement) -> str:
    """Return why a share is absent from *place*; its source may be any words of a plug-in's."""
    return f"not known from '{place.source}'"


def _coverage(of: str) -> Getter:
    def found(cell: CellView) -> Quantity:
        name, place = f"coverage.{of}", cell.placement
        base = higher(name, "", "counted")
        if of in ("precision", "device"):
            return told(base, cell.metrics.get(name), cell.reasons.get(name) or absence(cell))
        if place is None:
            return told(base, None, absence(cell) or "not known what ran")
        if not place.coverage:
            return told(base, None, unplaced(place))
        return told(base, place.coverage.get(of, 0.0), None)

    return found


RESOURCES: Mapping[str, Getter] = {
    "energy": _energy("energy", "J", lambda view: view.gross_j_per_image),
    "energy.net": _energy("energy.net", "J", lambda view: view.net_j_per_image),
    "energy.images": _energy("energy.images", "images/J", lambda view: view.images_per_joule),
    "energy.average": _energy("energy.average", "W", lambda view: view.average_w),
    "energy.peak": _peak,
    "memory": _memory("memory", "inference", "the resident memory"),
    "memory.load": _memory("memory.load", "load", "the resident memory"),
    "memory.device": _memory("memory.device", "device", "the device's memory"),
    "size": _size,
    "parameters": _complexity("parameters", "parameters", "parameters"),
    "macs": _complexity("macs", "MACs", "macs"),
    "build": build,
    "cost.million": _cost,
}
COVERAGES: Mapping[str, Getter] = {
    f"coverage.{of}": _coverage(of) for of in ("precision", "device", *get_args(Precision))
}
