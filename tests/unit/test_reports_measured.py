"""What was taken beside the latency pass, in every report: figures, reasons, verdicts, doubts."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from benchbench import (
    conditions_view,
    definitions_view,
    energy_view,
    flattening,
    load_view,
    turns_view,
    view,
)
from benchbench.reports import (
    complexity,
    energy,
    measurements,
    processes,
    summary,
    tables,
    turns,
    wording,
)
from benchbench.reports import (
    turns as turn_words,
)
from benchbench.reports.csv import Csv
from benchbench.reports.json import Json
from benchbench.reports.markdown import Markdown
from benchbench.types import Caveat, Record
from tests import report_fixture as fixture
from tests import report_measured as taken

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "report_measured.md"


def test_the_measured_run_renders_as_its_golden_file() -> None:
    made = Markdown().render(taken.measured())
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        GOLDEN.write_bytes(made)
    assert made.decode() == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("report", [Markdown(), Json(), Csv()], ids=lambda r: r.file_name)
@pytest.mark.parametrize("of", [taken.measured, taken.hostile_measured])
def test_rendering_is_pure_and_never_prints_none_or_nan(report, of) -> None:
    run = of()
    made = report.render(run)
    assert made == report.render(run.model_copy(deep=True))
    assert not re.search(rb"\bNone\b|\bnan\b|\bNaN\b|\binf\b", made)


def test_sections_are_there_only_where_there_is_anything() -> None:
    assert measurements.sections(fixture.run()) == ()
    assert measurements.sections(fixture.run(())) == ()
    found = measurements.sections(taken.measured())
    assert {part.anchor for part in found} == measurements.ANCHORS


def test_every_absent_figure_has_a_reason_and_no_present_one_has() -> None:
    values = [
        (head, value)
        for part in measurements.sections(taken.measured())
        for table in part.tables
        for row in table.rows
        for head, value in zip(table.heads, row.values, strict=True)
        if head.kind == "number"
    ]
    assert len(values) > 100
    for head, value in values:
        absent = value.text == wording.ABSENT
        assert absent == bool(value.reason), (head.text, value)
        assert not (absent and value.key is not None)
    assert tables.UNTOLD not in {value.reason for _, value in values}


def test_several_processes_take_the_place_of_the_one_pass() -> None:
    base, small, alone, plain = taken.measured().cells
    assert base.latency is not None
    assert base.latency.p50_ms == 8.47
    assert processes.typical(base).phrase(" ms") == "8.31 ms [8.20, 8.43], 10 processes"
    assert processes.typical(small).detail == "[3.73, 3.83], 6 processes, exploratory"
    assert processes.typical(alone).phrase() == "9.90, 1 process, too few"
    assert processes.typical(plain) is None
    text = Markdown().render(taken.measured()).decode()
    assert r"| 8.31 \[8.20, 8.43\], 10 processes | 9.14 \[9.05, 9.24\] |" in text
    assert "8.47" not in text.partition("## Comparisons")[0].partition("## Cells")[2]


def test_a_single_process_is_not_told_where_several_were_taken() -> None:
    codes = [[c.code for c in processes.doubts(cell)] for cell in taken.measured().cells]
    assert ["single_process" in found for found in codes] == [False, False, True, True]
    (row,) = list(csv.DictReader(io.StringIO(Csv().render(taken.measured()).decode())))[:1]
    assert row["caveats"] == ""


def test_speed_of_rounds_stands_beside_the_medians_of_the_processes() -> None:
    text = Markdown().render(taken.measured()).decode()
    (line,) = [one for one in text.splitlines() if "6 rounds of processes" in one]
    assert "| 3.78 ms | 8.31 ms |" in line


def test_the_summary_tells_regressions_first_and_the_least_energy() -> None:
    told = {one.lead: one.text for one in summary.summary(taken.measured())}
    assert told["By turn-taking:"].startswith("1 PASS, 1 REGRESSION, 1 INCONCLUSIVE; nanodet")
    assert "takes 1.18 × [1.17, 1.20] (90 %) the time of" in told["By turn-taking:"]
    assert "(0.151 J an image [0.148, 0.154] gross, 0.107 J net of idle;" in told["Least energy:"]
    leads = [one.lead for one in summary.summary(fixture.run())]
    assert not {"By turn-taking:", "Least energy:"} & set(leads)


def test_energy_is_compared_within_one_scope_alone() -> None:
    run = taken.measured()
    lower = taken.energy(0.01).model_copy(update={"scope": "GPU board"})
    other = run.cells[3].model_copy(update={"energy": (lower,)})
    told = energy.told(run.model_copy(update={"cells": (*run.cells[:3], other)}))
    assert "CPU package 0" in told
    assert told.endswith("of 2 cells measured so.")
    assert energy.told(fixture.run()) == ""


def test_a_verdict_without_interval_says_why() -> None:
    (section,) = [one for one in measurements.sections(taken.measured()) if one.anchor == "turns"]
    verdicts = [row.values[0] for row in section.tables[0].rows]
    assert [value.text for value in verdicts] == ["PASS", "REGRESSION", "INCONCLUSIVE"]
    assert verdicts[0].detail == "shown to be faster"
    assert verdicts[2].detail == "one pair: two are needed"
    one = taken.measured().turns[0].model_copy(update={"a": "gone", "b": "x" * 40})
    assert turns.names(one, {}) == ("xxxxxxxxxx…xxxxx", "gone")


def test_a_meter_that_cannot_measure_says_so_in_its_row() -> None:
    text = Markdown().render(taken.measured()).decode()
    assert "nvml: not measured: libnvidia-ml.so.1 is not installed" in text
    assert "rapl: CPU package 0" in text


def test_columns_hold_the_first_setting_and_how_many_there_are() -> None:
    rows = list(csv.DictReader(io.StringIO(Csv().render(taken.measured()).decode(), newline="")))
    first, second, *_, plain = rows
    assert (first["servers"], first["server_bound_ms"]) == ("2", "50.0")
    assert first["server_highest_met_qps"] == "84.0"
    assert (first["median_low_ms"], first["median_high_ms"]) == ("8.202", "8.4305")
    assert (first["meters"], first["energy_grade"], first["energy_peak_w"]) == ("2", "B", "")
    assert "energy_peak_w: RAPL counts energy" in first["absent"]
    assert second["cameras_highest_met"] == ""
    assert "cameras_highest_met: 1 camera, the fewest tried" in second["absent"]
    assert "pressure_cpu: this kernel does not tell" in second["absent"]
    assert second["untaken"] == "server 1,pair 3"
    assert {plain[name] for name in flattening.COLUMNS} - {"1.42"} == {""}


def test_a_long_table_is_cut_and_counted() -> None:
    cells = [taken.measured().cells[0]] * (tables.MOST_ROWS + 5)
    rows = [tables.row(cell, cells, tables.number(1.0)) for cell in cells]
    made = tables.table("t", tables.columns("a"), rows)
    assert (len(made.rows), made.more) == (tables.MOST_ROWS, 5)


def test_an_interval_is_told_with_as_many_digits_as_tell_its_ends_apart() -> None:
    assert tables.span((8.2, 8.43)) == "[8.20, 8.43]"
    assert tables.span((147.9, 148.61)) == "[147.9, 148.6]"
    assert tables.span((None, 2.0)) == tables.span((1.0, float("nan"))) == ""
    assert tables.ratio_span(0.6, 0.621) == "[0.60, 0.62]"
    assert tables.ratio_span(1.0012, 1.0034) == "[1.001, 1.003]"
    assert complexity.large(1_172_352) == "1.17 M"
    assert complexity.large(None) == wording.ABSENT


@given(st.floats(1e-3, 1e6), st.floats(0.001, 3.0))
def test_the_ends_of_an_interval_never_print_alike(low: float, width: float) -> None:
    ends = tables.span((low, low * (1 + width)))[1:-1].split(", ")
    assert ends[0] != ends[1]


CODE = re.compile(r'Caveat\(\s*code="(\w+)"')


def test_every_caveat_that_the_package_raises_has_words() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "benchbench").rglob("*.py"))
    raised = set(CODE.findall(sources))
    found = conditions_codes()
    assert len(raised) > 15
    assert (raised | found) - set(wording._CAVEATS) == set()


def conditions_codes() -> set[str]:
    """Return the codes of the doubts that the worst of surroundings raises."""
    from benchbench.measure.conditions import doubts

    worst = taken.conditions().model_copy(
        update={
            "wall_over_cpu": 9.0, "others_cpu": 0.9, "cgroup_throttled_periods": 9,
            "major_faults": 9, "thermal_throttle_events": 9, "frequency_mhz_after": 100.0,
            "steal": 0.9, "pressure_memory": 0.9,
        }
    )  # fmt: skip
    found = {caveat.code for caveat in doubts(worst, 1)}
    assert len(found) == 8
    return found


def test_shares_among_a_caveat_s_figures_are_told_in_per_cent() -> None:
    caveat = Caveat(code="other_load", figures={"others_cpu": 0.23, "load_1m": 2.5})
    assert wording.caveat_line(caveat).startswith("other processes took 23 % of the machine's CPU")


RECORDS = sorted(
    {
        record
        for module in (conditions_view, definitions_view, energy_view, load_view, turns_view)
        for record in vars(module).values()
        if isinstance(record, type) and issubclass(record, BaseModel) and record is not Record
    }
    | {view.Speedup, view.ColdStart, view.Cost, view.Untaken, view.LatencyView},
    key=lambda record: record.__name__,
)  # fmt: skip
ELSEWHERE = {"CanaryView", "CanaryPart", "NoiseView", "NoiseFigure", "Components"}
"""No part of a run: ``benchbench aa`` and the canary's own functions give them."""


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_key_of_what_was_taken_is_described(record: type[BaseModel]) -> None:
    if record.__name__ in ELSEWHERE:
        return
    page = (ROOT / "docs" / "results.md").read_text()
    known = set(re.findall(r"[A-Za-z0-9_.-]+", " ".join(re.findall(r"`([^`\n]+)`", page))))
    assert set(record.model_fields) - known == set()


