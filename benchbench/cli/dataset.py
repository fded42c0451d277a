"""``benchbench dataset``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from benchbench import api
from benchbench.cli.options import set_option, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.cli.table import plain
from benchbench.types import TaskName

if TYPE_CHECKING:
    from benchbench.inspecting import Inspection
    from benchbench.inspecting.findings import Trouble

FAULTY = 3
_LEVELS = {"note": "dim", "warning": "yellow", "error": "bold red"}


@click.group("dataset")
def command() -> None:
    """Look at datasets."""


@command.command("check")
@click.argument("name")
@click.argument("dataset", required=False)
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only this; repeatable.")
@click.option("--task", type=click.Choice(get_args(TaskName)), default="detection")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a contact sheet of each split (PNG) into this folder.",
)
@set_option
@with_json
def check(
    name: str,
    dataset: str | None,
    splits: tuple[str, ...],
    task: TaskName,
    sheet: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
) -> int:
    """Find what spoils a benchmark on a dataset, before anything is measured.

    NAME is a card or a suite, by name or path; DATASET picks one of a suite's. Every image is
    read: duplicates and look-alikes within and across splits, boxes outside their image, repeated
    annotations, classes without objects, absurd sizes. Exit codes: 0 nothing that makes scores
    wrong; 2 no such dataset; 3 errors were found.
    """
    found = api.inspect(name, dataset, splits, task=task, sheet=sheet, settings=settings)
    if as_json:
        bodies = [one.model_dump(mode="json", exclude={"schema_number"}) for one in found]
        print_json({"schema": found[0].schema_number, "datasets": bodies})
    else:
        for one in found:
            _print(one)
    return FAULTY if any(one.faulty for one in found) else 0


def _print(found: Inspection) -> None:
    from rich.table import Table

    console = stdout_console()
    table = Table(title=plain(found.dataset), title_justify="left", box=None, pad_edge=False)
    for heading in ("split", "images", "objects", "crowd", "classes", "width px", "height px"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for one in found.splits:
        table.add_row(
            plain(one.split),
            *map(str, (one.images, one.annotations, one.crowd, len(one.per_class))),
            _range(one.widths_px),
            _range(one.heights_px),
        )
    console.print(table)
    console.print(_listed(found.troubles) if found.troubles else "\nnothing was found")


def _examples(one: Trouble) -> list[str]:
    """Return the lines that name examples; short names share one."""
    shown = [plain(example) for example in one.examples]
    more = [f"… and {one.count - len(shown)} more"] if one.count > len(shown) > 0 else []
    together = ", ".join([*shown, *more])
    return [together] if together and len(together) <= 100 else [*shown, *more]


def _range(values: tuple[int, int, int]) -> str:
    least, median, most = values
    return str(median) if least == most else f"{least}…{median}…{most}"


def _listed(troubles: Iterable[Trouble]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, min_width=9)
    table.add_column(overflow="fold")
    for one in troubles:
        where = f"{one.split}: " if one.split else ""
        line = plain(f"{where}{one.count} {one.message} [{one.code}]")
        table.add_row(Text(f"\n{one.level}", _LEVELS[one.level]), Text(f"\n{line}"))
        for example in _examples(one):
            table.add_row("", Text(example, "dim"))
        if one.hint:
            table.add_row("", Text(f"→ {plain(one.hint)}"))
    return table
