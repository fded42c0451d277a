"""How often a gate is wrong, by its number of limits, by the code that gates use.

Each of the simulated gates has limits on figures with a known error: half have a normal one (a
score), half Student's with 9 degrees of freedom (10 processes). Three questions:

- All limits hold, each just so: the figure's true value is its limit. How often does the gate fail,
  with Holm's correction and without one?
- One limit is broken, just so, and the others hold by far. How often does the gate pass?
- One limit is broken by three standard errors. How often does the gate fail?

The same is asked of gates that a retry decides: each limit is on a figure of fresh processes, which
vary by a normal error of their logarithms. Limits that are undecided are looked at again with more
processes, at 10, 20 and 40, or after each one from 10 to 40, until the gate has a verdict. Three
standard errors are here those of 40 processes. Without a share every look has all of alpha.

    python docs/studies/gate_errors.py [--gates 20000]

It writes gate_errors.json and gate_errors.svg beside itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.gating.looks import MOST, PLANNED, spent
from benchbench.stats.limits import (
    ALPHA,
    Estimate,
    Outcome,
    Tails,
    adjust,
    outcome,
    tails,
    together,
)

FOLDER = Path(__file__).parent
SIZES = (1, 3, 10, 30, 100)
DF = 9
FAR = 8.0


def drawn(random: np.random.Generator, gates: int, limits: int, common: float) -> list[Any]:
    """Return (gates, limits, 2) errors and standard errors; *common* is what limits share."""
    shared = random.standard_normal((gates, 1))
    errors = common**0.5 * shared + (1 - common) ** 0.5 * random.standard_normal((gates, limits))
    spread = np.ones((gates, limits))
    student = np.arange(limits) % 2 == 1
    spread[:, student] = np.sqrt(random.chisquare(DF, (gates, int(student.sum()))) / DF)
    return [errors, spread]


def asked(errors: NDArray[Any], spread: NDArray[Any], above: NDArray[Any]) -> list[Tails]:
    """Return the tails of one gate: figures that have to be at most 0 and truly are *above*."""
    found = []
    for index, (error, se, true) in enumerate(zip(errors, spread, above, strict=True)):
        df = DF if index % 2 else None
        found.append(tails(Estimate(float(true + error), float(se), df), 0.0, "at most"))
    return found


def outcomes(found: Sequence[Tails]) -> list[Outcome]:
    """Return the verdict on each limit of a gate."""
    adjusted = adjust([one.broken for one in found], [False] * len(found))
    return [outcome(one.holds, p) for one, p in zip(found, adjusted, strict=True)]


def verdicts(found: list[Tails]) -> tuple[str, bool]:
    """Return the gate's verdict, and whether it would fail without a correction."""
    return together(outcomes(found)), any(one.broken <= ALPHA for one in found)


def shares(gates: int, limits: int, common: float, seed: int = 0) -> dict[str, float]:
    """Return how often gates of so many limits are wrong, as shares of 1."""
    errors, spread = drawn(np.random.default_rng([seed, limits]), gates, limits, common)
    hold, far = np.zeros(limits), np.full(limits, -FAR)
    counts = dict.fromkeys(("fails", "fails uncorrected", "passes", "finds"), 0)
    for error, se in zip(errors, spread, strict=True):
        told, uncorrected = verdicts(asked(error, se, hold))
        others = asked(error, se, far)[1:]
        just, clearly = (asked(error[:1], se[:1], np.array([true])) for true in (0.0, 3.0))
        counts["fails"] += told == "fail"
        counts["fails uncorrected"] += uncorrected
        counts["passes"] += verdicts(just + others)[0] == "pass"
        counts["finds"] += verdicts(clearly + others)[0] == "fail"
    return {name: count / gates for name, count in counts.items()}


# --- gates that a retry decides ------------------------------------------------------------


