"""``benchbench report``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api, plugins
from benchbench.cli.options import common
from benchbench.errors import MissingDependency


@click.command("report")
@click.argument("run", default="latest")
@common
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="html, markdown, json, csv, figures or a plug-in; repeatable.  [default: all installed]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write.  [default: reports/RUN]",
)
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    formats: tuple[str, ...],
    out: Path | None,
) -> None:
    """Write the report of RUN: an id or its prefix, a suite's name, or 'latest' (the default)."""
    for kind in formats or plugins.names("reports"):
        try:
            (path,) = api.report(run, [kind], settings, store=store, out=out)
        except MissingDependency as error:
            if formats:
                raise
            click.echo(f"no {kind} report: {error}", err=True)
        else:
            click.echo(path)
