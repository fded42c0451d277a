"""What the sampler's own process costs: CPU time, which a busy machine does not blur."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchbench.measure.clock import now_ns
from benchbench.measure.energy import EnergyPlan
from benchbench.measure.sampler import Readings, watching
from tests.fake_nvml import GPU, build

LIMIT = 0.005
"""Of one core."""
SECONDS = 4.0


@pytest.fixture
def nvml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give child processes an NVML in real time; return the specification of its meter."""
    pytest.importorskip("pynvml")
    build(tmp_path)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.setenv("FAKE_NVML_CLOCK", "real")
    return {"kind": "nvml", "uuid": GPU[0]}


def sample(nvml: dict[str, str], folder: Path, sample_s: float, seconds: float) -> Readings:
    with watching(nvml, "cuda:0", folder / "samples.bin", sample_s) as watch:
        time.sleep(seconds)
        return watch.stop()


def share(readings: Readings) -> float:
    spent, t_ns = readings.columns["observer_cpu_ns"], readings.columns["t_ns"]
    return float((spent[-1] - spent[0]) / (t_ns[-1] - t_ns[0]))


def test_the_sampler_takes_half_a_percent_of_a_core_at_most(nvml, tmp_path, benchmark):
    before = now_ns()
    sample_s = EnergyPlan().sample_s
    arguments = (nvml, tmp_path, sample_s, SECONDS)
    readings = benchmark.pedantic(sample, arguments, rounds=1, iterations=1)
    assert readings.reason is None
    t_ns = readings.columns["t_ns"]
    assert before < t_ns[0] < t_ns[-1] < now_ns()
    assert len(t_ns) > 0.8 * SECONDS / sample_s
    assert np.median(np.diff(t_ns)) == pytest.approx(sample_s * 1e9, rel=0.02)
    assert set(readings.columns["watts"].tolist()) == {50.0}
    benchmark.extra_info["share_of_a_core"] = share(readings)
    assert share(readings) <= LIMIT
