"""How often two stretches of one machine's time are called different, with and without the canary.

A run with many fresh processes of one cell is cut into blocks of consecutive processes, each of
which stands for a job of its own. Nothing changes from block to block but the machine, so that
whatever is called different is called so wrongly. Blocks are compared as ``benchbench compare``
does with processes of two jobs, and by the same test on the figures as they are.

    benchbench run SUITE --processes 72
    python docs/studies/canary_trend.py .benchbench/runs/RUN [MORE RUNS]

It writes canary_trend.json beside itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.baselines import Process
from benchbench.baselines.processes import processes
from benchbench.comparing.ends import welch
from benchbench.comparing.times import calibrated
from benchbench.store import Run

FOLDER = Path(__file__).parent
FIGURE = "latency.p50"
SIZES = (5, 10)
SLOWER = 1.1

Figures = Callable[[Sequence[Process]], NDArray[np.float64]]


def plain(found: Sequence[Process]) -> NDArray[np.float64]:
    """Return each process's log median as it is."""
    return np.log([one.figures[FIGURE] for one in found])


def with_canary(found: Sequence[Process]) -> NDArray[np.float64]:
    """Return the same, less the log of the process's own canary."""
    return calibrated(found, FIGURE)


def main() -> None:
    """Compare the blocks of each run's cells and write the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    cells = [one for folder in options.folders for one in processes(Run(folder)).values()]
    text = json.dumps([row for cell in cells for row in rows(cell)], indent=1)
    (FOLDER / "canary_trend.json").write_text(text + "\n", encoding="utf-8")


def rows(cell: Sequence[Process]) -> Iterator[dict[str, Any]]:
    """Yield one row a block size and test."""
    for size in SIZES:
        blocks = [cell[i : i + size] for i in range(0, len(cell) - size + 1, size)]
        for name, figures in (("as they are", plain), ("beside the canary", with_canary)):
            yield {
                "processes": len(cell),
                "block": size,
                "comparisons": len(blocks) * (len(blocks) - 1) // 2,
                "test": name,
                "log_sd": round(float(figures(cell).std(ddof=1)), 4),
                "called_different": share(blocks, figures, 1.0),
                f"found_{SLOWER:g}_times_as_slow": share(blocks, figures, SLOWER),
            }


def share(blocks: Sequence[Sequence[Process]], figures: Figures, ratio: float) -> float:
    """Return the share of pairs of blocks with p < 0.05, the second made *ratio* times as slow."""
    found = [
        welch(figures(one), figures(other) + np.log(ratio))
        for one, other in itertools.combinations(blocks, 2)
    ]
    return round(float(np.mean([one is not None and one.p < 0.05 for one in found])), 3)


if __name__ == "__main__":
    main()
