"""Charts that readers of slides can edit, with their intervals as error bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from benchbench.reports.document.model import Axis, Chart, Point, Series
from benchbench.reports.office.common import INK, RULE, library, one_line
from benchbench.reports.office.workbook import Bars, Sheet, categories, scattered, tabled
from benchbench.reports.wording import short

_PACKAGE = "python-pptx"
MOST_CATEGORIES, MOST_POINTS, MOST_LABELS = 24, 240, 12
"""More than that is a picture: nobody reads such a chart."""
_NAME = 48
_FONT = 11
_XML = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'


def drawable(chart: Chart) -> bool:
    """Return whether *chart* is one that a slide can show: it has points, and not too many."""
    points = [point for series in chart.series for point in series.points]
    if not 0 < len(points) <= MOST_POINTS or len(categories(chart)) > MOST_CATEGORIES:
        return False
    if not all(math.isfinite(point.y) for point in points):
        return False
    return not chart.x.log or all(float(point.x) > 0 for point in points)


def named(chart: Chart) -> Chart:
    """Return *chart* with every name cleaned and short."""
    series = tuple(
        Series(_name(one.name), tuple(_point(point) for point in one.points), one.colour)
        for one in chart.series
    )
    return Chart(chart.kind, chart.x, chart.y, series)


def _name(words: str) -> str:
    return short(one_line(words), _NAME)


def _point(point: Point) -> Point:
    x = _name(point.x) if isinstance(point.x, str) else point.x
    return Point(x, point.y, point.x_low, point.x_high, point.low, point.high, _name(point.label))


def add(slide: Any, chart: Chart, where: Sequence[int]) -> Any:
    """Add *chart* to *slide* at *where* (left, top, width, height); return its frame."""
    chart = named(chart)
    numeric = all(not isinstance(p.x, str) for one in chart.series for p in one.points)
    sheet = scattered(chart) if numeric else tabled(chart)
    data, kind = _data(chart, numeric)
    frame = slide.shapes.add_chart(kind, *where, data)
    made = frame.chart
    made.part.chart_workbook.update_from_xlsx_blob(sheet.data)
    _looks(made, chart, numeric)
    for number, one in enumerate(chart.series):
        _series(made.plots[0].series[number], one)
        if numeric and len(list(_points(chart))) <= MOST_LABELS:
            _labels(made.plots[0].series[number], one, above=number % 2 == 0)
        _error_bars(made.plots[0].series[number], sheet, number)
    return frame


def _data(chart: Chart, numeric: bool) -> tuple[Any, Any]:
    kinds = library("pptx.enum.chart", _PACKAGE).XL_CHART_TYPE
    make = library("pptx.chart.data", _PACKAGE)
    if numeric:
        data = make.XyChartData()
        for one in chart.series:
            own = data.add_series(one.name)
            for point in one.points:
                own.add_data_point(float(point.x), point.y)
        return data, kinds.XY_SCATTER_LINES if chart.kind == "lines" else kinds.XY_SCATTER
    data = make.CategoryChartData()
    data.categories = categories(chart)
    for one in chart.series:
        found = {point.x: point.y for point in one.points}
        data.add_series(one.name, [found.get(name) for name in categories(chart)])
    return data, kinds.LINE_MARKERS if chart.kind == "lines" else kinds.BAR_CLUSTERED


# --- looks -------------------------------------------------------------------------------


def _looks(made: Any, chart: Chart, numeric: bool) -> None:
    points, places = library("pptx.util", _PACKAGE).Pt, library("pptx.enum.chart", _PACKAGE)
    made.has_title = False
    made.font.size = points(_FONT)
    made.has_legend = len(chart.series) > 1
    if made.has_legend:
        made.legend.position = places.XL_LEGEND_POSITION.BOTTOM
        made.legend.include_in_layout = False
    _axis(made.category_axis, chart.x, _reach(chart, "x") if numeric else ())
    _axis(made.value_axis, chart.y, _reach(chart, "y") if numeric else ())
    if chart.kind == "bars":
        made.category_axis.reverse_order = True
        made.category_axis.has_major_gridlines = False
        made.value_axis.tick_label_position = places.XL_TICK_LABEL_POSITION.HIGH
        several = sum(len(one.points) for one in chart.series)
        apart = several == len(categories(chart))
        made.plots[0].gap_width = 60 if several > 4 else 200
        made.plots[0].overlap = 100 if apart else 0


def _reach(chart: Chart, axis: str) -> list[float]:
    """Return what an axis must show: the points and the ends of their intervals."""
    found: list[float | None] = []
    for p in _points(chart):
        found += [float(p.x), p.x_low, p.x_high] if axis == "x" else [p.y, p.low, p.high]
    positive = (chart.x if axis == "x" else chart.y).log
    return [value for value in found if value is not None and (value > 0 or not positive)]


def _points(chart: Chart) -> Iterator[Point]:
    return (point for one in chart.series for point in one.points)


def _span(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    """Return the ends of an axis around *values*."""
    if _logarithmic(values, axis):
        return 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
    pad = max((max(values) - min(values)) * 0.25, abs(max(values)) * 0.02, 1e-6)
    step = _step(pad)
    low = max(math.floor((min(values) - pad) / step) * step, 0.0 if min(values) >= 0 else -math.inf)
    return round(low, 9), round(math.ceil((max(values) + pad) / step) * step, 9)


def _step(least: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is *least* or more."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(many * power for many in (1, 2, 5, 10) if many * power >= least)


def _logarithmic(values: Sequence[float], axis: Axis) -> bool:
    """Return whether an axis has logarithms: within a decade it would have no ticks to read."""
    return axis.log and max(values) > 10 * min(values)


def _axis(axis: Any, told: Axis, values: Sequence[float] = ()) -> None:
    """Dress an axis; of a scatter *values* are what it shows, and set its ends."""
    colour = library("pptx.dml.color", _PACKAGE).RGBColor.from_string
    axis.has_title = True
    axis.axis_title.text_frame.text = one_line(told.title)
    run = axis.axis_title.text_frame.paragraphs[0].runs[0]
    run.font.size, run.font.bold = library("pptx.util", _PACKAGE).Pt(_FONT), False
    axis.has_major_gridlines = True
    axis.major_gridlines.format.line.color.rgb = colour(RULE)
    if values:
        axis.minimum_scale, axis.maximum_scale = _span(values, told)
    if values and _logarithmic(values, told):
        scaling = axis._element.find("{*}scaling")  # noqa: SLF001 - the library has no logarithms
        scaling.insert(0, _parsed(f'<c:logBase {_XML} val="10"/>'))


def _series(series: Any, told: Series) -> None:
    fill = library("pptx.dml.color", _PACKAGE).RGBColor.from_string
    marker = getattr(series, "marker", None)
    if marker is not None:
        marker.style = library("pptx.enum.chart", _PACKAGE).XL_MARKER_STYLE.CIRCLE
        marker.size = 9
    if told.colour:
        shape = series.format if marker is None else marker.format
        shape.fill.solid()
        shape.fill.fore_color.rgb = fill(told.colour.lstrip("#").upper())


def _labels(series: Any, told: Series, *, above: bool) -> None:
    place = library("pptx.enum.chart", _PACKAGE).XL_LABEL_POSITION
    for at, point in enumerate(told.points):
        if point.label:
            label = series.points[at].data_label
            label.text_frame.text = point.label
            run = label.text_frame.paragraphs[0].runs[0]
            run.font.size = library("pptx.util", _PACKAGE).Pt(9)
            label.position = place.ABOVE if above else place.BELOW


# --- error bars --------------------------------------------------------------------------


def _error_bars(series: Any, sheet: Sheet, number: int) -> None:
    """Put the bars of series *number* where the format's order has them: before its values."""
    element = series._element  # noqa: SLF001 - the library has no error bars
    values = next(
        one for tag in ("xVal", "cat", "val") if (one := element.find(f"{{*}}{tag}")) is not None
    )
    for bars in sheet.bars[number]:
        values.addprevious(_parsed(_written(bars)))


def _written(bars: Bars) -> str:
    direction = f'<c:errDir val="{bars.direction}"/>' if bars.direction else ""
    return (
        f'<c:errBars {_XML} xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
        f'{direction}<c:errBarType val="both"/><c:errValType val="cust"/><c:noEndCap val="0"/>'
        f"<c:plus>{_numbers(bars.plus_at, bars.plus)}</c:plus>"
        f"<c:minus>{_numbers(bars.minus_at, bars.minus)}</c:minus>"
        f'<c:spPr><a:ln w="12700"><a:solidFill><a:srgbClr val="{INK}"/></a:solidFill></a:ln>'
        "</c:spPr></c:errBars>"
    )


def _numbers(where: str, values: Sequence[float | None]) -> str:
    told = "".join(
        f'<c:pt idx="{at}"><c:v>{float(value)!r}</c:v></c:pt>'
        for at, value in enumerate(values)
        if value is not None
    )
    cache = f'<c:formatCode>General</c:formatCode><c:ptCount val="{len(values)}"/>{told}'
    return f"<c:numRef><c:f>{where}</c:f><c:numCache>{cache}</c:numCache></c:numRef>"


def _parsed(xml: str) -> Any:
    return library("pptx.oxml", _PACKAGE).parse_xml(xml)
