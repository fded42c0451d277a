"""Runs in a real MLflow tracking store, read back by MLflow's own client."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchbench import api
from benchbench.cli import cli
from benchbench.errors import MissingDependency, PluginError
from benchbench.exporters.mlflow import MlFlow, TrackingError
from benchbench.exporters.records import safe_names
from benchbench.quantities import Named, quantity
from benchbench.view import RunView
from tests import tiny
from tests.report_fixture import HOSTILE, hostile, varied

# MLflow and what it builds on warn of their own future; nothing here can mend that.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an empty store once: its tables take MLflow seconds."""
    os.environ.setdefault("DO_NOT_TRACK", "true")  # read when MLflow is imported
    for package in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(package)
    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    client_of(f"sqlite:///{path}").search_experiments()
    return path


def client_of(uri: str | None) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def target(template: Path, tmp_path: Path) -> MlFlow:
    (tmp_path / "store.db").write_bytes(template.read_bytes())
    return MlFlow(
        tracking_uri=f"sqlite:///{tmp_path / 'store.db'}",
        experiment="vision",
        artifact_location=(tmp_path / "artifacts").as_uri(),
    )


def entries(target: MlFlow) -> dict[str, Any]:
    """Return the active runs of the experiment by cell; the parent under ''."""
    client = client_of(target.tracking_uri)
    experiment = client.get_experiment_by_name("vision")
    found = client.search_runs([experiment.experiment_id])
    made = {one.data.tags["benchbench.cell"]: one for one in found}
    assert len(made) == len(found)
    return made


def test_every_cell_is_a_run_below_the_parent_with_its_figures(
    target: MlFlow, tmp_path: Path
) -> None:
    view = varied().model_copy(update={"suite_text": "benchbench: 1\n"})
    (tmp_path / "report.html").write_text("<p>report")
    told = target.export(view, [tmp_path / "report.html"])
    found = entries(target)
    parent = found.pop("")
    assert parent.info.run_id in told
    assert set(found) == {cell.id for cell in view.cells}
    for cell in view.cells:
        one = found[cell.id]
        assert one.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert one.data.params["model"] == cell.model
        assert one.data.tags["benchbench.status"] == cell.status
        assert one.info.status == ("FAILED" if cell.status == "failed" else "FINISHED")
        late = quantity(cell, Named("latency.p50"))
        assert one.data.metrics.get("latency.p50_ms") == late.value
        assert one.data.metrics.get("latency.p50_ms.low") == late.low
        assert all(math.isfinite(value) for value in one.data.metrics.values())
    client = client_of(target.tracking_uri)
    assert {one.path for one in client.list_artifacts(parent.info.run_id)} == {
        "reports",
        "suite.yaml",
    }


def test_what_was_not_measured_is_left_out(target: MlFlow) -> None:
    view = varied()
    target.export(view, [])
    found = entries(target)
    gone = [cell for cell in view.cells if cell.status in ("failed", "not_run")]
    assert gone
    for cell in gone:
        assert "benchbench.failure" in found[cell.id].data.tags
        assert not any(name.startswith("latency") for name in found[cell.id].data.metrics)


def test_the_same_run_again_brings_its_entries_up_to_date(target: MlFlow) -> None:
    view = few(varied())
    target.export(view, [])
    before = {name: one.info.run_id for name, one in entries(target).items()}
    target.export(view, [])
    assert {name: one.info.run_id for name, one in entries(target).items()} == before
    first = view.cells[0]
    assert first.latency is not None
    slower = first.latency.model_copy(update={"p50_ms": 77.0})
    moved = first.model_copy(update={"latency": slower})
    target.export(view.model_copy(update={"cells": (moved, *view.cells[1:])}), [])
    after = entries(target)
    assert {name: one.info.run_id for name, one in after.items()} == before
    assert after[first.id].data.metrics["latency.p50_ms"] == 77


def test_a_figure_that_is_no_more_is_not_kept(target: MlFlow) -> None:
    view = few(varied())
    target.export(view, [])
    cell = view.cells[0].model_copy(update={"latency": None, "processes": None})
    target.export(view.model_copy(update={"cells": (cell, *view.cells[1:])}), [])
    assert "latency.p50_ms" not in entries(target)[cell.id].data.metrics


def test_another_run_of_the_same_name_is_another_entry(target: MlFlow) -> None:
    view = few(varied())
    target.export(view, [])
    target.export(view.model_copy(update={"created": "2020-01-01T00:00:00Z"}), [])
    client = client_of(target.tracking_uri)
    experiment = client.get_experiment_by_name("vision")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 2 * (1 + len(view.cells))


def test_hostile_names_are_text(target: MlFlow) -> None:
    view = hostile()
    target.export(view, [])
    found = entries(target)
    for cell in view.cells:
        params = found[cell.id].data.params
        assert params["model"][:20] == " ".join(cell.model.split())[:20]
        assert len(params["model"]) <= 500


def test_names_are_made_safe_and_stay_apart() -> None:
    made = safe_names([*HOSTILE, "../../etc", "a/b", "a_b", "", "map[class=ü]"])
    assert len(set(made)) == len(made)
    for name in made:
        assert name
        assert len(name) <= 210
        assert name.isascii()
        assert not {"/", "\\", "\x1b"} & set(name)
        assert ".." not in name


def test_an_experiment_that_was_deleted_is_told(target: MlFlow) -> None:
    view = few(varied())
    target.export(view, [])
    client = client_of(target.tracking_uri)
    client.delete_experiment(client.get_experiment_by_name("vision").experiment_id)
    with pytest.raises(TrackingError, match=r"MLflow does not take the run.*active"):
        target.export(view.model_copy(update={"created": "2020-01-01T00:00:00Z"}), [])


def few(view: RunView) -> RunView:
    measured = [cell for cell in view.cells if cell.status == "measured"]
    return view.model_copy(update={"cells": tuple(measured[:2])})


def test_the_command_hands_over_the_run_and_its_reports(
    target: MlFlow, tmp_path: Path, plugins_path: None
) -> None:
    suite = tiny.write_suite(
        tmp_path / "suite.yaml", tiny.suite(tiny.write_dataset(tmp_path / "data"))
    )
    outcome = api.run(str(suite), store=tmp_path / "store")
    options = [f"--option={k}={v}" for k, v in target.model_dump().items()]
    where = ["--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(
        cli, ["export", "latest", "--to", "mlflow", "--format", "csv", *options, *where]
    )
    assert done.exit_code == 0, done.output
    parent = entries(target)[""]
    assert parent.info.run_id in done.output
    assert parent.data.tags["benchbench.run"] == outcome.run
    kept = client_of(target.tracking_uri).list_artifacts(parent.info.run_id, "reports")
    assert [one.path for one in kept] == ["reports/cells.csv"]


def test_the_help_lists_the_exporters_and_their_options() -> None:
    text = CliRunner().invoke(cli, ["export", "--help"]).output
    assert "Exporter mlflow" in text
    assert all(name in text for name in MlFlow.model_fields)


def test_without_mlflow_the_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingDependency, match=r"benchbench\[mlflow\]"):
        MlFlow(tracking_uri="sqlite:///none.db").export(few(varied()), [])


def test_an_unknown_exporter_gets_a_suggestion() -> None:
    with pytest.raises(PluginError, match="did you mean 'mlflow'"):
        api.export("latest", "mlfow")
