"""How sure the scores of a run are: intervals, and comparisons of cells on the same images."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench import __version__, plugins
from benchbench.columns import load_arrays, save_arrays, unpack_tally
from benchbench.errors import BenchbenchError, StoreError
from benchbench.files import make_folder, write_atomic
from benchbench.protocols import Resampled
from benchbench.slice_confidence import Slice, compared, slices
from benchbench.stats.comparing import Rule, compare, compare_classes, family
from benchbench.stats.power import Power, Question, power_of_pair
from benchbench.stats.resampling import LEVEL, Draws, Sample, interval, resample
from benchbench.store import Run
from benchbench.types import Record, Result, digest
from benchbench.view import CellView, Comparison, Interval, SliceView

REPLICATES = 1000
SEED = 0
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)
_LAYOUT = 2
"""Of the files that keep draws; raised when it changes, as old ones are then not looked at."""


@dataclass(frozen=True, slots=True)
class Resamples:
    """A cell's metrics on all images and on each draw of them."""

    draws: Draws
    images: tuple[int, ...]
    """Ids: cells are compared only on the same images."""
    metrics: Mapping[str, Sample]
    classes: tuple[str, ...]
    by_class: Mapping[str, Sample]
    """Samples of (K,) values."""


def resamples(run: Run, result: Result) -> Resamples | None:
    """Return the resampled metrics of *result*; None where its metric keeps no tally.

    They are kept below the run's folder, so that they are drawn once.
    """
    ref = result.arrays.get("tally")
    if ref is None:
        return None
    spec = result.cell.spec["metric"]
    parts = [ref.sha256, spec, REPLICATES, SEED, __version__, _LAYOUT]
    path = run.folder / "derived" / f"{digest(parts)}.npz"
    with contextlib.suppress(*_DAMAGED):
        return _unpacked(path.read_bytes())
    made = _drawn(spec, run.array(ref))
    with contextlib.suppress(StoreError):  # only a memory
        make_folder(path.parent)
        write_atomic(path, _packed(made), durable=False)
    return made


def _drawn(spec: Mapping[str, Any], data: bytes) -> Resamples:
    metric = plugins.build("metrics", spec)
    assert isinstance(metric, Resampled)
    tally = unpack_tally(data)
    draws = Draws(images=len(tally.image_ids), replicates=REPLICATES, seed=SEED)
    return Resamples(
        draws,
        tuple(tally.image_ids.tolist()),
        resample(lambda weights: metric.estimates(tally, weights), draws),
        tally.classes,
        resample(lambda weights: metric.class_estimates(tally, weights), draws),
    )


def _packed(made: Resamples) -> bytes:
    """Return *made* in few arrays: to open each of a file's arrays costs more than to read it."""
    samples = [*made.metrics.values(), *made.by_class.values()]
    columns = {
        "images": np.array(made.images, np.int64),
        "classes": np.array(made.classes, np.str_),
        "metrics": np.array(list(made.metrics), np.str_),
        "by_class": np.array(list(made.by_class), np.str_),
        "values": _joined(sample.value for sample in samples),
        "draws": _joined(sample.replicates for sample in samples),
    }
    return save_arrays(columns)


def _joined(arrays: Iterable[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(np.ravel(array) for array in arrays)])


def _unpacked(data: bytes) -> Resamples:
    kept = load_arrays(data)
    images, classes = tuple(kept["images"].tolist()), tuple(kept["classes"].tolist())
    draws = Draws(images=len(images), replicates=REPLICATES, seed=SEED)
    values, drawn = kept["values"], kept["draws"].reshape(-1)
    metrics, by_class = kept["metrics"].tolist(), kept["by_class"].tolist()
    count = len(classes)
    sizes = len(metrics) + len(by_class) * count, len(drawn) / REPLICATES
    if sizes != (len(values), len(values)):
        raise ValueError("there are not as many draws as values")
    found = {name: _sample(values, drawn, at) for at, name in enumerate(metrics)}
    of_classes = {
        name: _sample(values, drawn, len(metrics) + at * count, count)
        for at, name in enumerate(by_class)
    }
    return Resamples(draws, images, found, classes, of_classes)


def _sample(
    values: NDArray[np.float64], drawn: NDArray[np.float64], at: int, count: int | None = None
) -> Sample:
    """Return the sample of the value *at* an index, or of *count* classes from there."""
    if count is None:
        return Sample(values[at], drawn[at * REPLICATES : (at + 1) * REPLICATES])
    part = drawn[at * REPLICATES : (at + count) * REPLICATES]
    return Sample(values[at : at + count], part.reshape(REPLICATES, count))


def with_confidence(
    run: Run, cells: Iterable[CellView], results: Mapping[str, Result]
) -> tuple[CellView, ...]:
    """Return *cells* with intervals and slices, and comparisons with fp32.

    Comparisons are corrected over all of a dataset; those by class or slice over all of a cell.
    """
    cells = tuple(cells)
    scored = [cell for cell in cells if cell.status == "measured" and cell.primary]
    tried = {cell.id: _tried(run, results[cell.id]) for cell in scored}
    found = {name: made for name, made in tried.items() if isinstance(made, Resamples)}
    pairs = _pairs(scored)
    against = _compared(found, pairs)
    updates = {
        cell.id: {"intervals": _intervals(cell, tried[cell.id]), **against.get(cell.id, {})}
        for cell in scored
    }
    for name, parts in _sliced(
        run, scored, results, {cell.id: base for base, cell in pairs}
    ).items():
        updates[name]["slices"] = parts
    return tuple(cell.model_copy(update=updates.get(cell.id, {})) for cell in cells)


