"""Confusion matrices: heat maps, or the pairs that are confused most often."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchbench.reports import confusion
from benchbench.reports.figures import alt
from benchbench.reports.figures.sheet import Page, Plate, Sheet
from benchbench.reports.figures.style import BOTTOM, INK, LEFT, MUTED, SHADES, TOP, WIDTH

MOST_PAGES = 6
"""Matrices of a group that are drawn."""
_MOST_BARS = 15


def confusion_pages(sheet: Sheet) -> Iterator[Plate]:
    """Yield a page a matrix, the first ones of the group."""
    found, left_out = confusion.drawn(sheet.group.cells)
    more = left_out + max(len(found) - MOST_PAGES, 0)
    for drawn in found[:MOST_PAGES]:
        note = f"Rows: {drawn.matrix.row_name}; columns: {drawn.matrix.column_name}. Per cent of"
        note += " the row; a row without a mark is empty."
        note += f" Not drawn: {more:,} more." if more else ""
        draw = partial(_page, sheet, drawn, note)
        yield Plate("confusion", f"Confusion · {drawn.title}", note, alt.confused(drawn), draw)


def _page(sheet: Sheet, drawn: confusion.Drawn, note: str) -> Any:
    page = sheet.page("Confusion", note)
    page.write(LEFT, 226, sheet.hand.fit(drawn.title, 8, WIDTH - 2 * LEFT), color=MUTED)
    (_heat if drawn.rows else _bars)(sheet, page, drawn)
    return page.figure


def _heat(sheet: Sheet, page: Page, drawn: confusion.Drawn) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    rows, columns = drawn.rows, drawn.matrix.columns
    room = 48.0  # for the names of the columns
    size = min(18.0, (TOP - 28 - room) / len(rows), (WIDTH - 150) / len(columns))
    top, left, small = TOP - 2 - room, 110.0, min(7.0, size * 0.62)
    axes = page.axes(left, top - size * len(rows), left + size * len(columns), top)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_axis_off()
    shares = [[square.share or 0.0 for square in row.squares] for row in rows]
    paint = LinearSegmentedColormap.from_list("share", ["#ffffff", SHADES[0]])
    axes.pcolormesh(shares, cmap=paint, vmin=0, vmax=1.3, edgecolor="#e1e5ea", linewidth=0.3)
    for at, name in enumerate(columns):
        page.write(left + size * (at + 0.62), top + 3, sheet.hand.fit(name, small, room - 6),
                   size=small, rotation=90, ha="center", va="bottom")  # fmt: skip
    for at, row in enumerate(rows):
        page.write(left - 5, top - size * (at + 0.5), sheet.hand.fit(row.name, small, 92),
                   size=small, ha="right", va="center_baseline")  # fmt: skip
        for place, square in enumerate(row.squares):
            if square.share:
                axes.text(place + 0.5, at + 0.5, confusion.share(square.share), size=small * 0.9,
                          ha="center", va="center_baseline", color=INK)  # fmt: skip


def _bars(sheet: Sheet, page: Page, drawn: confusion.Drawn) -> None:
    pairs = drawn.pairs[:_MOST_BARS]
    if not pairs:
        page.write(LEFT, 190, "No pair of different classes is confused.")
        return
    pitch = min(16.0, (TOP - BOTTOM) / len(pairs))
    axes = page.axes(220, TOP - pitch * len(pairs), WIDTH - 40, TOP)
    axes.set(ylim=(len(pairs), 0), yticks=[])
    axes.set_xlabel(f"number, the {len(pairs)} largest of {len(drawn.pairs) + drawn.more:,}")
    axes.set_xlim(0, pairs[0].count * 1.12)
    size = min(7.5, pitch * 0.7)
    for at, pair in enumerate(pairs):
        axes.barh([at + 0.5], [pair.count], height=0.6, color=SHADES[0])
        name = sheet.hand.fit(f"{pair.row} → {pair.column}", size, 200)
        page.write(LEFT, TOP - pitch * (at + 0.5), name, size=size, va="center_baseline")
        axes.annotate(confusion.count(pair.count), (pair.count, at + 0.5), xytext=(3, 0),
                      textcoords="offset points", size=size, va="center_baseline")  # fmt: skip
