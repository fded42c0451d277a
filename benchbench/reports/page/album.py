"""The gallery as pages show it: pictures in groups, with what stands under each."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from benchbench.gallery_view import GalleryItem
from benchbench.reports import wording
from benchbench.view import RunView


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture with its file as an address, and a line a cell: its figures of this image."""

    item: GalleryItem
    address: Markup
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The pictures of one cell, or of two that disagree."""

    heading: str
    cell: str | None
    """Id of the cell; None for two."""
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Album:
    """The gallery of a run."""

    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    """What is not shown, and why."""


def album(run: RunView) -> Album | None:
    """Return the gallery of *run*; None where it has neither pictures nor notes."""
    if not run.gallery and not run.gallery_notes:
        return None
    groups = groupby(run.gallery, key=lambda item: (item.kind, item.cells))
    return Album(tuple(_sheet(tuple(own)) for _, own in groups), run.gallery_notes)


def _sheet(items: Sequence[GalleryItem]) -> Sheet:
    cells = items[0].cells
    shots = tuple(Shot(item, address(item), tuple(_facts(item))) for item in items)
    return Sheet(heading(items[0]), cells[0] if len(cells) == 1 else None, shots)


def heading(item: GalleryItem) -> str:
    """Return what the pictures of the same cell or pair as *item* show."""
    names = " and ".join(wording.short(label) for label in item.labels)
    where = f"{wording.short(item.dataset, 60)}, {wording.short(item.split, 40)}"
    told = "Worst images of" if item.kind == "worst" else "Where they disagree most:"
    return f"{told} {names} ({where})"


def address(item: GalleryItem) -> Markup:
    """Return the file as a ``data:`` address."""
    encoded = base64.b64encode(item.picture).decode()
    return Markup(f"data:{item.media};base64,{encoded}")  # noqa: S704 - a known type and base64


def _facts(item: GalleryItem) -> list[str]:
    """Return a line a cell: its figures of this image."""
    found = []
    for place, label in enumerate(item.labels):
        metric, value = wording.metric_name(item.metric), wording.fraction(item.values[place])
        parts = [f"{metric} of this image {value}"]
        counts = item.counts[place] if item.counts else None
        if counts is not None:
            words = {"found": counts.found, "missed": counts.missed, "false": counts.false,
                     "wrong class": counts.confused}  # fmt: skip
            parts += [f"{count} {word}" for word, count in words.items()]
        least = item.thresholds[place] if item.thresholds else None
        if least is not None:
            parts.append(f"score from {least:.3f}")
        found.append(f"{wording.short(label)}: " + ", ".join(parts))
    return found
