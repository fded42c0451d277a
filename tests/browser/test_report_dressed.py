"""The gallery, the brand and the references of the report page, in a real browser."""

from __future__ import annotations

import re

import pytest

from tests import report_dressed
from tests.browser import driving

pytestmark = pytest.mark.browser
OPEN = (
    "document.documentElement.dataset.theme = arguments[0];"
    "document.querySelectorAll('details').forEach(part => part.open = true)"
)
PARTS = {"include": [["header.top"], ["#gallery"], ["#references"]]}


@pytest.fixture
def dressed(page, pages):
    """Return a browser that shows the page with a brand."""
    driving.go(page, pages["dressed"])
    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["dressed", "hostile dressed"])
def test_axe_finds_no_violation(page, pages, name: str, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
    driving.go(page, pages[name])
    page.execute_script(OPEN, theme)
    found = axe.Axe().run(page, context=PARTS)
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_every_picture_is_drawn_once_it_is_unfolded_and_fits(dressed) -> None:
    dressed.execute_script(OPEN, "light")
    sizes = dressed.execute_async_script(
        "const done = arguments[0];"
        "const all = [...document.querySelectorAll('#gallery img, .logo')];"
        "Promise.all(all.map(i => { i.loading = 'eager'; return i.decode(); }))"
        ".then(() => done(all.map(i => [i.naturalWidth, i.getBoundingClientRect().right])))"
    )
    assert [width for width, _ in sizes] == [420] + [968] * 5
    assert max(right for _, right in sizes) <= 1280
    assert dressed.get_log("browser") == []


def test_pictures_of_a_cell_go_with_its_rows(dressed) -> None:
    seen = "return [...document.querySelectorAll('.sheet')].map(s => s.checkVisibility())"
    assert dressed.execute_script(seen) == [True, True, True]
    driving.choose(dressed, "runtime", "openvino")
    assert dressed.execute_script(seen) == [False, True, True]


GROUND = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        shares = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_accent_of_the_brand_is_legible_in_both_themes(dressed) -> None:
    for theme in ("light", "dark"):
        dressed.execute_script(OPEN, theme)
        head = dressed.execute_script(GROUND, "h2", "color")
        assert _contrast(head, dressed.execute_script(GROUND, "body", "backgroundColor")) >= 4.5
        if theme == "light":
            colour = report_dressed.brand().colour
            assert head == f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})"


@pytest.mark.parametrize("name", ["dressed", "hostile dressed"])
def test_hostile_words_make_no_element(page, pages, name: str) -> None:
    driving.go(page, pages[name])
    assert page.execute_script("return document.scripts.length") == 2
    assert page.execute_script("return document.images.length") == 6
    assert page.execute_script("return document.querySelectorAll('style').length") == 1
    assert page.execute_script("return document.styleSheets[0].cssRules.length") > 200


def test_what_is_folded_is_printed_and_pictures_stand_two_in_a_row(dressed) -> None:
    dressed.execute_script(OPEN, "light")
    dressed.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        tops = dressed.execute_script(
            "return [...document.querySelectorAll('.sheet:first-of-type .shot')]"
            ".map(s => Math.round(s.getBoundingClientRect().top))"
        )
        assert len(tops) == 2
        assert len(set(tops)) == 1
    finally:
        dressed.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
