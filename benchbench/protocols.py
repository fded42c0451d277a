"""The seams: what a plug-in of each family must be.

A plug-in is a :class:`benchbench.types.Record`; its fields are its options. What it opens holds
the state. Heavy libraries are imported inside the methods, never at module level. Class variables
describe it before anything heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from benchbench.definitions_view import Complexity
from benchbench.types import (
    Caveat,
    ClassMap,
    ConversionJob,
    DatasetCard,
    DatasetFiles,
    DatasetSplit,
    Event,
    Feed,
    Finding,
    Geometry,
    InputShape,
    Job,
    ModelFile,
    Outcome,
    Placement,
    Precision,
    Prediction,
    Request,
    Scores,
    Tally,
    TaskName,
    TensorSpec,
    Variant,
)
from benchbench.view import RunView

Packages = tuple[tuple[str, ...], ...]
"""Distributions needed; each entry lists alternatives, any one of which will do."""


@runtime_checkable
class Source(Protocol):
    """Where a model comes from. Family ``sources``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def variants(self) -> Sequence[Variant]:
        """Return what this source offers, cheaply and without its heavy library."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return content hashes and names that the model's identity depends on.

        Raises :class:`~benchbench.errors.ModelError` if a file is missing.
        """

    def open(self, variant: Variant) -> ModelFile:
        """Return the model in one of the offered variants."""


@runtime_checkable
class Conversion(Protocol):
    """One step from a variant to another. Family ``conversions``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]
    calibrates: ClassVar[bool]
    """True if ``job.feeds`` is needed."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return what can be made of *source*; empty if nothing."""

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``job.target`` into ``job.folder``; return its main file (inside that folder)."""


@runtime_checkable
class Bound(Protocol):
    """A conversion whose artifact depends on the machine that it is made for."""

    def chip(self, device: str) -> Mapping[str, str]:
        """Return what the artifact depends on beside options and versions, cheaply.

        For example the compute capability of *device*. It becomes a part of the artifact's key.
        """


@runtime_checkable
class Layered(Protocol):
    """A quantizing conversion that can be limited to single layers."""

    exclude: tuple[str, ...]
    """Globs of layer names that stay in float."""

    def layers(self, model: ModelFile) -> Sequence[str]:
        """Return the names of the convolutions and products that it quantizes, in graph order."""

    def only(self, model: ModelFile, layers: Sequence[str]) -> Conversion:
        """Return this conversion limited to *layers*: everything else stays in float."""


class Session(Protocol):
    """An opened model. The harness times the three verbs; a session never times itself."""

    inputs: Sequence[TensorSpec]

    def upload(self, feed: Feed) -> Any:
        """Bind *feed*, moving it to the device; return a handle."""

    def run(self, handle: Any) -> None:
        """Infer, and wait for the device."""

    def download(self, handle: Any) -> Feed:
        """Return the outputs as float32/integer numpy arrays, in the model's order.

        The arrays must stay valid after the next ``run``.
        """

    def placement(self) -> Placement:
        """Say what really ran; may run the model again, untimed, to find out."""


@runtime_checkable
class DeviceTimed(Protocol):
    """A session whose device takes times of its own, beside the host's clock."""

    def device_ns(self) -> Mapping[str, int] | None:
        """Return the device's own time of each verb of the last query: upload, run, download.

        Called after ``download``, outside of what the host times. None where the session runs on a
        device without events.
        """


@runtime_checkable
class Runtime(Protocol):
    """Runs models. Family ``runtimes``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return the variants that *device* can run at *precision*, best first; empty if none.

        May raise :class:`~benchbench.errors.PlacementError` whose hint says which option makes it
        possible.
        """

    def known_devices(self) -> Sequence[str]:
        """Return patterns of device names that this runtime knows, e.g. ``cpu``, ``cuda:*``."""

    def open(self, model: ModelFile, request: Request) -> AbstractContextManager[Session]:
        """Load *model* for *request*."""


@runtime_checkable
class Probing(Protocol):
    """A runtime whose devices may be absent."""

    def absent(self, device: str) -> str | None:
        """Return why *device* cannot be used here, None if it can; cheap, no heavy library.

        Its cells are then ``not run``, with this reason. A runtime that can at least build and
        check a model for an absent device returns None, and raises
        :class:`~benchbench.errors.CompiledOnly` from ``open``.
        """


@runtime_checkable
class Checkup(Protocol):
    """A runtime that can say what is wrong with its installation."""

    def checkup(self) -> Sequence[Finding]:
        """Look at the installed library and its devices; may import it, must not raise.

        ``benchbench doctor`` calls it in a process of its own. A finding of level ``ok`` tells a
        version or a device.
        """


@runtime_checkable
class Dataset(Protocol):
    """A dataset in COCO's terms. Family ``datasets``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""

    def card(self) -> DatasetCard:
        """Return what a report says of this dataset."""

    def locate(self, split: str, task: TaskName, cache: Path) -> DatasetFiles:
        """Return where *split* lies, making it below *cache* first if it is generated."""

    def load(self, split: str, task: TaskName, cache: Path) -> DatasetSplit:
        """Read and validate *split*; raise :class:`~benchbench.errors.DatasetError`."""


@runtime_checkable
class Decoder(Protocol):
    """From a model's outputs to predictions in the original image. Family ``decoders``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]
    task: ClassVar[TaskName]

    def decode(
        self, outputs: Feed, geometries: Sequence[Geometry], classes: ClassMap
    ) -> list[Prediction]:
        """Decode one batch; outputs may hold more rows than *geometries* (padding): ignore them.

        Raises :class:`~benchbench.errors.DecoderMismatch` naming the shapes expected.
        """

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines: score floor, NMS, and so on."""


@runtime_checkable
class PredictionFile(Protocol):
    """Predictions that another tool made. Family ``predictions``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]
    tasks: ClassVar[tuple[TaskName, ...]]
    """What it can hold, the usual first."""

    def fingerprint(self) -> Mapping[str, str]:
        """Return content hashes; raise :class:`~benchbench.errors.PredictionError`."""

    def describe(self) -> Mapping[str, str]:
        """Return the protocol card's lines."""

    def read(self, split: DatasetSplit, classes: ClassMap, task: TaskName) -> dict[int, Prediction]:
        """Return the prediction of each image of *split* by its id.

        Raises :class:`~benchbench.errors.PredictionError` naming the item that is wrong.
        """


