"""Derive a bundle's figures again from its raw samples, and set them against those it states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose, isfinite
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from benchbench import __version__
from benchbench.assemble import run_view
from benchbench.bundles.archive import shown
from benchbench.bundles.collecting import read_json
from benchbench.bundles.format import BundleManifest
from benchbench.bundles.outcome import Derived
from benchbench.columns import unpack_tally
from benchbench.confidence import resamples
from benchbench.errors import BenchbenchError, StoreError
from benchbench.measure import environment
from benchbench.scoring import Scorer
from benchbench.store import Run
from benchbench.suite.load import LoadedSuite
from benchbench.types import Result, Scores

TOLERANCE = 1e-9
"""Relative: what is deterministic is equal but for the order in which a library adds."""
_DERIVED = frozenset(
    "intervals comparison class_comparisons slices latency speedup processes changes cold"
    " multi_stream server offline cameras soak energy costs definitions loadgen".split()
)
"""Keys of a cell whose numbers are derived on reading, of raw samples and tallies."""
_ODD = (ArithmeticError, LookupError, TypeError, ValueError, EOFError, BadZipFile, MemoryError)
"""What arrays of other names, shapes or kinds than benchbench's make of the statistics."""
_SCORES = ("metrics", "per_class")
_MOST = 200
Leaf = tuple[tuple[str, ...], Any]


@dataclass(slots=True)
class _Scored:
    """What came of computing accuracy again."""

    again: set[str] = field(default_factory=set)
    tallied: set[str] = field(default_factory=set)
    differing: list[str] = field(default_factory=list)
    reasons: dict[str, None] = field(default_factory=dict)


def rederive(
    run: Run, stated: bytes, manifest: BundleManifest, loaded: LoadedSuite | None, cache: Path
) -> Derived:
    """Return whether the figures *stated* (``view.json``) follow from what *run* stores.

    Accuracy is scored again from the stored predictions where the dataset is at hand and is the
    one that was evaluated on; *loaded* is the run's suite with the datasets' places. Raises
    :class:`~benchbench.errors.StoreError` for what cannot be read.
    """
    try:
        view = run_view(run)
        scored = _scored(run, loaded, cache)
    except _ODD as error:
        raise StoreError(
            f"the run's arrays are not what benchbench stores: {shown(repr(error))}",
            hint="the bundle is whole as it was packed, but no run of benchbench gave it",
        ) from error
    document = view.document()
    labels = {cell.id: cell.label for cell in view.cells}
    strict = manifest.benchbench == __version__
    apart = _unequal(read_json(stated, "view.json"), document, labels, strict=strict)
    derived, recorded = _counts(document, scored)
    return Derived(
        figures=derived,
        recorded=recorded,
        differing=(*scored.differing, *apart)[:_MOST],
        scored=len(scored.again),
        tallied=len(scored.tallied - scored.again),
        unscored=tuple(scored.reasons),
        versions=_versions(view.environment),
    )


# --- the stated figures ------------------------------------------------------------------


def leaves(value: Any) -> Iterator[Leaf]:
    """Yield every number, text and truth value below *value* with its keys."""
    stack: list[Leaf] = [((), value)]
    while stack:
        keys, one = stack.pop()
        if isinstance(one, Mapping):
            stack += [((*keys, str(name)), item) for name, item in one.items()]
        elif isinstance(one, list):
            stack += [((*keys, str(index)), item) for index, item in enumerate(one)]
        else:
            yield keys, one


def _unequal(
    stated: Any, derived: Mapping[str, Any], labels: Mapping[str, str], *, strict: bool
) -> Iterator[str]:
    """Yield each figure that is stated and does not follow.

    Unless *strict*, what another version of benchbench did not state yet is let pass.
    """
    ours, theirs = _by_cell(stated, labels), _by_cell(derived, labels)
    for keys in sorted(ours.keys() | theirs.keys()):
        if keys not in ours:
            if strict and theirs[keys] is not None:
                yield f"{_named(keys)}: not stated, {_told(theirs[keys])} derived"
        elif keys not in theirs:
            if ours[keys] is not None:
                yield f"{_named(keys)}: {_told(ours[keys])} stated, nothing derived"
        elif not same(ours[keys], theirs[keys]):
            yield f"{_named(keys)}: {_told(ours[keys])} stated, {_told(theirs[keys])} derived"


