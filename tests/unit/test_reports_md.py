"""The document as Markdown: its golden files, its figures beside it, and texts that do no harm."""

from __future__ import annotations

import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchbench.brand import Brand
from benchbench.protocols import Foldered, Report
from benchbench.reports.document.model import Grid, Line, Paragraph, Place, Span, text
from benchbench.reports.md import Md, _block
from tests.report_findings import hostile_findings, knowing
from tests.report_fixture import HOSTILE, broken, hostile, run, small, varied
from tests.report_fixture import MISSING as FAILURE
from tests.report_measured import hostile_measured
from tests.report_measured import measured as measured_run
from tests.trend_fixture import hostile_trends

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "document"
_OURS = {
    "a", "blockquote", "br", "code", "details", "em", "h1", "h2", "h3", "h4", "h5", "img", "li",
    "ol", "p", "pre", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Seen(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def shown(markdown: str) -> Seen:
    """Return what a reader of GitHub's Markdown gets, addresses turned into links."""
    found = pytest.importorskip("markdown_it")
    return Seen(found.MarkdownIt("commonmark").enable("table").render(markdown))


@pytest.mark.parametrize(
    ("name", "view"), [("small", small()), ("measured", measured_run()), ("knowing", knowing())]
)
def test_the_run_renders_as_its_golden_file(name: str, view) -> None:
    made, path = Md().render(view), GOLDEN / f"{name}.md"
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made.decode() == path.read_text(encoding="utf-8")


def test_it_is_a_report_whose_files_hold_every_figure_that_the_text_names() -> None:
    pytest.importorskip("matplotlib")
    logo = io.BytesIO()
    Image.new("RGB", (8, 8)).save(logo, "PNG")
    report = Md(brand=Brand(client="ACME", logo=logo.getvalue()))
    assert isinstance(report, Foldered)
    checked: Report = report
    # A failed cell has no figures: the one group here is drawn in a single page.
    view = run((small().cells[0], broken(1, "m", "r", "fp32", FAILURE)))
    files = report.files(view)
    assert next(iter(files)) == checked.file_name
    assert files[checked.file_name] == checked.render(view)
    named = set(re.findall(rb"!\[[^\]]*\]\(([^)]*)\)", files[checked.file_name]))
    assert {name.decode() for name in named} == set(files) - {checked.file_name}
    assert files["figures/logo.png"] == logo.getvalue()
    assert all(data.startswith(b"<?xml") for name, data in files.items() if name.endswith(".svg"))
    assert b"| Client | ACME |" in files[checked.file_name]


@pytest.mark.parametrize(
    "view",
    [hostile(), hostile_findings(), hostile_measured(), hostile_trends()],
    ids=["names", "found", "measured", "trends"],
)
def test_hostile_names_become_text_and_nothing_else(view) -> None:
    made = Md().render(view).decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", made)
    assert max(map(len, made.split())) < 2_000, "a name of 10,000 characters is cut"
    page = shown(made)
    assert {tag for tag, _ in page.tags} <= _OURS
    for tag, attributes in page.tags:
        assert set(attributes) <= {"href", "src", "alt", "id", "class", "style"}
        if "href" in attributes:
            assert re.match(r"#[a-z0-9-]+$|https://", attributes["href"])
        if tag == "img":
            assert re.fullmatch(r"figures/[a-z0-9-]+\.svg", attributes["src"])
            assert attributes["alt"]


def test_nothing_but_our_own_references_is_a_bare_address() -> None:
    made = re.sub(
        r"^```.*?^```$", "", Md().render(hostile()).decode(), flags=re.DOTALL | re.MULTILINE
    )
    assert "evil.example" in made
    assert "http://" not in made
    assert not re.search(r"(?<!<)https://", made)


@given(st.text(max_size=80) | st.sampled_from(HOSTILE))
def test_any_text_of_a_table_stays_in_its_cell_and_any_paragraph_is_one(words: str) -> None:
    line = Line(words, (Place(words, detail=words), Place("–", reason=words or "none")), words)
    grid = Grid("c", "Cell", (), (line,), "t")
    table = _block(grid, {"t": "Table 1"}).split("\n\n")[1].splitlines()
    assert len(table) == 3
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", table[2])) == 4
    for span in (Span(words), Span(words, "strong"), Span(words, "code")):
        seen = {tag for tag, _ in shown(_block(Paragraph(text("x ", span)), {})).tags}
        assert seen <= {"p", "strong", "code"}
    alone = {tag for tag, _ in shown(_block(Paragraph(text(words)), {})).tags}
    assert alone <= {"p"}


def test_absent_values_carry_the_number_of_their_reason() -> None:
    made = Md().render(varied()).decode()
    table = made[made.index('<a id="table-cells-1">') :].split("\n\n")
    assert "| – (1) |" in table[1]
    assert table[2].startswith("(1) 400 queries are worth 200 independent ones")
