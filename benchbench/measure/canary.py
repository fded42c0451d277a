"""A fixed workload that tells a slower machine from slower code.

It never changes, so where it takes longer than it did, the machine is slower: another host, a lower
clock, a neighbour. Its three parts need what inference needs: arithmetic, memory, the interpreter.
None starts a thread: ``einsum`` of two operands runs numpy's own loops, not BLAS; copies and the
interpreter have one thread anyhow. No environment variable changes it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.measure.clock import Clock, now_ns
from benchbench.stats.canary import PARTS

_SIDE = 256
_FLOATS = 1 << 21
_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How often the canary workload is run."""

    canary: int = 20
    """Repeats, of about 10 ms each; 0 leaves it out."""


def run(plan: Plan, clock: Clock = now_ns) -> NDArray[np.int64]:
    """Return the (P, R) nanoseconds that each of PARTS took in each repeat.

    One untimed repeat goes before. It holds 16 MB while it runs.
    """
    if not plan.canary:
        return np.zeros((len(PARTS), 0), np.int64)
    work = workload()
    taken = np.zeros((len(PARTS), plan.canary), np.int64)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for part in PARTS:
            work[part]()
        for repeat in range(plan.canary):
            for index, part in enumerate(PARTS):
                start = clock()
                work[part]()
                taken[index, repeat] = clock() - start
    finally:
        if collecting:
            gc.enable()
    return taken


def workload() -> Mapping[str, Callable[[], float]]:
    """Return the work of each part; it gives the same number each time."""
    rng = np.random.default_rng(0)
    left, right = rng.random((2, _SIDE, _SIDE), np.float32)
    source = rng.random(_FLOATS, np.float32)
    target = np.empty_like(source)
    product = np.empty((_SIDE, _SIDE), np.float32)

    def compute() -> float:
        np.einsum("ij,kj->ik", left, right, out=product, optimize=False)
        return float(product[0, 0])

    def memory() -> float:
        np.copyto(target, source)
        np.copyto(source, target)
        return float(source[0])

    def interpreter() -> float:
        value = 1
        for _ in range(_STEPS):
            value = (value * 1103515245 + 12345) & 0x7FFFFFFF
        return float(value)

    return {"compute": compute, "memory": memory, "interpreter": interpreter}
