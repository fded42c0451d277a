"""Scores of stored predictions, and what intervals and comparisons of them rest on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.columns import pack_tally, unpack_predictions
from benchbench.contents import HashCache, contents, limited
from benchbench.errors import DatasetError
from benchbench.protocols import Resampled
from benchbench.store import Run
from benchbench.types import Cell, DatasetSplit, Prediction, Result, Scores
from benchbench.worker.inputs import class_map


class Scorer:
    """Scores stored predictions of a run; reads each dataset once."""

    def __init__(self, run: Run, datasets: Mapping[str, Any], cache: Path) -> None:
        self._run, self._datasets, self._cache = run, datasets, cache
        self._truths: dict[tuple[Any, ...], DatasetSplit] = {}

    def again(self, result: Result) -> Result:
        """Return *result* with new scores."""
        cell = result.cell
        predictions = self._predictions(result)
        metric = plugins.build("metrics", cell.spec["metric"])
        scores: Scores = metric.score(self._truth(cell), predictions, class_map(cell))
        arrays = {name: ref for name, ref in result.arrays.items() if name != "tally"}
        return self.tallied(result.model_copy(update={"scores": scores, "arrays": arrays}))

    def tallied(self, result: Result) -> Result:
        """Return *result* with its metric's tally kept in the run, where the metric makes one."""
        cell = result.cell
        metric = plugins.build("metrics", cell.spec["metric"])
        if not isinstance(metric, Resampled):
            return result
        tally = metric.tally(self._truth(cell), self._predictions(result), class_map(cell))
        kept = self._run.keep_array(pack_tally(tally))
        return result.model_copy(update={"arrays": {**result.arrays, "tally": kept}})

    def all_tallied(self) -> None:
        """Keep the tallies that the run's scored cells lack.

        Where that fails the cell has its scores and no intervals; ``benchbench score`` tells why.
        A fault of a plug-in must not cost the report of what was measured.
        """
        for result in self._run.results():
            if result.scores and "predictions" in result.arrays and "tally" not in result.arrays:
                with contextlib.suppress(Exception):
                    self._run.put(self.tallied(result))

    def _predictions(self, result: Result) -> dict[int, Prediction]:
        data = self._run.array(result.arrays["predictions"])
        return unpack_predictions(data, result.cell.task)

    def _truth(self, cell: Cell) -> DatasetSplit:
        key = (cell.dataset, cell.split, cell.task, cell.spec["images"], cell.start is None)
        if key not in self._truths:
            self._truths[key] = self._read(cell)
        return self._truths[key]

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
