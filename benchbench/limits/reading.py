"""Going through a limit from left to right, and what is asked of every figure in it."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from benchbench.errors import UsageError
from benchbench.quantities import (
    ALIASES,
    GETTERS,
    Kind,
    Named,
    check_subject,
    close,
    kind,
    leading,
    looks_fixed,
    short,
)

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3}(?!\d))?", re.ASCII)


class Reader:
    """Goes through a limit from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.blamed = False
        self._skip()

    def _skip(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    @property
    def rest(self) -> str:
        """What is not read yet."""
        return self.text[self.at :].rstrip()

    def peek(self, pattern: re.Pattern[str]) -> str | None:
        """Return what comes next, if it matches."""
        found = pattern.match(self.text, self.at)
        return found[0] if found else None

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Return what comes next and go past it, if it matches."""
        found = self.peek(pattern)
        if found is not None:
            self.at += len(found)
            self._skip()
        return found

    def figure(self, what: str, example: str) -> Named:
        """Return the name that comes next and go past it."""
        found = leading(self.text, self.at)
        if found is None:
            raise self.fault(f"{what} is missing", example)
        named, self.at = found
        self._skip()
        return named

    def fault(self, message: str, hint: str) -> UsageError:
        """Return an error that points at what comes next."""
        self.blamed = True
        here = short(self.rest) if self.rest else "the end"
        place = f"at {here} (character {self.at + 1})"
        return UsageError(f"{short(self.text.strip())}: {message}, {place}", hint=hint)

    def number(self, example: str) -> Decimal:
        """Return the number that comes next and go past it."""
        before = self.at
        found = self.take(_NUMBER)
        if found is None:
            raise self.fault("a number is missing", f"for example {example}")
        if self.text[self.at : self.at + 1] in (",", "'", "_"):
            self.at = before
            raise self.fault("the number is unclear", "write 0.35 or 1000, without separators")
        if not math.isfinite(float(found)):
            self.at = before
            raise self.fault("the number is not finite", f"for example {example}")
        return Decimal(found)


def known(figure: Named) -> Kind:
    """Return what is known of *figure*; raise if it cannot be, or not of that subject."""
    what = kind(figure.name)
    if looks_fixed(what.name) and what.accuracy:
        raise unheard(figure.name)
    if figure.subject is not None:
        check_subject(what.name, figure.subject)
    return what


def unheard(name: str) -> UsageError:
    """Return the error for a name that no figure has."""
    meant = close(name, (*GETTERS, *ALIASES))
    hint = f"did you mean {short(meant)}?" if meant else "docs/quantities.md lists the names"
    return UsageError(f"there is no figure named {short(name)}", hint=hint)
