"""The run as Markdown: for pull requests, job summaries and proposals."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchbench.folding import kept
from benchbench.reports import (
    damaged,
    evidence,
    grouping,
    measurements,
    parts,
    processes,
    protocol,
    severity,
    summary,
    sureness,
    terms,
    trends,
    wording,
)
from benchbench.reports.grouping import Group, accuracy, finite
from benchbench.reports.tables import Head, Row, Table, Value, digits, span, within
from benchbench.trends import words
from benchbench.types import Record
from benchbench.view import CellView, RunView

_SPECIAL = re.compile(r"[\\`*_{}\[\]|#~$]")
MOST_RUNS = 10
"""Rows of a cell's trend."""
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}


class Markdown(Record):
    """Writes ``report.md``: summary, tables, failures, protocol and provenance."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "report.md"

    def render(self, run: RunView) -> bytes:
        """Return GitHub-flavoured Markdown in UTF-8; every name in it is escaped."""
        run = processes.settled(run)
        own, taken = kept(run.cells), measurements.sections(run)
        text = _templates().get_template("report.md.j2").render(
            run=run,
            title=run.title or run.suite,
            machine=wording.environment_line(run.environment),
            sentences=summary.summary(run),
            sections=[_section(group) for group in grouping.groups(run)],
            broken=damaged.broken(run.cells),
            doubts=[*_doubts(own), *damaged.caveats(run.cells)],
            cards=protocol.cards(run.cells),
            command=shlex.join(run.command_line),
            limits=terms.limits(run),
            caution=terms.caution(run),
            early=[part for part in taken if part.anchor in measurements.EARLY],
            later=[part for part in taken if part.anchor not in measurements.EARLY],
            conditions=evidence.conditions(run.cells),
            told=[cell for cell in own if cell.placement],
            otherwise=damaged.otherwise(run.cells),
            own=own,
            parts=[some for kind in parts.PLURALS if (some := parts.found(run, kind))],
            damaged=severity.panels(run.cells),
            severities=severity.SEVERITIES,
            trends=trends.trends(run),
            words=words,
            most_runs=MOST_RUNS,
        )  # fmt: skip
        return (text.rstrip() + "\n").encode("utf-8", "backslashreplace")


def escape(value: Any) -> Any:
    """Return *value* as text that Markdown and HTML show as it is, on one line.

    ``@`` is written as an entity so that a name mentions nobody.
    """
    if value is None:
        return wording.ABSENT
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    line = re.sub(r"\s+", " ", wording.clean(value))
    safe = re.sub(r"[&<>@]", lambda match: _HTML[match[0]], line)
    return _SPECIAL.sub(lambda match: "\\" + match[0], safe)


def fence(text: str) -> Markup:
    """Return *text* as a code block whose fence is longer than any run of back-ticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    bar = "`" * max(3, longest + 1)
    return Markup(f"{bar}text\n{wording.clean(text).rstrip()}\n{bar}")  # noqa: S704 - fenced


def _doubts(cells: Sequence[CellView]) -> Iterable[tuple[str, str]]:
    for cell in cells:
        if cell.caveats:
            yield wording.short(cell.label), "; ".join(map(wording.caveat_line, cell.caveats))


def _section(group: Group) -> dict[str, Any]:
    notes: list[str] = []
    rows = [(cell, _columns(cell, notes)) for cell in group.cells]
    return {
        "group": group,
        "rows": rows,
        "notes": notes,
        "rungs": grouping.ladder(group.cells),
        "legend": evidence.legend(group.cells),
    }


