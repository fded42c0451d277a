"""What a check of a dataset tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from benchbench.types import Record

SHOWN = 5
"""Examples that a finding names."""


Level = Literal["error", "warning", "note"]
"""``error``: scores will be wrong or a run will fail; ``warning``: look at it."""


LEVELS: tuple[Level, ...] = get_args(Level)
"""Worst first."""


class Fact(Record):
    """What a split consists of."""

    split: str
    images: int
    annotations: int
    crowd: int
    per_class: dict[str, int]
    """Annotations of each class, crowds aside, in the categories' order."""
    widths_px: tuple[int, int, int]
    """Least, median and largest width of an image."""
    heights_px: tuple[int, int, int]


class Trouble(Record):
    """What may spoil a benchmark on this dataset."""

    level: Level
    code: str
    split: str | None = None
    """None where it is of several splits."""
    message: str
    count: int
    examples: tuple[str, ...] = ()
    images: tuple[int, ...] = ()
    """Ids of the images of the examples, for the contact sheet; of one split only."""
    hint: str | None = None


def trouble(
    level: Level,
    code: str,
    split: str | None,
    message: str,
    found: Sequence[tuple[str, int | None]],
    hint: str | None = None,
) -> list[Trouble]:
    """Return one finding of *found*, (example, image id) pairs; none where there are none."""
    if not found:
        return []
    first = found[:SHOWN]
    return [
        Trouble(
            level=level,
            code=code,
            split=split,
            message=message,
            count=len(found),
            examples=tuple(text for text, _ in first),
            images=tuple(image for _, image in first if image is not None),
            hint=hint,
        )
    ]
