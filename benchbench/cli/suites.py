"""``benchbench suites``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchbench.cli.options import with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.errors import SuiteError
from benchbench.suite import document
from benchbench.suite.model import card_folder, suite_folder


@click.command("suites")
@with_json
def command(as_json: bool) -> None:
    """List the suites and the dataset cards that can be named."""
    found = {"suites": _listed(suite_folder()), "datasets": _listed(card_folder())}
    if as_json:
        print_json(found)
        return
    console = stdout_console()
    for kind, entries in found.items():
        console.print(kind, style="bold")
        for entry in entries:
            console.print(f"  {entry['name']:24} {entry['title']}", highlight=False, markup=False)


def _listed(folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            entry = {"name": path.stem, "title": _title(path), "file": str(path)}
            found.setdefault(path.stem, entry)
    return list(found.values())


def _title(path: Path) -> str:
    try:
        data = document.load(path).data
    except SuiteError as error:
        return f"cannot be read: {error.message}"
    return str(data.get("title", "")) if isinstance(data, dict) else ""