def _columns(cell: CellView, notes: list[str]) -> Sequence[str]:
    late, gone = cell.latency, wording.untimed(cell)
    score = accuracy(cell)
    shown = f"{wording.fraction(score)} {wording.plus_minus(cell)}".rstrip()
    told = [_noted(shown, wording.accuracy_absence(cell), notes)]
    for name in wording.PERCENTILES:
        if name == "p50" and (several := processes.typical(cell)):
            told.append(several.phrase())
            continue
        value = finite(getattr(late, f"{name}_ms")) if late else None
        reason = wording.withheld(late, name) if late and value is None else gone
        ends = within(late, name) if late and value is not None else None
        text = f"{wording.significant(value, digits(ends))} {span(ends)}".rstrip()
        told.append(_noted(text, reason, notes))
    rate = late.throughput_ips if late else None
    size = cell.artifact.bytes if cell.artifact else None
    told.append(_noted(wording.significant(rate), gone, notes))
    return [*told, _noted(wording.size(size), wording.unfiled(cell), notes)]


def _noted(text: str, reason: str, notes: list[str]) -> str:
    """Return *text*, or, where it is absent, a dash with the number of its reason."""
    if text != wording.ABSENT:
        return text
    if reason not in notes:
        notes.append(reason)
    return f"{wording.ABSENT} ({notes.index(reason) + 1})"


def _ran(cell: CellView) -> str:
    place = cell.placement
    if place is None:
        return wording.ABSENT
    told = [wording.short(place.precision, 40), wording.coverage(place)]
    told += [f"{mark.sign} {mark.text}" for mark in evidence.marks(cell)]
    return "; ".join(text for text in told if text)


def _proof(cell: CellView, threaded: bool) -> str:
    """Return evidence, parity and making of one row, in a line."""
    told = [evidence.line(cell, threaded=threaded)]
    if cell.parity is not None:
        against = "" if cell.parity.reason else f" ({evidence.reference(cell.parity)})"
        told.append(f"Parity: {evidence.parity_line(cell.parity)}{against}")
    if built := evidence.builds(cell):
        told.append(f"Built in: {built}")
    told += [f"Calibrated: {text}" for text in evidence.calibrations(cell)]
    return ". ".join(told)


def _shown(part: parts.Part) -> str:
    """Return what a slice or class shows against fp32, or why its interval is absent."""
    if part.comparison is None:
        return part.reason
    told = sureness.verdict(part.comparison)
    if not sureness.bounds(part.comparison):
        return told
    return f"{told}, {sureness.probability(part.comparison)}"


def _place(value: Value, table: Table) -> str:
    """Return a value and its second line in brackets; of an absent one its reason's number.

    A second line that has brackets of its own follows a semicolon.
    """
    if value.reason:
        return f"{value.text} ({table.note(value)})"
    if "(" in value.detail:
        return f"{value.text}; {value.detail}"
    return f"{value.text} ({value.detail})" if value.detail else value.text


def _heads(table: Table) -> list[tuple[int, Head]]:
    """Return the columns that text can show, with their places."""
    return [(at, head) for at, head in enumerate(table.heads) if head.kind != "lane"]


def _row_name(row: Row) -> str:
    return f"{row.name}, {row.beside}" if row.beside else row.name


def _speed(rung: grouping.Rung) -> str:
    if rung.speed is None:
        return wording.ABSENT
    tail = f" ({wording.interval(rung.cell.speedup)})" if rung.cell.speedup else ""
    return wording.ratio(rung.speed) + tail


def _templates() -> Environment:
    environment = Environment(  # noqa: S701 - Markdown: finalize escapes what HTML rules would miss
        loader=PackageLoader("benchbench.reports"),
        undefined=StrictUndefined,
        finalize=escape,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "short": wording.short,
        "ms": wording.milliseconds,
        "delta": wording.delta,
        "against": wording.against,
        "speed": _speed,
        "proof": _proof,
        "named": evidence.named,
        "place": _place,
        "row_name": _row_name,
        "shown_heads": _heads,
        "remark": evidence.remark,
        "metric": wording.metric_name,
        "fraction": wording.fraction,
        "plural": wording.plural,
        "half": sureness.half,
        "bounds": sureness.bounds,
        "shown": _shown,
        "raw": Markup,
        "seconds": wording.seconds,
        "ran": _ran,
        "chip": wording.chip,
        "absence": wording.absence,
        "unfiled": wording.unfiled,
        "variant": grouping.variant,
        "fence": fence,
    }
    environment.globals["status_words"] = wording.STATUS
    return environment
