"""What a suite asks for, and what it is expected to cost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchbench.api.resuming import base_name
from benchbench.api.stored import default_store
from benchbench.files import user_cache
from benchbench.forecast import Forecast, More, forecast
from benchbench.forecast import more as more_takes
from benchbench.measure import environment
from benchbench.plan import Plan, make_plan
from benchbench.store import Store
from benchbench.suite.load import load_suite
from benchbench.takes import extras


def plan(
    suite: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> tuple[Plan, list[Forecast]]:
    """Return the cells of *suite* and what each is expected to cost. Measures nothing."""
    cache = cache or user_cache()
    made = make_plan(load_suite(suite, settings), cache)
    where = Store(store or default_store())
    key = environment.collect(Path.cwd())["key"]
    runs = where.series(base_name(made, key))
    return made, forecast(made, where, cache, runs[-1] if runs else None, key)


def plan_takes(made: Plan, *, store: Path | None = None) -> More:
    """Return what is to be taken beside the cells' first passes, and how long it lasts."""
    where = Store(store or default_store())
    runs = where.series(base_name(made, environment.collect(Path.cwd())["key"]))
    return more_takes(extras(made), runs[-1] if runs else None)
