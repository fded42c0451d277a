"""The document as slides: bounds, charts and their sheets, notes, hostile names."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from benchbench.errors import MissingDependency
from benchbench.protocols import Report
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Axis,
    Chart,
    Column,
    Cover,
    Document,
    Grid,
    Line,
    Part,
    Picture,
    Place,
    Point,
    Series,
    plain,
    text,
)
from benchbench.reports.office import fit, slide_charts, slide_tables
from benchbench.reports.office.slide_text import Piece, pages
from benchbench.reports.pptx import Pptx, written
from benchbench.types import Record
from tests.report_findings import hostile_findings, knowing
from tests.report_fixture import HOSTILE, hostile, many, small
from tests.report_measured import hostile_measured, measured
from tests.unit.test_reports_docx import BRAND, parts, undrawn

pptx = pytest.importorskip("pptx")
openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("matplotlib")
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
ARIAL = Path("/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf")
"""Of the same metric as Arial."""


def opened(data: bytes):
    return pptx.Presentation(io.BytesIO(data))


@pytest.fixture(scope="module")
def source() -> Document:
    return build(measured(), BRAND)


@pytest.fixture(scope="module")
def made(source):
    return opened(written(source))


@pytest.fixture(scope="module")
def hostile_data() -> list[bytes]:
    with undrawn():
        return [Pptx(brand=BRAND).render(run()) for run in (hostile, hostile_measured)]


def titles(deck) -> list[str]:
    return [slide.shapes.title.text_frame.text for slide in deck.slides]


def charts(deck) -> Iterator:
    return (shape.chart for slide in deck.slides for shape in slide.shapes if shape.has_chart)


def drawn(source: Document) -> list[Picture]:
    found = [block for block in source.blocks() if isinstance(block, Picture)]
    return [block for block in found if block.chart and slide_charts.drawable(block.chart)]


def test_the_summary_stands_in_it_with_its_numbers(source, made) -> None:
    pages_ = [s for s in made.slides if s.shapes.title.text_frame.text.startswith("Executive")]
    shown = "\n".join(p.text for s in pages_ for p in s.placeholders[1].text_frame.paragraphs)
    for block in source.summary.blocks:
        for item in getattr(block, "items", ()):
            assert plain(item) in shown
    assert "3.78 ms [3.73, 3.83]" in shown


def test_every_slide_has_title_and_number_and_notice_and_ends_with_references(made) -> None:
    assert all(titles(made))
    assert titles(made)[0] == "Edge detectors on the inspection line"
    assert titles(made)[-1].startswith("References")
    assert any(title.startswith("Provenance") for title in titles(made))
    for slide in made.slides:
        assert "Confidential" in [s.text_frame.text for s in slide.shapes if s.has_text_frame]
        assert 'type="slidenum"' in pptx.oxml.xmlchemy.serialize_for_reading(slide.shapes.element)
        ids = [shape.shape_id for shape in slide.shapes]
        assert len(set(ids)) == len(ids)


def test_a_part_that_is_not_for_slides_is_on_none() -> None:
    quiet = Part("Quiet", "quiet", (), (Part("Inner", "inner", ()),), slide=False)
    inside = Part("Outer", "outer", (), (replace(quiet, anchor="q"),))
    deck = opened(written(Document(Cover("T", "", ()), Part("S", "s"), (quiet, inside))))
    assert titles(deck) == ["T"]


def test_each_figure_has_a_slide_named_after_it_with_its_caption_in_the_notes(source, made) -> None:
    found = dict(zip(titles(made), made.slides, strict=True))
    pictures = [block for block in source.blocks() if isinstance(block, Picture)]
    assert len(pictures) >= 6
    for picture in pictures:
        slide = found[picture.caption.partition(". ")[0]]
        assert picture.caption in slide.notes_slide.notes_text_frame.text


def test_every_picture_chart_and_table_has_words(made) -> None:
    kinds = pptx.enum.shapes.MSO_SHAPE_TYPE
    seen = [
        shape
        for slide in made.slides
        for shape in slide.shapes
        if shape.shape_type in (kinds.PICTURE, kinds.CHART, kinds.TABLE)
    ]
    assert len(seen) >= 12
    assert all(shape._element.xpath(".//p:cNvPr")[0].get("descr") for shape in seen)


@pytest.mark.parametrize("run", [measured, knowing, lambda: many(60)], ids=["a", "b", "c"])
def test_nothing_leaves_its_slide(run) -> None:
    with undrawn():
        assert _outside(Pptx().render(run())) == []


def test_nothing_hostile_leaves_its_slide(hostile_data) -> None:
    assert [_outside(data) for data in hostile_data] == [[]] * len(hostile_data)


def _outside(data: bytes) -> list[str]:
    """Return the shapes that leave their slide, or whose text leaves them."""
    deck = opened(data)
    wide, high = deck.slide_width, deck.slide_height
    return [
        shape.name
        for slide in deck.slides
        for shape in slide.shapes
        if min(shape.left, shape.top) < 0
        or shape.left + shape.width > wide
        or shape.top + shape.height > high
        or (shape.has_text_frame and _height(shape) > shape.height / 12_700)
    ]


def _height(shape) -> float:
    """Return the points that the text takes by the font itself, else by the estimate."""
    inside = shape.width / 12_700 - 14.4
    taken = 0.0
    for line in shape.text_frame.paragraphs:
        size = max([run.font.size.pt for run in line.runs if run.font.size] or [0.0])
        if not size:
            continue
        room = inside - int(line._p.get_or_add_pPr().get("marL", 0)) / 12_700
        words = "".join(run.text for run in line.runs)
        space = line.space_before.pt if line.space_before else 0.0
        taken += fit.height(words, size, room) + space
    return taken


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x24F, categories=["L", "N", "P", "Zs"]), max_size=60))
def test_the_estimate_of_a_width_is_never_less_than_the_font_itself(words: str) -> None:
    if not ARIAL.exists():
        pytest.skip("no font of Arial's metric")
    assert fit.width(words, 100) >= ImageFont.truetype(ARIAL, 100).getlength(words) - 1


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=400) | st.sampled_from(HOSTILE), st.integers(9, 40), st.integers(60, 900))
def test_lines_are_no_wider_than_their_room_and_lose_nothing(words, size, room) -> None:
    found = fit.lines(words, size, room)
    assert "".join(found) == words.replace("\n", " ")
    assert all(fit.width(line.rstrip(" "), size) <= room or len(line) <= 2 for line in found)
    cut = fit.trimmed(words, size, room, 2)
    assert len(fit.lines(cut, size, room)) <= 2 or room < 3 * size


def test_text_that_does_not_fit_continues_and_no_head_stands_last() -> None:
    head = Piece(text("Head"), bullet=False, head=True)
    found = pages([*[Piece(text("word " * 60))] * 9, head, Piece(text("word " * 200))])
    assert len(found) > 2
    assert not any(page[-1].head for page in found)
    assert sum(map(len, found)) == 11


# --- tables ------------------------------------------------------------------------------


def _grid(rows: int) -> Grid:
    lines = tuple(
        Line(f"row {at}", (Place(str(at), at, strong=at in (30, 40)), Place("–", reason=f"r{at}")))
        for at in range(rows)
    )
    return Grid("Caption", "Name", (Column("A"), Column("B")), lines, "table-x", more=5)


def test_a_long_table_shows_its_best_rows_and_counts_the_others() -> None:
    layout = slide_tables.fitted(_grid(50))
    names = [line.name for line in layout.grid.lines]
    assert {"row 30", "row 40"} <= set(names)
    assert names == sorted(names, key=lambda name: int(name[4:]))
    assert layout.grid.more == 5 + 50 - len(names)
    assert layout.size == min(slide_tables.SIZES)
    assert len(slide_tables.fitted(_grid(6)).grid.lines) == 6


def test_the_main_table_is_a_table_with_its_header_row_marked() -> None:
    with undrawn():
        deck = opened(Pptx().render(many(60)))
    frames = [s for slide in deck.slides for s in slide.shapes if s.has_table]
    assert frames
    assert all(frame.table.first_row for frame in frames)
    main = next(s for s in deck.slides if any(shape.has_table for shape in s.shapes))
    shown = [shape.text_frame.text for shape in main.shapes if shape.has_text_frame]
    rows = len(next(s for s in main.shapes if s.has_table).table.rows) - 1
    assert any(f"and {60 - rows} more" in words for words in shown)


# --- charts ------------------------------------------------------------------------------


def test_charts_hold_the_figures_of_the_view(source, made) -> None:
    pictures, found = drawn(source), list(charts(made))
    assert len(found) == len(pictures) >= 4
    assert {picture.chart.kind for picture in pictures} == {"scatter", "bars"}
    for picture, chart in zip(pictures, found, strict=True):
        own = [list(series.values) for series in chart.plots[0].series]
        assert len(own) == len(picture.chart.series)
        for values, series in zip(own, picture.chart.series, strict=True):
            assert [v for v in values if v is not None] == [p.y for p in _told(series, picture)]


def _told(series: Series, picture: Picture) -> list[Point]:
    """Return the points in the order of the chart's categories."""
    names = [p.x for one in picture.chart.series for p in one.points]
    order = {name: at for at, name in enumerate(dict.fromkeys(names))}
    scatter = picture.chart.kind == "scatter"
    return list(series.points) if scatter else sorted(series.points, key=lambda p: order[p.x])


