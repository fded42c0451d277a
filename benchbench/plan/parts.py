"""What one cell is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchbench.chains import Route
from benchbench.plan.data import Data, dataset
from benchbench.plan.known import Known
from benchbench.plan.matrix import Combination
from benchbench.plan.models import Source, metric, route, source
from benchbench.suite.model import ModelEntry


@dataclass(frozen=True, slots=True)
class Parts:
    """A combination whose model is run, with all that was found and read for it."""

    at: Combination
    model: ModelEntry
    source: Source
    route: Route
    data: Data
    metric: Any
    """The evaluator plug-in."""

    @property
    def calibrated(self) -> bool:
        """Whether a conversion of the chain looks at calibration images."""
        return any(conversion.calibrates for conversion, _, _ in self.route.steps)


def parts_of(known: Known, at: Combination, model: ModelEntry) -> Parts:
    """Find and read what the cell of *at* is made of; raise SuiteError for what is not there."""
    offered = source(known, model)
    way = route(known, at, offered.variants)
    data = dataset(known, at.dataset, model.decoder.task)
    return Parts(at, model, offered, way, data, metric(known, model, data.task))
