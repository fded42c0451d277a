"""How far a figure would move with other images of the same kind: the bootstrap over images.

Images are drawn with replacement, as many as there are; a metric is formed anew on each draw. The
standard deviation over the draws estimates the standard error (Efron & Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 6). Cells that share images, replicates and seed share the draws, so
that their difference can be formed draw by draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.types import Record
from benchbench.view import Interval, Method

LEVEL = 0.95
MOST_UNDEFINED = 0.01
"""Largest share of draws on which a value may be undefined; an interval is withheld above it.

A class that *m* images have is missing from a share of e^-m of the draws: 1 % asks for 5 images.
"""
BLOCK = 256
"""Draws formed at once, which bounds the memory."""
KEPT = 10_000_000
"""Draws of so many multiplicities (80 MB) are kept for the next cell on the same images."""

Values = NDArray[np.float64]
Estimate = Callable[[NDArray[np.int64]], Mapping[str, Values]]


class Draws(Record):
    """Which images are drawn how often; equal draws for equal fields, on every machine."""

    images: int = Field(ge=1)
    replicates: int = Field(default=1000, ge=2)
    seed: int = Field(default=0, ge=0)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.int64]]:
        """Yield (B, N) multiplicities, at most *size* draws at once; each row sums to N.

        The arrays may be shared, and are not written to.
        """
        if self.images * self.replicates <= KEPT:
            yield from _kept_blocks(self.images, self.replicates, self.seed, size)
        else:
            yield from self._blocks(size)

    def _blocks(self, size: int) -> Iterator[NDArray[np.int64]]:
        random = np.random.Generator(np.random.PCG64(self.seed))
        for first in range(0, self.replicates, size):
            rows = min(size, self.replicates - first)
            block = np.stack([self._draw(random) for _ in range(rows)])
            block.flags.writeable = False
            yield block

    def weights(self) -> NDArray[np.int64]:
        """Return (R, N): all draws at once."""
        return np.concatenate(list(self.blocks()))

    def _draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        chosen = random.integers(self.images, size=self.images)
        return np.bincount(chosen, minlength=self.images).astype(np.int64)


@lru_cache(maxsize=2)
def _kept_blocks(
    images: int, replicates: int, seed: int, size: int
) -> tuple[NDArray[np.int64], ...]:
    """Return the draws that the cells of a run share."""
    return tuple(Draws(images=images, replicates=replicates, seed=seed)._blocks(size))  # noqa: SLF001 - its own memory


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric on all images and on each draw; NaN where it is undefined."""

    value: Values
    """() or (K,)."""
    replicates: Values
    """(R,) or (R, K)."""

    def column(self, k: int) -> Sample:
        """Return one class's sample."""
        return Sample(self.value[k], self.replicates[:, k])


def resample(estimate: Estimate, draws: Draws) -> dict[str, Sample]:
    """Return each metric of *estimate*, from (B, N) weights to (B,) or (B, K) values."""
    whole = estimate(np.ones((1, draws.images), np.int64))
    parts = [estimate(weights) for weights in draws.blocks()]
    return {
        name: Sample(value[0], np.concatenate([part[name] for part in parts]))
        for name, value in whole.items()
    }


def normal_quantile(level: float) -> float:
    """Return z with P(|Z| <= z) = *level*; 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def standard_error(replicates: Values) -> float:
    """Return the standard deviation over the draws on which the value is defined."""
    # Where it is defined on all of them, both give the same bits; std takes half the time.
    form = np.nanstd if np.isnan(replicates).any() else np.std
    return float(form(replicates, ddof=1))


def withheld(sample: Sample, images: int) -> str | None:
    """Return why no interval can be given; None if it can.

    That is where the value is undefined, on too many draws undefined
    (:data:`MOST_UNDEFINED`), the same on every draw, or there is but one image.
    """
    undefined = float(np.isnan(sample.replicates).mean())
    if np.isnan(sample.value):
        return "the value is not defined on these images"
    if undefined > MOST_UNDEFINED:
        return f"undefined on {undefined:.1%} of the draws: too few images have it"
    if images < 2:
        return "one image says nothing of how images differ"
    # Rounding alone can spread equal values by a few units in the last place.
    if np.nanmax(sample.replicates) - np.nanmin(sample.replicates) < 1e-12:
        return "the same on every draw of the images, which says nothing of its error"
    return None


def interval(sample: Sample, draws: Draws, level: float = LEVEL) -> Interval:
    """Return value ± z·SE of a single figure, at this number of images.

    Never the percentile interval: mAP is biased upward on few images, and a draw holds only about
    63 % of the images, so that the draws lie above the value (docs/confidence.md has the coverage).
    """
    return _interval(sample, draws, level, "normal")


def difference(
    a: Sample, b: Sample, draws: Draws, *, level: float = LEVEL, method: Method = "normal"
) -> Interval:
    """Return b - a with its interval and p-value; both must stem from the same *draws*.

    ``normal``: p = 2 (1 - Φ(|d| / SE)). ``percentile``: twice the share of draws on the other side
    of 0, with one added to both counts (Davison & Hinkley, Bootstrap Methods and their Application,
    1997, 4.2), so that it is at least 2 / (R + 1) and too coarse for a family of many.
    """
    sample = Sample(b.value - a.value, b.replicates - a.replicates)
    found = _interval(sample, draws, level, method)
    if found.se is None:
        same = bool(sample.value == 0) and not np.nan_to_num(sample.replicates).any()
        return found.model_copy(update={"p": 1.0 if same else None})
    p = _normal_p(sample, found.se) if method == "normal" else _percentile_p(sample)
    return found.model_copy(update={"p": p})


def _interval(sample: Sample, draws: Draws, level: float, method: Method) -> Interval:
    reason = withheld(sample, draws.images)
    base = Interval(
        value=None if np.isnan(sample.value) else float(sample.value),
        level=level,
        method=method,
        images=draws.images,
        replicates=draws.replicates,
        seed=draws.seed,
        reason=reason,
    )
    if reason:
        return base
    se = standard_error(sample.replicates)
    low, high = _bounds(sample, level, method, se)
    return base.model_copy(update={"se": se, "low": low, "high": high})


def _bounds(sample: Sample, level: float, method: Method, se: float) -> tuple[float, float]:
    if method == "percentile":
        low, high = np.nanquantile(sample.replicates, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    reach = normal_quantile(level) * se
    return float(sample.value) - reach, float(sample.value) + reach


def _normal_p(sample: Sample, se: float) -> float:
    return 2 * NormalDist().cdf(-abs(float(sample.value)) / se)


def _percentile_p(sample: Sample) -> float:
    drawn = sample.replicates[~np.isnan(sample.replicates)]
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (fewer + 1) / (len(drawn) + 1))