CHART = Chart(
    "bars", Axis("Cell"), Axis("ms"),
    (Series("=1+1", (Point("a", 2.0, low=1.5, high=2.75), Point("=cmd|'/c calc'!A0", 4.0))),
     Series("b", (Point("a", 3.0, low=2.0, high=4.0),))),
)  # fmt: skip
SCATTER = Chart(
    "scatter", Axis("ms", log=True), Axis("mAP"),
    (Series("one", (Point(1.0, 0.5, 0.75, 1.5, 0.25, 0.625, "first"), Point(50.0, 0.5))),),
)  # fmt: skip


def _slide_with(chart: Chart):
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    frame = slide_charts.add(slide, chart, (0, 0, 5_000_000, 4_000_000))
    blob = frame.chart.part.chart_workbook.xlsx_part.blob
    return frame.chart, openpyxl.load_workbook(io.BytesIO(blob))["Sheet1"], blob


@pytest.mark.parametrize("chart", [CHART, SCATTER], ids=["bars", "scatter"])
def test_intervals_are_error_bars_that_the_sheet_holds(chart: Chart) -> None:
    made, sheet, _ = _slide_with(chart)
    found = list(made._chartSpace.iter(f"{C}errBars"))
    directions = [d.get("val") for bar in found for d in bar.iter(f"{C}errDir")]
    assert directions == (["x", "y"] if chart is SCATTER else [])
    told = [_bar(bar, sheet) for bar in found]
    if chart is SCATTER:
        assert told == [([0.5, None], [0.25, None]), ([0.125, None], [0.25, None])]
    else:
        assert told == [([0.75, None], [0.5, None]), ([1.0, None], [1.0, None])]


