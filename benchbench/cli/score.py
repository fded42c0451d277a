"""``benchbench score``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.cli.options import common, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.cli.table import cells_table


@click.command("score")
@click.argument("run", default="latest")
@common
@with_json
def command(run: str, store: Path | None, settings: tuple[str, ...], as_json: bool) -> None:
    """Compute the accuracy of RUN again from its stored predictions; needs no device.

    --set replaces the run's own settings, for example when the data lie elsewhere now.
    """
    view = api.score(run, settings, store=store)
    if as_json:
        print_json(view.document())
        return
    stdout_console().print(cells_table(view))
