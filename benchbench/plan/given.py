"""A cell of a model that is given by its predictions: nothing is run, so nothing is converted."""

from __future__ import annotations

from benchbench.errors import BenchbenchError
from benchbench.plan.data import dataset
from benchbench.plan.known import Known, placed
from benchbench.plan.matrix import Combination
from benchbench.plan.models import metric
from benchbench.plan.specs import given_spec
from benchbench.plan.versions import first_lacking, needs, together
from benchbench.store import PlannedCell
from benchbench.suite.model import GivenEntry
from benchbench.types import RESULT_SCHEMA, Cell, TaskName, digest


def given_cell(known: Known, at: Combination, model: GivenEntry) -> tuple[PlannedCell, int]:
    """Return the cell of one combination and its number of images, or raise SuiteError."""
    task = _task(known, model)
    _check_undamaged(known, at, model)
    data = dataset(known, at.dataset, task, pixels=False)
    evaluator = metric(known, model, task)
    content = _content(known, model)
    parts = needs(known, model.predictions), needs(known, evaluator)
    versions = together(*parts)
    spec = given_spec(known, model, data, evaluator)
    kept = {k: v for k, v in spec.items() if k not in ("dataset", "measure", "images")}
    identity = [RESULT_SCHEMA, at.names, kept, content, data.contents.digest, versions]
    kind = model.predictions.kind
    cell = Cell(
        id=digest(identity)[:16],
        model=model.name,
        runtime=at.runtime_name,
        precision=at.precision,
        device=at.device,
        batch=at.batch,
        dataset=at.dataset.name,
        split=at.dataset.split,
        task=task,
        spec=spec,
        start=None,
        protocol={
            "predictions": {"kind": kind, **model.predictions.describe()},
            "dataset": data.card(),
            "model": {"kind": kind, **content},
        },
        versions=versions,
    )
    planned = PlannedCell(cell=cell, not_run=first_lacking(*parts))
    return planned, len(data.split.images)


def _task(known: Known, model: GivenEntry) -> TaskName:
    """Return what the predictions are of; raise SuiteError if their format cannot hold it."""
    tasks: tuple[TaskName, ...] = model.predictions.tasks
    task = model.task or tasks[0]
    if task not in tasks:
        told = f"'{model.predictions.kind}' holds no predictions of {task}"
        hint = f"it can hold: {', '.join(tasks)}"
        raise known.model_error(model, told, "task", hint=hint)
    return task


def _check_undamaged(known: Known, at: Combination, model: GivenEntry) -> None:
    if at.dataset.corrupt:
        raise known.model_error(
            model,
            f"the model '{model.name}' is given by its predictions: no image of"
            f" '{at.dataset.name}' can be corrupted for it",
            hint="say under 'datasets' of the model on which its predictions were made",
        )


def _content(known: Known, model: GivenEntry) -> dict[str, str]:
    """Return the predictions by content; raise SuiteError where they cannot be read."""
    try:
        return dict(model.predictions.fingerprint())
    except BenchbenchError as error:
        raise known.model_error(model, placed(error), "predictions", hint=error.hint) from None
