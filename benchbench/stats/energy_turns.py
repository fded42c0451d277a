"""Energy of two cells that took turns, from what :mod:`benchbench.measure.energy_turns` keeps.

Compared is the gross energy of an image: all that was drawn while one side worked and the other
slept. A pair of workers gives one figure; the verdict over pairs is formed as latency's is
(:mod:`benchbench.stats.turns`, :mod:`benchbench.stats.sequential`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.stats.energy import FAKE
from benchbench.stats.energy_spans import integral_j
from benchbench.stats.turns import Decision
from benchbench.stats.variance import ratio_view

Floats = NDArray[np.float64]
Decide = Callable[[Sequence[float]], Decision]


@dataclass(frozen=True, slots=True)
class EnergyPair:
    """What the E energy turns of one pair of workers measured, baseline first."""

    joules: Floats
    """(2, E): gross, of all that the meter sees."""
    seconds: Floats
    """(2, E)."""
    images: Floats
    """(2, E): finished in that time."""
    scope: str | None = None
    """What the meter sees, in words."""
    reason: str | None = None
    """Why the pair has no figure."""


def missing(reason: str) -> EnergyPair:
    """Return a pair whose energy was not measured."""
    none = np.zeros((2, 0))
    return EnergyPair(none, none, none, reason=reason)


def read(columns: Mapping[str, NDArray[Any]], *, allow_fake: bool = False) -> EnergyPair:
    """Return a pair from its columns (see :func:`benchbench.measure.energy_turns.measure`).

    A device whose name says FAKE has no figure unless *allow_fake*, which is for tests.
    """
    about = json.loads(str(columns["about"][0]))
    spans_ns = columns["end_ns"] - columns["start_ns"]
    joules = columns["joules"] if "joules" in columns else _integrals(columns)
    found = EnergyPair(
        joules=np.asarray(joules, np.float64),
        seconds=np.asarray(spans_ns / 1e9, np.float64),
        images=np.asarray(columns["images"], np.float64),
        scope=about["scope"],
    )
    name = about["identity"].get("name", "")
    fake = f"the device '{name}' is a test's: it drew nothing" if FAKE in name else None
    reason = (None if allow_fake else fake) or _lacking(found, about)
    return EnergyPair(found.joules, found.seconds, found.images, found.scope, reason)


def _integrals(columns: Mapping[str, NDArray[Any]]) -> Floats:
    """Return (2, E): the integral of the sampled power; NaN where samples do not cover a turn."""
    watts = columns.get("sample.watts", np.zeros(0))
    known = ~np.isnan(watts)
    t_ns, watts = columns["sample.t_ns"][known] if len(known) else known, watts[known]
    found = [
        [integral_j(t_ns, watts, int(start), int(end)) for start, end in side]
        for side in np.stack([columns["start_ns"], columns["end_ns"]], axis=-1)
    ]
    return np.array([[np.nan if one is None else one for one in side] for side in found])


def _lacking(pair: EnergyPair, about: Mapping[str, Any]) -> str | None:
    done, asked = pair.joules.shape[1], about["plan"]["energy_turns"]
    if done < asked:
        return str(about["reason"]) + (f" (after {done} of {asked} turns)" if done else "")
    if np.isnan(pair.joules).any():
        why = about["sampling_reason"] or "too few were taken"
        return f"the power samples do not cover the turns: {why}"
    if not (pair.joules > 0).all():
        return "the meter saw no energy in a turn: it does not see this device at work"
    if not (pair.images > 0).all():
        return "no image was finished in a turn: ask for a longer energy_s"
    return None


def joules_per_image(pair: EnergyPair) -> Floats:
    """Return (2, E): gross joules of an image, by turn."""
    found: Floats = pair.joules / pair.images
    return found


def log_ratio(pair: EnergyPair) -> float | None:
    """Return the median over turns of log(J/image of *b* / J/image of *a*); None without figures.

    A turn of *a* is set beside the turn of *b* that lies next to it, so that what moves slowly,
    such as the temperature, cancels; the median drops a turn that something else met.
    """
    if pair.reason is not None:
        return None
    a, b = joules_per_image(pair)
    return float(np.median(np.log(b / a)))


def summarise(pairs: Sequence[EnergyPair], meter: str, decide: Decide) -> dict[str, Any]:
    """Return the fields ``energy*`` of a :class:`benchbench.turns_view.TurnsView`.

    *decide* gives the verdict over (R,) log ratios. Pairs whose meter failed are left out, and
    told.
    """
    values = [log_ratio(pair) for pair in pairs]
    known = [value for value in values if value is not None]
    scopes = dict.fromkeys(pair.scope for pair in pairs if pair.scope)
    found = {"energy_meter": meter, "energy_scope": "; ".join(scopes) or None}
    if not known:
        reasons = (pair.reason for pair in pairs if pair.reason)
        return found | {"energy_reason": next(reasons, "no pair was taken")}
    decision = decide(known)
    return found | {
        "energy": ratio_view(decision.mean, 1 - 2 * decision.alpha),
        "energy_verdict": decision.verdict,
        "energy_reason": _reason(pairs, decision),
        "energy_pairs": decision.pairs,
        "energy_log_ratios": tuple(known),
    }


def _reason(pairs: Sequence[EnergyPair], decision: Decision) -> str | None:
    failed = [pair.reason for pair in pairs if pair.reason]
    told = [decision.reason] if decision.reason else []
    if failed:
        told.append(f"{len(failed)} of {len(pairs)} pairs without energy: {failed[0]}")
    return "; ".join(told) or None
