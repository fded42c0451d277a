"""The last pass over a document: every text in it is clean, and none is endless."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar, cast

from benchbench.reports.document import model
from benchbench.reports.document.model import Reference
from benchbench.reports.wording import clean

MOST = 1_500
"""Characters of a text; the middle of a longer one is cut out."""
Some = TypeVar("Some")


def tidy(value: Some) -> Some:
    """Return *value*, a part of a document, with all texts in it clean and cut."""
    return cast("Some", _tidy(value))


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return tuple(_tidy(one) for one in value)
    ours = type(value).__module__ == model.__name__ and not isinstance(value, Reference)
    return _parts(value) if ours else value


def _parts(value: Any) -> Any:
    own = {field.name: getattr(value, field.name) for field in fields(value)}
    new = {name: _tidy(one) for name, one in own.items()}
    changed = {name: one for name, one in new.items() if one is not own[name]}
    return replace(value, **changed) if changed else value


def _text(words: str) -> str:
    told = clean(words)
    if len(told) <= MOST:
        return words if told == words else told
    head = MOST * 2 // 3
    return f"{told[:head]}…{told[head + 1 - MOST :]}"
