"""Changes of accuracy: both cells on the same draws of the same images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchbench.baselines import Baseline
from benchbench.compare_view import Delta
from benchbench.comparing.ends import Two, points
from benchbench.comparing.sides import Source
from benchbench.confidence import Resamples
from benchbench.stats.resampling import Draws, Sample, difference
from benchbench.view import CellView


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A figure on each draw, with all that has to be alike for a difference draw by draw."""

    sample: Sample
    draws: Draws
    images: tuple[int, ...]
    rule: str = ""
    """How a slice is defined."""


def scored(two: Two, base: Delta, level: float) -> Delta:
    """Return the difference b - a with its interval, by the paired bootstrap over images."""
    base = base.model_copy(update={"design": "images"})
    ours = _drawn(two.a, two.a_cell, base)
    theirs = _drawn(two.b, two.b_cell, base)
    for found, side in ((ours, two.a), (theirs, two.b)):
        if isinstance(found, str):
            return points(base, reason=f"{side.side.text}: {found}")
    assert isinstance(ours, _Drawn)
    assert isinstance(theirs, _Drawn)
    if (ours.draws, ours.images, ours.rule) != (theirs.draws, theirs.images, theirs.rule):
        return base.model_copy(update={"reason": "the two were not drawn of the same images"})
    if base.subject and None in (two.a.run, two.b.run):
        ours, theirs = _rounded(ours), _rounded(theirs)
    return _told(base, ours, theirs, level)


def _rounded(found: _Drawn) -> _Drawn:
    """Return it in the precision that baselines keep draws by class in."""
    sample = found.sample
    draws = sample.replicates.astype(np.float32).astype(np.float64)
    return replace(found, sample=Sample(sample.value, draws))


def _told(base: Delta, ours: _Drawn, theirs: _Drawn, level: float) -> Delta:
    found = difference(ours.sample, theirs.sample, ours.draws, level=level)
    same = found.se is None and found.p == 1.0
    return base.model_copy(
        update={
            "change": found.value,
            "low": 0.0 if same else found.low,
            "high": 0.0 if same else found.high,
            "level": level,
            "se": found.se,
            "p": found.p,
            "basis": f"{found.replicates} draws of {found.images} images",
            "reason": "alike on every draw of the images" if same else found.reason,
        }
    )


def _drawn(source: Source, cell: CellView, base: Delta) -> _Drawn | str:
    """Return the figure on each draw, or why it is not known."""
    kind, _, of = (base.subject or "").partition("=")
    if kind == "slice":
        return _of_slice(source, cell, base.quantity, of)
    found = source.resamples(cell.id)
    if found is None:
        return "nothing was kept to be drawn again"
    sample = found.metrics.get(base.quantity) if not kind else _of_class(found, base.quantity, of)
    if sample is None:
        kept = "a baseline keeps the draws of the primary metric only, unless asked for all"
        return kept if source.run is None else "this figure cannot be formed over other images"
    return _Drawn(sample, found.draws, found.images)


def _of_class(found: Resamples, metric: str, name: str) -> Sample | None:
    by_class = found.by_class.get(metric)
    if by_class is None or name not in found.classes:
        return None
    return by_class.column(found.classes.index(name))


def _of_slice(source: Source, cell: CellView, metric: str, name: str) -> _Drawn | str:
    part = source.slices(cell.id).get(name)
    if part is None and source.baseline is not None:
        return _left_out(source.baseline)
    if part is None or part.sample is None or part.draws is None or metric != cell.primary:
        return "the slice has no value that can be formed over other images"
    return _Drawn(part.sample, part.draws, part.images, part.kept.definition)


def _left_out(baseline: Baseline) -> str:
    """Return why a baseline has no draws of a slice."""
    large = next((told for told in baseline.left_out if "by slice" in told), None)
    if large:
        return f"the baseline leaves out {large}"
    return "the baseline keeps no draws of this slice; one that is saved anew may"
