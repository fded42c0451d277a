"""What a worker is told of a cell: every option as validated."""

from __future__ import annotations

from typing import Any

from benchbench.classes import class_map
from benchbench.errors import BenchbenchError
from benchbench.plan.data import Data
from benchbench.plan.known import Known, placed
from benchbench.plan.machine import affinity, threads
from benchbench.plan.parts import Parts
from benchbench.suite.model import GivenEntry, ModelEntry

MEASURED = ("accuracy", "latency", "parity")
"""What is measured first of a cell, and a part of what it is."""
LABELLING = ("semantic-segmentation", "classification")
"""Tasks whose classes cannot be merged: each pixel or image has one label of the model's."""


def cell_spec(known: Known, parts: Parts) -> dict[str, Any]:
    """Return the options of a cell whose model is run; raise SuiteError for wrong ones."""
    at, model, data = parts.at, parts.model, parts.data
    classes = _classes(known, model, data)
    return {
        "source": known.options("sources", model.source),
        "input": known.dumped(model.input),
        "decoder": known.options("decoders", model.decoder),
        "metric": known.options("metrics", parts.metric),
        "classes": classes,
        "runtime": known.options("runtimes", at.runtime),
        "threads": threads(known, at),
        "affinity": affinity(known),
        "admit": {k: list(v) for k, v in at.runtime.admit.items()},
        **_evaluated(known, data),
        "calibration": _calibration(known, data) if parts.calibrated else None,
        "measure": _measure(known, data),
    }


def given_spec(known: Known, model: GivenEntry, data: Data, metric: Any) -> dict[str, Any]:
    """Return the options of a cell whose predictions are given; raise SuiteError for wrong ones."""
    return {
        "predictions": known.options("predictions", model.predictions),
        "metric": known.options("metrics", metric),
        "classes": _classes(known, model, data),
        **_evaluated(known, data),
        "threads": 1,
        "affinity": [],
        "measure": {**_first_pass(known), "accuracy": True, "latency": None, "parity": False},
    }


def _measure(known: Known, data: Data) -> dict[str, Any]:
    """Return what is measured: of a dataset that ``corruptions`` made, accuracy alone."""
    found = _first_pass(known)
    if data.entry.name in known.loaded.bases:
        return {**found, "latency": None, "parity": False}
    return found


def _first_pass(known: Known) -> dict[str, Any]:
    """Return how a cell is measured, without what is taken of it later."""
    whole = known.dumped(known.loaded.suite.measure)
    return {name: whole[name] for name in (*MEASURED, "timeout_s", "memory_limit_mb")}


def _evaluated(known: Known, data: Data) -> dict[str, Any]:
    corrupt = data.entry.corrupt
    return {
        "dataset": known.options("datasets", data.plugin),
        "dataset_name": data.entry.name,
        "dataset_digest": data.contents.digest,
        "split": data.entry.split,
        "images": data.entry.images,
        **({"corrupt": known.dumped(corrupt)} if corrupt else {}),
    }


def _calibration(known: Known, data: Data) -> dict[str, Any]:
    settings = known.loaded.suite.calibration
    return {
        "split": data.entry.calibration,
        "images": settings.images,
        "seed": settings.seed,
    }


def _classes(known: Known, model: ModelEntry | GivenEntry, data: Data) -> dict[str, Any]:
    try:
        found = class_map(
            data.split.categories,
            model.classes,
            model.background,
            data.label_map,
            merging=data.task not in LABELLING,
        )
    except BenchbenchError as error:
        raise known.model_error(model, placed(error), "classes", hint=error.hint) from None
    return {
        "names": list(found.names),
        "category_ids": list(found.category_ids),
        "background": found.background,
    }
