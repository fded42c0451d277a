"""How it was measured: scenario, images, processes, scoring, intervals, and every setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchbench.folding import kept
from benchbench.reports import evidence, processes, protocol, sureness, terms, turns
from benchbench.reports.document.grids import said
from benchbench.reports.document.model import (
    Block,
    Column,
    Grid,
    Items,
    Line,
    Paragraph,
    Part,
    Span,
    Text,
    text,
)
from benchbench.reports.document.references import cite, of_dataset, used
from benchbench.reports.wording import plural, short
from benchbench.types import DatasetCard
from benchbench.view import RunView

MOST_SETTINGS = 80
_MOST_CARDS = 12


def method(run: RunView) -> Part:
    """Return the section; the protocol cards come last and only in documents."""
    blocks: list[Block] = [Paragraph(text(terms.limits(run)[1]))]
    shared = evidence.conditions(run.cells)
    blocks += [Paragraph(text(f"Every measured cell: {shared}."))] if shared else []
    inner = (
        Part("Images", "method-images", (Items(tuple(_datasets(run))),)),
        Part("Processes", "method-processes", (Items(tuple(_processes(run))),)),
        Part("Scoring", "method-scoring", (Items(tuple(_scoring(run))),)),
        Part("Intervals", "method-intervals", (Items(tuple(_intervals(run))),)),
        _protocol(run),
    )
    return Part("Method", "method", tuple(blocks), tuple(part for part in inner if _filled(part)))


def _filled(part: Part) -> bool:
    return any(not isinstance(block, Items) or block.items for block in part.blocks)


def _datasets(run: RunView) -> Iterable[Text]:
    cards = {card.name: card for card in run.datasets}
    for dataset, split in dict.fromkeys((c.dataset, c.split) for c in kept(run.cells)):
        counts = {
            cell.counts["images"]
            for cell in run.cells
            if (cell.dataset, cell.split) == (dataset, split) and "images" in cell.counts
        }
        images = " or ".join(f"{count:,}" for count in sorted(counts)) or "an unrecorded number of"
        name = f"{short(dataset, 60)} {short(split, 40)}: {images} images"
        yield _dataset(name, cards.get(dataset))


def _dataset(name: str, card: DatasetCard | None) -> Text:
    if card is None:
        return text(f"{name}. The run holds no card of it.")
    told = [short(card.title, 200), short(card.description, 600)]
    told += [f"Source: {short(card.source, 300)}"] if card.source else []
    told += [f"Licence: {short(card.licence, 80)}"] if card.licence else []
    body = " ".join(f"{part.rstrip('.')}." for part in told if part)
    found = of_dataset(card)
    cited = (" ", cite(found.key)) if found else ()
    return text(f"{name}. {body}".strip(), *cited)


def _processes(run: RunView) -> Iterable[Text]:
    cells = [cell for cell in kept(run.cells) if cell.status == "measured"]
    counted = Counter(processes.graded(c.processes) for c in cells if c.processes)
    for grade, count in counted.items():
        yield text(f"{plural(count, 'cell')} timed in fresh processes: {grade}.")
    single = sum(not cell.processes for cell in cells)
    if single:
        yield text(f"{plural(single, 'cell')} timed in one process.")
    if run.turns:
        found = turns.turns(run)
        yield text(found.intro if found else "", " ", cite("bulej2020"))


def _scoring(run: RunView) -> Iterable[Text]:
    keys = set(used(run))
    for evaluator in dict.fromkeys(cell.evaluator for cell in run.cells if cell.evaluator):
        yield text(f"{short(evaluator, 80)}; its rules stand under ", _PROTOCOL, ".")
    if "lin2014" in keys:
        yield text(f"{dict(terms.GLOSSARY)['mAP']} ", cite("lin2014"))
    if "reddi2020" in keys:
        yield text("Load scenarios are by MLPerf’s definitions ", cite("reddi2020"), ".")


_PROTOCOL = Span("Protocol", href="#method-protocol")


def _intervals(run: RunView) -> Iterable[Text]:
    keys, found = set(used(run)), dict[str, dict[str, None]]()
    for cell in run.cells:
        for name, told in sureness.method(cell).items():
            found.setdefault(name, {})[told] = None
    marks = {"intervals": "efron1993", "comparisons": "holm1979"}
    for name, ways in found.items():
        key = marks[name]
        ends = (" ", cite(key)) if key in keys else ()
        yield text(f"{name.capitalize()} of accuracy: {'; '.join(list(ways)[:6])}.", *ends)
    if any(cell.processes for cell in run.cells):
        found_in = processes.processes(run)
        yield text(found_in.intro if found_in else "")
    if "clopper1934" in keys:
        yield text("Shares of late queries have Clopper and Pearson’s interval ",
                   cite("clopper1934"), ".")  # fmt: skip
    if run.gate is not None:
        told = "A gate passes where every limit is shown to hold by itself "
        yield text(told, cite("berger1982"), "; a limit is broken only after Holm’s correction ",
                   cite("holm1979"), ".")  # fmt: skip


def _protocol(run: RunView) -> Part:
    blocks: list[Block] = []
    cards = protocol.cards(run.cells)
    for number, card in enumerate(cards[:_MOST_CARDS], 1):
        blocks.append(_card(card, f"table-protocol-{number}"))
    if len(cards) > _MOST_CARDS:
        left = plural(len(cards) - _MOST_CARDS, "more card")
        blocks.append(Paragraph(text(f"{left}: report.json."), "small"))
    if not blocks:
        blocks.append(Paragraph(text("The run records no protocol.")))
    return Part("Protocol", "method-protocol", tuple(blocks), slide=False)


def _card(card: protocol.Card, anchor: str) -> Block:
    title = short(card.title, 120)
    if not card.lines:
        return Paragraph(text(f"{title}. {card.closing}"))
    lines = tuple(
        Line(f"{short(one.section, 60)} › {short(one.key, 80)}".removeprefix(" › "),
             (said(short(one.value, 400)), said(_holders(one.cells))))
        for one in card.lines[:MOST_SETTINGS]
    )  # fmt: skip
    columns = (Column("Value", "left", 2.4), Column("Cells", "left", 1.4))
    more = max(len(card.lines) - MOST_SETTINGS, 0)
    return Grid(title, "Setting", columns, lines, anchor, more, card.closing)


def _holders(cells: tuple[str, ...]) -> str:
    if not cells:
        return "all"
    more = f" and {len(cells) - 12:,} more" if len(cells) > 12 else ""
    return ", ".join(short(name, 60) for name in cells[:12]) + more
