"""One figure of every cell of a run, with what may set runs apart; kept once it is derived."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from benchbench import __version__
from benchbench.assemble import cell_view
from benchbench.confidence import with_confidence
from benchbench.errors import StoreError, UsageError
from benchbench.files import make_folder, write_json
from benchbench.quantities import Named, Quantity, absence, canonical, quantity
from benchbench.speeds import read_rounds, with_speedups
from benchbench.store import Invocation, Manifest, Run
from benchbench.taken import with_taken
from benchbench.types import Cell, Record, Result, Status, TakeKind, digest
from benchbench.view import CellView

_TAKES: Mapping[str, frozenset[TakeKind]] = {
    "latency": frozenset({"process"}),
    "throughput": frozenset(),
    "load": frozenset(),
    "speedup": frozenset({"process"}),
    "offline": frozenset({"offline"}),
    "server": frozenset({"server"}),
    "cameras": frozenset({"cameras"}),
    "multi-stream": frozenset({"multi-stream"}),
    "energy": frozenset({"energy"}),
    "cost": frozenset({"offline", "cameras"}),
}
"""First word of a figure that needs the samples → the takes that it needs beside them."""
_MACHINE = ("cpu", "system", "limits", "math_variables")
"""What the environment's key is made of."""
_POWER = ("governor", "virtualised")
"""What times depend on beside."""
_GPU = ("gpu", "compute_capability", "driver", "driver_cuda", "cuda")
"""What a placement tells of the accelerator."""
_TIMING = ("latency", "threads", "affinity")
"""Parts of the protocol that say nothing of accuracy."""


class CellReading(Record):
    """A figure of one cell of one run."""

    cell: str
    """Id."""
    label: str
    model: str
    runtime: str
    precision: str
    device: str
    batch: int
    dataset: str
    split: str
    task: str
    status: Status
    started: str | None
    """When it was measured; None if it was not."""
    quantity: Quantity
    setting: dict[str, str]
    """What must be the same for two runs to compare, by dotted key."""
    software: dict[str, str]
    """What may differ, and explain a change."""
    caveats: tuple[str, ...] = ()


class Reading(Record):
    """A figure of a run."""

    environment: str
    cells: tuple[CellReading, ...]
    unknown: str | None = None
    """What is wrong with the name, where a measured cell has no such figure."""
    unknown_hint: str | None = None


def read(run: Run, manifest: Manifest, wanted: Named) -> Reading:
    """Return the figure *wanted* of *run*.

    It is kept below the run's folder under a digest of all that it is derived from. Raises
    :class:`~benchbench.errors.StoreError` for a run that cannot be read.
    """
    path = (
        run.folder / "derived" / f"figure-{digest([str(wanted), _content(run), __version__])}.json"
    )
    with contextlib.suppress(OSError, ValidationError):
        return Reading.model_validate_json(path.read_bytes())
    made = _derived(run, manifest, wanted)
    with contextlib.suppress(StoreError):  # only a memory
        make_folder(path.parent)
        write_json(path, made.model_dump(mode="json"))
    return made


def _content(run: Run) -> str:
    """Return a digest of the run's records; they name their arrays by content."""
    found = hashlib.sha256()
    folders = [run.folder / name for name in ("cells", "takes", "invocations")]
    files = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    for path in [run.folder / "manifest.json", run.folder / "asked.json", *files]:
        found.update(path.name.encode())
        with contextlib.suppress(OSError):
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _derived(run: Run, manifest: Manifest, wanted: Named) -> Reading:
    results = {result.cell.id: result for result in run.results()}
    cells = [_bare(run, planned.cell, planned.not_run, results) for planned in manifest.cells]
    views = _viewed(run, cells, results, wanted)
    machine = _machine(run.last_invocation())
    found, wrong = [], None
    for planned, view in zip(manifest.cells, views, strict=True):
        try:
            figure = quantity(view, wanted)
        except UsageError as error:
            if view.status == "measured":
                wrong = wrong or error
                continue
            figure = _absent(view, wanted)
        found.append(_reading(planned.cell, view, results.get(view.id), figure, machine))
    return Reading(
        environment=manifest.environment_key,
        cells=tuple(found),
        unknown=wrong.message if wrong else None,
        unknown_hint=wrong.hint if wrong else None,
    )


def _absent(view: CellView, wanted: Named) -> Quantity:
    """Return the figure of a cell without scores, which does not know the names of its metrics."""
    return Quantity(
        name=wanted.name,
        subject=wanted.subject,
        unit="",
        higher_is_better=True,
        basis="images",
        reason=absence(view) or "it was not measured",
    )


