"""The PDF: its text, its structure, and that no name of a run is more than text."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchbench.brand import Brand
from benchbench.errors import MissingDependency, UsageError
from benchbench.protocols import Report
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Callout,
    Column,
    Cover,
    Document,
    Grid,
    Line,
    Paragraph,
    Part,
    Picture,
    Place,
    Span,
    plain,
    text,
)
from benchbench.reports.pdf import Pdf
from benchbench.reports.typesetting.content import content
from benchbench.reports.typesetting.layout import MARGIN, PAPERS, fit
from benchbench.reports.typesetting.words import ROOM, pieces, spans, width
from tests.report_findings import hostile_findings
from tests.report_fixture import HOSTILE, cells, hostile, run
from tests.report_measured import measured

pypdf = pytest.importorskip("pypdf")
pytest.importorskip("typst")
pytest.importorskip("matplotlib")


class Square:
    """A picture of nothing, in place of one that matplotlib draws."""

    aspect = 1.0

    def image(self, form: str, width_in: float = 6.4) -> bytes:
        return b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9v9z"/></svg>'


def document(*blocks, title: str = "Title", logo: bytes | None = None) -> Document:
    cover = Cover(title, "Subtitle", (("Client", "C"),), logo=logo, notice="Confidential")
    facts = {"title": title, "author": "A", "created": "2026-11-22T09:14:31Z", "run": "r-1"}
    return Document(cover, Part("Summary", "summary", blocks), (), (), (), facts)


def read(data: bytes):
    return pypdf.PdfReader(io.BytesIO(data))


def words(data: bytes) -> str:
    """Return all text on one line, without blanks: lines break where they like."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in read(data).pages))


def bare(told: str) -> str:
    return re.sub(r"\s", "", told)


def plainly(source: Document) -> Document:
    """Return *source* with empty pictures, which need no drawing."""
    for block in source.blocks():
        if isinstance(block, Picture):
            object.__setattr__(block, "drawn", Square())
    return source


@pytest.fixture(scope="module")
def made() -> bytes:
    brand = Brand(client="Client & Sons", author="A. N. Other", notice="Secret")
    return Pdf().typeset(plainly(build(measured(), brand)))


@pytest.fixture(scope="module")
def pages(made: bytes) -> list[str]:
    return [bare(page.extract_text()) for page in read(made).pages]


def test_it_says_every_sentence_of_the_summary_and_every_caption_and_figure(
    pages: list[str],
) -> None:
    found, source = "".join(pages), build(measured())
    for block in source.summary.blocks:
        if isinstance(block, Paragraph):
            assert bare(plain(block.text)) in found
        elif isinstance(block, Callout):
            assert all(bare(plain(line)) in found for line in block.body)
    for block in source.blocks():
        if isinstance(block, Grid):
            name = source.names()[block.anchor]
            assert bare(f"{name}. {block.caption}") in found
            assert all(bare(grid_text) in found for grid_text in block.foot)
            for line in block.lines:
                assert all(bare(block.shown(place)) in found for place in line.places)


def test_its_own_facts_are_those_of_the_run_and_the_brand(made: bytes) -> None:
    pdf = read(made)
    facts = pdf.metadata
    assert facts.title == "Edge detectors on the inspection line"
    assert facts.author == "A. N. Other"
    assert facts.creation_date.isoformat() == "2026-11-22T09:14:31+00:00"
    root = pdf.trailer["/Root"]
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert b"pdfuaid" in root["/Metadata"].get_data()


def test_bookmarks_lead_to_the_sections(made: bytes) -> None:
    titles = [item.title for item in read(made).outline if not isinstance(item, list)]
    expected = [part.title for part in (build(measured()).summary, *build(measured()).parts)]
    numbered = [
        f"{at} {title}" for at, title in enumerate([*expected, "Glossary", "References"], 1)
    ]
    assert titles == ["Contents", *numbered]


def test_each_page_has_the_notice_its_number_and_but_for_the_cover_the_run(
    pages: list[str],
) -> None:
    assert 10 < len(pages) < 25
    for at, page in enumerate(pages, 1):
        assert "Secret" in page
        assert f"{at}/{len(pages)}" in page
        assert "2026-11-22T09-00-00Z-4f2c" in page


def test_figures_have_words_for_those_who_do_not_see_them() -> None:
    picture = Picture("Caption", "A square in words", Square(), "figure-1")
    root = read(Pdf().typeset(document(picture))).trailer["/Root"]
    found: list[str] = []

    def walk(node) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for one in node:
                walk(one)
        elif isinstance(node, dict):
            found.extend([str(node["/Alt"])] if "/Alt" in node else [])
            walk(node.get("/K", []))

    walk(root["/StructTreeRoot"])
    assert "A square in words" in found


