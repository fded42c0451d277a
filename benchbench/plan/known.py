"""What is found out once and used by many cells of a plan."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchbench import plugins
from benchbench.errors import BenchbenchError, SuiteError
from benchbench.suite.load import LoadedSuite
from benchbench.suite.model import GivenEntry, ModelEntry
from benchbench.types import Record

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Known:
    """The suite that is planned, the cache's folder, and the memory of what was found out."""

    loaded: LoadedSuite
    cache: Path
    _found: dict[Hashable, Any] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def once(self, key: Hashable, find: Callable[[], _Found]) -> _Found:
        """Return what *find* returns, asked once for each *key*; its error is raised each time."""
        if key not in self._found:
            try:
                self._found[key] = find()
            except BenchbenchError as error:
                self._found[key] = error
        found: _Found | BenchbenchError = self._found[key]
        if isinstance(found, BenchbenchError):
            raise found
        return found

    def of(self, thing: Any, ask: Callable[..., _Found], *more: Hashable) -> _Found:
        """Return ``ask(thing, *more)``, asked once for each object."""
        key = (ask, id(thing), *more)
        if key not in self._found:
            self._kept.append(thing)  # an object that is gone would leave its id to another
        return self.once(key, lambda: ask(thing, *more))

    def options(self, family: str, plugin: Any) -> dict[str, Any]:
        """Return ``kind`` and the options of *plugin*, without fields added by the suite."""
        return self.of(plugin, plugins.own_fields, family)

    def dumped(self, record: Record) -> dict[str, Any]:
        """Return all fields of *record* as JSON has them."""
        return self.of(record, _dumped)

    def model_error(
        self,
        model: ModelEntry | GivenEntry,
        message: str,
        *keys: str,
        hint: str | None = None,
    ) -> SuiteError:
        """Return an error that points at *model*, or at one of its *keys*."""
        names = [one.name for one in self.loaded.suite.models]
        return self.loaded.error(message, ("models", names.index(model.name), *keys), hint)


def _dumped(record: Record) -> dict[str, Any]:
    return record.model_dump(mode="json")


def placed(error: BenchbenchError) -> str:
    """Return the message with the place in the file that is wrong, beside the suite's own."""
    return f"{error.place}: {error.message}" if error.place else error.message
