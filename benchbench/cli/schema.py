"""``benchbench schema``."""

from __future__ import annotations

import click

from benchbench.cli.output import print_json
from benchbench.suite.schema import json_schema


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a suite, plug-ins included, so that editors complete and check."""
    print_json(json_schema())
