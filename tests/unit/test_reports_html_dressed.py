"""The gallery, the brand and the references of the HTML page, and their hostile twins."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchbench import api, pages
from benchbench.brand import CONTRAST, Brand, contrast
from benchbench.reports import wording
from benchbench.reports.document import references
from benchbench.reports.gallery import Gallery
from benchbench.reports.html import Html
from benchbench.reports.page.dress import DARK, LIGHT, TINT, Theme, legible, mixed
from tests import report_dressed
from tests.report_fixture import HOSTILE, run, varied
from tests.unit.test_reports_html import Node, parse


def _of(root: Node, name: str) -> Node:
    return next(node for node in root.all("section") if node.attrs["id"] == name)


@pytest.fixture(scope="module")
def dressed() -> Node:
    return parse(Html(brand=report_dressed.brand()).render(report_dressed.pictured()))


@pytest.fixture(scope="module")
def wild() -> bytes:
    return Html(brand=report_dressed.hostile_brand()).render(report_dressed.hostile())


# --- the gallery -------------------------------------------------------------------------


def test_each_picture_of_the_run_is_on_the_page_with_words_for_it(dressed: Node) -> None:
    section = _of(dressed, "gallery")
    view = report_dressed.pictured()
    pictures = section.all("img")
    assert [base64.b64decode((p.attrs["src"] or "").split(",")[1]) for p in pictures] == [
        item.picture for item in view.gallery
    ]
    for picture, item in zip(pictures, view.gallery, strict=True):
        assert picture.attrs["alt"] == item.alt
        assert picture.attrs["loading"] == "lazy"
        assert (picture.attrs["width"], picture.attrs["height"]) == ("968", "380")
    assert "licence CC0-1.0" in section.text
    assert "1 image left out" in section.text
    assert ("#gallery", "Gallery") in {(a.attrs["href"], a.text) for a in dressed.all("a")}


def test_pictures_of_one_cell_are_filtered_with_it_and_those_of_two_stay(dressed: Node) -> None:
    sheets = _of(dressed, "gallery").all("details")
    assert [sheet.attrs.get("data-c") for sheet in sheets] == ["0", "3", None]
    assert ["open" in sheet.attrs for sheet in sheets] == [True, False, False]
    assert "Where they disagree most" in sheets[2].text


def test_the_page_of_the_gallery_and_the_report_show_the_same(dressed: Node) -> None:
    own = parse(Gallery().render(report_dressed.pictured()))
    section = _of(dressed, "gallery")
    told = [[figure.text for figure in root.all("figure")] for root in (own, section)]
    assert told[0] == told[1]
    assert [i.attrs for i in own.all("img")] == [i.attrs for i in section.all("img")]


def test_notes_alone_make_a_section_and_nothing_makes_none() -> None:
    noted = run().model_copy(update={"gallery_notes": ("the data are gone",)})
    assert "the data are gone" in _of(parse(Html().render(noted)), "gallery").text
    bare = parse(Html().render(run()))
    assert "gallery" not in {node.attrs["id"] for node in bare.all("section")}
    assert "#gallery" not in {a.attrs["href"] for a in bare.all("a")}


# --- the brand ---------------------------------------------------------------------------


def test_the_page_opens_with_all_that_the_brand_says(dressed: Node) -> None:
    brand, header = report_dressed.brand(), dressed.all("header")[0]
    assert header.all("h1")[0].text == dressed.all("title")[0].text.split(" – ")[0] == brand.title
    assert brand.subtitle in header.text
    assert brand.notice in header.text
    facts = {part.all("dt")[0].text: part.all("dd")[0].text for part in header.all("div")
             if part.all("dt")}  # fmt: skip
    names = ("Client", "Project", "Author", "Organisation", "Date")
    assert [facts[name] for name in names] == [
        brand.client, brand.project, brand.author, brand.organisation, brand.date,
    ]  # fmt: skip
    assert facts["Run"] == run().run
    (logo,) = header.all("img")
    assert base64.b64decode((logo.attrs["src"] or "").removeprefix("data:image/png;base64,")) == (
        brand.logo
    )
    assert logo.attrs["alt"] == "Logo of ACME Vision"


def test_what_a_brand_leaves_out_is_the_run_s(dressed: Node) -> None:
    header = parse(Html(brand=Brand(client="ACME")).render(run())).all("header")[0]
    assert header.all("h1")[0].text == run().title
    assert run().description in header.text
    assert "2026-11-22" in header.text
    assert not header.all("img")
    assert not {"Project", "Author"} & {node.text for node in header.all("dt")}


def test_a_page_without_a_brand_has_nothing_of_one() -> None:
    page = Html().render(varied())
    assert b"--brand" not in page
    assert b"@bottom-right" not in page
    assert b'name="author"' not in page
    assert b"<img" not in page


def test_the_brand_of_a_report_goes_to_the_page(tmp_path) -> None:
    (path,) = api.write_reports(run(), ["html"], out=tmp_path, brand=Brand(client="ACME Vision"))
    assert "ACME Vision" in parse(path.read_bytes()).all("header")[0].text


def _luminance(colour: str) -> float:
    """Return WCAG 2.2's relative luminance."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 0xFFFFFF), st.sampled_from([LIGHT, DARK]))
