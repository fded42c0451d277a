"""``benchbench cases``."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from benchbench import api
from benchbench.cases import Case
from benchbench.cli.options import common
from benchbench.spreadsheets import field


@click.command("cases")
@click.argument("run", default="latest")
@common
@click.option("--metric", "metrics", multiple=True, help="Only this metric; repeatable.")
@click.option("--by-class", is_flag=True, help="Values of each class, instead of their mean.")
def command(
    run: str,
    store: Path | None,
    settings: tuple[str, ...],
    metrics: tuple[str, ...],
    by_class: bool,
) -> None:
    """Print the accuracy of RUN image by image, as CSV.

    Each value is the metric as if the image were the whole dataset: Dice of a case, average
    precision of a picture. What one image alone does not define is empty. --set says where the
    data lie now, for the file names.
    """
    found = api.cases(run, settings, metrics=metrics, by_class=by_class, store=store)
    out = csv.writer(sys.stdout)
    out.writerow(Case.model_fields)
    for case in found:
        out.writerow([field(value) for value in case.model_dump().values()])
