"""Measure a bundle's suite again, and say whether the same came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from benchbench.bundles.format import BundleManifest, LeftOut
from benchbench.bundles.outcome import Again, CellAgain
from benchbench.compare_view import CompareView, Delta, Ends
from benchbench.comparing import Asked, Source, compare, differing, pair
from benchbench.errors import UsageError
from benchbench.store import Manifest
from benchbench.suite.load import LoadedSuite, reload_suite
from benchbench.view import CellView

ADMITTED = ("environment.*", "placement.*")
"""Another machine does not keep times from being shown; nothing is concluded from them."""


def suite_of(
    plan: Manifest, manifest: BundleManifest, files: Path, settings: tuple[str, ...]
) -> LoadedSuite:
    """Return the run's suite with its own settings, the bundle's files, then *settings*.

    *files* is where the bundle was unpacked. What the bundle does not hold is looked for where the
    suite says. Raises :class:`~benchbench.errors.SuiteError` if that makes no suite.
    """
    stored = {**plan.settings, **places(manifest, files)}
    return reload_suite(plan.suite_text, plan.suite_file, stored, settings)


def places(manifest: BundleManifest, files: Path) -> dict[str, object]:
    """Return the settings that lead the suite to the bundle's own files."""
    found: dict[str, object] = {
        key: str((files / name).resolve()) for key, name in manifest.places.items()
    }
    for index, data in manifest.data.items():
        found[f"datasets.{index}.card"] = None
        root = str((files / data.root).resolve())
        found[f"datasets.{index}.source"] = {**data.source, "root": root}
    return found


def missing(left_out: tuple[LeftOut, ...]) -> str | None:
    """Return a hint that says how to name what the bundle does not hold."""
    keys = [one for one in left_out if one.key]
    if not keys:
        return None
    told = ", ".join(f"--set {one.key}=… ({_known(one)})" for one in keys[:4])
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return f"the bundle does not hold everything; say where it lies: {told}{more}"


def _known(one: LeftOut) -> str:
    digests = [f"sha256 {value[:12]}…" for value in one.sha256.values()][:1]
    return ", ".join([one.what, *digests])


def judge(old: Source, new: Source, *, finished: bool, packed: Collection[str] = ()) -> Again:
    """Return what the run *new* says of the bundle's run *old*.

    *packed*: keys of the artifacts that *new* could take from the bundle.
    """
    refused, view = None, None
    try:
        view = compare(old, new, Asked(admit=ADMITTED))
    except UsageError as error:
        refused = error.message
    ends = {one.a: one for one in view.pairs} if view else {}
    here = {mine.id: theirs for mine, theirs in pair(old, new).pairs}
    cells = tuple(_cell(cell, here.get(cell.id), ends.get(cell.id)) for cell in old.view.cells)
    return Again(
        run=new.view.run,
        finished=finished,
        cells=cells,
        comparison=view,
        refused=refused,
        machine=_machine(view, old, new),
        packed_artifacts=len(_built(new) & set(packed)),
    )


def _built(source: Source) -> set[str]:
    """Return the keys of all artifacts that the cells of a run were made from."""
    results = source.run.results() if source.run else ()
    return {step.key for result in results for step in result.cell.chain}


def _machine(view: CompareView | None, old: Source, new: Source) -> tuple[str, ...]:
    if view is None or not view.pairs:
        return ()
    mine, theirs = pair(old, new).pairs[0]
    found: Mapping[str, str] = {
        one.key: f"{one.key}: {one.a} there, {one.b} here"
        for one in differing(old, mine, new, theirs)
        if one.key.startswith(("environment.", "placement.", "versions."))
    }
    return tuple(found.values())


def _cell(cell: CellView, here: CellView | None, ends: Ends | None) -> CellAgain:
    base = CellAgain(
        label=cell.label,
        before=cell.status,
        here=here.status if here else None,
        accuracy="not measured",
        metric=cell.primary,
    )
    if cell.status != "measured":
        return base.model_copy(update={"told": f"the bundle's own is {_word(cell)}"})
    if here is None:
        return base.model_copy(update={"told": "the plan here has no such cell"})
    if here.status != "measured":
        why = f"{here.failure.message}" if here.failure else "no reason given"
        return base.model_copy(update={"told": f"{_word(here)} here: {why}"})
    return _accuracy(base, cell, here, ends)


def _word(cell: CellView) -> str:
    return cell.status.replace("_", " ")


def _accuracy(base: CellAgain, cell: CellView, here: CellView, ends: Ends | None) -> CellAgain:
    if cell.primary is None and here.primary is None:
        return base.model_copy(update={"accuracy": "equal", "told": "no accuracy was asked for"})
    if other := _other_model(cell, here):
        return base.model_copy(update={"accuracy": "undecided", "told": other})
    change = next(
        (one for one in (ends.deltas if ends else ()) if one.quantity == cell.primary), None
    )
    if change is None or change.change is None:
        why = change.reason if change and change.reason else "it was not compared"
        return base.model_copy(update={"accuracy": "undecided", "told": why})
    if _scores(cell) == _scores(here):
        return base.model_copy(update={"accuracy": "equal", "told": "every figure to the last bit"})
    return base.model_copy(update=_weighed(change))


def _other_model(cell: CellView, here: CellView) -> str | None:
    """Return what of the model is not what was measured: then nothing was done again."""
    ours, theirs = (one.protocol.get("model") or {} for one in (cell, here))
    apart = sorted(k for k in {*ours, *theirs} if ours.get(k) != theirs.get(k))
    return f"another model: not the bundle's {', '.join(apart[:4])}" if apart else None


def _scores(cell: CellView) -> tuple[object, ...]:
    """Return the accuracy figures; coverage is of the runtime."""
    metrics = {k: v for k, v in cell.metrics.items() if not k.startswith("coverage.")}
    return metrics, cell.per_class


def _weighed(change: Delta) -> dict[str, str]:
    assert change.change is not None
    points = f"{100 * change.change:+.3f} points"
    if change.low is None or change.high is None:
        if change.change == 0:
            return {"accuracy": "no difference shown", "told": f"{change.quantity} is the same"}
        told = f"{points}; {change.reason or 'there is no interval'}"
        return {"accuracy": "undecided", "told": told}
    told = f"{points}, {100 * change.low:+.3f} … {100 * change.high:+.3f}"
    if change.outcome in ("better", "worse"):
        return {"accuracy": "differs", "told": told}
    return {"accuracy": "no difference shown", "told": told}
