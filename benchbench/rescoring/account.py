"""Another tool's figure beside ours, and the rules that make the difference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from benchbench import plugins
from benchbench.rescoring.losses import losses
from benchbench.rescoring.tools import Rules
from benchbench.scoring import Scorer
from benchbench.types import Cell, Record, Result, Scores
from benchbench.worker.inputs import class_map

Metric = Mapping[str, Any]
"""A metric plug-in's kind and options."""
_LABELS = ("kind", "convention", "release")
"""Options that name a set of rules and are none themselves."""


@runtime_checkable
class Following(Protocol):
    """A metric whose options can be set so that it follows another metric's rules."""

    def as_ours(self, ours: Metric) -> Mapping[str, Any] | None:
        """Return the options that follow *ours*, or None if none do."""


class RuleStep(Record):
    """One rule taken from the tool, after those before it."""

    rule: str
    """The option of the tool's metric; ``figure`` where another figure bears the name."""
    ours: str
    theirs: str
    before: float | None
    after: float | None
    points: float | None
    """100 × (after − before)."""


class Rescored(Record):
    """A cell under another tool's rules. Steps and what is unexplained sum to the gap."""

    cell: str
    """Its id."""
    label: str
    dataset: str
    split: str
    figure: str
    ours: float | None
    theirs: float | None
    points: float | None
    """The gap, 100 × (theirs − ours); None where one of them is absent."""
    reason: str | None = None
    """Why one is absent."""
    steps: tuple[RuleStep, ...] = ()
    unexplained: float | None = None
    """Points that no step gives; the whole gap where the metrics have no rules in common."""
    figures: dict[str, tuple[float | None, float | None]] = {}
    """All figures that both have: ours, theirs."""
    evaluator: str
    """Whose rules, and what computed the figure."""
    convention: dict[str, str] = {}
    """The tool's rules."""
    losses: tuple[str, ...] = ()
    """What the stored predictions cannot give back."""


class Rescoring(Record):
    """All cells of a run under another tool's rules."""

    run: str
    tool: str
    cells: tuple[Rescored, ...]
    skipped: tuple[str, ...] = ()
    """Labels of the cells of tasks that the tool has no rules for."""


class _Change(NamedTuple):
    rule: str
    ours: str
    theirs: str
    metric: Metric


class Rescorer(Scorer):
    """Scores stored predictions by other rules, and keeps nothing."""

    def rescored(self, result: Result, tool: str, rules: Rules) -> Rescored:
        """Return *result* under the *rules* of *tool*.

        Raises :class:`~benchbench.errors.MissingDependency` for a package that they need, and what
        reading the dataset and scoring raise.
        """
        cell = result.cell
        assert result.scores is not None
        plugins.versions(plugins.build("metrics", rules.metric))
        first, last = _ends(cell.spec["metric"], rules)
        theirs = self._scores(result, last)
        ours, name = result.scores, result.scores.primary
        read = rules.figures.get(name, name)
        gap = _points(ours.metrics[name], theirs.metrics.get(read))
        steps = self._steps(result, first, last, (name, read)) if first and gap is not None else ()
        gained = [step.points for step in steps]
        return Rescored(
            cell=cell.id,
            label=cell.label,
            dataset=cell.dataset,
            split=cell.split,
            figure=name,
            ours=ours.metrics[name],
            theirs=theirs.metrics.get(read),
            points=gap,
            reason=_reason(ours, theirs, name, read),
            steps=steps,
            unexplained=None if gap is None or None in gained else gap - sum(filter(None, gained)),
            figures=_figures(ours, theirs, rules),
            evaluator=theirs.evaluator,
            convention=theirs.convention,
            losses=losses(cell, tool, rules.metric, self._predictions(result)),
        )

    def _scores(self, result: Result, metric: Metric) -> Scores:
        plugin = plugins.build("metrics", metric)
        scores: Scores = plugin.score(
            self._truth(result.cell), self._predictions(result), class_map(result.cell)
        )
        return scores

    def _steps(
        self, result: Result, first: Metric, last: Metric, names: tuple[str, str]
    ) -> tuple[RuleStep, ...]:
        """Return what each change of a rule does to our figure, and then what reading theirs."""
        name, read = names
        before, steps = self._scores(result, first).metrics, []
        for change in _changes(first, last):
            after = self._scores(result, change.metric).metrics
            steps.append(_step(change[:3], before[name], after[name]))
            before = after
        if read != name:
            steps.append(_step(("figure", name, read), before[name], before[read]))
        return tuple(steps)


def _ends(ours: Metric, rules: Rules) -> tuple[Metric | None, Metric]:
    """Return the metric that gives our figure (None if none does) and the one that gives theirs.

    The two are of one kind and differ in the tool's rules alone.
    """
    tool = plugins.build("metrics", rules.metric)
    theirs = tool.model_dump(mode="json")
    if rules.metric["kind"] == ours["kind"]:
        settled = {name: theirs[name] for name in rules.options or theirs}
        return ours, {**ours, **settled}
    own = tool.as_ours(ours) if isinstance(tool, Following) else None
    if own is None:
        return None, theirs
    return plugins.build("metrics", {**theirs, **own}).model_dump(mode="json"), theirs


def _changes(first: Metric, last: Metric) -> list[_Change]:
    """Return the metrics from *first* to *last*, each with one more rule of the last."""
    metric, changes = dict(first), []
    for rule, value in last.items():
        if rule not in _LABELS and metric[rule] != value:
            told = _told(metric[rule]), _told(value)
            metric = {**metric, rule: value}
            changes.append(_Change(rule, *told, metric))
    return changes


def _told(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _step(told: tuple[str, str, str], before: float | None, after: float | None) -> RuleStep:
    rule, ours, theirs = told
    points = _points(before, after)
    return RuleStep(
        rule=rule, ours=ours, theirs=theirs, before=before, after=after, points=points
    )  # fmt: skip


def _points(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else 100 * (after - before)


def _reason(ours: Scores, theirs: Scores, name: str, read: str) -> str | None:
    if ours.metrics[name] is None:
        return ours.reasons.get(name)
    if theirs.metrics.get(read) is None:
        return theirs.reasons.get(read, f"the tool has no figure named {read}")
    return None


def _figures(
    ours: Scores, theirs: Scores, rules: Rules
) -> dict[str, tuple[float | None, float | None]]:
    names = {name: rules.figures.get(name, name) for name in ours.metrics}
    return {
        name: (ours.metrics[name], theirs.metrics[read])
        for name, read in names.items()
        if read in theirs.metrics
    }


def skipped(cell: Cell) -> str:
    """Return how a cell without rules is named."""
    return f"{cell.label} ({cell.task})"
