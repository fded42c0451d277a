"""``benchbench doctor``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from benchbench.cli.options import with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.doctor import Health, examine
from benchbench.doctor.runtimes import RuntimeReport
from benchbench.types import Finding

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BROKEN = 3
_STATES = {"usable": "green", "broken": "bold red", "no device": "yellow", "not installed": "dim"}
_LEVELS = {"ok": "green", "warning": "yellow", "error": "bold red"}


@click.command("doctor")
@click.argument("runtimes", nargs=-1)
@with_json
def command(runtimes: tuple[str, ...], as_json: bool) -> int:
    """Say of each runtime whether it works here, on what, and what mends it.

    With RUNTIMES, look at these only. Each runtime's library is really imported, in a process of
    its own. Exit codes: 0 what is installed works; 2 no such runtime; 3 an installed runtime is
    broken, packages overwrite each other, or a runtime named here cannot be used.
    """
    found = examine(runtimes)
    if as_json:
        body = found.model_dump(mode="json")
        print_json({"schema": body.pop("schema_number"), **body})
    else:
        console = stdout_console()
        for part in render(found):
            console.print(part)
    unusable = runtimes and any(one.state != "usable" for one in found.runtimes)
    return BROKEN if unusable or found.faulty else 0


def render(found: Health) -> Iterator[RenderableType]:
    """Yield the parts of the page: a table of runtimes, then what was found."""
    from rich.text import Text

    yield _table(found.runtimes)
    for one in found.runtimes:
        told = list(_told(one))
        if told:
            yield Text(f"\n{one.name}", style="bold")
            yield _listed(told)
    yield Text("\nmachine", style="bold")
    yield _listed(found.machine)


def _table(reports: Iterable[RuntimeReport]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("runtime", "state", "versions", "devices and precisions"):
        table.add_column(heading, overflow="fold")
    for one in reports:
        listed = (f"{name} {v}" for name, v in one.versions.items() if name != "benchbench")
        versions = "\n".join(listed)
        table.add_row(one.name, Text(one.state, _STATES[one.state]), versions or "–", _devices(one))
    return table


def _devices(one: RuntimeReport) -> str:
    there = [device for device in one.devices if device.absent is None]
    lines = [
        f"{device.name}: {' '.join(device.precisions) or 'nothing'}"
        + (f" ({device.chip})" if device.chip else "")
        for device in there
    ]
    return "\n".join(lines) or "–"


def _told(one: RuntimeReport) -> Iterator[Finding]:
    """Yield the findings, with the reason why the runtime or a device cannot be used."""
    if one.state == "not installed" and one.reason:
        yield Finding(level="warning", message=one.reason, hint=one.hint)
    yield from one.findings
    told = " ".join(finding.message for finding in one.findings)
    for device in one.devices:
        if device.absent and device.absent not in told and one.state != "not installed":
            yield Finding(level="ok", message=f"no {device.name}: {device.absent}")


def _listed(findings: Iterable[Finding]) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, min_width=9)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(_level(finding), finding.message)
        if finding.hint:
            table.add_row("", f"→ {finding.hint}")
    return table


def _level(finding: Finding) -> Text:
    from rich.text import Text

    return Text(f"  {finding.level}", _LEVELS[finding.level])
