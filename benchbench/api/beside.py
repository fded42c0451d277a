"""Measurements that belong to no run: noise, attributions, quantized artifacts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench import plugins
from benchbench.api.stored import default_store
from benchbench.api.watching import Quiet
from benchbench.files import user_cache
from benchbench.measure import environment
from benchbench.plan import make_plan
from benchbench.running import Interrupts, Runner, StopAtOnce, Watcher
from benchbench.store import Store, utc_now
from benchbench.suite.load import load_suite
from benchbench.takes import extras

if TYPE_CHECKING:
    from benchbench.diagnosis.attribute import Diagnosis
    from benchbench.noise import Noise
    from benchbench.quantizing import Quantized, Ranking


def _scratch_runner(
    where: Store, cache: Path | None, watcher: Watcher | None, *names: str
) -> Runner:
    """Return a runner whose results belong to no run."""
    where.prepare()
    return Runner(
        run=where.scratch(*names),
        store=where,
        cache=cache or user_cache(),
        executor=plugins.build("executors", {"kind": "local"}),
        environment=environment.collect(Path.cwd())["key"],
        watcher=watcher or Quiet(),
        keep_failures=True,
    )


def diagnose(
    name: str,
    a: str,
    b: str,
    *,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
) -> Diagnosis:
    """Return where the points between two measured cells of a run go.

    Cells between the two are measured (accuracy only) and kept apart from the run's own, below
    ``<store>/diagnoses``. Raises :class:`~benchbench.errors.UsageError` for cells that are not
    there or have no common dataset.
    """
    from benchbench.diagnosis.attribute import diagnose as attribute
    from benchbench.diagnosis.attribute import find_cell

    where = Store(store or default_store())
    current = where.run(name)
    first, second = find_cell(current, a), find_cell(current, b)
    runner = _scratch_runner(where, cache, watcher, "diagnoses", current.id)
    return attribute(runner, first, second)


def aa(  # noqa: PLR0913 - a public verb: every option by keyword
    suite: str,
    settings: Iterable[str] = (),
    *,
    cells: Sequence[str] = (),
    pairs: int = 8,
    builds: int = 1,
    budget_s: float | None = None,
    gate_s: float | None = None,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
) -> list[Noise]:
    """Measure the noise of this machine: cells of *suite* against themselves, in *pairs* pairs.

    *cells*: patterns of labels; by default the first cell that is timed. With *budget_s* no pair
    begins after so many seconds. *gate_s*: the time that a comparison shall take, for which the
    smallest difference is told. *builds* above 1: build the artifact so often. Raises
    :class:`~benchbench.errors.UsageError` if no cell matches.
    """
    from benchbench.noise import chosen, measure_noise

    begun, cache = time.monotonic(), cache or user_cache()
    made = make_plan(load_suite(suite, settings), cache)
    timed = list(extras(made).cells.values())
    where = Store(store or default_store())
    stamp = utc_now().replace(":", "")
    runner = _scratch_runner(where, cache, watcher, "aa", stamp)
    runner.interrupts = interrupts or StopAtOnce()
    ends = None if budget_s is None else begun + budget_s
    return [
        measure_noise(runner, cell, pairs, ends=ends, gate_s=gate_s, builds=builds)
        for cell in chosen(timed, cells)
        if not runner.interrupts.stop
    ]


def quantize(
    suite: str,
    settings: Iterable[str] = (),
    *,
    models: Sequence[str] = (),
    store: Path | None = None,
    cache: Path | None = None,
    out: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Quantized]:
    """Build the int8 artifacts of *suite*'s int8 cells and return them; copy them below *out*.

    Raises :class:`~benchbench.errors.UsageError` if the suite has no cell whose chain quantizes.
    """
    from benchbench.quantizing import quantized, quantizing

    cache = cache or user_cache()
    cells = quantizing(make_plan(load_suite(suite, settings), cache).cells, models)
    runner = _scratch_runner(Store(store or default_store()), cache, watcher, "quantize")
    return [quantized(runner, cell, out) for cell in cells]


def sensitivity(
    suite: str,
    settings: Iterable[str] = (),
    *,
    models: Sequence[str] = (),
    images: int = 32,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
) -> list[Ranking]:
    """Rank the layers of each int8 artifact of *suite* by what quantizing them alone costs.

    Measured on *images* calibration images, never on those that are evaluated. Raises
    :class:`~benchbench.errors.UsageError` if no chain of the suite can be limited to layers.
    """
    from benchbench.quantizing import layered, quantizing, rank

    cache = cache or user_cache()
    cells = quantizing(make_plan(load_suite(suite, settings), cache).cells, models)
    runner = _scratch_runner(Store(store or default_store()), cache, watcher, "quantize")
    return [rank(runner, cell, images) for cell in layered(cells)]
