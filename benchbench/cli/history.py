"""``benchbench history``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from benchbench import api
from benchbench.cli.options import store_option, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.files import make_folder, write_atomic
from benchbench.history_view import HistoryView, SeriesView
from benchbench.trends import words

_STYLES = {"worse": "red", "better": "green"}


@click.command("history")
@click.argument("quantity")
@click.option("--suite", metavar="NAME", help="A suite, or a run of it.  [default: used last]")
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=GLOB",
    help="Only cells whose model, runtime, precision, device, batch, dataset, split, task or "
    "machine matches; repeatable.",
)
@click.option("--cell", metavar="PATTERN", help="Only cells whose label matches, such as '*int8*'.")
@click.option("--since", metavar="DATE", help="Only what was measured on this day or later.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=12,
    show_default=True,
    metavar="N",
    help="How many runs each table shows; all are searched for changes.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write a page with a chart of each cell.",
)
@store_option
@with_json
def command(
    quantity: str,
    suite: str | None,
    where: tuple[str, ...],
    cell: str | None,
    since: str | None,
    last: int,
    html: Path | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Show QUANTITY of each cell over the runs of a suite, and where it changed.

    QUANTITY is a figure's name: latency.p50, map, 'map[class=scratch]', energy, size ...
    Nothing is compared across machines, datasets or protocols.
    """
    view = api.history(quantity, suite, where=where, cell=cell, since=since, store=store)
    if html is not None:
        make_folder(html.parent)
        write_atomic(html, api.history_page(view))
    if as_json:
        print_json(view.document())
        return
    _print(stdout_console(), view, last)
    if html is not None:
        click.echo(f"\n{html}")


def _print(console: Console, view: HistoryView, last: int) -> None:
    runs = f"{view.runs} run{'s' if view.runs != 1 else ''}"
    console.print(f"{view.quantity} of suite {words.line(view.suite)}, {runs}", highlight=False)
    console.print(words.method(view), highlight=False, style="dim")
    for one in view.unread:
        console.print(f"not read: {words.line(one, 200)}", highlight=False)
    for series in view.series:
        console.print()
        for part in _block(series, last):
            console.print(part, highlight=False)


def _block(series: SeriesView, last: int) -> Iterator[Text | Table | Padding]:
    """Yield a cell: its name, its line of bars, what was found, and its last runs."""
    sense = "higher" if series.higher_is_better else "lower"
    data = f"{words.line(series.dataset, 40)}/{words.line(series.split, 30)}"
    yield Text(f"{words.line(series.label, 80)}   {data}   {sense} is better", style="bold")
    yield Text(f"  {words.spark(series)}")
    for number, part in enumerate(series.parts, 1):
        yield Text(f"  {words.part_line(series, number, part)}", style="dim")
        if part.broken_by:
            yield Text(f"    set apart by {words.differences(part.broken_by)}", style="dim")
    for made in series.changes:
        told = f"  {words.change(made)}: {words.where(made)}; {words.sureness(made)}"
        yield Text(told, style=_STYLES[made.outcome])
        if made.differing:
            yield Text(f"    what else differs: {words.differences(made.differing)}")
    yield Padding(_table(series, last), (0, 0, 0, 2))
    hidden = len(series.points) - last
    if hidden > 0:
        runs = "run is" if hidden == 1 else "runs are"
        yield Text(f"  {hidden} earlier {runs} not shown: --last {len(series.points)}", style="dim")


def _table(series: SeriesView, last: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("measured", "run", "commit", "machine"):
        table.add_column(name, no_wrap=name != "run", overflow="fold")
    table.add_column(words.line(series.quantity, 40), justify="right", no_wrap=True)
    table.add_column("interval")
    table.add_column("")
    changes = {made.at: made for made in series.changes}
    breaks = {part.begin for part in series.parts[1:]}
    for index in range(max(len(series.points) - last, 0), len(series.points)):
        point, made = series.points[index], changes.get(index)
        marks = Text(
            f"◀ {words.change(made)} " if made else "", _STYLES[made.outcome] if made else ""
        )
        marks.append("◀ a new part " if index in breaks else "", "bold")
        marks.append(words.remark(point), "")
        table.add_row(
            point.measured[:16].replace("T", " "),
            words.line(point.run, 60),
            words.commit(point),
            point.environment,
            words.value(series, point),
            words.interval(series, point),
            marks,
        )
    return table