def _sliced(
    run: Run,
    scored: Iterable[CellView],
    results: Mapping[str, Result],
    bases: Mapping[str, CellView],
) -> dict[str, tuple[SliceView, ...]]:
    """Return the slices of each cell that has some, compared with those of its fp32 cell."""
    cells = {cell.id: cell for cell in scored}
    found = {name: made for name in cells if (made := _tried_slices(run, results[name]))}
    views = {}
    for name, parts in found.items():
        base, against = bases.get(name), {}
        if base and base.id in found:
            ends = (base.id, found[base.id]), (name, parts)
            against = compared(*ends, str(cells[name].primary), _rule(cells[name]))
        views[name] = tuple(
            part.view.model_copy(update={"comparison": against.get(part.kept.name)})
            for part in parts.values()
        )
    return views


def _tried_slices(run: Run, result: Result) -> dict[str, Slice]:
    """Return the slices; a plug-in's fault costs them, as it costs the intervals, and no report."""
    try:
        return slices(run, result)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001 - told by the intervals of the same cell
        return {}


def _rule(cell: CellView) -> Rule:
    return Rule(higher_is_better=cell.primary not in cell.lower_is_better)


class PowerOf(Record):
    """How many images a cell's comparison with fp32 takes."""

    against: str
    """Label of the fp32 cell."""
    cell: str
    """Label of the other."""
    answer: Power


def powers(
    run: Run, cells: Iterable[CellView], results: Mapping[str, Result], question: Question
) -> list[PowerOf]:
    """Return, of each cell that is compared with fp32, how many images *question* needs."""
    scored = [cell for cell in cells if cell.status == "measured" and cell.primary]
    found = []
    for base, cell in _pairs(scored):
        ours, theirs = (resamples(run, results[one.id]) for one in (base, cell))
        if ours is None or theirs is None or ours.images != theirs.images:
            continue
        name = str(cell.primary)
        pair = ours.metrics[name], theirs.metrics[name]
        answer = power_of_pair(*pair, name, ours.draws, question)
        found.append(PowerOf(against=base.label, cell=cell.label, answer=answer))
    return found


def _tried(run: Run, result: Result) -> Resamples | str | None:
    """Return the resampled metrics, None where there are none, or why they cannot be formed."""
    try:
        return resamples(run, result)
    except StoreError:
        raise
    except BenchbenchError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - a plug-in's fault costs its intervals, no report
        return f"{type(error).__name__}: {str(error)[:200]}"


def _intervals(cell: CellView, made: Resamples | str | None) -> dict[str, Interval]:
    if isinstance(made, Resamples):
        return {name: interval(sample, made.draws) for name, sample in made.metrics.items()}
    if made is None or cell.primary is None:
        return {}
    reason = f"the metric could not be formed over other images: {made}"
    absent = Interval(
        value=cell.metrics.get(cell.primary),
        level=LEVEL,
        images=cell.counts.get("images", 0),
        replicates=REPLICATES,
        seed=SEED,
        reason=reason,
    )
    return {cell.primary: absent}


def _pairs(scored: Iterable[CellView]) -> list[tuple[CellView, CellView]]:
    """Return each cell behind the fp32 cell to compare it with, where there is one."""
    scored = tuple(scored)
    like = defaultdict(list)
    for one in scored:
        if one.precision == "fp32" and not one.admitted:
            like[_subject(one)].append(one)
    return [(base, cell) for cell in scored if (base := _base(cell, like[_subject(cell)]))]


def _subject(cell: CellView) -> tuple[str, ...]:
    return cell.model, cell.dataset, cell.split, cell.task


def _base(cell: CellView, like: Iterable[CellView]) -> CellView | None:
    """Return the one to compare with: of the same runtime if there is one."""
    if cell.precision in ("fp32", "given"):
        return None
    like = tuple(like)
    own = [one for one in like if (one.runtime, one.device) == (cell.runtime, cell.device)]
    return next(iter(own or like), None)


def _compared(
    found: Mapping[str, Resamples], pairs: Iterable[tuple[CellView, CellView]]
) -> dict[str, dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[Comparison]] = {}
    updates: dict[str, dict[str, Any]] = {}
    for base, cell in pairs:
        ours, theirs = found.get(base.id), found.get(cell.id)
        name = str(cell.primary)
        if (
            ours is None
            or theirs is None
            or name not in ours.metrics
            or ours.images != theirs.images
        ):
            continue
        ends = (base.id, ours.metrics[name]), (cell.id, theirs.metrics[name])
        one = compare(*ends, name, ours.draws, rule=_rule(cell))
        groups.setdefault((cell.dataset, cell.split, name), []).append(one)
        updates[cell.id] = {"class_comparisons": _class_comparisons(base, ours, cell, theirs)}
    for group in groups.values():
        for one in family(group):
            updates[one.b]["comparison"] = one
    return updates


def _class_comparisons(
    base: CellView, ours: Resamples, cell: CellView, theirs: Resamples
) -> tuple[Comparison, ...]:
    """Return the comparisons class by class, by the metric's first value of each class."""
    names = [name for name in ours.by_class if name in theirs.by_class]
    if not names or ours.classes != theirs.classes:
        return ()
    name = names[0]
    ends = (base.id, ours.by_class[name]), (cell.id, theirs.by_class[name])
    rule = Rule(higher_is_better=name not in cell.lower_is_better)
    return compare_classes(*ends, name, ours.classes, ours.draws, rule=rule)
