"""Claims that may be quoted, what became of them, and faults of sentences that cite figures."""

from __future__ import annotations

from typing import Literal

from benchbench.types import ArrayRef, Record
from benchbench.units import Unit

ClaimFamily = Literal["accuracy", "latency", "energy", "size"]
Checked = Literal["verified", "reworded", "differs", "unverifiable"]
Rule = Literal[
    "unknown-claim", "wrong-figure", "overstated", "outdated", "no-n", "mixed", "uncited"
]


class Setting(Record):
    """Something that a figure was measured with, in words."""

    name: str
    text: str


class ClaimedCell(Record):
    """A cell that a claim speaks of, and what its figure was measured with."""

    id: str
    label: str
    model: str
    runtime: str
    precision: str
    """As asked."""
    ran: str
    """As it ran; the same as *precision* where nothing is known of it."""
    device: str
    batch: int
    dataset: str
    split: str
    task: str
    threads: int | None = None
    images: int | None = None
    evaluator: str | None = None
    machine: str
    """Key of the environment: alike on like machines."""
    data: str
    """Digest of the images and annotations; the dataset's name where none was taken."""
    protocol: str
    """Digest of preprocessing, decoder, evaluator and convention."""
    settings: tuple[Setting, ...] = ()
    doubts: tuple[str, ...] = ()
    """Caveats and admissions, in words."""


class ClaimFigure(Record):
    """The number that is claimed."""

    value: float | None
    """The figure; of a comparison, the change of *cell* against *against*."""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    basis: str = ""
    """What it rests on: ``images``, ``one process``; of a comparison ``8 pairs``."""
    unit: Unit
    currency: str = ""
    higher_is_better: bool
    scale: Literal["figure", "difference", "ratio"] = "figure"
    design: str = ""
    """Of a comparison, as in :class:`benchbench.compare_view.Delta`."""
    outcome: str = ""
    looks: int = 1
    own: float | None = None
    """Of a comparison: the figure of *cell*."""
    other: float | None = None
    """Of a comparison: the figure of *against*."""
    reason: str | None = None
    """Why there is no interval, where there is none."""


class Claim(Record):
    """A sentence that may be quoted, with all that it rests on."""

    schema_number: int = 1
    id: str
    """``bb-`` and eight hexadecimal digits of a digest of what it is of and the raw samples."""
    asked: str
    """What was asked for: ``map of openvino int8``."""
    run: str
    suite: str
    measured: str
    """When the cell was measured: UTC, ISO 8601."""
    quantity: str
    """With its subject: ``map[class=scratch]``."""
    family: ClaimFamily
    cell: ClaimedCell
    against: ClaimedCell | None = None
    figure: ClaimFigure
    sentence: str
    footnote: str
    """Short form."""
    footnote_long: str
    arrays: tuple[ArrayRef, ...] = ()
    """Raw samples that the figure derives from, in the order of their digests."""
    raw: bool
    """Whether the figure can be formed anew from them."""
    version: str
    """Of benchbench, which made it."""
    created: str

    @property
    def title(self) -> str:
        """What it is of, in one line."""
        against = f" vs {self.against.label}" if self.against else ""
        return f"{self.quantity} of {self.cell.label}{against}"


class Verification(Record):
    """What came of deriving a claim anew."""

    schema_number: int = 1
    id: str
    run: str
    title: str
    outcome: Checked
    exit_code: int
    """0 verified, or reworded with the same numbers, names and verdict; 1 differs, or reworded
    otherwise; 2 cannot be verified."""
    reasons: tuple[str, ...] = ()
    old: ClaimFigure
    new: ClaimFigure | None = None
    old_version: str
    new_version: str
    arrays: int
    """How many arrays were checked against their SHA-256."""


class Finding(Record):
    """A sentence that cites a figure wrongly."""

    file: str
    line: int
    """From 1; of a document in Word the number of the paragraph."""
    sentence: str
    rule: Rule
    claim: str | None = None
    message: str
    """What is wrong, and what is right."""
    hint: str


class Linted(Record):
    """What was found in a text."""

    schema_number: int = 1
    file: str
    counted_in: Literal["line", "paragraph"]
    sentences: int
    claims: tuple[str, ...]
    """Ids that the text cites and the store has."""
    findings: tuple[Finding, ...]

    def document(self) -> dict[str, object]:
        """Return the object that ``lint-claims --json`` prints."""
        body = self.model_dump(mode="json")
        return {"schema": body.pop("schema_number"), **body}
