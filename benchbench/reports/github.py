"""The run as a step summary of GitHub Actions, and the gate as annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from benchbench import units
from benchbench.gate_view import GateOutcome, GateView, LimitView
from benchbench.quantities import Quantity
from benchbench.reports import naming, verdicts, wording
from benchbench.reports.markdown import escape
from benchbench.types import Record
from benchbench.view import CellView, RunView

MOST_LIMITS = 10
MOST_CELLS = 200
"""Of at most about 4 kB each: a summary over 1 MiB is refused whole."""
MOST_ANNOTATIONS = 10
"""Of one kind from one step; GitHub drops the others without a word."""
_ALERTS: Mapping[GateOutcome, str] = {
    "pass": "TIP", "fail": "CAUTION", "inconclusive": "WARNING"
}  # fmt: skip
_COLUMNS = ("latency.p50", "latency.p99", "throughput", "energy", "memory", "size")


class GithubSummary(Record):
    """Writes ``github_summary.md``, to be appended to ``$GITHUB_STEP_SUMMARY``."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "github_summary.md"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return GitHub-flavoured Markdown in UTF-8, under 1 MiB; every name in it is escaped."""
        lines = [f"## {_name(run.title or run.suite)}", ""]
        if run.gate:
            lines += [*_verdict(run.gate), "", *_limit_table(run, run.gate), ""]
        lines += [*_cell_table(run), "", f"Run {_name(run.run)}, {_name(run.created)}."]
        return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _name(text: object, limit: int = 160) -> str:
    return str(escape(wording.short(text, limit)))


def _row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _verdict(gate: GateView) -> Iterator[str]:
    yield f"> [!{_ALERTS[gate.outcome]}]"
    against = f" Baseline: {_name(gate.baseline)}." if gate.baseline else ""
    yield f"> **{verdicts.WORDS[gate.outcome]}**: {verdicts.counted(gate)}.{against}"
    if gate.admitted:
        keys = ", ".join(map(wording.short, gate.admitted))
        yield f"> Admitted although they differ: {_name(keys, 600)}."
    for left in gate.left[:MOST_LIMITS]:
        yield f"> Left: {_name(left, 300)}."


def _limit_table(run: RunView, gate: GateView) -> Iterator[str]:
    labels, shown = naming.cell_names(run), verdicts.urgent(gate.limits)[:MOST_LIMITS]
    if not shown:
        yield "The gate has no limits."
        return
    yield _row(("Verdict", "Limit", "Cell", "Measured", "Asked", "Why"))
    yield _row(("---",) * 6)
    for limit in shown:
        yield _row(_limit_fields(limit, labels.get(limit.cell, limit.label)))
    if left := len(gate.limits) - len(shown):
        yield ""
        yield f"{left} less urgent limits are in the other reports."


def _limit_fields(limit: LimitView, label: str) -> tuple[str, ...]:
    why = "; ".join(part for part in (limit.reason, limit.hint) if part)
    told = f"{verdicts.measured(limit)}{verdicts.interval(limit)}"
    return (
        verdicts.WORDS[limit.outcome], _name(verdicts.titled(limit)), _name(label), _name(told),
        _name(verdicts.bound(limit)), _name(why, 300),
    )  # fmt: skip


def _cell_table(run: RunView) -> Iterator[str]:
    cells = run.cells[:MOST_CELLS]
    found = {cell.id: {one.name: one for one in naming.headline(cell)} for cell in cells}
    names = [name for name in _COLUMNS if any(name in figures for figures in found.values())]
    yield _row(("Cell", "Status", "Accuracy", *names))
    yield _row(("---", "---", *("---:",) * (len(names) + 1)))
    labels = naming.cell_names(run)
    for cell in cells:
        figures = found[cell.id]
        shown = [_figure(figures.get(name)) for name in names]
        yield _row((_name(labels[cell.id]), _status(cell), _accuracy(cell, figures), *shown))
    if len(run.cells) > MOST_CELLS:
        yield ""
        yield f"{len(run.cells) - MOST_CELLS} more cells are in the other reports."


def _status(cell: CellView) -> str:
    if cell.status == "measured":
        return "measured"
    return f"{cell.status.replace('_', ' ')}: {_name(wording.absence(cell))}"


def _accuracy(cell: CellView, figures: Mapping[str, Quantity]) -> str:
    found = figures.get(cell.primary or "")
    if found is None:
        return wording.ABSENT
    return f"{_name(wording.metric_name(cell.primary), 60)} {_figure(found)}"


def _figure(found: Quantity | None) -> str:
    if found is None:
        return wording.ABSENT
    return units.show(found.value, found.unit, found.currency)


class GithubAnnotations(Record):
    """Writes ``github_annotations.txt``: workflow commands, to be printed in a step."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "github_annotations.txt"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return at most ten errors and ten warnings, the most urgent first, one a line.

        Broken limits are errors at the line where they are written, undecided ones warnings;
        without a gate, failed cells are errors. A notice says how many more there are.
        """
        errors, warnings = _annotations(run)
        lines = [*errors[:MOST_ANNOTATIONS], *warnings[:MOST_ANNOTATIONS]]
        more = sum(max(0, len(some) - MOST_ANNOTATIONS) for some in (errors, warnings))
        if more:
            lines.append(command("notice", f"{more} more are in the step summary and reports"))
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _annotations(run: RunView) -> tuple[list[str], list[str]]:
    if run.gate is None:
        labels = naming.cell_names(run)
        failed = [cell for cell in run.cells if cell.status == "failed"]
        return [
            command("error", wording.absence(cell), title=f"{labels[cell.id]} failed")
            for cell in failed
        ], []
    limits = verdicts.urgent(run.gate.limits)
    return (
        [_annotation("error", one) for one in limits if one.outcome == "fail"],
        [_annotation("warning", one) for one in limits if one.outcome == "inconclusive"],
    )


def _annotation(kind: str, limit: LimitView) -> str:
    told = f"{wording.short(limit.label, naming.LONGEST)}: {verdicts.sentence(limit)}"
    name = wording.short(verdicts.titled(limit), naming.LONGEST)
    title = f"{verdicts.WORDS[limit.outcome]}: {name}"
    return command(kind, told, file=limit.file, line=limit.line, title=title)


def command(kind: str, message: str, **properties: str | int | None) -> str:
    """Return a workflow command on one line, escaped as the runner undoes it.

    In the message ``%``, CR and LF are escaped; in properties ``:`` and ``,`` too.
    """
    told = [
        f"{name}={_property(wording.short(value, 1000))}"
        for name, value in properties.items()
        if value is not None
    ]
    head = f"{kind} {','.join(told)}" if told else kind
    return f"::{head}::{_data(wording.short(message, 2000))}"


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
