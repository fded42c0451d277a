"""The workbook: figures as numbers, text as text, the same bytes each time."""

from __future__ import annotations

import io
import re
import sys
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

openpyxl = pytest.importorskip("openpyxl")

from benchbench.brand import Brand  # noqa: E402
from benchbench.errors import MissingDependency  # noqa: E402
from benchbench.protocols import Report  # noqa: E402
from benchbench.quantities import Named, quantity  # noqa: E402
from benchbench.reports.document.build import build  # noqa: E402
from benchbench.reports.document.model import Grid, Picture  # noqa: E402
from benchbench.reports.workbook.book import Book, clean, legal, put, style  # noqa: E402
from benchbench.reports.xlsx import Xlsx  # noqa: E402
from tests.report_findings import hostile_findings, knowing  # noqa: E402
from tests.report_fixture import HOSTILE, hostile, run, small  # noqa: E402
from tests.report_measured import hostile_measured, measured  # noqa: E402
from tests.trend_fixture import hostile_trends  # noqa: E402

HOSTILES = {
    "names": hostile, "found": hostile_findings, "measured": hostile_measured,
    "trends": hostile_trends,
}  # fmt: skip


def near(value: float | None):
    """Return what equals *value* as the format keeps it: to 16 digits."""
    return None if value is None else pytest.approx(value, rel=1e-14, abs=0)


def opened(data: bytes):
    """Return the workbook of *data* as openpyxl reads it."""
    return openpyxl.load_workbook(io.BytesIO(data))


def rows(sheet, at: int = 1) -> list[dict[str, object]]:
    """Return the rows under the heads in row *at*."""
    found = list(sheet.iter_rows(min_row=at, values_only=True))
    return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


@pytest.fixture(scope="module")
def data() -> bytes:
    return Xlsx(brand=Brand(client="Client")).render(measured())


@pytest.fixture(scope="module")
def book(data: bytes):
    return opened(data)


@pytest.mark.parametrize("make", [run, measured, knowing], ids=["run", "measured", "findings"])
def test_every_figure_of_every_cell_is_a_number_that_equals_the_views(make) -> None:
    view = make()
    sheet = opened(Xlsx().render(view))["Cells"]
    told, compared = rows(sheet), 0
    assert [row["Cell id"] for row in told] == [cell.id for cell in view.cells]
    heads = [head for head in told[0] if f"{head.split(', ')[0]} low" in told[0]]
    assert heads
    names = [str(h).split(", ")[0] for h in list(told[0])[12:-1]]
    names = [name for name in names if not re.search(r" (low|high|interval of)$", name)]
    for cell, row in zip(view.cells, told, strict=True):
        for name in names:
            head = next(h for h in row if h == name or h.startswith(f"{name}, "))
            if name in cell.metrics or "." in name or name in ("energy", "throughput", "size"):
                found = quantity(cell, Named(name))
                assert row[head] == near(found.value), (cell.label, name)
                assert row.get(f"{name} low") == near(found.low)
                assert row.get(f"{name} high") == near(found.high)
                compared += found.value is not None
    assert compared > 20


def test_an_absent_figure_is_an_empty_place_and_its_reason_is_told(book) -> None:
    cells, reasons = rows(book["Cells"]), rows(book["Reasons"])
    gone = next(cell for cell in cells if cell["latency.p99, ms"] is None)
    why = [r["Why"] for r in reasons if r["Cell"] == gone["Cell"] and r["Figure"] == "latency.p99"]
    assert why == ["400 queries are worth 200 independent ones; p99 needs 662"]


def test_each_table_has_a_sheet_with_its_caption_rows_and_notes(book) -> None:
    document = build(measured())
    names = document.names()
    for block in document.blocks():
        if isinstance(block, Grid):
            sheet = book[names[block.anchor]]
            assert sheet["A1"].value == f"{names[block.anchor]}. {block.caption}"
            under = [sheet.cell(4 + at, 1).value for at in range(len(block.lines))]
            assert under == [line.name for line in block.lines]
            last = [row[0] for row in sheet.iter_rows(values_only=True)]
            assert not block.foot or last[-len(block.foot) :] == list(block.foot)
            assert sheet.freeze_panes == "B4"
            assert sheet.auto_filter.ref.startswith("A3:")