def _bare(run: Run, cell: Cell, not_run: Any, results: Mapping[str, Result]) -> CellView:
    """Return the cell without what is derived from samples."""
    result = results.get(cell.id)
    bare = result.model_copy(update={"arrays": {}}) if result else None
    return cell_view(run, cell, bare, not_run)


def _viewed(
    run: Run, cells: Iterable[CellView], results: Mapping[str, Result], wanted: Named
) -> tuple[CellView, ...]:
    """Return *cells* with what the figure needs, and not more."""
    cells = tuple(cells)
    known = [cell for cell in cells if cell.status == "measured" and _named(cell, wanted)]
    names = {_named(cell, wanted) for cell in known}
    scored = {cell.id for cell in known if _named(cell, wanted) in cell.metrics}
    if scored:
        sure = with_confidence(run, (cell for cell in known if cell.id in scored), results)
        return _replaced(cells, sure)
    kinds = [_TAKES[word] for name in names if (word := str(name).split(".")[0]) in _TAKES]
    if not kinds:
        return cells
    return _timed(run, cells, results, frozenset().union(*kinds))


def _named(cell: CellView, wanted: Named) -> str | None:
    try:
        return canonical(wanted.name, cell)
    except UsageError:
        return None


def _replaced(cells: Iterable[CellView], others: Iterable[CellView]) -> tuple[CellView, ...]:
    found = {cell.id: cell for cell in others}
    return tuple(found.get(cell.id, cell) for cell in cells)


def _timed(
    run: Run, cells: Iterable[CellView], results: Mapping[str, Result], kinds: frozenset[TakeKind]
) -> tuple[CellView, ...]:
    planned = {one.cell.id: one for one in run.manifest().cells}
    full = tuple(
        cell_view(run, planned[cell.id].cell, results.get(cell.id), planned[cell.id].not_run)
        for cell in cells
    )
    taken = [one for one in run.all_taken() if one.take.kind in kinds]
    rounds = read_rounds(run, taken)
    full = with_speedups(run, full, results, rounds)
    return with_taken(run, full, taken, rounds, run.asked().prices)


# --- what may set runs apart -------------------------------------------------------------


def _machine(invocation: Invocation) -> dict[str, str]:
    known = {name: invocation.environment.get(name) for name in (*_MACHINE, *_POWER)}
    return dict(_flat("environment", known))


def _reading(
    cell: Cell, view: CellView, result: Result | None, figure: Quantity, machine: dict[str, str]
) -> CellReading:
    names = (
        "label", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task",
        "status",
    )  # fmt: skip
    return CellReading(
        cell=cell.id,
        **{name: getattr(view, name) for name in names},
        started=result.started if result else None,
        quantity=figure,
        setting=_setting(cell, view, figure, machine),
        software=_software(cell, view),
        caveats=tuple(caveat.code for caveat in view.caveats),
    )


def _setting(
    cell: Cell, view: CellView, figure: Quantity, machine: dict[str, str]
) -> dict[str, str]:
    """Return what must be equal: less for counted figures, no timing for accuracy."""
    protocol = {name: part for name, part in cell.protocol.items() if name != "model"}
    if figure.basis == "counted":
        return dict(_flat("protocol.preprocessing", protocol.get("preprocessing", {})))
    if figure.basis == "images":
        protocol = {name: part for name, part in protocol.items() if name not in _TIMING}
        protocol["evaluator"] = cell.spec.get("metric") or {}
        machine = {k: v for k, v in machine.items() if k.split(".")[1] not in _POWER}
    details = view.placement.details if view.placement else {}
    gpu = {f"environment.{name}": details[name] for name in _GPU if name in details}
    return machine | gpu | {"figure.basis": figure.basis} | dict(_flat("protocol", protocol))


def _software(cell: Cell, view: CellView) -> dict[str, str]:
    ran = view.placement
    placed = (
        {name: getattr(ran, name) for name in ("provider", "precision", "device")} if ran else {}
    )
    artifact = {"artifact": {"sha256": view.artifact.sha256}} if view.artifact else {}
    parts = {"versions": cell.versions, "model": cell.protocol.get("model", {}), "ran": placed}
    return dict(_flat("", parts | artifact))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values as text."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), part)
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(map(str, value))
    else:
        yield prefix, "–" if value is None else str(value)