def test_a_sum_of_stages_is_told_only_where_all_stages_of_the_table_were_timed() -> None:
    from benchbench.reports.html import Html

    every = taken.measured().cells
    timed = every[1].model_copy(update={"latency": taken.decoded(every[1])})
    page = Html().render(fixture.run((timed, every[2]))).decode()
    part = page.partition('id="stages"')[2].partition("</section>")[0]
    assert part.count("a stage was not timed: there is no sum of all") == 1
    assert "Decoding of image files, preprocessing and postprocessing" in part
    assert "Decoding" not in Html().render(fixture.run(every[2:])).decode()


def test_names_that_change_direction_look_like_themselves_in_the_csv() -> None:
    text = Csv().render(fixture.hostile()).decode()
    assert "\u202e" not in text
    assert r"\u202eevil\u202c" in text


def test_what_no_meter_or_counter_gave_has_the_reason_known_of_it() -> None:
    text = Markdown().render(taken.measured()).decode()
    assert "the run gives no reason" not in text
    assert "libnvidia-ml.so.1 is not installed" in text


def test_looks_that_could_have_been_taken_stand_beside_those_that_were() -> None:
    pair = taken.turns("a", "b", 0.8, "pass")
    half = pair.model_copy(update={"wall": pair.wall.model_copy(update={"level": 0.95})})
    details = [
        turn_words._settled(one) for one in (pair, half, half.model_copy(update={"looks": 2}))
    ]
    assert details == ["1 look", "1 of 2 looks", "2 looks"]


def test_pairs_beyond_those_that_settled_a_comparison_are_told_beside_their_number() -> None:
    pair = taken.turns("a", "b", 0.8, "pass")
    assert len(pair.log_ratios) == pair.pairs
    more = pair.model_copy(update={"log_ratios": (*pair.log_ratios, 0.0, 0.1)})
    found = {turn_words._settled(one) for one in (pair, more)}
    assert found == {"1 look", f"1 look; {pair.pairs + 2} were taken"}
