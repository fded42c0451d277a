"""Score predictions that another tool made; nothing is run."""

from __future__ import annotations

from typing import Any

from benchbench import plugins
from benchbench.columns import pack_predictions
from benchbench.types import Job
from benchbench.worker.inputs import class_map, evaluation_split


def score_given(job: Job, reporter: Any) -> dict[str, Any]:
    """Return what is measured of predictions, and how many images they are of; keeps their array.

    Raises :class:`~benchbench.errors.PredictionError` for a file that cannot be scored.
    """
    cell = job.cell
    split = evaluation_split(cell, job.cache)
    reporter.enter("predictions")
    source = plugins.build("predictions", cell.spec["predictions"])
    predictions = source.read(split, class_map(cell), cell.task)
    (job.folder / "predictions.npz").write_bytes(pack_predictions(predictions, cell.task))
    reporter.enter("score")
    metric = plugins.build("metrics", cell.spec["metric"])
    scores = metric.score(split, predictions, class_map(cell))
    return {"status": "measured", "scores": scores, "images": len(split.images)}
