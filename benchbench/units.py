"""Units of figures: what may be written, and the unit that each stands for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from benchbench.errors import UsageError

Unit = Literal[
    "", "ms", "s", "J", "W", "images/J", "bytes", "images/s", "queries/s", "cameras", "×",
    "parameters", "MACs", "dB", "px", "mm", "currency",
]  # fmt: skip
"""Units that figures are kept in; ``""`` is a fraction of 1, ``currency`` what the suite's price
is in."""

WRITTEN: Mapping[str, tuple[Unit, float]] = {
    "": ("", 1.0),
    "%": ("", 0.01),
    "percent": ("", 0.01),
    "points": ("", 0.01),
    "point": ("", 0.01),
    "pp": ("", 0.01),
    "ns": ("ms", 1e-6),
    "µs": ("ms", 1e-3),
    "μs": ("ms", 1e-3),
    "us": ("ms", 1e-3),
    "ms": ("ms", 1.0),
    "s": ("ms", 1e3),
    "min": ("ms", 60e3),
    "µJ": ("J", 1e-6),
    "μJ": ("J", 1e-6),
    "uJ": ("J", 1e-6),
    "mJ": ("J", 1e-3),
    "J": ("J", 1.0),
    "kJ": ("J", 1e3),
    "Wh": ("J", 3600.0),
    "mW": ("W", 1e-3),
    "W": ("W", 1.0),
    "kW": ("W", 1e3),
    "images/J": ("images/J", 1.0),
    "B": ("bytes", 1.0),
    "bytes": ("bytes", 1.0),
    "kB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "KiB": ("bytes", 1024.0),
    "MiB": ("bytes", 1024.0**2),
    "GiB": ("bytes", 1024.0**3),
    "images/s": ("images/s", 1.0),
    "img/s": ("images/s", 1.0),
    "fps": ("images/s", 1.0),
    "ips": ("images/s", 1.0),
    "queries/s": ("queries/s", 1.0),
    "qps": ("queries/s", 1.0),
    "cameras": ("cameras", 1.0),
    "camera": ("cameras", 1.0),
    "×": ("×", 1.0),
    "x": ("×", 1.0),
    "times": ("×", 1.0),
    "parameters": ("parameters", 1.0),
    "M parameters": ("parameters", 1e6),
    "G parameters": ("parameters", 1e9),
    "MACs": ("MACs", 1.0),
    "MMACs": ("MACs", 1e6),
    "GMACs": ("MACs", 1e9),
    "dB": ("dB", 1.0),
    "px": ("px", 1.0),
    "pixels": ("px", 1.0),
    "mm": ("mm", 1.0),
}
"""What may be written → the unit it is of, and its size. Case and blanks do not matter, but where
a capital makes another prefix (mW, MW) it is refused.