def looked(
    values: NDArray[Any], above: NDArray[Any], counts: Sequence[int], shared: bool
) -> tuple[Outcome, float]:
    """Return the first verdict of one gate, and how many processes it took by limit.

    *values*: (limits, processes) errors of each process; *above*: (limits,) how far the true value
    is above its limit, in their standard deviations. *shared*: whether the looks share alpha.
    """
    found: dict[int, Tails] = {}
    taken = np.zeros(len(values))
    undecided = list(range(len(values)))
    verdict: Outcome = "inconclusive"
    for count in counts:
        for limit in undecided:
            own = values[limit, :count]
            mean, se = float(own.mean() + above[limit]), float(own.std(ddof=1) / count**0.5)
            looks = spent(count) if shared else 1
            found[limit] = tails(Estimate(mean, se, count - 1, looks=looks), 0.0, "at most")
            taken[limit] = count
        told = outcomes([found[limit] for limit in range(len(values))])
        verdict = together(told)
        if verdict != "inconclusive":
            break
        undecided = [limit for limit, one in enumerate(told) if one == "inconclusive"]
    return verdict, float(taken.mean())


def looked_shares(
    gates: int, limits: int, counts: Sequence[int], seed: int = 0
) -> dict[str, float]:
    """Return how often gates of so many limits are wrong if they are looked at after *counts*.

    ``processes`` is how many each limit took where all hold by three standard errors.
    """
    random = np.random.default_rng([seed, limits, len(counts)])
    clear = 3 * counts[-1] ** -0.5
    just, hold = np.zeros(limits), np.full(limits, -clear)
    others = np.full(limits - 1, -FAR * counts[0] ** -0.5)
    one, broken = np.append(0.0, others), np.append(clear, others)
    names = ("fails", "passes", "finds", "processes", "fails without a share")
    totals = dict.fromkeys(names, 0.0)
    for _ in range(gates):
        values = random.standard_normal((limits, counts[-1]))
        totals["fails"] += looked(values, just, counts, True)[0] == "fail"
        totals["passes"] += looked(values, one, counts, True)[0] == "pass"
        totals["finds"] += looked(values, broken, counts, True)[0] == "fail"
        totals["processes"] += looked(values, hold, counts, True)[1]
        totals["fails without a share"] += looked(values, just, counts, False)[0] == "fail"
    return {name: round(total / gates, 5) for name, total in totals.items()}


def retries(gates: int) -> list[dict[str, Any]]:
    """Return the shares of gates that look as a retry plans to, or after every process."""
    each = tuple(range(PLANNED[0], MOST + 1))
    asked = [(size, "planned", PLANNED) for size in (1, 3, 10)]
    asked += [(size, "each", each) for size in (1, 3)]
    return [
        {"limits": size, "looks": name, **looked_shares(gates, size, counts)}
        for size, name, counts in asked
    ]


def draw(found: list[dict[str, Any]]) -> None:
    """Write the figure."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "gate_errors"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    lines = (
        ("fails uncorrected", "all limits hold, no correction: fails", "--", "#8a8a8a", 1.5),
        ("fails", "all limits hold: fails", "-", "#f59e0b", 5),
        ("passes", "one limit is broken: passes", "-", "#1d4ed8", 1.5),
    )
    rows = [row for row in found if row["common"] == 0]
    for key, label, style, color, wide in lines:
        shown = [100 * row[key] for row in rows]
        sizes = [row["limits"] for row in rows]
        axes.plot(sizes, shown, style, c=color, lw=wide, marker="o", ms=3 + wide, label=label)
    axes.axhline(100 * ALPHA, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="limits of the gate", ylabel="gates, %", ylim=(0, 100))
    axes.set_xticks(SIZES, [str(size) for size in SIZES], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(FOLDER / "gate_errors.svg", metadata={"Date": None})


def main() -> None:
    """Simulate, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=20_000)
    gates = parser.parse_args().gates
    found = [
        {"limits": size, "common": common, **shares(gates, size, common)}
        for common, sizes in ((0.0, SIZES), (0.5, (10,)))
        for size in sizes
    ]
    looks = retries(gates)
    document = {"gates": gates, "alpha": ALPHA, "df": DF, "shares": found, "looks": looks}
    (FOLDER / "gate_errors.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    draw(found)


if __name__ == "__main__":
    main()
