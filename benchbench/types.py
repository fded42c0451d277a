"""The values that flow from one step to the next.

What crosses a file or a process is a :class:`Record`; what holds arrays and stays home is a
frozen slotted dataclass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

RESULT_SCHEMA = 1
"""Number of the stored result format; raise it with a migration in :mod:`benchbench.store`."""
TAKEN_SCHEMA = 1
"""The same for :class:`Taken`."""

Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "int8", "int8-dynamic"]
"""``int8-dynamic``: int8 weights, activations quantized while running, without calibration."""
AskedPrecision = Precision | Literal["given"]
"""``given``: predictions that another tool made, in whatever precision it used."""
TaskName = Literal[
    "detection",
    "instance-segmentation",
    "semantic-segmentation",
    "classification",
    "panoptic-segmentation",
    "keypoints",
    "oriented-detection",
    "promptable-segmentation",
]
Status = Literal["measured", "compiled", "failed", "not_run"]
"""``compiled``: built and checked, but nothing here can run it."""
JobKind = Literal["build", "reference", "outputs", "sensitivity", "measure", "take", "turns"]
"""``take``: see :class:`Take`; ``turns``: one of the two processes of a pair."""
TakeKind = Literal[
    "process", "multi-stream", "server", "offline", "cameras", "soak", "energy", "pair"
]
LookRule = Literal["two-looks", "sequence"]
"""When a comparison may end: at one of two looks, or at any (a confidence sequence)."""
Evidence = Literal["measured", "proxy", "compiled_only", "not_run"]

Feed = Mapping[str, NDArray[Any]]
"""Tensors by name, in the model's own order."""


class Record(BaseModel):
    """An immutable value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of *value* as canonical JSON: equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --- models ------------------------------------------------------------------------------


class TensorSpec(Record):
    """Name, shape (None where dynamic) and numpy dtype name of one input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Variant(Record):
    """What a model file is: its format and the precision that is written into it."""

    format: str
    """``onnx``, ``torch-module``, ``torchscript``, ``pt2``, ``openvino-ir``, …"""
    precision: Precision = "fp32"
    target: str = ""
    """Whom a quantized file is written for where that matters: ``cpu``, ``tensorrt``."""

    def __str__(self) -> str:
        return f"{self.format} {self.precision}" + (f" for {self.target}" if self.target else "")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as a runtime or a conversion receives it: a file, or a way to make the module."""

    variant: Variant
    path: Path | None = None
    load: Callable[[], Any] | None = None
    """For ``torch-module``: returns the ``torch.nn.Module`` in eval mode."""
    sha256: str | None = None
    bytes: int = 0
    """Size of all files that the model consists of; 0 where it is made by code: of a module the
    worker counts the state dict."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A tensor that the harness feeds beside the image: prompts, texts."""

    name: str
    example: NDArray[Any] = field(compare=False, repr=False)
    """A tensor of that kind, of the cell's batch: for tracing, and for untimed runs."""
    batched: bool = True
    """Whether its first axis is the batch; texts are the same for all images."""

    @property
    def spec(self) -> TensorSpec:
        """Name, shape and dtype."""
        return TensorSpec(name=self.name, shape=self.example.shape, dtype=str(self.example.dtype))


@dataclass(frozen=True, slots=True)
class InputShape:
    """Shape and dtype of the image tensor that the harness feeds, batch first."""

    shape: tuple[int, ...]
    """(N, C, H, W) or (N, H, W, C)."""
    dtype: str = "float32"
    name: str | None = None
    companions: tuple[Companion, ...] = ()
    """What is fed beside it, in the order of the model's inputs after the image."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a cell asks of a runtime."""

    precision: Precision
    device: str
    threads: int
    input: InputShape
    cache: Path | None = None
    """A folder of the runtime's own, kept between cells: compiled kernels, timing caches."""


def _forget(name: str, value: Any) -> None:
    """Record nothing."""


