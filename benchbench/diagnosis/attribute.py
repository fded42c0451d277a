"""The account of a gap: what each part costs, and what in the artifact does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.contents import limited
from benchbench.diagnosis.causes import Cause, causes
from benchbench.diagnosis.hybrids import for_accuracy, parts
from benchbench.errors import UsageError
from benchbench.running import Runner
from benchbench.store import PlannedCell, Run
from benchbench.types import Cell, Failure, Record, Result

IMAGES = 64
"""How many images the raw outputs of two artifacts are compared on."""
SMALL = 0.05
"""A part that costs fewer points than this is not looked into."""
ARTIFACTS = ("artifact", "model", "runtime")


class Swap(Record):
    """One part taken from the second cell, after those before it."""

    part: str
    """``preprocessing``, ``runtime``, ``artifact``, ``model``, ``decoder``, ``NMS``,
    ``evaluator``; joined by ``+`` where they only work together."""
    ours: str
    theirs: str
    before: float
    after: float
    points: float
    """100 × (after − before): what is gained (or lost, below 0) by this swap."""
    why_together: str | None = None
    """Why a part could not be swapped alone."""


class Diagnosis(Record):
    """Where the points between two cells go. The swaps' points sum to the gap."""

    a: str
    b: str
    metric: str
    score_a: float
    score_b: float
    points: float
    swaps: tuple[Swap, ...]
    causes: tuple[Cause, ...] = ()
    """What in the artifact costs points, worst first."""
    images: int = 0
    """How many images the causes were looked for on."""
    no_causes: str | None = None
    """Why causes could not be looked for."""
    quantized: bool = False
    """True if the second cell's chain quantizes."""


def find_cell(run: Run, name: str) -> Result:
    """Return a measured cell by id (or the start of one) or ``model/runtime/precision``.

    Raises :class:`~benchbench.errors.UsageError` if none or several fit, or it has no score.
    """
    found = [result for result in run.results() if _fits(result.cell, name)]
    known = sorted({_path(result.cell) for result in run.results()})
    if len(found) != 1:
        told = "no cell" if not found else f"{len(found)} cells"
        hint = plugins.suggest(name, known) if not found else _several(found)
        raise UsageError(f"{told} '{name}' in {run.id}", hint=hint)
    if found[0].scores is None:
        raise UsageError(
            f"the cell '{name}' of {run.id} has no score: {found[0].status}",
            hint="benchbench show tells why",
        )
    return found[0]


def _path(cell: Cell) -> str:
    return f"{cell.model}/{cell.runtime}/{cell.precision}"


def _fits(cell: Cell, name: str) -> bool:
    return name == _path(cell) or (len(name) >= 4 and cell.id.startswith(name))


def _several(found: Sequence[Result]) -> str:
    return "give the id: " + ", ".join(f"{r.cell.id} ({r.cell.label})" for r in found[:6])


def diagnose(runner: Runner, a: Result, b: Result) -> Diagnosis:
    """Return where the points between *a* and *b* go; hybrids are run and kept by *runner*."""
    for one in (a, b):
        if one.cell.start is None:
            raise UsageError(
                f"{one.cell.label}: of given predictions nothing can be swapped",
                hint="choose two cells that benchbench ran",
            )
    same = ("dataset", "split", "task")
    differing = [what for what in same if getattr(a.cell, what) != getattr(b.cell, what)]
    if differing or a.cell.spec["dataset_digest"] != b.cell.spec["dataset_digest"]:
        raise UsageError(
            f"the two cells differ in their {differing[0] if differing else 'images'}: "
            "a gap between them has no account",
            hint="choose two cells of one dataset and split",
        )
    assert a.scores is not None
    steps = _steps(runner, a, b)
    swaps, around = _swaps(steps)
    score_a, score_b = steps[0].score, steps[-1].score
    assert score_a is not None
    assert score_b is not None
    found: dict[str, Any] = {}
    if around is not None:
        found = _causes(runner, *around)
    return Diagnosis(
        a=a.cell.label,
        b=b.cell.label,
        metric=a.scores.primary,
        score_a=score_a,
        score_b=score_b,
        points=100 * (score_b - score_a),
        swaps=tuple(swaps),
        quantized=b.cell.precision.startswith("int8"),
        **found,
    )


class _Step(Record):
    """A cell on the way from the first to the second, with its score if it has one."""

    part: str
    ours: str
    theirs: str
    cell: Cell
    score: float | None
    fault: str | None = None


def _steps(runner: Runner, a: Result, b: Result) -> list[_Step]:
    """Return the cells on the way; the last is *b* itself."""
    found = [_Step(part="", ours="", theirs="", cell=a.cell, score=_score(a))]
    cell = for_accuracy(a.cell)
    parts_left = list(parts(a.cell, b.cell))
    for index, part in enumerate(parts_left):
        cell = part.swap(cell)
        last = index == len(parts_left) - 1
        result = b if last else _run(runner, cell)
        step = _Step(
            part=part.name,
            ours=part.ours,
            theirs=part.theirs,
            cell=b.cell if last else cell,
            score=_score(result),
            fault=result.failure.message if result.failure else None,
        )
        found.append(step)
    return found


def _run(runner: Runner, cell: Cell) -> Result:
    """Return the hybrid's result, measured now or in an earlier diagnosis."""
    runner.all((PlannedCell(cell=cell),))
    result = runner.run.result(cell.id)
    assert result is not None
    return result


def _score(result: Result) -> float | None:
    return result.scores.metrics[result.scores.primary] if result.scores else None


def _swaps(steps: Sequence[_Step]) -> tuple[list[Swap], tuple[Cell, Cell] | None]:
    """Return the swaps with their points, and the cells around the costliest artifact swap."""
    swaps: list[Swap] = []
    around: tuple[float, tuple[Cell, Cell]] | None = None
    before, waiting = steps[0], list[_Step]()
    for step in steps[1:]:
        waiting.append(step)
        if step.score is None or before.score is None:
            continue
        swap = _swap(before.score, step.score, waiting)
        swaps.append(swap)
        if set(swap.part.split("+")) & set(ARTIFACTS) and abs(swap.points) > SMALL:
            cost = abs(swap.points)
            around = max(filter(None, (around, (cost, (before.cell, step.cell)))), key=_cost)
        before, waiting = step, []
    return swaps, around[1] if around else None


def _cost(one: tuple[float, Any]) -> float:
    return one[0]


def _swap(before: float, after: float, joined: Sequence[_Step]) -> Swap:
    return Swap(
        part="+".join(step.part for step in joined),
        ours="; ".join(filter(None, (step.ours for step in joined))),
        theirs="; ".join(filter(None, (step.theirs for step in joined))),
        before=before,
        after=after,
        points=100 * (after - before),
        why_together=next((step.fault for step in joined if step.fault), None),
    )


def _causes(runner: Runner, before: Cell, after: Cell) -> dict[str, Any]:
    """Return the causes between two artifacts, on the first images of the split."""
    dataset = plugins.build("datasets", after.spec["dataset"])
    split = dataset.load(after.split, after.task, runner.cache)
    split = limited(split, min(IMAGES, after.spec["images"] or IMAGES))
    files: list[Path] = []
    for cell in (before, after):
        made = runner.outputs(cell, len(split.images))
        if isinstance(made, Failure):
            return {"no_causes": made.message}
        files.append(made)
    found = causes(after, split, (files[0], files[1]))
    return {"causes": found, "images": len(split.images)}
