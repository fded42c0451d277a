"""``benchbench plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchbench import api
from benchbench.cli.options import Number, common, with_json
from benchbench.cli.output import duration, print_json, size, stdout_console
from benchbench.cli.table import plain
from benchbench.confidence import PowerOf
from benchbench.forecast import Forecast
from benchbench.suite.load import load_suite
from benchbench.types import Cell


@click.command("plan")
@click.argument("suite")
@common
@click.option(
    "--power",
    "points",
    type=Number(0, 100, min_open=True),
    is_flag=False,
    flag_value=0.5,
    metavar="[POINTS]",
    help="Instead: how many images show a difference of POINTS (0.5) to fp32, by an earlier run.",
)
@with_json
def command(
    suite: str,
    store: Path | None,
    settings: tuple[str, ...],
    points: float | None,
    as_json: bool,
) -> None:
    """Show the cells of SUITE, what each will do, what is done, and a forecast of time and disk.

    With --power, SUITE may also name a run: at 80 % power and 95 % confidence, for each cell
    that is compared with fp32.
    """
    if points is not None:
        _power(api.power(_run_of(suite), settings, points=points, store=store), points, as_json)
        return
    plan, forecasts = api.plan(suite, settings, store=store)
    more = api.plan_takes(plan, store=store)
    if as_json:
        print_json(
            {
                "schema": 1,
                "suite": plan.loaded.suite.name,
                **_totals(forecasts),
                "cells": [_document(item) for item in forecasts],
                "takes": {"count": more.takes, "seconds": more.seconds, "kinds": more.kinds},
            }
        )
        return
    _print(forecasts)
    if more.takes:
        stdout_console().print(
            f"and {more.takes} fresh processes more ({', '.join(more.kinds)}), about"
            f" {duration(more.seconds)}, a guess",
            highlight=False,
        )


def _run_of(suite: str) -> str:
    """Return what the runs of *suite* are called: a path's suite has a name of its own."""
    return load_suite(suite).suite.name if suite.endswith((".yaml", ".yml")) else suite


def _power(found: list[PowerOf], points: float, as_json: bool) -> None:
    from rich.table import Table

    if as_json:
        print_json({"schema": 1, "points": points, "cells": [o.model_dump() for o in found]})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cell", "against", "metric"):
        table.add_column(heading, overflow="fold")
    for heading in ("images", "these show", f"{points:g} points need"):
        table.add_column(heading, justify="right")
    for one in found:
        answer = one.answer
        shows = "–" if answer.resolvable is None else f"{100 * answer.resolvable:.2f} points"
        needs = "–" if answer.images_needed is None else f"{answer.images_needed:,} images"
        names = plain(one.cell), plain(one.against), answer.metric
        table.add_row(*names, str(answer.images), shows, needs)
    console = stdout_console()
    console.print(table)
    for reason in dict.fromkeys(one.answer.reason for one in found if one.answer.reason):
        console.print(f"– {reason}", highlight=False)
    console.print(
        "\nAt 80 % power and 95 % confidence, one comparison alone; extrapolated: a standard error "
        "falls with the square root of the images.",
        highlight=False,
    )


def _totals(forecasts: list[Forecast]) -> dict[str, Any]:
    return {
        "seconds": round(sum(item.seconds for item in forecasts), 1),
        "bytes": sum(item.bytes for item in forecasts),
    }


def _document(item: Forecast) -> dict[str, Any]:
    cell = item.planned.cell
    names = ("id", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
    return {
        **{name: getattr(cell, name) for name in names},
        "state": item.state.replace(" ", "_"),
        "chain": _chain(cell),
        "builds": list(item.builds),
        "does": _does(item),
        "seconds": round(item.seconds, 1),
        "bytes": item.bytes,
        "basis": item.basis,
        "not_run": item.planned.not_run.message if item.planned.not_run else None,
    }


def _chain(cell: Cell) -> list[str]:
    start = str(cell.start or cell.spec["predictions"]["kind"])
    return [start, *(str(step.conversion["kind"]) for step in cell.chain)]


def _does(item: Forecast) -> list[str]:
    measure = item.planned.cell.spec["measure"]
    wanted = [name for name in ("accuracy", "latency") if measure[name]]
    return [f"build {name}" for name in item.builds] + wanted if item.seconds else []


def _print(forecasts: list[Forecast]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cell", "dataset", "model file → runtime", "state", "does"):
        table.add_column(heading, overflow="fold")
    for heading in ("time", "disk"):
        table.add_column(heading, justify="right")
    for item in forecasts:
        table.add_row(*_row(item))
    console = stdout_console()
    console.print(table)
    totals = _totals(forecasts)
    guesses = sum(item.basis == "guess" for item in forecasts)
    basis = f"; {guesses} of {len(forecasts)} are guesses" if guesses else ""
    console.print(
        f"\n{len(forecasts)} cells, about {duration(totals['seconds'])} "
        f"and {size(totals['bytes'])} to go{basis}",
        highlight=False,
    )


def _row(item: Forecast) -> list[str]:
    cell = item.planned.cell
    state = item.planned.not_run.message if item.planned.not_run else ""
    return [
        cell.label,
        f"{cell.dataset} {cell.split}",
        " → ".join(_chain(cell)),
        f"{item.state}: {state}" if item.state == "not run" else item.state,
        ", ".join(_does(item)) or "–",
        duration(item.seconds) if item.seconds else "–",
        size(item.bytes) if item.bytes else "–",
    ]
