"""The shipped suites, whole: real models, real images, real runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchbench import api

pytestmark = pytest.mark.slow
RUNTIMES = {"torch", "onnxruntime", "openvino"}


@pytest.fixture(autouse=True)
def runtimes() -> None:
    for name in ("torch", "onnxruntime", "openvino", "nncf", "cv2", "onnxscript"):
        pytest.importorskip(name)


GOLDEN = {"fastestdet": 18.38, "nanodet-m": 26.35}


@pytest.fixture(scope="module")
def detectors(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    for name in ("ncnn", "pnnx"):
        pytest.importorskip(name)
    store = tmp_path_factory.mktemp("detectors")
    settings = [f"data={data_dir}", "measure.latency=false"]
    return api.run("coco-detectors", settings, store=store).run, store


def test_two_coco_detectors_give_their_golden_ap_in_every_runtime(detectors) -> None:
    view = api.show(detectors[0], store=detectors[1])
    assert {cell.status for cell in view.cells} == {"measured"}, [c.failure for c in view.cells]
    found: dict[str, dict[str, float]] = {name: {} for name in GOLDEN}
    for cell in view.cells:
        if cell.precision == "fp32":
            assert cell.metrics["map"] is not None
            found[cell.model][cell.runtime] = 100 * cell.metrics["map"]
            assert cell.placement is not None
            assert cell.placement.precision == "fp32"
    for model, values in found.items():
        assert all(abs(value - GOLDEN[model]) < 0.3 for value in values.values()), values
        assert max(values.values()) - min(values.values()) < 0.2
    assert set(found["fastestdet"]) == {*RUNTIMES, "opencv", "ncnn"}
    assert set(found["nanodet-m"]) == {"onnxruntime", "openvino", "opencv"}
    torch = next(c for c in view.cells if c.runtime == "torch")
    assert torch.artifact is not None
    assert torch.artifact.variant.format == "torchscript"


def test_artifacts_agree_with_their_source_as_far_as_their_precision_lets_them(detectors) -> None:
    view = api.show(detectors[0], store=detectors[1])
    for cell in view.cells:
        if (cell.runtime, cell.precision) == ("onnxruntime", "fp32"):
            assert cell.parity is None, "it is the source"
            continue
        assert cell.parity is not None
        assert cell.parity.images == 8
        noise = min(100.0 if o.snr_db is None else o.snr_db for o in cell.parity.outputs)
        assert noise > {"fp32": 60, "bf16": 15, "int8": 5}[cell.precision], cell.label
        assert cell.parity.agreement["matched"] > (0.99 if cell.precision == "fp32" else 0.6)


def test_tensorrts_int8_file_on_the_cpu_is_told_from_the_one_for_cpus(detectors) -> None:
    view = api.show(detectors[0], store=detectors[1])
    for model in GOLDEN:
        own, other = (
            next(
                c for c in view.cells if (c.model, c.runtime, c.precision) == (model, name, "int8")
            )
            for name in ("onnxruntime", "onnxruntime-tensorrt-file")
        )
        assert own.artifact is not None
        assert other.artifact is not None
        assert own.artifact.chain[:1] == other.artifact.chain[:1] == ("onnx-calibrate",)
        assert own.artifact.sha256 != other.artifact.sha256
        assert own.artifact.facts["onnx-calibrate"] == other.artifact.facts["onnx-calibrate"]
        assert own.artifact.facts["onnx-calibrate"]["calibration"]["images"] == 36
        assert other.placement is not None
        assert other.placement.evidence == "proxy"
        assert "proxy" in {caveat.code for caveat in other.caveats}
        assert own.placement is not None
        assert (own.placement.precision, own.placement.evidence) == ("int8", "measured")


def test_the_worst_int8_row_is_explained(detectors) -> None:
    name, store = detectors
    view = api.show(name, store=store)
    loss = {
        c.id: next(
            (b.metrics["map"] or 0) - (c.metrics["map"] or 0)
            for b in view.cells
            if (b.model, b.runtime, b.precision) == (c.model, "onnxruntime", "fp32")
        )
        for c in view.cells
        if c.precision == "int8"
    }
    worst = next(c for c in view.cells if c.id == max(loss, key=loss.__getitem__))
    found = api.diagnose(name, f"{worst.model}/onnxruntime/fp32", worst.id, store=store)
    assert -found.points == pytest.approx(100 * loss[worst.id], abs=1e-6)
    assert sum(swap.points for swap in found.swaps) == pytest.approx(found.points, abs=1e-9)
    assert {swap.part for swap in found.swaps} <= {"runtime", "artifact"}
    assert found.swaps[-1].part == "artifact"


def test_the_nuclei_unet_gives_its_golden_dice_in_every_runtime(
    data_dir: Path, tmp_path: Path
) -> None:
    view = api.run("nuclei", [f"data={data_dir}"], store=tmp_path).view
    assert {cell.runtime for cell in view.cells if cell.status == "measured"} == RUNTIMES
    for cell in view.cells:
        assert cell.metrics["dice"] == pytest.approx(0.8459, abs=0.002)
        assert cell.per_class["iou"]["nucleus"] == pytest.approx(0.7423, abs=0.002)
        assert cell.metrics["dice_pooled"] == pytest.approx(0.8521, abs=0.002)
        assert cell.metrics["miou"] == pytest.approx(0.8484, abs=0.002)
        assert cell.metrics["pixel_accuracy"] == pytest.approx(0.9597, abs=0.002)
        assert cell.counts["images"] == 129


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[api.RunOutcome, Path]:
    folder = tmp_path_factory.mktemp("quickstart")
    return api.run("quickstart", store=folder / "store", cache=folder / "cache"), folder


def cells(outcome: api.RunOutcome) -> dict[tuple[str, str, str], Any]:
    return {(c.model, c.runtime, c.precision): c for c in outcome.view.cells}


def test_the_quickstart_measures_all_twelve_cells(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    outcome, _ = quickstart
    told = {cell.label: cell.failure for cell in outcome.view.cells if cell.status != "measured"}
    assert not told
    assert len(outcome.view.cells) == 12


def test_what_ran_in_the_quickstart_is_what_was_asked(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    for (_, _, precision), cell in cells(quickstart[0]).items():
        assert cell.placement.precision == precision
        assert cell.placement.threads == 1
        assert cell.placement.source


def test_the_quickstarts_figures_leave_room_on_both_sides(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    found = cells(quickstart[0])
    detector = {k: v.metrics["map"] for k, v in found.items() if v.task == "detection"}
    assert all(0.35 < value < 0.85 for value in detector.values()), detector
    segmenter = {k: v.metrics["miou"] for k, v in found.items() if v.task != "detection"}
    assert all(0.3 < value < 0.95 for value in segmenter.values()), segmenter


def test_runtimes_agree_at_fp32_and_int8_changes_something(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    found = cells(quickstart[0])
    for model, metric in (("inspection-detector", "map"), ("inspection-segmenter", "miou")):
        full = [found[model, runtime, "fp32"].metrics[metric] for runtime in RUNTIMES]
        assert max(full) - min(full) < 0.002
        for runtime in ("onnxruntime", "openvino"):
            low = found[model, runtime, "int8"]
            assert low.metrics[metric] != full[0]
            assert abs(low.metrics[metric] - full[0]) < 0.1
            assert low.artifact.bytes < 0.6 * found[model, "onnxruntime", "fp32"].artifact.bytes


def test_a_second_quickstart_builds_and_measures_nothing(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    outcome, folder = quickstart
    again = api.run("quickstart", store=folder / "store", cache=folder / "cache")
    assert again.run == outcome.run
    assert [c.started for c in again.view.cells] == [c.started for c in outcome.view.cells]


def test_rescoring_the_quickstart_gives_the_same_figures(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    outcome, folder = quickstart
    again = api.score(outcome.run, store=folder / "store", cache=folder / "cache")
    assert [c.metrics for c in again.cells] == [c.metrics for c in outcome.view.cells]


def test_the_quickstarts_reports_name_every_cell(
    quickstart: tuple[api.RunOutcome, Path],
) -> None:
    outcome, folder = quickstart
    formats = ["html", "markdown", "json", "csv"]
    paths = api.report(outcome.run, formats, store=folder / "store", out=folder / "reports")
    page = paths[0].read_text()
    for cell in outcome.view.cells:
        assert cell.model in page
        assert cell.id in paths[3].read_text()
    assert len(json.loads(paths[2].read_text())["cells"]) == 12


SIDES = "baseline: {precision: fp32}, candidate: {precision: int8}"
SHORT = (
    "datasets.0.images=16", "measure.latency.seconds=0.2", "measure.latency.warmup_s=0.1",
    "measure.processes.count=2", "measure.processes.seconds=0.1", "measure.server.seconds=2",
    "measure.server.rate_qps=5", "measure.server.bound_ms=2000", "measure.cameras.seconds=2",
    "measure.cameras.count=1", "measure.cameras.deadline_ms=2000", "measure.offline.seconds=0.3",
    "measure.offline.queries=10",
    f"comparisons=[{{{SIDES}, pairs: 3, most_pairs: 3, turns: 3}}]",
)  # fmt: skip


def test_the_deployment_suite_takes_all_that_it_asks_in_real_runtimes(tmp_path: Path) -> None:
    """Shortened: 16 images, few and short takes; what cannot be read here says why."""
    outcome = api.run("deployment", SHORT, store=tmp_path)
    cells = {(cell.runtime, cell.precision): cell for cell in outcome.view.cells}
    assert outcome.failed == 0, [(cell.failure, cell.untaken) for cell in cells.values()]
    assert all("not settled" in line for line in outcome.left)
    assert len(outcome.view.turns) == 2
    assert all(one.pairs == 3 and one.wall.ratio for one in outcome.view.turns)
    for (runtime, precision), cell in cells.items():
        assert cell.processes is not None
        assert cell.processes.processes == 2
        assert [rate.streams for rate in cell.offline[0].rates] == [1, 2]
        assert bool(cell.server) == bool(cell.cameras) == (precision == "int8")
        assert bool(cell.energy) == (runtime == "onnxruntime")
        assert all(e.reason or e.gross_j_per_image.value for e in cell.energy)
        assert cell.complexity is not None
        assert cell.complexity.parameters is not None
        assert cell.cold is not None
        assert cell.cold.first_ms is not None
        assert {one.tool for one in cell.definitions} >= {"trtexec", "Ultralytics"}
    assert len({cell.complexity.macs for cell in cells.values() if cell.complexity}) == 1
