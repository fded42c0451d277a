"""What a worker leaves in its folder, and how the parent reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from benchbench.types import ArtifactInfo, Caveat, Parity, Placement, Record, Scores

REFERENCE_FILE = "outputs.npz"
"""Raw outputs that artifacts are compared with, in the job's folder ``artifact``."""


class Measured(Record):
    """``result.json`` of a measuring job; the parent makes a Result of it."""

    status: Literal["measured", "compiled"] = "measured"
    started: str
    stages_s: dict[str, float]
    placement: Placement | None = None
    artifact: ArtifactInfo | None = None
    """Both None for predictions that another tool made."""
    parity: Parity | None = None
    scores: Scores | None = None
    memory: dict[str, int] = {}
    images: int = 0
    conditions: dict[str, Any] | None = None
    complexity: dict[str, Any] | None = None
    caveats: tuple[Caveat, ...] = ()
    arrays: tuple[str, ...] = ()
    """Names of the ``.npz`` files in the job's folder."""


class Took(Record):
    """``result.json`` of a take; the parent makes a Taken of it."""

    started: str
    stages_s: dict[str, float]
    placement: Placement | None = None
    conditions: dict[str, Any] | None = None
    caveats: tuple[Caveat, ...] = ()
    arrays: tuple[str, ...] = ()
    """Names of the ``.npz`` files in the job's folder."""


def read_took(folder: Path) -> Took:
    """Return what a take left."""
    return Took.model_validate_json((folder / "result.json").read_bytes())


def read_measured(folder: Path) -> Measured:
    """Return what a measuring job left."""
    return Measured.model_validate_json((folder / "result.json").read_bytes())


def read_build(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Return the artifact's main file and the facts that a build job left."""
    found = json.loads((folder / "result.json").read_bytes())
    return folder / "artifact" / found["main"], found["facts"]
