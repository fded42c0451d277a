"""What ``run`` and ``show`` print of cells: marks, reasons, widths, the exit code of --strict."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from benchbench.types import Caveat, Cell, Result, Variant

rich_console = pytest.importorskip("rich.console")

from benchbench.api import RunOutcome  # noqa: E402 - after the skip
from benchbench.cli import measured, progress, run  # noqa: E402 - after the skip
from benchbench.cli.output import significant  # noqa: E402 - after the skip
from benchbench.cli.table import cells_table, plain  # noqa: E402 - after the skip
from benchbench.flat import marks  # noqa: E402 - after the skip
from benchbench.reports import evidence, tables, wording  # noqa: E402 - after the skip
from benchbench.view import RunView  # noqa: E402 - after the skip
from tests import report_fixture as fixture  # noqa: E402 - after the skip
from tests import report_measured as taken  # noqa: E402 - after the skip


def printed(view: RunView, width: int) -> list[str]:
    """Return the lines that a terminal of *width* columns shows."""
    console = rich_console.Console(width=width, color_system=None, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(cells_table(view))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 120, 160])
def test_marked_rows_carry_signs_that_are_explained_at_every_width(width: int) -> None:
    lines = printed(fixture.varied(), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "fp32 †" in text
    assert "int8 ‡" in text
    assert [line[0] for line in lines[-3:]] == ["†", "‡", "§"]
    engine = next(line for line in lines if line.startswith("fcos-r50") and "tensorrt-rtx" in line)
    assert "§" in engine
    assert not any(char.isdigit() for char in engine.split("cuda")[1][:70])
    assert "§ compiled only: " in text
    assert all(word in text for word in "TensorRT-RTX built the engine; machine GPU".split())
    assert "1.76–1.85 × fp32 (95 %, one process each)" in text.replace("\n", " ")


@pytest.mark.parametrize("width", [80, 120])
def test_numbers_are_whole_on_narrow_terminals(width: int) -> None:
    text = "\n".join(printed(fixture.varied(), width))
    assert "…" not in text
    row = next(line for line in text.splitlines() if "openvino" in line and " 37.6" in line)
    assert "AP 0.501" in row
    assert "2.44×" in row


def test_a_run_that_went_as_asked_needs_no_legend() -> None:
    text = "\n".join(printed(fixture.run(fixture.cells()[:4]), 160))
    assert not any(sign in text for sign in "†‡§")


def test_the_table_and_the_reports_set_the_same_rows_apart() -> None:
    for cell in fixture.varied().cells:
        found = "".join(dict.fromkeys(sign for sign, _ in marks(cell)))
        assert found == evidence.signs(cell), cell.label


def test_control_characters_of_a_message_never_reach_the_terminal() -> None:
    assert plain("\x1b[31mred\x1b[0m\u202e\nsecond") == r"\x1b[31mred\x1b[0m\u202e"
    assert plain("") == ""
    text = "".join(printed(fixture.hostile(), 100))
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("options", "code"), [((), 0), (("--strict",), 3)], ids=["plain", "strict"]
)
def test_only_strict_makes_a_compiled_cell_an_error(
    options: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = fixture.run((fixture.cells()[0], fixture.compiled()))
    monkeypatch.setattr(run.api, "run", lambda *_, **__: RunOutcome(view.run, view, finished=True))
    arguments = ["suite.yaml", "--no-report", "--quiet", *options]
    done = CliRunner().invoke(run.command, arguments, standalone_mode=False)
    assert done.return_value == code
    assert "1 measured, 1 compiled only of 2 cells" in done.output


def test_progress_says_compiled_only_and_why() -> None:
    names = {"id": "0", "model": "m\u202e", "runtime": "r", "dataset": "d", "split": "s"}
    cell = Cell(precision="int8", device="cuda", batch=1, task="detection", spec={},
                start=Variant(format="onnx"), **names)  # fmt: skip
    caveat = Caveat(code="compiled_only", figures={"reason": "no GPU\x1b[2J"})
    result = Result(cell=cell, status="compiled", environment="e", started="t", wall_s=1.0,
                    caveats=(caveat,))  # fmt: skip
    told = progress._line(result, 0, 2, reused=False)
    assert told == "[1/2] m\\u202e · r · int8 cuda: compiled only: no GPU\\x1b[2J"


@pytest.mark.parametrize("width", [80, 120, 160])
def test_lines_under_the_table_tell_verdicts_figures_and_what_is_left(width: int) -> None:
    lines = printed(taken.measured(), width)
    text = " ".join(line.strip() for line in lines)
    assert max(map(len, lines)) <= width
    name = "nanodet-plus-m · openvino · "
    assert f"{name}int8 vs {name}fp32: 0.455× [0.448, 0.462] (90 %) PASS (8 pairs)" in text
    assert "– INCONCLUSIVE (1 pair): one pair: two are needed" in text
    assert "p50 8.31 ms [8.20, 8.43] (10 processes); server 84 queries/s, not 96" in text
    assert "0.342 J/image [0.335, 0.349] gross, 0.243 net (CPU package 0, grade B)" in text
    assert "energy by nvml not measured: libnvidia-ml.so.1 is not installed" in text
    assert f"left: energy of {name}int8 by nvml: the budget of 20 min was spent" in text
    row = next(line for line in lines if "openvino" in line and "fp32" in line)
    assert " 8.31 " in row


def test_no_line_is_added_where_nothing_more_was_taken() -> None:
    assert [*measured.lines(fixture.varied())] == []


@pytest.mark.parametrize("width", [80, 160])
def test_hostile_texts_of_what_was_taken_stay_on_their_lines(width: int) -> None:
    text = "\n".join(printed(taken.hostile_measured(), width))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "nan" not in re.findall(r"\w+", text)


@pytest.mark.parametrize("value", [0.0, 0.0123, 3.2, 8.0, 9.996, 10.04, 99.96, 119.4, 1234.0])
def test_the_terminal_tells_a_figure_with_the_digits_of_the_reports(value: float) -> None:
    assert significant(value) == wording.significant(value)
    assert significant(value, 5) == wording.significant(value, 5)


@pytest.mark.parametrize("ends", [(2.8, 3.6), (8.31, 8.32), (0.0, 0.0), (5.0, 5.0), (900.0, 901.0)])
def test_the_terminal_tells_an_interval_with_the_digits_of_the_reports(
    ends: tuple[float, float],
) -> None:
    assert measured._span(*ends).strip() == tables.span(ends)
