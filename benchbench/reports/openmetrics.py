"""Figures as OpenMetrics text: for Prometheus, and for GitLab's metrics reports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, get_args

from benchbench.gate_view import GateOutcome, GateView
from benchbench.quantities import Quantity
from benchbench.reports import naming
from benchbench.reports.wording import short
from benchbench.types import Record, Status
from benchbench.units import Unit
from benchbench.view import CellView, RunView

_UNITS: Mapping[Unit, tuple[str, float]] = {
    "": ("ratio", 1.0),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1.0),
    "J": ("joules", 1.0),
    "W": ("watts", 1.0),
    "images/J": ("images_per_joule", 1.0),
    "bytes": ("bytes", 1.0),
    "images/s": ("images_per_second", 1.0),
    "queries/s": ("queries_per_second", 1.0),
    "cameras": ("cameras", 1.0),
    "×": ("ratio", 1.0),
    "parameters": ("parameters", 1.0),
    "MACs": ("macs", 1.0),
    "dB": ("decibels", 1.0),
}
"""Base units, as OpenMetrics asks for, and what a figure is multiplied by."""

Labels = Mapping[str, str]


class OpenMetrics(Record):
    """Writes ``metrics.prom``: every figure with its interval, the cells' states, the verdict."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "metrics.prom"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return text in UTF-8, in base units, without timestamps.

        It is OpenMetrics 1.0 and Prometheus' text format 0.0.4 at once: gauges alone.

        Labels say what a cell is and not which run measured it, so that a figure stays one series.
        """
        families, labels = _Families(), naming.cell_names(run)
        about = {"run": run.run, "suite": run.suite, "created": run.created}
        families.add(_RUN, about, "1")
        for cell in run.cells:
            own = {"cell": labels[cell.id], **_parts(cell)}
            families.states(_STATUS, {"cell": own["cell"]}, get_args(Status), cell.status)
            for found in naming.figures(cell):
                _full(families, found, own)
        if run.gate:
            _gate(families, run.gate)
        return families.text()


class GitlabMetrics(Record):
    """Writes ``gitlab_metrics.txt``: few figures a cell, for the widget of a merge request."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "gitlab_metrics.txt"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return OpenMetrics text whose lines GitLab's parser takes.

        GitLab cuts a line at ``#``, splits it as a shell would and compares values as text: label
        values hold no such characters, and figures that were not counted have three digits.
        """
        families = _Families()
        names = naming.unique(map(_shell_safe, naming.cell_names(run).values()))
        for cell, label in zip(run.cells, names, strict=True):
            for found in naming.headline(cell):
                name, unit, factor, more = _named(found)
                digits = 10 if found.basis == "counted" else 3
                family = _Family(_joined(name, unit), "gauge", _help(found), unit)
                labels = {"cell": label, **{key: _shell_safe(text) for key, text in more.items()}}
                families.add(family, labels, f"{(found.value or 0.0) * factor:.{digits}g}")
        if run.gate:
            counts = Counter(limit.outcome for limit in run.gate.limits)
            for outcome in get_args(GateOutcome):
                families.add(_COUNTS, {"outcome": outcome}, str(counts[outcome]))
        return families.text()


def _shell_safe(text: str) -> str:
    return re.sub(r"[^\w ·×.,:;+@/()=-]", "_", text)


def _parts(cell: CellView) -> dict[str, str]:
    names = ("model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
    return {name: str(getattr(cell, name)) for name in names}


def _named(found: Quantity) -> tuple[str, str, float, dict[str, str]]:
    """Return family without its unit, unit, factor, and labels that tell its figures apart."""
    unit, factor = _UNITS.get(found.unit, (naming.slug(found.currency, "_"), 1.0))
    if found.basis == "images":
        return "benchbench_accuracy", unit, factor, {"metric": short(found.name, naming.LONGEST)}
    if found.name.startswith("coverage."):
        return "benchbench_coverage", unit, factor, {"of": found.name.removeprefix("coverage.")}
    return f"benchbench_{naming.slug(found.name, '_')}", unit, factor, {}


def _joined(family: str, unit: str) -> str:
    """Return *family* with its unit behind it; a word that ends one and starts the other once."""
    if family.rsplit("_", 1)[-1] == unit.split("_", 1)[0]:
        return family + unit[len(unit.split("_", 1)[0]) :]
    return f"{family}_{unit}"


def _help(found: Quantity) -> str:
    if found.basis == "images":
        return "Accuracy by metric, a fraction of 1."
    return f"{naming.slug(found.name, ' ')}, of {found.basis}."


def _full(families: _Families, found: Quantity, own: Labels) -> None:
    name, unit, factor, more = _named(found)
    labels = {**own, **more}
    level = {"level": f"{found.level:g}"} if found.level is not None else {}
    for end, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
        if value is None:
            continue
        told = _help(found) if not end else f"{end[1:].capitalize()} end of the interval."
        tagged = labels if not end else {**labels, **level}
        family = _Family(_joined(f"{name}{end}", unit), "gauge", told, unit)
        families.add(family, tagged, f"{value * factor:.10g}")


def _gate(families: _Families, gate: GateView) -> None:
    families.states(_GATE, {}, get_args(GateOutcome), gate.outcome)
    names = naming.unique(short(limit.name, naming.LONGEST) for limit in gate.limits)
    for limit, name in zip(gate.limits, names, strict=True):
        families.states(_LIMIT, {"limit": name}, get_args(GateOutcome), limit.outcome)


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    kind: str
    told: str
    unit: str = ""

    @property
    def head(self) -> list[str]:
        lines = [f"# TYPE {self.name} {self.kind}", f"# HELP {self.name} {self.told}"]
        return [*lines, f"# UNIT {self.name} {self.unit}"] if self.unit else lines


# Gauges, not OpenMetrics' info and stateset: Prometheus' older text format does not know those,
# and the textfile collector of node_exporter refuses a whole file that names them.
_RUN = _Family("benchbench_run_info", "gauge", "The run.")
_STATUS = _Family("benchbench_cell_status", "gauge", "State of the cell: 1 for the one it is in.")
_GATE = _Family("benchbench_gate", "gauge", "Verdict of the gate: 1 for the one it is.")
_LIMIT = _Family("benchbench_limit", "gauge", "Verdict of a limit: 1 for the one it is.")
_COUNTS = _Family("benchbench_gate_limits", "gauge", "Limits by verdict.")


class _Families:
    """Metric families in the order of their first sample; samples of one stand together."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, family: _Family, labels: Labels, value: str) -> None:
        """Add a sample; the first one describes the family."""
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines = self._lines.setdefault(family.name, family.head)
        lines.append(f"{family.name}{{{told}}} {value}")

    def states(self, family: _Family, labels: Labels, every: Iterable[str], now: str) -> None:
        """Add one sample a state, 1 for the one that is."""
        for state in every:
            self.add(family, {**labels, family.name: state}, str(int(state == now)))

    def text(self) -> bytes:
        """Return the exposition."""
        lines = [line for lines in self._lines.values() for line in lines]
        return "".join(f"{line}\n" for line in (*lines, "# EOF")).encode()


def _escaped(text: str) -> str:
    """Return *text* as a label's value: one line, no control characters, escaped."""
    return short(text, naming.LONGEST + 80).replace("\\", "\\\\").replace('"', '\\"')
