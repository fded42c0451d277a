"""To compare runs, to judge one by its limits, to choose among its cells."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench import plugins
from benchbench.api.stored import default_store, find_run
from benchbench.api.watching import Quiet
from benchbench.assemble import run_view
from benchbench.errors import UsageError
from benchbench.files import user_cache
from benchbench.gate_view import OnInconclusive
from benchbench.measure import environment
from benchbench.running import Interrupts, Runner, StopAtOnce, Watcher
from benchbench.store import Store
from benchbench.view import RunView

if TYPE_CHECKING:
    from benchbench.compare_view import CompareView
    from benchbench.comparing import Asked as ComparisonAsked
    from benchbench.gating import Wanted as WantedMore
    from benchbench.recommend_view import RecommendView
    from benchbench.recommending import Question as Choice


def gate(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str = "latest",
    settings: Iterable[str] = (),
    *,
    limits: Path | None = None,
    texts: Sequence[str] = (),
    baseline: str | None = None,
    on_inconclusive: OnInconclusive | None = None,
    budget_s: float | None = None,
    alpha: float | None = None,
    admit: Sequence[str] = (),
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
) -> RunView:
    """Return a run with the verdict over its limits in ``gate``.

    *limits*: a file, in place of the suite's own; *texts*: limits of every cell beside them. The
    other options go before those of ``gating``. With ``on_inconclusive="retry"`` what is undecided
    is measured more, for *budget_s* at most, and stored in the run. Raises
    :class:`~benchbench.errors.UsageError` for limits that fit no cell or where there are none.
    """
    from benchbench.gating import BUDGET_S, asked_of, measure_more
    from benchbench.gating import Options as GateOptions
    from benchbench.gating import gate as gated

    where = Store(store or default_store())
    current = where.run(name, settings)
    asked = asked_of(current, limits, texts)
    how = asked.gating
    options = GateOptions(
        alpha=alpha or how.alpha,
        on_inconclusive=on_inconclusive or how.on_inconclusive,
        baseline=baseline or how.baseline,
        admit=tuple(admit),
    )
    seconds = budget_s or how.budget_s or BUDGET_S

    def measure(wanted: WantedMore) -> tuple[str, ...]:
        where.prepare()
        runner = Runner(
            run=current,
            store=where,
            cache=cache or user_cache(),
            executor=plugins.build("executors", {"kind": "local"}),
            environment=environment.collect(Path.cwd())["key"],
            watcher=watcher or Quiet(),
            interrupts=interrupts or StopAtOnce(),
            ends=time.monotonic() + seconds,
        )
        return measure_more(runner, wanted)

    return gated(current, where, asked.entries, options, measure)


def compare(
    a: str,
    b: str,
    settings: Iterable[str] = (),
    *,
    asked: ComparisonAsked | None = None,
    store: Path | None = None,
) -> CompareView:
    """Return how side *b* differs from side *a*, cell by cell and figure by figure.

    A side is a run, a baseline's name or file, or ``git:REF``; ``#CELLS`` after it picks cells.
    *settings* narrow a suite's name or ``latest`` to runs made with them. Raises
    :class:`~benchbench.errors.UsageError` for sides that are not there or pair no cells, and where
    nothing is comparable; it names the keys that differ.
    """
    from benchbench.comparing import compare as compare_sides
    from benchbench.comparing import open_both

    ours, theirs = open_both(a, b, Store(store or default_store()), tuple(settings))
    return compare_sides(ours, theirs, asked)


def recommend(
    name: str, choice: Choice, settings: Iterable[str] = (), *, store: Path | None = None
) -> RecommendView:
    """Return which cell of a run is the best by one figure within limits on others, and how surely.

    Raises :class:`~benchbench.errors.UsageError` for a limit or figure that the run does not know,
    and for a caveat that nothing is called.
    """
    from benchbench.recommending import recommend as choose

    current = find_run(name, settings, store=store)
    view = run_view(current)
    _known_caveats(view, choice.without)
    return choose(view, choice, current, tuple(current.results()))


def _known_caveats(view: RunView, named: Iterable[str]) -> None:
    """Raise UsageError for a code that no caveat has: it would leave nothing out."""
    from benchbench.gating.doubts import CODES

    known = {*CODES, *(caveat.code for cell in view.cells for caveat in cell.caveats)}
    known |= {code for cell in view.cells for code in cell.admitted}
    for code in named:
        if code not in known:
            close = difflib.get_close_matches(code, sorted(known), 1)
            hint = f"did you mean '{close[0]}'?" if close else "docs/results.md lists the codes"
            raise UsageError(f"no caveat is called '{code}' (--without)", hint=hint)
