"""Whole runs set against each other, against themselves and against baselines kept as files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchbench import api, cli
from benchbench.baselines import making
from benchbench.comparing import Asked, delta, of_run, pair
from benchbench.errors import UsageError
from benchbench.quantities import Named
from benchbench.store import Store
from benchbench.view import CellView, Comparison
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


def suites(tmp_path: Path) -> tuple[Path, Path]:
    """Write two suites of the same two runtimes; the first asks for rounds and pairs as well."""
    folder = tiny.write_dataset(tmp_path / "data", images=12)
    runtimes = [tiny.faulty("quick", slow_s=0.002), tiny.faulty("slow", slow_s=0.02)]
    data = tiny.suite(folder, runtimes=runtimes)
    data["measure"]["latency"] |= {"canary": 2}
    bare = tiny.write_suite(tmp_path / "bare.yaml", data)
    how = {"pairs": 3, "most_pairs": 3, "turns": 3, "queries": 2}
    both = {"baseline": {"runtime": "quick"}, "candidate": {"runtime": "slow"}}
    data["comparisons"] = [both | how]
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    return tiny.write_suite(tmp_path / "suite.yaml", data), bare


def command(
    capsys: pytest.CaptureFixture[str], store: Path, *arguments: str
) -> tuple[int, str, str]:
    """Return the exit code of a command and what it printed."""
    with pytest.raises(SystemExit) as caught:
        cli.main([*arguments, "--store", str(store)])
    printed = capsys.readouterr()
    return int(str(caught.value.code)), printed.out, printed.err


def test_runs_cells_and_baselines_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    suite, bare = suites(tmp_path)
    first = api.run(str(suite), store=store)
    second = api.run(str(bare), store=store, fresh=True)
    assert first.run != second.run
    _cells_of_one_run(store, first.run)
    _two_runs(store, first.run, second.run)
    _a_file_stands_for_its_run(tmp_path, store, first.run, second.run)
    _the_command_line(capsys, store, first.run)


def _cells_of_one_run(store: Path, run: str) -> None:
    """Turns come before rounds; both know the slower runtime; the same pictures were scored."""
    view = api.compare(f"{run}#runtime=quick", f"{run}#runtime=slow", store=store)
    assert view.same_job
    (ends,) = view.pairs
    found = {one.quantity: one for one in ends.deltas}
    assert (found["latency.p50"].design, found["throughput"].design) == ("turns", "rounds")
    assert found["latency.p50"].outcome == "worse"
    assert 3 < found["latency.p50"].change < 12
    assert found["throughput"].change < 0.5
    accuracy = found[ends.deltas[0].quantity]
    assert (accuracy.change, accuracy.outcome) == (0, "equivalent")
    assert not [one for one in ends.differing if one.spoils]
    back = api.compare(f"{run}#runtime=slow", f"{run}#runtime=quick", store=store)
    assert back.pairs[0].deltas[1].outcome == "better"
    assert back.pairs[0].deltas[1].change == pytest.approx(1 / found["latency.p50"].change)


def _two_runs(store: Path, first: str, second: str) -> None:
    view = api.compare(first, second, store=store)
    assert not view.same_job
    assert [(ends.a_label, ends.b_label) for ends in view.pairs] == [
        ("m · quick · fp32", "m · quick · fp32"),
        ("m · slow · fp32", "m · slow · fp32"),
    ]
    for ends in view.pairs:
        by_name = {one.quantity: one for one in ends.deltas}
        assert by_name["latency.p50"].outcome == "trend", "two processes calibrate nothing"
        assert by_name["top1"].outcome == "equivalent"
        assert ends.canary is not None
    crossed = api.compare(f"{first}#runtime=quick", f"{second}#runtime=slow", store=store)
    assert crossed.pairs[0].deltas[1].outcome == "trend"


def _a_file_stands_for_its_run(tmp_path: Path, store: Path, first: str, second: str) -> None:
    """What is told against a baseline's file is what is told against the run it was made of."""
    file = tmp_path / "kept.json"
    made = api.baseline_save("main", first, file=file, all_metrics=True, store=store)
    assert made.bytes == file.stat().st_size < 200_000
    asked = Asked(by_class=True)
    of_the_run = api.compare(first, second, asked=asked, store=store)
    of_the_file = api.compare(str(file), second, asked=asked, store=store)
    assert of_the_file.a.baseline == "main"
    for ours, theirs in zip(of_the_run.pairs, of_the_file.pairs, strict=True):
        assert [one.quantity for one in ours.deltas] == [one.quantity for one in theirs.deltas]
        for one, other in zip(ours.deltas, theirs.deltas, strict=True):
            numbers = {"change", "low", "high", "se", "p", "p_adjusted"}
            assert one.model_dump(exclude=numbers) == other.model_dump(exclude=numbers)
            for name in numbers:
                assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)