@dataclass(frozen=True, slots=True)
class ConversionJob:
    """What a conversion may use: an empty folder to write in, the input, calibration feeds."""

    folder: Path
    input: InputShape
    feeds: Callable[[], Any] | None = None
    """Returns a fresh iterator over NCHW/NHWC arrays of one image each (batch 1)."""
    seed: int = 0
    log: Callable[[str], None] = print
    target: Variant | None = None
    """Which of the conversion's targets to write; None where it has but one."""
    device: str = "cpu"
    threads: int = 1
    cache: Path | None = None
    """A folder of the conversion's own, kept between builds: timing caches."""
    record: Callable[[str, Any], None] = _forget
    """Keeps a JSON-able fact with the artifact: ``record("calibration", {...})``."""


class Share(Record):
    """A share, 0..1, counted in nodes and weighed by time; None where it is not known."""

    nodes: float | None = None
    time: float | None = None

    @property
    def best(self) -> float | None:
        """The share of time where a profile gave it, else of nodes."""
        return self.nodes if self.time is None else self.time


class Placement(Record):
    """What was asked for, what really ran, and how that is known."""

    requested_provider: str
    provider: str
    requested_device: str
    device: str
    requested_precision: Precision
    precision: str
    """Effective precision of convolutions and products: the one that nine tenths of the work
    are done in, ``mixed`` where none is, ``unknown`` without evidence."""
    threads: int
    affinity: tuple[int, ...] = ()
    """Logical CPUs that the process may use."""
    coverage: dict[str, float] = {}
    """Share of convolution and matrix work by effective precision, 0..1."""
    on_device: Share = Share()
    """Share of all nodes on the requested provider and device."""
    in_precision: Share = Share()
    """Share of convolutions and products in the requested precision."""
    evidence: Evidence = "measured"
    source: str
    """Where the evidence comes from, e.g. ``onnxruntime profile``."""
    copies_inside_run: bool = False
    """True if the runtime moves inputs or outputs inside ``run``."""
    details: dict[str, str] = {}


class OutputError(Record):
    """How far one output tensor is from its reference, over all compared images."""

    name: str
    max_abs: float
    mean_abs: float
    max_sigma: float | None
    """``max_abs`` over the reference's standard deviation; None for a constant output."""
    cosine: float | None
    """Cosine similarity; None where one of the two is zero throughout."""
    snr_db: float | None
    """10 log10(power of the reference / power of the error); None where they are equal."""


class Parity(Record):
    """The measured artifact against its fp32 source, on real images."""

    reference: str
    """What it is compared with: variant, runtime and version."""
    images: int
    outputs: tuple[OutputError, ...] = ()
    agreement: dict[str, float] = {}
    """Agreement of the decoded predictions, 0..1: ``matched``, ``iou``, ``pixels``, ``top1`` …"""
    reason: str | None = None
    """Why there is no comparison, where there is none."""


class Finding(Record):
    """What a check of the installation found."""

    level: Literal["ok", "warning", "error"]
    message: str
    hint: str | None = None


