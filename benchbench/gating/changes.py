"""What a change against a baseline says about its true value: what relative limits are held to."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.compare_view import Delta
from benchbench.comparing import Two, turns_between
from benchbench.comparing.deltas import SEARCHED
from benchbench.comparing.ends import ratio_of
from benchbench.gating.figures import Unknown
from benchbench.gating.looks import TRIAL_LOOKS, spent
from benchbench.stats import sequential
from benchbench.stats.limits import Estimate, Exact, Known, Sense, Tails, Watched, tails
from benchbench.stats.processes import FEW

IN_ONE_JOB = (
    "measure both in one run: 'comparisons' in the suite lets them take turns"
    " (docs/comparing-latency.md)"
)


AGAIN = (
    "--on-inconclusive retry lets the two take turns, where the machine and the files are still"
    f" those of both runs; or {IN_ONE_JOB}"
)
_MENDED = "let the meter read (benchbench doctor), then run --fresh"
_METER = "ask for measure.energy, with a meter, in the suites of both"
_NARROWER = {
    "images": "benchbench plan SUITE --power says how many images would tell",
    "turns": "more pairs: --on-inconclusive retry takes them",
    "rounds": f"more processes, or pairs: {IN_ONE_JOB}",
    "canary": IN_ONE_JOB,
    "trials": "more trials (--on-inconclusive retry), longer ones, or a comparison with a meter",
}


_NEVER = {
    "server.rate": "limit the rate itself (server.rate >= 100 qps), which the search decides",
    "cameras": "limit the number itself (cameras >= 8), which the search decides",
    "offline.throughput": "limit throughput instead (several processes): no more than 5 % less",
    "speedup": "limit latency instead: no more than 3 % slower",
}


def _trend(found: Delta, pairs: Pairs) -> Unknown:
    """Return why a trend decides nothing, and what would."""
    hint = _NEVER.get(found.quantity)
    if hint:
        why = found.reason if found.quantity in SEARCHED else None
        return Unknown(why or f"nothing measures a change of {found.quantity} with its error", hint)
    if pairs.failed:
        return Unknown(f"pairs were taken, but without energy by {pairs.failed}", _MENDED)
    why = f"a trend, which decides nothing: {found.reason or 'two jobs'}"
    return Unknown(why, AGAIN if pairs.able else IN_ONE_JOB)


def narrower(found: Delta) -> str | None:
    """Return what would make the interval of *found* narrower."""
    return _NARROWER.get(found.design)


def ratios(two: Two, found: Delta) -> tuple[tuple[float, ...], bool] | None:
    """Return the log ratios b / a of each pair that took turns, and whether each was looked at.

    Of time or of energy, as *found* is; those too that were taken after the comparison was settled.
    """
    told = turns_between(two, found.quantity, found.subject)
    if told is None:
        return None
    energy = found.quantity == "energy"
    values = told.view.energy_log_ratios if energy else told.view.log_ratios
    return tuple(-one if told.inverse else one for one in values), told.watched


@dataclass(frozen=True, slots=True)
class Pairs:
    """What pairs told, and how else the same may be asked."""

    found: tuple[tuple[float, ...], bool] | None = None
    """As of :func:`ratios`."""
    watched: bool = False
    """Whether more may be taken, so that what decides has to hold however often one looks."""
    rounds: bool = False
    """Whether both cells have fresh processes, which may have been asked before the pairs."""
    able: bool = False
    """Whether pairs could be taken where there are none."""
    failed: str | None = None
    """Why pairs that a meter was to watch tell no energy, with its kind."""


def over_all(found: Delta, pairs: Pairs) -> Delta:
    """Return *found* with the change, interval and basis of all pairs, where all of them decide.

    A gate may ask for more pairs than settled the run's own comparison. The interval holds whenever
    one stops; its ends are None where the pairs carry none.
    """
    values = _decisive(found, pairs)
    if values is None or found.level is None:
        return found
    mean = sequential.bounds(values, (1 - found.level) / 2)
    change, low, high = (
        None if one is None else ratio_of(one) for one in (mean.value, mean.low, mean.high)
    )
    told = f"{len(values)} pairs, looked at one by one"
    settled = _count(found)
    if settled is not None and settled < len(values):
        told += f" (the comparison was settled after {settled})"
    update = {"change": change, "low": low, "high": high, "reason": mean.reason, "basis": told}
    return found.model_copy(update=update)


def _decisive(found: Delta, pairs: Pairs) -> tuple[float, ...] | None:
    """Return the log ratios, looked at one by one, that decide; None where something else does."""
    if found.change is None or found.design != "turns" or pairs.found is None:
        return None
    values, watched = pairs.found
    return values if pairs.watched or watched else None


def _count(found: Delta) -> int | None:
    """Return how many values the change is the mean of."""
    return None if found.df is None else round(found.df) + 1


def known_change(found: Delta, pairs: Pairs) -> Known | Unknown:
    """Return what *found* says; Unknown where it can decide nothing."""
    if found.change is None:
        why = found.reason or "there is no change to tell"
        return Unknown(why, _METER if found.family == "energy" and "no meter" in why else None)
    if found.design == "trend":
        return _trend(found, pairs)
    if values := _decisive(found, pairs):
        return Watched(values, 2 if pairs.watched and pairs.rounds else 1)
    if found.design == "counted" or (found.se is None and found.low == found.high is not None):
        return Exact(found.change)
    if not found.se:
        return Unknown(found.reason or "its error is not known")
    again = _looks(found, pairs) if pairs.watched else 1
    log = found.scale == "ratio" and found.design != "images"
    return Estimate(found.change, found.se, found.df, log=log, looks=again * found.looks)


def _looks(found: Delta, pairs: Pairs) -> int:
    """Return what p-values are multiplied by where more may be taken and looked at again."""
    if found.design == "trials":
        return TRIAL_LOOKS
    count = _count(found)
    if found.design != "rounds" or count is None:
        return 1
    return spent(count) * (2 if pairs.rounds else 1)


def few_rounds(found: Delta) -> bool:
    """Return whether a change rests on so few rounds that it must not fail a build alone."""
    count = _count(found)
    return found.design == "rounds" and count is not None and count < FEW


def change_tails(known: Known, found: Delta, limit: float, sense: Sense) -> Tails:
    """Return the tails of a change.

    Of cells that took turns, a limit is broken where *b* is shown to be slower at all and the best
    estimate is beyond the limit (docs/comparing-latency.md): "at most" is then asked of 1.
    """
    made = tails(known, limit, sense)
    if found.design != "turns" or sense != "at most" or found.change is None:
        return made
    beyond = found.change > limit
    return Tails(made.holds, tails(known, 1.0, sense).broken if beyond else 1.0)
