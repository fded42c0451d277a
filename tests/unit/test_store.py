"""The store keeps what it was given, refuses what it cannot read, and never downgrades."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from benchbench.errors import StoreError, UsageError
from benchbench.store import Run, Store
from benchbench.types import Failure, Result
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tiny.write_dataset(tmp_path / "data")
    path = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    outcome = api.run(str(path), ["threads=1"], store=tmp_path / "store")
    return Store(tmp_path / "store").run(outcome.run)


def only(run: Run) -> Result:
    (result,) = run.results()
    return result


def test_a_failure_never_replaces_a_measurement(run: Run) -> None:
    before = only(run)
    failed = before.model_copy(
        update={"status": "failed", "failure": Failure(code="x", stage="load", message="m")}
    )
    assert run.put(failed) == before
    assert only(run) == before


def test_an_array_that_was_changed_is_refused(run: Run) -> None:
    ref = only(run).arrays["samples"]
    path = run.folder / ref.path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="not what was stored"):
        run.array(ref)


def test_an_array_path_cannot_leave_the_run(run: Run) -> None:
    ref = only(run).arrays["samples"].model_copy(update={"path": "../../secret.npz"})
    with pytest.raises(StoreError, match="leaves the run"):
        run.array(ref)


def edit(run: Run, **changes: Any) -> None:
    (path,) = (run.folder / "cells").glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_result_of_a_newer_format_is_refused_with_the_upgrade_command(run: Run) -> None:
    edit(run, schema_number=99)
    with pytest.raises(StoreError, match="has format 99") as caught:
        only(run)
    assert "--upgrade" in (caught.value.hint or "")


def test_a_result_that_was_edited_names_its_file(run: Run) -> None:
    edit(run, status="mesured")
    with pytest.raises(StoreError, match=r"cells/.*\.json is not a stored result"):
        only(run)


def test_runs_are_found_by_id_prefix_suite_latest_and_settings(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name in (run.id, run.id[:-2], "tiny", "latest"):
        assert store.run(name).id == run.id
    assert store.run("tiny", ["threads=1"]).id == run.id
    with pytest.raises(UsageError, match="made with threads=2"):
        store.run("tiny", ["threads=2"])
    with pytest.raises(UsageError, match="no run 'tinny'"):
        store.run("tinny")


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="benchbench run quickstart"):
        Store(tmp_path).run("latest")


def test_the_log_of_the_worker_is_kept(run: Run) -> None:
    assert (run.folder / "manifest.json").is_file()
    invocation = run.last_invocation()
    assert invocation.environment["cpu"]["model"]
    assert invocation.environment["packages"]["numpy"]
