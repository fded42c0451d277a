"""What every meter owes: the contract kit, asked of each over a tree of files of its own."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest

from benchbench.errors import MeterError
from benchbench.meters.external import ALLOW, External
from benchbench.meters.jetson import Jetson
from benchbench.meters.rapl import Rapl
from benchbench.testing.meters import MeterCase, meter_checks

ROOT = Path(tempfile.mkdtemp(prefix="benchbench-meters-"))


@pytest.fixture(scope="module", autouse=True)
def files() -> Iterator[None]:
    yield
    shutil.rmtree(ROOT)


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{content}\n")
    return path


def powercap() -> MeterCase:
    """Two packages, of which one wraps while it is read."""
    counted = {"intel-rapl:0": 10_000_000, "intel-rapl:1": 65_532_000_000}
    for index, zone in enumerate(counted):
        write(ROOT / "powercap" / zone / "name", f"package-{index}")
        write(ROOT / "powercap" / zone / "max_energy_range_uj", 65_532_610_987)

    def work() -> None:
        for zone, uj in counted.items():
            counted[zone] = (uj + 210_000) % 65_532_610_987
            write(ROOT / "powercap" / zone / "energy_uj", counted[zone])

    work()
    return MeterCase(Rapl(powercap=ROOT / "powercap"), work=work)


def module() -> MeterCase:
    folder = ROOT / "jetson/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1"
    write(folder / "in1_label", "VDD_IN")
    write(folder / "in1_input", 4968)
    write(folder / "curr1_input", 1512)
    write(ROOT / "jetson/sys/class/thermal/thermal_zone0/type", "CPU-therm")
    write(ROOT / "jetson/sys/class/thermal/thermal_zone0/temp", 48312)
    return MeterCase(Jetson(root=ROOT / "jetson"), device="cuda:0")


def logged(gives: str) -> MeterCase:
    path = ROOT / f"{gives}.csv"
    value = 0

    def work() -> None:
        nonlocal value
        value += 3
        write(path, f"time_s,{gives}\n{time()},{value}")

    work()
    return MeterCase(
        External(gives=gives, csv=path, max_age_s=600), work=work, name=f"External csv {gives}"
    )


def asked() -> MeterCase:
    command = (sys.executable, "-S", "-c", "print(41.5)")
    meter = External(gives="watts", command=command, timeout_s=20)
    return MeterCase(meter, name="External command")


CASES = [
    powercap(),
    module(),
    logged("watts"),
    logged("joules"),
    asked(),
    MeterCase(Rapl(powercap=ROOT / "powercap"), device="cuda:0", present=False),
    MeterCase(Rapl(powercap=ROOT / "none"), present=False, name="Rapl without powercap"),
    MeterCase(Jetson(root=ROOT / "none"), present=False, name="Jetson elsewhere"),
    MeterCase(
        External(gives="watts", csv=ROOT / "none.csv"), present=False, name="External without file"
    ),
]


@pytest.mark.parametrize(
    "check", [pytest.param(check, id=str(check)) for check in meter_checks(*CASES)]
)
def test_contract(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "1")
    check()


# --- the kit sees what it is there for ---------------------------------------------------


class Bad(Jetson):
    """A meter with faults, chosen by name."""

    fault: str

    def absent(self, device: str) -> str | None:
        return "no" if self.fault == "reason" else None

    def open(self, device: str) -> Any:
        return BadReader(self.fault)


class BadReader:
    scope = "nothing"
    counts = True
    resolution_j = 1.0

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.values = iter([3.0, 2.0, float("nan"), 4.0, 5.0])
        self.kept: list[Any] = []

    def __enter__(self) -> BadReader:
        if self.fault == "open file":
            LEAKED.append(Path("/proc/self/stat").open())
        return self

    def __exit__(self, *told: object) -> None:
        pass

    def energy_j(self) -> float:
        return next(self.values)

    def power_w(self) -> float:
        if self.fault == "silent":
            raise MeterError("no power")
        return -1.0

    def state(self) -> dict[str, float]:
        return {"temperature": 40.0}

    def identity(self) -> dict[str, str]:
        return {}

    def doubts(self) -> list[str]:
        return ["it is old"]


LEAKED: list[Any] = []


@pytest.mark.parametrize(
    ("fault", "fact", "told"),
    [
        ("reason", "absent gives a reason or None for any device", "is 'no'"),
        ("values", "energy is finite and never falls", "energy_j gave"),
        ("values", "power is finite and never negative", "power_w gave"),
        ("silent", "power is finite and never negative", "must be a sentence"),
        ("values", "scope, identity and resolution say what is read", "identity is empty"),
        ("values", "the state has units in its names", "'temperature' does not end in a unit"),
        ("values", "doubts are caveats that survive JSON", "no Caveat"),
        ("open file", "what it opens it closes", "open files and threads"),
    ],
)
def test_a_meter_with_a_fault_does_not_pass(fault, fact, told):
    (check,) = [one for one in meter_checks(MeterCase(Bad(fault=fault))) if fact in str(one)]
    try:
        with pytest.raises(AssertionError, match=told):
            check()
    finally:
        while LEAKED:
            LEAKED.pop().close()


def test_options_of_every_meter_fit_into_a_suite():
    for case in CASES:
        assert json.loads(case.meter.model_dump_json())
