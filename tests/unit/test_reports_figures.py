"""The figures for papers and slides."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from typing import Any

import pytest

from benchbench.errors import MissingDependency
from benchbench.protocols import Report
from benchbench.reports.document.charts import chart
from benchbench.reports.figures import Figures
from benchbench.reports.figures.classes import MOST_CLASSES
from benchbench.reports.figures.latency import strip
from benchbench.reports.figures.plates import of_run, settings
from benchbench.reports.figures.sheet import Plate
from benchbench.reports.figures.style import HEIGHT, LEFT, WIDTH
from benchbench.reports.figures.text import Hand
from benchbench.reports.grouping import groups, median_ms
from benchbench.reports.processes import typical
from benchbench.types import Caveat
from benchbench.view import CellView, Comparison, RunView, Speedup
from tests import report_measured as taken
from tests.report_fixture import (
    CRASH,
    FCOS,
    broken,
    cells,
    hostile,
    latency,
    many,
    measured,
    run,
    varied,
)

_STRING = rb"\((?:\\.|[^\\)])*\)"
_OBJECT = re.compile(rb"\n(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_TEXT = re.compile(rb"\nBT\n(.*?)\nET\n", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf|" + _STRING, re.DOTALL)
_RANGE = re.compile(r"<(\w{4})> <\w{4}> \[([^\]]*)\]")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


@pytest.fixture(autouse=True)
def _needs_matplotlib() -> None:
    pytest.importorskip("matplotlib")


def _pages(pdf: bytes) -> list[str]:
    """Return the text of each page, one string a line, as a reader of PDF would find it."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts = {}
    for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", pdf):
        found = re.search(rb"/ToUnicode (\d+) 0 R", objects[int(number)])
        assert found, "every font says which characters its codes are"
        fonts[name] = _characters(_stream(objects[int(found[1])]).decode())
    contents = re.findall(rb"/Type /Page\b[^s].*?/Contents (\d+) 0 R", pdf, re.DOTALL)
    return [
        "\n".join(_line(shown, fonts) for shown in _TEXT.findall(_stream(objects[int(number)])))
        for number in contents
    ]


def _stream(body: bytes) -> bytes:
    return zlib.decompressobj().decompress(re.split(rb"stream\r?\n", body, maxsplit=1)[1])


def _characters(table: str) -> dict[int, str]:
    return {
        int(first, 16) + index: bytes.fromhex(code).decode("utf-16-be")
        for first, codes in _RANGE.findall(table)
        for index, code in enumerate(re.findall(r"<(\w+)>", codes))
    }


