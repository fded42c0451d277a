"""Everything that the page's template prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from benchbench.folding import kept
from benchbench.reports import (
    damaged,
    drawing,
    evidence,
    findings,
    grouping,
    measurements,
    pareto,
    protocol,
    soak,
    summary,
    terms,
    verdicts,
    wording,
)
from benchbench.reports.document.references import references
from benchbench.reports.page import island
from benchbench.reports.page.album import album
from benchbench.reports.page.sections import section
from benchbench.reports.page.trending import trending
from benchbench.view import RunView

_CONTENTS = (
    ("gate", "Gate"), ("summary", "Summary"), ("tradeoff", "Trade-off"), ("cells", "All cells"),
    ("precision", "Precision ladder"), ("turns", "Turn-taking"), ("trend", "Trend"),
    ("evidence", "Evidence"), ("accuracy", "Accuracy"),
    ("parts", "Slices and classes"), ("severity", "Severity"), ("curves", "Curves"),
    ("confusion", "Confusion"), ("gallery", "Gallery"), ("latency", "Latency"),
    ("stages", "Stages"),
    ("processes", "Processes"), ("load", "Load"), ("energy", "Energy"), ("soak", "Sustained"),
    ("definitions", "Other tools"), ("conditions", "Conditions"), ("model", "Model"),
    ("left", "Left undone"), ("protocol", "Protocol"), ("provenance", "Provenance"),
    ("limits", "Limits and terms"), ("references", "References"),
)  # fmt: skip
"""Anchors and names of the sections; some are there only where there is anything."""


def contents(run: RunView) -> dict[str, Any]:
    """Return what the page prints of *run*, whose doubts are settled."""
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    present = {cell.precision for cell in run.cells}
    groups, own = grouping.groups(run), kept(run.cells)
    return _parts(run, groups) | {
        "caution": terms.caution(run),
        "lower": any(cell.lower_is_better for cell in run.cells),
        "title": run.title or run.suite,
        "machine": wording.environment_line(run.environment),
        "counts": summary.counts(run.cells),
        "sentences": summary.summary(run),
        "facets": island.facets(groups),
        "facet_names": island.FACETS,
        "island": island.island(groups, runtimes, numbers(run)),
        "runtimes": runtimes,
        "signs": {sign for cell in run.cells for sign in evidence.signs(cell)},
        "precisions": [name for name in pareto.SHAPES if name in present],
        "broken": damaged.broken(run.cells),
        "damaged_caveats": damaged.caveats(run.cells),
        "otherwise": damaged.otherwise(run.cells),
        "own": own,
        "cards": protocol.cards(run.cells),
        "environment": wording.leaves(run.environment),
        "command": shlex.join(run.command_line),
        "limits": terms.limits(run),
        "glossary": terms.glossary(run),
        "spark_height": drawing.SPARK_HEIGHT,
        "trace_height": soak.HEIGHT,
        "stages": drawing.stages(own),
        "rounds": any(cell.speedup and cell.speedup.rounds for cell in run.cells),
        "percentiles": wording.PERCENTILES,
    }


def _parts(run: RunView, groups: tuple[grouping.Group, ...]) -> dict[str, Any]:
    """Return the sections, and the names of those that have anything."""
    gate = verdicts.urgent(run.gate.limits) if run.gate else None
    found = findings.page(run, groups) | {"gate": gate}
    found |= {"gallery": album(run), "references": references(run), "trend": trending(run)}
    taken = measurements.sections(run)
    absent = measurements.ANCHORS - {part.anchor for part in taken}
    absent |= {"gate"} if run.gate is None else set()
    conditions = evidence.conditions(run.cells)
    anchors = {cell.id: f"cell-{index}" for index, cell in enumerate(run.cells, 1)}
    return found | {
        "contents": [
            entry
            for entry in _CONTENTS
            if (entry[0] == "gate" or found.get(entry[0], True)) and entry[0] not in absent
        ],
        "early": [part for part in taken if part.anchor in measurements.EARLY],
        "later": [part for part in taken if part.anchor not in measurements.EARLY],
        "anchors": anchors,
        "conditions": conditions,
        "sections": [section(group, anchors, threaded=conditions is None) for group in groups],
    }


def numbers(run: RunView) -> Mapping[str, int]:
    """Return the place of each cell that has rows of its own, by its id."""
    return {cell.id: at for at, cell in enumerate(kept(run.cells))}
