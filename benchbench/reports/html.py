"""One self-contained HTML page: no network, no fonts to fetch, strict content security policy.

This module arranges what the template prints; words come from ``wording``, comparisons from
``grouping``, geometry from ``drawing`` and ``pareto``.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchbench.folding import kept
from benchbench.reports import (
    confusion,
    damaged,
    drawing,
    evidence,
    findings,
    grouping,
    pareto,
    protocol,
    summary,
    sureness,
    terms,
    wording,
)
from benchbench.reports.grouping import Group, accuracies, accuracy, finite
from benchbench.types import AskedPrecision, Placement, Record, Share
from benchbench.view import CellView, RunView


class Html(Record):
    """Writes ``report.html``: the whole run on one page that works offline and prints."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("altair",), ("vl-convert-python",))
    extra: ClassVar[str] = "report"
    file_name: ClassVar[str] = "report.html"

    def render(self, run: RunView) -> bytes:
        """Return the page in UTF-8.

        Raises :class:`~benchbench.errors.MissingDependency` without altair or vl-convert.
        """
        templates = _templates()
        script = _source(templates, "script.js")
        page = templates.get_template("report.html.j2").render(
            run=run,
            page=_page(run),
            style=Markup(_source(templates, "style.css")),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            script_hash=_hash(script),
        )
        return page.encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a table: its text, what it sorts by, and why it is absent."""

    text: str
    value: float | None = None
    reason: str = ""
    note: int | None = None
    """Number of the footnote that gives the reason."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A caveat in two lengths."""

    text: str
    line: str


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the run as the main table shows it."""

    cell: CellView
    anchor: str
    variant: str
    accuracy: Figure
    percentiles: tuple[Figure, ...]
    throughput: Figure
    memory: Figure
    size: Figure
    on_front: bool
    chips: tuple[Chip, ...]
    doubts: tuple[Chip, ...]
    """All caveats of its own; ``chips`` are those that no mark at its name tells already."""
    mismatch: str
    coverage: str
    metered: bool
    """True if the accuracy is drawn as a bar from 0 to 1: not where less is better."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A row of the evidence: what ran, how that is known, parity, how the artifact was made."""

    cell: CellView
    ran: str
    in_precision: Figure
    on_device: Figure
    known_from: str
    threads: str
    """Empty where all rows share them."""
    parity: str
    reference: str
    outputs: tuple[str, ...]
    """A line an output, where there is more to say than ``parity`` does."""
    builds: str
    calibrations: tuple[str, ...]


class Footnotes:
    """Numbers reasons in order of appearance; the same reason keeps its number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def figure(self, text: str, value: float | None, reason: str) -> Figure:
        """Return a figure; where *value* is None it prints as absent and points at *reason*."""
        if value is not None:
            return Figure(text, value)
        if reason not in self.texts:
            self.texts.append(reason)
        return Figure(wording.ABSENT, None, reason, self.texts.index(reason) + 1)


@dataclass(frozen=True, slots=True)
class Heat:
    """A table of per-class accuracy: three header rows, then a row a class."""

    metric: str
    models: tuple[tuple[str, int], ...]
    runtimes: tuple[tuple[str, int], ...]
    precisions: tuple[str, ...]
    """With the signs of the cell."""
    edges: frozenset[int]
    """Columns that begin a model."""
    lower: bool
    """True if less is better."""
    top: float
    """The figure of the strongest colour: 1, or the largest where figures exceed it."""
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A group of cells with everything drawn from it."""

    index: int
    group: Group
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    shared: tuple[Chip, ...]
    plots: tuple[tuple[str, Markup], ...]
    plotted: int
    mixed_scoring: bool
    rungs: tuple[grouping.Rung, ...]
    metrics: tuple[str, ...]
    scores: tuple[tuple[CellView, tuple[Figure, ...]], ...]
    score_notes: tuple[str, ...]
    heats: tuple[Heat, ...]
    legend: tuple[tuple[str, str], ...]
    proofs: tuple[Proof, ...]
    proof_notes: tuple[str, ...]
    compiled: tuple[CellView, ...]
    timed: tuple[CellView, ...]
    scale: drawing.LogScale | None
    staged: bool


