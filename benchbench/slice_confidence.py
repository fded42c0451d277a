"""How sure the primary metric is on each slice, and against fp32 on the same slice."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchbench import __version__, plugins
from benchbench.columns import save_arrays, unpack_tally
from benchbench.errors import StoreError
from benchbench.files import make_folder, write_atomic
from benchbench.protocols import Resampled
from benchbench.sliced import Sliced, unpack_sliced
from benchbench.stats.comparing import Rule, compare, family
from benchbench.stats.resampling import LEVEL, Draws, Sample, interval, resample
from benchbench.store import Run
from benchbench.types import Result, Tally, digest
from benchbench.view import Comparison, Interval, SliceView

REPLICATES = 400
"""Fewer than for whole datasets, as there may be many slices: the standard error is then known to
3.5 % (1 / √(2 R))."""
SEED = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of one cell, with the primary metric on each draw; without sample where empty."""

    kept: Sliced
    draws: Draws | None
    sample: Sample | None
    images: tuple[int, ...]
    """Ids of the images that are drawn from: cells are compared only on the same ones."""

    @property
    def view(self) -> SliceView:
        """Return it as reports see it, not yet compared."""
        one = self.kept
        return SliceView(
            name=one.name,
            group=one.group,
            definition=one.definition,
            of="objects" if one.chosen is None else "images",
            images=one.images,
            objects=one.objects,
            interval=self._interval(),
        )

    def _interval(self) -> Interval:
        if self.sample is not None and self.draws is not None:
            return interval(self.sample, self.draws)
        return Interval(
            value=None,
            level=LEVEL,
            images=self.kept.images,
            replicates=REPLICATES,
            seed=SEED,
            reason=self.kept.reason or "the metric has no such value",
        )


def slices(run: Run, result: Result) -> dict[str, Slice]:
    """Return the slices of *result* by name; what is drawn is kept below the run's folder."""
    refs = result.arrays.get("slices"), result.arrays.get("tally")
    if refs[0] is None or refs[1] is None or result.scores is None:
        return {}
    kept = unpack_sliced(run.array(refs[0]))
    spec, primary = result.cell.spec["metric"], result.scores.primary
    parts = [refs[0].sha256, refs[1].sha256, spec, primary, REPLICATES, SEED, __version__]
    path = run.folder / "derived" / f"{digest(parts)}.npz"
    tally = unpack_tally(run.array(refs[1]))
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return _unpacked(path.read_bytes(), kept, tally)
    metric = plugins.build("metrics", spec)
    assert isinstance(metric, Resampled)
    made = {one.name: _drawn(one, tally, metric, primary) for one in kept}
    with contextlib.suppress(StoreError):  # only a memory
        make_folder(path.parent)
        write_atomic(path, _packed(made))
    return made


def compared(
    base: tuple[str, Mapping[str, Slice]],
    cell: tuple[str, Mapping[str, Slice]],
    metric: str,
    rule: Rule,
) -> dict[str, Comparison]:
    """Return the comparison of two cells (id and slices) by slice, corrected over all slices."""
    found = []
    for name, theirs in cell[1].items():
        ours = base[1].get(name)
        if ours is None or not _comparable(ours, theirs):
            continue
        assert ours.sample is not None
        assert theirs.sample is not None
        assert theirs.draws is not None
        ends = (base[0], ours.sample), (cell[0], theirs.sample)
        found.append(compare(*ends, metric, theirs.draws, rule=rule, subject=name))
    return {str(one.subject): one for one in family(found)}


def _comparable(ours: Slice, theirs: Slice) -> bool:
    same = ours.kept.definition == theirs.kept.definition and ours.images == theirs.images
    return same and ours.sample is not None and theirs.sample is not None


def _drawn(one: Sliced, tally: Tally, metric: Resampled, primary: str) -> Slice:
    used = one.tally or tally
    ids, draws = _population(one, used)
    if draws is None:
        return Slice(one, None, None, ids)

    def estimate(weights: Any) -> dict[str, Any]:
        if one.chosen is not None:
            wide = np.zeros((len(weights), len(used.image_ids)), np.int64)
            wide[:, one.chosen] = weights
            weights = wide
        found = metric.estimates(used, weights)
        return {primary: found[primary]} if primary in found else {}

    sample = resample(estimate, draws).get(primary)
    return Slice(one, draws, sample, ids)


def _population(one: Sliced, tally: Tally) -> tuple[tuple[int, ...], Draws | None]:
    """Return the ids of the images that are drawn from, and the draws; None for no image."""
    if one.chosen is None and one.tally is None:
        return (), None
    ids = tally.image_ids if one.chosen is None else tally.image_ids[one.chosen]
    draws = Draws(images=len(ids), replicates=REPLICATES, seed=SEED) if len(ids) else None
    return tuple(ids.tolist()), draws


def _packed(made: Mapping[str, Slice]) -> bytes:
    columns = {}
    for number, one in enumerate(made.values()):
        if one.sample is not None:
            columns[f"value.{number}"] = np.asarray(one.sample.value)
            columns[f"draws.{number}"] = one.sample.replicates
    return save_arrays(columns)


def _unpacked(data: bytes, kept: list[Sliced], tally: Tally) -> dict[str, Slice]:
    found = {}
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        for number, one in enumerate(kept):
            ids, draws = _population(one, one.tally or tally)
            known = f"value.{number}" in file.files
            sample = Sample(file[f"value.{number}"], file[f"draws.{number}"]) if known else None
            found[one.name] = Slice(one, draws, sample, ids)
    return found