Of a unit ``s`` (loading, building) seconds are kept, not milliseconds; see :func:`read`.
"""

_SECONDS: Mapping[str, float] = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_REFUSED = {"MW": "mW or W", "MJ": "mJ or J", "M": "MB", "m": "ms"}
_BARE: frozenset[Unit] = frozenset(
    {"", "×", "cameras", "parameters", "MACs", "currency", "images/s", "queries/s", "images/J",
     "dB", "px", "mm"}
)  # fmt: skip
_TWINS = frozenset({"μs", "us", "μJ", "uJ", "point", "camera", "x", "B", "img/s", "ips", "pixels"})
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)


def _folded(written: str) -> str:
    return "".join(written.split()).lower()


_FOLDED: Mapping[str, tuple[Unit, float]] = {_folded(name): of for name, of in WRITTEN.items()}


def read(number: float | Decimal, written: str, unit: Unit, quantity: str) -> float:
    """Return *number* of the unit *written* in *unit*, which *quantity* is kept in.

    A bare number is taken as it is where only one unit is in use (fractions, rates, counts). The
    product is formed in decimal, so that 95 % is 0.95 and not a bit more. Raises
    :class:`~benchbench.errors.UsageError` for a unit that is unknown or of another kind, and for
    what is not a finite number.
    """
    size = 1.0
    if written:
        size = _size(written, unit, quantity)
    elif unit not in _BARE:
        raise UsageError(
            f"{quantity} needs a unit", hint=f"for example {number:g} {_example(unit)}"
        )
    value = number if isinstance(number, Decimal) else Decimal(repr(float(number)))
    found = float(value * Decimal(repr(size))) if value.is_finite() else math.nan
    if not math.isfinite(found):
        raise UsageError(f"{number} is not a finite number", hint="write a number, such as 0.35")
    return found


def _size(written: str, unit: Unit, quantity: str) -> float:
    """Return how large the unit *written* is in *unit*."""
    if refused := _REFUSED.get(written[:1] + written[1:].upper()):
        refused = f"M {unit}" if written == "M" and unit in ("parameters", "MACs") else refused
        raise UsageError(f"the unit '{written}' of {quantity} is unclear", hint=f"write {refused}")
    folded = _folded(written)
    if unit == "s" and folded in _SECONDS:
        return _SECONDS[folded]
    known = _FOLDED.get(folded)
    if unit == "currency" and known is None and _CURRENCY.fullmatch(written):
        return 1.0
    if known is None or known[0] != unit:
        raise UsageError(
            f"{quantity} is not measured in '{written}'",
            hint=f"write it in {', '.join(spellings(unit)) or 'a currency, such as EUR'}",
        )
    return known[1]


def is_unit(written: str) -> bool:
    """Return whether *written* is a unit of anything."""
    return bool(written) and _folded(written) in (*_FOLDED, *_SECONDS)


def spellings(unit: Unit) -> tuple[str, ...]:
    """Return what may be written for *unit*, one spelling of each size."""
    if unit == "s":
        return tuple(_SECONDS)
    return tuple(n for n, (of, _) in WRITTEN.items() if of == unit and n and n not in _TWINS)


def _example(unit: Unit) -> str:
    return {"bytes": "MB"}.get(unit, unit)


_WRITTEN_IN: Mapping[Unit, tuple[tuple[str, int], ...]] = {
    "bytes": (("GB", 9), ("MB", 6), ("kB", 3)),
    "parameters": (("M parameters", 6),),
    "MACs": (("GMACs", 9), ("MMACs", 6)),
}
"""Unit → larger ones, and their powers of ten."""


def write(value: float, unit: Unit, currency: str = "") -> str:
    """Return *value* with its unit, to the last digit: :func:`read` makes the same value of it."""
    exact = Decimal(repr(value))
    for name, power in _WRITTEN_IN.get(unit, ()):
        if abs(value) >= 10**power:
            return f"{plain(exact.scaleb(-power))} {name}"
    return f"{plain(exact)} {currency if unit == 'currency' else unit}".rstrip()


def plain(number: Decimal) -> str:
    """Return *number* without an exponent, unless that were long: ``0.005``, ``1E-12``."""
    short = number.normalize()
    return format(short, "f") if -9 <= short.adjusted() <= 15 else str(short)


_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(h|min|m|s|)\s*", re.ASCII)
_TIMES = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}


def seconds(text: str) -> float:
    """Return the seconds of ``90``, ``90s``, ``20m`` or ``1h30m``; only a part alone needs no unit.

    Raises :class:`~benchbench.errors.UsageError` for what is not a positive, finite time.
    """
    parts = _TIME.findall(text)
    whole = "".join(f"{number}{unit}" for number, unit in parts)
    found = sum(float(number) * _TIMES[unit] for number, unit in parts)
    unclear = len(parts) > 1 and not all(unit for _, unit in parts)
    if whole != "".join(text.split()) or unclear or not 0 < found < math.inf:
        raise UsageError(f"'{text[:60]}' is not a time", hint="for example 90s, 20m or 1h30m")
    return found


_STEPS: Mapping[Unit, tuple[tuple[str, float], ...]] = {
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
    "parameters": (("G parameters", 1e9), ("M parameters", 1e6), ("parameters", 1.0)),
    "MACs": (("GMACs", 1e9), ("MMACs", 1e6), ("MACs", 1.0)),
    "J": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
    "W": (("W", 1.0), ("mW", 1e-3)),
}


def show(value: float | None, unit: Unit, currency: str = "") -> str:
    """Return *value* with its unit: ``12.3 ms``, ``0.485``, ``1.3 MB``; a dash if absent."""
    if value is None:
        return "–"
    if unit in _STEPS:
        return _scaled(value, _STEPS[unit])
    if unit == "":
        return f"{value:.3f}"
    told = f"{digits(value)}×" if unit == "×" else f"{digits(value)} {unit}"
    return told.replace("currency", currency).rstrip()


def _scaled(value: float, steps: tuple[tuple[str, float], ...]) -> str:
    for name, size in steps:
        if abs(value) >= size or (not value and size == 1.0):
            return f"{digits(value / size)} {name}"
    return f"{digits(value / steps[-1][1])} {steps[-1][0]}"


def digits(value: float) -> str:
    """Return *value* with three significant digits, whole above 100."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
