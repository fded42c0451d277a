"""The table of cells that ``run`` and ``show`` print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from benchbench.cli import measured
from benchbench.cli.measured import plain
from benchbench.cli.output import figure, significant
from benchbench.flat import COMPILED, OTHERWISE, PROXY, marks
from benchbench.folding import Fold, folds, kept
from benchbench.view import CellView, RunView, Speedup

__all__ = ["CellsTable", "accuracy", "cells_table", "plain", "reason", "remarks"]

WIDE, MIDDLE = 140, 110
"""Columns of text from which remarks, and then p90 and images a second, stand in the table."""
MOST_FALLS, MOST_REASONS = 2, 3
"""Corruptions that a row's remarks name, and failures on damaged images that lines tell."""
_STATUS = {"compiled": "cyan", "failed": "bold red", "not_run": "yellow"}
_LEGEND = {
    OTHERWISE: "ran otherwise than asked; the suite admits it by name",
    PROXY: "proxy: what ran is derived, or the file is made for another target",
    COMPILED: "compiled only: built and checked, but nothing here can run it",
}
_TOLD = {"single_process", "precision_admitted", "provider_admitted", "device_admitted", "proxy"}
"""Caveats that every row has, or that a mark tells."""

Columns = dict[str, str | Text]


@dataclass(frozen=True, slots=True)
class CellsTable:
    """What was asked, what ran, accuracy and latency of each cell; as wide as the console.

    Rows that ran otherwise than asked, proxies and rows that were only compiled carry a sign,
    which a line under the table explains. Where remarks have no column, they follow as lines.
    Folded cells, on damaged images, have no row: the remark of the row on the images as they are
    tells the worst of them, and a line counts them. Lines follow of what was taken beside the
    latency pass: :mod:`benchbench.cli.measured`.
    """

    view: RunView

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the table and the lines below it."""
        width = options.max_width
        cells, folded = kept(self.view.cells), folds(self.view.cells)
        rows = [_columns(cell, width, folded) for cell in cells]
        yield _table(cells, rows)
        below = [*_remark_lines(cells, folded)] if width < WIDE else []
        found = {sign for cell in self.view.cells for sign, _ in marks(cell)}
        below += [Text(f"{sign} {text}") for sign, text in _LEGEND.items() if sign in found]
        below += _damaged_lines(self.view.run, folded)
        taken = [*measured.lines(self.view)]
        for block in (below, taken):
            if block:
                yield Text("\n").join([Text(""), *block])


def cells_table(view: RunView) -> CellsTable:
    """Return the cells as a table for a rich console."""
    return CellsTable(view)


def _table(cells: Sequence[CellView], rows: list[Columns]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in rows[0] if rows else ("model", "runtime"):
        left = heading in ("model", "runtime", "asked", "ran", "precision", "remarks")
        table.add_column(
            heading, overflow="fold", justify="left" if left else "right", no_wrap=not left,
        )  # fmt: skip
    previous = None
    for cell, row in zip(cells, rows, strict=True):
        if previous not in (None, (cell.model, cell.dataset)):
            table.add_section()
        previous = (cell.model, cell.dataset)
        table.add_row(*row.values())
    return table


def _columns(cell: CellView, width: int, folded: Sequence[Fold]) -> Columns:
    late = cell.latency
    told: Columns = {"model": plain(cell.model), "runtime": plain(cell.runtime)}
    told |= {"asked": _asked(cell), "ran": _ran(cell)} if width >= MIDDLE else _short(cell)
    told |= {"accuracy": accuracy(cell), "p50 ms": significant(measured.median_ms(cell))}
    if width >= MIDDLE:
        told["p90 ms"] = significant(late.p90_ms if late else None)
    told["p99 ms"] = significant(late.p99_ms if late else None)
    if width >= MIDDLE:
        told["images/s"] = significant(late.throughput_ips if late else None)
    told["× fp32"] = f"{cell.speedup.ratio:.2f}×" if cell.speedup else "–"
    if width >= WIDE:
        told["remarks"] = Text(remarks(cell, folded), style="dim")
    return told


def _asked(cell: CellView) -> str:
    device = "" if cell.device == "cpu" else f" {cell.device}"
    return f"{cell.precision}{device}" + (f" ×{cell.batch}" if cell.batch != 1 else "")


def _ran(cell: CellView) -> str | Text:
    """Return the effective precision with the signs of the row, or its status."""
    signs = "".join(dict.fromkeys(sign for sign, _ in marks(cell)))
    if cell.status != "measured":
        words = f"{signs} compiled" if signs else cell.status.replace("_", " ")
        return Text(words, style=_STATUS[cell.status])
    precision = cell.placement.precision if cell.placement else "–"
    return Text(f"{precision} {signs}", style="bold yellow") if signs else precision


def _short(cell: CellView) -> Columns:
    """Return asked and ran in one column, for narrow terminals: ``bf16 → fp32 †``."""
    asked, ran = _asked(cell), _ran(cell)
    if cell.status == "compiled":
        return {"precision": Text(f"{asked} {COMPILED}", style=_STATUS["compiled"])}
    if str(ran).split()[0] == cell.precision and cell.status == "measured":
        asked, ran = "", Text.assemble(_asked(cell), str(ran).removeprefix(cell.precision))
    arrow = " → " if asked else ""
    return {"precision": Text.assemble(asked, arrow, ran)}


def _remark_lines(cells: Sequence[CellView], folded: Sequence[Fold]) -> Iterator[Text]:
    for cell in cells:
        if told := remarks(cell, folded):
            yield Text.assemble(f"{plain(cell.label)}: ", (told, "dim"))


def _damaged_lines(run: str, folded: Sequence[Fold]) -> Iterator[Text]:
    """Yield why folded cells have no figures, each reason once, and how many there are."""
    reasons: dict[str, list[Fold]] = {}
    for fold in folded:
        if fold.cell.status != "measured":
            words = fold.cell.status.replace("_", " ")
            reasons.setdefault(f"{words}: {reason(fold.cell)}", []).append(fold)
    for why, found in [*reasons.items()][:MOST_REASONS]:
        first = f"{plain(found[0].cell.label)}, {_damage(found[0])}"
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield Text(f"{first}{more} {why}")
    if folded:
        absent = sum(map(len, reasons.values()))
        cells = "1 cell" if len(folded) == 1 else f"{len(folded):,} cells"
        without = f", {absent:,} without figures" if absent else ""
        yield Text(f"{cells} on damaged images{without}: benchbench report {run}")


def _damage(fold: Fold) -> str:
    return f"{plain(fold.damage.title)} {fold.damage.severity}"


def remarks(cell: CellView, folded: Sequence[Fold] = ()) -> str:
    """Return what a reader must know of a row, on one line: marks, interval, doubts, reasons.

    Of *folded* cells those are told that damage costs this one most accuracy.
    """
    told = [f"{sign} {text}" for sign, text in marks(cell)]
    if cell.status != "measured":
        return ": ".join([*told, reason(cell)])
    other = cell.comparison
    if other and other.verdict in ("better", "worse"):
        told.append(f"accuracy {other.verdict} than fp32: {other.difference:+.3f}")
    told += [*_harmed(cell), *_falls(cell, folded)]
    if cell.speedup:
        told.append(_speed(cell.speedup))
    return ", ".join([*told, *(plain(c.code) for c in cell.caveats if c.code not in _TOLD)])


def _speed(found: Speedup) -> str:
    """Return the interval of the speed; of one process each it tells so: no more than a trend."""
    one = "" if found.rounds else ", one process each"
    return f"{found.low:.2f}–{found.high:.2f} × fp32 (95 %{one})"


def _harmed(cell: CellView) -> Iterator[str]:
    """Yield which slices, and how many classes, are worse than fp32 after correction."""
    slices = [
        plain(one.name)
        for one in cell.slices
        if one.comparison and one.comparison.verdict == "worse"
    ]
    classes = [one for one in cell.class_comparisons if one.verdict == "worse"]
    if slices:
        more = f" and {len(slices) - 3} more" if len(slices) > 3 else ""
        yield f"worse than fp32 on {', '.join(slices[:3])}{more}"
    if classes:
        yield f"worse than fp32 on {len(classes)} of {len(cell.class_comparisons)} classes"


def _falls(cell: CellView, folded: Sequence[Fold]) -> Iterator[str]:
    """Yield ``fog 5: -0.123``: the change by the worst severity of the two worst corruptions."""
    worst: dict[str, Fold] = {}
    own = [fold for fold in folded if fold.clean.id == cell.id and (fold.fall or 0.0) >= 0.0005]
    for fold in sorted(own, key=lambda one: -(one.fall or 0.0)):
        worst.setdefault(fold.damage.title, fold)
    for fold in [*worst.values()][:MOST_FALLS]:
        yield f"{_damage(fold)}: {fold.change:+.3f}"


def reason(cell: CellView) -> str:
    """Return in one line why a cell was not measured."""
    told = [cell.failure.message] if cell.failure else []
    told += [str(c.figures["reason"]) for c in cell.caveats if "reason" in c.figures]
    return next((plain(text) for text in told if text.strip()), "")


def accuracy(cell: CellView) -> str:
    """Return the primary metric with its name, ↓ where less is better, and half its interval."""
    if cell.primary is None:
        return "–"
    found = cell.intervals.get(cell.primary)
    reach = f" ±{found.high - found.value:.3f}" if found and found.high and found.value else ""
    arrow = " ↓" if cell.primary in cell.lower_is_better else ""
    return f"{cell.primary}{arrow} {figure(cell.metrics.get(cell.primary))}{reach}"
