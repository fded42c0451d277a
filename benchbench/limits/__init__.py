"""Limits as they are written: ``map >= 0.35``, ``no more than 3 % slower than fp32``.

An absolute limit says what a figure has to be. A relative one says how much worse than a
baseline's it may be: non-inferiority with a margin. docs/gates.md has the grammar.
"""

from __future__ import annotations

import re

from benchbench.errors import UsageError
from benchbench.limits.absolute import EXAMPLE, absolute
from benchbench.limits.model import Absolute, Change, Relative, Sense, fits
from benchbench.limits.reading import Reader
from benchbench.limits.relative import relative
from benchbench.quantities import short

__all__ = ["LONGEST", "Absolute", "Change", "Relative", "Sense", "fits", "parse"]

LONGEST = 1000
"""Characters that a limit may have."""
_NO_MORE = re.compile(r"no\s+more\s+than\b", re.IGNORECASE)


def parse(text: str) -> Absolute | Relative:
    """Return the limit that *text* says.

    Raises :class:`~benchbench.errors.UsageError` naming the place in *text*, with what was
    probably meant or an example.
    """
    if not text.strip():
        raise UsageError("the limit is empty", hint=f"for example {EXAMPLE}")
    if len(text) > LONGEST:
        message = f"a limit of {len(text)} characters; the most is {LONGEST}"
        raise UsageError(message, hint=f"one limit is one line: {EXAMPLE}")
    reader = Reader(text)
    try:
        return relative(reader) if reader.take(_NO_MORE) else absolute(reader)
    except UsageError as error:
        message = error.message if reader.blamed else f"{short(text)}: {error.message}"
        raise UsageError(message, hint=error.hint) from None
