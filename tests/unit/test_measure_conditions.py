"""What surrounds a measurement, read from files of our own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchbench.conditions_view import ConditionsView
from benchbench.measure import conditions, kernel
from benchbench.measure.conditions import Own, Reading
from benchbench.measure.sensors import Sensors

QUIET = Own(wall_ns=0, cpu_ns=0, involuntary_switches=0, voluntary_switches=0, major_faults=0)
STAT = "cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0\n"


def tree(root: Path, **changes: Any) -> Path:
    """Write files of a machine of two CPUs as Linux shows it."""
    told = {"busy": 1000, "idle": 5000, "steal": 0, "waited": 10_000, "throttled": 3} | changes
    files = {
        "proc/stat": STAT.format(**told),
        "proc/loadavg": "1.50 1.00 0.50 2/300 4711\n",
        "proc/cpuinfo": "processor : 0\ncpu MHz\t\t: 2100.000\n\nprocessor : 1\ncpu MHz\t\t: 2300.5\n",
        "proc/self/status": "Name:\tpython\nVmSwap:\t     12 kB\n",
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/cpu.stat": "usage_usec 1\n",
        "sys/fs/cgroup/outer/cpu.stat": "nr_periods 9\nnr_throttled 2\nthrottled_usec 500000\n",
        "sys/fs/cgroup/outer/inner/cpu.stat": f"nr_throttled {told['throttled']}\n"
        f"throttled_usec {told['throttled'] * 100_000}\n",
    }
    for name in ("cpu", "memory", "io"):
        files[f"proc/pressure/{name}"] = (
            f"some avg10=0.00 avg60=0.00 avg300=0.00 total={told['waited']}\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
        )
    return write(root, files)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def reading(root: Path, **own: int) -> Reading:
    return Reading(replace(QUIET, **own), conditions.read(root).around)


def test_shares_are_of_what_happened_between_the_two_readings(tmp_path: Path) -> None:
    before = reading(tree(tmp_path))
    after = reading(
        tree(tmp_path, busy=1150, idle=5040, steal=10, waited=260_000, throttled=5),
        wall_ns=10**9,
        cpu_ns=5 * 10**8,
        involuntary_switches=4,
    )
    view = conditions.between(before, after)
    assert view.wall_over_cpu == 2
    assert view.pressure_cpu == view.pressure_memory == view.pressure_io == 0.25
    # 150 of 200 ticks were busy, 50 of them ours; 10 were stolen.
    assert view.others_cpu == pytest.approx(0.5)
    assert view.steal == 0.05
    assert view.cgroup_throttled_periods == 2
    assert view.cgroup_throttled_s == pytest.approx(0.2)
    assert view.swapped_bytes == 12 * 1024
    assert view.involuntary_switches == 4
    assert view.load_1m == 1.5


def test_what_the_kernel_does_not_tell_is_absent_with_a_reason(tmp_path: Path) -> None:
    one, other = reading(tmp_path), reading(tmp_path, wall_ns=10**9, cpu_ns=10**9)
    view = conditions.between(one, other)
    absent = {name for name, value in view.model_dump().items() if value is None}
    assert (
        absent
        == set(view.absent)
        == set(ConditionsView.model_fields)
        - {
            "wall_s",
            "cpu_s",
            "wall_over_cpu",
            "involuntary_switches",
            "voluntary_switches",
            "major_faults",
            "absent",
        }
    )
    assert conditions.doubts(view, 1) == ()
    assert conditions.quick(tmp_path) == {}


def test_a_loop_shorter_than_the_kernels_ticks_tells_no_load_of_others(tmp_path: Path) -> None:
    before = reading(tree(tmp_path))
    view = conditions.between(before, reading(tree(tmp_path, busy=1038), wall_ns=10**9))
    assert view.others_cpu is None
    assert "19 ticks" in view.absent["others_cpu"]
    assert view.wall_over_cpu is None


def test_a_container_whose_groups_path_is_the_hosts_is_found_at_the_root(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/host/a\n3:cpu,cpuacct:/host/a\n0::/\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_periods 5\nnr_throttled 4\nthrottled_time 2000000000\n",
    }
    assert kernel.throttling(write(tmp_path, files)) == kernel.Throttling(4, 2.0)


def test_a_truncated_stat_is_no_machine(tmp_path: Path) -> None:
    assert kernel.machine(write(tmp_path, {"proc/stat": "cpu  1 2 3\n"})) is None


def test_frequencies_are_of_the_fastest_cpus_that_the_threads_use(tmp_path: Path) -> None:
    cpus = {
        f"sys/devices/system/cpu/cpu{n}/cpufreq/scaling_cur_freq": f"{khz}\n"
        for n, khz in enumerate([800_000, 3_000_000, 2_000_000, 4_000_000])
    }
    sensors = Sensors.find(write(tmp_path, cpus), allowed={0, 1, 2})
    assert sensors.frequencies_mhz() == (800.0, 3000.0, 2000.0)
    around = replace(conditions.read().around, frequencies_mhz=sensors.frequencies_mhz())
    for threads, mean in ((1, 3000.0), (2, 2500.0), (8, 5800 / 3)):
        view = conditions.between(Reading(QUIET, around), Reading(QUIET, around), threads)
        assert view.frequency_mhz_after == pytest.approx(mean)


def test_temperature_is_the_hottest_of_what_is_named_for_a_cpu(tmp_path: Path) -> None:
    zones = {"acpitz": 90_000, "x86_pkg_temp": 61_000, "cpu-1-thermal": 64_500}
    for n, (kind, value) in enumerate(zones.items()):
        zone = f"sys/class/thermal/thermal_zone{n}"
        write(tmp_path, {f"{zone}/type": f"{kind}\n", f"{zone}/temp": f"{value}\n"})
    assert Sensors.find(tmp_path).temperature_c() == 64.5
    chips = {"sys/class/hwmon/hwmon0/name": "nvme\n", "sys/class/hwmon/hwmon0/temp1_input": "99000"}
    chips |= {
        "sys/class/hwmon/hwmon1/name": "coretemp\n",
        "sys/class/hwmon/hwmon1/temp1_input": "52000\n",
    }
    assert Sensors.find(write(tmp_path / "chips", chips)).temperature_c() == 52


def test_throttling_of_a_package_counts_once_and_of_cores_each(tmp_path: Path) -> None:
    counts = {
        f"sys/devices/system/cpu/cpu{n}/thermal_throttle/{part}_throttle_count": f"{count}\n"
        for n in (0, 1)
        for part, count in (("core", n + 1), ("package", 10))
    }
    assert Sensors.find(write(tmp_path, counts), allowed={0, 1}).throttle_events() == 13


def test_quick_readings_are_named_with_their_units(tmp_path: Path) -> None:
    assert conditions.quick(tree(tmp_path)) == {"cpu_mhz": 2200.25, "load_1m": 1.5}


@pytest.mark.parametrize(
    ("code", "changed", "threads", "figures"),
    [
        ("contended", {"wall_over_cpu": 1.2}, 1, {"wall_over_cpu", "involuntary_switches"}),
        ("contended", {"wall_over_cpu": 1.2}, 2, None),
        ("contended", {"wall_over_cpu": 1.1}, 1, None),
        ("other_load", {"others_cpu": 0.11, "load_1m": 3.0}, 4, {"others_cpu", "load_1m"}),
        ("other_load", {"others_cpu": 0.10}, 4, None),
        ("cgroup_throttled", {"cgroup_throttled_periods": 1}, 1, {"cgroup_throttled_periods"}),
        ("swapped", {"major_faults": 2}, 1, {"major_faults"}),
        ("throttled", {"thermal_throttle_events": 1}, 1, {"thermal_throttle_events"}),
        ("throttled", {"thermal_throttle_events": 0}, 1, None),
        (
            "frequency_drift",
            {"frequency_mhz_before": 3000, "frequency_mhz_after": 2800},
            1,
            {"frequency_mhz_before", "frequency_mhz_after"},
        ),
        ("frequency_drift", {"frequency_mhz_before": 3000, "frequency_mhz_after": 2900}, 1, None),
        ("stolen", {"steal": 0.02}, 1, {"steal"}),
        ("memory_pressure", {"pressure_memory": 0.02}, 1, {"pressure_memory"}),
    ],
)
def test_a_doubt_is_raised_beyond_its_threshold_only(
    code: str, changed: dict[str, Any], threads: int, figures: set[str] | None
) -> None:
    calm = {"wall_s": 1, "cpu_s": 1, "involuntary_switches": 0, "voluntary_switches": 0}
    view = ConditionsView(**(calm | {"major_faults": 0} | changed))
    found = {caveat.code: set(caveat.figures) for caveat in conditions.doubts(view, threads)}
    assert found == ({} if figures is None else {code: figures})


def test_the_time_of_reading_lies_outside_of_what_is_measured() -> None:
    times = iter([100, 200])

    def clock() -> int:
        return next(times)

    before = conditions.read(clock=clock)
    after = conditions.read(clock=clock, ending=True)
    view = conditions.between(before, after)
    assert view.wall_s == pytest.approx(100e-9)
    assert view.cpu_s >= 0
