"""The templates of the page, with the filters that they use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment

from benchbench import pages
from benchbench.reports import (
    confusion,
    drawing,
    evidence,
    grouping,
    sureness,
    verdicts,
    wording,
)
from benchbench.reports.grouping import finite
from benchbench.reports.page import marks
from benchbench.view import RunView


def templates(run: RunView, numbers: Mapping[str, int]) -> Environment:
    """Return the environment of the templates; *numbers* are the places of the run's cells."""
    environment = pages.environment(wording.clean)
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    environment.filters |= _FILTERS
    environment.globals |= {
        "status_words": wording.STATUS,
        "verdict_words": verdicts.WORDS,
        "numbers": numbers,
        "shades": marks.shades(runtimes, runtimes),
    }
    return environment


def _shade(stage: str) -> str:
    """Return the style sheet's name of a stage's colour."""
    return f"--t{(*wording.STAGES, 'decode').index(stage)}"


def _key(figure: Any) -> Any:
    """Return what a figure of a table sorts by; empty where it is absent."""
    return "" if figure is None else figure


_FILTERS = {
    "short": wording.short,
    "key": _key,
    "ms": wording.milliseconds,
    "significant": wording.significant,
    "fraction": wording.fraction,
    "size": wording.size,
    "seconds": wording.seconds,
    "delta": wording.delta,
    "ratio": wording.ratio,
    "interval": wording.interval,
    "plus_minus": wording.plus_minus,
    "against": wording.against,
    "marks": evidence.marks,
    "remark": evidence.remark,
    "absence": wording.absence,
    "unfiled": wording.unfiled,
    "metric": wording.metric_name,
    "half": sureness.half,
    "bounds": sureness.bounds,
    "verdict": sureness.verdict,
    "probability": sureness.probability,
    "percent": wording.percent,
    "count": confusion.count,
    "share": confusion.share,
    "plural": wording.plural,
    "whole": wording.whole,
    "finite": finite,
    "variant": grouping.variant,
    "spark": drawing.spark,
    "strip": drawing.strip,
    "stack": drawing.stack,
    "failure_title": wording.failure_title,
    "shape": marks.shape,
    "shade": _shade,
    "measured": verdicts.measured,
    "bound": verdicts.bound,
    "gate_interval": verdicts.interval,
    "counted": verdicts.counted,
}
