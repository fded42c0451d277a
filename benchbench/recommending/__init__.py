"""Which cell of a run to deploy: the best by one figure, within limits on others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchbench.recommend_view import (
    Candidate,
    Check,
    CheckState,
    RecommendView,
    Shown,
)
from benchbench.recommending.asking import Aim, Requirement, asked_of, read_aim, read_requirement
from benchbench.recommending.costs import Costs
from benchbench.recommending.drawing import Figure, Sampler
from benchbench.recommending.money import Money
from benchbench.recommending.relaxing import SURE, relaxations
from benchbench.recommending.remarks import notes
from benchbench.recommending.selecting import selected
from benchbench.recommending.tabling import Table
from benchbench.stats.choice import constant, likeliest, slack_in_errors
from benchbench.store import Run
from benchbench.types import Result
from benchbench.view import CellView, RunView

__all__ = ["DRAWS", "Money", "Question", "recommend"]
DRAWS = 2000
TOGETHER = 0.9
"""Share of the draws that the cells to choose between hold together."""
_ONE = "a front takes two quantities"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    require: Sequence[str] = ()
    """Limits as :mod:`benchbench.limits` reads them."""
    minimize: Sequence[str] = ()
    maximize: Sequence[str] = ()
    """One objective in all."""
    where: Sequence[str] = ()
    without: Sequence[str] = ()
    """Codes of caveats that keep a cell out."""
    money: Money = field(default_factory=Money)
    draws: int = DRAWS
    seed: int = 0


def recommend(
    view: RunView, question: Question, run: Run | None = None, results: Sequence[Result] = ()
) -> RecommendView:
    """Return which cell of *view* is best within the limits, and how sure that is.

    *run* with its *results* gives the bootstrap draws of accuracy; without, they are normal and
    unpaired. Raises :class:`~benchbench.errors.UsageError` for what cannot be asked.
    """
    aim = read_aim(question.minimize, question.maximize)
    required = [read_requirement(text) for text in question.require]
    figures = [aim.named, *(one.named for one in required)]
    cells, left_out = selected(view.cells, question.where, question.without, figures)
    sampler = Sampler(run, {one.cell.id: one for one in results}, question.draws, question.seed)
    costs = Costs(sampler, question.money.checked())
    table = _table(cells, required, aim, costs)
    chosen = _chosen(table)
    return RecommendView(
        run=view.run,
        suite=view.suite,
        title=view.title,
        created=view.created,
        dataset=cells[0].dataset,
        split=cells[0].split,
        task=cells[0].task,
        requirements=tuple(table.requirements),
        objective=table.aim,
        draws=question.draws,
        seed=question.seed,
        p_none=table.p_none,
        left_out=tuple(left_out),
        notes=tuple(notes(table, question.money, question.without, left_out)),
        relaxations=tuple(relaxations(table, chosen)),
        **_answer(table, chosen),
    )


def _table(
    cells: Sequence[CellView], required: Sequence[Requirement], aim: Aim, costs: Costs
) -> Table:
    rows = [[costs.figure(cell, one.named) for cell in cells] for one in required]
    goals = [costs.figure(cell, aim.named) for cell in cells]
    told = [asked_of(one, cells, row) for one, row in zip(required, rows, strict=True)]
    return Table(
        cells=cells,
        requirements=told,
        bounds=[one.bound for one in required],
        figures=[
            [_exact(figure) for figure in row] if one.limit.on_these_images else row
            for one, row in zip(required, rows, strict=True)
        ],
        aim=asked_of(aim, cells, goals),
        objectives=goals,
        draws=costs.sampler.draws,
    )


def _exact(figure: Figure) -> Figure:
    """Return the figure of these images alone: its value, which nothing spreads."""
    value, draws = figure.quantity.value, figure.draws
    if draws is None or value is None:
        return figure
    alone = {"low": None, "high": None, "level": None, "se": None, "reason": None}
    return Figure(figure.quantity.model_copy(update=alone), constant(value, len(draws)))


def _chosen(table: Table) -> int | None:
    """Return the cell within the limits whose largest defeat by another of them is the smallest.

    Cells are compared in pairs (Simpson 1969, J. R. Stat. Soc. B 31:149), and not by the share of
    draws in which each is the best of all: alike cells would split that among them and lose to a
    worse one that stands alone. A defeat that the draws cannot tell from none counts as none:
    then the better objective decides.
    """
    within = np.flatnonzero(table.feasible & ~np.isnan(table.objective)).tolist()
    worst = table.margins[:, within].max(axis=1, initial=0.0)
    # An even chance has a standard error of 1/√D in the difference of its shares.
    defeats = np.where(worst > 2 / math.sqrt(table.draws), worst, 0.0)
    return table.best(within, by=lambda i: -float(defeats[i]))


def _answer(table: Table, chosen: int | None) -> dict[str, object]:
    """Return the fields of the view that name cells."""
    ids = [cell.id for cell in table.cells]
    made = [_candidate(table, i) for i in range(len(ids))]
    order = sorted(range(len(ids)), key=lambda i: (i != chosen, *_rank(table, made[i], i)))
    free = table.best(range(len(ids)))
    out = [] if free is None else np.flatnonzero(~table.kept[:, free]).tolist()
    return {
        "recommended": None if chosen is None else ids[chosen],
        "between": tuple(ids[i] for i in likeliest(table.p_best.tolist(), TOGETHER)),
        "between_share": TOGETHER,
        "candidates": tuple(made[i] for i in order),
        "binding": None if chosen is None else _binding(made[chosen]),
        "unconstrained": None if free is None else ids[free],
        "excluded_by": tuple(table.requirements[row].text for row in out),
        "nearest": None if chosen is not None else _nearest(table),
    }


def _rank(table: Table, one: Candidate, i: int) -> tuple[float | bool, ...]:
    value = table.objective[i]
    worst = float("inf") if np.isnan(value) else -value if table.higher else value
    return -one.p_best, not one.feasible, -one.p_feasible, worst, i


def _candidate(table: Table, i: int) -> Candidate:
    cell, front = table.cells[i], table.fronts.get(i)
    why = None
    if front is None:
        why = _ONE if table.dimensions < 2 else "a figure is absent"
    return Candidate(
        cell=cell.id,
        label=cell.label,
        admitted=cell.admitted,
        caveats=tuple(dict.fromkeys(caveat.code for caveat in cell.caveats)),
        checks=tuple(_check(table, row, i) for row in range(len(table.requirements))),
        objective=_shown(table.objectives[i]),
        feasible=bool(table.feasible[i]),
        p_feasible=float(table.drawn_feasible[:, i].mean()),
        p_best=float(table.p_best[i]),
        p_front=front,
        front_reason=why,
    )


def _check(table: Table, row: int, i: int) -> Check:
    asked, figure = table.requirements[row], table.figures[row][i]
    shown, value, limit = _shown(figure), figure.quantity.value, table.bounds[row]
    if value is None or figure.draws is None:
        return Check(requirement=asked.text, figure=shown, state="not shown", holds=False)
    at_least, holds = bool(table.at_least[row]), bool(table.kept[row, i])
    p = None
    if figure.bound is None or holds == (figure.bound == asked.sense):
        p = float(table.drawn_kept[row, :, i].mean())
    return Check(
        requirement=asked.text,
        figure=shown,
        state="not shown" if p is None else _state(p),
        holds=holds,
        p=p,
        slack=value - limit if at_least else limit - value,
        slack_errors=slack_in_errors(value, figure.draws, limit, at_least=at_least),
    )


def _state(p: float) -> CheckState:
    if p >= SURE:
        return "holds"
    return "broken" if p <= 1 - SURE else "not shown"


def _shown(figure: Figure) -> Shown:
    found = figure.quantity
    return Shown(
        value=found.value,
        low=found.low if figure.note is None else None,
        high=found.high if figure.note is None else None,
        level=found.level if figure.note is None else None,
        bound=figure.bound,
        basis=found.basis,
        reason=figure.told or (found.reason if found.value is None else None),
    )


def _binding(one: Candidate) -> str | None:
    """Return the requirement with the least slack in standard errors; None where none spreads."""
    known = [check for check in one.checks if check.slack_errors is not None]
    least = min(known, key=lambda check: check.slack_errors or 0.0, default=None)
    return least.requirement if least else None


def _nearest(table: Table) -> str | None:
    """Return the cell that breaks the fewest requirements and has every figure."""
    whole = [i for i in range(len(table.cells)) if not np.isnan(table.values[:, i]).any()]
    broken = (~table.kept).sum(axis=0)
    shares = table.drawn_feasible.mean(axis=0)
    found = table.best(whole, by=lambda i: float(shares[i]) - float(broken[i]))
    return None if found is None else table.cells[found].id
