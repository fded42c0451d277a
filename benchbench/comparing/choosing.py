"""Cells of a run picked by a pattern: the part of a side after ``#``."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from benchbench.errors import UsageError
from benchbench.plugins import suggest
from benchbench.view import CellView, RunView

KEYS = ("model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
"""What tells cells of a run apart, and pairs those of two."""
_WILD = "*?["
_FEWEST = 4
"""Characters of an id that name it."""


def chosen(view: RunView, pattern: str, text: str) -> tuple[CellView, ...]:
    """Return the cells that *pattern* picks: at least one.

    ``key=value`` parts joined by commas, an id or its beginning, or the label; ``*`` and ``?`` are
    wildcards. Raises :class:`~benchbench.errors.UsageError` where it picks none.
    """
    asked = _asked(pattern)
    if asked is not None:
        found = [cell for cell in view.cells if _agrees(cell, asked)]
    else:
        found = [cell for cell in view.cells if _named(cell, pattern.strip())]
    if not found:
        raise UsageError(
            f"'{text[:200]}' picks no cell of {view.run}",
            hint=suggest(pattern, [cell.label for cell in view.cells][:40]),
        )
    return tuple(found)


def _asked(pattern: str) -> Mapping[str, str] | None:
    """Return the keys and values of *pattern*, or None where it is a label."""
    if "=" not in pattern:
        return None
    parts = [part.partition("=") for part in pattern.split(",")]
    found = {}
    for key, separator, value in parts:
        if not separator or key.strip() not in KEYS:
            hint = suggest(key.strip()[:80], KEYS)
            raise UsageError(f"cells have no key '{key.strip()[:80]}'", hint=hint)
        found[key.strip()] = value.strip()
    return found


def _agrees(cell: CellView, asked: Mapping[str, str]) -> bool:
    return all(fnmatchcase(str(getattr(cell, key)), value) for key, value in asked.items())


def _named(cell: CellView, pattern: str) -> bool:
    if len(pattern) >= _FEWEST and cell.id.startswith(pattern):
        return True
    path = f"{cell.model}/{cell.runtime}/{cell.precision}"
    if any(sign in pattern for sign in _WILD):
        return fnmatchcase(cell.label, pattern) or fnmatchcase(path, pattern)
    return pattern in (cell.label, path)
