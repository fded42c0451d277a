"""What every meter owes."""

from __future__ import annotations

import gc
import json
import re
import threading
import unittest
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any

from benchbench.errors import MeterError
from benchbench.protocols import Meter
from benchbench.testing.check import (
    Check,
    claim,
    described,
    imports_lightly,
    make_checks,
    options_round_trip,
    refusal,
)
from benchbench.types import Caveat

_UNITS = "c|w|j|s|ms|v|a|mhz|rpm|bytes|mb|mib|count|percent"
_STATE_NAME = re.compile(rf"([a-z][a-z0-9]*_)+({_UNITS})|throttled|throttle_reasons")
"""Names with their units at the end; ``throttled`` is 0 or 1, ``throttle_reasons`` are bits."""
_READINGS = 5


def _nothing() -> None:
    """Do no work."""


@dataclass(frozen=True, slots=True)
class MeterCase:
    """A meter and one device. Nothing is opened until a check is called."""

    meter: Meter
    """The plug-in with its options."""
    device: str = "cpu"
    present: bool = True
    """Whether the device's energy can be read here. If not, the reason is checked instead."""
    work: Callable[[], None] = _nothing
    """Called before each reading: lets the device work, or moves the counter of a fake one."""
    name: str = ""
    """Stands before each check's name; by default the class and the device."""


def meter_checks(*cases: MeterCase) -> list[Check]:
    """Return the checks of all *cases*, named ``case: what must be true``."""
    return [check for case in cases for check in _of(case)]


def _of(case: MeterCase) -> list[Check]:
    facts: dict[str, Callable[[MeterCase], None]] = {
        "absent gives a reason or None for any device": _reasons,
        "options survive JSON": lambda one: options_round_trip(one.meter),
        "its module imports no heavy library": lambda one: imports_lightly(one.meter),
        "packages and extra are declared": lambda one: described(
            one.meter.packages, one.meter.extra
        ),
    }
    facts |= _READABLE if case.present else {"open refuses with the reason of absent": _refuses}
    prefix = case.name or f"{type(case.meter).__name__} {case.device}"
    return make_checks(prefix, {name: partial(run, case) for name, run in facts.items()})


# --- reasons -----------------------------------------------------------------------------


def _reasons(case: MeterCase) -> None:
    found = case.meter.absent(case.device)
    claim((found is None) == case.present, f"absent({case.device!r}) is {found!r}")
    for device in (case.device, "no-such-device", ""):
        _sentence(case.meter.absent(device), f"absent({device!r})")


def _sentence(text: str | None, of: str) -> None:
    if text is None:
        return
    claim(isinstance(text, str), f"{of} is {text!r}, neither a reason nor None")
    fine = len(text.split()) >= 3 and text == text.strip() and "\n" not in text
    claim(fine, f"{of} must be a sentence of one line, not {text!r}")
    claim("Traceback" not in text, f"{of} shows a traceback")


def _refuses(case: MeterCase) -> None:
    reason = str(case.meter.absent(case.device))
    with (
        refusal(MeterError, reason, of="opening what is absent"),
        case.meter.open(case.device),
    ):
        pass


# --- readings ----------------------------------------------------------------------------


def _energy(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        if not reader.counts:
            with refusal(MeterError, of="the energy of a meter that does not count"):
                reader.energy_j()
            return
        found = [_after(case, reader.energy_j) for _ in range(_READINGS)]
    claim(all(map(isfinite, found)), f"energy_j gave {found}")
    claim(found == sorted(found), f"energy_j fell: {found}")


def _power(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        try:
            found = [_after(case, reader.power_w) for _ in range(_READINGS)]
        except MeterError as error:
            _sentence(error.message, "power_w")
            raise unittest.SkipTest(f"the meter tells no power: {error.message}") from error
    claim(all(isfinite(w) and w >= 0 for w in found), f"power_w gave {found}")


def _after(case: MeterCase, read: Callable[[], float]) -> float:
    case.work()
    return read()


def _describes(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        case.work()
        identity, resolution, scope = reader.identity(), reader.resolution_j, reader.scope
        counts = reader.counts
    claim(isinstance(scope, str) and scope.strip(), f"scope is {scope!r}")
    claim(identity, "identity is empty")
    for key, value in identity.items():
        claim(isinstance(value, str) and value, f"identity[{key!r}] is {value!r}, no text")
    claim(resolution is None or counts, f"resolution_j is {resolution} without a counter")
    claim(resolution is None or 0 < resolution < float("inf"), f"resolution_j is {resolution}")


def _state(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        case.work()
        found = reader.state()
    for name, value in found.items():
        claim(_STATE_NAME.fullmatch(name), f"the state's name {name!r} does not end in a unit")
        claim(isfinite(value), f"state[{name!r}] is {value}; what is unknown is absent")


def _doubts(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        case.work()
        found = tuple(reader.doubts())
    for one in found:
        claim(isinstance(one, Caveat), f"doubts gave {one!r}, no Caveat")
        json.dumps(one.model_dump(), allow_nan=False)


def _closes(case: MeterCase) -> None:
    _used(case)  # libraries open files of their own when they are first used
    before = _held()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        _used(case)
        gc.collect()
    after = _held()
    claim(after == before, f"open files and threads were {before} before and are {after} after")


def _used(case: MeterCase) -> None:
    with case.meter.open(case.device) as reader:
        case.work()
        with suppress(MeterError):
            reader.power_w()
        reader.state()


def _held() -> dict[str, int]:
    files = Path("/proc/self/fd")
    opened = len(list(files.iterdir())) if files.is_dir() else 0
    return {"files": opened, "threads": threading.active_count()}


_READABLE: dict[str, Callable[[MeterCase], Any]] = {
    "energy is finite and never falls": _energy,
    "power is finite and never negative": _power,
    "scope, identity and resolution say what is read": _describes,
    "the state has units in its names": _state,
    "doubts are caveats that survive JSON": _doubts,
    "what it opens it closes": _closes,
}
