"""Fields of CSV files, safe to open in a spreadsheet."""

from __future__ import annotations

import math
import re

Value = str | float | int | None

_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)


def field(value: Value) -> str:
    """Return one field: numbers as they are, absent as empty.

    Text that a spreadsheet would run as a formula stands behind an apostrophe.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.match(value):
        return f"'{value}"
    return str(value)
