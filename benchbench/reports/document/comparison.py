"""Cells set against each other: precision, turn-taking, slices and classes, damaged images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.reports import parts, severity, sureness, wording
from benchbench.reports.document import cells, pictures
from benchbench.reports.document.grids import TONES, said, section
from benchbench.reports.document.model import (
    Block,
    Column,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Place,
    text,
)
from benchbench.reports.document.pictures import Album
from benchbench.reports.document.references import cite
from benchbench.reports.document.results import APART
from benchbench.reports.grouping import Group, finite
from benchbench.reports.tables import Section
from benchbench.reports.wording import ABSENT, plural, short
from benchbench.view import RunView


def comparison(
    run: RunView, groups: Sequence[Group], albums: Sequence[Album], taken: Sequence[Section]
) -> Part | None:
    """Return the section; None if the run compares nothing."""
    inner = [*_precision(groups, albums)]
    inner += [section(found) for found in taken if found.anchor in APART and found.anchor != "left"]
    inner += [_parted(some) for kind in parts.PLURALS if (some := parts.found(run, kind))]
    inner += [*_damaged(run)]
    return Part("Comparison", "comparison", (), tuple(inner)) if inner else None


def _precision(groups: Sequence[Group], albums: Sequence[Album]) -> Iterable[Part]:
    several = len(groups) > 1
    for at, (group, album) in enumerate(zip(groups, albums, strict=True), 1):
        grid = cells.precision(group, f"table-precision-{at}")
        if grid is not None:
            title = "Reduced precision" + (f": {short(group.title, 80)}" if several else "")
            blocks = (grid, *album.of(("ladder",)))
            yield Part(title, f"comparison-precision-{at}", blocks)
        if parted := album.of(("parts",)):
            title = "Differences by part" + (f": {short(group.title, 80)}" if several else "")
            yield Part(title, f"comparison-parts-{at}", parted)


# --- slices and classes ------------------------------------------------------------------


def _parted(found: parts.Found) -> Part:
    sliced, many = found.kind == "slice", parts.PLURALS[found.kind]
    blocks: list[Block] = [Items(tuple(text(told) for told in found.sentences))]
    if found.more_sentences:
        blocks.append(_rest(f"{plural(found.more_sentences, 'cell')} more"))
    blocks += [
        _block(block, f"table-parts-{many}-{at}") for at, block in enumerate(found.blocks, 1)
    ]
    if found.more_blocks:
        blocks.append(_rest(f"The tables of {plural(found.more_blocks, 'more cell')}"))
    title = "Slices against fp32" if sliced else "Classes against fp32"
    return Part(title, many, tuple(blocks))


def _rest(words: str) -> Paragraph:
    return Paragraph(text(f"{words}: report.json."), "small")


def _block(block: parts.Block, anchor: str) -> Grid:
    sliced = block.kind == "slice"
    name = wording.metric_name(block.metric, block.cell.lower_is_better)
    columns = (
        *((Column("Images"), Column("Objects")) if sliced else ()),
        Column(name), Column("Difference"), Column("Shown", "left", 1.8),
    )  # fmt: skip
    lines = tuple(_part(part) for part in block.parts)
    heading = "Slice" if sliced else "Class"
    return Grid(short(block.name, 160), heading, columns, lines, anchor, block.more)


def _part(part: parts.Part) -> Line:
    one = part.slice
    numbers = (one.images, one.objects) if one else ()
    counts = tuple(Place(f"{number:,}", number) for number in numbers)
    own = part.interval
    value = Place(ABSENT, reason=part.reason or "the run gives no reason")
    if part.value is not None:
        ends = (own.low, own.high) if own else (None, None)
        value = Place(wording.fraction(part.value), part.value, finite(ends[0]), finite(ends[1]),
                      detail=sureness.half(own))  # fmt: skip
    beside = f"{short(one.definition, 120)}; {one.of} chosen" if one else ""
    return Line(short(part.name, 60), (*counts, value, *_against(part)), beside)


def _against(part: parts.Part) -> tuple[Place, Place]:
    found = part.comparison
    change = finite(found.difference) if found else None
    shown = sureness.verdict(found)
    if found is None or change is None:
        reason = part.reason or "there is no fp32 cell to compare with"
        return Place(ABSENT, reason=reason), said(shown)
    beside = sureness.probability(found) if sureness.bounds(found) else ""
    return (
        Place(wording.delta(change), change, finite(found.low), finite(found.high),
              sureness.bounds(found)),
        Place(shown, detail=beside, tone=TONES.get(found.verdict, "")),
    )  # fmt: skip


# --- damaged images ----------------------------------------------------------------------


def _damaged(run: RunView) -> Iterable[Part]:
    found = severity.panels(run.cells)
    if not found:
        return
    intro = Paragraph(text(f"{_SEVERITY} ", cite("hendrycks2019"), "."))
    shown = found[: severity.MOST_PANELS]
    grids = tuple(_panel(panel, f"table-severity-{at}") for at, panel in enumerate(shown, 1))
    more = len(found) - len(shown)
    rest = (_rest(plural(more, "more corruption")),) if more else ()
    blocks = (intro, *pictures.damaged(run).of(("severity",)), *grids, *rest)
    yield Part("Accuracy against severity", "severity", blocks)


_SEVERITY = (
    "The same images, damaged ever more; severity 0 is the images as they are. ± is half an "
    "interval at this number of images, Δ the change from severity 0"
)


def _panel(panel: severity.Panel, anchor: str) -> Grid:
    lower = [panel.metric] if panel.lower_is_better else []
    caption = f"{short(panel.title, 120)}: {wording.metric_name(panel.metric, lower)}"
    columns = tuple(Column(str(severity)) for severity in severity.SEVERITIES)
    rows = panel.rows[: severity.MOST_PANELS]
    lines = tuple(Line(line.name, tuple(_points(line))) for line in rows)
    return Grid(caption, "Cell", columns, lines, anchor, len(panel.rows) - len(rows))


def _points(line: severity.Line) -> Iterable[Place]:
    """Yield the accuracy at each severity, with its change from the images as they are."""
    clean = line.points[0].value
    for point in line.points:
        if point.value is None:
            yield Place(ABSENT, reason=point.reason or "the run gives no reason")
            continue
        own = point.interval
        low, high = (own.low, own.high) if own else (None, None)
        told = [sureness.half(own)]
        if clean is not None and point.severity:
            told.append(f"Δ {wording.delta(point.value - clean)}")
        yield Place(wording.fraction(point.value), point.value, finite(low), finite(high),
                    ", ".join(text for text in told if text))  # fmt: skip
