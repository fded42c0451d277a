"""Whether a claim is still the newest word on its cell, and whether it can be derived anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchbench.assemble import run_view
from benchbench.claims.asking import Wanted
from benchbench.claims.making import make
from benchbench.claims.verifying import verify
from benchbench.claims_view import Claim, ClaimedCell
from benchbench.comparing import Source, of_run
from benchbench.comparing.choosing import KEYS
from benchbench.errors import BenchbenchError
from benchbench.quantities import named
from benchbench.store import Run, Store
from benchbench.view import CellView

Fault = tuple[str, str]
Opened = Callable[[Run], Source]


def opened() -> Opened:
    """Return a function that reads each run once."""
    known: dict[str, Source] = {}

    def read(run: Run) -> Source:
        if run.id not in known:
            known[run.id] = of_run(run, view=run_view(run))
        return known[run.id]

    return read


def outdated(store: Store, claim: Claim, read: Opened, *, check: bool) -> Iterator[Fault]:
    """Yield why *claim* should not be cited any more, each with a hint.

    *check*: also whether it can be derived anew from raw samples.
    """
    if check:
        found = verify(store, claim)
        recorded = not claim.raw and not found.reasons[1:]
        if found.exit_code == 1 or (found.outcome == "unverifiable" and not recorded):
            why = f"{claim.id} cannot be derived anew: {'; '.join(found.reasons)[:300]}"
            yield why, f"benchbench verify-claim {claim.id}, then claim it again"
            return
    newer = _newest(store, claim, read)
    if newer is None or newer.figure.value is None:
        return
    old, new = claim.figure, newer.figure.value
    if old.low is None or old.high is None or old.low <= new <= old.high:
        return
    why = f"{claim.id} is of the run {claim.run}; the newer run {newer.run} has {new:.4g}"
    why += f", outside its interval {old.low:.4g} to {old.high:.4g}"
    yield why, f"benchbench claim {newer.run} '{newer.asked}'"


def _newest(store: Store, claim: Claim, read: Opened) -> Claim | None:
    """Return the same claim of the newest later run that measured the cell; None if none did."""
    later = [
        (run.manifest().created, run)
        for run in store.runs()
        if run.id != claim.run and run.id.startswith(claim.suite) and _is_suite(run, claim)
    ]
    mine = _created(store, claim)
    for _, run in sorted((one for one in later if one[0] > mine), key=lambda o: o[0], reverse=True):
        made = _same(read, run, claim)
        if made is not None:
            return made
    return None


def _is_suite(run: Run, claim: Claim) -> bool:
    return run.manifest().suite == claim.suite


def _created(store: Store, claim: Claim) -> str:
    run = Run(store.folder / "runs" / claim.run)
    return run.manifest().created if (run.folder / "manifest.json").is_file() else claim.created


def _same(read: Opened, run: Run, claim: Claim) -> Claim | None:
    try:
        source = read(run)
        cell = _like(source, claim.cell)
        against = _like(source, claim.against) if claim.against else None
        if cell is None or (claim.against and against is None):
            return None
        return make(source, Wanted(named(claim.quantity), cell, against))
    except BenchbenchError:
        return None


def _like(source: Source, wanted: ClaimedCell) -> CellView | None:
    alike = (
        cell
        for cell in source.cells
        if all(getattr(cell, key) == getattr(wanted, key) for key in KEYS)
    )
    return next((cell for cell in alike if cell.status == "measured"), None)
