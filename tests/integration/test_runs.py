"""Whole runs over test plug-ins: real processes, real deaths, a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchbench import api
from benchbench.errors import StoreError, SuiteError
from benchbench.locks import device_lock, locked
from benchbench.store import Store
from benchbench.types import Event, Result
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.write_dataset(tmp_path / "data")


def run(tmp_path: Path, data: dict[str, Any], **options: Any) -> api.RunOutcome:
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return api.run(str(path), store=tmp_path / "store", **options)


def by_runtime(outcome: api.RunOutcome) -> dict[str, Any]:
    return {cell.runtime: cell for cell in outcome.view.cells}


def test_a_run_measures_accuracy_and_latency_of_every_cell(tmp_path: Path, folder: Path) -> None:
    outcome = run(tmp_path, tiny.suite(folder))
    (cell,) = outcome.view.cells
    assert cell.status == "measured"
    assert cell.metrics["top1"] == 0.75
    assert cell.latency is not None
    assert cell.latency.queries == 20
    assert cell.latency.p99_ms is None
    assert "662" in cell.latency.withheld["p99_ms"]
    assert cell.placement is not None
    assert cell.placement.source == "told so"
    assert outcome.finished


@pytest.mark.parametrize(
    ("fault", "stage", "code", "message"),
    [
        ("segfault", "open", "signal", "SIGSEGV"),
        ("abort", "run", "signal", "SIGABRT"),
        ("sigkill", "run", "signal", "SIGKILL"),
        ("raise", "open", "exception", "ZeroDivisionError: told to"),
        ("memory", "run", "out_of_memory", "told to"),
        ("exit", "open", "exception", "exit code 7"),
    ],
)
def test_a_death_costs_only_its_cell_and_says_stage_and_reason(
    tmp_path: Path, folder: Path, fault: str, stage: str, code: str, message: str
) -> None:
    runtimes = [tiny.faulty("bad", fault=fault, stage=stage), tiny.faulty("good")]
    cells = by_runtime(run(tmp_path, tiny.suite(folder, runtimes=runtimes)))
    assert cells["good"].status == "measured"
    failure = cells["bad"].failure
    assert (cells["bad"].status, failure.code) == ("failed", code)
    assert message in failure.message
    assert failure.stage == {"open": "load", "run": "first-query"}[stage]


def test_a_segfault_leaves_the_stack_in_the_tail_of_stderr(tmp_path: Path, folder: Path) -> None:
    runtimes = [tiny.faulty("bad", fault="segfault")]
    (cell,) = run(tmp_path, tiny.suite(folder, runtimes=runtimes)).view.cells
    assert "Segmentation fault" in cell.failure.stderr_tail
    assert "bbtest" in cell.failure.stderr_tail


def test_a_hanging_worker_is_killed_at_its_timeout_and_says_where_it_stood(
    tmp_path: Path, folder: Path
) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("bad", fault="hang"), tiny.faulty("good")])
    data["measure"] |= {"timeout_s": 3}
    cells = by_runtime(run(tmp_path, data))
    assert cells["good"].status == "measured"
    assert cells["bad"].failure.code == "timeout"
    assert "in fail" in cells["bad"].failure.stderr_tail


def test_a_memory_limit_turns_into_out_of_memory(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder, runtimes=[tiny.faulty("hog", fault="hog"), tiny.faulty("good")])
    data["measure"] |= {"memory_limit_mb": 2000}
    cells = by_runtime(run(tmp_path, data))
    assert cells["good"].status == "measured"
    assert cells["hog"].failure.code == "out_of_memory"
    assert "memory_limit_mb" in cells["hog"].failure.hint


def test_the_same_command_again_runs_only_what_is_missing(tmp_path: Path, folder: Path) -> None:
    marker = tmp_path / "marker"
    runtimes = [tiny.faulty("flaky", fault="segfault", marker=str(marker)), tiny.faulty("good")]
    data = tiny.suite(folder, runtimes=runtimes)
    first = run(tmp_path, data)
    assert by_runtime(first)["flaky"].status == "failed"
    second = run(tmp_path, data)
    assert second.run == first.run
    assert by_runtime(second)["flaky"].status == "measured"
    assert by_runtime(second)["good"].started == by_runtime(first)["good"].started


def test_keep_failures_leaves_failed_cells_alone(tmp_path: Path, folder: Path) -> None:
    runtimes = [tiny.faulty("flaky", fault="raise", marker=str(tmp_path / "marker"))]
    data = tiny.suite(folder, runtimes=runtimes)
    first = run(tmp_path, data)
    (cell,) = run(tmp_path, data, keep_failures=True).view.cells
    assert cell.status == "failed"
    assert cell.started == first.view.cells[0].started


def test_fresh_starts_a_new_run_and_keeps_the_old_one(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    first, second = run(tmp_path, data), run(tmp_path, data, fresh=True)
    assert second.run == f"{first.run}.2"
    store = Store(tmp_path / "store")
    assert {item.id for item in store.runs()} == {first.run, second.run}
    assert api.show("latest", store=tmp_path / "store").run == second.run


def test_a_suite_that_grows_keeps_the_cells_it_had(tmp_path: Path, folder: Path) -> None:
    first = run(tmp_path, tiny.suite(folder, runtimes=[tiny.faulty("one")]))
    grown = tiny.suite(folder, runtimes=[tiny.faulty("one"), tiny.faulty("two")])
    second = run(tmp_path, grown)
    assert second.run != first.run
    assert by_runtime(second)["one"].started == by_runtime(first)["one"].started
    assert by_runtime(second)["one"].latency == by_runtime(first)["one"].latency


def test_a_changed_image_is_a_new_cell(tmp_path: Path, folder: Path) -> None:
    first = run(tmp_path, tiny.suite(folder))
    image = folder / "validation" / "1.png"
    image.write_bytes((folder / "validation" / "2.png").read_bytes())
    assert run(tmp_path, tiny.suite(folder)).view.cells[0].id != first.view.cells[0].id


def test_a_moved_dataset_is_the_same_cell(tmp_path: Path, folder: Path) -> None:
    first = run(tmp_path, tiny.suite(folder))
    moved = folder.rename(tmp_path / "elsewhere")
    second = run(tmp_path, tiny.suite(moved))
    assert second.view.cells[0].id == first.view.cells[0].id
    assert second.view.cells[0].started == first.view.cells[0].started


def test_an_absent_package_is_not_run_with_the_install_command(
    tmp_path: Path, folder: Path
) -> None:
    runtimes = [{"kind": "bbtest-absent"}, tiny.faulty("good")]
    cells = by_runtime(run(tmp_path, tiny.suite(folder, runtimes=runtimes)))
    assert cells["bbtest-absent"].status == "not_run"
    assert "bbtest-no-such-package" in cells["bbtest-absent"].failure.message
    assert "benchbench[absent]" in cells["bbtest-absent"].failure.hint
    assert cells["good"].status == "measured"


def test_another_precision_than_asked_fails_the_cell(tmp_path: Path, folder: Path) -> None:
    runtimes = [tiny.faulty("drops", effective="bf16")]
    (cell,) = run(tmp_path, tiny.suite(folder, runtimes=runtimes)).view.cells
    assert cell.failure.code == "placement"
    assert "asked for fp32, ran in bf16" in cell.failure.message


def test_another_precision_that_the_suite_admits_is_a_caveat(tmp_path: Path, folder: Path) -> None:
    runtimes = [tiny.faulty("drops", effective="bf16", admit={"fp32": ["bf16"]})]
    (cell,) = run(tmp_path, tiny.suite(folder, runtimes=runtimes)).view.cells
    assert cell.status == "measured"
    caveat = next(c for c in cell.caveats if c.code == "precision_admitted")
    assert caveat.figures == {"requested": "fp32", "effective": "bf16"}


# --- artifacts ---------------------------------------------------------------------------


def int8_suite(folder: Path, tmp_path: Path, **conversion: Any) -> dict[str, Any]:
    return tiny.suite(
        folder,
        runtimes=[
            tiny.faulty("one", precisions=["int8"]),
            tiny.faulty("two", precisions=["int8"]),
        ],
        conversions=[{"kind": "bbtest-copy", "count_file": str(tmp_path / "builds"), **conversion}],
    )


def test_an_artifact_is_built_once_on_the_calibration_images(tmp_path: Path, folder: Path) -> None:
    outcome = run(tmp_path, int8_suite(folder, tmp_path))
    assert {cell.status for cell in outcome.view.cells} == {"measured"}
    assert (tmp_path / "builds").read_text() == "built\n"
    artifact = outcome.view.cells[0].artifact
    assert artifact is not None
    assert artifact.chain == ("bbtest-copy",)
    assert artifact.bytes == len("3")


def test_a_damaged_artifact_is_built_again(tmp_path: Path, folder: Path) -> None:
    data = int8_suite(folder, tmp_path)
    run(tmp_path, data)
    cache = Path(os.environ["BENCHBENCH_CACHE"]) / "artifacts"
    (main,) = [
        p
        for p in cache.glob("*/model.txt")
        if p.read_text() == "3" and str(tmp_path) in (p.parent / "artifact.json").read_text()
    ]
    main.write_text("999")
    outcome = run(tmp_path, data, fresh=True)
    assert {cell.status for cell in outcome.view.cells} == {"measured"}
    assert (tmp_path / "builds").read_text() == "built\n" * 2


def test_a_build_that_dies_fails_its_cells_once_and_names_the_conversion(
    tmp_path: Path, folder: Path
) -> None:
    outcome = run(tmp_path, int8_suite(folder, tmp_path, fault="segfault"))
    failures = [cell.failure for cell in outcome.view.cells]
    assert [f.stage for f in failures if f] == ["bbtest-copy: build"] * 2
    assert all("SIGSEGV" in f.message for f in failures if f)


def test_calibration_images_in_the_evaluation_split_are_an_error(
    tmp_path: Path, folder: Path
) -> None:
    twin = folder / "calibration" / "5.png"
    twin.write_bytes((folder / "validation" / "2.png").read_bytes())
    with pytest.raises(SuiteError, match=r"5\.png = 2\.png") as caught:
        run(tmp_path, int8_suite(folder, tmp_path))
    assert "have the same content" in caught.value.message


def test_calibration_ids_in_the_evaluation_split_are_an_error_unless_ids_restart(
    tmp_path: Path, folder: Path
) -> None:
    for path in (folder / "calibration").iterdir():
        path.unlink()
    tiny.write_split(folder, "calibration", 2, 1)
    for path in (folder / "calibration").iterdir():
        Image.new("RGB", (8, 8), (int(path.stem), 0, 0)).save(path)
    with pytest.raises(SuiteError, match="same image id"):
        run(tmp_path, int8_suite(folder, tmp_path))
    data = int8_suite(folder, tmp_path)
    data["datasets"][0]["source"]["ids"] = "per-split"
    assert {c.status for c in run(tmp_path, data).view.cells} == {"measured"}


# --- rescoring ---------------------------------------------------------------------------


def test_score_computes_the_same_figures_again_from_stored_predictions(
    tmp_path: Path, folder: Path
) -> None:
    outcome = run(tmp_path, tiny.suite(folder))
    again = api.score(outcome.run, store=tmp_path / "store")
    assert again.cells[0].metrics == outcome.view.cells[0].metrics


def test_score_refuses_a_dataset_that_changed(tmp_path: Path, folder: Path) -> None:
    outcome = run(tmp_path, tiny.suite(folder))
    truth = json.loads((folder / "validation.json").read_text())
    truth["annotations"][0]["category_id"] = 2
    (folder / "validation.json").write_text(json.dumps(truth))
    with pytest.raises(Exception, match="its images or annotations changed"):
        api.score(outcome.run, store=tmp_path / "store")


def test_score_follows_data_that_moved(tmp_path: Path, folder: Path) -> None:
    data = tiny.suite(folder)
    data["variables"] = {"data": None}
    data["datasets"][0]["source"]["root"] = "${data}"
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    store = tmp_path / "store"
    outcome = api.run(str(path), [f"data={folder}"], store=store)
    moved = folder.rename(tmp_path / "elsewhere")
    again = api.score(outcome.run, [f"data={moved}"], store=store)
    assert again.cells[0].metrics == outcome.view.cells[0].metrics


# --- the store under fire ----------------------------------------------------------------


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchbench", *map(str, arguments)]


class KillAfter:
    """A watcher that kills its own process when so many cells are stored."""

    def __init__(self, cells: int) -> None:
        self.left = cells

    def begin(self, *_: object) -> None: ...

    def event(self, *_: object) -> None: ...

    def end(self, result: Result, index: int, total: int, *, reused: bool) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_stored_survives_kill_9_and_the_rest_is_run_later(
    tmp_path: Path, folder: Path
) -> None:
    runtimes = [tiny.faulty(name) for name in "abc"]
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder, runtimes=runtimes))
    store = tmp_path / "store"
    script = (
        "from pathlib import Path; from benchbench import api;"
        "from tests.integration.test_runs import KillAfter;"
        f"api.run({str(path)!r}, store=Path({str(store)!r}), watcher=KillAfter(2))"
    )
    died = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[2]
    )
    assert died.returncode == -signal.SIGKILL
    before = api.show("latest", store=store)
    assert [cell.status for cell in before.cells] == ["measured", "measured", "not_run"]
    after = api.run(str(path), store=store)
    assert {cell.status for cell in after.view.cells} == {"measured"}
    assert after.view.cells[0].started == before.cells[0].started


def test_two_runs_into_one_store_at_once_lose_nothing_and_measure_each_cell_once(
    tmp_path: Path, folder: Path
) -> None:
    runtimes = [tiny.faulty(name) for name in "abcd"]
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder, runtimes=runtimes))
    arguments = command("run", path, "--store", tmp_path / "store", "--no-report", "--quiet")
    both = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    view = api.show("latest", store=tmp_path / "store")
    assert {cell.status for cell in view.cells} == {"measured"}
    (only,) = Store(tmp_path / "store").runs()
    assert len(list((only.folder / "invocations").glob("*.json"))) == 2
    assert len(list((only.folder / "arrays").glob("*.npz"))) <= 8


class PressAfter:
    """A watcher that presses ctrl-C (once or twice) when a cell reaches its accuracy pass."""

    def __init__(self, presses: int) -> None:
        self.presses = presses

    def begin(self, *_: object) -> None: ...

    def end(self, *_: object, **__: object) -> None: ...

    def event(self, cell: object, event: Event) -> None:
        if event.stage == "first-query" and self.presses:
            presses, self.presses = self.presses, 0
            threading.Thread(target=press, args=(presses,)).start()


def press(times: int) -> None:
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)


def test_one_ctrl_c_gives_up_the_cell_and_the_others_go_on(tmp_path: Path, folder: Path) -> None:
    from benchbench.cli.interrupts import TwiceToStop

    runtimes = [tiny.faulty("slow", fault="hang", stage="run"), tiny.faulty("next")]
    data = tiny.suite(folder, runtimes=runtimes)
    with TwiceToStop() as interrupts:
        outcome = run(tmp_path, data, watcher=PressAfter(1), interrupts=interrupts)
    cells = by_runtime(outcome)
    assert (cells["slow"].status, cells["slow"].failure.code) == ("failed", "interrupted")
    assert cells["slow"].failure.stage == "first-query"
    assert cells["next"].status == "measured"


def test_ctrl_c_without_a_handler_stops_the_run_after_recording_the_cell(
    tmp_path: Path, folder: Path
) -> None:
    runtimes = [tiny.faulty("slow", fault="hang", stage="run"), tiny.faulty("next")]
    data = tiny.suite(folder, runtimes=runtimes)
    outcome = run(tmp_path, data, watcher=PressAfter(1))
    cells = by_runtime(outcome)
    assert not outcome.finished
    assert cells["slow"].failure.code == "interrupted"
    assert (cells["next"].status, cells["next"].failure.code) == ("not_run", "pending")


class PressWhileWaiting(PressAfter):
    """A watcher that presses ctrl-C when the run waits for another one."""

    def event(self, cell: object, event: Event) -> None:
        if event.stage == "waiting for another run on cpu" and self.presses:
            self.presses = 0
            threading.Timer(0.2, press, (1,)).start()


def test_ctrl_c_ends_the_wait_for_another_run(tmp_path: Path, folder: Path) -> None:
    with locked(device_lock("cpu")):
        outcome = run(tmp_path, tiny.suite(folder), watcher=PressWhileWaiting(1))
    (cell,) = outcome.view.cells
    assert (cell.failure.code, cell.failure.stage) == ("interrupted", "wait")


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_measured(
    tmp_path: Path, folder: Path
) -> None:
    """A file system of 92 kB in a private mount namespace."""
    runtimes = [tiny.faulty(name) for name in "abcdefgh"]
    data = tiny.suite(folder, runtimes=runtimes)
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    small = tmp_path / "small"
    small.mkdir()
    mount = ["unshare", "--mount", "sh", "-c"]
    script = (
        f"mount -t tmpfs -o size=92k none {small} && "
        f"{sys.executable} -m benchbench run {path} --store {small}/store --no-report --quiet; "
        f"code=$?; ls {small}/store/runs/*/cells/*.json | wc -l; exit $code"
    )
    if (
        os.geteuid()
        or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small file system")
    done = subprocess.run([*mount, script], check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert 0 < int(done.stdout.split()[-1]) < 8


def test_a_store_that_cannot_be_written_is_a_clear_error(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "store").write_text("a file stands here")
    with pytest.raises(StoreError, match="a file stands where a folder is needed") as caught:
        run(tmp_path, tiny.suite(folder))
    assert "--store" in (caught.value.hint or "")


def test_a_read_only_file_system_is_a_clear_error(tmp_path: Path, folder: Path) -> None:
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    mount = ["unshare", "--mount", "sh", "-c"]
    script = (
        f"mount -t tmpfs -o ro none {frozen} && "
        f"exec {sys.executable} -m benchbench run {path} --store {frozen}/store"
    )
    if (
        os.geteuid()
        or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a read-only file system")
    done = subprocess.run([*mount, script], check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "read-only" in done.stderr
    assert "--store" in done.stderr
