"""Absolute limits: a figure, an operator, a number with its unit."""

from __future__ import annotations

import re
from decimal import Decimal

from benchbench import units
from benchbench.errors import UsageError
from benchbench.limits.model import Absolute, Sense
from benchbench.limits.reading import Reader, known, unheard
from benchbench.quantities import Kind, Named

EXAMPLE = "map >= 0.35, or latency.p99 <= 12 ms"
_OPERATOR = re.compile(r">=|<=|≥|≤|>|<|at\s+least\b|at\s+most\b", re.IGNORECASE)
_NEARLY = re.compile(r"(at|not|no|less|more|up)\s+(most|least|more|less|than|to)\b", re.IGNORECASE)
_MEANT = {"=>": ">=", "=<": "<=", "==": ">= or <=", "=": ">= or <=", "!=": ">= or <="}
_WRONG = re.compile("|".join(map(re.escape, _MEANT)))
_END = re.compile(r"(.*?)\s*(on\s+these\s+images)?\s*", re.IGNORECASE | re.DOTALL)


def absolute(reader: Reader) -> Absolute:
    """Return the absolute limit that *reader* is at the beginning of."""
    if reader.peek(_NEARLY):
        message = "a limit begins with a figure, or with 'no more than'"
        raise reader.fault(message, "for example no more than 3 % slower")
    figure = reader.figure("the name of a figure", f"for example {EXAMPLE}")
    what = known(figure)
    sense, strict = _operator(reader)
    at = reader.at
    number = reader.number(f"{figure.name} >= 0.35")
    found = _END.fullmatch(reader.rest)
    assert found is not None
    written, here = found[1], found[2] is not None
    if _OPERATOR.search(written) or len(written) > 30:
        raise reader.fault("nothing may follow the unit", "one limit a line")
    value = _value(number, written, what, figure)
    reader.at = at
    _check_value(reader, value, what, (sense, strict))
    if here and not what.accuracy:
        raise reader.fault(f"'on these images' is of accuracy, not of {what.name}", "leave it out")
    return Absolute(
        name=figure.name, subject=figure.subject, sense=sense, strict=strict, value=value,
        unit=what.unit, on_these_images=here,
        currency=written.upper() if what.unit == "currency" else "",
    )  # fmt: skip


def _operator(reader: Reader) -> tuple[Sense, bool]:
    if reader.rest.startswith("["):
        raise reader.fault(
            "what is in brackets is unclear", "write [class=…], [slice=…] or [meter=…]"
        )
    wrong = reader.peek(_WRONG)
    found = None if wrong else reader.take(_OPERATOR)
    if found is None:
        meant = _MEANT.get(wrong or "", ">=, <=, > or <")
        raise reader.fault("an operator is missing", f"write {meant}, for example {EXAMPLE}")
    least = found[0] in ">≥" or found.lower().endswith("least")
    return ("at least" if least else "at most"), found in (">", "<")


def _value(number: Decimal, written: str, what: Kind, figure: Named) -> float:
    try:
        return units.read(number, written, what.unit, figure.name)
    except UsageError:
        if what.accuracy and not what.fraction and units.is_unit(written):
            raise unheard(figure.name) from None
        raise


def _check_value(reader: Reader, value: float, what: Kind, sign: tuple[Sense, bool]) -> None:
    sense, strict = sign
    if value < 0 and (what.fraction or not what.accuracy):
        raise reader.fault(f"{what.name} cannot be negative", f"for example {EXAMPLE}")
    if what.fraction and value > 1:
        hint = f"write {value:g} %" if value <= 100 else f"for example {EXAMPLE}"
        raise reader.fault(f"{what.name} is a fraction of 1, or in %", hint)
    never = value >= 1 if (sense, strict) == ("at least", True) and what.fraction else False
    if never or (value == 0 and sense == "at most" and (strict or not _may_be_zero(what))):
        raise reader.fault(f"{what.name} can never keep that", f"for example {EXAMPLE}")


def _may_be_zero(what: Kind) -> bool:
    return what.accuracy or what.counted
