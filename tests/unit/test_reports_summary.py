"""The summary's sentences."""

from __future__ import annotations

import pytest

from benchbench.reports.summary import counts, summary
from benchbench.types import Elsewhere
from benchbench.view import CellView, Comparison, Speedup
from tests.report_fixture import CRASH, broken, cells, measured, run, varied
from tests.report_measured import turns


def test_the_summary_names_the_fastest_the_most_accurate_and_the_boldest() -> None:
    told = [str(sentence) for sentence in summary(run())]
    assert told[:4] == [
        "12 of 14 cells were measured; 1 failed; 1 was not run.",
        "Fastest at p50: nanodet-plus-m · openvino · int8 (3.81 ms, mAP 0.401).",
        (
            "Most accurate: fcos-r50 · onnxruntime · fp32 (mAP 0.512, p50 105 ms); "
            "1 other level at three decimals."
        ),
        (
            "int8 in openvino loses 0.010 mAP on these images and is 2.44 × as fast as fp32 at "
            "p50, a trend (fcos-r50; 95 % interval 2.38–2.50, one process each)."
        ),
    ]
    assert told[4].startswith("Read with care: ")
    assert "every measured cell: single process" in told[4]


def test_a_run_in_which_everything_failed_claims_no_best() -> None:
    told = [str(s) for s in summary(run((broken(0, "m", "r", "fp32", CRASH),)))]
    assert told == ["0 of 1 cell were measured; 1 failed."]


def test_an_admitted_other_precision_is_never_the_boldest() -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.4, p50=2.0, effective="fp32")
    assert not any("as fast" in sentence.text for sentence in summary(run((base, cell))))


def test_fp32_that_ran_otherwise_is_no_measure_of_speed() -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0, effective="bf16")
    cell = measured(1, "m", "r", "int8", ap=0.4, p50=2.0)
    assert not any("as fast" in sentence.text for sentence in summary(run((base, cell))))


def test_neither_the_fastest_nor_the_most_accurate_ran_otherwise_than_asked() -> None:
    plain = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    other = measured(1, "m", "r", "bf16", ap=0.5, p50=2.0, effective="fp32")
    told = [str(sentence) for sentence in summary(run((plain, other)))]
    assert told[1].startswith("Fastest at p50: m · r · fp32 (")
    assert told[2].startswith("Most accurate: m · r · fp32 (")
    alone = [str(sentence) for sentence in summary(run((other,)))]
    assert alone[1].startswith("Fastest at p50: m · r · bf16 † (")


def test_what_was_only_compiled_is_counted_apart_and_never_as_measured() -> None:
    told = [str(sentence) for sentence in summary(varied())]
    assert told[0] == "15 of 19 cells were measured; 1 compiled only; 1 failed; 2 were not run."
    assert "2 cells ran otherwise than asked (†); 1 cell by proxy (‡)" in told[-1]


def test_a_change_below_the_last_decimal_is_not_called_a_gain_or_loss() -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.4003, p50=2.0)
    told = next(s for s in summary(run((base, cell))) if s.lead == "int8 in r")
    assert told.text.startswith("leaves mAP within 0.0005")


@pytest.mark.parametrize(
    ("bounds", "verdict", "told"),
    [
        (
            (-0.015, 0.001),
            "inconclusive",
            "is not shown to differ in mAP (−0.007, 95 % −0.015 to +0.001)",
        ),
        (
            (-0.015, -0.003),
            "inconclusive",
            (
                "is not shown to differ in mAP (−0.007, 95 % −0.015 to −0.003: not after "
                "correction over 1)"
            ),
        ),
        ((-0.015, -0.003), "worse", "loses 0.007 mAP (95 % −0.015 to −0.003: worse)"),
        ((-0.009, -0.005), "equivalent", "is equivalent in mAP (−0.007, 95 % −0.009 to −0.005)"),
    ],
)
def test_a_difference_is_called_a_loss_only_where_one_is_shown(bounds, verdict, told) -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.393, p50=2.0)
    low, high = bounds
    comparison = Comparison(
        a=base.id, b=cell.id, metric="AP", difference=-0.007, se=0.004, low=low, high=high,
        level=0.95, method="normal", p=0.08, p_adjusted=0.08, verdict=verdict, images=200,
        replicates=1000,
    )  # fmt: skip
    cell = cell.model_copy(update={"comparison": comparison})
    sentence = next(s for s in summary(run((base, cell))) if s.lead == "int8 in r")
    assert sentence.text.startswith(f"{told} and is 2.00 × as fast")


def test_two_datasets_get_a_sentence_each_and_never_more_than_five_in_all() -> None:
    other = [cell.model_copy(update={"dataset": f"d{i}"}) for i, cell in enumerate(cells())]
    told = summary(run((*cells(), *other)))
    assert 2 <= len(told) <= 5
    assert sum(sentence.lead.startswith("On ") for sentence in told) == 2


def test_no_sentence_claims_significance() -> None:
    assert not any("significant" in str(s) or "better" in str(s) for s in summary(run()))


def test_counts_hold_every_status_even_when_none_has_it() -> None:
    assert counts(()) == {"measured": 0, "compiled": 0, "failed": 0, "not_run": 0}


def _two(**more: object) -> tuple[CellView, CellView]:
    """Return fp32 and an int8 twice as fast, timed in one process each."""
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.393, p50=2.0)
    speed = Speedup(against=base.id, ratio=2.0, low=1.2, high=3.1, method="m", **more)
    return base, cell.model_copy(update={"speedup": speed})


def test_a_speed_of_one_process_each_is_told_as_a_trend_and_one_of_rounds_is_not() -> None:
    told = next(s.text for s in summary(run(_two())) if s.lead == "int8 in r")
    assert told.endswith(
        "is 2.00 × as fast as fp32 at p50, a trend (m; 95 % interval 1.20–3.10, one process each)."
    )
    told = next(s.text for s in summary(run(_two(rounds=8))) if s.lead == "int8 in r")
    assert "trend" not in told
    assert "8 rounds of processes" in told


@pytest.mark.parametrize(
    ("order", "ratio", "told"),
    [
        (
            1,
            0.4,
            "takes 0.400 × [0.394, 0.406] (90 %) the time of fp32 by turn-taking (PASS, 8 pairs",
        ),
        (-1, 2.5, "fp32 takes 2.50 × [2.46, 2.54] (90 %) its time by turn-taking (PASS, 8 pairs"),
    ],
)
def test_pairs_of_the_same_two_cells_speak_in_place_of_their_rounds(order, ratio, told) -> None:
    two = _two(rounds=8)
    ends = [cell.id for cell in two][::order]
    view = run(two).model_copy(update={"turns": (turns(*ends, ratio, "pass"),)})
    text = next(s.text for s in summary(view) if s.lead == "int8 in r")
    assert told in text
    assert "as fast" not in text


def test_pairs_with_a_cell_of_another_run_do_not_speak_for_these_two() -> None:
    two = _two(rounds=8)
    there = Elsewhere(run="other", artifact="", label="l")
    pair = turns(two[0].id, two[1].id, 0.4, "pass").model_copy(update={"elsewhere": there})
    view = run(two).model_copy(update={"turns": (pair,)})
    text = next(s.text for s in summary(view) if s.lead == "int8 in r")
    assert "2.00 × as fast" in text
