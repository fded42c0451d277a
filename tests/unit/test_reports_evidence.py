"""The words of the evidence: marks, shares, parity, builds, calibration."""

from __future__ import annotations

from typing import ClassVar

import pytest

from benchbench.reports import evidence
from benchbench.reports.grouping import ladder
from benchbench.types import Caveat, OutputError, Parity, Share
from benchbench.view import CellView, Speedup
from tests.report_fixture import (
    CRASH,
    broken,
    cells,
    compiled,
    elsewhere,
    measured,
    parity,
    stand_in,
    varied,
)


def _output(name: str, snr: float | None, **more: float | None) -> OutputError:
    facts = {"max_abs": 1.0, "mean_abs": 0.1, "max_sigma": None, "cosine": None} | more
    return OutputError(name=name, snr_db=snr, **facts)


def test_a_row_that_ran_as_asked_and_one_that_failed_have_no_mark() -> None:
    assert evidence.marks(cells()[0]) == ()
    assert evidence.marks(broken(1, "m", "r", "fp32", CRASH)) == ()


def test_each_kind_of_departure_has_its_sign_and_words() -> None:
    told = {mark.sign: mark.text for cell in varied().cells for mark in evidence.marks(cell)}
    assert set(told) == {"†", "‡", "§"}
    assert evidence.marks(elsewhere())[0].text == "ran on CPUExecutionProvider, cpu"
    assert evidence.marks(cells()[4])[0].line == "precision bf16 was asked for, fp32 ran"
    assert evidence.signs(stand_in()) == "‡"
    assert evidence.named(compiled()).endswith(" cuda §")


def test_a_device_that_ran_only_a_part_is_called_mixed() -> None:
    figures = {"requested": "cuda", "effective": "mixed", "share": 0.31}
    cell = measured(0, "m", "r", "fp16", ap=0.4, p50=5.0).model_copy(
        update={
            "admitted": ("device",),
            "caveats": (Caveat(code="device_admitted", figures=figures),),
        }
    )
    (mark,) = evidence.marks(cell)
    assert mark.text == "ran on mixed"
    assert "cuda was asked for, mixed ran" in mark.line


def test_the_legend_explains_only_what_occurs_and_always_in_the_same_order() -> None:
    assert evidence.legend(cells()[:3]) == ()
    assert [sign for sign, _ in evidence.legend((compiled(), stand_in()))] == ["‡", "§"]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(nodes=0.5, time=0.963), "96.3 % of time"),
        (Share(nodes=0.5), "50 % of nodes"),
        (Share(nodes=0.0), "0 % of nodes"),
        (Share(), "–"),
    ],
)
def test_a_share_is_of_time_where_that_is_known_else_of_nodes(share: Share, text: str) -> None:
    assert evidence.share(share) == text


def test_what_ran_names_both_sides_where_they_differ() -> None:
    assert evidence.ran(cells()[1].placement) == "fp32 · CPUExecutionProvider"
    assert evidence.ran(cells()[4].placement) == "asked bf16, ran fp32 · CPU"
    assert evidence.ran(elsewhere().placement) == (
        "fp16 · asked CUDAExecutionProvider, ran CPUExecutionProvider · asked cuda, ran cpu"
    )


@pytest.mark.parametrize(
    ("cpus", "text"),
    [
        ((), "2 threads"),
        ((3,), "2 threads, CPU 3"),
        ((2, 0, 1, 5, 7, 8), "2 threads, CPUs 0–2, 5, 7–8"),
    ],
)
def test_cpus_are_told_as_ranges(cpus: tuple[int, ...], text: str) -> None:
    place = cells()[0].placement.model_copy(update={"threads": 2, "affinity": cpus})
    assert evidence.threads(place) == text


def test_conditions_are_those_of_measured_rows_and_only_if_equal() -> None:
    one, two = cells()[:2]
    other = two.model_copy(update={"placement": two.placement.model_copy(update={"threads": 2})})
    assert evidence.conditions((one, two)) == "1 thread, CPUs 0–1"
    assert evidence.conditions((one, other)) is None
    assert evidence.conditions((one, other.model_copy(update={"status": "compiled"}))) is not None
    assert evidence.conditions(()) is None


def test_the_worst_output_is_the_noisiest_and_an_equal_one_is_never_it() -> None:
    noisy, fair, equal = _output("b", 12.0), _output("a", 30.0), _output("c", None, max_abs=0.0)
    found = Parity(reference="r", images=2, outputs=(equal, fair, noisy))
    assert evidence.worst(found) == noisy
    assert evidence.worst(Parity(reference="r", images=2)) is None
    void = _output("v", None, max_abs=2.0)
    assert evidence.worst(Parity(reference="r", images=2, outputs=(noisy, void))) == void


