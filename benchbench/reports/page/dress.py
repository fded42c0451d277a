"""Whose page it is: cover, logo and the accent, in shades that can be read in both themes."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from markupsafe import Markup

from benchbench.brand import CONTRAST, Brand, contrast
from benchbench.reports.document.model import Cover
from benchbench.reports.document.opening import cover
from benchbench.view import RunView

TINT = 0.15
"""Share of the accent in the ground of what is selected."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The grounds that accented text stands on, and where the accent goes until it is legible."""

    paper: str
    wash: str
    towards: str


LIGHT = Theme("#ffffff", "#f5f6f8", "#000000")
DARK = Theme("#12161b", "#1a1f26", "#ffffff")
"""Their grounds are those of ``style.css``."""


@dataclass(frozen=True, slots=True)
class Dress:
    """What a brand gives to the page."""

    cover: Cover
    logo: Markup | None
    """Its file as a ``data:`` address."""
    logo_alt: str
    author: str
    """Who answers for it; empty where the brand names nobody."""
    style: Markup


def dress(run: RunView, brand: Brand | None) -> Dress | None:
    """Return what *brand* gives to the page of *run*; None without one."""
    if brand is None:
        return None
    light, dark = legible(brand.colour, LIGHT), legible(brand.colour, DARK)
    found = cover(run, brand)
    rules = (
        f":root {{ --accent: light-dark({light}, {dark});"
        f" --brand: light-dark({brand.colour}, {dark}); }}\n"
        f"@page {{ @bottom-right {{ content: {_quoted(found.notice)}; font: 8px sans-serif; }} }}"
    )
    return Dress(
        cover=found,
        logo=_address(brand.logo) if brand.logo else None,
        logo_alt=f"Logo of {brand.organisation}" if brand.organisation else "Logo",
        author=brand.author or brand.organisation,
        style=Markup(rules),  # noqa: S704 - colours of six digits, and a quoted text
    )


def legible(colour: str, theme: Theme) -> str:
    """Return *colour*, mixed until its contrast is at least 4.5 on every ground of *theme*.

    One of these is the tint that the colour itself gives to what is selected. White and black
    are legible on each, so that there always is an answer.
    """
    shades = (mixed(colour, theme.towards, step / 50) for step in range(51))
    return next(
        shade
        for shade in shades
        if all(
            ratio(shade, ground) >= CONTRAST
            for ground in (theme.paper, theme.wash, mixed(theme.paper, shade, TINT))
        )
    )


def ratio(one: str, other: str) -> float:
    """Return the contrast of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((contrast(one), contrast(other)))
    return high / low


def mixed(one: str, other: str, share: float) -> str:
    """Return *one* with *share* of *other*, as CSS mixes in sRGB."""
    pairs = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _quoted(text: str) -> str:
    """Return *text* as a string of CSS: all but letters, digits and blanks by their codes."""
    kept = (c if c == " " or (c.isascii() and c.isalnum()) else f"\\{ord(c):06x}" for c in text)
    return f'"{"".join(kept)}"'


def _address(logo: bytes) -> Markup:
    kind = "png" if logo.startswith(b"\x89PNG") else "jpeg"
    encoded = base64.b64encode(logo).decode()
    return Markup(f"data:image/{kind};base64,{encoded}")  # noqa: S704 - a known type and base64
