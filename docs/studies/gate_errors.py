"""How often a gate is wrong, by its number of limits, by the code that gates use.

Each of the simulated gates has limits on figures with a known error: half have a normal one (a
score), half Student's with 9 degrees of freedom (10 processes). Three questions:

- All limits hold, each just so: the figure's true value is its limit. How often does the gate fail,
  with Holm's correction and without one?
- One limit is broken, just so, and the others hold by far. How often does the gate pass?
- One limit is broken by three standard errors. How often does the gate fail?

    python docs/studies/gate_errors.py [--gates 20000]

It writes gate_errors.json and gate_errors.svg beside itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.limits import ALPHA, Estimate, Tails, adjust, outcome, tails, together

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


def verdicts(found: list[Tails]) -> tuple[str, bool]:
    """Return the gate's verdict, and whether it would fail without a correction."""
    adjusted = adjust([one.broken for one in found], [False] * len(found))
    told = [outcome(one.holds, p) for one, p in zip(found, adjusted, strict=True)]
    return together(told), any(one.broken <= ALPHA for one in found)


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
    document = {"gates": gates, "alpha": ALPHA, "df": DF, "shares": found}
    (FOLDER / "gate_errors.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    draw(found)


if __name__ == "__main__":
    main()