def test_outputs_without_a_ratio_say_which_of_the_two_it_is() -> None:
    assert evidence.snr(_output("a", None, max_abs=0.0)) == "equal"
    assert "reference is zero" in evidence.snr(_output("a", None, max_abs=2.0))
    assert evidence.snr(_output("a", 28.14)) == "SNR 28.1 dB"


@pytest.mark.parametrize(
    ("cosine", "text"), [(1.0, "1.0000"), (0.99999, "> 0.9999"), (0.9919, "0.9919"), (-0.5, "−0.5")]
)
def test_a_cosine_that_is_not_quite_one_never_prints_as_one(cosine: float, text: str) -> None:
    assert f"cosine {text}" in evidence.output_line(_output("a", 20.0, cosine=cosine))


def test_parity_tells_the_worst_output_and_the_agreement_or_why_not() -> None:
    line = evidence.parity_line(parity("int8"))
    assert line.startswith("boxes (worst) SNR 17.9 dB, cosine 0.9919; detections matched 96.8 %")
    assert evidence.parity_line(None) == "not compared"
    gone = Parity(reference="r", images=0, reason="the suite turns it off")
    assert evidence.parity_line(gone) == "not compared: the suite turns it off"


def test_calibration_tells_method_images_split_and_seed() -> None:
    assert evidence.calibrations(cells()[2]) == (
        "onnx-int8: entropy, 128 images of calibration, seed 7",
    )
    assert evidence.calibrations(cells()[0]) == ()
    facts = {
        "onnx-calibrate": {
            "calibration": {"method": "percentile", "images": 36, "seed": 0, "percentile": 99.99}
        },
        "onnx-int8": {"int8": {"quantized": 50}},
        "odd": "text",
    }
    artifact = cells()[2].artifact.model_copy(update={"facts": facts})
    told = evidence.calibrations(cells()[2].model_copy(update={"artifact": artifact}))
    assert told == ("onnx-calibrate: percentile, 36 images, seed 0, percentile 99.99",)


def test_builds_name_each_conversion_with_its_seconds() -> None:
    assert evidence.builds(cells()[2]) == "torch-onnx 3.20 s, onnx-int8 12.4 s"
    assert evidence.builds(cells()[2].model_copy(update={"artifact": None})) == ""


def test_a_dataset_is_named_where_those_beside_differ() -> None:
    cell, other = cells()[:2]
    other = other.model_copy(update={"split": "another"})
    for _ in range(2):
        assert evidence.where(cell, (cell, cell)) == evidence.where(cell, [cell]) == ""
        assert evidence.where(cell, (cell, other)) == f" on {cell.dataset} {cell.split}"
        assert evidence.where(other, iter([cell, other])) == f" on {cell.dataset} another"


def test_the_cells_beside_are_looked_at_once_for_all_rows() -> None:
    class Counted(CellView):
        looks: ClassVar[int] = 0

        def __getattribute__(self, name: str) -> object:
            if name == "dataset":
                Counted.looks += 1
            return super().__getattribute__(name)

    found = cells()[0]
    every = tuple(Counted.model_construct(**dict(found)) for _ in range(100))
    Counted.looks = 0
    assert {evidence.where(found, every) for _ in range(100)} == {""}
    assert Counted.looks == 100


@pytest.mark.parametrize("side", [0, 1])
def test_a_canary_without_change_is_not_told_beside_doubts_of_the_machine(side: int) -> None:
    base = measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    cell = measured(1, "m", "r", "int8", ap=0.4, p50=2.0)
    speed = Speedup(against=base.id, ratio=2.0, low=1.9, high=2.1, method="m", cause="code")
    cell = cell.model_copy(update={"speedup": speed})
    pair = [base, cell]
    assert "no change of the machine, which does not rule one out" in _remark(pair)
    stolen = (*pair[side].caveats, Caveat(code="stolen", figures={"steal": 0.02}))
    pair[side] = pair[side].model_copy(update={"caveats": stolen})
    assert _remark(pair) == ""
    speed = speed.model_copy(update={"cause": "runner"})
    pair[1] = pair[1].model_copy(update={"speedup": speed})
    assert "the machine changed as much" in _remark(pair)


def _remark(pair: list[CellView]) -> str:
    (rung,) = ladder(tuple(pair))
    return evidence.remark(rung)
