"""What a plan will cost in time and disk: from earlier results if there are any, else a guess."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchbench.artifacts import ArtifactCache
from benchbench.errors import StoreError
from benchbench.measure import energy, energy_turns
from benchbench.plan import Plan
from benchbench.store import PlannedCell, Run, Store
from benchbench.takes import Extras
from benchbench.types import Cell, Result, Step, Take

State = Literal["done", "failed", "to do", "not run"]

BUILD_S = {True: 20.0, False: 15.0}
"""Guessed seconds of a build, by whether it calibrates."""
DONE = ("measured", "compiled")
START_S = 3.0
IMAGE_S = 0.03
IMAGE_BYTES = {
    "detection": 4_000,
    "instance-segmentation": 20_000,
    "semantic-segmentation": 6_000,
    "classification": 100,
    "panoptic-segmentation": 15_000,
    "keypoints": 20_000,
    "oriented-detection": 6_000,
    "promptable-segmentation": 10_000,
}
BUILD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of one cell."""

    planned: PlannedCell
    state: State
    builds: tuple[str, ...]
    """Conversions that are not in the cache yet and that no earlier cell of the plan makes."""
    seconds: float
    bytes: int
    basis: Literal["earlier result", "guess", "nothing to do"]


def forecast(
    plan: Plan, store: Store, cache: Path, run: Run | None, environment: str
) -> list[Forecast]:
    """Return a forecast for each cell of *plan*, in order; *environment* is this machine's key."""
    history = _History(store, run, environment)
    artifacts = ArtifactCache(cache)
    made: set[str] = set()
    found = []
    for planned in plan.cells:
        steps = [s for s in planned.cell.chain if s.key not in made and not artifacts.known(s.key)]
        state = history.state(planned)
        if state in ("to do", "failed"):
            made |= {step.key for step in steps}
        found.append(_one(planned, state, steps, plan.images[planned.cell.id], history))
    return found


def _one(
    planned: PlannedCell, state: State, steps: Sequence[Step], images: int, history: _History
) -> Forecast:
    if state in ("done", "not run"):
        return Forecast(planned, state, (), 0.0, 0, "nothing to do")
    cell = planned.cell
    earlier = history.seconds(cell)
    build_s = sum(BUILD_S[step.calibrated] for step in steps)
    own_s = _guess_s(cell, images) if earlier is None else earlier
    return Forecast(
        planned,
        state,
        tuple(str(step.conversion["kind"]) for step in steps),
        build_s + own_s,
        images * IMAGE_BYTES[cell.task] + BUILD_BYTES * len(steps),
        "guess" if earlier is None else "earlier result",
    )


def _guess_s(cell: Cell, images: int) -> float:
    measure = cell.spec["measure"]
    latency = measure["latency"] or {"warmup_s": 0.0, "seconds": 0.0}
    passes = images * IMAGE_S if measure["accuracy"] else 0.0
    return float(START_S + passes + latency["warmup_s"] + latency["seconds"])


@dataclass(frozen=True, slots=True)
class More:
    """What is expected of the takes that are not made yet."""

    takes: int
    seconds: float
    kinds: tuple[str, ...]


def more(extras: Extras, run: Run | None) -> More:
    """Return what is left of *extras*; of a comparison the pairs before its first look."""
    pairs = [take for one in extras.contests for take in one.takes[: one.compared.pairs]]
    takes = [
        take
        for take in (*extras.scenarios, *extras.processes, *pairs)
        if run is None or run.taken(take.id) is None
    ]
    seconds = sum(_take_s(take, extras.cells[take.cell]) for take in takes)
    return More(len(takes), seconds, tuple(sorted({take.kind for take in takes})))


def _take_s(take: Take, cell: Cell) -> float:
    """Return a guess of the seconds that *take* lasts, start and warm-up included."""
    options = take.options
    before: float = START_S + float(cell.spec["measure"]["latency"]["warmup_s"])
    if take.kind == "pair":
        queries = 2 * int(options["turns"]) * int(options["queries"])
        metered = 2 * int(options.get("energy_turns", 0))
        lead = energy_turns.LEAD_S
        turn = lead + float(options.get("energy_s", 0.0))
        return 2 * before + queries * IMAGE_S * cell.batch + metered * turn
    if take.kind == "offline":
        return before + float(options["seconds"]) * len(options["streams"])
    if take.kind == "energy":
        own = {name: value for name, value in options.items() if name != "meter"}
        return before + energy.seconds(energy.EnergyPlan(**own))
    return before + float(options["seconds"]) + float(options.get("rest_s", 0.0))


class _History:
    """What the store knows of a plan's cells."""

    def __init__(self, store: Store, run: Run | None, environment: str) -> None:
        self._run = run
        self._measured: set[str] = set()
        self._earlier: dict[tuple[str, ...], float] = {}
        for other in store.runs()[:20]:
            with contextlib.suppress(StoreError):  # a damaged run only makes a worse guess
                for result in other.results():
                    self._earlier.setdefault(_likeness(result.cell), result.wall_s)
                    if result.status in DONE and result.environment == environment:
                        self._measured.add(result.cell.id)

    def state(self, planned: PlannedCell) -> State:
        """Return whether the cell is done, failed, to do, or cannot run here."""
        result: Result | None = self._run.result(planned.cell.id) if self._run else None
        if planned.cell.id in self._measured or (result and result.status in DONE):
            return "done"
        if planned.not_run:
            return "not run"
        return "failed" if result and result.status == "failed" else "to do"

    def seconds(self, cell: Cell) -> float | None:
        """Return how long a cell like this one took before."""
        return self._earlier.get(_likeness(cell))


def _likeness(cell: Cell) -> tuple[str, ...]:
    return (cell.model, cell.runtime, cell.precision, cell.device, cell.dataset, cell.split)
