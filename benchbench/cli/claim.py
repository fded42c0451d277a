"""``benchbench claim``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from benchbench import api
from benchbench.claims import Style, latex, markdown, plain
from benchbench.claims_view import Claim
from benchbench.cli.options import common, with_json
from benchbench.cli.output import print_json


@click.command("claim")
@click.argument("run")
@click.argument("asked", required=False, metavar="['QUANTITY of CELL [vs CELL]']")
@common
@click.option("--all", "every", is_flag=True, help="List every claim that the run supports.")
@click.option(
    "--style",
    type=click.Choice(["short", "long"]),
    default="long",
    show_default=True,
    help="How much the footnote says: the short one leaves out protocol and software.",
)
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown with a footnote.")
@click.option("--latex", "form", flag_value="latex", help="Print LaTeX with a footnote.")
@with_json
def command(
    run: str,
    asked: str | None,
    store: Path | None,
    settings: tuple[str, ...],
    every: bool,
    style: Style,
    form: str | None,
    as_json: bool,
) -> None:
    """Print a sentence about RUN that may be quoted, with its interval, footnote and id.

    QUANTITY is a figure such as map, map[class=scratch], latency.p50 or energy. CELL is a label, a
    pattern of labels, words of it (openvino int8) or runtime=openvino,precision=int8; after 'vs' it
    is the cell that differs least. The claim is kept in the run, for verify-claim and lint-claims.
    """
    if every == (asked is not None):
        raise click.UsageError("give either 'QUANTITY of CELL [vs CELL]' or --all")
    if every:
        _list(api.claims(run, settings, store=store), as_json)
        return
    made = api.claim(run, asked or "", settings, store=store)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    write = {"markdown": markdown, "latex": latex}.get(form or "", plain)
    click.echo(write(made, style), nl=False)


def _list(found: Sequence[Claim], as_json: bool) -> None:
    if as_json:
        print_json({"schema": 1, "claims": [one.model_dump(mode="json") for one in found]})
        return
    for one in found:
        click.echo(f"{one.id}  {one.asked}\n    {one.sentence}\n")
    click.echo(
        f"{len(found)} claims; 'benchbench claim RUN \"…\"' prints one with its footnote"
        if found
        else "this run supports no claim: no cell of it was measured"
    )
