"""Find how a model gets from what its source offers to what a runtime takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.types import Variant


@dataclass(frozen=True, slots=True)
class Route:
    """Where a chain starts and which conversions it takes, in order."""

    start: Variant
    steps: tuple[tuple[Any, Variant, Variant], ...] = ()
    """(conversion plug-in, variant that it reads, variant that it writes)."""

    @property
    def end(self) -> Variant:
        """The variant that the runtime gets."""
        return self.steps[-1][2] if self.steps else self.start


def find_route(
    offered: Sequence[Variant], wanted: Sequence[Variant], conversions: Iterable[Any]
) -> Route | None:
    """Return the shortest route; among equals the best *wanted*, then the first *offered*.

    Breadth-first over variants; None if there is none.
    """
    conversions = tuple(conversions)
    found: list[Route] = []
    queue = deque(Route(start) for start in offered)
    seen = set(offered)
    while queue:
        route = queue.popleft()
        if route.end in wanted:
            found.append(route)
            continue
        for conversion in conversions:
            for target in conversion.targets(route.end):
                if target not in seen:
                    seen.add(target)
                    step = (conversion, route.end, target)
                    queue.append(Route(route.start, (*route.steps, step)))
    ranked = sorted(found, key=lambda r: (len(r.steps), wanted.index(r.end)))
    return ranked[0] if ranked else None
