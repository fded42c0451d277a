"""Slices and classes: the difference from fp32 of each, a dot and an interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.reports import parts
from benchbench.reports.figures import alt
from benchbench.reports.figures.sheet import Plate, Sheet
from benchbench.reports.figures.style import BOTTOM, INK, LEFT, MUTED, TOP, WARN, WIDTH
from benchbench.reports.grouping import finite
from benchbench.reports.sureness import bounds
from benchbench.reports.wording import ABSENT, delta, metric_name, plural

MOST_ROWS = 15
"""Parts on one page."""
MOST_CELLS = 6
"""Cells of a group that have pages of their own, those that are harmed first."""
_BAD = "#ad241b"
_SAID = {"inconclusive": "nothing shown"}


def part_pages(sheet: Sheet) -> Iterator[Plate]:
    """Yield the pages of the cells whose slices or classes are compared with fp32."""
    for kind in parts.PLURALS:
        found = [block for block in parts.blocks(sheet.group.cells, kind) if block.compared]
        found.sort(key=lambda block: not parts.harmed(block))
        for block in found[:MOST_CELLS]:
            for start in range(0, len(block.parts), MOST_ROWS):
                rows = block.parts[start : start + MOST_ROWS]
                title = f"{_title(block)} · {block.name}"
                draw, told = partial(_page, sheet, block, rows), alt.parted(block, rows)
                yield Plate("parts", title, _NOTE, told, draw)


_NOTE = (
    "Dot: difference from fp32 on the same images, hollow without an interval. Line: its own 95 % "
    "interval. Worse: after correction."
)


def _title(block: parts.Block) -> str:
    title = "Slices against fp32" if block.kind == "slice" else "Classes against fp32"
    return f"{title} ({plural(len(block.parts), block.kind, parts.PLURALS[block.kind])})"


def _page(sheet: Sheet, block: parts.Block, rows: Sequence[parts.Part]) -> Any:
    metric = metric_name(block.metric, block.cell.lower_is_better)
    page = sheet.page(_title(block), _NOTE)
    page.write(LEFT, 224, sheet.hand.fit(block.name, 8, WIDTH - 2 * LEFT), color=MUTED)
    pitch = min(20.0, (TOP - 12 - BOTTOM) / len(rows))
    axes = page.axes(150, TOP - 12 - pitch * len(rows), WIDTH - 122, TOP - 12)
    axes.set(ylim=(len(rows), 0), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.axvline(0.0, color=MUTED, lw=0.8)
    axes.set_xlim(-(widest := _widest(block)), widest)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"Δ {sheet.hand.fit(metric, 8, 120)}")
    size = min(7.5, pitch * 0.72)
    for at, part in enumerate(rows):
        y = TOP - 12 - pitch * (at + 0.5)
        name = sheet.hand.fit(part.name, size, 130)
        page.write(LEFT, y, name, size=size, va="center_baseline")
        worse = part.comparison is not None and part.comparison.verdict == "worse"
        page.write(WIDTH - 116, y, sheet.hand.fit(_told(part), size, 106), size=size,
                   va="center_baseline", color=_BAD if worse else MUTED)  # fmt: skip
        _dot(axes, at + 0.5, part, _BAD if worse else INK)
    return page.figure


def _widest(block: parts.Block) -> float:
    found = [part.comparison for part in block.parts if part.comparison]
    known = (finite(value) or 0.0 for c in found for value in (c.difference, c.low, c.high))
    return max(0.005, *map(abs, known)) * 1.08


def _told(part: parts.Part) -> str:
    found = part.comparison
    if found is None or finite(found.difference) is None:
        return ABSENT
    said = _SAID.get(found.verdict, found.verdict) if bounds(found) else "no interval"
    return f"{delta(found.difference)} {said}"


def _dot(axes: Any, y: float, part: parts.Part, shade: str) -> None:
    found = part.comparison
    if found is None or finite(found.difference) is None:
        return
    sure = bool(bounds(found))
    if sure:
        axes.plot([found.low, found.high], [y, y], color=shade, lw=1.0, solid_capstyle="butt")
    axes.scatter([found.difference], [y], s=12, facecolor=shade if sure else "white",
                 edgecolor=shade if sure else WARN, linewidth=0.8, zorder=3)  # fmt: skip