@runtime_checkable
class Metric(Protocol):
    """An evaluator. Family ``metrics``.

    Of several of one task the one that says ``usual = True`` (a class variable) is taken where a
    suite names none.
    """

    packages: ClassVar[Packages]
    extra: ClassVar[str]
    task: ClassVar[TaskName]

    def score(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Scores:
        """Score *predictions* (by image id; exactly the images of *truth*)."""


@runtime_checkable
class Resampled(Protocol):
    """A metric that can be formed again over weighted images: intervals, comparisons, slices.

    One whose tally leaves out :attr:`benchbench.types.Annotation.ignored` objects says so with a
    class variable ``by_object = True``; for others, images stand for slices of objects.
    """

    def tally(
        self, truth: DatasetSplit, predictions: Mapping[int, Prediction], classes: ClassMap
    ) -> Tally:
        """Return what is needed of each image; raises what ``score`` raises."""

    def estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B,) values of each metric, NaN where it is absent, for (B, N) *weights*.

        A weight says how often its image counts: 0 leaves it out, 2 is a copy of it. With ones
        throughout, the values are those of ``score``.
        """

    def class_estimates(
        self, tally: Tally, weights: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return (B, K) values of each per-class metric, NaN where it is absent."""


@runtime_checkable
class Report(Protocol):
    """Renders a run. Family ``reports``.

    One that says ``usual = False`` (a class variable) is written only where it is asked for.
    """

    packages: ClassVar[Packages]
    extra: ClassVar[str]
    file_name: ClassVar[str]

    def render(self, run: RunView) -> bytes:
        """Return the file's bytes. Pure: the same run gives the same bytes."""


@runtime_checkable
class Foldered(Protocol):
    """A report that is more than one file: what it names lies beside it."""

    def files(self, run: RunView) -> Mapping[str, bytes]:
        """Return every file by its name, relative, with ``/``; the first is the main one.

        The main one is named as ``file_name`` says and holds what ``render`` returns.
        """


@runtime_checkable
class Exporter(Protocol):
    """Hands a run to another system. Family ``exporters``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def export(self, run: RunView, files: Sequence[Path]) -> str:
        """Write *run* and the report *files* there; return where it went.

        Exporting the same run again brings what is there up to date instead of doubling it. What
        is absent stays out. Raises a :class:`~benchbench.errors.BenchbenchError` for what the other
        system refuses, :class:`~benchbench.errors.MissingDependency` for a package.
        """


@runtime_checkable
class Counter(Protocol):
    """Counts parameters and multiplications. Family ``counters``, named for the format it reads."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def count(self, model: ModelFile, shape: InputShape) -> Complexity:
        """Count *model* for one image of *shape*; a figure that it cannot tell is None.

        May raise :class:`~benchbench.errors.BenchbenchError` where the file cannot be read.
        """


class MeterReader(Protocol):
    """An open meter. It reads; the harness decides when, and forms the figures.

    Every method may raise :class:`~benchbench.errors.MeterError` where the meter cannot tell (any
    more): its message is the reason that stands in place of the figure.
    """

    scope: str
    """What the figure covers, in words: ``GPU board``, ``CPU package 0 and DRAM``."""
    counts: bool
    """True if :meth:`energy_j` is a counter of the meter's own; else power is integrated."""
    resolution_j: float | None
    """Step of the counter in joules; None without one, or where it is not known."""

    def energy_j(self) -> float:
        """Return the counter in joules, from an arbitrary origin; wrap-around is undone."""

    def power_w(self) -> float:
        """Return the power now, in watts: instantaneous where the meter offers it."""

    def state(self) -> Mapping[str, float]:
        """Return what stands beside the power, with units in the names; what is unknown is absent.

        Such as ``temperature_c``, ``sm_clock_mhz``, ``power_limit_w``, ``throttled`` (0 or 1).
        """

    def identity(self) -> Mapping[str, str]:
        """Return what was read: name, driver, UUID, path of the counter, MIG mode."""

    def doubts(self) -> Sequence[Caveat]:
        """Return what makes the readings doubtful: other processes on the device, MIG, sampling."""


@runtime_checkable
class Meter(Protocol):
    """Reads energy or power. Family ``meters``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def absent(self, device: str) -> str | None:
        """Return why the energy of work on *device* cannot be read here, None if it can; cheap."""

    def open(self, device: str) -> AbstractContextManager[MeterReader]:
        """Begin to read what *device* draws; raises :class:`~benchbench.errors.MeterError`."""


@runtime_checkable
class DeviceMemory(Protocol):
    """A meter that can tell the device memory that this process holds."""

    def memory_bytes(self, device: str) -> int:
        """Return bytes; raises :class:`~benchbench.errors.MeterError` where it cannot tell."""


class Executor(Protocol):
    """Places jobs. Family ``executors``."""

    packages: ClassVar[Packages]
    extra: ClassVar[str]

    def run(self, job: Job, on_event: Callable[[Event], None]) -> Outcome:
        """Run one job in a process of its own, to its end; never raises for what the job does."""
