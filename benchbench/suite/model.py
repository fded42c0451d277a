"""What a suite may say. Plug-in fields accept any installed plug-in, chosen by ``kind``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    create_model,
    field_validator,
)

from benchbench import plugins
from benchbench.corruptions import Corruption, CorruptionName
from benchbench.inputs import InputContract
from benchbench.slicing import SliceSpec
from benchbench.suite.gates import Entries, Gating
from benchbench.suite.listed import Names, OrOne
from benchbench.suite.takes import (
    Cameras,
    ComparisonEntry,
    Energy,
    MultiStream,
    Offline,
    Processes,
    Server,
    Soak,
)
from benchbench.types import Precision, Price, Record, TaskName

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Device = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*(:\d+)?$")]
Positive = Annotated[int, Field(gt=0)]
Threads = Annotated[int, Field(gt=0, le=4096)]
Cpu = Annotated[int, Field(ge=0, lt=1 << 16)]
Megabytes = Annotated[int, Field(gt=0, le=1 << 40)]


def _listed_numbers(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


Affinity = Annotated[
    Literal["none", "physical"] | Annotated[tuple[Cpu, ...], Field(min_length=1)],
    BeforeValidator(_listed_numbers),
]
Batches = Annotated[tuple[Positive, ...], OrOne(), Field(min_length=1)]
Devices = Annotated[tuple[Device, ...], OrOne(), Field(min_length=1)]
Precisions = Annotated[tuple[Precision, ...], OrOne(), Field(min_length=1)]


class Corruptions(Record):
    """Corruptions by severity, each a dataset beside the clean one."""

    names: Annotated[tuple[CorruptionName, ...], OrOne(), Field(min_length=1)]
    """What happens to the images."""
    severities: Annotated[
        tuple[Annotated[int, Field(ge=1, le=5)], ...],
        OrOne(),
        Field(min_length=1),
    ] = (1, 2, 3, 4, 5)
    """How badly, from 1 to 5."""
    seed: int = Field(default=0, ge=0)
    """Noise, the direction of motion and the shape of fog follow from it and the image's id."""


class DatasetEntry(Record):
    """A dataset to evaluate on: a card by name or path, or a source written in place."""

    name: Name
    card: str | None = None
    """Name of a card under ``datasets/``, or the path of one."""
    source: Any = None
    """A dataset plug-in, instead of a card."""
    split: str = "validation"
    """The split that is scored and timed."""
    calibration: str | None = "calibration"
    """The split that int8 is calibrated on; null for none."""
    images: Positive | None = None
    """Use only the first N images (by id)."""
    corrupt: Corruption | None = None
    """Damage that is done to every image whose prediction is scored."""
    corruptions: Corruptions | None = None
    """Evaluate on damaged images too: a dataset for each corruption and severity, accuracy only."""
    slices: Annotated[tuple[SliceSpec, ...], Field(max_length=50)] = ()
    """Parts of the split that are also looked at alone: images or objects of a kind."""


class ModelEntry(Record):
    """A model: where it comes from, what it takes, what its outputs mean."""

    name: Name
    source: Any
    input: InputContract
    decoder: Any
    metric: Any = None
    """An evaluator; by default the built-in one of the decoder's task."""
    classes: tuple[str, ...] | None = None
    """Class names by model index; by default the dataset's categories by ascending id."""
    background: str | None = None
    """The class (semantic segmentation) that stands for no object."""
    datasets: Names | None = None
    """Names of the datasets it is evaluated on; by default all."""


class GivenEntry(Record):
    """A model of which only predictions are given: they are scored, nothing is run."""

    name: Name
    predictions: Any
    task: TaskName | None = None
    """What the predictions are of; by default the file format's usual task."""
    metric: Any = None
    """An evaluator; by default the built-in one of the task."""
    classes: tuple[str, ...] | None = None
    """Class names by the file's indices; by default the dataset's categories by ascending id."""
    background: str | None = None
    """The class (semantic segmentation) that stands for no object."""
    datasets: Names | None = None
    """Names of the datasets it is evaluated on; by default all."""


def _given(value: Any) -> str:
    """Return the tag of a model entry."""
    given = "predictions" in value if isinstance(value, dict) else isinstance(value, GivenEntry)
    return "given" if given else "model"


