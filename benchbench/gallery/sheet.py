"""Panels side by side with their titles and a legend, and the file that they become."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import PIL.Image
from PIL import ImageDraw

from benchbench.gallery.style import INK, MUTED, PAPER, STROKES, Colour, font, lettered

Media = Literal["image/jpeg", "image/png"]
_TITLE_PX, _LEGEND_PX, _GAP_PX = 38, 22, 8
_TITLE_LETTERS_PX, _LEGEND_LETTERS_PX = 13, 12
_MOST_CLASSES = 12
_QUALITY = 85


def side_by_side(
    panels: Sequence[tuple[tuple[str, str], PIL.Image.Image]],
    states: Sequence[int] = (),
    classes: Sequence[tuple[Colour, str]] = (),
    *,
    striped: bool = False,
) -> PIL.Image.Image:
    """Return the *panels* (two lines of title, and the picture) in a row.

    Below stands what the strokes of *states*, the colours of *classes* and *striped* pixels mean.
    """
    width = sum(panel.width for _, panel in panels) + _GAP_PX * (len(panels) - 1)
    rows = _legend_rows(states, classes[:_MOST_CLASSES], len(classes), width, striped=striped)
    tallest = max(panel.height for _, panel in panels)
    height = _TITLE_PX + tallest + _LEGEND_PX * len(rows)
    sheet = PIL.Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    left = 0
    for title, panel in panels:
        for line, colour in enumerate((INK, MUTED)):
            letters = _fitted(pen, title[line], panel.width - 4)
            pen.text((left + 2, 3 + 16 * line), letters, colour, font(_TITLE_LETTERS_PX))
        sheet.paste(panel, (left, _TITLE_PX))
        left += panel.width + _GAP_PX
    for place, row in enumerate(rows):
        _legend(pen, _TITLE_PX + tallest + place * _LEGEND_PX, row)
    return sheet


def _fitted(pen: ImageDraw.ImageDraw, text: str, room: int) -> str:
    for limit in range(80, 3, -4):
        letters = lettered(text, limit)
        if pen.textlength(letters, font(_TITLE_LETTERS_PX)) <= room:
            return letters
    return ""


_Entry = tuple[str, int | Colour | str]
"""The words, and a state, a colour or ``stripes``."""


def _legend_rows(
    states: Sequence[int],
    classes: Sequence[tuple[Colour, str]],
    count: int,
    width: int,
    *,
    striped: bool,
) -> list[list[tuple[float, _Entry]]]:
    """Return the entries of each row with their left edges."""
    entries: list[_Entry] = [(STROKES[state].word, state) for state in states]
    entries += [(lettered(name, 24), colour) for colour, name in classes]
    entries += [("wrong", "stripes")] if striped else []
    entries += [(f"and {count - len(classes)} more classes", PAPER)] if count > len(classes) else []
    rows: list[list[tuple[float, _Entry]]] = [[]] if entries else []
    left = 4.0
    for entry in entries:
        wide = 34 + font(_LEGEND_LETTERS_PX).getlength(entry[0]) + 14
        if rows[-1] and left + wide > width:
            rows.append([])
            left = 4.0
        rows[-1].append((left, entry))
        left += wide
    return rows


def _legend(pen: ImageDraw.ImageDraw, top: int, row: Sequence[tuple[float, _Entry]]) -> None:
    middle = top + _LEGEND_PX // 2
    for left, (words, sign) in row:
        if isinstance(sign, int):
            _line(pen, left, middle, sign)
        elif sign == "stripes":
            for step in range(0, 24, 8):
                pen.line((left + step, middle + 5, left + step + 8, middle - 5), INK, 2)
        elif isinstance(sign, tuple):
            edge = PAPER if sign == PAPER else MUTED
            pen.rectangle((left + 8, middle - 6, left + 24, middle + 6), fill=sign, outline=edge)
        pen.text((left + 30, top + 4), words, INK, font(_LEGEND_LETTERS_PX))


def _line(pen: ImageDraw.ImageDraw, left: float, middle: int, state: int) -> None:
    stroke = STROKES[state]
    pen.rectangle((left, middle - 3, left + 26, middle + 2), fill=INK)
    at, drawn = 0, True
    dashes = stroke.dashes or (26,)
    place = 0
    while at < 26:
        end = min(at + dashes[place % len(dashes)], 26)
        if drawn:
            pen.rectangle((left + at, middle - 2, left + end - 1, middle + 1), fill=stroke.colour)
        at, drawn, place = end, not drawn, place + 1


def encoded(sheet: PIL.Image.Image) -> tuple[Media, bytes]:
    """Return the smaller of a JPEG (quality 85, colours not thinned out) and a PNG."""
    files = []
    for kind, options in (("JPEG", {"quality": _QUALITY, "subsampling": 0}), ("PNG", {})):
        out = io.BytesIO()
        sheet.save(out, kind, **options)
        files.append(out.getvalue())
    jpeg, png = files
    return ("image/png", png) if len(png) < len(jpeg) else ("image/jpeg", jpeg)
