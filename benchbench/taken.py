"""What was taken of each cell, as reports and machines see it: derived on reading."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.conditions_view import SoakView
from benchbench.definitions_view import LoadGenSummary
from benchbench.energy_view import EnergyView
from benchbench.errors import MeterError
from benchbench.load_view import CamerasView, MultiStreamView, OfflineView, ServerView
from benchbench.measure.scenarios import Cameras
from benchbench.stats import definitions_mlperf as mlperf
from benchbench.stats import energy, load, processes, soak
from benchbench.stats.energy_pooled import per_trial, pooled
from benchbench.stats.energy_spans import Measured
from benchbench.stats.latency import query_ns
from benchbench.stats.queries import Load, unpack
from benchbench.store import Run
from benchbench.turns_view import ProcessesView
from benchbench.types import Caveat, Price, Samples, Taken, digest
from benchbench.view import CellView, Cost, Untaken


def with_taken(
    run: Run,
    cells: Iterable[CellView],
    taken: Iterable[Taken],
    rounds: Mapping[str, Mapping[int, Samples]],
    prices: Mapping[str, Price],
) -> tuple[CellView, ...]:
    """Return *cells* with what was taken of each after its first pass, and what frames cost.

    *rounds*: samples of the fresh processes among *taken*, by cell and number.
    """
    found: dict[str, list[Taken]] = defaultdict(list)
    for one in taken:
        found[one.take.cell].append(one)
    viewed = (
        cell.model_copy(update=_updates(run, cell, found[cell.id], rounds.get(cell.id, {})))
        if cell.id in found
        else cell
        for cell in cells
    )
    return tuple(cell.model_copy(update={"costs": _costs(cell, prices)}) for cell in viewed)


def _updates(
    run: Run, cell: CellView, taken: Sequence[Taken], rounds: Mapping[int, Samples]
) -> dict[str, Any]:
    by_kind: dict[str, list[Taken]] = defaultdict(list)
    for one in sorted(taken, key=lambda one: (one.take.number, one.take.id)):
        if one.failure is None:
            by_kind[one.take.kind].append(one)
    # Asked with other options later, a process of the same number stands for the earlier one.
    several = list({one.take.number: one for one in by_kind["process"]}.values())
    return {
        "multi_stream": tuple(_multi_stream(run, one) for one in by_kind["multi-stream"]),
        "server": tuple(_server(run, one) for one in by_kind["server"]),
        "offline": tuple(_offline(run, one, cell.batch) for one in by_kind["offline"]),
        "cameras": tuple(_cameras(run, one) for one in by_kind["cameras"]),
        "soak": tuple(_soak(run, one) for one in by_kind["soak"]),
        "energy": tuple(_energies(run, taken)),
        "processes": _processes(several, rounds) if len(several) > 1 else None,
        "untaken": tuple(_untaken(one) for one in taken if one.failure and not _metered(one)),
        "caveats": _caveats(cell, taken, several),
        "loadgen": (*cell.loadgen, *_loadgen(run, cell, by_kind)),
    }


def _metered(taken: Taken) -> bool:
    """Return whether a meter could not measure: its reason stands with the energy.

    Where a meter was asked once more, there is energy already.
    """
    code = taken.failure.code if taken.failure else None
    return code == MeterError.code and taken.take.number == 1


def _untaken(taken: Taken) -> Untaken:
    assert taken.failure is not None
    take = taken.take
    return Untaken(kind=take.kind, number=take.number, against=take.against, failure=taken.failure)


def _caveats(
    cell: CellView, taken: Sequence[Taken], processes: Sequence[Taken]
) -> tuple[Caveat, ...]:
    """Return the cell's doubts, then those of its takes that it does not have itself.

    Where several processes were taken, the cell is not doubted for being one; what at least half of
    them raise is a doubt of their figures.
    """
    own = [one for one in cell.caveats if len(processes) < 2 or one.code != _SINGLE]
    more = [
        caveat
        for one in taken
        if one.take.kind not in ("process", "pair")
        for caveat in one.caveats
    ]
    raised = [caveat for one in processes for caveat in one.caveats]
    counts = Counter(caveat.code for caveat in raised)
    more += [caveat for caveat in raised if 2 * counts[caveat.code] >= max(len(processes), 2)]
    known = {one.code for one in own} | {_SINGLE, _SHORT}
    found = {one.code: one for one in reversed(more) if one.code not in known}
    return (*own, *reversed(found.values()))


_SINGLE = "single_process"
_SHORT = "short_sample"
"""Processes are short on purpose: their number carries the interval."""


def columns_of(run: Run, taken: Taken, name: str) -> dict[str, NDArray[Any]]:
    """Return the columns of an array of a take."""
    with np.load(io.BytesIO(run.array(taken.arrays[name])), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _read_load(run: Run, taken: Taken) -> Load:
    return unpack(columns_of(run, taken, "load"))


def _multi_stream(run: Run, taken: Taken) -> MultiStreamView:
    return load.summarise_multi_stream(_read_load(run, taken), taken.take.options["samples"])


def _server(run: Run, taken: Taken) -> ServerView:
    asked = taken.take.options
    return load.summarise_server(
        _read_load(run, taken), asked["bound_ms"], asked["percentile"], asked["streams"]
    )


def _offline(run: Run, taken: Taken, batch: int) -> OfflineView:
    return load.summarise_offline(_read_load(run, taken), batch)


def _cameras(run: Run, taken: Taken) -> CamerasView:
    asked = Cameras(**taken.take.options)
    return load.summarise_cameras(_read_load(run, taken), asked.asked, asked.streams)


def _loadgen(
    run: Run, cell: CellView, by_kind: Mapping[str, Sequence[Taken]]
) -> Iterator[LoadGenSummary]:
    """Yield the scenarios as MLPerf's LoadGen sums them up: the best level of each search."""
    for taken in by_kind["multi-stream"]:
        yield mlperf.multi_stream(_read_load(run, taken), taken.take.options["samples"])
    for taken in by_kind["server"]:
        asked, found = taken.take.options, _read_load(run, taken)
        met = _server(run, taken).highest_met_qps
        if met is not None and cell.batch == 1:
            probe = int(np.argmin(np.abs(found.level - met)))
            yield mlperf.server(found, probe, asked["bound_ms"], asked["percentile"] / 100)
    for taken in by_kind["offline"]:
        found = _read_load(run, taken)
        best = _offline(run, taken, cell.batch).best_streams
        yield mlperf.offline(found, int(np.argmin(np.abs(found.level - best))), cell.batch)