def _bar(bar, sheet) -> tuple[list[float | None], list[float | None]]:
    """Return what the error bar shows, after checking that the sheet's cells hold the same."""
    ends = []
    for side in ("plus", "minus"):
        node = bar.find(f"{C}{side}")
        where = node.find(f".//{C}f").text.removeprefix("Sheet1!")
        cells = [row[0].value for row in sheet[where.replace("$", "")]]
        cached = {int(pt.get("idx")): float(pt.findtext(f"{C}v")) for pt in node.iter(f"{C}pt")}
        assert [cached.get(at) for at in range(len(cells))] == cells
        ends.append(cells)
    return tuple(ends)


@pytest.mark.parametrize("chart", [CHART, SCATTER], ids=["bars", "scatter"])
def test_every_reference_of_a_chart_finds_its_figures_in_the_sheet(chart: Chart) -> None:
    made, sheet, _ = _slide_with(chart)
    checked = 0
    for kind in ("numRef", "strRef"):
        for node in made._chartSpace.iter(f"{C}{kind}"):
            found = sheet[node.findtext(f"{C}f").removeprefix("Sheet1!").replace("$", "")]
            cells = (
                [c.value for row in found for c in row]
                if isinstance(found, tuple)
                else [found.value]
            )
            cached = {int(pt.get("idx")): pt.findtext(f"{C}v") for pt in node.iter(f"{C}pt")}
            shown = [cached.get(at) for at in range(len(cells))]
            same = str if kind == "strRef" else float
            assert [same(v) if v is not None else None for v in shown] == cells
            checked += 1
    assert checked >= 5


