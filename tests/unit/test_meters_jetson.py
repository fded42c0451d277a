"""The Jetson's power rails, over trees of files as JetPack 4 and later show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.errors import MeterError
from benchbench.meters.jetson import Jetson, JetsonReader

DRIVERS = "sys/bus/i2c/drivers"
FIRST = f"{DRIVERS}/ina3221/1-0040/hwmon/hwmon1"
SECOND = f"{DRIVERS}/ina3221/1-0041/hwmon/hwmon2"
OLD = f"{DRIVERS}/ina3221x/6-0040/iio:device0"


def write(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def channel(folder: str, index: int, label: str, mv: int, ma: int) -> dict[str, object]:
    return {
        f"{folder}/in{index}_label": label,
        f"{folder}/in{index}_input": mv,
        f"{folder}/curr{index}_input": ma,
    }


@pytest.fixture
def orin_nano(tmp_path: Path) -> Path:
    """Whole module on VDD_IN; shunt voltages and their sum beside, as the kernel shows them."""
    return write(
        tmp_path,
        {
            **channel(FIRST, 1, "VDD_IN", 4968, 1512),
            **channel(FIRST, 2, "VDD_CPU_GPU_CV", 4960, 400),
            **channel(FIRST, 3, "VDD_SOC", 4968, 296),
            f"{FIRST}/in4_input": 7560,
            f"{FIRST}/in7_label": "sum of shunt voltages",
            f"{FIRST}/in7_input": 11040,
            f"{FIRST}/update_interval": 7,
            f"{FIRST}/samples": 4,
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "var/lib/nvpmodel/status": "pmode:0001",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 48312,
            "sys/class/thermal/thermal_zone1/type": "GPU-therm",
            "sys/class/thermal/thermal_zone1/temp": 46000,
            "sys/class/thermal/thermal_zone2/type": "cv0-thermal",
            "sys/class/thermal/thermal_zone2/temp": -256000,
            "sys/class/thermal/thermal_zone3/type": "unreadable",
            "sys/class/devfreq/17000000.gpu/cur_freq": 624750000,
            "sys/class/devfreq/15340000.vic/cur_freq": 115200000,
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": 1510400,
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": 729600,
            "sys/class/hwmon/hwmon3/oc1_event_cnt": 2,
            "sys/class/hwmon/hwmon3/oc3_event_cnt": 40,
        },
    )


@pytest.fixture
def agx(tmp_path: Path) -> Path:
    """Two sensors, no rail of the whole module, a channel that is not connected."""
    return write(
        tmp_path,
        {
            **channel(FIRST, 1, "VDD_GPU_SOC", 19000, 500),
            **channel(FIRST, 2, "VDD_CPU_CV", 19000, 100),
            **channel(FIRST, 3, "VIN_SYS_5V0", 5000, 900),
            **channel(SECOND, 1, "NC", 0, 0),
            **channel(SECOND, 2, "VDDQ_VDD2_1V8AO", 5000, 200),
        },
    )


@pytest.fixture
def xavier(tmp_path: Path) -> Path:
    """JetPack 4."""
    return write(
        tmp_path,
        {
            f"{OLD}/rail_name_0": "VDD_IN",
            f"{OLD}/in_power0_input": 3842,
            f"{OLD}/rail_name_1": "VDD_CPU_GPU_CV",
            f"{OLD}/in_power1_input": 615,
            "sys/class/devfreq/17000000.gv11b/cur_freq": 114750000,
        },
    )


def test_the_whole_modules_rail_is_read_unasked(orin_nano):
    meter = Jetson(root=orin_nano)
    assert [meter.absent(device) for device in ("cpu", "cuda", "cuda:0")] == [None] * 3
    with meter.open("cpu") as reader:
        assert reader.power_w() == pytest.approx(4.968 * 1.512)
        assert reader.scope == "Jetson module (rail VDD_IN)"


def test_the_older_drivers_milliwatts_are_read(xavier):
    with Jetson(root=xavier).open("cuda:0") as reader:
        assert reader.power_w() == pytest.approx(3.842)
        assert reader.state() == {"gpu_clock_mhz": 114.75}
    with Jetson(root=xavier, rails=("VDD_CPU_GPU_CV",)).open("cuda:0") as reader:
        assert reader.power_w() == pytest.approx(0.615)
        assert reader.scope == "Jetson rail VDD_CPU_GPU_CV"


def test_rails_that_are_named_are_added_up_once_each_over_both_sensors(agx):
    names = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO", "VDD_CPU_CV")
    with Jetson(root=agx, rails=names).open("cpu") as reader:
        assert reader.power_w() == pytest.approx(9.5 + 1.9 + 4.5 + 1.0)
        assert reader.scope == "Jetson rails VDD_GPU_SOC, VDD_CPU_CV, VIN_SYS_5V0, VDDQ_VDD2_1V8AO"
        assert reader.identity()["sensors"] == f"{agx / FIRST}, {agx / SECOND}"


def test_power_follows_the_sensor(orin_nano):
    with Jetson(root=orin_nano).open("cpu") as reader:
        (orin_nano / FIRST / "curr1_input").write_text("3000\n")
        assert reader.power_w() == pytest.approx(14.904)


def test_the_state_leaves_out_what_is_switched_off_or_cannot_be_read(orin_nano):
    with Jetson(root=orin_nano).open("cpu") as reader:
        assert reader.state() == {
            "cpu_thermal_temperature_c": 48.312,
            "gpu_therm_temperature_c": 46.0,
            "temperature_c": 48.312,
            "gpu_clock_mhz": 624.75,
            "cpu_clock_mhz": 1120.0,
            "overcurrent_events_count": 42.0,
        }


def test_the_state_is_read_once_a_second_and_the_power_every_time(orin_nano):
    times = iter((0, 0, 999_999_999, 1_000_000_000))
    reader = JetsonReader(Jetson(root=orin_nano)._chosen(), orin_nano, lambda: next(times))
    seen = []
    for celsius in (50, 60, 70):
        write(orin_nano, {"sys/class/thermal/thermal_zone0/temp": celsius * 1000})
        write(orin_nano, channel(FIRST, 1, "VDD_IN", 1000, celsius))
        seen.append((reader.state()["temperature_c"], reader.power_w()))
    assert seen == [(50, 0.05), (50, 0.06), (70, 0.07)]


def test_identity_names_board_sensor_conversion_time_and_power_mode(orin_nano):
    with Jetson(root=orin_nano).open("cpu") as reader:
        assert reader.identity() == {
            "name": "NVIDIA Jetson Orin Nano Developer Kit",
            "rails": "VDD_IN",
            "sensors": str(orin_nano / FIRST),
            "update_interval_ms": "7",
            "samples": "4",
            "nvpmodel": "pmode:0001",
        }


# --- not measured: reason ----------------------------------------------------------------


def test_another_machine_gives_the_paths_that_were_tried(tmp_path):
    reason = Jetson(root=tmp_path).absent("cpu") or ""
    assert f"{tmp_path}/{DRIVERS}/ina3221*/*/hwmon/hwmon*/in[123]_label" in reason
    assert f"{tmp_path}/{DRIVERS}/ina3221*/*/iio:device*/rail_name_*" in reason


def test_a_board_without_a_rail_of_the_whole_lists_those_that_it_has(agx):
    meter = Jetson(root=agx)
    assert meter.absent("cpu") == (
        "this board has no rail of the whole module; name 'rails', there are: "
        "VDDQ_VDD2_1V8AO, VDD_CPU_CV, VDD_GPU_SOC, VIN_SYS_5V0"
    )
    with pytest.raises(MeterError, match="name 'rails'"), meter.open("cpu"):
        pass


def test_a_rail_that_the_board_does_not_have_is_answered_with_those_it_has(orin_nano):
    reason = Jetson(root=orin_nano, rails=("VDD_IN", "NC")).absent("cpu")
    assert reason == (
        "there is no rail 'NC' on this board; there are: VDD_CPU_GPU_CV, VDD_IN, VDD_SOC"
    )


@pytest.mark.parametrize("device", ["cuda:1", "gpu"])
def test_a_device_that_the_module_does_not_have_is_named(orin_nano, device):
    assert (Jetson(root=orin_nano).absent(device) or "").endswith(f"not '{device}'")


def test_a_channel_that_cannot_be_read_is_named(orin_nano):
    path = orin_nano / FIRST / "curr1_input"
    path.unlink()
    assert Jetson(root=orin_nano).absent("cpu") == (
        f"{path} cannot be read: No such file or directory"
    )


def test_a_sensor_that_is_lost_while_it_is_read_is_an_error(xavier):
    with Jetson(root=xavier).open("cpu") as reader:
        (xavier / OLD / "in_power0_input").write_text("")
        with pytest.raises(MeterError, match="instead of an integer"):
            reader.power_w()


def test_a_current_that_flows_back_is_no_power(orin_nano):
    with Jetson(root=orin_nano).open("cpu") as reader:
        (orin_nano / FIRST / "curr1_input").write_text("-8\n")
        with pytest.raises(MeterError, match=r"-0\.040 W; power is never negative"):
            reader.power_w()