def _soak(run: Run, taken: Taken) -> SoakView:
    sampled = [
        columns_of(run, taken, name) for name in ("sampled", "metered") if name in taken.arrays
    ]
    return soak.summarise(columns_of(run, taken, "soak"), sampled)


def _energies(run: Run, taken: Iterable[Taken]) -> Iterator[EnergyView]:
    """Yield the energy by each meter, of all takes that were made alike."""
    for alike in energy_takes(taken):
        first, meter = alike[0], str(alike[0].take.options["meter"]["kind"])
        if first.failure is not None:
            yield energy.not_measured(meter, first.failure.message)
            continue
        columns = [columns_of(run, one, "energy") for one in alike]
        views = [energy.summarise(one, meter) for one in columns]
        sound = [at for at, view in enumerate(views) if view.gross_j_per_image.value is not None]
        if len(sound) > 1:
            trials = [per_trial(measured_of(columns[at])) for at in sound]
            yield pooled([views[at] for at in sound], trials)
        else:
            yield views[sound[0] if sound else 0]


def measured_of(columns: Mapping[str, NDArray[Any]]) -> Measured:
    """Return a take of energy from its columns."""
    return Measured(columns, json.loads(str(columns["about"][0])))


def energy_takes(taken: Iterable[Taken]) -> list[list[Taken]]:
    """Return the takes of energy, those together that were made alike, in the order of numbers.

    The ones that failed stand alone, and only where there was no energy before.
    """
    found: dict[str, list[Taken]] = {}
    for one in taken:
        if one.take.kind == "energy" and (one.failure is None or one.take.number == 1):
            apart = one.take.id if one.failure else ""
            found.setdefault(digest([one.take.options, apart]), []).append(one)
    return [sorted(alike, key=lambda one: one.take.number) for alike in found.values()]


def _processes(taken: Sequence[Taken], rounds: Mapping[int, Samples]) -> ProcessesView:
    wall = [query_ns(rounds[one.take.number]) for one in taken]
    told = [one.conditions["cpu_s"] if one.conditions else None for one in taken]
    cpu = [
        np.array([round(spent * 1e9 / len(queries))], np.int64)
        for spent, queries in zip(told, wall, strict=True)
        if spent is not None
    ]
    return processes.summarise(wall, cpu if len(cpu) == len(wall) else None)


# --- what frames cost --------------------------------------------------------------------


def _costs(cell: CellView, prices: Mapping[str, Price]) -> tuple[Cost, ...]:
    price = next((p for device, p in prices.items() if fnmatchcase(cell.device, device)), None)
    if price is None:
        return ()
    return tuple(
        Cost(
            per_million=load.cost_per_million(rate, price.per_hour),
            currency=price.currency,
            images_per_s=rate,
            basis=basis,
            per_hour=price.per_hour,
            source=price.source,
        )
        for basis, rate in _rates(cell)
    )


def _rates(cell: CellView) -> Iterable[tuple[Any, float]]:
    """Yield every throughput that was measured, with what it was measured with."""
    if cell.latency is not None:
        yield "single stream", cell.latency.throughput_ips
    for offline in cell.offline:
        yield "offline", offline.images_per_s
    for cameras in cell.cameras:
        if cameras.highest_met is not None:
            yield "cameras", cameras.highest_met * cameras.fps
