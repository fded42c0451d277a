"""RAPL, over a tree of files as the kernel shows it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.errors import MeterError
from benchbench.meters import rapl
from benchbench.meters.counting import Counter, MeanPower
from benchbench.meters.rapl import Rapl, RaplReader, Zone

RANGE_UJ = 262_143_328_850
"""2³² − 1 steps of 61.035 µJ: what Intel's server packages show."""
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


def write_zone(root: Path, path: str, name: str, uj: int = 0, **files: object) -> Path:
    folder = root / path
    folder.mkdir(parents=True)
    shown = {"name": name, "energy_uj": uj, "max_energy_range_uj": RANGE_UJ, **files}
    for file, content in shown.items():
        if content is not None:
            (folder / file).write_text(f"{content}\n")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two packages with cores, memory below the first, the second way to the first, a platform."""
    limits = {
        "constraint_0_power_limit_uw": 125_000_000,
        "constraint_1_power_limit_uw": 250_000_000,
    }
    write_zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000, **limits)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 4_000_000)
    write_zone(tmp_path, "intel-rapl:0:1", "dram", 1_000_000)
    write_zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000, **limits)
    write_zone(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 5_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def count(tree: Path, zone: str, uj: int) -> None:
    (tree / zone / "energy_uj").write_text(f"{uj}\n")


def reader_of(tree: Path, *names: str, clock: Clock | None = None) -> RaplReader:
    zones = Rapl(powercap=tree, zones=names or ("package",))._chosen()
    return RaplReader(zones, clock or Clock())


@contextmanager
def permissions_that_hold_for_root() -> Iterator[None]:
    """Give up the right of this thread to pass over permissions, which root has, for a while."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] = effective & ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


# --- what is read ------------------------------------------------------------------------


def test_every_package_is_counted_once_and_nothing_within_it(tree):
    reader = reader_of(tree)
    before = reader.energy_j()
    count(tree, "intel-rapl:0", 6_500_000)
    count(tree, "intel-rapl:1", 7_250_000)
    count(tree, "intel-rapl:0:0", 9_999_999)
    count(tree, "intel-rapl-mmio:0", 9_999_999)
    assert (before, reader.energy_j()) == (0, 1.75)
    assert reader.scope == "CPU packages 0, 1"


@pytest.mark.parametrize(
    ("zones", "scope"),
    [
        (("package", "dram"), "CPU packages 0, 1 and DRAM"),
        (("package-1",), "CPU package 1"),
        (("package-0", "package"), "CPU packages 0, 1"),
        (("dram",), "DRAM"),
        (("psys",), "platform (psys)"),
    ],
)
def test_the_scope_names_what_was_chosen(tree, zones, scope):
    with Rapl(powercap=tree, zones=zones).open("cpu") as reader:
        assert reader.scope == scope


def test_the_dies_of_a_package_are_all_counted(tmp_path):
    for index, name in enumerate(("package-0-die-0", "package-0-die-1", "package-10-die-0")):
        write_zone(tmp_path, f"intel-rapl:{index}", name)
    assert reader_of(tmp_path, "package-0").scope == "CPU packages 0 die 0, 0 die 1"
    assert Rapl(powercap=tmp_path, zones=("package-1",)).absent("cpu") is not None


def test_the_platform_and_a_package_within_it_are_never_added():
    with pytest.raises(ValidationError, match="psys"):
        Rapl(zones=("psys", "package"))


def test_power_is_the_mean_since_the_counters_last_moved(tree):
    clock = Clock()
    reader = reader_of(tree, "package-0", clock=clock)
    with pytest.raises(MeterError, match="has not moved yet"):
        reader.power_w()
    clock.wait(2)
    count(tree, "intel-rapl:0", 65_000_000)
    assert reader.power_w() == pytest.approx(30)
    clock.wait(0.5)
    assert reader.power_w() == pytest.approx(30)
    clock.wait(0.5)
    count(tree, "intel-rapl:0", 70_000_000)
    assert reader.power_w() == pytest.approx(5)


def test_the_resolution_is_the_smallest_step_seen_of_all_counters_together(tree):
    clock = Clock()
    reader = reader_of(tree, "package", clock=clock)
    assert reader.resolution_j is None
    for first, second in ((5_300_000, 7_000_000), (5_400_000, 7_020_000), (5_900_000, 7_900_000)):
        clock.wait(0.01)
        count(tree, "intel-rapl:0", first)
        count(tree, "intel-rapl:1", second)
        reader.energy_j()
    assert reader.resolution_j == pytest.approx(0.1 + 0.02)


def test_power_limits_stand_beside_the_power_where_every_zone_has_one(tree):
    assert reader_of(tree, "package").state() == {"power_limit_w": 500}
    assert reader_of(tree, "package", "dram").state() == {}


def test_identity_names_each_counter_and_where_it_wraps(tree):
    found = reader_of(tree, "package-0").identity()
    assert found["counters"] == f"package-0={tree}/intel-rapl:0/energy_uj"
    assert found["wraps_at_j"] == "262143.328850"


# --- wrap-around -------------------------------------------------------------------------


def test_a_counter_that_wraps_goes_on_rising(tree):
    count(tree, "intel-rapl:0", RANGE_UJ - 1_000_000)
    clock = Clock()
    reader = reader_of(tree, "package-0", clock=clock)
    clock.wait(1)
    count(tree, "intel-rapl:0", 2_000_000)
    assert reader.energy_j() == pytest.approx(3)


