"""``benchbench reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchbench import api
from benchbench.bundles import Again, CellAgain, Checked, Derived, Reproduction
from benchbench.cli.compare import change, interval
from benchbench.cli.interrupts import TwiceToStop
from benchbench.cli.measured import plain
from benchbench.cli.options import common, with_json
from benchbench.cli.output import print_json, size, stdout_console
from benchbench.cli.progress import make_watcher
from benchbench.compare_view import CompareView, Delta
from benchbench.units import show

if TYPE_CHECKING:
    from rich.table import Table

_MOST = 20
_TIMES = ("latency.p50", "latency.p99")
_WORDS = {
    "reproduced": "REPRODUCED: every cell that the bundle measured was measured here, and no"
    " accuracy differs by more than chance explains",
    "not reproduced": "NOT REPRODUCED: a cell was not measured here, or an accuracy differs, or"
    " cannot be compared",
}


@click.command("reproduce")
@click.argument("bundle", type=click.Path(path_type=Path))
@common
@with_json
@click.option("--check", is_flag=True, help="Only check names and hashes; run nothing.")
@click.option(
    "--rederive", is_flag=True, help="Check, and derive the figures again; measure nothing."
)
@click.option("--rebuild", is_flag=True, help="Build every artifact here, even if it is packed.")
@click.option("--report", is_flag=True, help="Write the reports of the new run.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
def command(
    bundle: Path,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    check: bool,
    rederive: bool,
    rebuild: bool,
    report: bool,
    quiet: bool,
) -> int:
    """Check BUNDLE, derive its figures again from the raw samples, measure again and compare.

    Measuring runs what the bundle's suite names: read its suite.yaml first, or stop with --check or
    --rederive. --set says where models and data lie that the bundle does not hold.
    Exit codes: 0 everything asked holds; 1 a figure does not follow, or was not reproduced; 2 the
    bundle is not whole, or cannot be measured again here.
    """
    until: Literal["checked", "rederived", "measured"] = (
        "checked" if check else "rederived" if rederive else "measured"
    )
    with TwiceToStop() as interrupts, make_watcher(quiet=quiet or as_json) as watcher:
        found = api.reproduce(
            bundle,
            settings,
            until=until,
            rebuild=rebuild,
            store=store,
            watcher=watcher,
            interrupts=interrupts,
            command_line=["benchbench", *sys.argv[1:]],
        )
    files = api.report(found.again.run, _formats(), store=store) if report and found.again else []
    if as_json:
        print_json({**found.document(), "reports": [str(path) for path in files]})
        return found.exit_code
    console = stdout_console()
    for part in printed(found, store or api.default_store()):
        console.print(part, highlight=False, soft_wrap=isinstance(part, str))
    for path in files:
        click.echo(f"report: {path}")
    return found.exit_code


def _formats() -> tuple[str, ...]:
    return api.BUNDLED_REPORTS


def printed(found: Reproduction, store: Path) -> Iterator[Any]:
    """Yield what is printed of *found*; the new run is in *store*."""
    yield from _checked(found.checked)
    if found.derived is not None:
        yield from _derived(found.derived)
    if found.again is not None:
        yield from _again(found.again, store)
    if found.obstacle is not None:
        yield f"again     cannot be measured again here: {plain(found.obstacle)}"
        if found.hint:
            yield f" hint: {plain(found.hint)}"
    yield from (f"not checked: {one}" for one in found.unchecked)


def _checked(checked: Checked) -> Iterator[str]:
    yield f"bundle    {checked.bundle}  {size(checked.bytes)}, {checked.files} files"
    yield f"          sha256 {checked.sha256}"
    if checked.run and checked.packed_by:
        by = plain(checked.packed_by)
        yield f"          run {plain(checked.run)}, packed by benchbench {by}"
    if not checked.problems:
        yield "check     every file is what was packed"
        return
    count = len(checked.problems)
    yield f"check     {'1 thing is' if count == 1 else f'{count} things are'} wrong with it:"
    yield from _listed(checked.problems)
    yield "          it is not whole: nothing of it was used"


def _derived(derived: Derived) -> Iterator[str]:
    if derived.follows:
        yield f"rederive  all {derived.figures} figures follow from the raw samples"
    else:
        count = len(derived.differing)
        told = "1 figure does" if count == 1 else f"{count} figures do"
        yield f"rederive  {told} not follow from what is stored:"
        yield from _listed(derived.differing)
    yield (
        f"          {derived.recorded} further numbers are records (memory, sizes, settings …):"
        " there is nothing to derive them from"
    )
    yield f"          accuracy: {_scored(derived)}"
    yield from (f"          {plain(one)}" for one in _once(derived.unscored))
    if derived.versions:
        told = plain("; ".join(derived.versions[:6]))
        more = f" and {len(derived.versions) - 6} more" if len(derived.versions) > 6 else ""
        yield f"          other versions: {told}{more}"


def _once(reasons: tuple[str, ...]) -> list[str]:
    return [f"not scored again: {reason}" for reason in reasons[:4]]


def _scored(derived: Derived) -> str:
    told = []
    if derived.scored:
        told.append(f"scored again from predictions and annotations in {derived.scored} cells")
    if derived.tallied:
        told.append(f"checked against the per-image tally in {derived.tallied} cells")
    return ", ".join(told) or "was not derived again"


def _again(again: Again, store: Path) -> Iterator[Any]:
    end = "" if again.finished else ", stopped before its end"
    yield f"again     run {plain(again.run)} in {store}{end}"
    if again.refused is not None:
        yield f"          nothing can be compared: {plain(again.refused)}"
    yield ""
    yield _cells(again)
    yield ""
    yield from _reasons(again)
    if again.machine:
        yield "what differs between the two machines and their packages:"
        yield from _listed(again.machine)
    if again.refused is None:
        yield _WORDS[again.answer]


def _cells(again: Again) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cell", "figure", "bundle", "here", "change", "interval", "said"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("change", "interval"))
    deltas = _by_label(again.comparison)
    for cell in again.cells:
        table.add_row(plain(cell.label), *_accuracy(cell, deltas.get(cell.label, ())))
        for one in deltas.get(cell.label, ()):
            if one.quantity in _TIMES and one.change is not None:
                table.add_row("", *_figures(one), one.outcome)
    return table


def _by_label(view: CompareView | None) -> dict[str, tuple[Delta, ...]]:
    return {ends.a_label: ends.deltas for ends in view.pairs} if view else {}


def _reasons(again: Again) -> Iterator[str]:
    """Yield once each why times are only a trend."""
    pairs = again.comparison.pairs if again.comparison else ()
    every = [one for ends in pairs for one in ends.deltas]
    told = [one.reason for one in every if one.quantity in _TIMES and one.change is not None]
    yield from (f"latency: {plain(reason)}" for reason in dict.fromkeys(told) if reason)


def _accuracy(cell: CellAgain, deltas: tuple[Delta, ...]) -> tuple[str, ...]:
    shown = cell.accuracy in ("no difference shown", "differs")
    said = cell.accuracy if shown else plain(f"{cell.accuracy}: {cell.told}")
    own = next((one for one in deltas if one.quantity == cell.metric), None)
    return (*_figures(own), said) if own else (plain(cell.metric or "–"), "–", "–", "–", "–", said)


def _figures(one: Delta) -> tuple[str, ...]:
    values = (show(one.a, one.unit), show(one.b, one.unit))
    return (plain(one.quantity), *values, change(one), interval(one))


def _listed(lines: tuple[str, ...]) -> Iterator[str]:
    yield from (f"          {plain(line)}" for line in lines[:_MOST])
    if len(lines) > _MOST:
        yield f"          and {len(lines) - _MOST} more: --json lists them"
