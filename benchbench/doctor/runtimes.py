"""Examine runtimes, each in a process of its own; a death is a finding."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from benchbench.doctor.machine import exclusion
from benchbench.types import Finding, Record
from benchbench.worker.checkup import Device, Line

TIMEOUT_S = 60.0
"""How long the examination of one runtime may take: an import takes ten seconds at worst."""
_AT_ONCE = 2

State = Literal["usable", "no device", "not installed", "broken"]


class RuntimeReport(Record):
    """What is known of one runtime."""

    name: str
    state: State
    """``no device``: installed, but none of its devices can be used here."""
    reason: str | None = None
    """Why it is not usable."""
    hint: str | None = None
    """What mends it, as a command where there is one."""
    versions: dict[str, str] = {}
    """Its packages, and the one that registers it."""
    devices: tuple[Device, ...] = ()
    findings: tuple[Finding, ...] = ()


def examine_each(names: Sequence[str], timeout_s: float) -> list[RuntimeReport]:
    """Return a report for each of *names*, in their order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda name: _examine(name, timeout_s), names))


def _examine(name: str, timeout_s: float) -> RuntimeReport:
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.jsonl"
        death = _run(name, told, timeout_s)
        lines = _lines(told)
    stage = next((line.stage for line in reversed(lines) if line.stage), "starting Python")
    findings = [finding for line in lines for finding in line.findings]
    if death:
        findings.append(Finding(level="error", message=f"{stage} {death}", hint=_hint(stage)))
    findings += [finding for line in lines for finding in line.damage]
    return _report(name, lines, tuple(dict.fromkeys(findings)))


def _run(name: str, told: Path, timeout_s: float) -> str | None:
    """Run the checkup; return how it died, None if it came to its end."""
    command = [sys.executable, "-m", "benchbench.worker.checkup", name, str(told)]
    with told.with_suffix(".log").open("w+b") as log:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=timeout_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout_s:g} s"
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip().splitlines()
    if code < 0:
        return f"killed the process with {_signal(-code)}"
    last = f": {said[-1][:300]}" if said else ""
    return f"ended the process with exit code {code}{last}" if code else None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


def _lines(told: Path) -> list[Line]:
    """Return what was told; a last line that was cut off by a death is left out."""
    text = told.read_text(encoding="utf-8") if told.exists() else ""
    return [Line.model_validate_json(line) for line in text.split("\n")[:-1]]


def _hint(stage: str) -> str:
    what = stage.removeprefix("importing ")
    if what == stage:
        return "its cells will fail alike; reinstall or remove the package that registers it"
    return f"python -X faulthandler -c 'import {what}' shows where; reinstall its package"


def _report(name: str, lines: list[Line], findings: tuple[Finding, ...]) -> RuntimeReport:
    devices = tuple(device for line in lines for device in line.devices)
    missing = next((line.missing for line in lines if line.missing), None)
    state, reason, hint = _state(devices, missing, findings)
    versions = {key: value for line in lines for key, value in line.versions.items()}
    return RuntimeReport(
        name=name,
        state=state,
        reason=reason,
        hint=hint,
        versions=versions,
        devices=devices,
        findings=findings,
    )


def _state(
    devices: tuple[Device, ...], missing: Finding | None, findings: tuple[Finding, ...]
) -> tuple[State, str | None, str | None]:
    """Return state, reason and hint."""
    for finding in findings:
        if finding.level == "error":
            return "broken", finding.message, finding.hint
    if missing:
        return "not installed", missing.message, _exclusive(missing)
    if any(device.absent is None and device.precisions for device in devices):
        return "usable", None, None
    reasons = dict.fromkeys(device.absent for device in devices if device.absent)
    return "no device", "; ".join(reasons) or "it runs no precision on any device", None


def _exclusive(missing: Finding) -> str | None:
    """Return the hint of *missing*, with a warning where two packages exclude each other."""
    warning = exclusion(missing.message)
    return f"{missing.hint} ({warning})" if warning else missing.hint
