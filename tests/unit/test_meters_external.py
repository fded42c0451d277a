"""External meters: real commands, and files that grow."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path
from time import time

import pytest
from pydantic import ValidationError

from benchbench.errors import MeterError
from benchbench.meters.external import ALLOW, External, ExternalReader
from benchbench.meters.outside import from_command, from_csv

NOW = 1_790_000_000.0


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW, "1")


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", script)


def printing(text: str) -> tuple[str, ...]:
    return python(f"print({text!r})")


def csv_at(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_text("\n".join(lines) + end)
    return path


# --- command -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "key", "value"),
    [
        ("41.5", "watts", 41.5),
        ('{"watts": 41.5, "volts": 230}', "watts", 41.5),
        ('{"apower": 12, "aenergy": {"total": 7.25}}', "aenergy.total", 7.25),
    ],
)
def test_a_command_prints_a_number_or_an_object_that_holds_it(printed, key, value):
    assert from_command(printing(printed), key, 20).value == value


def test_a_command_that_counts_is_read_as_a_counter(tmp_path, allowed):
    script = (
        "import pathlib, sys; p = pathlib.Path(sys.argv[1]); n = int(p.read_text()) + 2; "
        "p.write_text(str(n)); print({'total': n})".replace("{'total': n}", "'{\"total\":%d}' % n")
    )
    state = tmp_path / "watt-hours"
    state.write_text("100")
    meter = External(
        gives="joules", command=(*python(script), str(state)), key="total", scale=3600, timeout_s=20
    )
    with meter.open("cpu") as reader:
        assert reader.counts
        assert reader.resolution_j is None
        assert [reader.energy_j(), reader.energy_j()] == [7200, 14400]
        assert reader.resolution_j == 7200
        assert reader.power_w() > 0
        assert reader.identity()["value"] == "total × 3600 in joules"


def test_a_command_that_gives_watts_does_not_count(allowed):
    meter = External(gives="watts", command=printing("41.5"), timeout_s=20)
    with meter.open("cuda:0") as reader:
        assert (reader.counts, reader.resolution_j) == (False, None)
        assert reader.scope == "wall power of the whole device"
        assert reader.power_w() == 41.5
        with pytest.raises(MeterError, match="does not count energy"):
            reader.energy_j()


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("about 40 W", "'about 40 W', which is not JSON"),
        ("", "'', which is not JSON"),
        ("12 13", "'12 13', which is not JSON"),
        ('{"volts": 230}', "no number at 'watts' in"),
        ('{"watts": {"now": 3}}', "no number at 'watts' in"),
        ('"40"', "no number but"),
        ("true", "no number but"),
        ("[1]", "no number but"),
        ("-3", "gave -3 watts"),
        ("NaN", "gave nan watts"),
        ("Infinity", "gave inf watts"),
        ("1e999", "gave inf watts"),
        ("1" + "0" * 400, "instead of a number"),
    ],
)
def test_what_is_no_power_is_an_error_that_shows_it(allowed, printed, told):
    meter = External(gives="watts", command=printing(printed), timeout_s=20)
    with pytest.raises(MeterError) as caught, meter.open("cpu"):
        pass
    assert told in str(caught.value)
    assert sys.executable in str(caught.value)


def test_a_command_that_fails_is_an_error_with_its_last_words():
    script = "import sys; sys.exit('the meter is not plugged in')"
    with pytest.raises(MeterError, match=r"ended with 1: 'the meter is not plugged in'"):
        from_command(python(script), "watts", 20)


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = (
        "import os, subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']); "
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}'); time.sleep(600)"
    )
    timeout_s = 0.5
    while not (pids.exists() and pids.read_text()):  # on a busy machine it may not come so far
        with pytest.raises(MeterError, match=rf"did not end within {timeout_s:g} s"):
            from_command(python(script), "watts", timeout_s)
        timeout_s *= 2
    for pid in pids.read_text().split():
        assert _ends(int(pid))


def _ends(pid: int) -> bool:
    """Return whether a process that was killed ends: the kernel may take a moment for it."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 30)[0])
    finally:
        os.close(handle)


def test_nothing_is_interpreted_by_a_shell():
    command = (*python("import sys, json; print(json.dumps(len(sys.argv[1])))"), "$HOME;`id`")
    assert from_command(command, "watts", 20).value == len("$HOME;`id`")


# --- leave to run ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "0", "yes"])
def test_a_suites_command_is_not_run_unless_the_environment_allows_it(tmp_path, monkeypatch, value):
    monkeypatch.delenv(ALLOW, raising=False)
    if value is not None:
        monkeypatch.setenv(ALLOW, value)
    witness = tmp_path / "ran"
    meter = External(gives="watts", command=python(f"open({str(witness)!r}, 'w'); print(1)"))
    reason = meter.absent("cpu")
    assert reason is not None
    assert "BENCHBENCH_ALLOW_COMMANDS=1" in reason
    with pytest.raises(MeterError, match="BENCHBENCH_ALLOW_COMMANDS=1"), meter.open("cpu"):
        pass
    assert not witness.exists()


def test_planning_does_not_run_the_command_even_where_it_is_allowed(tmp_path, allowed):
    witness = tmp_path / "ran"
    meter = External(gives="watts", command=python(f"open({str(witness)!r}, 'w'); print(1)"))
    assert meter.absent("cpu") is None
    assert not witness.exists()


def test_a_program_that_is_not_there_is_named(allowed):
    meter = External(gives="watts", command=("no-such-wattmeter",))
    assert meter.absent("cpu") == "there is no program 'no-such-wattmeter' to run"