# --- datasets ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a split."""

    id: int
    file_name: str
    path: Path
    width: int
    height: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What the annotation file says of the image beside: name → text, number or truth value."""
    negatives: tuple[int, ...] | None = None
    """Where categories are annotated on some images only (LVIS): ids of those that were looked for
    here and are not there. None where every image is annotated for every category."""
    incomplete: tuple[int, ...] = ()
    """Ids of categories of which not every object here is annotated (LVIS)."""


@dataclass(frozen=True, slots=True)
class Category:
    """A class of the dataset."""

    id: int
    name: str
    supercategory: str = ""
    thing: bool = True
    """False for stuff: regions that are not counted (sky, road)."""
    keypoints: tuple[str, ...] = ()
    """Names of the points that each object of this category has, in order."""
    frequency: Literal["", "rare", "common", "frequent"] = ""
    """How many training images have it (LVIS)."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One ground-truth object; ``segmentation`` as in COCO: polygons, RLE, or None."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    """x, y, width, height in pixels of the image."""
    area: float = 0.0
    iscrowd: bool = False
    segmentation: Any = None
    keypoints: tuple[float, ...] | None = None
    """x, y, v of each of the category's points; v: 0 not labelled, 1 hidden, 2 visible."""
    oriented: tuple[float, float, float, float, float] | None = None
    """Turned box: centre x, centre y, width, height in pixels; angle in radians, clockwise on the
    screen, of the width against the x axis."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What the annotation file says of the object beside: name → text, number or truth value."""
    ignored: bool = False
    """True if it lies outside the slice that is looked at: what is matched with it counts neither
    way. Only tallies know of it."""


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """A validated split: every file name stays inside its folder, every id is known and unique."""

    name: str
    split: str
    images: tuple[Image, ...]
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    notes: Mapping[str, int] = field(default_factory=dict)
    """Counted oddities that are scored as the reference scores them (``zero_size_boxes``)."""
    dense: bool = False
    """True if every pixel is annotated that has a class: what is left over is void, not
    background."""
    area_range: tuple[float, float] | None = None
    """Of a slice by area, in square pixels, bounds included: what is predicted outside of it and
    matches nothing counts neither way. Only tallies know of it."""


class DatasetFiles(Record):
    """Where a split lies on disk."""

    images: Path
    annotations: Path


class DatasetCard(Record):
    """What a report says of a dataset."""

    name: str
    title: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    description: str = ""


# --- predictions -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Detections:
    """Detections of one image, best score first."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, width, height in pixels of the original image."""
    scores: NDArray[np.float64]
    """(N,)."""
    labels: NDArray[np.int64]
    """(N,): category ids of the dataset."""


@dataclass(frozen=True, slots=True)
class Instances:
    """Objects of one image with their masks, best score first."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, width, height in pixels of the original image."""
    scores: NDArray[np.float64]
    """(N,)."""
    labels: NDArray[np.int64]
    """(N,): category ids of the dataset."""
    lengths: NDArray[np.int64]
    """(N,): how many of *runs* each mask has."""
    runs: NDArray[np.uint32]
    """(R,): run lengths of all masks, one mask after the other, each as COCO's uncompressed RLE
    over the original image: column by column, zeros first."""


@dataclass(frozen=True, slots=True)
class Poses:
    """Objects of one image with their keypoints, best score first."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, width, height in pixels of the original image."""
    scores: NDArray[np.float64]
    """(N,)."""
    labels: NDArray[np.int64]
    """(N,): category ids of the dataset."""
    keypoints: NDArray[np.float64]
    """(N, K, 3): x, y in pixels and the point's own confidence."""


@dataclass(frozen=True, slots=True)
class OrientedDetections:
    """Turned boxes of one image, best score first."""

    boxes: NDArray[np.float64]
    """(N, 5): as :attr:`Annotation.oriented`."""
    scores: NDArray[np.float64]
    """(N,)."""
    labels: NDArray[np.int64]
    """(N,): category ids of the dataset."""


@dataclass(frozen=True, slots=True)
class PanopticMap:
    """Panoptic segmentation of one image: each pixel belongs to one segment, or to none."""

    segments: NDArray[np.uint16]
    """(H, W): number of the pixel's segment, from 1; 0 for none."""
    labels: NDArray[np.int64]
    """(S,): category id of the dataset of segment 1, 2, …"""


@dataclass(frozen=True, slots=True)
class PromptedMasks:
    """One mask for each prompt of one image; a prompt is an annotation's box or point."""

    annotation_ids: NDArray[np.int64]
    """(P,): the annotation that each prompt was taken from."""
    scores: NDArray[np.float64]
    """(P,): the model's own estimate of the mask's IoU; NaN where it gives none."""
    lengths: NDArray[np.int64]
    """(P,): how many of *runs* each mask has."""
    runs: NDArray[np.uint32]
    """(R,): as in :class:`Instances`."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Semantic segmentation of one image."""

    labels: NDArray[np.uint8]
    """(H, W): index into the model's class list."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Classification of one image."""

    scores: NDArray[np.float32]
    """(C,): probability of each class of the model's class list."""


