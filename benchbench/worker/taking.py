"""Take one more measurement of a cell in this process; see :class:`benchbench.types.Take`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from benchbench import plugins
from benchbench.errors import CompiledOnly, PlacementError
from benchbench.files import write_json
from benchbench.types import Caveat, Job, Placement
from benchbench.worker.inputs import evaluation_split, model_file, request_of
from benchbench.worker.measure import check_placement
from benchbench.worker.passes import Passes
from benchbench.worker.results import Took
from benchbench.worker.scenarios import TAKEN, check_meter
from benchbench.worker.turns import answer, pair


def take(job: Job, reporter: Any) -> None:
    """Take ``job.take``; leaves ``result.json`` and arrays in the job's folder."""
    assert job.take is not None
    started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    found = pair(job, reporter) if job.take.kind == "pair" else _alone(job, reporter)
    reporter.enter("finish")
    took = Took(
        started=started,
        stages_s=reporter.seconds,
        arrays=tuple(sorted(path.stem for path in job.folder.glob("*.npz"))),
        **found,
    )
    write_json(job.folder / "result.json", took.model_dump(mode="json"))


def turns(job: Job, reporter: Any, descriptor: int) -> None:
    """Be one of the two that take turns."""
    with _opened(job, reporter) as (passes, placement, _):
        feeds = passes.feeds()
        passes.warm_up(feeds)
        reporter.enter("turns", quiet=True)
        answer(passes.session, feeds, placement, descriptor)


def _alone(job: Job, reporter: Any) -> dict[str, Any]:
    assert job.take is not None
    if job.take.kind == "energy":
        check_meter(job.take.options, job.cell.device)
    with _opened(job, reporter) as (passes, placement, doubts):
        more = TAKEN[job.take.kind](job.take.options, passes)
        return {
            "placement": placement,
            "conditions": passes.conditions,
            "caveats": (*doubts, *more),
        }


@contextmanager
def _opened(job: Job, reporter: Any) -> Iterator[tuple[Passes, Placement, tuple[Caveat, ...]]]:
    """Load the cell's artifact and prove what runs; what is taken is of what was asked for."""
    reporter.enter("load")
    split = evaluation_split(job.cell, job.cache)
    runtime = plugins.build("runtimes", job.cell.spec["runtime"])
    model, request = model_file(job, len(job.cell.chain)), request_of(job)
    try:
        with runtime.open(model, request) as session:
            passes = Passes(job, reporter, session, split, lambda: runtime.open(model, request))
            passes.first_query()
            reporter.enter("placement")
            placement: Placement = session.placement()
            yield passes, placement, check_placement(job.cell, placement)
    except CompiledOnly as only:
        raise PlacementError(only.message, hint=only.hint) from None
