"""Colours, lines and letters of the pictures.

Colours are those of Okabe and Ito, which colour-blind readers tell apart, and Tol's where more are
needed. What became of an object is told by the line too: solid, dashed, dotted or both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont

from benchbench.gallery.matching import CONFUSED, FALSE, FOUND, IGNORED, MISSED, TRUE

Colour = tuple[int, int, int]
INK: Colour = (20, 20, 20)
PAPER: Colour = (255, 255, 255)
MUTED: Colour = (96, 96, 96)


@dataclass(frozen=True, slots=True)
class Stroke:
    """How an object in one state is outlined."""

    word: str
    colour: Colour
    dashes: tuple[int, ...] = ()
    """Lengths of line and gap in turn, in pixels of the picture; empty for a solid line."""


STROKES = {
    TRUE: Stroke("object", (255, 255, 255)),
    FOUND: Stroke("found", (86, 180, 233)),
    MISSED: Stroke("missed", (240, 228, 66), (9, 6)),
    CONFUSED: Stroke("wrong class", (204, 121, 167), (9, 3, 2, 3)),
    FALSE: Stroke("false", (230, 94, 0), (3, 3)),
    IGNORED: Stroke("not counted", (170, 170, 170), (1, 4)),
}
"""By the states of :mod:`benchbench.gallery.matching`."""

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0),
    (240, 228, 66), (51, 34, 136), (136, 204, 238), (170, 68, 153), (153, 153, 51), (136, 34, 85),
)  # fmt: skip
"""Of classes; beyond twelve they come again."""


def class_colour(index: int) -> Colour:
    """Return the colour of the class of this place."""
    return PALETTE[index % len(PALETTE)]


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own font, which needs no file of this machine."""
    return ImageFont.load_default(size)


def shown(text: object, limit: int = 40) -> str:
    """Return *text* on one line, without what cannot be seen, its middle cut out if too long."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)[:20_000])
    line = " ".join(line.split())
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def lettered(text: object, limit: int = 40) -> str:
    """Return *text* for drawing: letters that the font lacks become question marks."""
    return "".join(
        letter if ord(letter) < 0x250 or letter in "…–" else "?" for letter in shown(text, limit)
    )
