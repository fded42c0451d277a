"""The document behind PDF, Word, slides, Markdown and LaTeX: what it says, and what it never hides."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchbench.brand import MOST_LOGO, Brand, contrast, read_brand
from benchbench.errors import UsageError
from benchbench.gate_view import GateView, LimitView
from benchbench.reports.document import bibtex, choice
from benchbench.reports.document.build import build
from benchbench.reports.document.model import (
    Callout,
    Document,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Picture,
    Place,
    Span,
    plain,
)
from benchbench.reports.document.references import METHODS
from benchbench.reports.figures.plates import Drawing, of_run
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import Group, front, groups
from benchbench.types import DatasetCard
from benchbench.view import RunView
from tests.report_findings import hostile_findings, knowing
from tests.report_fixture import cells, hostile, many, run, varied
from tests.report_measured import hostile_measured
from tests.report_measured import measured as measured_run
from tests.trend_fixture import crowded, hostile_trends, trending

RUNS = {
    "run": run, "varied": varied, "knowing": knowing, "measured": measured_run,
    "hostile": hostile, "hostile knowing": hostile_findings, "hostile measured": hostile_measured,
    "trends": trending, "hostile trends": hostile_trends, "crowded trends": crowded,
    "empty": lambda: run(()),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", list(RUNS))


def parts(document: Document) -> Iterator[Part]:
    """Yield every section."""
    todo = [document.summary, *document.parts]
    while todo:
        part = todo.pop(0)
        yield part
        todo = [*part.parts, *todo]


def grids(document: Document) -> list[Grid]:
    return [block for block in document.blocks() if isinstance(block, Grid)]


def pictures(document: Document) -> list[Picture]:
    return [block for block in document.blocks() if isinstance(block, Picture)]


def spans(document: Document) -> Iterator[Span]:
    for block in document.blocks():
        if isinstance(block, Paragraph):
            yield from block.text
        elif isinstance(block, Items):
            yield from (span for item in block.items for span in item)
        elif isinstance(block, Callout):
            yield from (span for line in block.body for span in line)


def items(part: Part) -> list[str]:
    return [plain(one) for block in part.blocks if isinstance(block, Items) for one in block.items]


def told(document: Document) -> str:
    """Return everything that tables say."""
    texts = []
    for grid in grids(document):
        for line in grid.lines:
            texts += [line.name, line.detail]
            texts += [f"{place.text} {place.detail}" for place in line.places]
    return " ".join(texts)


# --- numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("view", [run(), varied(), measured_run(), knowing()])
def test_every_number_of_the_executive_summary_stands_in_a_table(view: RunView) -> None:
    document = build(view)
    shown = set(re.findall(r"\d+\.\d+", told(document)))
    sentences = items(document.summary)
    assert sum(len(re.findall(r"\d+\.\d+", one)) for one in sentences) >= 5
    for sentence in sentences:
        for number in re.findall(r"\d+\.\d+", sentence):
            assert number in shown or number == "0.0005", (number, sentence)


def test_the_fastest_cell_of_the_summary_has_the_least_median_of_the_main_table() -> None:
    document = build(measured_run())
    (grid,) = (grid for grid in grids(document) if grid.anchor == "table-cells-1")
    at = [column.title for column in grid.columns].index("p50, ms")
    least = min(grid.lines, key=lambda line: line.places[at].value)
    fastest = next(one for one in items(document.summary) if one.startswith("Fastest"))
    assert dict(least.keys)["Model"] in fastest
    assert f"{least.places[at].text} ms {least.places[at].detail}" in fastest


@EVERY
def test_what_is_absent_is_a_dash_with_its_reason_and_has_no_number(name: str) -> None:
    for grid in grids(build(RUNS[name]())):
        for place in (place for line in grid.lines for place in line.places):
            assert place.text, grid.anchor
            assert (place.text == "–") == bool(place.reason), (grid.anchor, place)
            if place.reason:
                assert place.value is None
                assert f"({grid.note(place)}) {place.reason}" in grid.foot
            assert "None" not in place.text
            assert place.text.lower() != "nan"


@EVERY
def test_anchors_are_unique_and_every_link_leads_somewhere(name: str) -> None:
    document = build(RUNS[name]())
    anchors = [part.anchor for part in parts(document)]
    anchors += [block.anchor for block in document.blocks() if isinstance(block, Grid | Picture)]
    anchors += [one.anchor for one in document.references]
    assert len(set(anchors)) == len(anchors)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", anchor) for anchor in anchors)
    links = {span.href for span in spans(document) if span.href}
    assert {link for link in links if link.startswith("#")} <= {f"#{a}" for a in anchors}
    assert all(link.startswith(("#", "https://")) for link in links)
    assert set(document.names()) <= set(anchors)


@EVERY
def test_rows_have_a_place_for_each_column_and_figures_have_words(name: str) -> None:
    document = build(RUNS[name]())
    for grid in grids(document):
        assert grid.caption.strip()
        assert all(len(line.places) == len(grid.columns) for line in grid.lines)
    for picture in pictures(document):
        assert len(picture.alt) > 40
        assert not re.search(r"\b(None|nan)\b", picture.alt)
        assert picture.caption
        assert picture.drawn.aspect == pytest.approx(16 / 9)


def test_the_words_of_a_figure_tell_its_extremes_and_the_front() -> None:
    figure = next(p for p in pictures(build(run())) if p.anchor == "figure-1-tradeoff-1")
    assert "12 cells" in figure.alt
    assert "3.81 ms (nanodet-plus-m · openvino · int8) to 148 ms" in figure.alt
    assert "On the Pareto front: nanodet-plus-m · openvino · int8 at 3.81 ms" in figure.alt


# --- nothing is hidden -------------------------------------------------------------------


def test_failures_doubts_and_what_was_left_stand_under_limits() -> None:
    document = build(varied())
    section = next(part for part in document.parts if part.anchor == "limits")
    inner = {part.anchor: part for part in section.parts}
    (broken,) = (block for block in inner["broken"].blocks if isinstance(block, Grid))
    gone = [cell for cell in varied().cells if cell.status != "measured"]
    assert len(broken.lines) == len(gone) == 4
    assert {line.places[0].text for line in broken.lines} == {"failed", "not run", "compiled only"}
    doubts = " ".join(
        plain(block.text) if isinstance(block, Paragraph) else str(block)
        for block in inner["caveats"].blocks
    )
    assert "latency drifted" in doubts
    assert "competed for the processor" in doubts
    left = next(part for part in build(measured_run()).parts if part.anchor == "limits").parts
    assert "budget of 20 min" in items(next(part for part in left if part.anchor == "left"))[0]


def test_the_summary_says_what_is_not_shown() -> None:
    silent = next(b for b in build(varied()).summary.blocks if isinstance(b, Callout))
    body = " ".join(map(plain, silent.body))
    assert "no difference without an interval is claimed" in body
    assert "No figures:" in body
    assert "and 1 more" in body


@pytest.mark.parametrize("count", [61, 150])
def test_tables_and_figures_of_a_large_run_say_what_they_leave_out(count: int) -> None:
    document = build(many(count))
    main = next(grid for grid in grids(document) if grid.anchor == "table-cells-1")
    assert len(main.lines) + main.more == count
    assert main.foot[-1] == f"and {count - 60} more: report.json"
    for picture in pictures(document):
        assert f"24 of {count} cells" in picture.caption
    shown = next(p for p in pictures(document) if p.anchor == "figure-1-tradeoff-1")
    assert sum(len(one.points) for one in shown.chart.series) == choice.MOST_DRAWN


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=2, max_size=60),
    st.integers(2, 30),
)
def test_a_cut_keeps_the_order_and_puts_no_cell_on_the_front_that_is_not(points, most) -> None:
    model = cells()[0]
    made = tuple(
        model.model_copy(update={
            "id": str(at), "metrics": {"AP": ap / 50},
            "latency": model.latency.model_copy(update={"p50_ms": float(ms)}),
        })
        for at, (ap, ms) in enumerate(points)
    )  # fmt: skip
    whole = Group("d", "s", "detection", 1, made)
    found = choice.cut(whole, most)
    assert len(found.cells) == min(most, len(made))
    assert [int(c.id) for c in found.cells] == sorted(int(c.id) for c in found.cells)
    best = {cell.id for cell in front(whole.cells)}
    kept = {cell.id for cell in found.cells}
    assert {cell.id for cell in front(found.cells)} == (best & kept)
    assert best <= kept or kept <= best


# --- figures -----------------------------------------------------------------------------


def test_energy_capacity_and_intervals_have_figures_where_they_were_measured() -> None:
    view = measured_run()
    kinds = [plate.kind for plate in of_run(view, groups(view), Hand())]
    assert kinds == ["tradeoff", "latency", "ladder", "classes", "energy", "capacity", "capacity"]
    assert {plate.kind for plate in of_run(run(), groups(run()), Hand())} == {
        "tradeoff", "latency", "ladder", "classes",
    }  # fmt: skip


def test_charts_hold_the_numbers_of_the_cells_with_their_intervals() -> None:
    view = measured_run()
    charts = {p.anchor.split("-")[2]: p.chart for p in pictures(build(view)) if p.chart}
    assert set(charts) == {"tradeoff", "latency", "classes", "energy"}
    spots = {p.label: p for one in charts["tradeoff"].series for p in one.points}
    wall = view.cells[0].processes.wall
    found = spots["nanodet-plus-m · openvino · fp32"]
    assert (found.x, found.x_low, found.x_high) == (wall.median_ms, wall.low_ms, wall.high_ms)
    assert [one.name for one in charts["latency"].series] == [
        "p50 over fresh processes", "p50 of one process",
    ]  # fmt: skip
    assert {one.name: len(one.points) for one in charts["energy"].series} == {
        "gross": 2, "net of idle": 2,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_a_figure_is_the_same_bytes_each_time_and_carries_no_date(form) -> None:
    pytest.importorskip("matplotlib")
    plate = next(iter(of_run(measured_run(), groups(measured_run()), Hand())))
    data = Drawing(plate).image(form, 3.2)
    assert data == Drawing(plate).image(form, 3.2)
    assert not re.search(rb"CreationDate|<dc:date>|tEXtSoftware", data)
    if form == "png":
        assert Image.open(io.BytesIO(data)).size == (640, 360)


@pytest.mark.parametrize("kind", ["energy", "capacity"])
def test_the_pages_of_energy_and_capacity_draw_whatever_they_are_given(kind: str) -> None:
    pytest.importorskip("matplotlib")
    view = hostile_measured()
    plates = [one for one in of_run(view, groups(view), Hand()) if one.kind == kind]
    assert plates
    assert Drawing(plates[0]).image("pdf").startswith(b"%PDF-")


def test_a_hostile_name_in_a_drawing_is_text_of_it_and_no_element() -> None:
    pytest.importorskip("matplotlib")
    view = hostile()
    plate = next(iter(of_run(view, groups(view), Hand())))
    root = ET.fromstring(Drawing(plate).image("svg"))
    tags = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert tags <= {"svg", "metadata", "RDF", "Work", "type", "creator", "Agent", "title", "defs",
                    "style", "g", "path", "use", "clipPath", "rect", "format"}  # fmt: skip
    links = [value for one in root.iter() for key, value in one.items() if key.endswith("href")]
    assert all(link.startswith("#") for link in links)


# --- cover and brand ---------------------------------------------------------------------


def logo(size: tuple[int, int] = (40, 20), form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#123456").save(out, form)
    return out.getvalue()


def test_without_a_brand_the_cover_tells_of_the_run_and_never_of_the_clock() -> None:
    cover = build(run()).cover
    lines = dict(cover.lines)
    assert lines["Date"] == "2026-11-22"
    assert "Client" not in lines
    assert cover.title == "Edge detectors on the inspection line"
    assert build(run()).facts["created"] == "2026-11-22T09:14:31Z"


def test_a_brand_gives_client_title_date_colour_notice_and_logo(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(logo())
    values = {"client": "ACME", "title": "Offer 7", "date": "May 2027", "colour": "#203040",
              "notice": "Confidential", "logo": "logo.png", "author": None}  # fmt: skip
    brand = read_brand(values, tmp_path)
    document = build(run(), brand)
    assert document.cover.title == document.facts["title"] == "Offer 7"
    assert dict(document.cover.lines) | {"Client": "ACME", "Date": "May 2027"} == dict(
        document.cover.lines
    )
    assert (document.cover.colour, document.cover.notice) == ("#203040", "Confidential")
    assert document.cover.logo == logo()
    assert Brand.model_validate({"logo": logo(form="JPEG")}).logo


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["x"], "not a mapping"),
        ({"clients": "x"}, "clients"),
        ({"colour": "blue"}, "write it as #rrggbb"),
        ({"colour": "#ffee00"}, "contrast of 1.2 to white"),
        ({"logo": "../secret.png"}, "outside its folder"),
        ({"logo": "none.png"}, "cannot be read"),
        ({"logo": "no\0ne.png"}, "cannot be read"),
        ({"logo": "text.png"}, "not a readable PNG or JPEG"),
        ({"logo": "cut.png"}, "not a readable PNG or JPEG"),
        ({"logo": "gif.png"}, "not a readable PNG or JPEG"),
        ({"logo": "large.png"}, "bytes, more than"),
        ({"client": "x" * 301}, "client"),
        ({"language": "de"}, "language"),
    ],
)
def test_a_brand_file_that_is_wrong_is_refused_with_the_key(tmp_path, values, says) -> None:
    folder = tmp_path / "brand"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(logo())
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes(logo((400, 400))[:-400])
    (folder / "gif.png").write_bytes(logo(form="GIF"))
    (folder / "large.png").write_bytes(logo() + b"\0" * MOST_LOGO)
    with pytest.raises(UsageError, match=re.escape(says)) as found:
        read_brand(values, folder)
    assert found.value.hint


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000") == pytest.approx(21)
    assert contrast("#ffffff") == pytest.approx(1)
    assert contrast("#767676") == pytest.approx(4.54, abs=0.005)  # the known darkest pass


# --- references --------------------------------------------------------------------------


def test_models_are_cited_by_what_their_sources_give() -> None:
    cell = run().cells[0]
    found = {"kind": "torch", "weights": "ab" * 32, "url": "https://example.org/m.pt", "seed": None}
    view = run((cell.model_copy(update={"protocol": {"model": found}}),))
    own = next(one for one in build(view).references if one.key == "model-fcos-r50")
    assert own.url == "https://example.org/m.pt"
    assert "weights abab" in own.text
    assert "seed" not in own.text


def test_only_methods_that_were_used_are_cited() -> None:
    assert [one.key for one in build(run()).references] == ["dataset-inspection-line", "lin2014"]
    keys = [one.key for one in build(knowing()).references]
    assert keys[1:] == ["efron1993", "holm1979", "lin2014", "hendrycks2019"]


BIBTEX = r"""@inproceedings{x, author = {G{\"o}nen, Mithat and {\L}uk\'a\v{s}, P.},
 title = "A \emph{title} with \& and \input{/etc/passwd}", year = 2005, note = {\write18{rm -rf}}}
 @string{evil = "x"}"""


def test_bibtex_of_a_card_becomes_text_without_commands() -> None:
    entry = bibtex.read(BIBTEX)
    assert entry.kind == "inproceedings"
    assert entry.fields["author"] == "Gönen, Mithat and Łukáš, P."
    assert entry.fields["title"] == "A title with & and /etc/passwd"
    assert entry.fields["year"] == "2005"
    written = bibtex.write("k", entry)
    assert set(re.findall(r"\\(\w+|.)", written)) <= set(r"&%$#_{}") | {"textbackslash"}
    assert "@string" not in written
    again = bibtex.read(written)
    assert again == entry


@given(st.text(max_size=300))
def test_any_citation_gives_one_balanced_entry_or_plain_words(words: str) -> None:
    card = DatasetCard(name="d", title=words, citation="@misc{a, title={" + words)
    view = run().model_copy(update={"datasets": (card,)})
    (own, *_) = build_references(view)
    depth = 0
    for char in re.sub(r"\\.", "", own.bibtex):
        depth += (char == "{") - (char == "}")
        assert depth >= 0
    assert depth == 0
    assert own.bibtex.count("\n@") == 0
    assert re.sub(r"\{@\}", "", own.bibtex).count("@") == 1


def build_references(view: RunView):
    from benchbench.reports.document.references import references

    return references(view)


def test_references_of_methods_are_well_formed_and_stable() -> None:
    assert set(METHODS) == {
        "efron1993", "holm1979", "bulej2020", "lin2014", "hendrycks2019", "reddi2020",
        "clopper1934", "berger1982", "worsley1979",
    }  # fmt: skip
    for key, entry in METHODS.items():
        assert bibtex.read(bibtex.write(key, entry)) == entry
        assert key.endswith(entry.fields["year"])


# --- gate and gallery --------------------------------------------------------------------


def gated() -> RunView:
    """Return a run with a gate of which one limit holds, one is broken, one undecided."""
    cell = run().cells[0]
    body = {"cell": cell.id, "label": cell.label, "unit": "ms", "sense": "at most", "limit": 90.0}
    limits = (
        LimitView(name="a", text="latency.p50 <= 90 ms", quantity="latency.p50", kind="absolute",
                  value=80.0, low=78.0, high=82.0, basis="10 processes", outcome="pass", **body),
        LimitView(name="b", text="latency.p99 <= 90 ms", quantity="latency.p99", kind="absolute",
                  value=99.5, low=95.1, high=104.0, outcome="fail", **body),
        LimitView(name="c", text="no more than 3 % slower", quantity="latency.p50",
                  kind="relative", scale="ratio", outcome="inconclusive", reason="no pairs",
                  hint="run --pairs 8", **body),
    )  # fmt: skip
    view = GateView(run="r", suite="s", created="2026-11-22", outcome="fail", exit_code=1,
                    on_inconclusive="fail", alpha=0.05, limits=limits)  # fmt: skip
    return run().model_copy(update={"gate": view})


def test_the_verdict_of_a_gate_leads_the_summary_and_its_limits_the_results() -> None:
    document = build(gated())
    verdict = next(block for block in document.summary.blocks if isinstance(block, Callout))
    assert (verdict.title, verdict.tone) == ("Gate: FAIL", "bad")
    assert "1 shown to hold; 1 shown to be broken" in plain(verdict.body[0])
    assert "latency.p99 <= 90 ms" in plain(verdict.body[1])
    grid = next(grid for grid in grids(document) if grid.anchor == "table-gate")
    assert [line.places[0].text for line in grid.lines] == ["FAIL", "INCONCLUSIVE", "PASS"]
    assert grid.lines[1].places[1].reason == "no pairs"
    assert grid.lines[1].places[-1].text == "no pairs; run --pairs 8"
    assert {"berger1982", "holm1979"} <= {one.key for one in document.references}


def test_the_gallery_is_a_section_of_the_pictures_that_are_given() -> None:
    shown = [Picture("An image", "Two boxes on a bottle", None, f"image-{at}") for at in range(30)]
    titles = [part.anchor for part in build(run(), None, shown).parts]
    assert titles.index("gallery") == titles.index("comparison") + 1
    assert "gallery" not in [part.anchor for part in build(run()).parts]


def test_a_table_numbers_its_reasons_and_tells_its_rest() -> None:
    lines = tuple(Line(name, (Place("–", reason=why),)) for name, why in
                  (("a", "gone"), ("b", "lost"), ("c", "gone")))  # fmt: skip
    grid = Grid("c", "Cell", (), lines, "t", more=1200)
    assert grid.foot == ("(1) gone", "(2) lost", "and 1,200 more: report.json")
    assert [grid.shown(line.places[0]) for line in lines] == ["– (1)", "– (2)", "– (1)"]
