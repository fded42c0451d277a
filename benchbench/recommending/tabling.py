"""The figures that a choice rests on: cells by requirements, as values and as draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchbench.recommend_view import Asked
from benchbench.recommending.drawing import Figure
from benchbench.stats.choice import Flags, Values, best_shares, front_shares, within
from benchbench.view import CellView


@dataclass(frozen=True)
class Table:
    """C cells, R requirements, an objective, D draws; NaN where a figure is absent."""

    cells: Sequence[CellView]
    requirements: Sequence[Asked]
    bounds: Sequence[float]
    """(R,): the limits, moved by the least step where equality does not do."""
    figures: Sequence[Sequence[Figure]]
    """R rows of C."""
    aim: Asked
    objectives: Sequence[Figure]
    draws: int

    @property
    def higher(self) -> bool:
        """Whether more of the objective is better."""
        return self.aim.sense == "maximize"

    @cached_property
    def at_least(self) -> Flags:
        """(R,)."""
        return np.array([one.sense == "at least" for one in self.requirements], bool)

    @cached_property
    def values(self) -> Values:
        """(R, C)."""
        return np.array([[_value(one) for one in row] for row in self.figures]).reshape(
            len(self.requirements), len(self.cells)
        )

    @cached_property
    def objective(self) -> Values:
        """(C,)."""
        return np.array([_value(one) for one in self.objectives], np.float64)

    @cached_property
    def kept(self) -> Flags:
        """(R, C): whether the best estimate is within the limit."""
        bounds = np.array(self.bounds, np.float64)
        return within(self.values[:, None, :], bounds, self.at_least)[:, 0]

    @cached_property
    def drawn_kept(self) -> Flags:
        """(R, D, C): the same of each draw."""
        rows = [_draws(row, self.draws) for row in self.figures]
        shape = (len(rows), self.draws, len(self.cells))
        stacked = np.array(rows, np.float64).reshape(shape)
        return within(stacked, np.array(self.bounds, np.float64), self.at_least)

    @cached_property
    def feasible(self) -> Flags:
        """(C,): within all limits at the best estimate."""
        return np.asarray(self.kept.all(axis=0))

    @cached_property
    def drawn_feasible(self) -> Flags:
        """(D, C)."""
        return np.asarray(self.drawn_kept.all(axis=0))

    @cached_property
    def drawn_objective(self) -> Values:
        """(D, C)."""
        return _draws(self.objectives, self.draws)

    @cached_property
    def p_best(self) -> Values:
        """(C,): share of the draws in which a cell is within the limits and the best."""
        return best_shares(self.drawn_objective, self.drawn_feasible, higher=self.higher)[0]

    @cached_property
    def p_none(self) -> float:
        """Share of the draws in which no cell is within the limits."""
        return float((~self.drawn_feasible.any(axis=1)).mean())

    @cached_property
    def fronts(self) -> dict[int, float]:
        """Cell → share of the draws in which it is on the front; complete cells only."""
        rows = self._dimensions()
        whole = [
            i for i in range(len(self.cells)) if all(row[i].draws is not None for row, _ in rows)
        ]
        if len(rows) < 2 or not whole:
            return {}
        stacked = np.stack([_draws([row[i] for i in whole], self.draws) for row, _ in rows])
        shares = front_shares(stacked, np.array([higher for _, higher in rows], bool))
        return dict(zip(whole, shares.tolist(), strict=True))

    def _dimensions(self) -> list[tuple[Sequence[Figure], bool]]:
        """Return each quantity that was asked for once, and whether more of it is better."""
        found: dict[str, tuple[Sequence[Figure], bool]] = {}
        for asked, row in zip(self.requirements, self.figures, strict=True):
            better = next((f.quantity.higher_is_better for f in row if f.draws is not None), None)
            at_least = asked.sense == "at least"
            found[asked.quantity] = row, at_least if better is None else better
        found[self.aim.quantity] = self.objectives, self.higher
        return list(found.values())

    @property
    def dimensions(self) -> int:
        """How many quantities were asked for."""
        return len({self.aim.quantity, *(one.quantity for one in self.requirements)})

    @cached_property
    def margins(self) -> Values:
        """(C, C): share of the draws in which column beats row, less that in which row does.

        A cell beats another in a draw if it is within the limits and the other is not, or has the
        worse objective; where both are the same neither does.
        """
        signed = self.drawn_objective if self.higher else -self.drawn_objective
        usable = self.drawn_feasible & ~np.isnan(signed)
        scores = np.where(usable, signed, -np.inf)
        rivals = range(len(self.cells))
        wins = np.stack([(scores > scores[:, i, None]).mean(axis=0) for i in rivals])
        return np.asarray(wins - wins.T)

    @property
    def ties(self) -> list[list[int]]:
        """Cells that are the best in some draws and beat each other in none, two or more each."""
        alike: dict[bytes, list[int]] = {}
        for i in np.flatnonzero(self.p_best > 0).tolist():
            drawn = np.where(self.drawn_feasible[:, i], self.drawn_objective[:, i], np.nan)
            alike.setdefault(drawn.tobytes(), []).append(i)
        return [found for found in alike.values() if len(found) > 1]

    def better(self, a: float, b: float) -> bool:
        """Return whether objective *a* is strictly better than *b*."""
        return a > b if self.higher else a < b

    def best(self, indices: Sequence[int], by: Callable[[int], float] | None = None) -> int | None:
        """Return the cell with the best objective, after the largest of *by* where it is given."""
        usable = [i for i in indices if not np.isnan(self.objective[i])]
        sign = -1 if self.higher else 1
        return min(
            usable,
            key=lambda i: (-by(i) if by else 0.0, sign * self.objective[i]),
            default=None,
        )


def _value(figure: Figure) -> float:
    value = figure.quantity.value
    return float("nan") if value is None else value


def _draws(row: Sequence[Figure], draws: int) -> Values:
    """Return (D, C)."""
    empty = np.full(draws, np.nan)
    columns = [empty if one.draws is None else one.draws for one in row]
    return np.stack(columns, axis=1) if columns else np.empty((draws, 0))
