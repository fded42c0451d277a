"""The verbs: plan, run, score, show, report. Nothing here prints or exits."""

from __future__ import annotations

from benchbench.api.accuracy import cases, inspect, power, rescore, score
from benchbench.api.baselining import (
    SavedBaseline,
    baseline,
    baseline_remove,
    baseline_save,
    baselines_kept,
)
from benchbench.api.beside import aa, diagnose, quantize, sensitivity
from benchbench.api.bundling import BUNDLED_REPORTS, Bundled, bundle
from benchbench.api.citing import claim, claims, lint_claims, verify_claim
from benchbench.api.deciding import compare, gate, recommend
from benchbench.api.measuring import run
from benchbench.api.planning import plan, plan_takes
from benchbench.api.reporting import (
    brand_of,
    export,
    frame,
    history,
    history_page,
    rendered,
    report,
    show,
    usual_formats,
    write_report,
    write_reports,
)
from benchbench.api.reproducing import reproduce
from benchbench.api.stored import DEFAULT_STORE, default_store, find_run
from benchbench.api.watching import Quiet, RunOutcome, first_failure

__all__ = [
    "BUNDLED_REPORTS",
    "DEFAULT_STORE",
    "Bundled",
    "Quiet",
    "RunOutcome",
    "SavedBaseline",
    "aa",
    "baseline",
    "baseline_remove",
    "baseline_save",
    "baselines_kept",
    "brand_of",
    "bundle",
    "cases",
    "claim",
    "claims",
    "compare",
    "default_store",
    "diagnose",
    "export",
    "find_run",
    "first_failure",
    "frame",
    "gate",
    "history",
    "history_page",
    "inspect",
    "lint_claims",
    "plan",
    "plan_takes",
    "power",
    "quantize",
    "recommend",
    "rendered",
    "report",
    "reproduce",
    "rescore",
    "run",
    "score",
    "sensitivity",
    "show",
    "usual_formats",
    "verify_claim",
    "write_report",
    "write_reports",
]
