"""What a tracking system is told of a run: parameters, metrics, tags by name; no absent ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchbench.quantities import Quantity, measured
from benchbench.types import digest
from benchbench.units import Unit
from benchbench.view import CellView, RunView

LONGEST_NAME = 200
LONGEST_VALUE = 500
_UNSAFE = re.compile(r"[^A-Za-z0-9_.\- ]+")
_UNITS: Mapping[Unit, str] = {
    "": "", "ms": "_ms", "s": "_s", "J": "_j", "W": "_w", "images/J": "_images_per_j",
    "bytes": "_bytes", "images/s": "_images_per_s", "queries/s": "_queries_per_s", "cameras": "",
    "×": "_ratio", "parameters": "", "MACs": "", "dB": "_db",
}  # fmt: skip
"""Unit → ending of the metric's name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the tracking system."""

    name: str
    """For people."""
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    started_ms: int | None
    """Of the epoch, UTC."""
    ended_ms: int | None
    failed: bool


def key(run: RunView) -> str:
    """Return what tells this run from all others, of other stores too."""
    return digest([run.run, run.created])[:32]


def of_run(run: RunView) -> Entry:
    """Return the entry that stands for the whole run."""
    git = run.environment.get("git") or {}
    tags = {
        "benchbench.run": run.run,
        "benchbench.key": key(run),
        "benchbench.cell": "",
        "benchbench.suite": run.suite,
        "benchbench.suite_sha256": run.suite_sha256,
        "benchbench.title": run.title,
        "benchbench.command_line": " ".join(run.command_line),
        **_provenance(run),
    }
    failed = any(cell.status == "failed" for cell in run.cells)
    params = {"suite": run.suite, "benchbench": str(run.environment.get("benchbench") or "")}
    return Entry(
        name=_text(run.run),
        params=_texts(params),
        metrics={
            f"cells_{status}": float(sum(cell.status == status for cell in run.cells))
            for status in ("measured", "compiled", "failed", "not_run")
        },
        tags=_texts(tags) | ({"benchbench.git.dirty": "true"} if git.get("dirty") else {}),
        started_ms=_epoch_ms(run.created),
        ended_ms=_ended([_epoch_ms(run.updated), *(of_cell(run, c).ended_ms for c in run.cells)]),
        failed=failed,
    )


def of_cell(run: RunView, cell: CellView) -> Entry:
    """Return the entry of one cell."""
    started = _epoch_ms(cell.started) if cell.started else None
    ended = started + round(1000 * (cell.wall_s or 0)) if started is not None else None
    failure = cell.failure
    tags = {
        "benchbench.run": run.run,
        "benchbench.key": key(run),
        "benchbench.cell": cell.id,
        "benchbench.status": cell.status,
        "benchbench.caveats": ", ".join(caveat.code for caveat in cell.caveats),
        "benchbench.admitted": ", ".join(cell.admitted),
        "benchbench.failure": f"{failure.code}: {failure.message}" if failure else "",
        **_provenance(run),
    }
    return Entry(
        name=_text(cell.label),
        params=_params(cell),
        metrics=dict(_metrics(cell)),
        tags=_texts(tags),
        started_ms=started,
        ended_ms=ended,
        failed=cell.status == "failed",
    )


def _provenance(run: RunView) -> dict[str, str]:
    git = run.environment.get("git") or {}
    commit = str(git.get("commit") or "")
    environment = str(run.environment.get("key") or "")
    return {"benchbench.git.commit": commit, "benchbench.environment": environment}


def _params(cell: CellView) -> dict[str, str]:
    place = cell.placement
    found: dict[str, Any] = {
        name: getattr(cell, name)
        for name in ("model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
    }
    found["threads"] = place.threads if place else cell.protocol.get("threads")
    if place is not None:
        found |= {"ran_precision": place.precision, "ran_device": place.device}
        found["ran_provider"] = place.provider
    found |= {f"version.{name}": version for name, version in cell.versions.items()}
    named = zip(safe_names(found), found.values(), strict=True)
    return _texts({name: "" if value is None else str(value) for name, value in named})


def _metrics(cell: CellView) -> Iterator[tuple[str, float]]:
    found = list(measured(cell))
    for name, one in zip(safe_names(map(_metric_name, found)), found, strict=True):
        for ending, value in (("", one.value), (".low", one.low), (".high", one.high)):
            if value is not None and math.isfinite(value):
                yield f"{name}{ending}", float(value)


def _metric_name(one: Quantity) -> str:
    if one.unit == "currency":
        return f"{one.full_name}_{one.currency.lower()}"
    return f"{one.full_name}{_UNITS[one.unit]}"


def safe_names(names: Iterable[str]) -> list[str]:
    """Return *names* of letters, digits and ``_ . - ``, no two alike, none that leaves a folder."""
    made: list[str] = []
    for name in names:
        plain = _UNSAFE.sub("_", name).replace("..", "_").strip(" .")[:LONGEST_NAME] or "_"
        new, count = plain, 1
        while new in made:
            count += 1
            new = f"{plain}_{count}"
        made.append(new)
    return made


def _texts(found: Mapping[str, str]) -> dict[str, str]:
    """Return what says something, each in a line that is not too long."""
    return {name: _text(value) for name, value in found.items() if value or name == _CELL}


_CELL = "benchbench.cell"
"""Empty for the run itself."""


def _text(value: str) -> str:
    line = " ".join(value.encode("utf-8", "replace").decode().replace("\0", " ").split())
    return line if len(line) <= LONGEST_VALUE else f"{line[: LONGEST_VALUE - 1]}…"


def _epoch_ms(stamp: str) -> int | None:
    try:
        found = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _ended(stamps: Iterable[int | None]) -> int | None:
    return max((stamp for stamp in stamps if stamp is not None), default=None)