def test_every_colour_of_a_brand_is_legible_in_both_themes(number: int, theme: Theme) -> None:
    colour = f"#{number:06x}"
    assume(contrast(colour) >= CONTRAST)
    made = legible(colour, theme)
    for ground in (theme.paper, theme.wash, mixed(theme.paper, made, TINT)):
        assert _contrast(made, ground) >= CONTRAST


def test_a_colour_that_is_legible_already_stays_as_it_is() -> None:
    assert legible("#0b3d6e", LIGHT) == "#0b3d6e"
    assert legible("#0b3d6e", DARK) != "#0b3d6e"


def test_the_grounds_are_those_of_the_style_sheet(dressed: Node) -> None:
    style = pages.styles(pages.environment(wording.clean), "style.css", "interactive.css")
    for name, light, dark in (("paper", LIGHT.paper, DARK.paper), ("wash", LIGHT.wash, DARK.wash)):
        assert f"--{name}: light-dark({light}, {dark});" in style
    tints = set(re.findall(r"background: color-mix\(in srgb, var\(--accent\) (\d+)%, ", style))
    assert tints == {f"{TINT * 100:.0f}"}
    accents = re.findall(r"--accent: light-dark\((\S+), (\S+)\)", dressed.all("style")[0].text)
    colour = report_dressed.brand().colour
    assert accents[-1] == (legible(colour, LIGHT), legible(colour, DARK))


# --- references --------------------------------------------------------------------------


def test_references_are_those_of_the_documents_each_with_its_bibtex(dressed: Node) -> None:
    found = references.references(report_dressed.pictured())
    items = _of(dressed, "references").all("li")
    assert len(items) == len(found) >= 3
    for item, one in zip(items, found, strict=True):
        assert item.text.startswith(" ".join(one.text.split()))
        assert item.all("pre")[0].text == " ".join(one.bibtex.split())
        assert [a.attrs["href"] for a in item.all("a")] == ([one.url] if one.url else [])
    assert any("Döring" in item.text for item in items)


def test_a_run_that_cites_nothing_has_no_references() -> None:
    bare = run(()).model_copy(update={"datasets": ()})
    page = parse(Html().render(bare))
    assert "references" not in {node.attrs["id"] for node in page.all("section")}
    assert "#references" not in {a.attrs["href"] for a in page.all("a")}


# --- hostile names -----------------------------------------------------------------------


def _walk(node: Node) -> list[Node]:
    return [node, *(inner for child in node.children for inner in _walk(child))]


def test_hostile_brands_credits_and_citations_stay_text(wild: bytes) -> None:
    root = parse(wild)
    assert [node.attrs.get("type") for node in root.all("script")] == ["application/json", None]
    assert not any(name.startswith("on") for node in _walk(root) for name in node.attrs)
    sources = [node.attrs["src"] or "" for node in _walk(root) if "src" in node.attrs]
    assert len(sources) == len(HOSTILE) + 1
    assert all(re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/=]+", one) for one in sources)
    linked = [a.attrs["href"] or "" for a in root.all("a")]
    assert {one for one in linked if not one.startswith("#")} == {"https://x.example/a"}
    for name in ("header", "section"):
        assert any(HOSTILE[0] in node.text for node in root.all(name))
    assert HOSTILE[0] in _of(root, "gallery").text
    assert HOSTILE[0] in _of(root, "references").text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", wild.decode())


def test_a_hostile_notice_cannot_end_the_style_sheet(wild: bytes) -> None:
    style = re.findall(rb"<style>(.*?)</style>", wild, re.DOTALL)[0]
    (told,) = re.findall(rb'content: "([^"]*)"; font: 8px sans-serif; } }$', style)
    assert re.fullmatch(rb"(?:[A-Za-z0-9 ]|\\[0-9a-f]{6})*", told)
    assert rb"\00003c\00002ftitle\00003e" in told
    for part in (b"url(http", b"@import", b"expression"):
        assert part not in style
