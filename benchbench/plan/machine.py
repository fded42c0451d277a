"""How many threads a cell uses, and on which CPUs of this machine."""

from __future__ import annotations

import os

from benchbench.measure.cpus import one_each, physical_cores
from benchbench.plan.known import Known
from benchbench.plan.matrix import Combination


def threads(known: Known, at: Combination) -> int:
    """Return the number of intra-operator threads."""
    asked = at.runtime.threads or known.loaded.suite.threads
    return int(asked or known.once("cores", physical_cores))


def affinity(known: Known) -> list[int]:
    """Return the CPUs to pin workers to; empty for any that are allowed.

    Raises SuiteError for one that this process may not use.
    """
    return list(known.once("affinity", lambda: _affinity(known)))


def _affinity(known: Known) -> list[int]:
    wanted = known.loaded.suite.affinity
    if wanted == "none":
        return []
    allowed = os.sched_getaffinity(0)
    chosen = one_each(allowed) if wanted == "physical" else wanted
    foreign = sorted(set(chosen) - allowed)
    if foreign:
        raise known.loaded.error(
            f"affinity: this process may not use CPU {foreign[0]}",
            ("affinity",),
            f"it may use: {', '.join(map(str, sorted(allowed)))}",
        )
    return sorted(chosen)
