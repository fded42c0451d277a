"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from benchbench.errors import UsageError
from benchbench.units import seconds

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs alone
    """``90``, ``90s``, ``20m``, ``1h30m``: seconds as a number."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; fail for what is not a positive time."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return seconds(value)
        except UsageError:
            self.fail(f"{value!r} is not a time like 90s, 20m or 1h30m", param, ctx)


class Number(click.FloatRange):
    """A number between two ends. Click's own range lets nan through, as it is below no end."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; fail for nan."""
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value!r} is no number", param, ctx)
        return found


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
