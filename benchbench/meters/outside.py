"""One reading of an external meter: out of a command's JSON, or out of a CSV file's last line."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from benchbench.errors import MeterError

_TAIL = 65536
"""Bytes at the end of a CSV file that are looked at; a line is far shorter."""
_SHOWN = 80
"""Characters of somebody else's output that a message shows."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value as it was given, how late it is, and who gave it."""

    value: float
    lag_s: float
    """Age of the CSV line, or the time that the command took, in seconds."""
    source: str


# --- command -----------------------------------------------------------------------------


def from_command(command: Sequence[str], key: str, timeout_s: float) -> Reading:
    """Run *command* once; return the number that it prints, or the one at *key* of its object.

    Raises MeterError if it cannot be run, fails, prints something else, or takes too long; then it
    is killed with all that it started.
    """
    source = f"the command '{command[0]}'"
    begun = perf_counter_ns()
    output = _run(command, source, timeout_s)
    lag_s = (perf_counter_ns() - begun) / 1e9
    try:
        printed = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise MeterError(f"{source} printed {_short(output)}, which is not JSON") from error
    return Reading(_number(printed, key, source), lag_s, source)


def _run(command: Sequence[str], source: str, timeout_s: float) -> bytes:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise MeterError(f"{source} cannot be run: {error.strerror}") from error
    try:
        with process, _killed_with_its_children(process):
            output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise MeterError(f"{source} did not end within {timeout_s:g} s") from error
    if process.returncode:
        raise MeterError(f"{source} ended with {process.returncode}: {_short(errors[-_SHOWN:])}")
    return output


@contextmanager
def _killed_with_its_children(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave nothing of the command's session behind an error; a child may hold its pipes open."""
    try:
        yield
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise


def _number(printed: Any, key: str, source: str) -> float:
    """Return the number that was printed, or that stands at the dotted *key*."""
    found = printed
    if isinstance(printed, dict):
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        told = f"no number at '{key}' in" if isinstance(printed, dict) else "no number but"
        raise MeterError(f"{source} printed {told} {_short(json.dumps(printed).encode())}")
    return _float(found, source)


# --- file --------------------------------------------------------------------------------


def from_csv(path: Path, column: str, max_age_s: float, now_s: float) -> Reading:
    """Return *column* of the last whole line of *path*; *now_s* is Unix time.

    Raises MeterError if the file or the columns are missing, there is no line yet, a value is no
    number, or the line is older than *max_age_s* or as far ahead of the clock.
    """
    header, line = _ends(path)
    names, cells = _cells(header), _cells(line)
    for name in ("time_s", column):
        if name not in names:
            raise MeterError(f"{path} has no column '{name}'; its header is {_short(header)}")
    if len(cells) != len(names):
        raise MeterError(f"{path}: the last line has {len(cells)} of {len(names)} fields")
    taken_s, value = (_float(cells[names.index(name)], str(path)) for name in ("time_s", column))
    age_s = now_s - taken_s
    if not -max_age_s <= age_s <= max_age_s:
        raise MeterError(_stale(path, age_s, max_age_s))
    return Reading(value, max(age_s, 0.0), str(path))


def _stale(path: Path, age_s: float, max_age_s: float) -> str:
    if age_s > 0:
        return f"{path}: the last line is {age_s:.1f} s old; at most {max_age_s:g} s is allowed"
    return f"{path}: the last line lies {-age_s:.1f} s in the future; do the clocks agree?"


def _ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first line and the last whole one after it."""
    try:
        with path.open("rb") as file:
            header = file.readline(_TAIL)
            start = file.tell()
            file.seek(max(start, file.seek(0, os.SEEK_END) - _TAIL))
            tail = file.read()
    except OSError as error:
        raise MeterError(f"{path} cannot be read: {error.strerror}") from error
    whole = tail[: tail.rfind(b"\n") + 1].strip()
    if not header.endswith(b"\n") or not whole:
        raise MeterError(f"{path} holds no whole line of readings yet")
    return header, whole[whole.rfind(b"\n") + 1 :]


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8-sig", errors="replace").strip()
    try:
        return [cell.strip() for cell in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error as error:
        raise MeterError(f"{_short(line)} is no line of a CSV file") from error


# --- both --------------------------------------------------------------------------------


def _float(value: str | float, source: str) -> float:
    try:
        return float(value)
    except (ValueError, OverflowError) as error:
        raise MeterError(
            f"{source} gave {_short(str(value).encode())} instead of a number"
        ) from error


def _short(text: bytes) -> str:
    return repr(text[:_SHOWN].decode(errors="replace").strip())