class RuntimeEntry(Record):
    """What the suite says of a runtime beside the runtime's own options."""

    name: Name | None = None
    """Label in tables; by default the kind."""
    precisions: Precisions = ("fp32",)
    devices: Devices | None = None
    batch_sizes: Batches | None = None
    threads: Threads | None = None
    """Intra-operator threads of this runtime, instead of the suite's."""
    admit: dict[str, Names] = {}
    """Requested precision, provider or device → what is accepted instead, by name; ``mixed`` for
    work of which less than nine tenths are as asked."""


class Rule(Record):
    """Picks cells; each key takes a name or a list, with ``*`` as a wildcard."""

    model: Names = ("*",)
    runtime: Names = ("*",)
    precision: Names = ("*",)
    device: Names = ("*",)
    batch: Annotated[tuple[int, ...], OrOne()] | None = None
    dataset: Names = ("*",)
    reason: str = ""


class Extra(Record):
    """One cell beside the matrix."""

    model: str
    runtime: str
    precision: Precision = "fp32"
    device: Device = "cpu"
    batch: Positive = 1
    dataset: str


def _counted(value: Any) -> Any:
    """``10`` → ``{"count": 10}``."""
    return {"count": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _one_or_more(value: Any) -> Any:
    """Return a list of one or several; ``true`` stands for one with its defaults."""
    if value is None or value is False:
        return ()
    return [{}] if value is True else [value] if isinstance(value, dict | Record) else value


_Asked = TypeVar("_Asked")
_Several = Annotated[tuple[_Asked, ...], BeforeValidator(_one_or_more), Field(max_length=20)]


class Latency(Record):
    """How latency is taken: single stream, closed loop."""

    warmup: int = Field(default=10, ge=0)
    """Queries before the clock starts …"""
    warmup_s: float = Field(default=1.0, ge=0)
    """… and at least this long."""
    queries: int = Field(default=200, ge=2)
    """At least this many timed queries …"""
    seconds: float = Field(default=3.0, ge=0)
    """… and at least this long …"""
    max_queries: int = Field(default=20_000, ge=2)
    """… but never more than this."""
    inputs: int = Field(default=32, ge=1)
    """How many different real images the stream cycles through."""
    canary: int = Field(default=20, ge=0, le=10_000)
    """How often a fixed workload is run before, that shows how fast the machine itself is; 0 for
    not at all."""


class Measure(Record):
    """What is measured."""

    accuracy: bool = True
    latency: Latency | None = Latency()
    parity: bool = True
    """Compare each artifact with its fp32 source on a few images before anything is measured."""
    timeout_s: float = Field(default=900.0, gt=0)
    """A cell (or a build) that takes longer is killed and recorded as a timeout."""
    memory_limit_mb: Megabytes | None = None
    """Limit of a worker's data segment (``RLIMIT_DATA``)."""
    processes: Annotated[Processes | None, BeforeValidator(_counted)] = None
    """Time every cell in so many fresh processes more: latency with an interval."""
    multi_stream: _Several[MultiStream] = ()
    server: _Several[Server] = ()
    offline: _Several[Offline] = ()
    cameras: _Several[Cameras] = ()
    soak: _Several[Soak] = ()
    energy: _Several[Energy] = ()

    @field_validator("latency", mode="before")
    @classmethod
    def _switch(cls, value: Any) -> Any:
        return {} if value is True else None if value is False else value


class Calibration(Record):
    """Which images int8 is calibrated on."""

    images: Positive | None = None
    """At most this many, drawn by ``seed``; by default the whole split."""
    seed: int = Field(default=0, ge=0)
    near_duplicates: Literal["refuse", "allow"] = "refuse"
    """What to do with calibration images that look like evaluated ones."""


class Suite(Record):
    """A suite: datasets × models × runtimes × precisions × devices × batch sizes."""

    benchbench: Literal[1] = 1
    """Version of the suite format."""
    name: Slug
    title: str = ""
    description: str = ""
    datasets: tuple[DatasetEntry, ...] = Field(min_length=1)
    models: tuple[ModelEntry | GivenEntry, ...] = Field(min_length=1)
    runtimes: tuple[RuntimeEntry, ...] = ()
    """Needed unless all models are given by their predictions."""
    conversions: tuple[Any, ...] = ()
    """Options for conversions that the plan uses; the others have their defaults."""
    devices: Devices = ("cpu",)
    batch_sizes: Batches = (1,)
    threads: Threads | None = None
    """Intra-operator threads of every runtime, unless the runtime says otherwise; by default the
    number of physical cores that this process may use."""
    affinity: Affinity = "none"
    """Logical CPUs that every worker is pinned to: ``none`` (any that are allowed), ``physical``
    (one CPU of each physical core) or a list of CPU numbers."""
    measure: Measure = Measure()
    comparisons: Annotated[tuple[ComparisonEntry, ...], Field(max_length=100)] = ()
    """Latency, and energy if asked, of cells against others', by processes that take turns."""
    prices: dict[str, Price] = {}
    """Device, with ``*`` as a wildcard → what an hour of it costs."""
    gates: Entries = ()
    """Limits that cells have to keep; no part of what is measured."""
    gating: Gating = Gating()
    """What holds for all limits together."""
    calibration: Calibration = Calibration()
    include: tuple[Extra, ...] = ()
    exclude: tuple[Rule, ...] = ()
    variables: dict[str, Any] = {}
    """Names that ``--set NAME=VALUE`` gives a value, with their defaults (null: required)."""

    @field_validator("models", "datasets", "runtimes", "conversions", mode="after")
    @classmethod
    def _unique(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[str] = set()
        for entry in entries:
            name = getattr(entry, "name", None) or entry.kind
            if name in seen:
                raise ValueError(f"the name '{name}' is used twice")
            seen.add(name)
        return entries


def _short(value: Any) -> Any:
    """``torch`` → ``{"kind": "torch"}``."""
    return {"kind": value} if isinstance(value, str) else value


def _plugin(family: str, *bases: type[Record]) -> Any:
    return Annotated[plugins.union(family, *bases), BeforeValidator(_short)]


@cache
def suite_type() -> type[Suite]:
    """Return :class:`Suite` with the plug-ins that are installed now as its choices."""
    dataset = create_model(
        "DatasetEntry", __base__=DatasetEntry, source=(_optional(_plugin("datasets")), None)
    )
    model = create_model(
        "ModelEntry",
        __base__=ModelEntry,
        source=(_plugin("sources"), ...),
        decoder=(_plugin("decoders"), ...),
        metric=(_optional(_plugin("metrics")), None),
    )
    given = create_model(
        "GivenEntry",
        __base__=GivenEntry,
        predictions=(_plugin("predictions"), ...),
        metric=(_optional(_plugin("metrics")), None),
    )
    either = Annotated[
        Annotated[model, Tag("model")] | Annotated[given, Tag("given")], Discriminator(_given)
    ]
    energy = create_model("Energy", __base__=Energy, meter=(_plugin("meters"), ...))
    soak = create_model("Soak", __base__=Soak, meter=(_optional(_plugin("meters")), None))
    comparison = create_model(
        "ComparisonEntry", __base__=ComparisonEntry, meter=(_optional(_plugin("meters")), None)
    )
    measure = create_model(
        "Measure", __base__=Measure, energy=(_Several[energy], ()), soak=(_Several[soak], ())
    )
    fields: dict[str, Any] = {
        "measure": (measure, measure()),
        "datasets": (_many(dataset), Field(min_length=1)),
        "models": (_many(either), Field(min_length=1)),
        "runtimes": (_many(_plugin("runtimes", RuntimeEntry)), ()),
        "conversions": (_many(_plugin("conversions")), ()),
        "comparisons": (_many(comparison), Field((), max_length=100)),
    }
    made = create_model("Suite", __base__=Suite, __doc__=Suite.__doc__, **fields)
    return cast("type[Suite]", made)


def _many(item: Any) -> Any:
    return tuple[item, ...]


def _optional(item: Any) -> Any:
    return item | None


@cache
def card_type() -> Any:
    """Return the type of a dataset card: a dataset plug-in's options."""
    return _plugin("datasets")


def suite_folder() -> tuple[Path, ...]:
    """Return where suites that are named without a path are looked for, in order."""
    return _folders("suites")


def card_folder() -> tuple[Path, ...]:
    """Return where dataset cards are looked for, in order."""
    return _folders("datasets")


def _folders(kind: str) -> tuple[Path, ...]:
    package = Path(__file__).resolve().parent.parent
    places = (Path.cwd() / kind, package / f"_{kind}", package.parent / kind)
    return tuple(place for place in places if place.is_dir())
