"""Costs of a cell from prices and measured figures, draw by draw.

====================  ==============================================================
``cost.million``      price of an hour / (3600 · rate) · 10⁶
``cost.device``       price of the device / (3600 · hours of life · rate) · 10⁶
``cost.energy``       gross joules an image / 3.6·10⁶ · price of a kWh · 10⁶
``cost.owned``        ``cost.device`` + ``cost.energy``
``devices``           cameras to serve / cameras that a device serves, rounded up
``devices.price``     ``devices`` · price of the device
====================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchbench.quantities import Named, Quantity, absence, resolved
from benchbench.recommend_view import Bound
from benchbench.recommending.drawing import Figure, Sampler
from benchbench.recommending.money import Money, Rate, of_device
from benchbench.stats.choice import Values
from benchbench.units import Unit
from benchbench.view import CellView

_MILLION = 1e6
_JOULES_A_KWH = 3.6e6
_SHOWN = (0.025, 0.975)

RATE_NAMES: Mapping[Rate, str] = {
    "single-stream": "throughput",
    "offline": "offline.throughput",
    "cameras": "cameras",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """Figures of cells: those that were measured, and those that follow from prices."""

    sampler: Sampler
    money: Money

    def figure(self, cell: CellView, wanted: Named) -> Figure:
        """Return a figure of *cell* by name, derived or measured."""
        made = DERIVED.get(resolved(wanted.name).lower())
        return made(self, cell) if made else self.sampler.figure(cell, wanted)

    def rate(self, cell: CellView) -> Figure:
        """Return the frames a second that costs are counted by."""
        found = self.sampler.figure(cell, Named(RATE_NAMES[self.money.rate]))
        if self.money.rate != "cameras" or found.draws is None:
            return found
        return _scaled(found, cell.cameras[0].fps)

    def million(self, cell: CellView) -> Figure:
        """Return what a million frames cost where an hour of the device has a price."""
        base, price = _base("cost.million"), of_device(self.money.hourly, cell.device)
        if price is not None:
            return _over(base, price.value / 3600, self.money.currency, self.rate(cell))
        for cost in cell.costs[:1]:
            return _over(base, cost.per_hour / 3600, cost.currency, self.rate(cell))
        return _missing(base, cell, f"no price of an hour is given for {cell.device} (--price)")

    def device(self, cell: CellView) -> Figure:
        """Return what of a device's price a million frames use up, at full load for its life."""
        base, price = _base("cost.device"), of_device(self.money.bought, cell.device)
        if price is None:
            why = f"no price is given for a device {cell.device} (--device-price)"
            return _missing(base, cell, why)
        if self.money.life_h is None:
            return _missing(base, cell, "no lifetime is given (--life)")
        a_second = price.value / (3600 * self.money.life_h)
        return _over(base, a_second, self.money.currency, self.rate(cell))

    def energy(self, cell: CellView) -> Figure:
        """Return what the energy of a million frames costs."""
        base, price = _base("cost.energy"), self.money.kwh
        if price is None:
            return _missing(base, cell, "no price of energy is given (--kwh-price)")
        joules = self.sampler.figure(cell, Named("energy"))
        if joules.draws is None:
            return _missing(base, cell, joules.quantity.reason)
        factor = _MILLION / _JOULES_A_KWH * price.value
        return _made(base, self.money.currency, joules, lambda drawn: drawn * factor)

    def owned(self, cell: CellView) -> Figure:
        """Return what a million frames cost on a bought device: its price and its energy."""
        device, energy, base = self.device(cell), self.energy(cell), _base("cost.owned")
        for part in (device, energy):
            if part.draws is None:
                return _missing(base, cell, part.quantity.reason)
        assert energy.quantity.value is not None
        both = (energy.quantity.value, energy.draws)
        made = _made(base, self.money.currency, device, lambda drawn: drawn, plus=both)
        notes = dict.fromkeys(note for note in (device.note, energy.note) if note)
        return replace(made, note="; ".join(notes) or None)

    def devices(self, cell: CellView) -> Figure:
        """Return how many devices serve the cameras."""
        base, wanted = _base("devices", "×"), self.money.cameras
        if wanted is None:
            return _missing(base, cell, "no number of cameras is given (--cameras)")
        found = self.sampler.figure(cell, Named("cameras"))
        if found.draws is None:
            return _missing(base, cell, found.quantity.reason)
        return _inverse(_made(base, "", found, lambda drawn: np.ceil(wanted / drawn)))

    def devices_price(self, cell: CellView) -> Figure:
        """Return what the devices cost that serve the cameras."""
        base, price = _base("devices.price"), of_device(self.money.bought, cell.device)
        if price is None:
            why = f"no price is given for a device {cell.device} (--device-price)"
            return _missing(base, cell, why)
        found = self.devices(cell)
        if found.draws is None:
            return _missing(base, cell, found.quantity.reason)
        return _made(base, self.money.currency, found, lambda drawn: drawn * price.value)


DERIVED: Mapping[str, Callable[[Costs, CellView], Figure]] = {
    "cost.million": Costs.million,
    "cost.device": Costs.device,
    "cost.energy": Costs.energy,
    "cost.owned": Costs.owned,
    "devices": Costs.devices,
    "devices.price": Costs.devices_price,
}
"""Names that stand beside those of :mod:`benchbench.quantities`."""


def _base(name: str, unit: Unit = "currency") -> Quantity:
    return Quantity(name=name, unit=unit, higher_is_better=False, basis="one run")


def _missing(base: Quantity, cell: CellView, why: str | None) -> Figure:
    return Figure(base.model_copy(update={"reason": absence(cell) or why}), None)


def _over(base: Quantity, a_second: float, currency: str, rate: Figure) -> Figure:
    if rate.draws is None:
        return Figure(base.model_copy(update={"reason": rate.quantity.reason}), None)
    return _inverse(_made(base, currency, rate, lambda drawn: a_second * _MILLION / drawn))


def _inverse(made: Figure) -> Figure:
    """Return a figure that falls as its source rises: where that is a least, it is a most."""
    turned: dict[str | None, Bound] = {"at least": "at most", "at most": "at least"}
    return replace(made, bound=turned.get(made.bound))


def _scaled(found: Figure, factor: float) -> Figure:
    assert found.draws is not None
    assert found.quantity.value is not None
    value = found.quantity.value * factor
    told = found.quantity.model_copy(update={"value": value, "unit": "images/s"})
    return Figure(told, found.draws * factor, found.note, bound=found.bound)


def _made(
    base: Quantity,
    currency: str,
    source: Figure,
    of: Callable[[Values], Values],
    *,
    plus: tuple[float, Values | None] = (0.0, None),
) -> Figure:
    """Return a figure derived from *source*, with the interval of its draws."""
    assert source.draws is not None
    assert source.quantity.value is not None
    value = float(of(np.array([source.quantity.value]))[0]) + plus[0]
    draws = of(source.draws) + (0.0 if plus[1] is None else plus[1])
    low, high = (float(end) for end in np.quantile(draws, _SHOWN))
    update: dict[str, object] = {
        "value": value,
        "currency": currency,
        "basis": source.quantity.basis,
        "n": source.quantity.n,
    }
    if high > low:
        update |= {"low": low, "high": high, "level": 0.95}
    return Figure(base.model_copy(update=update), draws, source.note, bound=source.bound)
