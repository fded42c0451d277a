"""The NVML meter: the real ``pynvml`` over a library without a GPU, on a virtual clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchbench.errors import MeterError
from benchbench.meters.nvml import Nvml, reading
from benchbench.meters.nvml_reader import NvmlReader
from benchbench.testing.meters import MeterCase, meter_checks
from tests.fake_nvml import (
    GPU,
    LOST,
    MIG,
    NO_PERMISSION,
    NOT_SUPPORTED,
    Fake,
    build,
    build_cuda,
    loaded,
)

ROOT = Path(__file__).parents[2]
COUNTER = "nvmlDeviceGetTotalEnergyConsumption"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    with loaded(build(tmp_path_factory.mktemp("nvml"))) as fake:
        yield fake


@pytest.fixture
def fake(library: Fake) -> Fake:
    library.reset()
    return library


def opened(uuid: str = GPU[0]) -> AbstractContextManager[NvmlReader]:
    return reading("cuda:0", uuid_of=lambda device: uuid)


def test_the_counter_gives_exact_joules(fake):
    with opened() as reader:
        before = reader.energy_j()
        fake.work(10, 400.0)
        assert reader.counts
        assert reader.energy_j() - before == 4000.0
        assert reader.resolution_j == 0.001


def test_a_window_shorter_than_the_update_period_sees_nothing(fake):
    with opened() as reader:
        fake.sleep(1.01)
        before = reader.energy_j()
        fake.work(0.03, 400.0)
        assert reader.energy_j() == before


def test_power_is_the_instantaneous_one_and_not_the_average(fake):
    fake.window_ns(1_000_000_000)
    with opened() as reader:
        fake.sleep(5)
        fake.power(0, 450.0)
        fake.sleep(0.2)
        assert reader.power_w() == 450.0
        assert reader.identity()["power"] == "instantaneous"
        assert not reader.doubts()


def test_a_board_without_instantaneous_power_gives_its_average_and_a_doubt(fake):
    fake.window_ns(1_000_000_000)
    fake.fail("field 186", NOT_SUPPORTED)
    with opened() as reader:
        fake.sleep(5)
        fake.power(0, 450.0)
        fake.sleep(0.2)
        assert reader.power_w() == pytest.approx(0.8 * 50 + 0.2 * 450)
        assert [caveat.code for caveat in reader.doubts()] == ["power_averaged"]


def test_a_counter_that_goes_back_is_a_reason(fake):
    with opened() as reader:
        fake.sleep(10)
        assert reader.energy_j() == 500.0
        fake.offset_mj(0, -200_000)
        with pytest.raises(MeterError, match=r"went back, from 500\.000 J to 300\.000 J"):
            reader.energy_j()


def test_a_board_without_a_counter_has_its_power_only(fake):
    fake.fail(COUNTER, NOT_SUPPORTED)
    with opened() as reader:
        assert not reader.counts
        assert reader.resolution_j is None
        assert reader.power_w() == 50.0
        with pytest.raises(MeterError, match="cannot read the energy counter: Not Supported"):
            reader.energy_j()


def test_a_board_that_tells_neither_energy_nor_power_cannot_be_opened(fake):
    fake.fail(COUNTER, NO_PERMISSION)
    fake.fail("field 186", NOT_SUPPORTED)
    fake.fail("nvmlDeviceGetPowerUsage", NOT_SUPPORTED)
    with (
        pytest.raises(MeterError, match=r"neither this board's energy \(Insufficient Perm"),
        opened(),
    ):
        pass


def test_a_board_that_is_lost_gives_its_reason_at_every_reading(fake):
    with opened() as reader:
        for name in (COUNTER, "nvmlDeviceGetFieldValues", "nvmlDeviceGetTemperature"):
            fake.fail(name, LOST)
        for read in (reader.energy_j, reader.power_w, reader.state):
            with pytest.raises(MeterError, match="GPU is lost"):
                read()
        fake.fail("nvmlShutdown", LOST)


def test_the_state_has_units_and_only_the_reasons_that_slow_the_work(fake):
    fake.temperature(0, 71.0)
    fake.reasons(0, 0x1 | 0x2 | 0x4 | 0x40)
    with opened() as reader:
        assert reader.state() == {
            "temperature_c": 71.0,
            "sm_clock_mhz": 1980.0,
            "memory_clock_mhz": 2619.0,
            "power_limit_w": 700.0,
            "memory_used_bytes": float(1 << 30),
            "throttle_reasons": float(0x44),
            "throttled": 1.0,
        }
        fake.reasons(0, 0x1)
        assert reader.state()["throttled"] == 0.0


@pytest.mark.parametrize("bit", [0x4, 0x8, 0x20, 0x40, 0x80])
def test_each_reason_of_throttling_counts_by_itself(fake, bit):
    fake.reasons(0, bit)
    with opened() as reader:
        assert reader.state()["throttled"] == 1.0


def test_a_reading_that_the_board_does_not_offer_is_absent(fake):
    fake.fail("nvmlDeviceGetTemperature", NOT_SUPPORTED)
    fake.fail("nvmlDeviceGetCurrentClocksEventReasons", NOT_SUPPORTED)
    fake.fail("nvmlDeviceGetCurrentClocksThrottleReasons", NOT_SUPPORTED)
    with opened() as reader:
        assert {"temperature_c", "throttled", "throttle_reasons"}.isdisjoint(reader.state())


def test_an_older_driver_is_asked_by_the_older_name(fake):
    fake.reasons(0, 0x8)
    fake.fail("nvmlDeviceGetCurrentClocksEventReasons", 13)  # function not found
    with opened() as reader:
        assert reader.state()["throttled"] == 1.0


def test_a_cuda_device_is_found_by_its_uuid_and_not_by_its_number(fake):
    fake.power(1, 300.0)
    with reading("cuda:0", uuid_of=lambda _: GPU[1]) as reader:
        assert reader.identity()["name"] == "FAKE GPU 1"
        assert reader.identity()["uuid"] == f"GPU-{GPU[1]}"
        assert reader.power_w() == 300.0


def test_a_mig_instance_is_read_as_its_whole_board_with_a_doubt(fake):
    fake.mig(1, 1)
    with opened(MIG[1]) as reader:
        assert reader.identity()["name"] == "FAKE GPU 1"
        assert reader.identity()["mig"] == "on"
        assert [caveat.code for caveat in reader.doubts()] == ["mig"]


def test_a_uuid_that_nvml_does_not_know_is_told(fake):
    with pytest.raises(MeterError, match="knows no device with the UUID 0000"), opened("0000"):
        pass


def test_the_option_uuid_stands_in_for_cuda_and_may_not_contradict_it(fake):
    with reading("cuda:0", f"GPU-{GPU[1]}", lambda _: None) as reader:
        assert reader.identity()["name"] == "FAKE GPU 1"
    with (
        pytest.raises(MeterError, match="cuda:0 has the UUID"),
        reading("cuda:0", f"GPU-{GPU[1]}", lambda _: GPU[0]),
    ):
        pass
    with (
        pytest.raises(MeterError, match="does not tell which board"),
        reading("cuda:0", "", lambda _: None),
    ):
        pass


def test_other_processes_are_a_doubt_and_ones_own_is_not(fake):
    with opened() as reader:
        fake.process(0, os.getpid(), 300 << 20)
        assert not reader.doubts()
        assert reader.memory_bytes() == 300 << 20
        fake.process(0, 999_999, 1)
        (doubt,) = reader.doubts()
        assert (doubt.code, doubt.figures) == ("other_processes", {"processes": 1})


def test_in_a_container_one_of_the_processes_is_taken_for_ones_own(fake):
    with opened() as reader:
        fake.process(0, 999_999, 1)
        assert not reader.doubts()
        with pytest.raises(MeterError, match="this process is not among those"):
            reader.memory_bytes()
        fake.process(0, 999_998, 1)
        assert reader.doubts()[0].figures == {"processes": 1}


def test_processes_that_may_not_be_listed_are_a_doubt(fake):
    fake.fail("nvmlDeviceGetComputeRunningProcesses_v3", NO_PERMISSION)
    with opened() as reader:
        assert [caveat.code for caveat in reader.doubts()] == ["processes_unknown"]


def test_the_plug_in_reads_the_board_that_its_option_names(fake):
    assert Nvml(uuid=GPU[1]).absent("cuda:1") is None
    with Nvml(uuid=GPU[1]).open("cuda:0") as reader:
        assert reader.identity()["name"] == "FAKE GPU 1"
        fake.process(1, os.getpid(), 7)
    assert Nvml(uuid=GPU[1]).memory_bytes("cuda:0") == 7


def test_what_every_meter_owes(fake):
    case = MeterCase(Nvml(uuid=GPU[0]), "cuda:0", work=lambda: fake.work(1.0, 400.0))
    for check in meter_checks(case):
        check()


def test_another_device_is_refused_as_every_meter_refuses(fake):
    for check in meter_checks(MeterCase(Nvml(), "cpu", present=False)):
        check()
    assert Nvml().absent("cpu") == "NVML reads NVIDIA's boards; 'cpu' is none"


def test_without_a_driver_the_reason_names_its_library(monkeypatch):
    monkeypatch.setattr("benchbench.meters.nvml._LIBRARY", "libnvidia-ml-none.so.1")
    reason = "no NVIDIA driver here: libnvidia-ml-none.so.1 is not to be found"
    assert Nvml().absent("cuda") == reason
    with pytest.raises(MeterError, match=reason):
        Nvml().open("cuda")


def test_cudas_own_driver_says_which_board_a_device_is(tmp_path):
    build(tmp_path)
    build_cuda(tmp_path)
    program = """
import json
from benchbench.meters.nvml import Nvml
found = {}
for device in ("cuda", "cuda:1"):
    with Nvml().open(device) as reader:
        found[device] = reader.identity()["name"]
print(json.dumps({"names": found, "absent": [Nvml().absent(d) for d in ("cuda:1", "cuda:2")]}))
"""
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(child.stdout)
    assert said["names"] == {"cuda": "FAKE GPU 1", "cuda:1": "FAKE GPU 0"}
    assert said["absent"] == [None, "cuda:2: the driver knows 2 CUDA devices"]