def _the_command_line(capsys: pytest.CaptureFixture[str], store: Path, run: str) -> None:
    def done(*arguments: str) -> tuple[int, str, str]:
        return command(capsys, store, *arguments)

    code, out, err = done("compare", f"{run}#runtime=quick", f"{run}#runtime=slow")
    assert (code, err) == (0, ""), "worse is no error: it is the gate that judges"
    assert "m · quick · fp32  →  m · slow · fp32" in out
    assert "3 pairs that took turns" in out
    document = json.loads(done("compare", run, run, "--json", "--quantity", "memory")[1])
    assert document["schema"] == 1
    assert [one["quantity"] for one in document["pairs"][0]["deltas"]] == ["memory"]
    assert done("baseline", "save", "main", run)[0] == 0
    assert run in done("baseline", "list")[1]
    assert run in done("baseline", "show", "main")[1]
    assert done("compare", "main", "latest", "--margin", "3%")[::2] == (0, "")
    code, _, err = done("compare", run, run, "--admit", "thread")
    assert (code, err) == (
        0, "--admit thread admits nothing: no such key spoils this comparison\n"
    )  # fmt: skip
    code, _, err = done("compare", f"{run}#runtime=quick", "mian")
    assert code == 2
    assert "did you mean 'main'?" in err
    assert done("compare", run, run, "--margin", "3")[0] == 2
    assert done("baseline", "remove", "main")[0] == 0
    assert done("baseline", "show", "main")[0] == 2


def test_a_run_is_found_by_the_commit_that_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.write_dataset(tmp_path / "data")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    suite = tiny.write_suite(work / "suite.yaml", tiny.suite(folder))
    for name in ("one", "two"):
        (work / "note").write_text(name)
        git("add", ".")
        git("commit", "-m", name)
        git("tag", name)
        if name == "one":
            made = api.run(str(suite), store=tmp_path / "store")
    view = api.compare("git:one", made.run, store=tmp_path / "store")
    assert view.a.run == made.run
    assert view.a.commit == git("rev-parse", "one")
    with pytest.raises(UsageError, match="no run 'm") as caught:
        api.compare("git:one", "m · *", store=tmp_path / "store")
    assert caught.value.hint == "cells stand behind a run: 'latest#m · *'"
    with pytest.raises(UsageError, match="no run of the suite tiny was made of two") as caught:
        api.compare("git:two", made.run, store=tmp_path / "store")
    assert git("rev-parse", "one")[:10] in str(caught.value.hint)
    for ref in ("nowhere", "-h", "--all", "x y"):
        with pytest.raises(UsageError, match="git knows no commit"):
            api.compare(f"git:{ref}", made.run, store=tmp_path / "store")


def git(*arguments: str) -> str:
    if arguments[0] == "add":
        subprocess.run(["git", "init", "-q"], check=True)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_change_of_accuracy_is_that_of_the_run_itself(tmp_path: Path) -> None:
    """The comparison with fp32 that a report shows, and the one that is asked for, are one."""
    folder = tiny.write_dataset(tmp_path / "data", images=12)
    runtime = tiny.faulty("rt", precisions=["fp32", "int8"])
    data = tiny.suite(folder, runtimes=[runtime], conversions=[{"kind": "bbtest-copy"}])
    data["datasets"][0]["slices"] = [{"by": "class"}]
    made = api.run(str(tiny.write_suite(tmp_path / "suite.yaml", data)), store=tmp_path / "store")
    (cell,) = [one for one in made.view.cells if one.precision == "int8"]
    known = cell.comparison
    assert known is not None
    source = of_run(Store(tmp_path / "store").run(made.run))
    base = next(one for one in source.cells if one.id == known.a)
    found = delta(source, base, source, cell, Named("accuracy"))
    assert (found.quantity, found.change, found.se, found.p) == (
        known.metric, known.difference, known.se, known.p,
    )  # fmt: skip
    assert len(pair(source, source).pairs) == 2
    asked = Asked(quantities=("accuracy",), by_slice=True, by_class=True)
    sides = (f"{made.run}#precision={one}" for one in ("fp32", "int8"))
    (ends,) = api.compare(*sides, store=tmp_path / "store", asked=asked).pairs
    shown = {one.subject: one for one in (*cell.class_comparisons, *_of_slices(cell))}
    for one in ends.deltas[1:]:
        expected = shown[str(one.subject).partition("=")[2]]
        assert one.quantity == expected.metric
        assert (one.change, one.se, one.p) == (expected.difference, expected.se, expected.p)
    assert {"slice=class: a", "class=a"} <= {one.subject for one in ends.deltas}
    _slices_of_a_file(tmp_path, made.run)


def _slices_of_a_file(tmp_path: Path, run: str) -> None:
    """A baseline's file keeps the draws of slices, or says that they were too large."""
    store, file = tmp_path / "store", tmp_path / "kept.json"
    asked = Asked(quantities=("accuracy",), by_slice=True)
    other = f"{run}#precision=int8"
    found = {}
    for most in (making.SLICE_BYTES, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(making, "SLICE_BYTES", most)
            api.baseline_save("main", run, file=file, store=store)
        (ends,) = api.compare(f"{file}#precision=fp32", other, asked=asked, store=store).pairs
        found[most] = [one for one in ends.deltas if one.subject]
    (ends,) = api.compare(f"{run}#precision=fp32", other, asked=asked, store=store).pairs
    kept, left = found.values()
    for one, whole in zip(kept, [one for one in ends.deltas if one.subject], strict=True):
        assert one.reason == whole.reason
        assert (one.low, one.high) == (
            pytest.approx(whole.low, abs=1e-6), pytest.approx(whole.high, abs=1e-6),
        )  # fmt: skip
    assert [one.low for one in left] == [None] * len(kept)
    assert all("the baseline leaves out the draws by slice" in str(one.reason) for one in left)


def _of_slices(cell: CellView) -> list[Comparison]:
    return [one.comparison for one in cell.slices if one.comparison]
