"""Which of several cells is best within limits, and how sure that is, from joint draws.

A draw gives every figure of every cell one value that the measurement leaves possible; in each draw
the cells within the limits are found, and the best of them. Shares of the draws are what is told.
D draws, C cells, Q figures throughout; a figure that is absent is NaN and never within a limit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ONE_SIGMA = 0.8413447460685429
"""Φ(1)."""
_LARGEST_LOG = 700.0
_TINY = 1e-12


# --- draws of one figure -----------------------------------------------------------------


def generator(seed: int, *keys: str | bytes) -> np.random.Generator:
    """Return a generator that depends on *seed* and *keys* alone, so that none shifts another."""
    told = b"\0".join(key.encode() if isinstance(key, str) else key for key in keys)
    parts = np.frombuffer(hashlib.sha256(told).digest(), np.uint32).tolist()
    return np.random.Generator(np.random.PCG64([seed, *parts]))


def uniforms(draws: int, seed: int, *keys: str) -> Values:
    """Return (D,) numbers strictly between 0 and 1."""
    return np.clip(generator(seed, *keys).random(draws), _TINY, 1 - _TINY)


def constant(value: float, draws: int) -> Values:
    """Return (D,): a figure without a spread, or whose spread is not known."""
    return np.full(draws, value, np.float64)


def recentred(value: float, replicates: Values, order: NDArray[np.int64]) -> Values:
    """Return (D,): the bootstrap replicates in *order*, shifted so that their mean is *value*.

    The replicates of mAP lie above its value, as a draw holds but 63 % of the images (Efron &
    Tibshirani, An Introduction to the Bootstrap, 1993, 10.2 on the bias); their spread is what is
    wanted of them. Undefined replicates count as the value.
    """
    away = replicates - np.nanmean(replicates)
    return value + np.nan_to_num(away)[order]


def shared_order(replicates: int, draws: int, seed: int, images: bytes) -> NDArray[np.int64]:
    """Return (D,): which replicate each draw takes; each is taken equally often.

    It depends on *images* (which ones, as bytes): cells on the same images share it, so that they
    stay paired, and cells on others are not paired by accident.
    """
    chosen = np.arange(draws) % replicates
    return generator(seed, images).permutation(chosen).astype(np.int64)


def student(
    value: float, interval: tuple[float, float], level: float, df: float, quantiles: Values
) -> Values:
    """Return (D,): Student's t around *value*, scaled so that *interval* is its own at *level*.

    Of the logarithm where the interval lies above 0, as times and energies do. Each side has the
    scale of its own end, for intervals that are not symmetric. *df* infinite: normal.
    """
    from scipy.special import stdtrit

    low, high = interval
    log = low > 0 and value > 0
    middle, ends = (np.log(value), np.log([low, high])) if log else (value, np.array([low, high]))
    z = stdtrit(df, quantiles)
    unit = float(stdtrit(df, (1 + level) / 2))
    found = middle + z / unit * np.where(z < 0, middle - ends[0], ends[1] - middle)
    return np.exp(np.clip(found, -_LARGEST_LOG, _LARGEST_LOG)) if log else np.asarray(found)


def bracket(met: float, missed: float, quantiles: Values, *, whole: bool) -> Values:
    """Return (D,): uniform in the logarithm from *met* to below *missed*; *whole*: rounded down.

    A search tells two ends and nothing of what is between them.
    """
    found = met * (missed / met) ** quantiles
    return np.clip(np.floor(found + 1e-9), met, None) if whole else found


# --- what the draws say ------------------------------------------------------------------


def within(draws: Values, limits: Values, at_least: Flags) -> Flags:
    """Return (Q, D, C): whether each figure, (Q, D, C), keeps its limit, (Q,)."""
    bounds, sense = limits[:, None, None], at_least[:, None, None]
    return np.asarray(np.where(sense, draws >= bounds, draws <= bounds))


def best_shares(objective: Values, allowed: Flags, *, higher: bool) -> tuple[Values, float]:
    """Return (C,): in which share of the draws each cell is the best of those allowed; and none.

    *objective*, (D, C). Cells that tie share the draw. None: the share in which no allowed cell has
    an objective.
    """
    usable = allowed & ~np.isnan(objective)
    scores = np.where(usable, objective if higher else -objective, -np.inf)
    top = (scores == scores.max(axis=1, keepdims=True)) & usable
    found = top.sum(axis=1)
    shares = (top / np.maximum(found, 1)[:, None]).mean(axis=0)
    return shares, float((found == 0).mean())


def front_shares(values: Values, higher: Flags) -> Values:
    """Return (C,): in which share of the draws no other cell is as good in all and better in one.

    *values*, (Q, D, C) without NaN; *higher*, (Q,).
    """
    signed = np.where(higher[:, None, None], values, -values)
    shares = np.empty(values.shape[2])
    for cell in range(values.shape[2]):
        own = signed[:, :, cell, None]
        beaten = np.all(signed >= own, axis=0) & np.any(signed > own, axis=0)
        shares[cell] = 1 - beaten.any(axis=1).mean()
    return shares


def slack_in_errors(value: float, draws: Values, limit: float, *, at_least: bool) -> float | None:
    """Return how many standard errors *value* is within *limit*; negative where it is beyond.

    The standard error is how far the middle 68 % of the draws, (D,), reach towards the limit; None
    where they do not.
    """
    room = value - limit if at_least else limit - value
    down = at_least == (room >= 0)
    end = float(np.quantile(draws, 1 - _ONE_SIGMA if down else _ONE_SIGMA))
    error = value - end if down else end - value
    return room / error if error > _TINY * max(1.0, abs(value)) else None


def kept_by(draws: Values, share: float, *, at_least: bool) -> float:
    """Return the strictest limit that (D,) draws keep in *share* of cases."""
    if at_least:
        return float(np.quantile(draws, 1 - share, method="lower"))
    return float(np.quantile(draws, share, method="higher"))


def likeliest(shares: Sequence[float], together: float) -> tuple[int, ...]:
    """Return the fewest cells, likeliest first, that hold *together* of the sum of *shares*.

    With the last of them come all others of the same share: nothing tells them apart.
    """
    order = sorted(range(len(shares)), key=lambda i: -shares[i])
    wanted, held = together * sum(shares) - _TINY, 0.0
    found: list[int] = []
    for index in order:
        alike = bool(found) and math.isclose(shares[index], shares[found[-1]])
        if shares[index] <= 0 or (held >= wanted and not alike):
            break
        found.append(index)
        held += shares[index]
    return tuple(found)