def test_a_program_that_cannot_be_started_is_an_error(tmp_path):
    broken = tmp_path / "meter"
    broken.write_bytes(b"\x7fELF broken")
    broken.chmod(0o755)
    with pytest.raises(MeterError, match=r"meter' cannot be run: Exec format error"):
        from_command((str(broken),), "watts", 20)


# --- file --------------------------------------------------------------------------------


def test_the_last_line_of_a_growing_file_counts(tmp_path):
    path = csv_at(tmp_path / "log.csv", "time_s,watts", f"{time()},40")
    with External(gives="watts", csv=path).open("cpu") as reader:
        assert reader.power_w() == 40
        with path.open("a") as file:
            file.write(f"{time()},55.5\n")
        assert reader.power_w() == 55.5


def test_half_a_line_is_not_read(tmp_path):
    path = csv_at(tmp_path / "log.csv", "time_s,watts", f"{NOW},40.25", f"{NOW + 1},4", end="")
    assert from_csv(path, "watts", 5, NOW).value == 40.25


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    text = f'\ufeff"volts", "watts" , "time_s"\r\n230,"17.5",{NOW}\r\n\r\n'
    path = tmp_path / "log.csv"
    path.write_bytes(text.encode())
    assert from_csv(path, "watts", 5, NOW + 2).lag_s == 2
    assert from_csv(path, "watts", 5, NOW + 2).value == 17.5


def test_the_end_of_a_long_file_is_found_without_its_beginning(tmp_path):
    lines = (f"{NOW + index / 100:.2f},{index}" for index in range(20_000))
    path = csv_at(tmp_path / "log.csv", "time_s,joules", *lines)
    assert path.stat().st_size > 3 * 65536
    assert from_csv(path, "joules", 5, NOW + 200).value == 19_999


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((f"{NOW - 7},40",), r"7\.0 s old; at most 5 s is allowed"),
        ((f"{NOW + 9},40",), r"9\.0 s in the future; do the clocks agree"),
        ((f"{NOW},forty",), r"gave 'forty' instead of a number"),
        ((f"{NOW},",), r"gave '' instead of a number"),
        (("noon,40",), r"gave 'noon' instead of a number"),
        (("nan,40",), r"last line"),
        ((f"{NOW},40,3",), r"3 of 2 fields"),
        ((f"{NOW}",), r"1 of 2 fields"),
        ((f"{NOW},4\r0",), r"no line of a CSV file"),
        ((), r"no whole line of readings yet"),
    ],
)
def test_a_line_that_cannot_be_used_is_an_error_that_says_why(tmp_path, lines, told):
    path = csv_at(tmp_path / "log.csv", "time_s,watts", *lines)
    with pytest.raises(MeterError, match=told):
        from_csv(path, "watts", 5, NOW)


@pytest.mark.parametrize("text", ["", "time_s,watts", f"time_s,watts\n{NOW},4"])
def test_a_file_that_has_only_begun_holds_no_reading(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(MeterError, match="no whole line of readings yet"):
        from_csv(path, "watts", 5, NOW)


@pytest.mark.parametrize(("header", "missing"), [("time,watts", "time_s"), ("time_s,W", "watts")])
def test_a_column_that_is_missing_is_named_beside_the_header(tmp_path, header, missing):
    path = csv_at(tmp_path / "log.csv", header, f"{NOW},4")
    with pytest.raises(MeterError, match=rf"no column '{missing}'; its header is '{header}'"):
        from_csv(path, "watts", 5, NOW)


def test_a_file_that_is_not_there_or_goes_away_is_an_error(tmp_path):
    path = tmp_path / "log.csv"
    meter = External(gives="watts", csv=path)
    assert meter.absent("cpu") == f"there is no file {path}"
    csv_at(path, "time_s,watts", f"{time()},4")
    with meter.open("cpu") as reader:
        path.unlink()
        with pytest.raises(MeterError, match="cannot be read: No such file"):
            reader.power_w()


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_a_value_in_the_file_that_cannot_be_is_an_error(tmp_path, value):
    path = csv_at(tmp_path / "log.csv", "time_s,joules", f"{time()},{value}")
    with pytest.raises(MeterError, match="which cannot be"):
        External(gives="joules", csv=path).read()


def test_a_meter_that_was_reset_is_an_error(tmp_path):
    path = csv_at(tmp_path / "log.csv", "time_s,joules", f"{time()},1000")
    reader = ExternalReader(External(gives="joules", csv=path))
    csv_at(path, "time_s,joules", f"{time()},3")
    with pytest.raises(MeterError, match=r"log.csv went back from 1000\.0+ J to 3\.0+ J"):
        reader.energy_j()


def test_readings_that_come_late_are_a_doubt_with_the_longest_lag(tmp_path):
    path = csv_at(tmp_path / "log.csv", "time_s,watts", f"{time()},4")
    reader = ExternalReader(External(gives="watts", csv=path, max_age_s=600))
    assert reader.doubts() == ()
    csv_at(path, "time_s,watts", f"{time() - 100},4")
    reader.power_w()
    csv_at(path, "time_s,watts", f"{time()},4")
    reader.power_w()
    (doubt,) = reader.doubts()
    assert doubt.code == "meter_lag"
    assert doubt.figures["lag_s"] == pytest.approx(100, abs=20)
    assert reader.state()["reading_lag_s"] == doubt.figures["lag_s"]


@pytest.mark.parametrize("options", [{}, {"command": ("meter",), "csv": Path("log.csv")}])
def test_there_is_one_source_and_no_other(options):
    with pytest.raises(ValidationError, match="give either 'command' or 'csv'"):
        External(gives="watts", **options)


def test_the_environment_of_this_test_is_not_trusted_by_accident():
    assert os.environ.get(ALLOW) is None
