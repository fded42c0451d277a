"""Words and number formats."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.reports import terms, wording
from benchbench.types import Caveat, Failure
from benchbench.view import Speedup
from tests.report_fixture import HOSTILE, compiled, measured, run


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.8149, "3.81"), (9.999, "10.0"), (0.99999, "1.00"), (381, "381"), (1234, "1,230"),
        (0.0381, "0.0381"), (-0.5, "−0.500"), (0, "0"), (None, "–"), (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)  # fmt: skip
def test_three_significant_digits_never_in_exponent_form(value: float | None, text: str) -> None:
    assert wording.significant(value) == text


@given(st.floats(1e-6, 1e9))
def test_significant_digits_stay_within_half_a_percent_of_the_value(value: float) -> None:
    printed = float(wording.significant(value).replace(",", ""))
    assert abs(printed - value) <= 0.005001 * value


def test_units_stand_beside_numbers_but_not_beside_absent_ones() -> None:
    assert wording.milliseconds(3.81) == "3.81 ms"
    assert wording.rate(262.4) == "262 images/s"
    assert wording.size(3_720_000) == "3.72 MB"
    assert wording.size(512) == "512 bytes"
    assert wording.seconds(None) == wording.milliseconds(None) == wording.size(None) == "–"


def test_accuracy_is_a_fraction_of_one_with_three_decimals() -> None:
    assert wording.fraction(0.4131) == "0.413"
    assert wording.fraction(0.0) == "0.000"
    assert wording.fraction(None) == "–"


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_a_share_that_is_neither_nothing_nor_all_never_prints_as_either(share: float) -> None:
    assert wording.percent(share) not in {"0 %", "100 %", "0.0 %", "100.0 %"}


def test_differences_carry_a_true_sign() -> None:
    assert wording.delta(-0.0121) == "−0.012"
    assert wording.delta(0.003) == "+0.003"
    assert wording.delta(-0.0002) == "±0.000"
    assert wording.delta(None) == "–"
    assert wording.ratio(0.4137) == "0.41 ×"


def test_metrics_print_in_the_coco_habit_and_unknown_ones_as_they_are() -> None:
    assert wording.metric_name("AP") == "mAP"
    assert wording.metric_name("AP_small") == "AP_small"
    assert wording.metric_name(None) == "–"


@given(st.text(max_size=200))
def test_clean_text_holds_no_control_or_direction_changing_character(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]",
                         wording.clean(text))  # fmt: skip


def test_terminal_colours_go_and_overrides_become_visible() -> None:
    assert wording.clean("\x1b[31mred\x1b[0m") == "red"
    assert wording.clean("a\u202eb") == "a\\u202eb"


@given(st.text(), st.integers(10, 100))
def test_short_names_are_one_line_no_longer_than_the_limit(text: str, limit: int) -> None:
    line = wording.short(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


def test_short_keeps_both_ends_of_a_long_name() -> None:
    name = wording.short("start" + "x" * 10_000 + "end", 40)
    assert name.startswith("start")
    assert name.endswith("end")
    assert "…" in name


KNOWN_CAVEATS = {
    "unsteady": {"first_third_ms": 3.81, "last_third_ms": 4.2},
    "single_process": {"processes": 1},
    "contended": {"wall_over_cpu": 1.31, "load_1m": 2.5},
    "short_sample": {"queries": 40},
    "clock_coarse": {"resolution_ns": 15_600},
    "precision_admitted": {"requested": "int8", "effective": "fp32"},
    "swapped": {"major_faults": 3, "swapped_bytes": 4096},
    "noisy": {"spread": 0.14, "p50_ms": 8.1, "p90_ms": 11.9},
    "other_load": {"others_cpu": 0.23, "load_1m": 2.5},
    "cgroup_throttled": {"cgroup_throttled_periods": 7, "cgroup_throttled_s": 0.4},
    "throttled": {"sustained_over_burst": 1.21, "cpu_mhz_over_burst": 0.81},
    "slows_down": {"sustained_over_burst": 1.21, "burst_ms": 8.3, "sustained_ms": 10.0},
    "frequency_drift": {"frequency_mhz_before": 3192.0, "frequency_mhz_after": 2810.0},
    "runner_drift": {"compute_ratio": 1.11, "memory_ratio": 1.07},
    "stolen": {"steal": 0.031},
    "memory_pressure": {"pressure_memory": 0.12},
    "late_dispatch": {"lateness_p99_ms": 1.9, "p50_ms": 8.1},
    "overloaded": {"level": 120.0, "issued": 310, "scheduled": 1200},
    "baselines_differ": {"before_w": 12.4, "after_w": 11.4},
    "power_disagrees": {"integral_over_counter": 1.08},
    "few_trials": {"trials": 3},
    "thermal": {"temperature_c": 91.0},
    "counter_wrap": {"zone": "package-0", "interval_s": 71.2, "wrap_s": 64.9},
    "mig": {"instance": "MIG 1g.10gb"},
    "other_processes": {"processes": 2},
    "processes_unknown": {"reason": "NVML: no permission"},
    "power_averaged": {},
    "meter_lag": {"lag_s": 0.72},
    "provider_admitted": {"requested": "CUDAExecutionProvider", "effective": "CPU"},
    "device_admitted": {"requested": "cuda", "effective": "cpu"},
    "compiled_only": {"reason": "this machine has no GPU"},
    "proxy": {"source": "dtypes of the parameters"},
    "unproved": {"source": "tensor types in the file"},
    "parity_far": {"output": "boxes", "snr_db": 7.83},
}


@pytest.mark.parametrize("code", KNOWN_CAVEATS)
def test_known_caveats_tell_every_figure_with_its_unit(code: str) -> None:
    figures = KNOWN_CAVEATS[code]
    line = wording.caveat_line(Caveat(code=code, figures=figures))
    assert line.split()[0] != code
    for name, value in figures.items():
        assert wording.figure(name, value) in line


@pytest.mark.parametrize("code", KNOWN_CAVEATS)
def test_known_caveats_without_figures_are_still_sentences(code: str) -> None:
    line = wording.caveat_line(Caveat(code=code))
    assert "{" not in line
    assert len(line.split()) > 3


def test_an_unknown_caveat_prints_its_code_and_figures() -> None:
    line = wording.caveat_line(Caveat(code="moon_phase", figures={"tide_ms": 2.5, "face": "full"}))
    assert line == "moon phase (tide 2.50 ms, face full)"


def test_failures_say_what_where_and_which() -> None:
    known = Failure(code="timeout", stage="latency", message="600 s passed")
    assert wording.failure_line(known) == "timed out in stage latency: 600 s passed"
    unknown = Failure(code="cosmic_ray", stage="", message="a bit flipped")
    assert wording.failure_line(unknown) == "cosmic ray: a bit flipped"


def test_every_error_code_of_the_package_has_words() -> None:
    from benchbench import errors

    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.BenchbenchError)
    }
    silent = {code for code in codes if code not in wording._FAILURES}
    assert silent == set()


def test_reasons_for_withheld_percentiles_are_found_under_either_key() -> None:
    late = measured(0, "m", "r", "fp32", ap=0.4, p50=5.0).latency
    assert late is not None
    for key in ("p99", "p99_ms"):
        view = late.model_copy(update={"withheld": {key: "too few"}})
        assert wording.withheld(view, "p99") == "too few"
    bare = late.model_copy(update={"withheld": {}})
    assert wording.withheld(bare, "p99") == "the run gives no reason"


def test_a_mismatch_names_both_what_was_asked_and_what_ran() -> None:
    cell = measured(0, "m", "openvino", "bf16", ap=0.4, p50=5.0, effective="fp32")
    assert wording.mismatch(cell.placement) == "precision bf16 was asked for, fp32 ran"
    assert wording.mismatch(None) == ""


def test_every_known_caveat_is_tried_here() -> None:
    assert set(wording._CAVEATS) == set(KNOWN_CAVEATS)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.93, 2.31, "95 % interval 1.93–2.31, one process each"),
        (0.97, 1.07, "95 % interval 0.97–1.07, includes 1, one process each"),
    ],
)
def test_an_interval_tells_whether_it_includes_one(low: float, high: float, text: str) -> None:
    speed = Speedup(against="x", ratio=1.02, low=low, high=high, method="m")
    assert wording.interval(speed) == text


def test_a_compiled_cell_says_why_it_has_no_figures() -> None:
    told = wording.absence(compiled())
    assert told.startswith("built and checked, but nothing here can run it: TensorRT-RTX")
    bare = compiled().model_copy(update={"caveats": ()})
    assert wording.absence(bare) == "the run gives no reason"


def test_coverage_lists_the_largest_share_first() -> None:
    cell = measured(0, "m", "openvino", "int8", ap=0.4, p50=5.0)
    assert wording.coverage(cell.placement) == "int8 96.3 %, fp32 3.7 %"


def test_nested_mappings_flatten_to_dotted_paths_and_none_reads_absent() -> None:
    nested = {"a": {"b": [1, 2], "c": None, "d": {}}, "e": [{"f": True}], "g": float("nan")}
    assert wording.leaves(nested) == [
        ("a.b", "1, 2"), ("a.c", "–"), ("a.d", "none"), ("e.1.f", "yes"), ("g", "–"),
    ]  # fmt: skip


def test_the_machine_line_reads_usual_names_and_falls_back_on_the_first_values() -> None:
    line = wording.environment_line(run().environment)
    assert line.startswith("Intel Xeon Platinum 8488C · 2 cores · Debian")
    assert line.endswith("Python 3.11.2")
    assert wording.environment_line({"board": "X1", "odd": None}) == "board X1"
    assert wording.environment_line({}) == ""


def test_limits_and_glossary_are_whole_sentences() -> None:
    assert all(text.endswith(".") for text in terms.LIMITS)
    assert all(meaning.endswith(".") for _, meaning in terms.GLOSSARY)


def test_hostile_names_stay_readable_on_one_line() -> None:
    for name in HOSTILE:
        assert 0 < len(wording.short(name)) <= 80


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"cpu": "-1", "memory": "9223372036854771712"}, ["no limit", "no limit"]),
        ({"cpu": "max 100000", "memory": "max"}, ["no limit", "no limit"]),
        ({"cpu": "200000 100000", "memory": "2147483648"}, ["200000 100000", "2147483648"]),
        ({"cpu": None, "memory": None}, ["–", "–"]),
    ],
)
def test_a_container_without_a_limit_says_so(limits: dict[str, str | None], told: list) -> None:
    assert [text for _, text in wording.leaves({"limits": limits})] == told
    assert wording.leaves({"other": {"cpu": "-1"}}) == [("other.cpu", "-1")]