_CONTENTS = (
    ("summary", "Summary"), ("tradeoff", "Trade-off"), ("cells", "All cells"),
    ("precision", "Precision ladder"), ("evidence", "Evidence"), ("accuracy", "Accuracy"),
    ("parts", "Slices and classes"), ("severity", "Severity"), ("curves", "Curves"),
    ("confusion", "Confusion"), ("latency", "Latency"), ("stages", "Stages"),
    ("protocol", "Protocol"), ("provenance", "Provenance"), ("limits", "Limits and terms"),
)  # fmt: skip
"""Anchors and names of the sections; those of :mod:`findings` only where there is any."""


def _page(run: RunView) -> dict[str, Any]:
    runtimes = tuple(dict.fromkeys(cell.runtime for cell in run.cells))
    anchors = {cell.id: f"cell-{index}" for index, cell in enumerate(run.cells, 1)}
    present = {cell.precision for cell in run.cells}
    conditions = evidence.conditions(run.cells)
    groups = grouping.groups(run)
    found = findings.page(run, groups)
    return found | {
        "contents": [entry for entry in _CONTENTS if found.get(entry[0], True)],
        "lower": any(cell.lower_is_better for cell in run.cells),
        "title": run.title or run.suite,
        "machine": wording.environment_line(run.environment),
        "counts": summary.counts(run.cells),
        "sentences": summary.summary(run),
        "anchors": anchors,
        "sections": [
            _section(index, group, runtimes, anchors, threaded=conditions is None)
            for index, group in enumerate(groups, 1)
        ],
        "runtimes": [(name, pareto.colour(name, runtimes)) for name in runtimes],
        "conditions": conditions,
        "signs": {sign for cell in run.cells for sign in evidence.signs(cell)},
        "shapes": [(name, shape) for name, shape in pareto.SHAPES.items() if name in present],
        "broken": damaged.broken(run.cells),
        "damaged_caveats": damaged.caveats(run.cells),
        "otherwise": damaged.otherwise(run.cells),
        "own": kept(run.cells),
        "cards": protocol.cards(run.cells),
        "environment": wording.leaves(run.environment),
        "command": shlex.join(run.command_line),
        "limits": terms.LIMITS,
        "glossary": terms.GLOSSARY,
        "spark_height": drawing.SPARK_HEIGHT,
        "stages": wording.STAGES,
        "percentiles": wording.PERCENTILES,
    }


def _section(
    index: int, group: Group, runtimes: Sequence[str], anchors: dict[str, str], *, threaded: bool
) -> Section:
    notes, score_notes, proof_notes = Footnotes(), Footnotes(), Footnotes()
    shared = grouping.shared_caveats(group.cells)
    best = {cell.id for cell in grouping.front(group.plotted)}
    rows = tuple(_row(cell, anchors[cell.id], notes, shared, best) for cell in group.cells)
    metrics = tuple(dict.fromkeys(name for cell in group.cells for name in accuracies(cell)))
    timed = tuple(cell for cell in group.cells if cell.latency)
    conventions = {(c.evaluator, *sorted(c.convention.items())) for c in group.plotted}
    return Section(
        index=index,
        group=group,
        rows=rows,
        notes=tuple(notes.texts),
        shared=_chips(shared),
        plots=_plots(index, group, runtimes),
        plotted=len(group.plotted),
        mixed_scoring=len(conventions) > 1,
        rungs=grouping.ladder(group.cells),
        metrics=metrics,
        scores=tuple((c, _scores(c, metrics, score_notes)) for c in group.cells if accuracies(c)),
        score_notes=tuple(score_notes.texts),
        heats=tuple(_heats(group)),
        legend=evidence.legend(group.cells),
        proofs=tuple(_proofs(group.cells, proof_notes, threaded=threaded)),
        proof_notes=tuple(proof_notes.texts),
        compiled=tuple(cell for cell in group.cells if cell.status == "compiled"),
        timed=timed,
        scale=drawing.latency_scale(timed),
        staged=any(drawing.stack(cell) for cell in timed),
    )


