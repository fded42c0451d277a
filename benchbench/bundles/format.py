"""What a bundle holds, where each thing lies in it, and how large it may be.

::

    MANIFEST.json           every other file with its SHA-256 and size; what is left out and why
    README.txt              what this is, how it is checked and reproduced
    SHA256SUMS              for ``sha256sum -c``
    suite.yaml              the suite's text as it was run
    settings.json           what ``--set`` gave it
    datasets/N.json         card of each dataset
    environment.json        machine and software that measured
    requirements.lock.txt   versions of the packages
    view.json               the figures, as ``show --json`` prints them
    report/…                reports
    run/…                   the stored run: plan, results, raw samples, invocations, logs
    models/KEY/…            with ``--with-models``: files of the models
    artifacts/KEY/…         with ``--with-models``: what was built of them
    data/N/…                with ``--with-data``: annotations and images
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from benchbench.types import Record

BUNDLE_SCHEMA = 1
"""Number of the manifest's format; raised when a key changes its meaning or goes."""
MANIFEST, SUMS, README = "MANIFEST.json", "SHA256SUMS", "README.txt"
SUITE, SETTINGS, VIEW = "suite.yaml", "settings.json", "view.json"
ENVIRONMENT, LOCK = "environment.json", "requirements.lock.txt"

MAX_ENTRIES = 80_000
MAX_DIRECTORY_BYTES = 16 << 20
"""Size of the list of entries at the archive's end."""
MAX_JSON_BYTES = 256 << 20
MAX_BYTES = 256 << 30
"""All files together, unpacked."""
MAX_RATIO = 200
"""An archive that unpacks to more than this many times its size is refused …"""
FREE_BYTES = 64 << 20
"""… unless that is no more than this."""
MAX_NAME = 1024

_PLACES = re.compile(
    "|".join(
        (
            *map(re.escape, (MANIFEST, SUMS, README, SUITE, SETTINGS, VIEW, ENVIRONMENT, LOCK)),
            r"datasets/\d{1,4}\.json",
            r"report/.+",
            r"run/(manifest|asked)\.json",
            r"run/(cells|takes|invocations|claims)/[\w.-]{1,200}\.json",
            r"run/arrays/[0-9a-f]{64}\.npz",
            r"run/logs/[\w.-]{1,200}\.log",
            r"models/[\w.-]{1,200}/.+",
            r"artifacts/[0-9a-f]{64}/.+",
            r"data/\d{1,4}/.+",
        )
    ),
    re.ASCII,
)

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Bytes = Annotated[int, Field(ge=0, le=1 << 50)]
RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")]
SettingKey = Annotated[
    str, StringConstraints(pattern=r"^(models|runtimes|conversions)\.\d{1,4}(\.[\w-]+)+$")
]


class Packed(Record):
    """A file of the bundle."""

    sha256: Sha256
    bytes: Bytes


class LeftOut(Record):
    """Something that the run used and the bundle does not hold."""

    what: str
    why: str
    sha256: dict[str, str] = {}
    """File or part → digest, where it is known."""
    key: str | None = None
    """The suite's key that says where it lies: for ``--set``."""


class Data(Record):
    """A dataset that the bundle holds."""

    source: dict[str, Any]
    """Options of its plug-in, without ``root``."""
    root: str
    """Its folder in the bundle."""


class BundleManifest(Record):
    """What ``MANIFEST.json`` says."""

    format: Literal["benchbench bundle"] = "benchbench bundle"
    schema_number: int = BUNDLE_SCHEMA
    run: RunId
    suite: str
    title: str = ""
    created: str
    """When the run was begun."""
    benchbench: str
    """Version that packed it."""
    files: dict[str, Packed]
    """Every file but this one and ``SHA256SUMS``."""
    left_out: tuple[LeftOut, ...] = ()
    places: dict[SettingKey, str] = {}
    """The suite's key of a model file → where it lies in the bundle."""
    data: dict[Annotated[str, StringConstraints(pattern=r"^\d{1,4}$")], Data] = {}
    """Index of the suite's dataset → what the bundle holds of it."""
    artifacts: tuple[Sha256, ...] = ()
    """Keys of built artifacts that the bundle holds."""


def run_file(name: str) -> bool:
    """Return whether *name*, relative to a run's folder, belongs into a bundle."""
    return _PLACES.fullmatch(f"run/{name}") is not None


def name_fault(name: str) -> str | None:
    """Return what is wrong with the *name* of an entry; None if it is one that a bundle has."""
    if not name or len(name) > MAX_NAME:
        return "is empty or too long"
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name) or "\\" in name:
        return "has a control character or a backslash"
    if name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
        return "may lead out of the folder that it is unpacked in"
    if _PLACES.fullmatch(name) is None:
        return "is nothing that a bundle holds"
    return None
