"""Charts that a reader can edit, beside the numbers that they show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchbench.reports.document.model import Chart, Picture, Series
from benchbench.reports.workbook.book import Book, put

_WIDE, _HIGH = 24, 12
"""Size of a chart in centimetres."""


def chart_sheet(book: Book, picture: Picture, chart: Chart, name: str) -> Any:
    """Write the points of *chart* into a sheet of their own, and the chart beside them."""
    sheet = book.sheet(f"{name} data")
    book.title(put(sheet, 1, 1, f"{name}. {picture.caption}"))
    heads = ("Series", "Label", chart.x.title, "x low", "x high", chart.y.title, "low", "high")
    rows = [
        (series.name, point.label, point.x, point.x_low, point.x_high, point.y, point.low,
         point.high)
        for series in chart.series for point in series.points
    ]  # fmt: skip
    end = book.table(sheet, 3, heads, rows)
    made = _drawn(chart, sheet)
    made.title = None
    made.x_axis.title, made.y_axis.title = chart.x.title, chart.y.title
    made.x_axis.delete = made.y_axis.delete = False
    made.width, made.height = _WIDE, _HIGH
    sheet.add_chart(made, f"A{end + 2}")
    return sheet


def _drawn(chart: Chart, sheet: Any) -> Any:
    return _scatter(chart, sheet) if chart.kind != "bars" else _bars(chart, sheet)


def _ranges(chart: Chart) -> Iterable[tuple[Series, int, int]]:
    """Yield each series with the first and last row of its points."""
    at = 4
    for series in chart.series:
        if series.points:
            yield series, at, at + len(series.points) - 1
        at += len(series.points)


def _scatter(chart: Chart, sheet: Any) -> Any:
    from openpyxl.chart import Reference, ScatterChart
    from openpyxl.chart import Series as Drawn

    made = ScatterChart(scatterStyle="lineMarker")
    for series, first, last in _ranges(chart):
        xs = Reference(sheet, min_col=3, min_row=first, max_row=last)
        ys = Reference(sheet, min_col=6, min_row=first, max_row=last)
        drawn = Drawn(ys, xs, title=_title(series))
        drawn.marker.symbol, drawn.marker.size = "circle", 8
        if chart.kind == "scatter":
            drawn.graphicalProperties.line.noFill = True
        if series.colour:
            drawn.marker.graphicalProperties.solidFill = series.colour.lstrip("#").upper()
        made.series.append(drawn)
    for axis, told in ((made.x_axis, chart.x), (made.y_axis, chart.y)):
        axis.scaling.logBase = 10 if told.log else None
    return made


def _bars(chart: Chart, sheet: Any) -> Any:
    """Return bars; series of other categories stand below one another, each at its own."""
    from openpyxl.chart import BarChart, Reference
    from openpyxl.chart import Series as Drawn

    made = BarChart(barDir="bar")
    made.y_axis.scaling.min = 0
    categories = [point.x for series in chart.series for point in series.points]
    names = list(dict.fromkeys(categories))
    for row, name in enumerate(names, 4):
        put(sheet, row, 11, str(name))
    for column, series in enumerate(chart.series, 12):
        put(sheet, 3, column, series.name)
        found = {point.x: point.y for point in series.points}
        for row, name in enumerate(names, 4):
            put(sheet, row, column, found.get(name))
        values = Reference(sheet, min_col=column, min_row=4, max_row=3 + len(names))
        made.series.append(Drawn(values, title=_title(series)))
    made.set_categories(Reference(sheet, min_col=11, min_row=4, max_row=3 + len(names)))
    return made


def _title(series: Series) -> str:
    return series.name[:200]
