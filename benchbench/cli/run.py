"""``benchbench run``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from benchbench import api
from benchbench.cli.interrupts import TwiceToStop
from benchbench.cli.options import Duration, common, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.cli.progress import make_watcher
from benchbench.cli.table import cells_table, plain
from benchbench.errors import BenchbenchError
from benchbench.view import RunView

FAILED, STOPPED = 3, 130
_STATUSES = {
    "measured": "measured",
    "compiled": "compiled only",
    "failed": "failed",
    "not_run": "not run",
}


@click.command("run")
@click.argument("suite")
@common
@with_json
@click.option("--fresh", is_flag=True, help="Start over; what was measured before is kept apart.")
@click.option("--keep-failures", is_flag=True, help="Do not try failed cells again.")
@click.option(
    "--strict",
    is_flag=True,
    help="Exit 3 also if a cell was not run, or compiled only: it was not measured.",
)
@click.option(
    "--processes",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Time every cell in N fresh processes more (10 for a figure to cite).",
)
@click.option(
    "--budget",
    type=Duration(),
    metavar="TIME",
    help="Begin nothing new after TIME (90s, 20m, 1h30m); what decides a comparison comes first.",
)
@click.option("--report/--no-report", default=True, help="Write the report at the end.")
@click.option("--quiet", is_flag=True, help="No progress, only the result.")
def command(
    suite: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    fresh: bool,
    keep_failures: bool,
    strict: bool,
    processes: int | None,
    budget: float | None,
    report: bool,
    quiet: bool,
) -> int:
    """Measure what is missing of SUITE (a name or a path).

    The same command again goes on where it stopped. Ctrl-C gives up the cell at work and goes on
    with the next; twice within two seconds stops. Exit codes: 0 all cells ran; 2 the suite or the
    command is wrong; 3 a cell failed (with --strict: or was not measured); 130 stopped.
    """
    with TwiceToStop() as interrupts, make_watcher(quiet=quiet or as_json) as watcher:
        outcome = api.run(
            suite,
            settings,
            store=store,
            fresh=fresh,
            keep_failures=keep_failures,
            watcher=watcher,
            interrupts=interrupts,
            command_line=["benchbench", *sys.argv[1:]],
            processes=processes,
            budget_s=budget,
        )
    for what in outcome.left:
        click.echo(f"left: {plain(what)}", err=True)
    for problem in outcome.problems:
        click.echo(f"no intervals or slices for some cells: {plain(problem)}", err=True)
    files = _reports(outcome.view) if report else {}
    if as_json:
        print_json({**outcome.view.document(), "reports": files})
    else:
        _print(outcome.view, files, settings, store)
    if not outcome.finished:
        return STOPPED
    skipped = any(cell.status in ("not_run", "compiled") for cell in outcome.view.cells)
    return FAILED if outcome.failed or (strict and skipped) else 0


def _reports(view: RunView) -> dict[str, str]:
    """Write every report that can be written here; say which could not."""
    files: dict[str, str] = {}
    for kind in ("html", "markdown", "json", "csv"):
        try:
            (path,) = api.write_reports(view, [kind])
        except BenchbenchError as error:
            click.echo(f"no {kind} report: {error}", err=True)
        else:
            files[kind] = str(path)
    return files


def _print(view: RunView, files: dict[str, str], settings: Any, store: Path | None) -> None:  # noqa: ARG001
    console = stdout_console()
    console.print(cells_table(view))
    counts = {word: sum(c.status == s for c in view.cells) for s, word in _STATUSES.items()}
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    console.print(f"\n{view.run}: {told} of {len(view.cells)} cells", highlight=False)
    for cell in view.cells:
        if cell.status == "failed" and cell.failure:
            _print_failure(cell.label, cell.failure)
    if files:
        best = files.get("html") or next(iter(files.values()))
        console.print(f"report: {best}", highlight=False, soft_wrap=True)
    where = f" --store {shlex.quote(str(store))}" if store else ""
    console.print(f"again:  benchbench show {view.run}{where}", highlight=False, soft_wrap=True)


def _print_failure(label: str, failure: Any) -> None:
    click.echo(f"failed: {label}: at '{failure.stage}': {plain(failure.message)}")
    if failure.hint:
        click.echo(f" hint: {failure.hint}")
