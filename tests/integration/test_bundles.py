"""A run packed, checked by a stranger, derived again and measured again."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import api
from benchbench.bundles.format import MANIFEST, SUMS, BundleManifest, Packed
from benchbench.bundles.writing import write_bundle
from benchbench.cli import main
from benchbench.errors import StoreError, UsageError
from benchbench.store import Store
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


def write_model(path: Path, bias: float = 5.0) -> Path:
    """Write a linear classifier over 3×8×8 inputs; *bias* favours the first class."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    weights = np.random.default_rng(1).normal(0, 0.05, (192, 2)).astype(np.float32)
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["y"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", 1, [1, 2])],
        [
            onnx.numpy_helper.from_array(weights, "w"),
            onnx.numpy_helper.from_array(np.array([bias, 0], np.float32), "b"),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    return path


def suite(folder: Path, model: Path, **changes: Any) -> dict[str, Any]:
    data = tiny.suite(folder, runtimes=[{"kind": "onnxruntime"}], **changes)
    data["models"][0]["source"] = {"kind": "file", "path": str(model)}
    data["measure"]["parity"] = False
    return data


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a measured run of a model file, as its author has it."""
    home = tmp_path_factory.mktemp("home")
    data = suite(tiny.write_dataset(home / "data", images=40), write_model(home / "m.onnx"))
    path = tiny.write_suite(home / "suite.yaml", data)
    api.run(str(path), store=home / "store", cache=home / "cache")
    return home


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    """Return the bundle of it, with everything."""
    out = home / "whole.zip"
    api.bundle(
        "latest",
        out=out,
        formats=["json"],
        with_models=True,
        with_data=True,
        store=home / "store",
        cache=home / "cache",
    )
    return out


def altered(bundle: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write *bundle* again with changed members, and with hashes that fit: a skilled forger."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = BundleManifest.model_validate_json(members.pop(MANIFEST))
    del members[SUMS]
    change(members)
    files = {
        name: Packed(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in members.items()
    }
    write_bundle(target, members, manifest.model_copy(update={"files": files}))
    return target


def edit(name: str, change: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    """Return a change of the JSON files whose names begin with *name*."""

    def apply(members: dict[str, bytes]) -> None:
        for found in [one for one in members if one.startswith(name)]:
            body = json.loads(members[found])
            change(body)
            members[found] = json.dumps(body).encode()

    return apply


def test_the_same_run_gives_the_same_bytes(home: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"store": home / "store", "cache": home / "cache"}
    every: dict[str, Any] = {"formats": ["json"], "with_models": True, "with_data": True}
    for asked in ({}, every):
        made = [
            api.bundle("latest", out=tmp_path / name, **asked, **options).path.read_bytes()
            for name in "ab"
        ]
        assert made[0] == made[1]


def test_coreutils_can_check_an_unpacked_bundle(whole: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(tmp_path)
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=False
    )
    assert checked.returncode == 0
    listed = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(path.is_file() for path in tmp_path.rglob("*")) - 1


def test_it_holds_models_and_used_images_and_says_what_it_leaves_out(
    home: Path, whole: Path, tmp_path: Path
) -> None:
    names = zipfile.ZipFile(whole).namelist()
    assert "models/models.0.source.path/m.onnx" in names
    assert sum(name.startswith("data/0/validation/") for name in names) == 40
    assert not any("calibration" in name for name in names)
    told: list[dict[str, int]] = []
    plain = api.bundle(
        "latest",
        out=tmp_path / "plain.zip",
        formats=["json"],
        logs=False,
        store=home / "store",
        cache=home / "cache",
        tell=lambda content: told.append(content.bytes_by_part),
    )
    left = {one.what: one for one in plain.content.manifest.left_out}
    model = hashlib.sha256((home / "m.onnx").read_bytes()).hexdigest()
    assert left["file m.onnx"].sha256 == {"m.onnx": model}
    assert left["file m.onnx"].key == "models.0.source.path"
    assert "dataset tiny, split validation: 40 images" in left
    assert "logs" in left
    assert told[0].keys() == {"files", "run", "report", "datasets"}


@contextmanager
def away(home: Path) -> Iterator[Path]:
    """Move the author's folder away for a while; yield where it is."""
    gone = home.rename(home.with_name("gone"))
    try:
        yield gone
    finally:
        gone.rename(home)


def test_a_stranger_reproduces_it_where_the_originals_are_gone(
    home: Path, whole: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(home / "store", store)  # it measures anew even where the same run is stored
    (old,) = Store(store).runs()
    with away(home) as gone:
        found = api.reproduce(gone / whole.name, store=store, cache=tmp_path / "cache")
    assert found.obstacle is None
    assert found.derived is not None
    assert found.derived.follows
    assert (found.derived.scored, found.derived.unscored) == (1, ())
    assert found.derived.figures > 30
    assert found.again is not None
    (cell,) = found.again.cells
    assert (cell.accuracy, found.again.answer, found.exit_code) == ("equal", "reproduced", 0)
    assert {run.id for run in Store(store).runs()} == {old.id, found.again.run}
    new = api.find_run(found.again.run, store=store)
    assert next(new.results()).started > next(old.results()).started
    assert found.again.comparison is not None
    designs = {one.quantity: one.design for one in found.again.comparison.pairs[0].deltas}
    assert designs["latency.p50"] == "trend"


def test_packed_artifacts_are_used_unless_all_is_to_be_built_here(tmp_path: Path) -> None:
    count = tmp_path / "count"
    data = tiny.suite(
        tiny.write_dataset(tmp_path / "data"),
        runtimes=[tiny.faulty("r", precisions=["int8"])],
        conversions=[{"kind": "bbtest-copy", "count_file": str(count)}],
    )
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    mine: dict[str, Any] = {"store": tmp_path / "store", "cache": tmp_path / "cache"}
    api.run(str(path), **mine)
    made = api.bundle(
        "latest", out=tmp_path / "b.zip", formats=["json"], with_models=True, with_data=True, **mine
    )
    names = zipfile.ZipFile(made.path).namelist()
    assert sum(name.startswith("data/0/calibration/") for name in names) == 3
    assert len(made.content.manifest.artifacts) == 1
    theirs: dict[str, Any] = {"store": tmp_path / "other", "cache": tmp_path / "empty"}
    taken = api.reproduce(made.path, **theirs)
    assert count.read_text() == "built\n"
    assert taken.exit_code == 0
    assert any("--rebuild" in one for one in taken.unchecked)
    built = api.reproduce(made.path, rebuild=True, **theirs)
    assert count.read_text() == "built\n" * 2
    assert built.exit_code == 0
    assert not any("--rebuild" in one for one in built.unchecked)
    assert not (tmp_path / "empty" / "artifacts").exists()


def test_what_is_not_there_is_asked_for_by_key_and_can_be_given(home: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"store": home / "store", "cache": home / "cache"}
    made = api.bundle("latest", out=tmp_path / "b.zip", formats=["json"], **options)
    mine: dict[str, Any] = {"store": tmp_path / "store", "cache": tmp_path / "cache"}
    with away(home) as gone:
        found = api.reproduce(made.path, **mine)
        places = [f"models.0.source.path={gone}/m.onnx", f"datasets.0.source.root={gone}/data"]
        given = api.reproduce(made.path, places, **mine)
    assert found.exit_code == 2
    assert "no such model file" in str(found.obstacle)
    assert "--set models.0.source.path=… (file m.onnx, sha256 " in str(found.hint)
    assert "--set datasets.0.source.root=…" in str(found.hint)
    assert (given.obstacle, given.exit_code) == (None, 0)


def test_another_model_is_not_reproduced(whole: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "m.onnx", bias=5.000001)
    settings = [f"models.0.source.path={other}"]
    found = api.reproduce(whole, settings, store=tmp_path / "store", cache=tmp_path / "cache")
    assert found.again is not None
    (cell,) = found.again.cells
    assert cell.accuracy == "undecided"
    assert cell.told == "another model: not the bundle's m.onnx"
    assert (found.again.answer, found.exit_code) == ("not reproduced", 1)


def test_a_view_that_was_falsified_does_not_follow(whole: Path, tmp_path: Path) -> None:
    def quicker(body: Any) -> None:
        body["cells"][0]["latency"]["p50_ms"] *= 0.9

    forged = altered(whole, tmp_path / "forged.zip", edit("view.json", quicker))
    found = api.reproduce(forged, until="rederived", cache=tmp_path / "cache")
    assert found.checked.problems == ()
    assert found.derived is not None
    assert len(found.derived.differing) == 1
    assert "latency.p50_ms" in found.derived.differing[0]
    assert found.exit_code == 1


def test_a_metric_falsified_everywhere_does_not_follow_from_predictions_or_tally(
    home: Path, whole: Path, tmp_path: Path
) -> None:
    def better(members: dict[str, bytes]) -> None:
        def cell(body: Any) -> None:
            body["scores"]["metrics"]["top1"] = 0.99

        def view(body: Any) -> None:
            body["cells"][0]["metrics"]["top1"] = 0.99

        edit("run/cells/", cell)(members)
        edit("view.json", view)(members)

    forged = altered(whole, tmp_path / "forged.zip", better)
    found = api.reproduce(forged, until="rederived", cache=tmp_path / "cache")
    assert found.derived is not None
    told = "\n".join(found.derived.differing)
    assert "metrics.top1: 0.99 stored" in told
    assert "scored" in told
    options: dict[str, Any] = {"store": home / "store", "cache": home / "cache"}
    plain = api.bundle("latest", out=tmp_path / "plain.zip", formats=["json"], **options)
    forged = altered(plain.path, tmp_path / "bare.zip", better)
    with away(home):
        bare = api.reproduce(forged, until="rederived", cache=tmp_path / "empty")
    assert bare.derived is not None
    assert bare.derived.scored == 0
    assert bare.derived.tallied == 1
    assert bare.derived.unscored
    assert "by the tally" in "\n".join(bare.derived.differing)


def test_raw_samples_that_were_falsified_do_not_give_the_stated_figures(
    whole: Path, tmp_path: Path
) -> None:
    forged = altered(whole, tmp_path / "forged.zip", samples(faster))
    found = api.reproduce(forged, until="rederived", cache=tmp_path / "cache")
    assert found.checked.problems == ()
    assert found.derived is not None
    assert any("latency" in one for one in found.derived.differing)


def samples(change: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    """Return a change of the cell's raw samples, with every reference to them."""

    def apply(members: dict[str, bytes]) -> None:
        (cell,) = [name for name in members if name.startswith("run/cells/")]
        body = json.loads(members[cell])
        ref = body["arrays"]["samples"]
        data = change(members.pop(f"run/{ref['path']}"))
        digest = hashlib.sha256(data).hexdigest()
        ref |= {"path": f"arrays/{digest}.npz", "sha256": digest, "bytes": len(data)}
        members[f"run/{ref['path']}"] = data
        members[cell] = json.dumps(body).encode()

    return apply


def faster(data: bytes) -> bytes:
    with np.load(io.BytesIO(data)) as file:
        columns = {name: file[name] for name in file.files}
    columns["run_ns"] = columns["run_ns"] // 2
    return saved(**columns)


def saved(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **columns)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "columns",
    [{"x": np.zeros(3)}, {"run_ns": np.array(["a"])}, {"run_ns": np.array([None], object)}],
    ids=["other names", "text", "objects"],
)
def test_arrays_that_no_run_would_store_are_an_error_with_words(
    columns: dict[str, Any], whole: Path, tmp_path: Path
) -> None:
    forged = altered(whole, tmp_path / "odd.zip", samples(lambda _: saved(**columns)))
    with pytest.raises(StoreError):
        api.reproduce(forged, until="rederived", cache=tmp_path / "cache")


def test_a_run_without_results_cannot_be_packed(home: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(home / "store", store)
    for path in store.rglob("cells/*.json"):
        path.unlink()
    with pytest.raises(UsageError, match="has no results"):
        api.bundle("latest", out=tmp_path / "b.zip", formats=["json"], store=store)


def test_the_command_tells_in_its_exit_code_and_as_json_what_it_found(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def quicker(body: Any) -> None:
        body["cells"][0]["latency"]["p50_ms"] *= 0.9

    forged = altered(whole, tmp_path / "forged.zip", edit("view.json", quicker))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(whole.read_bytes()[:-100])
    codes = {}
    for name, arguments in {
        "whole": [str(whole), "--check"],
        "forged": [str(forged), "--rederive", "--json", "--quiet"],
        "broken": [str(broken), "--check"],
    }.items():
        with pytest.raises(SystemExit) as ended:
            main(["reproduce", *arguments, "--store", str(tmp_path / "store")])
        codes[name] = (ended.value.code, capsys.readouterr())
    assert [code for code, _ in codes.values()] == [0, 1, 2]
    assert "every file is what was packed" in codes["whole"][1].out
    assert "not checked: who packed the bundle" in codes["whole"][1].out
    told = json.loads(codes["forged"][1].out)
    assert told["exit_code"] == 1
    assert "latency.p50_ms" in told["derived"]["differing"][0]
    assert "hint:" in codes["broken"][1].err
    assert not (tmp_path / "store").exists()
