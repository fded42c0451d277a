"""How often verdicts are wrong on pairs that were measured just now, on any machine.

``benchbench aa SUITE --pairs 24`` leaves its pairs in the store, below ``scratch/aa``. They are
resampled as turn_taking.py does with its data: a true ratio is injected, and the rules that
benchbench uses are applied by the code that reports use.

    benchbench aa deployment --cell "onnxruntime · int8" --pairs 24
    python docs/studies/turn_taking_fresh.py .benchbench/scratch/aa/STAMP [--resamples 2000]

It writes turn_taking_fresh.json beside itself.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from turn_taking import curves

from benchbench.stats.turns import cpu_log_ratios, wall_log_ratios
from benchbench.store import Run
from benchbench.turnbook import read_pair

FOLDER = Path(__file__).parent


def main() -> None:
    """Resample the pairs of each cell and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resamples", type=int, default=2000)
    options = parser.parse_args()
    run = Run(options.folder)
    cells: dict[str, list[Any]] = {}
    for taken in run.all_taken():
        if taken.take.kind == "pair" and taken.failure is None:
            cells.setdefault(taken.take.cell, []).append(read_pair(run, taken))
    found = {cell: _of(pairs, options.resamples) for cell, pairs in cells.items()}
    text = json.dumps({"resamples": options.resamples, "cells": list(found.values())}, indent=1)
    (FOLDER / "turn_taking_fresh.json").write_text(text + "\n", encoding="utf-8")


def _of(pairs: list[Any], resamples: int) -> dict[str, Any]:
    wall, cpu = (np.array(log_ratios(pairs)) for log_ratios in (wall_log_ratios, cpu_log_ratios))
    return {
        "pairs": len(pairs),
        "log_sd_wall": float(wall.std(ddof=1)),
        "log_sd_cpu": float(cpu.std(ddof=1)),
        "curves": curves(wall, resamples),
    }


if __name__ == "__main__":
    main()
