"""The sections that a report has only where something was measured for them, in their order."""

from __future__ import annotations

from benchbench.reports import (
    complexity,
    conditions,
    definitions,
    energy,
    left,
    load,
    processes,
    soak,
    turns,
)
from benchbench.reports.tables import Section
from benchbench.view import RunView

EARLY = ("turns",)
"""Anchors of the sections that stand beside the precision ladder."""
_MAKERS = (
    turns.turns,
    processes.processes,
    load.load,
    energy.energy,
    soak.soak,
    definitions.definitions,
    conditions.conditions,
    complexity.complexity,
    left.left,
)


ANCHORS = frozenset(
    {
        "turns", "processes", "load", "energy", "soak", "definitions", "conditions", "model",
        "left",
    }
)  # fmt: skip


def sections(run: RunView) -> tuple[Section, ...]:
    """Return the sections of *run* that have something to show."""
    return tuple(found for make in _MAKERS if (found := make(run)) is not None)
