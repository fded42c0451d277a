"""``benchbench verify-claim``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from benchbench import api
from benchbench.claims_view import ClaimFigure, Verification
from benchbench.cli.options import store_option, with_json
from benchbench.cli.output import print_json
from benchbench.quantities import short


@click.command("verify-claim")
@click.argument("claim", metavar="ID|FILE.json")
@store_option
@with_json
def command(claim: str, store: Path | None, as_json: bool) -> int:
    """Derive a claim anew from raw samples and compare.

    ID may be shortened; FILE.json is a claim as --json prints it. Nothing that was derived before
    is used. Exit codes: 0 verified; 1 it differs, or
    another version's words say something else; 2 it cannot be verified (raw samples are missing
    or were altered, or none are kept).
    """
    found = api.verify_claim(claim, store=store)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        for line in _told(found):
            click.echo(line)
    return found.exit_code


_HEADS = {
    "verified": "verified",
    "reworded": "REWORDED",
    "differs": "DIFFERS",
    "unverifiable": "CANNOT BE VERIFIED",
}


def _told(found: Verification) -> Iterator[str]:
    checked = "1 array" if found.arrays == 1 else f"{found.arrays} arrays"
    yield f"{found.id} {_HEADS[found.outcome]}: {short(found.title)[1:-1]}, run {found.run}"
    yield f"  claimed        {_figure(found.old)}  (benchbench {found.old_version})"
    if found.new is not None:
        yield f"  derived anew   {_figure(found.new)}  (benchbench {found.new_version})"
    if found.outcome != "unverifiable":
        yield f"  raw samples    {checked}, each as its SHA-256 says; nothing derived was used"
    yield from (f"  why            {reason}" for reason in found.reasons)


def _figure(figure: ClaimFigure) -> str:
    if figure.value is None:
        return "none"
    unit = "" if figure.scale == "ratio" else f" {figure.unit}".rstrip()
    ends = ""
    if figure.low is not None and figure.high is not None:
        ends = f" ({figure.low:.6g} to {figure.high:.6g})"
    return f"{figure.value:.6g}{unit}{ends}"
