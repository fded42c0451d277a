"""To measure what is missing of a suite."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchbench import plugins
from benchbench.api.resuming import adopt, adopt_taken, base_name, open_run
from benchbench.api.stored import default_store
from benchbench.api.watching import Quiet, RunOutcome
from benchbench.assemble import run_view
from benchbench.files import user_cache
from benchbench.forecast import forecast
from benchbench.measure import environment
from benchbench.plan import Plan, make_plan
from benchbench.running import Interrupts, Runner, StopAtOnce, Watcher
from benchbench.scoring import Scorer
from benchbench.store import PlannedCell, Run, Store
from benchbench.suite.load import LoadedSuite, load_suite
from benchbench.takes import Extras, extras
from benchbench.taking import Taker
from benchbench.types import Asked, Compared, Price


def run(  # noqa: PLR0913 - a public verb: every option by keyword
    suite: str | LoadedSuite,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
    fresh: bool = False,
    keep_failures: bool = False,
    executor: str = "local",
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
    command_line: Sequence[str] = (),
    processes: int | None = None,
    budget_s: float | None = None,
) -> RunOutcome:
    """Measure what is missing of *suite* and return the run.

    Results are stored cell by cell; a cell that fails is a result too. *processes* goes before the
    suite's own number. With *budget_s* nothing new begins once so many seconds have passed, what
    comparisons need comes first, and each of them ends when it is settled. Raises
    :class:`~benchbench.errors.BenchbenchError` if the suite is wrong or the store unusable.
    """
    begun = time.monotonic()
    cache = cache or user_cache()
    where = Store(store or default_store())
    where.prepare()
    loaded = load_suite(suite, settings) if isinstance(suite, str) else suite
    made = make_plan(loaded, cache)
    more = extras(made, processes=processes, rule="sequence" if budget_s is not None else None)
    facts = environment.collect(Path.cwd())
    current = open_run(where, made, facts, fresh=fresh, command_line=command_line)
    if not fresh:
        adopt(where, current, made, facts["key"])
        adopt_taken(where, current, more, facts["key"])
    runner = Runner(
        run=current,
        store=where,
        cache=cache,
        executor=plugins.build("executors", {"kind": executor}),
        environment=facts["key"],
        watcher=watcher or Quiet(),
        interrupts=interrupts or StopAtOnce(),
        keep_failures=keep_failures,
    )
    cells = made.cells
    if budget_s is not None:
        cells = _compared_first(cells, more)
        runner.ends = begun + budget_s
        runner.expected_s = _expected(where, made, cache, facts["key"])
    finished, left = _carry_out(runner, cells, more, made.loaded.suite.prices, budget_s)
    scorer = Scorer(current, made.loaded.datasets, cache, made.loaded.slices)
    problems = scorer.all_tallied()
    return RunOutcome(current.id, run_view(current), finished, tuple(problems), left)


def _carry_out(
    runner: Runner,
    cells: tuple[PlannedCell, ...],
    more: Extras,
    prices: Mapping[str, Price],
    budget_s: float | None,
) -> tuple[bool, tuple[str, ...]]:
    """Measure and take what is missing; return whether that came to its end, and what is left."""
    asked = Asked(
        compared=tuple(one.compared for one in more.contests),
        prices=dict(prices),
        budget_s=budget_s,
    )
    if budget_s is not None:
        asked = asked.model_copy(update={"compared": _as_decided(runner, more)})
    runner.run.put_asked(asked)
    taker = Taker(runner, more.under(runner.run.asked().compared))
    finished = runner.all(cells) and taker.all()
    left = (*_unmeasured(runner.run, cells), *taker.left())
    runner.run.put_asked(asked.model_copy(update={"left": left}))
    return finished, left


def _as_decided(runner: Runner, more: Extras) -> tuple[Compared, ...]:
    """Return the comparisons of *more*; those that are decided already as they were."""
    before = runner.run.asked().compared
    known = {one.id for one in before}
    open_still = {one.compared.id for one in Taker(runner, more.under(before)).undecided()}
    decided = {one.id: one for one in before if one.id in known - open_still}
    return tuple(decided.get(one.compared.id, one.compared) for one in more.contests)


def _compared_first(cells: Iterable[PlannedCell], more: Extras) -> tuple[PlannedCell, ...]:
    """Return *cells*, those that comparisons need before the others."""
    needed = {name for one in more.contests for name in (one.baseline.id, one.candidate.id)}
    return tuple(sorted(cells, key=lambda planned: planned.cell.id not in needed))


def _expected(where: Store, made: Plan, cache: Path, key: str) -> dict[str, float]:
    """Return how long each cell is thought to last, in seconds."""
    runs = where.series(base_name(made, key))
    found = forecast(made, where, cache, runs[-1] if runs else None, key)
    return {one.planned.cell.id: one.seconds for one in found}


def _unmeasured(run: Run, cells: Iterable[PlannedCell]) -> list[str]:
    missing = [one.cell.label for one in cells if run.result(one.cell.id) is None]
    return [f"{label}: not measured" for label in missing]
