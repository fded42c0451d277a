"""``benchbench diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchbench import api
from benchbench.cli.options import store_option, with_json
from benchbench.cli.output import figure, print_json, stdout_console
from benchbench.cli.progress import make_watcher


@click.command("diagnose")
@click.argument("run")
@click.argument("a", metavar="CELL_A")
@click.argument("b", metavar="CELL_B")
@store_option
@with_json
def command(run: str, a: str, b: str, store: Path | None, as_json: bool) -> None:
    """Tell where the accuracy between two measured cells of RUN goes.

    A cell is named by its id (or the start of it) or as model/runtime/precision. Going from the
    first cell to the second, preprocessing, runtime, artifact, decoder, NMS and evaluator are
    swapped one at a time; each swap's points are printed, and they sum to the gap. What in the
    artifact costs points is looked for in its raw outputs.
    """
    with make_watcher(quiet=as_json) as watcher:
        found = api.diagnose(run, a, b, store=store, watcher=watcher)
    if as_json:
        print_json({"schema": 1, **found.model_dump(mode="json")})
        return
    _print(found)


def _print(found: Any) -> None:
    from rich.table import Table

    console = stdout_console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("swapped", "from", "to"):
        table.add_column(heading, overflow="fold")
    for heading in (found.metric, "points"):
        table.add_column(heading, justify="right")
    table.add_row("–", found.a, "", figure(found.score_a, 4), "")
    for swap in found.swaps:
        points = f"{swap.points:+.2f}"
        table.add_row(swap.part, swap.ours, swap.theirs, figure(swap.after, 4), points)
    table.add_row("all", "", found.b, figure(found.score_b, 4), f"{found.points:+.2f}")
    console.print(table)
    for swap in found.swaps:
        if swap.why_together:
            console.print(f"{swap.part} only work together: {swap.why_together}", highlight=False)
    for line in explained(found):
        console.print(line, highlight=False, soft_wrap=True)


def explained(found: Any) -> list[str]:
    """Return the causes in words."""
    if not found.swaps:
        return ["The two cells do not differ in anything that accuracy depends on."]
    if found.no_causes:
        return [f"The artifact's outputs could not be compared: {found.no_causes}"]
    lines = [_cause(cause) for cause in found.causes if cause.points > 0]
    if lines:
        lines.insert(0, f"\nWhat comes back to the second artifact, on {found.images} images:")
    if found.quantized:
        lines.append(
            "\nWhich layers cost most: benchbench quantize SUITE --model MODEL --sensitivity"
        )
    return lines


def _cause(cause: Any) -> str:
    if cause.code == "output":
        return f"  {cause.points:+.2f} points when '{cause.output}' is taken from the first"
    alone = cause.channels == cause.of
    who = "the output" if alone else f"{cause.channels} of its {cause.of} channels"
    why = (
        "its scale is too coarse"
        if alone
        else "one scale is shared by channels of unlike range; leave the last operations in float "
        "(float_tail: true) or give boxes and scores outputs of their own"
    )
    return (
        f"  {cause.points:+.2f} points when {who} '{cause.output}' is taken from the first: with a "
        f"step of {cause.step:.3g} it takes {cause.levels} values there; {why}"
    )
