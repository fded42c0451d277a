"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The results store.  [default: .benchbench, or $BENCHBENCH_STORE]",
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Give a suite's variable or key (models.0.source.path) a value; repeatable.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


def common(command: Command) -> Command:
    """Add ``--store`` and ``--set``."""
    return store_option(set_option(command))


def with_json(command: Command) -> Command:
    """Add ``--json``."""
    return _JSON(command)
