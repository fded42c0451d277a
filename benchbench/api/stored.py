"""Runs and suites that are in the store already."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from benchbench.errors import UsageError
from benchbench.store import Run, Store
from benchbench.suite.load import LoadedSuite, reload_suite
from benchbench.types import Result

DEFAULT_STORE = Path(".benchbench")


def default_store() -> Path:
    """Return the store's folder: ``BENCHBENCH_STORE``, or ``.benchbench`` here."""
    return Path(os.environ.get("BENCHBENCH_STORE") or DEFAULT_STORE)


def find_run(name: str, settings: Iterable[str] = (), *, store: Path | None = None) -> Run:
    """Return a run by id, prefix, suite name or ``latest``.

    *settings* (``key=value``) narrow a suite's name or ``latest`` to runs made with them.
    """
    return Store(store or default_store()).run(name, settings)


def reloaded(current: Run, settings: Iterable[str]) -> LoadedSuite:
    """Return a run's suite, with *settings* in place of its own."""
    manifest = current.manifest()
    return reload_suite(manifest.suite_text, manifest.suite_file, manifest.settings, settings)


def predicted(current: Run) -> list[Result]:
    """Return the results with stored predictions; raise UsageError if there are none."""
    found = [result for result in current.results() if "predictions" in result.arrays]
    if not found:
        raise UsageError(
            f"the run {current.id} has no stored predictions",
            hint="run it first, with measure.accuracy on",
        )
    return found
