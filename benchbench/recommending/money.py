"""Prices as they are written on the command line, and what they are for a device."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

from benchbench.errors import UsageError
from benchbench.types import Record

Rate = Literal["single-stream", "offline", "cameras"]
RATES: tuple[Rate, ...] = ("single-stream", "offline", "cameras")
_HOURS = {"h": 1.0, "d": 24.0, "mo": 730.5, "y": 8766.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(h|d|mo|y)", re.ASCII)
_AMOUNT = re.compile(
    r"(?:(?P<device>[^=]+)=)?\s*(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*"
    r"(?P<currency>[A-Za-z]{3})?\s*(?:/\s*(?P<per>\w+))?",
    re.ASCII,
)


class Amount(Record):
    """A price of the devices that match."""

    device: str = "*"
    """With ``*`` as a wildcard."""
    value: float
    currency: str = ""
    """ISO 4217; empty where none was written."""


class Money(Record):
    """What was said of prices; what was not said is absent, never guessed."""

    hourly: tuple[Amount, ...] = ()
    """Price of an hour of a device, in place of the suite's."""
    bought: tuple[Amount, ...] = ()
    """Price of a device."""
    life_h: float | None = None
    """Hours of full load that a bought device lasts."""
    kwh: Amount | None = None
    """Price of a kilowatt-hour."""
    cameras: int | None = None
    """Cameras that are to be served."""
    rate: Rate = "single-stream"
    """Which throughput frames are counted by, of all cells alike."""

    @property
    def currency(self) -> str:
        """The one currency that was written; empty where none was."""
        return next(iter(self._currencies()), "")

    def checked(self) -> Money:
        """Return itself; raise UsageError where currencies are mixed."""
        found = self._currencies()
        if len(found) > 1:
            raise UsageError(
                f"prices are in several currencies: {', '.join(found)}",
                hint="give all prices in one; nothing here knows exchange rates",
            )
        return self

    def _currencies(self) -> list[str]:
        amounts = [*self.hourly, *self.bought, *([self.kwh] if self.kwh else [])]
        return sorted({one.currency for one in amounts if one.currency})


def amount(text: str, per: str) -> Amount:
    """Return the price *text*: ``0.42/h``, ``cuda*=0.9 EUR/h``, where *per* is ``h``.

    Raises :class:`~benchbench.errors.UsageError` if it is none above 0.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found["per"] not in (None, per) or float(found["number"]) <= 0:
        raise UsageError(
            f"'{text}' is not a price", hint=f"write 0.42, 0.42/{per} or 'DEVICE=0.42 EUR/{per}'"
        )
    currency = (found["currency"] or "").upper()
    device = (found["device"] or "*").strip()
    return Amount(device=device, value=float(found["number"]), currency=currency)


def hours(text: str) -> float:
    """Return ``3y``, ``18mo``, ``90d`` or ``20000h`` in hours; a year has 365.25 days."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise UsageError(f"'{text}' is not a lifetime", hint="write 3y, 18mo, 90d or 20000h")
    return float(found[1]) * _HOURS[found[2]]


def of_device(amounts: Iterable[Amount], device: str) -> Amount | None:
    """Return the first price whose pattern *device* matches."""
    return next((one for one in amounts if fnmatchcase(device, one.device)), None)
