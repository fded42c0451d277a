"""How often the history calls a change that is none, and how often it finds one that is there.

Invented series of known noise: independent or autoregressive (order 1), normal, with the heavy
tails of Student's t with 3 degrees of freedom, or normal with one point in ten three times as wide.
The rule is that of reports (benchbench.stats.trend); beside it the same rule for independent noise,
the permutation test of the largest CUSUM, and Pettitt's rank test (1979, Appl. Stat. 28:126).

    python docs/studies/history_changes.py [--series 1000]

It writes history_changes.json and history_changes.svg beside itself, in minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.trend import ALPHA, steps

FOLDER = Path(__file__).parent
LENGTHS = (6, 10, 20, 50)
CORRELATIONS = (0.0, 0.3, 0.5)
NOISES = ("normal", "heavy tails", "outliers")
RUNS_AROUND = (3, 5, 10, 15)
SPREADS = (0.01, 0.02, 0.03, 0.05)
STEP = log(1.1)
PERMUTATIONS = 199

Values = NDArray[np.float64]


# --- series ------------------------------------------------------------------------------


def noise(random: np.random.Generator, length: int, kind: str, correlation: float) -> Values:
    """Return a stationary series of standard deviation 1."""
    settled = 50
    drawn = _drawn(random, length + settled, kind)
    found = np.empty_like(drawn)
    found[0] = drawn[0]
    for index in range(1, len(drawn)):
        fresh = sqrt(1 - correlation**2) * drawn[index]
        found[index] = correlation * found[index - 1] + fresh
    return found[settled:]


def _drawn(random: np.random.Generator, count: int, kind: str) -> Values:
    if kind == "heavy tails":
        return random.standard_t(3, count) / sqrt(3)
    found = random.standard_normal(count)
    if kind == "outliers":
        found *= np.where(random.random(count) < 0.1, 3.0, 1.0) / sqrt(1.8)
    return found


# --- rules -------------------------------------------------------------------------------


def ours(values: Values, _: np.random.Generator) -> bool:
    """Return whether reports call a change in *values*."""
    return bool(steps(values))


def independent(values: Values, _: np.random.Generator) -> bool:
    """Return what reports would call if neighbours were taken for independent."""
    return bool(steps(values, correlation=0.0))


def permuted(values: Values, random: np.random.Generator) -> bool:
    """Return whether the largest CUSUM is among the ALPHA largest of permuted series."""
    shuffled = random.permuted(np.tile(values, (PERMUTATIONS, 1)), axis=1)
    sums = np.abs(np.cumsum(np.vstack([values, shuffled]) - values.mean(), axis=1)).max(axis=1)
    return bool((sums >= sums[0] * (1 - 1e-12)).mean() <= ALPHA)


def pettitt(values: Values, _: np.random.Generator) -> bool:
    """Return whether Pettitt's approximate p-value is at most ALPHA."""
    n = len(values)
    ranks = values.argsort().argsort() + 1
    largest = np.abs(2 * np.cumsum(ranks) - np.arange(1, n + 1) * (n + 1)).max()
    return bool(2 * exp(-6 * float(largest) ** 2 / (n**3 + n**2)) <= ALPHA)


RULES: dict[str, Callable[[Values, np.random.Generator], bool]] = {
    "benchbench": ours,
    "for independent noise": independent,
    "permuted CUSUM": permuted,
    "Pettitt": pettitt,
}


# --- rates -------------------------------------------------------------------------------


def false_alarms(count: int) -> list[dict[str, Any]]:
    """Return the share of series without change in which each rule calls one."""
    rows = []
    for number, (length, correlation, kind) in enumerate(
        (n, c, k) for n in LENGTHS for c in CORRELATIONS for k in NOISES
    ):
        random = np.random.default_rng(number)
        series = [noise(random, length, kind, correlation) for _ in range(count)]
        row: dict[str, Any] = {"runs": length, "correlation": correlation, "noise": kind}
        for name, rule in RULES.items():
            row[name] = float(np.mean([rule(values, random) for values in series]))
        rows.append(row)
    return rows


def power(count: int) -> list[dict[str, Any]]:
    """Return the share of series with a step of 10 % in the middle in which it is called."""
    rows = []
    for number, (around, spread) in enumerate((n, s) for n in RUNS_AROUND for s in SPREADS):
        random = np.random.default_rng(1000 + number)
        step = np.repeat([0.0, STEP], around)
        series = [spread * noise(random, 2 * around, "normal", 0.0) + step for _ in range(count)]
        row: dict[str, Any] = {"runs_around": around, "spread": spread}
        for name, rule in RULES.items():
            row[name] = float(np.mean([rule(values, random) for values in series]))
        row |= placed(series, around)
        rows.append(row)
    return rows


def placed(series: list[Values], around: int) -> dict[str, float | None]:
    """Return how often, where one change is called, its place and its interval hold the truth."""
    found = [calls[0] for values in series if len(calls := steps(values)) == 1]
    if not found:
        return {"place_exact": None, "place_held": None, "size_held": None}
    return {
        "place_exact": float(np.mean([one.at == around for one in found])),
        "place_held": float(np.mean([one.first <= around <= one.last for one in found])),
        "size_held": float(np.mean([one.low <= STEP <= one.high for one in found])),
    }


def draw(alarms: list[dict[str, Any]], found: list[dict[str, Any]], path: Path) -> None:
    """Draw false alarms over correlation and power over noise, a line a rule or a length."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "history"  # the same file from the same figures
    figure = Figure(figsize=(7.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in RULES:
        rows = [row for row in alarms if row["runs"] == 20 and row["noise"] == "normal"]
        shares = [100 * row[name] for row in rows]
        left.plot([row["correlation"] for row in rows], shares, "o-", label=name)
    left.axhline(100 * ALPHA, color="#444444", linewidth=1)
    left.set(xlabel="correlation of neighbours, 20 runs", ylabel="false alarms, % of series")
    left.legend(fontsize="x-small")
    for around in RUNS_AROUND:
        rows = [row for row in found if row["runs_around"] == around]
        shares = [100 * row["benchbench"] for row in rows]
        right.plot(
            [100 * row["spread"] for row in rows], shares, "o-", label=f"{around} + {around}"
        )
    right.set(xlabel="noise of one run, %", ylabel="a step of 10 % found, % of series")
    right.legend(fontsize="x-small", title="runs", title_fontsize="x-small")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run the study and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    count = parser.parse_args().series
    result = {
        "setting": {"alpha": ALPHA, "step": "10 %", "series": count, "permutations": PERMUTATIONS},
        "false_alarms": false_alarms(count),
        "power": power(count),
    }
    text = json.dumps(result, indent=1)
    (FOLDER / "history_changes.json").write_text(text + "\n", encoding="utf-8")
    draw(result["false_alarms"], result["power"], FOLDER / "history_changes.svg")


if __name__ == "__main__":
    main()
