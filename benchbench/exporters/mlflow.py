"""A run in MLflow: a parent run, and below it a run for each cell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchbench.errors import BenchbenchError, MissingDependency
from benchbench.exporters import records
from benchbench.types import Record
from benchbench.view import RunView

if TYPE_CHECKING:
    from mlflow import MlflowClient

_BATCH = 100
"""Parameters or tags of one request, at most."""
_METRICS = 1000
_PARENT = "mlflow.parentRunId"


class TrackingError(BenchbenchError):
    """The tracking server or store cannot be reached, or does not take a run."""

    code = "export"


class MlFlow(Record):
    """Writes the run and its cells to an MLflow tracking server or store."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("mlflow-skinny", "mlflow"),)
    extra: ClassVar[str] = "mlflow"

    tracking_uri: str | None = None
    """Where to: ``https://…``, ``sqlite:///file.db``; MLflow's own default if absent."""
    experiment: str | None = None
    """Name of the experiment, made if it is not there; the suite's name if absent."""
    artifact_location: str | None = None
    """Where a new experiment keeps its files; MLflow's own default if absent."""

    def export(self, run: RunView, files: Sequence[Path]) -> str:
        """Write *run*; return the store, the experiment and the id of the parent run.

        What an earlier export wrote is found by its tags: figures that moved are logged again, an
        entry whose parameters are others is replaced. Raises
        :class:`~benchbench.errors.MissingDependency` without MLflow, :class:`TrackingError`.
        """
        name = self.experiment or run.suite
        with _told():
            client = _client(self.tracking_uri)
            experiment = self._experiment(client, name)
            book = _Book(client, experiment, _known(client, experiment, records.key(run)))
            parent = book.put("", records.of_run(run), {})
            for cell in run.cells:
                book.put(cell.id, records.of_cell(run, cell), {_PARENT: parent})
            if run.suite_text:
                client.log_text(parent, run.suite_text, "suite.yaml")
            for path in files:
                client.log_artifact(parent, str(path), "reports")
        return f"{client.tracking_uri}, experiment {name}, run {parent}"

    def _experiment(self, client: MlflowClient, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self.artifact_location))


class _Book:
    """The runs of one benchbench run in an experiment."""

    def __init__(self, client: MlflowClient, experiment: str, known: Mapping[str, Any]) -> None:
        self._client = client
        self._experiment = experiment
        self._known = known

    def put(self, cell: str, record: records.Entry, tags: Mapping[str, str]) -> str:
        """Write *record*, or bring what is there up to date; return the id of its run."""
        before = self._known.get(cell)
        tags = {**record.tags, **tags}
        if before is not None and not _fits(before, record):
            self._client.delete_run(before.info.run_id)
            before = None
        if before is None:
            made = self._client.create_run(
                self._experiment, start_time=record.started_ms, tags=tags, run_name=record.name
            )
            self._log(made.info.run_id, record.params, record.metrics, {})
        else:
            made, data = before, before.data
            self._log(made.info.run_id, {}, _moved(data.metrics, record.metrics),
                      _moved(data.tags, tags))  # fmt: skip
        run_id = str(made.info.run_id)
        status = "FAILED" if record.failed else "FINISHED"
        self._client.set_terminated(run_id, status, end_time=record.ended_ms)
        return run_id

    def _log(
        self,
        run_id: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = time.time_ns() // 1_000_000
        for part in _parts(metrics, _METRICS):
            made = [Metric(name, value, now, 0) for name, value in part]
            self._client.log_batch(run_id, metrics=made)
        for part in _parts(params, _BATCH):
            self._client.log_batch(run_id, params=[Param(*pair) for pair in part])
        for part in _parts(tags, _BATCH):
            self._client.log_batch(run_id, tags=[RunTag(*pair) for pair in part])


def _parts(found: Mapping[str, Any], size: int) -> Iterator[list[tuple[str, Any]]]:
    pairs = list(found.items())
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]


def _fits(before: Any, record: records.Entry) -> bool:
    """Return whether an entry can be brought up to date: MLflow neither changes nor removes."""
    same = dict(before.data.params) == dict(record.params)
    ours = {name for name in before.data.tags if name.startswith("benchbench.")}
    return same and before.data.metrics.keys() <= record.metrics.keys() and ours <= set(record.tags)


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before.get(name) != value}


def _known(client: MlflowClient, experiment: str, key: str) -> dict[str, Any]:
    """Return the runs that stand for a benchbench run, by cell; the run itself under ''."""
    return {
        one.data.tags.get("benchbench.cell", ""): one for one in _search(client, experiment, key)
    }


def _search(client: MlflowClient, experiment: str, key: str) -> Iterable[Any]:
    token = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`benchbench.key` = '{key}'", max_results=1000, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _client(uri: str | None) -> MlflowClient:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingDependency("mlflow-skinny", "mlflow") from error
    return MlflowClient(tracking_uri=uri)


@contextmanager
def _told() -> Iterator[None]:
    """Raise what MLflow raises as an error that a user can read."""
    try:
        yield
    except BenchbenchError:
        raise
    except ImportError as error:
        raise MissingDependency(error.name or "sqlalchemy", "mlflow") from error
    except Exception as error:  # MLflow, its store and its network have no error in common
        message, _, rest = str(error).partition(". ")
        raise TrackingError(
            f"MLflow does not take the run: {type(error).__name__}: {message[:300]}",
            hint=rest[:300] or "see --option tracking_uri=URI",
        ) from error