def _line(shown: bytes, fonts: dict[bytes, dict[int, str]]) -> str:
    told, font = "", fonts[next(iter(fonts))]
    for match in _SHOWN.finditer(shown):
        if match[1]:
            font = fonts[match[1]]
            continue
        raw = re.sub(rb"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), match[0][1:-1], flags=re.DOTALL)
        told += "".join(
            font[high * 256 + low] for high, low in zip(raw[::2], raw[1::2], strict=True)
        )
    return told


def _count(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def _render(*of: CellView) -> bytes:
    return Figures().render(run(of))


def _fcos(**changes: object) -> CellView:
    cell = measured(1, FCOS, "onnxruntime", "fp32", ap=0.5, p50=100.0)
    return CellView.model_validate(cell.model_dump() | changes)


def test_it_is_a_report_and_each_group_has_its_pages_in_order() -> None:
    report: Report = Figures()
    pdf = report.render(run())
    assert report.file_name == "figures.pdf"
    assert pdf.startswith(b"%PDF-")
    heads = [page.splitlines()[0] for page in _pages(pdf)]
    assert heads == [
        "Accuracy against p50 latency",
        "Latency",
        "Reduced precision against fp32",
        "AP by class · fcos-r50",
        "AP by class · nanodet-plus-m",
    ]
    assert _count(pdf) == len(heads)


def test_pages_are_sixteen_by_nine_with_embedded_truetype_text() -> None:
    pdf = _render(*cells()[:3])
    assert pytest.approx(16 / 9) == WIDTH / HEIGHT
    assert set(re.findall(rb"/MediaBox \[ ([^\]]*?) ?\]", pdf)) == {b"0 0 460.8 259.2"}
    assert b"/FontFile2" in pdf
    assert b"/Subtype /CIDFontType2" in pdf
    assert b"/Type3" not in pdf
    assert b"/Subtype /Image" not in pdf


def test_every_page_says_what_was_measured_and_how() -> None:
    caption = (
        "n = 240 images · evaluator hotcoco 1.3.0 · single-stream · point estimates, one process "
        "· run 2026-11-22T09-00-00Z-4f2c"
    )
    pages = _pages(Figures().render(run()))
    assert all(caption in page.splitlines() for page in pages)
    assert all("inspection-line test · detection" in page.splitlines() for page in pages)


def test_one_process_is_claimed_only_where_the_run_says_so() -> None:
    cell = _fcos(caveats=(Caveat(code="unsteady"),))
    assert "one process" not in _pages(_render(cell))[0]
    assert "point estimates ·" in _pages(_render(cell))[0]


def test_the_trade_off_names_its_points_and_rings_what_ran_otherwise() -> None:
    first = _pages(Figures().render(run()))[0].splitlines()
    assert "nanodet-plus-m · openvino · int8" in first
    assert "† not as asked" in first
    few = _pages(_render(cells()[0], cells()[4]))[0].splitlines()
    assert "fcos-r50 · openvino · bf16 † (ran fp32)" in few
    assert "† not as asked" not in _pages(_render(cells()[0]))[0]


def test_marked_rows_carry_their_sign_on_every_page_and_leave_the_classes() -> None:
    pages = _pages(Figures().render(varied()))
    first = pages[0].splitlines()
    assert {"† not as asked", "‡ proxy"} <= set(first)
    assert any("§ Not drawn: 1 cell compiled only." in line for line in first)
    latency_lines = "\n".join(page for page in pages if page.startswith("Latency"))
    assert "openvino · bf16 † (ran fp32)" in latency_lines
    assert "onnxruntime-trt-file · int8 ‡" in latency_lines
    assert "onnxruntime · fp16 · cuda †" in latency_lines
    ladder_page = next(page for page in pages if page.startswith("Reduced precision"))
    assert "Whiskers: 95 % interval." in ladder_page
    assert "openvino · bf16 † (ran fp32)" in ladder_page.splitlines()
    classes = [page for page in pages if page.startswith("AP by class")]
    assert classes
    assert not any("trt-file" in page for page in classes)


def test_a_group_of_which_nothing_ran_as_asked_is_drawn_without_a_front() -> None:
    cell = measured(1, FCOS, "openvino", "int8", ap=0.5, p50=90.0, effective="fp32")
    assert _pages(_render(cell))[0].startswith("Accuracy against p50 latency")


def test_the_ladder_gives_both_differences_and_needs_an_fp32_cell_of_the_same_runtime() -> None:
    every = cells()
    lines = _pages(_render(every[1], every[2]))[2].splitlines()
    assert {"−0.014", "0.56 ×", "Δ mAP", "p50 time, × fp32"} <= set(lines)
    alone = _pages(_render(every[0], every[2]))
    assert not [page for page in alone if page.startswith("Reduced precision")]


def test_latency_shows_the_last_percentile_that_the_sample_supports() -> None:
    lines = _pages(_render(cells()[0], cells()[1]))[1].splitlines()
    assert {"p95 157", "p99 115"} <= set(lines)


def test_a_strip_ends_at_the_last_published_percentile_and_its_mirror() -> None:
    short, long = latency(10.0, 1, 400), latency(10.0, 1, 1200)
    assert strip(short, 10.0).span == (short.quantiles_ms[5], short.p95_ms)
    assert strip(long, 10.0).span == (long.quantiles_ms[1], long.p99_ms)
    assert max(strip(short, 10.0).values) == short.p95_ms


def test_a_strip_whose_tail_is_withheld_altogether_is_only_a_median() -> None:
    bare = latency(10.0, 1).model_copy(update={"p90_ms": None, "p95_ms": None, "p99_ms": None})
    assert strip(bare, 10.0).values == (10.0,)
    broken_tail = latency(10.0, 1).model_copy(update={"quantiles_ms": (float("nan"),) * 101})
    assert strip(broken_tail, 10.0).span is None
    assert _count(_render(_fcos(latency=bare.model_dump()))) == 3


@pytest.mark.parametrize(("count", "pages"), [(MOST_CLASSES, 1), (MOST_CLASSES + 1, 0)])
def test_classes_are_drawn_up_to_a_number_that_can_be_told_apart(count: int, pages: int) -> None:
    names = {f"class {index}": 0.5 for index in range(count)}
    found = _pages(_render(_fcos(per_class={"AP": names})))
    told = [page for page in found if page.startswith("AP by class")]
    assert len(told) == pages
    assert all(name in page.splitlines() for page in told for name in names)


def test_the_classes_of_a_mean_are_found_under_their_own_name() -> None:
    cell = _fcos(
        task="semantic-segmentation", primary="miou", metrics={"miou": 0.6},
        per_class={"dice_pooled": {"road": 0.9}, "iou": {"road": 0.8, "sky": None}},
    )  # fmt: skip
    last = _pages(_render(cell))[-1]
    assert last.startswith("IoU by class · fcos-r50")
    assert "A class without a dot has no value." in last


def test_a_cell_that_ran_in_another_precision_gives_no_dots() -> None:
    cell = measured(1, FCOS, "openvino", "int8", ap=0.5, p50=90.0, effective="fp32")
    assert not [page for page in _pages(_render(cell)) if page.startswith("AP by class")]


def test_long_lists_go_on_over_further_pages() -> None:
    heads = [page.splitlines()[0] for page in _pages(Figures().render(many(20)))]
    assert "Latency (1 of 2)" in heads
    assert "Latency (2 of 2)" in heads


def test_a_run_without_measured_cells_is_one_page_that_says_so() -> None:
    pdf = _render(*(broken(index, FCOS, "openvino", "fp32", CRASH) for index in range(12)))
    text = _pages(pdf)[0]
    assert _count(pdf) == 1
    assert "No measured cells" in text
    assert "0 of 12 cells measured; nothing can be drawn." in text
    assert "crashed in stage latency: the worker was killed by signal 11" in text
    assert "and 2 more" in text


def test_a_run_whose_cells_hold_nothing_to_draw_or_no_cells_is_one_page() -> None:
    bare = _fcos(latency=None, metrics={}, primary=None, per_class={})
    assert "1 of 1 cell measured; none holds a figure" in _pages(_render(bare))[0]
    assert _count(_render()) == 1


def test_the_same_run_gives_the_same_bytes_in_any_process_and_no_date() -> None:
    code = (
        "import hashlib; from benchbench.reports.figures import Figures;"
        "from tests.report_fixture import run, cells;"
        "print(hashlib.sha256(Figures().render(run(cells()[:3]))).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed, "HOME": "/nonexistent",
                 "MPLCONFIGDIR": _cache()},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
    pdf = _render(*cells()[:3])
    assert pdf == _render(*cells()[:3])
    assert b"CreationDate" not in pdf


def _cache() -> str:
    import matplotlib as mpl

    return mpl.get_cachedir()


def test_a_reader_s_own_settings_neither_change_the_figures_nor_are_changed() -> None:
    import matplotlib as mpl

    plain = _render(cells()[0])
    own = {"text.parse_math": True, "font.size": 30.0, "pdf.fonttype": 3, "axes.grid": True}
    with mpl.rc_context(own):
        before = dict(mpl.rcParams)
        assert _render(cells()[0]) == plain
        assert dict(mpl.rcParams) == before


def test_hostile_names_are_drawn_as_text() -> None:
    pages = _pages(Figures().render(hostile()))
    whole = "\n".join(pages)
    assert len(pages) == 13  # three of five rows are plain: marked ones have no page of classes
    assert "<script>alert('name')</script>" in whole
    assert "□□ red" in whole
    assert "aaaaaaaaaaa…" in whole


@pytest.mark.parametrize(
    "name",
    [
        "$x_{1",
        "$$",
        "a\\b$c$",
        "{{}}",
        "%(x)s",
        "_^~",
        "e\u0301 名前 \U0001d54f",
        " ",
        "\x00",
        "(\\)",
    ],
)
def test_a_name_never_reads_as_mathematics_or_breaks_the_page(name: str) -> None:
    every = {
        "model": name, "runtime": name, "dataset": name, "label": name, "device": name,
        "evaluator": name, "per_class": {"AP": {name: 0.5}},
    }  # fmt: skip
    pages = _pages(Figures().render(_run_named(name, _fcos(**every))))
    assert len(pages) == 3
    if name.isascii() and name.isprintable() and name.strip():
        assert any(name in line for line in pages[2].splitlines())


def _run_named(name: str, *of: CellView) -> RunView:
    return run(of).model_copy(update={"title": name, "suite": name, "run": name})


def test_without_matplotlib_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match="matplotlib") as found:
        Figures().render(run())
    assert found.value.hint == "pip install 'benchbench[report]'"


def test_latency_shows_the_figures_of_the_table_and_says_of_how_many_processes() -> None:
    view = taken.measured()
    plate = next(p for p in _plates(view) if p.kind == "latency")
    lines = _pages(Figures().render(view))[1].splitlines()
    told = [typical(cell) for cell in plate.cells]
    assert {one.text for one in told if one} <= set(lines)
    assert "Right, tail: one process" in plate.note
    assert "p50 from 3.78 ms" in plate.alt
    found = chart(plate, groups(view)[0], ())
    assert found
    heights = [p.y for series in found.series for p in series.points]
    assert sorted(heights) == sorted(median_ms(cell) for cell in plate.cells)
    single = next(p for p in _plates(run()) if p.kind == "latency")
    assert single.note.startswith("One process each.")


def test_no_note_of_a_figure_is_cut_on_its_page() -> None:
    notes = {p.note for view in (run(), varied(), taken.measured()) for p in _plates(view)}
    with settings():
        assert [note for note in notes if Hand().fit(note, 6.5, WIDTH - 2 * LEFT) != note] == []


def test_both_panels_of_the_ladder_hold_their_whiskers() -> None:
    base, cell = cells()[1], cells()[2]
    wide = Comparison(a=base.id, b=cell.id, metric="AP", difference=-0.007, se=0.1, low=-0.4,
                      high=0.3, level=0.95, method="normal", p=0.9, p_adjusted=0.9,
                      verdict="inconclusive", images=9, replicates=9)  # fmt: skip
    fast = Speedup(against=base.id, ratio=3.0, low=0.2, high=5.0, method="m")
    drawn = _ladder(base, cell.model_copy(update={"comparison": wide, "speedup": fast}))
    (left, right) = (axes for axes in drawn.axes if axes.get_xlabel())
    for axes, ends in ((left, (-0.4, 0.3)), (right, (0.2, 5.0))):
        low, high = axes.get_xlim()
        assert low < ends[0]
        assert ends[1] < high
        assert any(tuple(line.get_xdata()) == ends for line in axes.lines)
    other = wide.model_copy(update={"a": "another cell"})
    (left, _) = (a for a in _ladder(base, cell.model_copy(update={"comparison": other})).axes
                 if a.get_xlabel())  # fmt: skip
    assert left.get_xlim()[0] > -0.4


def _ladder(*shown: CellView) -> Any:
    plate = next(p for p in _plates(run(shown)) if p.kind == "ladder")
    with settings():
        return plate.draw()


def _plates(view: RunView) -> list[Plate]:
    return list(of_run(view, groups(view), Hand()))
