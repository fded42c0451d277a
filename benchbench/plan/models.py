"""What a model offers, the way from there to what a runtime takes, and what scores it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, get_args

from benchbench import plugins
from benchbench.chains import Route, find_route
from benchbench.errors import BenchbenchError
from benchbench.plan.known import Known, placed
from benchbench.plan.matrix import Combination
from benchbench.suite.model import GivenEntry, ModelEntry
from benchbench.types import Precision, TaskName, Variant

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True, slots=True)
class Source:
    """A model as its source has it."""

    variants: tuple[Variant, ...]
    fingerprint: dict[str, str]
    """Its content, by digests."""


def source(known: Known, model: ModelEntry) -> Source:
    """Return what the model's source offers; raise SuiteError where it cannot be read."""
    return known.once(("source", model.name), lambda: _source(known, model))


def _source(known: Known, model: ModelEntry) -> Source:
    try:
        return Source(tuple(model.source.variants()), dict(model.source.fingerprint()))
    except BenchbenchError as error:
        raise known.model_error(model, placed(error), "source", hint=error.hint) from None


def precisions(runtime: Any, device: str) -> list[Precision]:
    """Return the precisions that *runtime* runs on *device* with its options."""
    found = []
    for precision in PRECISIONS:
        with contextlib.suppress(BenchbenchError):
            found += [precision] if runtime.accepts(precision, device) else []
    return found


def route(known: Known, at: Combination, offered: tuple[Variant, ...]) -> Route:
    """Return the way from what the model's source offers to what the runtime takes.

    Raises SuiteError if the runtime has no such device or precision, and if there is no way.
    """
    wanted = _wanted(known, at)
    conversions = known.once("conversions", lambda: _conversions(known))
    key = ("route", offered, wanted)
    found = known.once(key, lambda: find_route(offered, wanted, conversions))
    if found is None:
        label = at.runtime_name
        raise known.loaded.error(
            f"no way from {at.model.name} ({', '.join(map(str, offered))}) to what "
            f"'{label}' takes at {at.precision} ({', '.join(map(str, wanted))})",
            at.trail,
            f"exclude it: {{model: {at.model.name}, runtime: {label}, precision: {at.precision}}}",
        )
    return found


def _wanted(known: Known, at: Combination) -> tuple[Variant, ...]:
    """Return what the runtime takes at the precision and on the device that are asked for."""
    runtime, label = at.runtime, at.runtime_name
    patterns = runtime.known_devices()
    if not any(fnmatchcase(at.device, pattern) for pattern in patterns):
        raise known.loaded.error(
            f"the runtime '{label}' does not know the device '{at.device}'",
            at.trail,
            f"it knows: {', '.join(patterns)}",
        )
    trail = (*at.trail, "precisions")
    try:
        wanted = tuple(runtime.accepts(at.precision, at.device))
    except BenchbenchError as error:
        raise known.loaded.error(error.message, trail, error.hint) from None
    if not wanted:
        raise known.loaded.error(
            f"the runtime '{label}' has no {at.precision} on {at.device}",
            trail,
            f"it has: {', '.join(precisions(runtime, at.device))}",
        )
    return wanted


def _conversions(known: Known) -> tuple[Any, ...]:
    """Return every conversion: those that the suite gives options to, the others as they are."""
    given = {conversion.kind: conversion for conversion in known.loaded.suite.conversions}
    return tuple(
        given.get(name) or plugins.build("conversions", {"kind": name})
        for name in plugins.names("conversions")
    )


def metric(known: Known, model: ModelEntry | GivenEntry, task: TaskName) -> Any:
    """Return the model's metric, or the built-in one of its task.

    Raises SuiteError if it scores another task, or nothing scores this one.
    """
    if model.metric is None:
        usual = known.once(("metric", task), lambda: _usual_metric(task))
        if usual is None:
            raise known.model_error(model, f"no metric for the task '{task}' is installed")
        return usual
    if model.metric.task != task:
        raise known.model_error(
            model,
            f"the metric '{model.metric.kind}' scores {model.metric.task}, but {_gives(model)} "
            f"{task}",
            "metric",
            hint="leave 'metric' out to take the task's own",
        )
    return model.metric


def _gives(model: ModelEntry | GivenEntry) -> str:
    if isinstance(model, GivenEntry):
        return f"the predictions '{model.predictions.kind}' are of"
    return f"the decoder '{model.decoder.kind}' gives"


def _usual_metric(task: TaskName) -> Any | None:
    found = [
        name
        for name in plugins.names("metrics")
        if getattr(plugins.load("metrics", name), "task", None) == task
    ]
    own = [name for name in found if plugins.is_builtin("metrics", name)] or found
    # Of several evaluators of a task one says that it is the usual one.
    own.sort(key=lambda name: not getattr(plugins.load("metrics", name), "usual", False))
    return plugins.build("metrics", {"kind": own[0]}) if own else None
