"""Numbers as claims write them: rounded to the nearest, with the digits that they carry."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, log10

from benchbench.claims_view import ClaimFigure
from benchbench.units import Unit

MINUS = "−"
_MOST_DECIMALS = 8
_STEPS: dict[Unit, tuple[tuple[str, float], ...]] = {
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
    "parameters": (("million", 1e6), ("", 1.0)),
    "MACs": (("GMACs", 1e9), ("MMACs", 1e6), ("MACs", 1.0)),
    "J": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
    "W": (("W", 1.0), ("mW", 1e-3)),
}


def fixed(value: float, decimals: int) -> str:
    """Return *value* rounded to the nearest, ties to even, with a true minus sign."""
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return f"{exact:f}".replace("-", MINUS) if exact else f"{abs(exact):f}"


def decimals_of(value: float, digits: int = 3) -> int:
    """Return how many decimals give *value* that many significant digits; none above 100."""
    if not value:
        return digits
    return min(max(0, digits - 1 - floor(log10(abs(value)))), _MOST_DECIMALS)


def written(figure: ClaimFigure) -> tuple[str, str | None, str | None, str]:
    """Return value, low and high with as many decimals as each other, and the unit behind them."""
    assert figure.value is not None
    value, unit = figure.value, _name(figure)
    scale = 1.0
    for name, size in _STEPS.get(figure.unit, ()):
        unit, scale = name, size
        if abs(value) >= size:
            break
    scaled = value / scale
    whole = figure.unit in ("cameras", "parameters", "bytes") and scale == 1.0
    decimals = 0 if whole else _decimals(scaled, figure.unit)
    told = [
        None if one is None else fixed(one / scale, decimals)
        for one in (value, figure.low, figure.high)
    ]
    assert told[0] is not None
    return told[0], told[1], told[2], f" {unit}" if unit else ""


def _name(figure: ClaimFigure) -> str:
    return figure.currency if figure.unit == "currency" else figure.unit


def _decimals(value: float, unit: Unit) -> int:
    if unit == "":
        return 3 if abs(value) >= 0.01 or not value else decimals_of(value, 2)
    return decimals_of(value)


def change(figure: ClaimFigure) -> tuple[str, str | None, str | None]:
    """Return the change of a comparison and its interval: a ratio, or points of accuracy.

    As many decimals as it takes for no end to be rounded onto "no change".
    """
    none = 1.0 if figure.scale == "ratio" else 0.0
    factor = 100.0 if figure.scale == "difference" and figure.unit == "" else 1.0
    ends = [one for one in (figure.value, figure.low, figure.high) if one is not None]
    told = [one * factor for one in ends]
    decimals = 2
    while decimals < _MOST_DECIMALS and any(_vanishes(one, none, decimals) for one in told):
        decimals += 1
    found = [
        None if one is None else fixed(one * factor, decimals)
        for one in (figure.value, figure.low, figure.high)
    ]
    assert found[0] is not None
    return found[0], found[1], found[2]


def _vanishes(value: float, none: float, decimals: int) -> bool:
    """Whether rounding makes a change of none of *value*, or nothing of a small ratio."""
    rounded = round(value, decimals)
    return value != none and (rounded == none or (rounded == 0 and value != 0))


def signed(text: str) -> str:
    """Return a difference with its sign."""
    return text if text.startswith(MINUS) or not float(text) else f"+{text}"


def confidence(level: float) -> str:
    """Return ``95 %``; no digit more than it takes."""
    return f"{100 * level:.4g} %"
