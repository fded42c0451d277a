"""``benchbench show``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.cli.options import common, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.cli.table import cells_table


@click.command("show")
@click.argument("run", default="latest")
@common
@with_json
def command(run: str, store: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Show RUN: an id or its prefix, a suite's name, or 'latest' (the default).

    --set picks, among the runs of a suite, the one that was made with these settings.
    """
    view = api.show(run, settings, store=store)
    if as_json:
        print_json(view.document())
        return
    console = stdout_console()
    console.print(f"{view.run}  {view.title}  {view.updated}\n", highlight=False)
    console.print(cells_table(view))
