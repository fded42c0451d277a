"""Physical cores are counted once, and a container's quota is a limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.measure import cpus


def topology(folder: Path, cores: dict[int, tuple[int, int]]) -> Path:
    for cpu, (package, core) in cores.items():
        place = folder / f"cpu{cpu}/topology"
        place.mkdir(parents=True)
        (place / "physical_package_id").write_text(f"{package}\n")
        (place / "core_id").write_text(f"{core}\n")
    return folder


HYPERTHREADED = {0: (0, 0), 1: (0, 1), 2: (0, 0), 3: (0, 1), 4: (1, 0), 5: (1, 0)}


def test_hyperthreads_of_a_core_count_once_and_sockets_apart(tmp_path) -> None:
    machine = topology(tmp_path / "cpus", HYPERTHREADED)
    assert cpus.one_each({0, 1, 2, 3, 4, 5}, machine) == (0, 1, 4)
    assert cpus.physical_cores({0, 1, 2, 3, 4, 5}, machine, tmp_path) == 3


def test_only_allowed_cpus_count(tmp_path) -> None:
    machine = topology(tmp_path / "cpus", HYPERTHREADED)
    assert cpus.physical_cores({0, 2}, machine, tmp_path) == 1


def test_a_machine_that_tells_no_topology_counts_logical_cpus(tmp_path) -> None:
    assert cpus.physical_cores({3, 4, 9}, tmp_path, tmp_path) == 3


@pytest.mark.parametrize(
    ("text", "cores"),
    [("250000 100000", 2), ("50000 100000", 1), ("max 100000", 3), ("900000 100000", 3)],
)
def test_a_quota_limits_and_is_rounded_down(tmp_path, text, cores) -> None:
    machine = topology(tmp_path / "cpus", HYPERTHREADED)
    (tmp_path / "cpu.max").write_text(text)
    assert cpus.physical_cores(set(HYPERTHREADED), machine, tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("150000", 1), ("-1", 3)])
def test_the_older_cgroup_is_read_too(tmp_path, quota, cores) -> None:
    machine = topology(tmp_path / "cpus", HYPERTHREADED)
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert cpus.physical_cores(set(HYPERTHREADED), machine, tmp_path) == cores