def _plots(index: int, group: Group, runtimes: Sequence[str]) -> tuple[tuple[str, Markup], ...]:
    """Return the plot for wide and for narrow screens; the style sheet shows one of them."""
    if len(group.plotted) < 2:
        return ()
    sizes = {"wide": (1010, 430), "narrow": (265, 300)}
    return tuple(
        (name, Markup(pareto.draw(group, runtimes, width=w, height=h, prefix=f"{name}{index}")))  # noqa: S704 - Vega escapes what it draws
        for name, (w, h) in sizes.items()
    )


def _proofs(cells: Sequence[CellView], notes: Footnotes, *, threaded: bool) -> Iterable[Proof]:
    for cell in cells:
        place, parity = cell.placement, cell.parity
        if place is None:
            continue
        outputs = parity.outputs if parity else ()
        yield Proof(
            cell=cell,
            ran=evidence.ran(place),
            in_precision=_share(cell, place, "precision", place.in_precision, notes),
            on_device=_share(cell, place, "device", place.on_device, notes),
            known_from=evidence.known_from(place),
            threads=evidence.threads(place) if threaded else "",
            parity=evidence.parity_line(parity),
            reference=evidence.reference(parity) if parity and not parity.reason else "",
            outputs=tuple(evidence.output_line(output) for output in outputs),
            builds=evidence.builds(cell),
            calibrations=evidence.calibrations(cell),
        )


def _share(cell: CellView, place: Placement, of: str, found: Share, notes: Footnotes) -> Figure:
    reason = cell.reasons.get(f"coverage.{of}") or f"not known from {wording.short(place.source)}"
    return notes.figure(evidence.share(found), found.best, wording.short(reason, 300))


def _chips(caveats: Iterable[Any]) -> tuple[Chip, ...]:
    return tuple(Chip(wording.chip(c), wording.caveat_line(c)) for c in caveats)


def _row(
    cell: CellView, anchor: str, notes: Footnotes, shared: Sequence[Any], best: set[str]
) -> Row:
    late, gone = cell.latency, wording.absence(cell)
    artifact = cell.artifact.bytes if cell.artifact else None
    resident = cell.memory.get("inference")
    rate = finite(late.throughput_ips) if late else None
    score = accuracy(cell)
    own = [c for c in cell.caveats if c not in shared]
    return Row(
        cell=cell,
        anchor=anchor,
        variant=grouping.variant(cell),
        accuracy=notes.figure(wording.fraction(score), score, wording.accuracy_absence(cell)),
        percentiles=tuple(_percentile(cell, name, notes) for name in wording.PERCENTILES),
        throughput=notes.figure(wording.significant(rate), rate, gone),
        memory=notes.figure(wording.size(resident), resident, gone),
        size=notes.figure(wording.size(artifact), artifact, gone),
        on_front=cell.id in best,
        chips=_chips(c for c in own if c.code not in evidence.MARKED),
        doubts=_chips(own),
        mismatch="; ".join(
            mark.line for mark in evidence.marks(cell) if mark.sign == evidence.OTHERWISE
        ),
        coverage=wording.coverage(cell.placement),
        metered=score is not None and 0 <= score <= 1 and grouping.sense(cell) > 0,
    )


def _percentile(cell: CellView, name: str, notes: Footnotes) -> Figure:
    if cell.latency is None:
        return notes.figure("", None, wording.absence(cell))
    value = finite(getattr(cell.latency, f"{name}_ms"))
    reason = "" if value is not None else wording.withheld(cell.latency, name)
    return notes.figure(wording.significant(value), value, reason)


