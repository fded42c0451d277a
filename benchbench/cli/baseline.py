"""``benchbench baseline``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.cli.measured import plain
from benchbench.cli.options import common, store_option, with_json
from benchbench.cli.output import print_json, size, stdout_console
from benchbench.cli.table import cells_table
from benchbench.errors import StoreError


@click.group("baseline")
def command() -> None:
    """Keep runs under a name, or as a file for git, for later runs to be compared with."""


@command.command("save")
@click.argument("name")
@click.argument("run", default="latest")
@common
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write it there, to be kept in git, and not into the store.",
)
@click.option(
    "--all-metrics",
    is_flag=True,
    help="Keep the draws of every metric, not of the primary one only.",
)
def save(
    name: str,
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    file: Path | None,
    all_metrics: bool,
) -> None:
    """Keep RUN (the default: latest) as the baseline NAME; one of that name is replaced.

    The run itself stays where it is. Its bootstrap draws go along, so that a run of another job is
    compared with it on the same images and draws.
    """
    made = api.baseline_save(name, run, settings, file=file, all_metrics=all_metrics, store=store)
    view = made.baseline.view
    measured = sum(cell.status == "measured" for cell in view.cells)
    click.echo(f"{made.path}: {plain(view.run)}, {measured} cells, {size(made.bytes)}")
    if made.replaced is not None:
        before = plain(made.replaced) or "a damaged one"
        click.echo("it replaced the same run" if before == view.run else f"it replaced {before}")
    for line in made.baseline.left_out:
        click.echo(f"left out: {plain(line)}")


@command.command("list")
@store_option
@with_json
def kept(store: Path | None, as_json: bool) -> None:
    """List the baselines of the store."""
    from rich.table import Table

    found = api.baselines_kept(store=store)
    if as_json:
        rows = [
            {"name": name, "damaged": str(made)}
            if isinstance(made, StoreError)
            else {"name": name, "run": made.view.run, "saved": made.saved}
            for name, made in found.items()
        ]
        print_json({"schema": 1, "baselines": rows})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "run", "created", "commit", "cells"):
        table.add_column(heading, overflow="fold")
    for name, made in found.items():
        if isinstance(made, StoreError):
            table.add_row(name, plain(f"damaged: {made.message}"))
            continue
        view = made.view
        commit = str((view.environment.get("git") or {}).get("commit") or "–")[:10]
        created = view.created[:19].replace("T", " ")
        table.add_row(name, plain(view.run), created, plain(commit), str(len(view.cells)))
    console = stdout_console()
    console.print(table if found else "no baselines: benchbench baseline save NAME RUN makes one")


@command.command("show")
@click.argument("name")
@store_option
@with_json
def shown(name: str, store: Path | None, as_json: bool) -> None:
    """Show the baseline NAME, or the one in a file."""
    made = api.baseline(name, store=store)
    if as_json:
        print_json(made.view.document())
        return
    console = stdout_console()
    head = f"{made.name}: {made.view.run}  {made.view.title}  saved {made.saved[:19]}\n"
    console.print(plain(head), highlight=False)
    console.print(cells_table(made.view))


@command.command("remove")
@click.argument("name")
@store_option
def removed(name: str, store: Path | None) -> None:
    """Remove the baseline NAME from the store; its run stays."""
    api.baseline_remove(name, store=store)
    click.echo(f"removed {name}")
