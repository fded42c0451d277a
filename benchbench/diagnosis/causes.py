"""What in an artifact costs accuracy: which output, and whether its scale is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from benchbench import plugins
from benchbench.diagnosis.levels import Starved, replaced, starved
from benchbench.types import Cell, DatasetSplit, Feed, Prediction, Record
from benchbench.worker.inputs import class_map, contract
from benchbench.worker.reference import unpack_outputs

SHARED = "shared_scale"
OUTPUT = "output"


class Cause(Record):
    """Something that, put right, gives points back."""

    code: str
    """``shared_scale``: one int8 scale for channels of unlike range. ``output``: this output."""
    output: str
    points: float
    """Points that come back when it alone is taken from the first artifact."""
    channels: int | None = None
    of: int | None = None
    levels: int | None = None
    step: float | None = None


class Trial:
    """Scores mixtures of two artifacts' raw outputs on the first images of a split."""

    def __init__(self, cell: Cell, split: DatasetSplit, files: tuple[Path, Path]) -> None:
        self._cell, self._split = cell, split
        self.want, self.got = (unpack_outputs(path) for path in files)
        self._decoder = plugins.build("decoders", cell.spec["decoder"])
        self._metric = plugins.build("metrics", cell.spec["metric"])

    def score(self, outputs: Sequence[Feed]) -> float | None:
        """Return the primary metric of *outputs*."""
        declared, classes = contract(self._cell), class_map(self._cell)
        found: dict[int, Prediction] = {}
        images = sorted(self._split.images, key=lambda image: image.id)
        batch = self._cell.batch
        for number, feed in enumerate(outputs):
            group = images[number * batch : (number + 1) * batch]
            where = [declared.geometry(image.width, image.height) for image in group]
            decoded = self._decoder.decode(feed, where, classes)
            found |= {image.id: one for image, one in zip(group, decoded, strict=True)}
        scores = self._metric.score(self._split, found, classes)
        value: float | None = scores.metrics[scores.primary]
        return value

    def mixed(self, index: int, change: Callable[[Any, Any], Any]) -> list[Feed]:
        """Return the second outputs with output *index* made of both by *change*."""
        found: list[Feed] = []
        for ours, theirs in zip(self.want, self.got, strict=True):
            names = list(theirs)
            source = list(ours.values())[index]
            found.append({**theirs, names[index]: change(theirs[names[index]], source)})
        return found

    def of_output(self, index: int) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Return output *index* of both artifacts, batch by batch."""
        return _nth(self.want, index), _nth(self.got, index)


def _nth(outputs: Sequence[Feed], index: int) -> list[NDArray[Any]]:
    return [list(feed.values())[index] for feed in outputs]


def causes(cell: Cell, split: DatasetSplit, files: tuple[Path, Path]) -> tuple[Cause, ...]:
    """Return what costs points between two artifacts' outputs, worst first.

    *files* are the raw outputs of the first artifact and of the second (*cell*'s).
    """
    trial = Trial(cell, split, files)
    base = trial.score(trial.got)
    if base is None or len(trial.want[0]) != len(trial.got[0]):
        return ()
    found = []
    for index, name in enumerate(trial.got[0]):
        found += [_shared(trial, index, name, base), _whole(trial, index, name, base)]
    known = [cause for cause in found if cause is not None]
    return tuple(sorted(known, key=lambda cause: (-round(cause.points, 2), cause.code == OUTPUT)))


def _shared(trial: Trial, index: int, name: str, base: float) -> Cause | None:
    one: Starved | None = starved(name, *trial.of_output(index))
    if one is None:
        return None
    score = trial.score(trial.mixed(index, lambda got, want: replaced(got, want, one)))
    return Cause(
        code=SHARED,
        output=name,
        points=_points(score, base),
        channels=len(one.channels),
        of=one.of,
        levels=one.levels,
        step=one.step,
    )


def _whole(trial: Trial, index: int, name: str, base: float) -> Cause | None:
    """Return what this output costs; where there is but one, it is the whole artifact."""
    if len(trial.got[0]) == 1:
        return None
    score = trial.score(trial.mixed(index, lambda _, want: want))
    return Cause(code=OUTPUT, output=name, points=_points(score, base))


def _points(score: float | None, base: float) -> float:
    return 0.0 if score is None else 100 * (score - base)