def _scores(cell: CellView, metrics: Sequence[str], notes: Footnotes) -> tuple[Figure, ...]:
    values = ((name, finite(cell.metrics.get(name))) for name in metrics)
    return tuple(notes.figure(wording.fraction(v), v, _unscored(cell, n)) for n, v in values)


def _unscored(cell: CellView, metric: str) -> str:
    if metric in cell.reasons:
        return wording.short(cell.reasons[metric], 300)
    return "this evaluator does not give it" if metric not in cell.metrics else "no reason is given"


def _heats(group: Group) -> Iterable[Heat]:
    """Yield one table a metric; the primary metric where it is given by class, else every one."""
    names = list(dict.fromkeys(name for cell in group.cells for name in cell.per_class))
    for name in [group.primary] if group.primary in names else names:
        cells = sorted(
            (cell for cell in group.cells if name in cell.per_class),
            key=lambda c: (c.model, c.runtime, c.device),
        )
        yield _heat(str(name), cells)


def _heat(metric: str, cells: Sequence[CellView]) -> Heat:
    classes = dict.fromkeys(name for cell in cells for name in cell.per_class[metric])
    lower = {name for cell in cells for name in cell.lower_is_better}
    return Heat(
        metric=wording.metric_name(metric, lower),
        lower=metric in lower,
        top=max(
            [1.0, *(v for c in cells for k in c.per_class[metric].values() if (v := finite(k)))]
        ),
        models=_spans((cell.model,) for cell in cells),
        runtimes=_spans((cell.runtime, cell.model, cell.device) for cell in cells),
        precisions=tuple(f"{c.precision}\u00a0{evidence.signs(c)}".rstrip() for c in cells),
        edges=frozenset(i for i in range(1, len(cells)) if cells[i].model != cells[i - 1].model),
        rows=tuple((k, tuple(_class_figure(cell, metric, k) for cell in cells)) for k in classes),
    )


def _spans(keys: Iterable[tuple[str, ...]]) -> tuple[tuple[str, int], ...]:
    return tuple((key[0], len(list(run))) for key, run in groupby(keys))


def _class_figure(cell: CellView, metric: str, name: str) -> Figure:
    found = cell.per_class[metric]
    value = finite(found.get(name))
    reason = "" if value is not None else "the evaluator gives no value for this class"
    return Figure(wording.fraction(value), value, reason)


# --- templates ---------------------------------------------------------------------------


def _printed(value: Any) -> Any:
    """Clean every string that a template prints; None never prints as ``None``."""
    if value is None:
        return wording.ABSENT
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.clean(value)
    return value


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("benchbench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "short": wording.short,
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
        "shape": _shape,
    }
    environment.globals["status_words"] = wording.STATUS
    return environment


_SHAPES = {
    "circle": "M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9Z",
    "square": "M3 3h8v8H3Z",
    "diamond": "M7 1l4.2 6L7 13L2.8 7Z",
    "triangle-up": "M7 2l5.2 9.6H1.8Z",
    "triangle-down": "M7 12L1.8 2.4h10.4Z",
    "triangle-right": "M12 7L2.4 12.2V1.8Z",
    "triangle-left": "M2 7L11.6 1.8V12.2Z",
    "cross": "M5.2 2h3.6v3.2H12v3.6H8.8V12H5.2V8.8H2V5.2h3.2Z",
}


def _shape(precision: AskedPrecision) -> str:
    """Return the SVG path of a precision's mark in a 14 × 14 box."""
    return _SHAPES[pareto.SHAPES[precision]]


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None, "_templates always sets a loader"
    return environment.loader.get_source(environment, name)[0].strip()


def _hash(script: str) -> str:
    """Return the content-security-policy source of *script*."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
