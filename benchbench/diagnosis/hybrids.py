"""Cells between two cells: each takes one more part from the second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchbench import plugins
from benchbench.errors import BenchbenchError
from benchbench.types import Cell, digest

Update = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the way from an image to a score, and what the two cells have there."""

    name: str
    ours: str
    theirs: str
    swap: Callable[[Cell], Cell]
    """Return a cell with the second cell's part in place of its own."""


def parts(a: Cell, b: Cell) -> Iterator[Part]:
    """Yield the parts in which *a* and *b* differ, in the order of the data."""
    if a.spec["input"] != b.spec["input"]:
        changed = _differing(a.spec["input"], b.spec["input"])
        yield Part("preprocessing", *changed, lambda cell: _spec(cell, input=b.spec["input"]))
    yield from _artifact(a, b)
    yield from _decoder(a, b)
    if a.spec["metric"] != b.spec["metric"]:
        changed = _differing(a.spec["metric"], b.spec["metric"])
        yield Part("evaluator", *changed, lambda cell: _spec(cell, metric=b.spec["metric"]))


def _artifact(a: Cell, b: Cell) -> Iterator[Part]:
    """Yield ``runtime``, if it can be swapped alone, then ``model`` or ``artifact``."""
    alone = _runtime_alone(a, b)
    if alone:
        yield Part("runtime", _runtime(a), _runtime(b), lambda cell: _run_by(cell, b, a))
    ours, theirs = _file(a), _file(b)
    if ours != theirs or a.spec["source"] != b.spec["source"]:
        name = "artifact" if a.spec["source"] == b.spec["source"] else "model"
        yield Part(name, *_told(a, b, runtime=not alone), lambda cell: _taken(cell, b))
    elif _runtime(a) != _runtime(b) and not alone:
        yield Part("runtime", _runtime(a), _runtime(b), lambda cell: _taken(cell, b))


def _told(a: Cell, b: Cell, *, runtime: bool) -> tuple[str, str]:
    if runtime and a.spec["runtime"] != b.spec["runtime"]:
        return f"{_file(a)} in {_runtime(a)}", f"{_file(b)} in {_runtime(b)}"
    return _file(a), _file(b)


def _runtime_alone(a: Cell, b: Cell) -> bool:
    """Return whether *b*'s runtime can run *a*'s artifact, and that is a step of its own."""
    if a.spec["runtime"] == b.spec["runtime"] or _file(a) == _file(b):
        return False
    runtime = plugins.build("runtimes", b.spec["runtime"])
    end = a.chain[-1].target if a.chain else a.start
    assert end is not None
    try:
        return end in runtime.accepts(a.precision, b.device)
    except BenchbenchError:
        return False


def _decoder(a: Cell, b: Cell) -> Iterator[Part]:
    ours, theirs = a.spec["decoder"], b.spec["decoder"]
    kept = {k: v for k, v in ours.items() if _suppresses(k) and k in theirs}
    between = theirs | kept
    if between != ours or a.spec["classes"] != b.spec["classes"]:
        changed = _differing(ours, between)
        yield Part(
            "decoder",
            *changed,
            lambda cell: _spec(cell, decoder=between, classes=b.spec["classes"]),
        )
    if between != theirs:
        changed = _differing(between, theirs)
        yield Part("NMS", *changed, lambda cell: _spec(cell, decoder=theirs))


def _suppresses(option: str) -> bool:
    return option.startswith("nms")


def _differing(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[str, str]:
    """Return the options in which two records differ, as text."""
    keys = [k for k in {**ours, **theirs} if ours.get(k) != theirs.get(k)]
    return _options(ours, keys), _options(theirs, keys)


def _options(record: dict[str, Any], keys: list[str]) -> str:
    return ", ".join(f"{key}={record[key]}" for key in keys if key in record)


def _spec(cell: Cell, **changes: Any) -> Cell:
    return _named(cell.model_copy(update={"spec": {**cell.spec, **changes}}))


def _run_by(cell: Cell, b: Cell, a: Cell) -> Cell:
    """Return *cell* run by *b*'s runtime, at *a*'s precision."""
    spec = {**cell.spec, "runtime": b.spec["runtime"], "threads": b.spec["threads"]}
    update: Update = {"spec": spec, "runtime": b.runtime, "device": b.device}
    return _named(cell.model_copy(update=update | {"precision": a.precision}))


def _taken(cell: Cell, b: Cell) -> Cell:
    """Return *cell* with all of *b*'s artifact and runtime."""
    names = ("source", "runtime", "threads", "admit", "affinity", "calibration")
    spec = {**cell.spec, **{name: b.spec[name] for name in names}}
    fields = ("model", "runtime", "precision", "device", "batch", "start", "chain", "versions")
    update: Update = {name: getattr(b, name) for name in fields}
    return _named(cell.model_copy(update={**update, "spec": spec}))


def for_accuracy(cell: Cell) -> Cell:
    """Return *cell* without what a diagnosis does not need: latency and parity."""
    measure = {**cell.spec["measure"], "accuracy": True, "latency": None, "parity": False}
    update: Update = {"spec": {**cell.spec, "measure": measure}, "reference": None}
    return _named(cell.model_copy(update=update))


def _named(cell: Cell) -> Cell:
    """Return *cell* with an id of what it consists of now."""
    content = [
        cell.spec,
        [step.key for step in cell.chain],
        str(cell.start),
        cell.precision,
        cell.device,
        cell.batch,
        cell.versions,
    ]
    return cell.model_copy(update={"id": digest(content)[:16]})


def _file(cell: Cell) -> str:
    """Return what the runtime gets and how it was made."""
    if not cell.chain:
        return str(cell.start)
    steps = ", ".join(str(step.conversion["kind"]) for step in cell.chain)
    return f"{cell.chain[-1].target} ({steps})"


def _runtime(cell: Cell) -> str:
    return f"{cell.runtime} {cell.precision}" + ("" if cell.device == "cpu" else f" {cell.device}")
