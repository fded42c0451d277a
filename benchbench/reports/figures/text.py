"""Text on a page: measured, cut and cleaned for the one font of the figures."""

from __future__ import annotations

import unicodedata
from functools import cached_property

from benchbench.reports.figures.style import FONT
from benchbench.reports.wording import short


class Hand:
    """Measures and cuts text in the one font of the figures."""

    @cached_property
    def _known(self) -> set[int]:
        """Return the characters that the font has; it is read when the first text is."""
        from matplotlib.font_manager import findfont, get_font

        plain, bold = (
            set(get_font(findfont(name)).get_charmap()) for name in (FONT, f"{FONT}:bold")
        )
        # TrueType in PDF reaches the basic plane only.
        return {code for code in plain & bold if code <= 0xFFFF}

    def safe(self, text: object) -> str:
        """Return *text* on one line; a character that the font lacks becomes a box."""
        line = unicodedata.normalize("NFC", short(text, 300))
        return "".join(char if ord(char) in self._known else "□" for char in line)

    def width(self, text: str, size: float) -> float:
        """Return the width of *text* in points at *size* points."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(family=FONT, size=size)
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])

    def fit(self, text: object, size: float, room: float) -> str:
        """Return *text*, its middle cut out where it is wider than *room* points."""
        line = self.safe(text)
        if self.width(line, size) <= room:
            return line
        low, high = 4, max(len(line) - 1, 4)
        while low < high:
            middle = (low + high + 1) // 2
            if self.width(short(line, middle), size) <= room:
                low = middle
            else:
                high = middle - 1
        return short(line, low)
