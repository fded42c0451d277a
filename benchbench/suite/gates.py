"""Limits that a suite, or a file of its own, sets to what was measured.

They are no part of what is measured: a run keeps its identity when they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from benchbench import limits, units
from benchbench.errors import SuiteError, UsageError
from benchbench.suite import document as yaml_document
from benchbench.suite.document import Document
from benchbench.suite.takes import Where
from benchbench.suite.validate import validate
from benchbench.types import Record

if TYPE_CHECKING:
    from benchbench.suite.load import LoadedSuite

_Printable = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z*][a-z0-9_*]{0,63}$")]


def _told(error: UsageError) -> PydanticCustomError:
    """Return *error* as one that :mod:`~benchbench.suite.validate` gives a place."""
    return PydanticCustomError("told", "{message}", {"message": error.message, "hint": error.hint})


def _limit(text: str) -> str:
    try:
        limits.parse(text)
    except UsageError as error:
        raise _told(error) from None
    return text


def _duration(text: str) -> str:
    try:
        units.seconds(text)
    except UsageError as error:
        raise _told(error) from None
    return text


def _text(value: Any) -> Any:
    """``90`` → ``"90"``."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _codes(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _baseline(value: Any) -> str:
    """Return the tag of ``against``."""
    return "cells" if isinstance(value, dict | Where) else "text"


class GateEntry(Record):
    """One limit, and the cells that have to keep it."""

    limit: Annotated[str, AfterValidator(_limit)]
    """Such as ``map >= 0.35`` or ``no more than 3 % slower than fp32``; see docs/gates.md."""
    where: Where = Where()
    """Which cells; by default all."""
    against: (
        Annotated[
            Annotated[Annotated[_Printable, Field(max_length=500)], Tag("text")]
            | Annotated[Where, Tag("cells")],
            Discriminator(_baseline),
        ]
        | None
    ) = None
    """The baseline of a relative limit: a name, a run or a path, or which cells of the same run."""
    without: Annotated[tuple[_Code, ...], BeforeValidator(_codes), Field(max_length=100)] = ()
    """Codes of doubts (caveats) with which the limit is inconclusive."""
    name: Annotated[_Printable, Field(max_length=200)] | None = None
    """What outputs call it; by default its text."""

    @model_validator(mode="after")
    def _one_baseline(self) -> GateEntry:
        found = self.parsed
        if self.against is None:
            return self
        if isinstance(found, limits.Absolute):
            message, hint = "an absolute limit has no baseline", "leave 'against' out"
            raise _told(UsageError(f"{message}: '{found}'", hint=hint))
        if found.against is not None:
            message = f"the limit names a baseline ('{found.against}') and so does 'against'"
            raise _told(UsageError(message, hint="leave one of them out"))
        return self

    @property
    def parsed(self) -> limits.Absolute | limits.Relative:
        """The limit as :func:`benchbench.limits.parse` reads it."""
        return limits.parse(self.limit)


class Gating(Record):
    """What holds for all limits together."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of failing though all limits hold, and of passing though one does not."""
    on_inconclusive: Literal["fail", "pass", "retry"] = "fail"
    """What to do with limits that the measurements leave open; ``retry`` measures more first."""
    baseline: Annotated[_Printable, Field(max_length=500)] | None = None
    """The baseline of relative limits that name none."""
    budget: Annotated[str, AfterValidator(_duration), BeforeValidator(_text)] | None = None
    """How long ``retry`` may measure: ``20m``, ``1h30m``."""

    @property
    def budget_s(self) -> float | None:
        """The budget in seconds."""
        return None if self.budget is None else units.seconds(self.budget)


_KEY = re.compile(r"[\[<>=≤≥]")


def _entry(value: Any) -> Any:
    """``map >= 0.35`` → ``{"limit": "map >= 0.35"}``."""
    if isinstance(value, str):
        return {"limit": value}
    if not isinstance(value, dict | GateEntry):
        told = f"a limit is a text or a mapping, not {str(value)[:60]}"
        raise _told(UsageError(told, hint="for example map >= 0.35"))
    if isinstance(value, dict) and len(value) == 1 and _KEY.search(key := next(iter(value))):
        told = f"the limit '{key}: …' holds a colon and a blank, which YAML takes for a key"
        raise _told(UsageError(told, hint="write the whole limit in single quotes"))
    return value


class _OrText:
    """Says in the JSON Schema that a text may stand for an entry."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


Entry = Annotated[GateEntry, BeforeValidator(_entry), _OrText()]


def _listed(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _told(UsageError("'gates' is a list of limits", hint=_LISTED))
    return value


def _some(value: Any) -> Any:
    if value in ([], ()):
        raise _told(UsageError("'gates' holds no limit", hint=_LISTED))
    return value


_LISTED = "for example gates: ['map >= 0.35']"
Entries = Annotated[tuple[Entry, ...], Field(max_length=1000), BeforeValidator(_listed)]


class LimitsFile(Record):
    """A file of limits."""

    gates: Annotated[Entries, Field(min_length=1), BeforeValidator(_some)]
    """The limits."""
    gating: Gating = Gating()
    """What holds for all of them."""


@dataclass(frozen=True, slots=True)
class LoadedGate:
    """A limit, and where it is written."""

    entry: GateEntry
    limit: limits.Absolute | limits.Relative
    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class LoadedGates:
    """Limits, and what holds for all of them."""

    entries: tuple[LoadedGate, ...]
    gating: Gating


def load_gates(path: Path) -> LoadedGates:
    """Return the limits of the file *path*.

    Raises :class:`~benchbench.errors.SuiteError` with file, line and column.
    """
    document = yaml_document.load(path)
    if not isinstance(document.data, dict):
        raise SuiteError(
            "a file of limits is a mapping",
            hint="its keys are 'gates' (a list of limits) and 'gating'",
            place=document.place(()),
        )
    found = validate(document, LimitsFile)
    return LoadedGates(tuple(_placed(document, found.gates)), found.gating)


def gates_of(loaded: LoadedSuite) -> LoadedGates:
    """Return the limits of a suite."""
    return LoadedGates(tuple(_placed(loaded.document, loaded.suite.gates)), loaded.suite.gating)


def _placed(document: Document, entries: tuple[GateEntry, ...]) -> Iterator[LoadedGate]:
    for index, entry in enumerate(entries):
        place = document.place(("gates", index, "limit"))
        yield LoadedGate(entry, entry.parsed, place.file, place.line)
