"""``benchbench score``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchbench import api
from benchbench.cli.options import common, with_json
from benchbench.cli.output import figure, print_json, stdout_console
from benchbench.cli.table import cells_table


@click.command("score")
@click.argument("run", default="latest")
@common
@click.option(
    "--as",
    "tool",
    metavar="TOOL",
    help="Score by the rules of accuracy-checker, mmseg, monai, pycocotools, torchmetrics or "
    "ultralytics, explain the difference, and store nothing.",
)
@with_json
def command(
    run: str, store: Path | None, settings: tuple[str, ...], tool: str | None, as_json: bool
) -> None:
    """Compute the accuracy of RUN again from its stored predictions; needs no device.

    --set replaces the run's own settings, for example when the data lie elsewhere now.
    """
    if tool is not None:
        found = api.rescore(run, tool, settings, store=store)
        if as_json:
            print_json({"schema": 1, **found.model_dump(mode="json")})
            return
        _print(found)
        return
    view = api.score(run, settings, store=store)
    if as_json:
        print_json(view.document())
        return
    stdout_console().print(cells_table(view))


def _print(found: Any) -> None:
    console = stdout_console()
    for cell in found.cells:
        console.print(f"{cell.label}, {cell.dataset} ({cell.split})", highlight=False)
        console.print(_account(cell, found.tool))
        for line in _below(cell, found.tool):
            console.print(line, highlight=False, soft_wrap=True)
    if found.skipped:
        told = ", ".join(found.skipped)
        console.print(f"{found.tool} has no rules for: {told}", highlight=False, soft_wrap=True)


def _account(cell: Any, tool: str) -> Any:
    """Return the table of the rules: from our figure to the tool's."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("rule", "ours", tool):
        table.add_column(heading, overflow="fold")
    for heading in (cell.figure, "points"):
        table.add_column(heading, justify="right")
    table.add_row("ours", "", "", figure(cell.ours, 4), "")
    for step in cell.steps:
        points = _points(step.points)
        table.add_row(step.rule, step.ours, step.theirs, figure(step.after, 4), points)
    table.add_row("unexplained", "", "", "", _points(cell.unexplained))
    table.add_row(tool, "", "", figure(cell.theirs, 4), _points(cell.points))
    return table


def _points(value: float | None) -> str:
    # What rounds to nothing has no sign.
    return "–" if value is None else f"{round(value, 2) + 0.0:+.2f}".replace("+0.00", "0.00")


def _below(cell: Any, tool: str) -> Iterator[str]:
    """Yield what else there is to say of a cell."""
    others = {name: pair for name, pair in cell.figures.items() if name != cell.figure}
    if others:
        told = (
            f"{n} {figure(ours, 4)} → {figure(theirs, 4)}" for n, (ours, theirs) in others.items()
        )
        yield f"also: {', '.join(told)}"
    if cell.reason:
        yield f"no gap: {cell.reason}"
    elif not cell.steps and cell.points:
        yield f"The suite's metric and {tool}'s rules have no rule by rule account."
    yield f"by {cell.evaluator}"
    yield from (f"not to be had again: {loss}" for loss in cell.losses)
    yield ""
