"""Changes of energy: by turns that a meter watched, by trials of one job, or a trend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.compare_view import Delta
from benchbench.comparing.ends import SAME, Two, as_ratio, logs, points, welch
from benchbench.comparing.sides import Source
from benchbench.comparing.times import of_turns
from benchbench.stats.energy_pooled import differ, per_trial
from benchbench.store import Run
from benchbench.taken import columns_of, energy_takes, measured_of
from benchbench.types import Taken
from benchbench.view import CellView

_APART = "two jobs: nothing tells the machine's change from the model's"
_NAMES = {
    "energy": "gross_j_per_image",
    "energy.net": "net_j_per_image",
    "energy.images": "images_per_joule",
    "energy.average": "average_w",
}
_FEW = "trials of a meter are compared where there are two on both sides"


def metered(two: Two, base: Delta, level: float) -> Delta:
    """Return the ratio b / a of a figure of energy by the best design that was measured."""
    if two.same:
        return points(base, reason=SAME)
    taking_turns = of_turns(two, base, level)
    if taking_turns is not None:
        return taking_turns
    if two.together:
        ours, theirs = (
            _trials(source, cell, base)
            for source, cell in ((two.a, two.a_cell), (two.b, two.b_cell))
        )
        found = welch(ours, theirs) if ours is not None and theirs is not None else None
        if found is not None and ours is not None and theirs is not None:
            basis = f"{len(ours)} and {len(theirs)} trials"
            return as_ratio(base, found, level, "trials", basis)
    why = _FEW if two.together else _APART
    return points(base, design="trend", outcome="trend", reason=why)


def _trials(source: Source, cell: CellView, base: Delta) -> NDArray[np.float64] | None:
    """Return the log of a figure in each trial; None where it is not known."""
    run = source.run
    for alike in energy_takes(source.taken(cell.id)) if run else ():
        meter = alike[0].take.options["meter"]["kind"]
        if run and alike[0].failure is None and base.subject in (None, f"meter={meter}"):
            return _logs(run, alike, _NAMES.get(base.quantity, ""))
    return None


def _logs(run: Run, alike: Sequence[Taken], name: str) -> NDArray[np.float64] | None:
    """Return the logs of the trials of all takes; None where the takes differ beside."""
    each = [measured_of(columns_of(run, one, "energy")) for one in alike]
    found = [per_trial(one).get(name) for one in each if not one.withheld()]
    told = [logs(one.tolist()) for one in found if one is not None]
    known = [one for one in told if one is not None]
    return np.concatenate(known) if known and not differ(known) else None
