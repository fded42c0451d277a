"""The gallery: images with truth and predictions, which a caller brings."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.reports.document.model import Block, Part, Picture

MOST = 24
"""Images in a document."""


def gallery(pictures: Sequence[Picture], intro: Sequence[Block] = ()) -> Part | None:
    """Return the section of *pictures*, the first of them that fit; None without any."""
    if not pictures:
        return None
    return Part("Gallery", "gallery", (*intro, *pictures[:MOST]))
