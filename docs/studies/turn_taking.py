"""How often verdicts on latency are wrong, by resampling real measurements of identical cells.

Two parts, both from raw samples of a busy 2-core machine. Designs: how often identical cells are
called different at a nominal 5 %. Operating curves: a true ratio is injected into turn-taking
pairs, and the rules that benchbench uses are applied to them, by the code that reports use.

    python docs/studies/turn_taking.py DATA [--resamples 2000]

DATA holds aa_processes.jsonl (fresh processes one after another: ``ts`` wall ns by iteration) and
turn_taking_aa.jsonl (``A`` and ``B``: turns of iterations of [wall ns, CPU ns]). It writes
turn_taking.json, turn_taking_designs.svg and turn_taking_curve.svg beside itself, in minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from benchbench.stats import sequential, turns
from benchbench.stats.turns import Decision, Gate
from benchbench.stats.variance import pairs_needed, t_interval

FOLDER = Path(__file__).parent
RATIOS = (0.95, 0.98, 1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.1, 1.15)
DROPPED = 30
"""First iterations of a process that are left out."""
DRAWS = 400
"""Draws of each bootstrap."""
Rejects = Callable[[Any], bool]


# --- designs: identical cells called different -------------------------------------------


def designs(processes: Any, log_ratios: Any, resamples: int) -> list[dict[str, Any]]:
    """Return the false-positive rate of each design; *processes* (P, I) in the order they ran."""
    rows = []
    for name, count, arrange, rejects in DESIGNS:
        random = np.random.default_rng(len(rows))
        wrong = [rejects(arrange(processes, count, random)) for _ in range(resamples)]
        rows.append({"design": name, "false_positives": float(np.mean(wrong))})
    random = np.random.default_rng(99)
    for name, draw in (("resampled", _pairs), ("consecutive", _consecutive)):
        wrong = [_t(draw(log_ratios, 8, random)) for _ in range(resamples)]
        design = f"turn-taking, 8 {name} pairs, t"
        rows.append({"design": design, "false_positives": float(np.mean(wrong))})
    return rows


def _interleaved(processes: Any, count: int, random: Any) -> tuple[Any, Any]:
    """Return two sides (count, I) of consecutive processes, in random order within each two."""
    start = random.integers(len(processes) - 2 * count + 1)
    window = processes[start : start + 2 * count].reshape(count, 2, -1)
    side = random.integers(2, size=count)
    rows = np.arange(count)
    return window[rows, side], window[rows, 1 - side]


def _blocks(processes: Any, count: int, random: Any) -> tuple[Any, Any]:
    """Return two sides of consecutive processes: first all of the one, then all of the other."""
    start = random.integers(len(processes) - 2 * count + 1)
    return processes[start : start + count], processes[start + count : start + 2 * count]


def _t(differences: Any) -> bool:
    mean = t_interval(differences)
    assert mean.low is not None
    assert mean.high is not None
    return not mean.low < 0 < mean.high


def _pooled_t(sides: Any) -> bool:
    from scipy.stats import ttest_ind

    return bool(ttest_ind(sides[0].ravel(), sides[1].ravel(), equal_var=False).pvalue < 0.05)


def _welch_medians(sides: Any) -> bool:
    return _pooled_t([np.log(np.median(side, axis=1)) for side in sides])


def _paired_medians(sides: Any) -> bool:
    a, b = (np.log(np.median(side, axis=1)) for side in sides)
    return _t(b - a)


def _excludes_zero(differences: Any) -> bool:
    low, high = np.quantile(differences, [0.025, 0.975])
    return not low <= 0 <= high


def _bootstrap(block: int) -> Rejects:
    """Return the percentile bootstrap of the difference of medians, iterations drawn in blocks."""

    def rejects(sides: Any) -> bool:
        random = np.random.default_rng(0)
        medians = []
        for side in sides:
            values = side.ravel()
            begins = random.integers(len(values) - block + 1, size=(DRAWS, len(values) // block))
            drawn = values[(begins[..., None] + np.arange(block)).reshape(DRAWS, -1)]
            medians.append(np.median(drawn, axis=1))
        return _excludes_zero(medians[1] - medians[0])

    return rejects


def _hierarchical(sides: Any) -> bool:
    """Return the percentile bootstrap over pairs of processes and, within them, iterations."""
    random = np.random.default_rng(0)
    count, length = sides[0].shape
    process = random.integers(count, size=(DRAWS, count, 1))
    logs = []
    for side in sides:
        iteration = random.integers(length, size=(DRAWS, count, length))
        logs.append(np.log(np.median(side[process, iteration], axis=2)).mean(axis=1))
    return _excludes_zero(logs[1] - logs[0])


DESIGNS: tuple[tuple[str, int, Callable[..., Any], Rejects], ...] = (
    ("1 + 1 process, t on iterations", 1, _interleaved, _pooled_t),
    ("1 + 1, bootstrap of the median", 1, _interleaved, _bootstrap(1)),
    ("1 + 1, block bootstrap", 1, _interleaved, _bootstrap(10)),
    ("5 + 5 in blocks, t on iterations", 5, _blocks, _pooled_t),
    ("5 + 5 in blocks, Welch on process medians", 5, _blocks, _welch_medians),
    ("5 + 5 interleaved, t on iterations", 5, _interleaved, _pooled_t),
    ("5 + 5 interleaved, hierarchical bootstrap", 5, _interleaved, _hierarchical),
    ("10 + 10 interleaved, hierarchical bootstrap", 10, _interleaved, _hierarchical),
    ("5 + 5 interleaved, paired t on log process medians", 5, _interleaved, _paired_medians),
    ("10 + 10 interleaved, paired t on log process medians", 10, _interleaved, _paired_medians),
)


# --- operating curves --------------------------------------------------------------------


def _one_look(log_ratios: Any) -> Decision:
    return turns.verdict(log_ratios[:8], Gate(looks=(8,)))


RULES: dict[str, Callable[[Any], Decision]] = {
    "8 pairs, one look": _one_look,
    "8 pairs, then 20": turns.verdict,
    "sequence, at most 20": sequential.decide,
}


def curves(log_ratios: Any, resamples: int) -> list[dict[str, Any]]:
    """Return the verdicts of each rule at each true ratio, from the same resampled pairs."""
    rows = []
    for ratio in RATIOS:
        random = np.random.default_rng(7)
        draws = [_pairs(log_ratios, 20, random) + log(ratio) for _ in range(resamples)]
        for name, rule in RULES.items():
            found = [rule(one) for one in draws]
            rows.append({"ratio": ratio, "rule": name, **_shares(name, found)})
    return rows


def _pairs(log_ratios: Any, count: Any, random: Any) -> Any:
    """Return *count* pairs with replacement; identical cells, so either may be called *b*."""
    return random.choice(log_ratios, count) * random.choice([-1, 1], count)


def _consecutive(log_ratios: Any, count: int, random: Any) -> Any:
    """Return *count* pairs as they followed one another: noise comes in spells."""
    start = random.integers(len(log_ratios) - count + 1)
    return log_ratios[start : start + count] * random.choice([-1, 1], count)


def _shares(name: str, found: list[Decision]) -> dict[str, float]:
    used = [_used(name, one) for one in found]
    by_eight = [one.verdict == "regression" and n <= 8 for one, n in zip(found, used, strict=True)]
    return {
        **{
            verdict: float(np.mean([one.verdict == verdict for one in found]))
            for verdict in ("pass", "inconclusive", "regression")
        },
        "faster": float(np.mean([bool(one.faster) for one in found])),
        "regression_within_8_pairs": float(np.mean(by_eight)),
        "mean_pairs": float(np.mean(used)),
    }


def _used(name: str, one: Decision) -> int:
    return 8 if name == "8 pairs, one look" else one.pairs


def long_sequences(log_ratios: Any, count: int = 50_000, pairs: int = 50) -> dict[str, float]:
    """Return how often a lower bound of a mean of 0 is ever above it, looking after each pair."""
    random = np.random.default_rng(3)
    draws = {
        "real": _pairs(log_ratios, (count, pairs), random),
        "normal": random.normal(size=(count, pairs)),
    }
    return {name: float(_ever_above(values).mean()) for name, values in draws.items()}


def _ever_above(values: Any) -> Any:
    """Return (N,): whether ``sequential.bounds`` is wrong at any number of (N, R) values."""
    wrong = np.zeros(len(values), bool)
    for n in range(2, values.shape[1] + 1):
        factor = sequential.reach(n, 0.05)
        if factor is not None:
            taken = values[:, :n]
            wrong |= taken.mean(axis=1) > factor * taken.std(axis=1, ddof=1) / n**0.5
    return wrong


# --- input and output --------------------------------------------------------------------


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _log_ratios(rows: list[dict[str, Any]], clock: int) -> Any:
    return np.array(
        [turns.log_ratio(*(np.array(row[side])[..., clock] for side in "AB")) for row in rows]
    )


def _figure(width: float, height: float) -> Any:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "turns"  # the same file from the same figures
    return Figure(figsize=(width, height), layout="constrained")


def draw_designs(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the false-positive rate of each design as a bar."""
    figure = _figure(7.2, 3.6)
    axes = figure.subplots()
    shown = list(reversed(rows))
    values = [100 * row["false_positives"] for row in shown]
    colours = ["#2166ac" if value <= 6 else "#b2182b" for value in values]
    bars = axes.barh([row["design"] for row in shown], values, color=colours)
    axes.bar_label(bars, [f"{value:.0f} %" for value in values], padding=12, fontsize="small")
    axes.axvline(5, color="#444444", linewidth=1)
    axes.set(xlabel="identical cells called different, % (nominal: 5)", xlim=(0, 110))
    axes.tick_params(axis="y", labelsize="small")
    figure.savefig(path, metadata={"Date": None})


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the share of each verdict over the true ratio, one panel a rule, and the pairs used."""
    figure = _figure(7.2, 3.4)
    panels = figure.subplots(1, len(RULES), sharey=True)
    for axes, name in zip(panels, RULES, strict=True):
        own = [row for row in rows if row["rule"] == name]
        ratios = [row["ratio"] for row in own]
        shares = [[100 * row[kind] for row in own] for kind in COLOURS]
        axes.stackplot(ratios, shares, labels=list(COLOURS), colors=list(COLOURS.values()))
        pairs = [5 * row["mean_pairs"] for row in own]
        axes.plot(ratios, pairs, ":", color="black", label="pairs used × 5")
        axes.set_title(name, fontsize="small")
        axes.axvline(1.05, color="#444444", linewidth=1)
        axes.set(xlim=(ratios[0], ratios[-1]), ylim=(0, 100))
    panels[1].set_xlabel("true ratio b / a (line: the margin, 5 %)")
    panels[0].set_ylabel("verdicts, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, metadata={"Date": None})


COLOURS = {"pass": "#92c5de", "inconclusive": "#e6e6e6", "regression": "#ef8a62"}


def main() -> None:
    """Run the study and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    rows = _read(options.data / "aa_processes.jsonl")
    processes = np.array([row["ts"] for row in rows], np.float64)[:, DROPPED:]
    rows = _read(options.data / "turn_taking_aa.jsonl")
    wall, cpu = (_log_ratios(rows, clock) for clock in (0, 1))
    result = {
        "setting": {"margin": 0.05, "alpha": 0.05, "resamples": options.resamples},
        "designs": designs(processes, wall, options.resamples),
        "log_sd": {
            name: {"sd": float(sd), "pairs_for_5_percent": pairs_needed(float(sd), 1.05)}
            for name, sd in (("wall", wall.std(ddof=1)), ("cpu", cpu.std(ddof=1)))
        },
        "curves": curves(wall, options.resamples),
        "ever_wrong_within_50_pairs": long_sequences(wall),
    }
    text = json.dumps(result, indent=1)
    (FOLDER / "turn_taking.json").write_text(text + "\n", encoding="utf-8")
    draw_designs(result["designs"], FOLDER / "turn_taking_designs.svg")
    draw_curves(result["curves"], FOLDER / "turn_taking_curve.svg")


if __name__ == "__main__":
    main()
