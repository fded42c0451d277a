"""The summary's sentences."""

from __future__ import annotations

import pytest

from benchbench.reports.summary import counts, summary
from benchbench.view import Comparison
from tests.report_fixture import CRASH, broken, cells, measured, run, varied


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
            "int8 in openvino loses 0.010 mAP and is 2.44 × as fast as fp32 at p50 (fcos-r50; "
            "95 % interval 2.38–2.50)."
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
        ((-0.015, 0.001), "inconclusive", "95 % −0.015 to +0.001: no difference shown"),
        ((-0.015, -0.003), "worse", "95 % −0.015 to −0.003: worse"),
    ],
)
def test_a_loss_stands_with_its_interval_and_what_it_shows(bounds, verdict, told) -> None:
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
    assert sentence.text.startswith(f"loses 0.007 mAP ({told}) and is 2.00 × as fast")


def test_two_datasets_get_a_sentence_each_and_never_more_than_five_in_all() -> None:
    other = [cell.model_copy(update={"dataset": f"d{i}"}) for i, cell in enumerate(cells())]
    told = summary(run((*cells(), *other)))
    assert 2 <= len(told) <= 5
    assert sum(sentence.lead.startswith("On ") for sentence in told) == 2


def test_no_sentence_claims_significance() -> None:
    assert not any("significant" in str(s) or "better" in str(s) for s in summary(run()))


def test_counts_hold_every_status_even_when_none_has_it() -> None:
    assert counts(()) == {"measured": 0, "compiled": 0, "failed": 0, "not_run": 0}
