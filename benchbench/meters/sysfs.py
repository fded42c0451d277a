"""Numbers and words that the kernel shows as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchbench.errors import MeterError

_SECOND_NS = 1_000_000_000


def number(path: Path) -> int:
    """Return the integer that *path* shows; raises MeterError naming the path."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MeterError(f"{path} cannot be read: {_reason(error)}") from error
    try:
        return int(text)
    except ValueError as error:
        raise MeterError(f"{path} shows {text[:40]!r} instead of an integer") from error


def number_or_none(path: Path) -> int | None:
    """Return the integer that *path* shows; None where it shows none."""
    try:
        return number(path)
    except MeterError:
        return None


def text_or_none(path: Path) -> str | None:
    """Return what *path* says, without blanks and NUL around; None where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip(" \n\t\0") or None
    except OSError:
        return None


class Seldom:
    """State that is read once a second at most: a sampler asks for it with every power.

    The kernel's sensors take up to a millisecond each to answer.
    """

    def __init__(self, take: Callable[[], dict[str, float]], clock: Callable[[], int]) -> None:
        self._take = take
        self._clock = clock
        self._found: dict[str, float] = {}
        self._until_ns = clock()

    def __call__(self) -> dict[str, float]:
        """Return what was found last, or now."""
        if (now := self._clock()) >= self._until_ns:
            self._found, self._until_ns = self._take(), now + _SECOND_NS
        return self._found


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
