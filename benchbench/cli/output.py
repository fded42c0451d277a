"""How things are printed."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from benchbench.errors import BenchbenchError, SuiteError

if TYPE_CHECKING:
    from rich.console import Console


def print_error(error: Exception) -> int:
    """Print *error* on stderr, each problem with its place and hint; return the exit code."""
    if isinstance(error, SuiteError):
        for problem in error.problems:
            click.echo(f"error: {problem}", err=True)
        return error.exit_code
    if isinstance(error, BenchbenchError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    click.echo(f"error: {type(error).__name__}: {error}", err=True)
    click.echo(" hint: this should not happen; --debug shows the traceback", err=True)
    return 2


def print_json(value: Any) -> None:
    """Print *value* as one JSON object on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def stdout_console() -> Console:
    """Return a console for tables; plain and wide enough when stdout is not a terminal."""
    from rich.console import Console

    # Names come from files: what looks like markup or an emoji's name in them is text.
    if sys.stdout.isatty():
        return Console(markup=False, emoji=False)
    return Console(width=160, color_system=None, markup=False, emoji=False)


def figure(value: float | None, digits: int = 3) -> str:
    """Return a fraction of 1 with *digits* decimals, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def significant(value: float | None, digits: int = 3) -> str:
    """Return *value* with *digits* significant digits, as in reports, or a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def duration(seconds: float) -> str:
    """Return seconds as ``45 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Return bytes as ``12 kB`` or ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
