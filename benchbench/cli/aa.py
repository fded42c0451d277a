"""``benchbench aa``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.cli.interrupts import TwiceToStop
from benchbench.cli.options import Duration, common, with_json
from benchbench.cli.output import duration, print_json, stdout_console
from benchbench.cli.progress import make_watcher
from benchbench.cli.table import plain
from benchbench.noise import Noise
from benchbench.turns_view import NoiseFigure

FAILED, STOPPED = 3, 130


@click.command("aa")
@click.argument("suite")
@common
@with_json
@click.option(
    "--cell",
    "cells",
    multiple=True,
    metavar="TEXT",
    help="Cells whose label holds TEXT (* is a wildcard); repeatable.  [default: the first]",
)
@click.option(
    "--pairs", type=click.IntRange(3, 1000), default=8, show_default=True, help="Pairs a cell."
)
@click.option(
    "--builds",
    type=click.IntRange(1, 100),
    default=1,
    help="Build the artifact so often, to tell builds' spread from processes'.",
)
@click.option("--budget", type=Duration(), metavar="TIME", help="Begin no pair after TIME.")
@click.option(
    "--gate", type=Duration(), metavar="TIME", help="Tell what a comparison of TIME can resolve."
)
def command(
    suite: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    cells: tuple[str, ...],
    pairs: int,
    builds: int,
    budget: float | None,
    gate: float | None,
) -> int:
    """Measure the noise of this machine: cells of SUITE against themselves.

    Two identical workers take turns, pair by pair. Told are the spread from pair to pair and the
    smallest difference that so many pairs can resolve, here and now. Nothing is added to a run.
    Exit codes: 0 done; 2 the suite or the command is wrong; 3 a worker failed; 130 stopped.
    """
    with TwiceToStop() as interrupts, make_watcher(quiet=as_json) as watcher:
        found = api.aa(
            suite,
            settings,
            cells=cells,
            pairs=pairs,
            builds=builds,
            budget_s=budget,
            gate_s=gate,
            store=store,
            watcher=watcher,
            interrupts=interrupts,
        )
    if as_json:
        print_json({"schema": 1, "cells": [one.model_dump(mode="json") for one in found]})
    else:
        _print(found)
    if interrupts.stop:
        return STOPPED
    return FAILED if any(one.failure for one in found) else 0


def _print(found: list[Noise]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("cell", "clock"):
        table.add_column(heading, overflow="fold")
    for heading in ("pairs", "spread", "resolves", "in the time", "alike?"):
        table.add_column(heading, justify="right")
    for one in found:
        if one.noise is None:
            continue
        for clock, figure in (("wall", one.noise.wall), ("CPU", one.noise.cpu)):
            table.add_row(plain(one.label), clock, str(one.noise.pairs), *_told(figure))
    console = stdout_console()
    console.print(table)
    for one in found:
        for line in _lines(one):
            console.print(line, highlight=False)


def _told(figure: NoiseFigure) -> tuple[str, str, str, str]:
    spread = "–" if figure.ratio.log_sd is None else f"{100 * figure.ratio.log_sd:.2f} %"
    low, high = figure.ratio.low, figure.ratio.high
    alike = "–" if low is None or high is None else "yes" if low <= 1 <= high else "no"
    return spread, _more(figure.resolvable), _more(figure.within_budget), alike


def _more(ratio: float | None) -> str:
    return "–" if ratio is None else f"{100 * (ratio - 1):.1f} %"


def _lines(one: Noise) -> list[str]:
    told = []
    if one.noise is not None and one.noise.wall.resolvable is not None:
        each = one.noise.seconds_per_pair
        took = f", {duration(each * one.noise.pairs)} here" if each else ""
        told.append(
            f"{plain(one.label)}: {one.noise.pairs_planned} pairs{took} find a true slowdown of"
            f" {_more(one.noise.wall.resolvable)} in {one.noise.power:.0%} of cases."
        )
    if one.turns is not None and one.turns.verdict == "regression":
        told.append(
            f"{plain(one.label)}: identical workers were called different: distrust comparisons"
            " made on this machine now."
        )
    if one.builds is not None:
        told.append(f"{plain(one.label)}: {_builds(one)}")
    if one.failure:
        told.append(f"{plain(one.label)}: failed: {plain(one.failure.message)}")
    return told


def _builds(one: Noise) -> str:
    found = one.builds
    assert found is not None
    if not found.builds:
        return plain(found.build_reason or "")
    build = found.build_reason if found.build_sd is None else f"{100 * found.build_sd:.2f} %"
    process = (
        found.process_reason if found.process_sd is None else f"{100 * found.process_sd:.2f} %"
    )
    return f"between {found.builds} builds: {build}; between processes of one: {process}"
