"""``benchbench recommend``."""

from __future__ import annotations

from pathlib import Path

import click

from benchbench import api
from benchbench.cli.options import common, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.cli.recommended import lines
from benchbench.recommending import DRAWS, Question
from benchbench.recommending.money import RATES, Money, Rate, amount, hours


@click.command("recommend")
@click.argument("run", default="latest")
@common
@with_json
@click.option(
    "--require",
    multiple=True,
    metavar="LIMIT",
    help="'map>=0.35', 'latency.p99<=10ms'; repeatable.",
)
@click.option("--minimize", multiple=True, metavar="FIGURE", help="'energy', 'cost.owned' …; one.")
@click.option("--maximize", multiple=True, metavar="FIGURE", help="'map', 'throughput' …; one.")
@click.option(
    "--where", multiple=True, metavar="KEY=PATTERN", help="Cells to choose among; repeatable."
)
@click.option(
    "--without",
    multiple=True,
    metavar="CAVEAT",
    help="Leave out cells with this; repeatable.",
)
@click.option(
    "--price", multiple=True, metavar="[DEVICE=]AMOUNT/h", help="Price of an hour, not the suite's."
)
@click.option("--device-price", multiple=True, metavar="[DEVICE=]AMOUNT", help="Price of a device.")
@click.option("--life", metavar="TIME", help="How long a bought device lasts: 3y, 18mo, 20000h.")
@click.option("--kwh-price", metavar="AMOUNT", help="Price of a kilowatt-hour.")
@click.option("--cameras", type=click.IntRange(1), metavar="N", help="Cameras to be served.")
@click.option(
    "--rate",
    type=click.Choice(RATES),
    default=RATES[0],
    show_default=True,
    help="The throughput that frames are counted by in costs.",
)
@click.option(
    "--draws", type=click.IntRange(100, 20_000), default=DRAWS, show_default=True, help="Draws."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws.")
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    require: tuple[str, ...],
    minimize: tuple[str, ...],
    maximize: tuple[str, ...],
    where: tuple[str, ...],
    without: tuple[str, ...],
    price: tuple[str, ...],
    device_price: tuple[str, ...],
    life: str | None,
    kwh_price: str | None,
    cameras: int | None,
    rate: Rate,
    draws: int,
    seed: int,
) -> None:
    """Say which cell of RUN to deploy: the best by one figure, within limits on others.

    RUN is an id or its prefix, a suite's name, or 'latest' (the default). Told are the probability
    that each cell is the best within the limits, what binds, what a relaxation would buy, and the
    Pareto front. Prices make further figures: cost.million, cost.device, cost.energy, cost.owned,
    devices, devices.price. Exit codes: 0 answered, also where no cell is within the limits; 2 the
    command is wrong.
    """
    money = Money(
        hourly=tuple(amount(text, "h") for text in price),
        bought=tuple(amount(text, "device") for text in device_price),
        life_h=hours(life) if life else None,
        kwh=amount(kwh_price, "kWh") if kwh_price else None,
        cameras=cameras,
        rate=rate,
    )
    question = Question(require, minimize, maximize, where, without, money, draws, seed)
    view = api.recommend(run, question, settings, store=store)
    if as_json:
        print_json(view.document())
        return
    console = stdout_console()
    for line in lines(view):
        console.print(line, highlight=False, soft_wrap=False)
