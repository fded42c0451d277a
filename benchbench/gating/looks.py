"""How often fresh processes may be looked at, and what each look spends of alpha.

A retry takes 10 processes, then 20, then 40: these looks have a half, a quarter and an eighth of
alpha. Where a budget ended between, or the suite asks for another number, each of those numbers
has 1/300: all of them together, at most 36, stay below the eighth that is left. So the chance of a
wrong verdict is at most alpha however often a retry is cut and called again (Bonferroni).
"""

from __future__ import annotations

PLANNED = (10, 20, 40)
"""Processes at which a retry means to look."""
MOST = PLANNED[-1]
"""Processes beyond which more are not taken."""
_BETWEEN = 300
TRIAL_LOOKS = 4
"""Of energy: after the suite's own take, and after 3, 6 and 12."""


def spent(count: int) -> int:
    """Return what a p-value of *count* processes is multiplied by where more may be taken."""
    if count > MOST:
        return 1  # more than these are never taken: there is one look
    return 2 ** (PLANNED.index(count) + 1) if count in PLANNED else _BETWEEN


def following(count: int) -> int:
    """Return how many processes a retry takes where there are *count*."""
    return next((planned for planned in PLANNED if planned > count), MOST)
