"""``benchbench report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from benchbench import api
from benchbench.cli.measured import plain
from benchbench.cli.options import common
from benchbench.errors import MissingDependency

_NOTES = 8
"""At most on the terminal."""
_PICTURES = 6
"""A cell, where a gallery is asked for without a number."""


@click.command("report")
@click.argument("run", default="latest")
@common
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="html, markdown, json, csv, figures or a plug-in; repeatable.  [default: the usual ones]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write.  [default: reports/RUN]",
)
@click.option(
    "--gallery",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Show the N worst images of each cell, and N of each pair of cells that disagree; adds"
    " the format gallery, or is 6 where that is asked for.  --set then says where the data lie.",
)
@click.option(
    "--disagree",
    type=(str, str),
    multiple=True,
    metavar="A B",
    help="With --gallery: show where these cells disagree, and no other pairs; repeatable.",
)
@click.option(
    "--trend",
    "trends",
    multiple=True,
    metavar="FIGURE",
    help="Show this figure over the runs of the suite, as 'history' does; repeatable.",
)
@click.option(
    "--brand",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Client, author, logo and colour of the documents (docs/reports.md).",
)
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    formats: tuple[str, ...],
    out: Path | None,
    gallery: int,
    disagree: tuple[tuple[str, str], ...],
    trends: tuple[str, ...],
    brand: Path | None,
) -> None:
    """Write the report of RUN: an id or its prefix, a suite's name, or 'latest' (the default)."""
    branded = api.brand_of(brand) if brand else None
    gallery = gallery or (_PICTURES if disagree or "gallery" in formats else 0)
    view = api.show(run, settings, store=store, gallery=gallery, disagree=disagree, trends=trends)
    _tell(view.gallery_notes)
    for kind in formats or [*api.usual_formats(), *(["gallery"] if gallery else [])]:
        try:
            (path,) = api.write_reports(view, [kind], out=out, brand=branded)
        except MissingDependency as error:
            if formats:
                raise
            click.echo(f"no {kind} report: {error}", err=True)
        else:
            click.echo(path)


def _tell(notes: Sequence[str]) -> None:
    for note in notes[:_NOTES]:
        click.echo(f"gallery: {plain(note)}", err=True)
    if len(notes) > _NOTES:
        click.echo(f"gallery: and {len(notes) - _NOTES} more notes: gallery.html", err=True)
