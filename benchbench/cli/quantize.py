"""``benchbench quantize``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from benchbench import api
from benchbench.cli.options import common, with_json
from benchbench.cli.output import figure, print_json, size, stdout_console
from benchbench.cli.progress import make_watcher

FAILED = 3


@click.command("quantize")
@click.argument("suite")
@common
@with_json
@click.option("--model", "models", multiple=True, help="Only this model of the suite; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Copy artifacts there.")
@click.option("--sensitivity", is_flag=True, help="Rank layers by what quantizing each one costs.")
@click.option(
    "--images",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Calibration images that --sensitivity measures on.",
)
def command(
    suite: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    models: tuple[str, ...],
    out: Path | None,
    sensitivity: bool,
    images: int,
) -> int:
    """Build the int8 artifacts of SUITE, or rank their layers.

    With --sensitivity each layer is quantized alone; those that cost most are kept in float, one
    more each time, until enough of the loss is back. Only calibration images are used. Exit codes:
    0 done; 2 nothing to do; 3 an artifact could not be built.
    """
    with make_watcher(quiet=as_json) as watcher:
        found: list[Any]
        if sensitivity:
            found = api.sensitivity(
                suite, settings, models=models, images=images, store=store, watcher=watcher
            )
        else:
            found = api.quantize(
                suite, settings, models=models, store=store, out=out, watcher=watcher
            )
    if as_json:
        key = "rankings" if sensitivity else "artifacts"
        print_json({"schema": 1, key: [one.model_dump(mode="json") for one in found]})
    else:
        for one in found:
            _print_ranking(one) if sensitivity else _print_artifact(one)
    return FAILED if any(one.failure for one in found) else 0


def _failed(one: Any) -> bool:
    if one.failure is None:
        return False
    click.echo(f"failed: {one.model} · {one.runtime}: {one.failure.message}")
    if one.failure.hint:
        click.echo(f" hint: {one.failure.hint}")
    return True


def _print_artifact(one: Any) -> None:
    if _failed(one):
        return
    told = [facts["calibration"] for facts in one.facts.values() if "calibration" in facts]
    how = ", ".join(f"{k} {v}" for facts in told for k, v in facts.items())
    click.echo(f"{one.model} · {one.runtime}: {one.variant}, {size(one.bytes)}: {one.file}")
    if how:
        click.echo(f"  calibration: {how}")


def _print_ranking(one: Any) -> None:
    from rich.table import Table

    if _failed(one):
        return
    found = one.sensitivity
    console = stdout_console()
    console.print(
        f"{one.model} · {one.runtime}, {found.images} calibration images", highlight=False
    )
    if found.metric:
        console.print(
            f"{found.metric} in float {figure(found.float_score, 4)}; all layers int8: "
            f"{_points(found.quantized.points)} points, worst output {_db(found.quantized.snr_db)}",
            highlight=False,
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("int8 only in", overflow="fold")
    for heading in ("points", "worst output"):
        table.add_column(heading, justify="right")
    for cost in found.layers[:12]:
        table.add_row(cost.layer, _points(cost.points), _db(cost.snr_db))
    console.print(table)
    if len(found.layers) > 12:
        console.print(f"… and {len(found.layers) - 12} layers that cost less", highlight=False)
    for line in _advice(found):
        console.print(line, highlight=False, soft_wrap=True)


def _advice(found: Any) -> list[str]:
    lines = [
        f"in float: {', '.join(p.exclude)}: {_points(p.points)} points, {_db(p.snr_db)}"
        for p in found.proposals
    ]
    if found.chosen is None:
        little = found.quantized.points is not None and found.quantized.points > -0.1
        return [*lines, "no exclusion is needed" if little else "no exclusion was found to suffice"]
    names = json.dumps(list(found.proposals[found.chosen].exclude))
    return [
        *lines,
        "to exclude these layers, put into the suite:",
        f"conversions:\n  - kind: {found.conversion}\n    exclude: {names}",
    ]


def _points(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _db(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} dB"
