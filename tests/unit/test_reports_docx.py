"""The document for Word: what python-docx reads back, what is in its XML, hostile names."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from benchbench.brand import Brand
from benchbench.errors import MissingDependency
from benchbench.protocols import Report
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Cover,
    Document,
    Grid,
    Items,
    Part,
    Picture,
    plain,
    text,
)
from benchbench.reports.docx import Docx, written
from benchbench.reports.figures.plates import Drawing
from benchbench.reports.office.word_xml import mark
from benchbench.types import Record
from tests.report_fixture import hostile, small
from tests.report_measured import hostile_measured, measured

docx = pytest.importorskip("docx")
pytest.importorskip("matplotlib")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
ACCENT = "#7a1f5c"


def logo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 20), ACCENT).save(out, "PNG")
    return out.getvalue()


@contextmanager
def undrawn() -> Iterator[None]:
    """Put one blank image in place of every figure: drawing them is tested elsewhere, and slow."""
    out = io.BytesIO()
    Image.new("RGB", (160, 90), "white").save(out, "PNG")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawing, "image", lambda *_, **__: out.getvalue())
        yield


BRAND = Brand(client="Acme & Sons <GmbH>", notice="Confidential", colour=ACCENT, logo=logo())


@pytest.fixture(scope="module")
def source() -> Document:
    return build(measured(), BRAND)


@pytest.fixture(scope="module")
def made(source):
    return docx.Document(io.BytesIO(written(source)))


@pytest.fixture(scope="module", params=[hostile, hostile_measured], ids=["names", "measured"])
def hostile_bytes(request) -> bytes:
    with undrawn():
        return Docx(brand=BRAND).render(request.param())


def parts(data: bytes) -> Mapping[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def told(element) -> str:
    return "".join(node.text or "" for node in element.iter(f"{W}t"))


def styled(made, style: str) -> list[str]:
    return [p.text for p in made.paragraphs if p.style.name == style]


def test_the_summary_stands_in_it_with_its_numbers(source, made) -> None:
    (items,) = [block for block in source.summary.blocks if isinstance(block, Items)]
    found = styled(made, "List Bullet")
    assert len(items.items) >= 5
    assert [plain(item) for item in items.items] == found[: len(items.items)]
    assert any("3.78 ms [3.73, 3.83]" in line for line in found)


def test_headings_are_those_of_the_document_and_no_level_is_skipped(source, made) -> None:
    levels = [int(p.style.name[-1]) for p in made.paragraphs if p.style.name.startswith("Heading ")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    titles = [source.summary.title, *(part.title for part in source.parts)]
    assert styled(made, "Heading 1") == [*titles, "Glossary", "References"]
    assert styled(made, "Title") == [source.cover.title]


def test_captions_count_in_order_by_fields_and_lead_from_links(source, made) -> None:
    captions = [p for p in made.paragraphs if p.style.name == "Caption"]
    grids = [block for block in source.blocks() if isinstance(block, Grid)]
    pictures = [block for block in source.blocks() if isinstance(block, Picture)]
    numbers = [re.match(r"(Table|Figure) (\d+): .", p.text) for p in captions]
    for kind, own in (("Table", grids), ("Figure", pictures)):
        found = [int(n[2]) for n in numbers if n and n[1] == kind]
        assert found == list(range(1, len(own) + 1))
    codes = [node.text.strip() for p in captions for node in p._p.iter(f"{W}instrText")]
    assert sorted(set(codes)) == ["SEQ Figure \\* ARABIC", "SEQ Table \\* ARABIC"]
    assert len(codes) == len(captions) == len(grids) + len(pictures)


def test_every_link_leads_to_one_bookmark(made) -> None:
    body = made.element.body
    names = [node.get(f"{W}name") for node in body.iter(f"{W}bookmarkStart")]
    ids = [node.get(f"{W}id") for node in body.iter(f"{W}bookmarkStart")]
    assert len(set(names)) == len(names)
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"_\w{1,39}", name) for name in names)
    leads = {node.get(f"{W}anchor") for node in body.iter(f"{W}hyperlink")} - {None}
    assert leads <= set(names)
    assert {mark("summary"), mark("ref-lin2014"), mark("details")} <= leads


def test_every_picture_has_words_for_those_who_do_not_see_it(source, made) -> None:
    alts = [shape._inline.docPr.get("descr") for shape in made.inline_shapes]
    assert alts == ["Logo"] + [
        " ".join(block.alt.split()) for block in source.blocks() if isinstance(block, Picture)
    ]
    assert all(alts)


def test_tables_repeat_their_header_row_and_split_no_row(source, made) -> None:
    grids = [block for block in source.blocks() if isinstance(block, Grid)]
    assert len(made.tables) == len(grids)
    for table, grid in zip(made.tables, grids, strict=True):
        first, *rest = table._tbl.tr_lst
        assert first.trPr.find(f"{W}tblHeader") is not None
        assert all(row.trPr.find(f"{W}tblHeader") is None for row in rest)
        assert all(row.trPr.find(f"{W}cantSplit") is not None for row in (first, *rest))
        assert len(rest) == len(grid.lines)
        heads = [told(cell) for cell in first.tc_lst]
        assert heads == [grid.first, *(column.title for column in grid.columns)]


def test_numbers_stand_right_with_their_interval_below_and_reasons_under_the_table(
    source, made
) -> None:
    grids = [block for block in source.blocks() if isinstance(block, Grid)]
    at = next(i for i, grid in enumerate(grids) if grid.anchor == "table-cells-1")
    cell = made.tables[at].rows[1].cells[2]
    value, interval = cell.paragraphs
    assert (value.text, value._p.pPr.jc.get(f"{W}val")) == ("8.31", "right")
    assert interval.text.startswith("[8.20, 8.43]")
    assert interval.style.name == "Table Detail"
    notes = styled(made, "Table Note")
    assert grids[at].foot
    assert set(grids[at].foot) <= set(notes)


def test_a_wide_table_lies_in_landscape_and_no_table_is_wider_than_its_page(source, made) -> None:
    wide = [section for section in made.sections if section.page_width > section.page_height]
    assert wide
    widest = max(block.columns.__len__() for block in source.blocks() if isinstance(block, Grid))
    assert widest >= 8
    for table in made.tables:
        room = 14570 if len(table.columns) > 8 else 9638
        assert sum(int(col.get(f"{W}w")) for col in table._tbl.tblGrid) <= room


def test_contents_are_filled_and_updated_on_opening(source, made) -> None:
    (contents,) = made.element.body.iter(f"{W}sdt")
    lines = [told(p) for p in contents.iter(f"{W}p")]
    assert lines[:3] == ["Contents", source.summary.title, source.parts[0].title]
    kinds = [node.get(f"{W}fldCharType") for node in contents.iter(f"{W}fldChar")]
    assert kinds == ["begin", "separate", "end"]
    assert made.settings.element.find(f"{W}updateFields").get(f"{W}val") == "true"


def test_header_footer_and_properties_tell_of_the_run(source, made) -> None:
    section = made.sections[0]
    assert section.different_first_page_header_footer
    assert section.header.paragraphs[0].text == f"{source.facts['run']}   ·   Confidential"
    codes = [node.text for node in section.footer._element.iter(f"{W}instrText")]
    assert [code.strip() for code in codes] == ["PAGE", "NUMPAGES"]
    assert all(other.footer.is_linked_to_previous for other in list(made.sections)[1:])
    facts = made.core_properties
    assert (facts.title, facts.language) == (source.cover.title, "en")
    assert facts.created.isoformat() == facts.modified.isoformat() == "2026-11-22T09:14:31+00:00"
    assert "Acme & Sons <GmbH>" in "".join(styled(made, "Cover Line"))


def test_the_accent_is_the_brands(made) -> None:
    assert str(made.styles["Heading 1"].font.color.rgb) == ACCENT[1:].upper()
    fills = [node.get(f"{W}fill") for node in made.styles["Bench Table"].element.iter(f"{W}shd")]
    assert fills == [ACCENT[1:].upper()]


def test_the_same_run_gives_the_same_bytes_without_a_clock() -> None:
    one, two = (Docx().render(small()) for _ in range(2))
    assert one == two
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_hostile_names_stay_text(hostile_bytes) -> None:
    found = parts(hostile_bytes)
    assert not [name for name in found if "vba" in name.lower() or name.endswith(".bin")]
    made = docx.Document(io.BytesIO(hostile_bytes))
    shown = "\n".join(p.text for p in made.paragraphs)
    assert "<script>" in shown
    assert "\\u202e" in shown or "\\u202e" in "".join(map(told, made.tables[0]._tbl.iter(f"{W}p")))
    for name, body in found.items():
        if name.endswith((".xml", ".rels")):
            assert not re.search(b"[\x00-\x08\x0b\x0c\x0e-\x1f]", body), name
            assert "\u202e".encode() not in body
            assert b"<script>" not in body
    document = found["word/document.xml"]
    codes = set(re.findall(rb"<w:instrText[^>]*> ?(\w+)", document))
    assert codes == {b"TOC", b"SEQ"}


def test_nothing_outside_is_linked_but_https(hostile_bytes) -> None:
    for name, body in parts(hostile_bytes).items():
        if name.endswith(".rels"):
            for target in re.findall(rb'Target="([^"]*)" TargetMode="External"', body):
                assert target.startswith(b"https://"), name
            assert body.count(b'TargetMode="External"') == len(
                re.findall(rb'hyperlink" Target="https://[^"]*" TargetMode="External"', body)
            )


def test_numbered_lists_count_from_one_each() -> None:
    lists = (Items((text("a"), text("b")), ordered=True), Items((text("c"),), ordered=True))
    source = Document(Cover("T", "S", ()), Part("P", "p", lists), ())
    made = docx.Document(io.BytesIO(written(source)))
    numbers = [p._p.pPr.numPr.numId.val for p in made.paragraphs if p.style.name == "List Number"]
    assert len(numbers) == 3
    assert numbers[0] == numbers[1] != numbers[2]


def test_it_is_a_report_that_is_written_when_asked_for() -> None:
    checked: Report = Docx()
    assert isinstance(checked, Record)
    assert not Docx.usual
    assert Docx.file_name == "report.docx"


def test_without_its_package_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(MissingDependency, match="python-docx") as caught:
        Docx().render(small())
    assert caught.value.extra == "office"


def test_the_plug_in_loads_no_office_library_by_itself() -> None:
    root = Path(sys.modules["benchbench"].__file__).parent / "reports"
    for path in (root / "docx.py", root / "pptx.py", *sorted((root / "office").glob("*.py"))):
        assert not re.search(
            r"^(import|from) (docx|pptx|lxml|xlsxwriter)\b", path.read_text(), re.MULTILINE
        ), path