def _by_cell(document: Any, labels: Mapping[str, str]) -> dict[tuple[str, ...], Any]:
    """Return the leaves by keys, cells by label in place of their position."""
    if not isinstance(document, Mapping):
        return {}
    cells = document.get("cells")
    listed = cells if isinstance(cells, list) else []
    named: dict[str, Any] = {}
    for index, cell in enumerate(listed):
        name = cell.get("id") if isinstance(cell, Mapping) else None
        label = labels.get(str(name), f"cell {index}")
        named[label if label not in named else f"{label} ({name})"] = cell
    return dict(leaves({**document, "cells": named}))


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal, numbers within the tolerance."""
    if isinstance(a, bool) or isinstance(b, bool) or not _numbers(a, b):
        return type(a) is type(b) and bool(a == b)
    try:
        x, y = float(a), float(b)
    except OverflowError:
        return bool(a == b)
    return isclose(x, y, rel_tol=TOLERANCE, abs_tol=0.0) if isfinite(x) and isfinite(y) else x == y


def _numbers(a: Any, b: Any) -> bool:
    return isinstance(a, int | float) and isinstance(b, int | float)


def _named(keys: tuple[str, ...]) -> str:
    return shown(" · ".join(keys[1:2]) + ": " + ".".join(keys[2:]) if keys[0] == "cells"
                 else ".".join(keys))  # fmt: skip


def _told(value: Any) -> str:
    return shown(repr(value))


def _counts(document: Mapping[str, Any], scored: _Scored) -> tuple[int, int]:
    """Return how many numbers are derived of raw samples, and how many are mere records."""
    derived = recorded = 0
    for cell in document["cells"]:
        known = _DERIVED | (set(_SCORES) if cell["id"] in scored.again else set())
        for keys, value in leaves(cell):
            if isinstance(value, int | float) and not isinstance(value, bool):
                derived, recorded = _add(derived, recorded, to_derived=keys[0] in known)
    for _, value in leaves(document["turns"]):
        derived += isinstance(value, int | float) and not isinstance(value, bool)
    return derived, recorded


def _add(derived: int, recorded: int, *, to_derived: bool) -> tuple[int, int]:
    return (derived + 1, recorded) if to_derived else (derived, recorded + 1)


# --- accuracy ----------------------------------------------------------------------------


def _scored(run: Run, loaded: LoadedSuite | None, cache: Path) -> _Scored:
    """Compute accuracy again: from predictions where the data are here, else from tallies."""
    found = _Scored()
    scorer = Scorer(run, loaded.datasets, cache, loaded.slices) if loaded else None
    for result in run.results():
        if result.scores is None:
            continue
        _from_tally(run, result, found)
        if scorer is None:
            found.reasons["the run's suite cannot be loaded here"] = None
        elif "predictions" not in result.arrays:
            found.reasons["no predictions are stored"] = None
        else:
            _from_predictions(run, result, scorer, found)
    return found


def _from_predictions(run: Run, result: Result, scorer: Scorer, found: _Scored) -> None:
    try:
        again = scorer.again(result)
    except (BenchbenchError, KeyError) as error:
        found.reasons[error.message if isinstance(error, BenchbenchError) else repr(error)] = None
        return
    found.again.add(result.cell.id)
    assert result.scores is not None
    assert again.scores is not None
    label = result.cell.label
    found.differing += [f"{label}: {told}" for told in _scores_apart(result.scores, again.scores)]
    if {"tally"} <= result.arrays.keys() & again.arrays.keys() and not _same_tally(
        run, result, again
    ):
        found.differing.append(f"{label}: the stored tally does not follow from the predictions")


def _scores_apart(stored: Scores, again: Scores) -> Iterator[str]:
    for part in _SCORES:
        ours = dict(leaves(getattr(stored, part)))
        theirs = dict(leaves(getattr(again, part)))
        for keys in sorted(ours.keys() | theirs.keys()):
            if not same(ours.get(keys), theirs.get(keys)):
                name = shown(".".join((part, *keys)))
                yield f"{name}: {_told(ours.get(keys))} stored, {_told(theirs.get(keys))} scored"


def _same_tally(run: Run, result: Result, again: Result) -> bool:
    ours, theirs = (unpack_tally(run.array(one.arrays["tally"])) for one in (result, again))
    return (
        ours.classes == theirs.classes
        and np.array_equal(ours.image_ids, theirs.image_ids)
        and ours.arrays.keys() == theirs.arrays.keys()
        and all(_alike(ours.arrays[name], theirs.arrays[name]) for name in ours.arrays)
    )


def _alike(a: Any, b: Any) -> bool:
    if a.dtype.kind != "f":
        return np.array_equal(a, b)
    return a.shape == b.shape and np.allclose(a, b, rtol=TOLERANCE, atol=0, equal_nan=True)


def _from_tally(run: Run, result: Result, found: _Scored) -> None:
    """Set the stored metrics against what the tally gives on all images."""
    try:
        drawn = resamples(run, result)
    except BenchbenchError as error:
        found.reasons[error.message] = None
        return
    assert result.scores is not None
    if drawn is None:
        return
    found.tallied.add(result.cell.id)
    for name, sample in drawn.metrics.items():
        value = float(np.asarray(sample.value))
        stated = result.scores.metrics.get(name)
        if stated is not None and not same(stated, value):
            found.differing.append(
                f"{result.cell.label}: metrics.{shown(name)}: {stated!r} stored,"
                f" {value!r} by the tally"
            )


def _versions(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages that are of another version here than where it was measured."""
    here = environment.collect(Path.cwd())
    ours = {**facts.get("packages", {}), "benchbench": facts.get("benchbench")}
    theirs = {**here["packages"], "benchbench": here["benchbench"]}
    return tuple(
        f"{name} {ours[name]} there, {theirs.get(name) or 'none'} here"
        for name in sorted(ours)
        if ours[name] != theirs.get(name)
    )