@given(
    first=st.integers(0, RANGE_UJ),
    watts=st.lists(st.floats(0, 1000), min_size=1, max_size=20),
    gap_s=st.floats(0.01, 200),
)
def test_any_draw_below_a_kilowatt_is_counted_through_its_wraps(first, watts, gap_s):
    counter = Counter("counter", first / 1e6, 0)
    counter.range_j = RANGE_UJ / 1e6
    drawn = 0
    for turn, power in enumerate(watts, 1):
        drawn += round(power * gap_s * 1e6)
        counter.add((first + drawn) % RANGE_UJ / 1e6, round(turn * gap_s * 1e9))
    assert counter.total_j == pytest.approx(drawn / 1e6, abs=1e-6)


def test_a_counter_that_was_reset_is_no_wrap(tree):
    clock = Clock()
    reader = reader_of(tree, "package-0", clock=clock)
    clock.wait(1)
    count(tree, "intel-rapl:0", 10)
    with pytest.raises(MeterError, match=r"package-0.*went back from 5\.0.*it was reset"):
        reader.energy_j()


@pytest.mark.parametrize("span", [None, 0, "unknown"])
def test_without_a_range_a_counter_may_not_go_back(tmp_path, span):
    write_zone(tmp_path, "intel-rapl:0", "package-0", 500, max_energy_range_uj=span)
    reader = reader_of(tmp_path)
    count(tmp_path, "intel-rapl:0", 499)
    with pytest.raises(MeterError, match="wraps at an unknown value"):
        reader.energy_j()
    assert reader.identity()["wraps_at_j"] == "unknown"


def test_readings_further_apart_than_a_wrap_are_a_doubt_with_both_times(tree):
    clock = Clock()
    reader = reader_of(tree, "package-0", clock=clock)
    clock.wait(1000)
    reader.energy_j()
    assert reader.doubts() == ()
    clock.wait(1100)
    reader.energy_j()
    (doubt,) = reader.doubts()
    assert doubt.code == "counter_wrap"
    wrap_s = RANGE_UJ / 1e6 / 250
    assert doubt.figures == {"zone": "package-0", "interval_s": 1100, "wrap_s": wrap_s}


def test_a_zone_without_a_power_limit_is_taken_to_draw_a_kilowatt(tree):
    clock = Clock()
    reader = reader_of(tree, "dram", clock=clock)
    clock.wait(263)
    reader.energy_j()
    assert [doubt.code for doubt in reader.doubts()] == ["counter_wrap"]


def test_a_power_that_is_asked_for_twice_at_once_divides_by_no_zero():
    power = MeanPower("counter", 0)
    assert power(4.0, 2_000_000_000) == 2
    assert power(5.0, 2_000_000_000) == 2
    assert power(8.0, 3_000_000_000) == 4


# --- not measured: reason ----------------------------------------------------------------


def test_a_machine_without_powercap_gives_the_path_that_was_tried(tmp_path):
    meter = Rapl(powercap=tmp_path / "powercap")
    reason = meter.absent("cpu")
    assert reason is not None
    assert str(tmp_path / "powercap" / "intel-rapl:*") in reason
    assert "virtual machines" in reason
    with pytest.raises(MeterError, match="virtual machines"), meter.open("cpu"):
        pass


def test_a_tree_that_a_container_hides_has_no_zones(tmp_path):
    (tmp_path / "intel-rapl:0").symlink_to(tmp_path / "masked")
    assert "containers have none" in (Rapl(powercap=tmp_path).absent("cpu") or "")


def test_a_device_that_is_no_cpu_is_named(tree):
    assert Rapl(powercap=tree).absent("cuda:0") == (
        "RAPL counts the energy of CPUs, not that of 'cuda:0'"
    )


def test_a_zone_that_is_not_there_is_answered_with_those_that_are(tree):
    reason = Rapl(powercap=tree, zones=("package-3",)).absent("cpu")
    assert reason == (
        "there is no RAPL zone 'package-3' here; there are: core, dram, package-0, package-1, psys"
    )


def test_a_counter_for_root_only_is_named_with_the_command_that_mends_it(tree):
    path = tree / "intel-rapl:1" / "energy_uj"
    path.chmod(0o000)
    meter = Rapl(powercap=tree)
    with permissions_that_hold_for_root():
        reason = meter.absent("cpu")
        with pytest.raises(MeterError, match="CVE-2020-8694"), meter.open("cpu"):
            pass
    assert reason == (
        f"{path} may be read by root only (since CVE-2020-8694); 'sudo chmod a+r "
        f"{tree}/intel-rapl:*/energy_uj' lets everyone read it until the next boot"
    )
    assert meter.model_copy(update={"zones": ("package-0",)}).absent("cpu") is None


@pytest.mark.parametrize("broken", ["", "12 J", "\x00"])
def test_a_counter_that_shows_no_number_is_an_error_that_quotes_it(tree, broken):
    (tree / "intel-rapl:0" / "energy_uj").write_text(broken)
    reason = Rapl(powercap=tree).absent("cpu")
    assert reason is not None
    assert "instead of an integer" in reason
    assert repr(broken) in reason


def test_a_counter_that_vanishes_while_it_is_read_is_an_error(tree):
    reader = reader_of(tree)
    (tree / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(MeterError, match=r"energy_uj cannot be read: No such file"):
        reader.energy_j()


def test_opening_watches_for_steps_but_not_for_ever(tree, monkeypatch):
    reads = []
    monkeypatch.setattr(rapl, "number", lambda path: reads.append(path) or 5)
    RaplReader([Zone(tree / "intel-rapl:0", "package-0")])
    assert len(reads) == 1 + rapl._LOOKS
