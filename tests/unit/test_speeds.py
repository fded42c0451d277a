"""What a difference of speed is put down to, by the canary that ran beside both."""

from __future__ import annotations

import numpy as np
import pytest

from benchbench.speeds import _judged
from benchbench.view import CellView, Speedup


def canaries(processes: int, slower: float, seed: int = 0) -> list[np.ndarray]:
    """Return the canaries of processes whose machine takes *slower* times as long."""
    random = np.random.default_rng(seed)
    levels = 3e6 * slower * random.lognormal(0, 0.01, (processes, 1, 1))
    return list((levels * random.lognormal(0, 0.005, (processes, 3, 20))).astype(np.int64))


def judged(base: list[np.ndarray], other: list[np.ndarray], ratio: float) -> CellView:
    speed = Speedup(against="b", ratio=ratio, low=ratio * 0.97, high=ratio * 1.03, method="")
    return _judged(CellView.model_construct(caveats=()), speed, (base, other))


def test_a_machine_that_became_as_much_slower_is_runner_drift() -> None:
    cell = judged(canaries(6, 1), canaries(6, 1.25, 1), 1 / 1.25)
    (caveat,) = cell.caveats
    assert caveat.code == "runner_drift"
    assert caveat.figures["compute_ratio"] == pytest.approx(1.25, rel=0.05)
    assert cell.speedup.cause == "runner"


def test_a_machine_that_kept_its_speed_leaves_the_code() -> None:
    cell = judged(canaries(6, 1), canaries(6, 1, 1), 2)
    assert cell.caveats == ()
    assert cell.speedup.cause == "code"


def test_one_process_of_each_shows_no_drift_and_leaves_the_cause_open() -> None:
    cell = judged(canaries(1, 1), canaries(1, 1.25, 1), 1 / 1.25)
    assert cell.caveats == ()
    assert cell.speedup.cause == "unclear"


def test_without_a_canary_there_is_no_cause() -> None:
    cell = judged([np.zeros((3, 0), np.int64)], canaries(1, 1), 2)
    assert cell.speedup.cause is None
