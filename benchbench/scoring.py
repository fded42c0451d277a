"""Scores of stored predictions, and what intervals, comparisons and slices of them rest on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchbench import __version__, plugins
from benchbench.columns import pack_tally, unpack_predictions
from benchbench.contents import HashCache, contents, limited
from benchbench.errors import BenchbenchError, DatasetError
from benchbench.protocols import Resampled
from benchbench.sliced import mark_of, pack_sliced
from benchbench.slicing import Look, LookCache, SliceSpec, cut
from benchbench.store import Run
from benchbench.types import Cell, DatasetSplit, Prediction, Result, Scores, digest
from benchbench.worker.inputs import class_map

Slices = Mapping[str, Sequence[SliceSpec]]
"""What is asked for, by the dataset's name in the suite."""


class Scorer:
    """Scores stored predictions of a run; reads each dataset once."""

    def __init__(
        self, run: Run, datasets: Mapping[str, Any], cache: Path, slices: Slices | None = None
    ) -> None:
        self._run, self._datasets, self._cache = run, datasets, cache
        self._slices = slices or {}
        self._truths: dict[tuple[Any, ...], DatasetSplit] = {}
        self._looks: dict[tuple[Any, ...], Mapping[int, Look]] = {}

    def again(self, result: Result) -> Result:
        """Return *result* with new scores."""
        cell = result.cell
        predictions = self._predictions(result)
        metric = plugins.build("metrics", cell.spec["metric"])
        scores: Scores = metric.score(self._truth(cell), predictions, class_map(cell))
        arrays = {name: ref for name, ref in result.arrays.items() if name not in _DERIVED}
        return self.tallied(result.model_copy(update={"scores": scores, "arrays": arrays}))

    def tallied(self, result: Result) -> Result:
        """Return *result* with its metric's tally kept in the run, where the metric makes one.

        Raises :class:`~benchbench.errors.DatasetError` for slices that the dataset does not have.
        """
        cell = result.cell
        metric = plugins.build("metrics", cell.spec["metric"])
        if not isinstance(metric, Resampled):
            return result
        tally = metric.tally(self._truth(cell), self._predictions(result), class_map(cell))
        kept = {"tally": self._run.keep_array(pack_tally(tally))}
        if self._slices.get(cell.dataset):
            kept["slices"] = self._run.keep_array(self._sliced(result, metric))
        return result.model_copy(update={"arrays": {**result.arrays, **kept}})

    def all_tallied(self) -> list[str]:
        """Keep the tallies and slices that the run's scored cells lack; return what went wrong.

        Where that fails the cell has its scores and no intervals; ``benchbench score`` tells why.
        A fault of a plug-in must not cost the report of what was measured.
        """
        problems: dict[str, None] = {}
        for result in self._run.results():
            if result.scores and "predictions" in result.arrays and not self._current(result):
                try:
                    self._run.put(self.tallied(self._bare(result)))
                except BenchbenchError as error:
                    problems[error.message] = None
                except Exception as error:  # noqa: BLE001 - see above
                    problems[f"{type(error).__name__}: {str(error)[:200]}"] = None
        return list(problems)

    @staticmethod
    def _bare(result: Result) -> Result:
        arrays = {name: ref for name, ref in result.arrays.items() if name not in _DERIVED}
        return result.model_copy(update={"arrays": arrays})

    def _current(self, result: Result) -> bool:
        """Whether what is kept of *result* is what the suite asks for now."""
        metric = plugins.build("metrics", result.cell.spec["metric"])
        if not isinstance(metric, Resampled):
            return True
        wanted = bool(self._slices.get(result.cell.dataset))
        if "tally" not in result.arrays or wanted != ("slices" in result.arrays):
            return False
        if not wanted:
            return True
        with contextlib.suppress(BenchbenchError, OSError, ValueError, KeyError):
            return mark_of(self._run.array(result.arrays["slices"])) == self._mark(result)
        return False

    def _mark(self, result: Result) -> str:
        specs = [spec.model_dump(mode="json") for spec in self._slices[result.cell.dataset]]
        parts = [specs, result.cell.spec["metric"], result.arrays["predictions"].sha256]
        return digest([parts, __version__])

    def _sliced(self, result: Result, metric: Resampled) -> bytes:
        cell = result.cell
        truth = self._truth(cell)
        by_object = bool(getattr(metric, "by_object", False))
        parts = cut(truth, self._slices[cell.dataset], self._seen(cell), objects=by_object)
        predictions = self._predictions(result)
        mark = self._mark(result)
        return pack_sliced(mark, parts, truth, predictions, class_map(cell), metric)

    def file_names(self, cell: Cell) -> dict[int, str]:
        """Return the names of the split's images by id; of none where the data are not at hand."""
        with contextlib.suppress(BenchbenchError):
            return {image.id: image.file_name for image in self._truth(cell).images}
        return {}

    def _predictions(self, result: Result) -> Mapping[int, Prediction]:
        data = self._run.array(result.arrays["predictions"])
        return unpack_predictions(data, result.cell.task)

    def _truth(self, cell: Cell) -> DatasetSplit:
        key = _key(cell)
        if key not in self._truths:
            self._truths[key] = self._read(cell)
        return self._truths[key]

    def _seen(self, cell: Cell) -> Mapping[int, Look]:
        """Return the looks of the images; of none where the files are not at hand."""
        key = _key(cell)
        if key not in self._looks:
            self._looks[key] = {}
            if not any(spec.needs_looks for spec in self._slices[cell.dataset]):
                return self._looks[key]
            truth = self._truth(cell)
            files = self._datasets[cell.dataset].locate(cell.split, cell.task, self._cache)
            with contextlib.suppress(BenchbenchError):
                found = contents(truth, files.annotations, HashCache(self._cache))
                self._looks[key] = LookCache(self._cache).looks(truth.images, found.hashes)
        return self._looks[key]

    def _read(self, cell: Cell) -> DatasetSplit:
        dataset = self._datasets[cell.dataset]
        split = limited(dataset.load(cell.split, cell.task, self._cache), cell.spec["images"])
        files = dataset.locate(cell.split, cell.task, self._cache)
        hashes, ran = HashCache(self._cache), cell.start is not None
        found = contents(split, files.annotations, hashes, pixels=ran).digest
        if found != cell.spec["dataset_digest"]:
            raise DatasetError(
                f"the split '{cell.split}' of {cell.dataset} is not the one that was predicted on: "
                "its images or annotations changed",
                hint="run the suite again, or point --set at the original data",
            )
        return split


_DERIVED = ("tally", "slices")


def _key(cell: Cell) -> tuple[Any, ...]:
    return (cell.dataset, cell.split, cell.task, cell.spec["images"], cell.start is None)
