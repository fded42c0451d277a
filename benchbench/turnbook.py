"""The pairs of a comparison, read from a run, and what they decide.

The questions that the comparisons of one run ask share the chance of a wrong verdict: one of
latency each, and one of energy where a meter is given.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np

from benchbench.stats import energy_turns, sequential
from benchbench.stats.energy_turns import EnergyPair
from benchbench.stats.turns import Decision, Gate, Pair, summarise, verdict, wall_log_ratios
from benchbench.store import Run
from benchbench.turns_view import TurnsView
from benchbench.types import Compared, Taken

ALPHA = 0.05
"""Chance of any wrong verdict among the comparisons of a run, of latency and energy together."""
MOST_NEEDED = sequential.MOST
_UNMETERED = 3
"""Pairs without energy after which a meter is not asked again."""


def read_pair(run: Run, taken: Taken) -> Pair:
    """Return what a pair measured."""
    with np.load(io.BytesIO(run.array(taken.arrays["turns"])), allow_pickle=False) as file:
        wall, cpu = file["wall_ns"], file["cpu_ns"]
        return Pair(file["first"].astype(np.int64), wall[0], wall[1], cpu[0], cpu[1])


def pairs(run: Run, compared: Compared) -> list[Pair]:
    """Return the pairs of a comparison that were taken, in order."""
    return [read_pair(run, one) for one in _kept(run, compared)]


def _kept(run: Run, compared: Compared) -> list[Taken]:
    found = (run.taken(name) for name in compared.takes)
    return [one for one in found if one and one.failure is None]


def read_energy(run: Run, taken: Taken) -> EnergyPair:
    """Return what a meter told of a pair."""
    if "energy" not in taken.arrays:
        return energy_turns.missing("the pair was taken without a meter")
    with np.load(io.BytesIO(run.array(taken.arrays["energy"])), allow_pickle=False) as file:
        return energy_turns.read({name: file[name] for name in file.files})


def energies(run: Run, compared: Compared) -> list[EnergyPair]:
    """Return the energy of the pairs of a comparison, in order; nothing without a meter."""
    if compared.meter is None:
        return []
    return [read_energy(run, one) for one in _kept(run, compared)]


def questions(compared: Iterable[Compared]) -> int:
    """Return how many verdicts *compared* ask for: two each where a meter is given."""
    return sum(1 if one.meter is None else 2 for one in compared)


def decide(compared: Compared, found: Sequence[Pair], family: int) -> Decision:
    """Return the verdict of a comparison that is one of *family* questions."""
    return _decide(compared, wall_log_ratios(found) or (), family)


def _decide(compared: Compared, values: Sequence[float], family: int) -> Decision:
    alpha = sequential.share(ALPHA, family)
    if compared.rule == "sequence":
        return sequential.decide(values, compared.slower, alpha)
    return verdict(values, _gate(compared, alpha))


def _gate(compared: Compared, alpha: float) -> Gate:
    looks = tuple(sorted({compared.pairs, compared.most_pairs}))
    return Gate(margin=compared.slower, alpha=alpha, looks=looks)


def settled(compared: Compared, found: Sequence[Pair], family: int) -> bool:
    """Return whether more pairs would change nothing of latency."""
    return decide(compared, found, family).verdict != "inconclusive"


def energy_settled(compared: Compared, found: Sequence[EnergyPair], family: int) -> bool:
    """Return whether more pairs would change nothing of energy.

    Nor would they where the meter failed in each of the first few.
    """
    values = [one for one in map(energy_turns.log_ratio, found) if one is not None]
    if not values and len(found) >= _UNMETERED:
        return True
    return _decide(compared, values, family).verdict != "inconclusive"


def still_needed(compared: Compared, found: Sequence[Pair], family: int) -> int:
    """Return roughly how many more pairs settle the comparison; many where it cannot be told."""
    values = wall_log_ratios(found) or ()
    left = sequential.expected_pairs_left(values, compared.slower, sequential.share(ALPHA, family))
    if left is not None:
        return left
    return 0 if len(values) < 2 else MOST_NEEDED


def views(run: Run, compared: Iterable[Compared]) -> tuple[TurnsView, ...]:
    """Return every comparison as reports see it."""
    every = tuple(compared)
    family = questions(every)
    return tuple(view(one, pairs(run, one), family, energies(run, one)) for one in every)


def view(
    compared: Compared, found: Sequence[Pair], family: int, metered: Sequence[EnergyPair] = ()
) -> TurnsView:
    """Return a comparison that is one of *family* questions, as reports see it."""
    gate = _gate(compared, sequential.share(ALPHA, family))
    decision = decide(compared, found, family)
    made = summarise(compared.baseline, compared.candidate, found, decision, gate)
    made = made.model_copy(update={"elsewhere": compared.elsewhere})
    if compared.meter is None:
        return made
    told = energy_turns.summarise(
        metered, compared.meter, lambda values: _decide(compared, values, family)
    )
    return made.model_copy(update=told)
