"""When a run was last changed."""

from __future__ import annotations

import pytest

from benchbench.assemble import _updated
from benchbench.types import Cell, Result, Take, Taken, Variant

_NAMES = {"id": "0", "model": "m", "runtime": "r", "dataset": "d", "split": "s"}
_CELL = Cell(precision="int8", device="cpu", batch=1, task="detection", spec={},
             start=Variant(format="onnx"), **_NAMES)  # fmt: skip
_BEGUN = "2026-11-22T21:00:00Z"


def _result(started: str, wall_s: float) -> Result:
    return Result(cell=_CELL, status="measured", environment="e", started=started, wall_s=wall_s)


def _taken(started: str, wall_s: float) -> Taken:
    take = Take(id="t", kind="process", cell="0")
    return Taken(take=take, environment="e", started=started, wall_s=wall_s)


@pytest.mark.parametrize(
    ("results", "taken", "told"),
    [
        ([], [], _BEGUN),
        ([("2026-11-22T21:00:01Z", 90.5)], [], "2026-11-22T21:01:31.500000Z"),
        (
            [("2026-11-22T21:00:01Z", 90.5)],
            [("2026-11-22T22:30:00+01:00", 1.0)],
            "2026-11-22T21:30:01Z",
        ),
        ([("2026-11-21T21:00:01Z", 90.5)], [], _BEGUN),
        ([("an unknown time", 90.5)], [], _BEGUN),
    ],
    ids=["nothing", "a result", "a take in another zone", "resumed", "unreadable"],
)
def test_a_run_was_changed_last_when_its_last_measurement_ended(results, taken, told) -> None:
    found = _updated(_BEGUN, [_result(*one) for one in results], [_taken(*one) for one in taken])
    assert found == told