def test_numbers_of_tables_are_numbers_with_their_intervals_beside(book) -> None:
    row = rows(book["Table 3"], 3)[0]
    assert row["p50, ms"] == 8.31
    assert (row["p50, ms: low"], row["p50, ms: high"]) == (8.202, 8.4305)
    assert row["Memory (bytes)"] == 140_000_000
    assert row["Memory: printed"] == "140 MB"


def test_charts_are_the_spreadsheets_own(book) -> None:
    document = build(measured())
    drawn = [b for b in document.blocks() if isinstance(b, Picture) and b.chart]
    sheets = [book[name] for name in book.sheetnames if name.endswith(" data")]
    assert len(sheets) == len(drawn) >= 3
    scatter = rows(book["Figure 1 data"], 3)
    points = [point for series in drawn[0].chart.series for point in series.points]
    assert [(r["p50 latency, ms"], r["mAP"]) for r in scatter[: len(points)]] == [
        (point.x, point.y) for point in points
    ]


def test_charts_are_in_the_file(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        charts = [name for name in archive.namelist() if name.startswith("xl/charts/chart")]
        assert len(charts) >= 3
        scatter = next(c for c in map(archive.read, charts) if b"scatterChart" in c)
    assert b"<c:logBase" in scatter or b"<logBase" in scatter


def test_the_first_sheet_leads_to_all_others(book) -> None:
    links = [
        cell.hyperlink.location
        for row in book["Summary"].iter_rows()
        for cell in row
        if cell.hyperlink
    ]
    assert links == [f"'{name}'!A1" for name in book.sheetnames[1:]]


@pytest.mark.parametrize("make", HOSTILES.values(), ids=HOSTILES)
def test_hostile_names_are_text_and_no_formula_or_address(make) -> None:
    data = Xlsx().render(make())
    book = opened(data)
    for sheet in book.worksheets:
        assert re.fullmatch(r"[^\[\]:*?/\\]{1,31}", sheet.title)
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type in "sn", cell.coordinate
                assert not isinstance(cell.value, str) or len(cell.value) <= 32_767
                assert not re.search("[\u202a-\u202e\u2066-\u2069]", str(cell.value))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not any("externalLink" in name for name in archive.namelist())
        body = b"".join(archive.read(n) for n in archive.namelist() if "worksheets" in n)
    assert b"<f>" not in body
    assert b"TargetMode" not in body


@settings(max_examples=15)
@given(st.text(max_size=30) | st.sampled_from(["=1+1", "#N/A", "@SUM(A1)", "+1", "-x", "\t=2"]))
def test_any_text_comes_back_as_text(words: str) -> None:
    book = Book("#203040")
    put(book.sheet("x"), 1, 1, words)
    back = opened(book.saved("t", "s", "a", "2026-11-22"))["x"]["A1"]
    assert back.data_type == "s" or back.value is None
    assert (back.value or "") == clean(words)


@given(st.lists(st.text(max_size=40) | st.sampled_from([*HOSTILE, "History", "'x'", "a/b"])))
def test_names_of_sheets_are_legal_and_unique(wanted: list[str]) -> None:
    taken: dict[str, str] = {}
    for one in wanted:
        name = legal(one, taken)
        assert name.casefold() not in taken
        assert 1 <= len(name) <= 31
        assert not re.search(r"[\[\]:*?/\\]", name)
        assert not name.startswith("'")
        assert name.casefold() != "history"
        taken[name.casefold()] = name


@pytest.mark.parametrize(
    ("value", "shown"),
    [(400, "#,##0"), (0.4128, "0.000"), (0.00012, "0.000E+00"), (8431.27, "#,##0.00")],
)
def test_number_formats_show_at_least_three_digits(value: float, shown: str) -> None:
    assert style(value) == shown


def test_the_same_run_gives_the_same_bytes_as_of_its_own_date() -> None:
    report: Report = Xlsx()
    data = report.render(small())
    assert data == report.render(small())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert core.count("2026-11-22T09:14:31Z") == 2


def test_without_openpyxl_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingDependency, match="openpyxl") as caught:
        Xlsx().render(run())
    assert "benchbench[office]" in caught.value.hint
