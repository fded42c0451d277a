"""The table of cells that ``run`` and ``show`` print."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from benchbench.cli.output import figure, significant
from benchbench.view import CellView, RunView

_STATUS = {"measured": "green", "failed": "bold red", "not_run": "yellow"}


def cells_table(view: RunView) -> Table:
    """Return the cells as a table: what was asked, what ran, accuracy, latency."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for heading in ("model", "runtime", "asked", "ran"):
        table.add_column(heading, overflow="fold")
    for heading in ("accuracy", "p50 ms", "p90 ms", "p99 ms", "images/s"):
        table.add_column(heading, justify="right")
    table.add_column("remarks", overflow="fold")
    previous = None
    for cell in view.cells:
        if previous not in (None, (cell.model, cell.dataset)):
            table.add_section()
        previous = (cell.model, cell.dataset)
        table.add_row(*_row(cell))
    return table


def _row(cell: CellView) -> list[str | Text]:
    asked = cell.precision + ("" if cell.device == "cpu" else f" {cell.device}")
    asked += f" ×{cell.batch}" if cell.batch != 1 else ""
    head: list[str | Text] = [cell.model, cell.runtime, asked]
    if cell.status != "measured":
        message = cell.failure.message.splitlines()[0] if cell.failure else ""
        state = Text(cell.status.replace("_", " "), style=_STATUS[cell.status])
        return [*head, state, *["–"] * 5, Text(message, style="dim")]
    latency = cell.latency
    shown = [latency.p50_ms, latency.p90_ms, latency.p99_ms] if latency else [None] * 3
    return [
        *head,
        cell.placement.precision if cell.placement else "–",
        accuracy(cell),
        *[significant(value) for value in shown],
        significant(latency.throughput_ips if latency else None),
        Text(", ".join(c.code for c in cell.caveats if c.code != "single_process"), style="dim"),
    ]


def accuracy(cell: CellView) -> str:
    """Return the primary metric with its name."""
    if cell.primary is None:
        return "–"
    return f"{cell.primary} {figure(cell.metrics.get(cell.primary))}"