Prediction = (
    Detections
    | Instances
    | LabelMap
    | ClassScores
    | PanopticMap
    | Poses
    | OrientedDetections
    | PromptedMasks
)
PREDICTION_TYPES: Mapping[str, type[Prediction]] = {
    "detection": Detections,
    "instance-segmentation": Instances,
    "semantic-segmentation": LabelMap,
    "classification": ClassScores,
    "panoptic-segmentation": PanopticMap,
    "keypoints": Poses,
    "oriented-detection": OrientedDetections,
    "promptable-segmentation": PromptedMasks,
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """How one image was mapped into the model's input; decoders undo it.

    ``input = image * scale + offset`` for x and y apart, in pixels.
    """

    image_width: int
    image_height: int
    input_width: int
    input_height: int
    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    prompts: tuple[int, ...] = ()
    """The annotations that this row's prompts were taken from, in their order; what the row holds
    beyond them is padding."""


@dataclass(frozen=True, slots=True)
class ClassMap:
    """The model's class indices in terms of the dataset."""

    names: tuple[str, ...]
    """Class names by model index."""
    category_ids: tuple[int | None, ...]
    """Dataset category id by model index; None for background or a class the dataset lacks."""
    background: int | None = None
    """The model index (semantic segmentation) that stands for no object."""


# --- scores and samples ------------------------------------------------------------------


class Curve(Record):
    """Points of a function that a report draws, such as precision over recall."""

    x_name: str
    y_name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    """None where the function is not defined."""


class Matrix(Record):
    """A table of numbers, such as a confusion matrix; ``values[row][column]``."""

    row_name: str
    column_name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


class Scores(Record):
    """Accuracy figures as fractions of 1, with the convention that makes them comparable."""

    metrics: dict[str, float | None]
    per_class: dict[str, dict[str, float | None]] = {}
    """Metric name → class name → value."""
    reasons: dict[str, str] = {}
    """Why a metric is None."""
    curves: dict[str, Curve] = {}
    matrices: dict[str, Matrix] = {}
    primary: str
    """Name of the metric that plots and summaries use."""
    lower_is_better: tuple[str, ...] = ()
    """Names of the metrics of which less is better; of all others more is."""
    evaluator: str
    """Name and version, e.g. ``hotcoco 1.3.0``."""
    convention: dict[str, str] = {}
    counts: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Tally:
    """What a metric keeps of each image, to be formed again over any selection of images."""

    image_ids: NDArray[np.int64]
    """(N,): the images, in the split's order."""
    classes: tuple[str, ...]
    """(K,): names of the classes that per-class values belong to."""
    arrays: Mapping[str, NDArray[Any]]
    """The metric's own; flat and without Python objects, so that they can be stored."""


def _no_times() -> NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Samples:
    """Raw samples of one latency pass, in nanoseconds, in the order taken."""

    started_ns: NDArray[np.int64]
    """When each query began, from the pass's first query."""
    upload_ns: NDArray[np.int64]
    run_ns: NDArray[np.int64]
    download_ns: NDArray[np.int64]
    preprocess_ns: NDArray[np.int64]
    """Taken apart from the query loop: one value a batch."""
    postprocess_ns: NDArray[np.int64]
    decode_ns: NDArray[np.int64] = field(default_factory=_no_times)
    """Reading and decoding the files of a batch, apart from the query loop."""
    first_ns: NDArray[np.int64] = field(default_factory=_no_times)
    """(3,): upload, run and download of the very first query of the process."""
    device_upload_ns: NDArray[np.int64] = field(default_factory=_no_times)
    """By the device's own events, where it has them; else empty, as the next two."""
    device_run_ns: NDArray[np.int64] = field(default_factory=_no_times)
    device_download_ns: NDArray[np.int64] = field(default_factory=_no_times)
    canary_ns: NDArray[np.int64] = field(default_factory=_no_times)
    """(P, R): the canary workload's parts, repeated; taken before the warm-up."""


class Caveat(Record):
    """A doubt about a measurement; reports word it."""

    code: str
    figures: dict[str, float | int | str] = {}


class Failure(Record):
    """How a cell failed."""

    code: str
    """``timeout``, ``signal``, ``out_of_memory``, ``exception``, ``interrupted`` or an error's."""
    stage: str
    message: str
    hint: str | None = None
    stderr_tail: str = ""


# --- cells and results -------------------------------------------------------------------


class Step(Record):
    """One conversion of a chain."""

    conversion: dict[str, Any]
    """The plug-in's kind and options."""
    source: Variant
    target: Variant
    key: str
    """Digest of all that the artifact depends on: its address in the cache."""
    calibrated: bool = False


class Reference(Record):
    """The fp32 outputs that a cell's artifact is compared with."""

    key: str
    """Digest of all that the outputs depend on: their address in the cache."""
    start: Variant
    runtime: dict[str, Any]
    """The runtime plug-in's kind and options."""
    images: int


class ArrayRef(Record):
    """A stored array file, relative to the run's folder, with its SHA-256."""

    path: str
    sha256: str
    bytes: int


class Cell(Record):
    """One measurement to make: everything a worker needs, and nothing else."""

    id: str
    model: str
    runtime: str
    precision: AskedPrecision
    device: str
    batch: int
    dataset: str
    split: str
    task: TaskName
    spec: dict[str, Any]
    """Model, runtime, dataset, evaluator and measuring options as validated."""
    start: Variant | None
    """The variant of the model's source that the chain begins with; None for predictions that
    another tool made."""
    chain: tuple[Step, ...] = ()
    reference: Reference | None = None
    provides: Reference | None = None
    """The reference that this cell's own run gives, where it is the source itself."""
    protocol: dict[str, Any] = {}
    versions: dict[str, str] = {}

    @property
    def label(self) -> str:
        """Short name for people: model, runtime, precision (device and batch where unusual)."""
        tail = "" if self.device == "cpu" else f" {self.device}"
        return f"{self.model} · {self.runtime} · {self.precision}{tail}" + (
            f" · batch {self.batch}" if self.batch != 1 else ""
        )


class ArtifactInfo(Record):
    """The file that was both scored and timed."""

    variant: Variant
    sha256: str
    bytes: Annotated[int | None, BeforeValidator(lambda found: found or None)] = None
    """All its files; of a module that code makes without a weights file, its state dict. None
    where neither is known: results that say 0 were written before 0 meant absent."""
    chain: tuple[str, ...] = ()
    build_s: dict[str, float] = {}
    """Conversion → seconds that it took when it was built."""
    facts: dict[str, Any] = {}
    """What the conversions recorded: calibration, versions, chip."""


class Result(Record):
    """What came of a cell."""

    schema_number: int = RESULT_SCHEMA
    cell: Cell
    status: Status
    environment: str
    """Key of the environment, see :mod:`benchbench.measure.environment`."""
    started: str
    """UTC, ISO 8601."""
    wall_s: float
    stages_s: dict[str, float] = {}
    placement: Placement | None = None
    artifact: ArtifactInfo | None = None
    parity: Parity | None = None
    arrays: dict[str, ArrayRef] = {}
    scores: Scores | None = None
    memory: dict[str, int] = {}
    """Peak resident bytes: ``load`` and ``inference``."""
    images: int = 0
    conditions: dict[str, Any] | None = None
    """What surrounded the latency pass: a ``benchbench.conditions_view.ConditionsView``."""
    complexity: dict[str, Any] | None = None
    """What the model costs on paper: a ``benchbench.definitions_view.Complexity``."""
    caveats: tuple[Caveat, ...] = ()
    failure: Failure | None = None


class Elsewhere(Record):
    """Where the baseline of a pair is from, if it is a cell of another run of the store."""

    run: str
    artifact: str
    """SHA-256 of the main file that was measured there, and took turns here; empty where the
    source makes the model in memory."""
    label: str
    """What people call the cell there."""


class Take(Record):
    """One more measurement of a measured cell, in a fresh process of its own."""

    id: str
    """Digest of all the other fields."""
    kind: TakeKind
    cell: str
    """Id of the cell."""
    against: str | None = None
    """Of a pair: id of the baseline's cell, which takes turns with this one."""
    number: int = 1
    """Which of several equal ones."""
    options: dict[str, Any] = {}
    """How it is taken; the same names as in the suite."""
    elsewhere: Elsewhere | None = None
    """Of a pair whose baseline is a cell of another run."""

    @classmethod
    def of(
        cls,
        kind: TakeKind,
        cell: str,
        options: dict[str, Any],
        *,
        number: int = 1,
        against: str | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> Take:
        """Return the take with its id."""
        own: dict[str, Any] = {"kind": kind, "cell": cell, "against": against, "number": number}
        parts = [*own.values(), options, *([elsewhere.model_dump()] if elsewhere else ())]
        return cls(id=digest(parts)[:16], **own, options=options, elsewhere=elsewhere)


class Taken(Record):
    """What came of a take."""

    schema_number: int = TAKEN_SCHEMA
    take: Take
    environment: str
    started: str
    """UTC, ISO 8601."""
    wall_s: float
    stages_s: dict[str, float] = {}
    placement: Placement | None = None
    """What ran in this process; of a pair, the candidate's."""
    arrays: dict[str, ArrayRef] = {}
    conditions: dict[str, Any] | None = None
    """As in :class:`Result`, of a process."""
    caveats: tuple[Caveat, ...] = ()
    failure: Failure | None = None


class Compared(Record):
    """A comparison of two cells' latency, and how it is decided."""

    id: str
    baseline: str
    """Id of the cell."""
    candidate: str
    slower: float
    """The candidate may be slower by this share."""
    pairs: int
    most_pairs: int
    rule: LookRule
    takes: tuple[str, ...]
    """Ids of the pairs that may be taken, in order."""
    meter: str | None = None
    """Kind of the meter by which the two cells' energy is compared too."""
    elsewhere: Elsewhere | None = None
    """Where the baseline is from, if it is a cell of another run."""
    retried: bool = False
    """Whether a gate's retry asked for it: it stays, whatever the suite asks later."""


class Price(Record):
    """What an hour of a device costs."""

    per_hour: float = Field(gt=0, allow_inf_nan=False)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    """ISO 4217."""
    source: str = ""
    """Where the price is from, with its date."""


class Asked(Record):
    """What a run's suite asks beside its cells, as of the last command."""

    compared: tuple[Compared, ...] = ()
    prices: dict[str, Price] = {}
    """Device, with ``*`` as a wildcard → price."""
    budget_s: float | None = None
    left: tuple[str, ...] = ()
    """What the last command left undone or undecided, in words."""


# --- jobs --------------------------------------------------------------------------------


class Job(Record):
    """What a worker process is told to do."""

    kind: JobKind
    cell: Cell
    step: int | None = None
    """For a build: which step of the chain."""
    images: int | None = None
    """For ``outputs`` and ``sensitivity``: how many images to run."""
    take: Take | None = None
    """For ``take`` and ``turns``: what is taken."""
    other: Cell | None = None
    """For a pair: the baseline's cell."""
    folder: Path
    """An empty folder of the worker's own; what it writes is committed by the parent."""
    cache: Path
    artifacts: dict[str, Path] = {}
    """Main file of each finished artifact, by step key."""
    timeout_s: float
    memory_limit_mb: int | None = None
    debug: bool = False


class Event(Record):
    """A line a worker sends while it works."""

    stage: str
    done: int | None = None
    total: int | None = None
    quiet: bool = False
    """True while timing: the parent must not draw."""


class Outcome(Record):
    """How a worker ended; ``failure`` is None if it finished its job."""

    failure: Failure | None = None
    wall_s: float
    stage: str = ""