@pytest.mark.parametrize("make", [hostile, hostile_findings], ids=["names", "found"])
def test_hostile_names_are_only_text(make) -> None:
    view = make()
    data = Pdf().typeset(plainly(build(view)))
    pdf = read(data)
    assert len(pdf.pages) < 60
    assert "<script>alert('name')</script>" in words(data)
    for key in (b"/JavaScript", b"/JS", b"/Launch", b"/OpenAction", b"/EmbeddedFile", b"/GoToR"):
        assert key not in data
    for page in pdf.pages:
        for note in (one.get_object() for one in page.get("/Annots", [])):
            address = note.get("/A", {}).get("/URI", "https://")
            assert str(address).startswith("https://")
            left, bottom, right, top = (float(side) for side in note["/Rect"])
            assert 0 <= left <= right <= float(page.mediabox.width) + 1
            assert 0 <= bottom <= top <= float(page.mediabox.height) + 1


MARKUP = '#panic() $x^2$ @summary <label> `raw` \\u{41} // no /* no */ = not a head *not* _not_ "q"'


@pytest.mark.parametrize(
    "told", [MARKUP, "a" * 1_500, *HOSTILE[3:], "中文 👩‍👩‍👧 \ud800 \ufffe", ""]
)
def test_any_text_in_any_place_is_set_as_it_is(told: str) -> None:
    grid = Grid(told, told, (Column(told), Column(told, "left")),
                (Line(told, (Place(told, detail=told), Place("–", reason=told))),), "table")  # fmt: skip
    block = Paragraph(text(told, Span(told, "code"), Span(told, "strong", "#nowhere")))
    callout = Callout(told, (text(told),), "bad")
    data = Pdf().typeset(document(block, callout, grid, title=told))
    assert len(read(data).pages) < 20
    if told == MARKUP:
        assert words(data).count(bare(MARKUP)) >= 9


@given(st.text(max_size=200) | st.sampled_from(HOSTILE))
@example("x" * 40 + " /a/b_c " + "\u0645" * 30)
def test_pieces_are_the_text_and_break_only_in_long_words(words: str) -> None:
    found = pieces(words)
    assert "".join(found) == words
    if all(width(word) <= ROOM for word in re.findall(r"[^ \t\n]+", words)):
        assert found == [words]


def test_a_link_that_leads_nowhere_is_text() -> None:
    told = (Span("a", href="#there"), Span("b", href="#nowhere"), Span("c", href="javascript:x"),
            Span("d", href="https://example.org"))  # fmt: skip
    found = spans(told, frozenset({"there"}))
    assert [one["to"] for one in found] == ["#there", "", "", "https://example.org"]


def table(columns: int) -> Grid:
    heads = tuple(Column(f"metric number {at}") for at in range(columns))
    place = Place("0.4128", detail="[0.40, 0.43]")
    lines = tuple(Line(f"model-{row} · openvino", (place,) * columns) for row in range(50))
    return Grid("Caption", "Cell", heads, lines, "table")


@pytest.mark.parametrize("paper", ["a4", "us-letter"])
@pytest.mark.parametrize("columns", [1, 5, 14, 40])
def test_a_table_is_never_wider_than_its_page(paper, columns: int) -> None:
    found, sides = fit(table(columns), paper), PAPERS[paper]
    assert sum(found.widths) <= sides[found.turned] - 2 * MARGIN + 0.1
    assert found.turned == (columns >= 14)
    assert found.size >= 6.0


@pytest.mark.parametrize("columns", [5, 14])
def test_a_long_table_repeats_its_heads_and_a_wide_one_turns_its_pages(columns: int) -> None:
    pages = read(Pdf().typeset(document(table(columns)))).pages
    holding = [page for page in pages if "model-" in page.extract_text()]
    assert len(holding) > 1
    assert all("metric" in page.extract_text() for page in holding), "heads are repeated"
    turned = {page.mediabox.width > page.mediabox.height for page in holding}
    assert turned == {columns == 14}


def test_the_paper_can_be_chosen_and_a_logo_is_set() -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (40, 20), (10, 80, 60)).save(out, "PNG")
    pdf = read(Pdf(paper="us-letter").typeset(document(logo=out.getvalue())))
    assert [float(side) for side in pdf.pages[0].mediabox[2:]] == [612, 792]
    assert len(pdf.pages[0].images) == 1


def test_the_same_run_gives_the_same_bytes() -> None:
    report: Report = Pdf()
    assert report.render(run((cells()[0],))) == report.render(run((cells()[0],)))


def test_two_links_to_an_anchor_that_occurs_twice_are_text() -> None:
    grid = Grid("A", "B", (Column("C"),), (Line("x", (Place("1"),)),), "same")
    source = document(grid, grid, Paragraph(text(Span("see", href="#same"))))
    data = content(source, "a4")
    assert data["flow"][-1]["text"][0]["to"] == ""
    assert len(read(Pdf().typeset(source)).pages) == 3


def test_a_folder_of_fonts_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        Pdf(fonts=tmp_path / "none").typeset(document())


@pytest.mark.parametrize("package", ["typst", "matplotlib"])
def test_without_a_package_the_error_names_the_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=package) as caught:
        Pdf().typeset(document())
    assert "benchbench[pdf]" in caught.value.hint