def test_no_formula_is_in_the_sheet_of_a_chart(hostile_data) -> None:
    _, sheet, blob = _slide_with(CHART)
    assert sheet["A3"].value == "=cmd|'/c calc'!A0"
    assert sheet["A3"].data_type == "s"
    assert sheet["A3"].quotePrefix
    books = [blob]
    for data in hostile_data:
        books += [body for name, body in parts(data).items() if name.endswith(".xlsx")]
    assert len(books) > 5
    for book in books:
        assert all(b"<f>" not in body for body in parts(book).values())
        assert not [name for name in parts(book) if "externalLink" in name or "vba" in name]


def test_an_axis_has_logarithms_only_where_it_spans_decades() -> None:
    wide, _, _ = _slide_with(SCATTER)
    assert len(list(wide._chartSpace.iter(f"{C}logBase"))) == 1
    narrow = replace(SCATTER, series=(Series("one", (Point(2.0, 0.5), Point(9.0, 0.6))),))
    made, _, _ = _slide_with(narrow)
    assert not list(made._chartSpace.iter(f"{C}logBase"))


def test_a_chart_that_nobody_could_read_is_a_picture() -> None:
    points = tuple(Point(f"class {at}", 0.5) for at in range(80))
    crowded = Chart("bars", Axis("Class"), Axis("AP"), (Series("a", points),))
    assert not slide_charts.drawable(crowded)
    assert slide_charts.drawable(SCATTER)
    assert not slide_charts.drawable(replace(SCATTER, series=()))
    zero = (Series("one", (Point(0.0, 0.5),)),)
    assert not slide_charts.drawable(replace(SCATTER, series=zero))


# --- the file ----------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes_without_a_clock() -> None:
    one, two = (Pptx().render(small()) for _ in range(2))
    assert one == two
    books = [body for name, body in parts(one).items() if name.endswith(".xlsx")]
    assert books
    for data in (one, *books):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = parts(data)["docProps/core.xml"]
        assert re.findall(rb">(20\d\d-[^<]*)</dcterms", core) == [b"2026-11-22T09:14:31Z"] * 2


@pytest.mark.parametrize("at", [0, 1], ids=["names", "measured"])
def test_hostile_names_stay_text(at: int, hostile_data) -> None:
    found = parts(hostile_data[at])
    assert not [name for name in found if "vba" in name.lower()]
    for name, body in found.items():
        if name.endswith((".xml", ".rels")):
            assert not re.search(b"[\x00-\x08\x0c\x0e-\x1f]", body), name
            assert "\u202e".encode() not in body
            assert b"<script>" not in body
            for target in re.findall(rb'Target="([^"]*)" TargetMode="External"', body):
                assert target.startswith(b"https://"), name
    everything = "\n".join(titles(opened(hostile_data[at])))
    assert "<script>" in everything


def test_what_is_known_of_hostile_findings_fits_too() -> None:
    with undrawn():
        assert _outside(Pptx().render(hostile_findings())) == []


def test_it_is_a_report_that_is_written_when_asked_for() -> None:
    checked: Report = Pptx()
    assert isinstance(checked, Record)
    assert not Pptx.usual
    assert Pptx.file_name == "report.pptx"


def test_without_its_package_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pptx", None)
    with pytest.raises(MissingDependency, match="python-pptx") as caught:
        Pptx().render(small())
    assert caught.value.extra == "office"
