"""Which limits are asked of a run: of its suite, of a file, of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchbench import limits
from benchbench.errors import UsageError
from benchbench.files import is_file
from benchbench.store import Run
from benchbench.suite import document as yaml_document
from benchbench.suite.gates import GateEntry, LoadedGate, LoadedGates, gates_of, load_gates
from benchbench.suite.load import LoadedSuite, reload_suite

_EXAMPLE = "benchbench gate {} --limit 'latency.p50 <= 12 ms', or 'gates:' in the suite"


def asked_of(run: Run, file: Path | None = None, texts: Iterable[str] = ()) -> LoadedGates:
    """Return the limits of *file*, or else of the run's suite, and those of *texts*.

    Raises :class:`~benchbench.errors.UsageError` for a text that is no limit, and where there are
    no limits at all; :class:`~benchbench.errors.SuiteError` for a file that is wrong.
    """
    found = load_gates(file) if file else gates_of(_suite(run))
    entries = (*found.entries, *(_typed(text) for text in texts))
    if not entries:
        raise UsageError(
            f"neither the suite of {run.id} nor the command sets a limit",
            hint=f"for example {_EXAMPLE.format(run.id)} (docs/gates.md)",
        )
    return LoadedGates(entries, found.gating)


def _suite(run: Run) -> LoadedSuite:
    """Return the run's suite, with the limits of today where its file is still there.

    Limits are no part of what was measured: they may change afterwards.
    """
    manifest = run.manifest()
    texts = [manifest.suite_text]
    if is_file(Path(manifest.suite_file)):
        texts.insert(0, yaml_document.load(Path(manifest.suite_file)).text)
    for text in texts:
        found = reload_suite(text, manifest.suite_file, manifest.settings, ())
        if found.suite.name == manifest.suite:
            break
    return found


def _typed(text: str) -> LoadedGate:
    limit = limits.parse(text)
    return LoadedGate(GateEntry(limit=text), limit, "", None)
