"""The cover, and the summary for those who read nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchbench.brand import Brand
from benchbench.reports import damaged, summary, terms, wording
from benchbench.reports.document import gate
from benchbench.reports.document.model import (
    Block,
    Callout,
    Cover,
    Items,
    Paragraph,
    Part,
    Span,
    Text,
    text,
)
from benchbench.reports.wording import plural, short
from benchbench.view import Comparison, RunView

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def cover(run: RunView, brand: Brand) -> Cover:
    """Return the first page; without a brand it tells of the run alone."""
    rows = (
        ("Client", short(brand.client, 200)),
        ("Project", short(brand.project, 200)),
        ("Author", short(brand.author, 200)),
        ("Organisation", short(brand.organisation, 200)),
        ("Date", date(run, brand)),
        ("Run", short(run.run, 80)),
        ("Suite", short(run.suite, 80)),
        ("Machine", wording.environment_line(run.environment) or "not recorded"),
        ("Measured with", f"benchbench {version(run)}"),
    )
    return Cover(
        title=short(brand.title or run.title or run.suite, 160),
        subtitle=short(brand.subtitle or run.description, 300),
        lines=tuple((name, told) for name, told in rows if told),
        logo=brand.logo,
        notice=short(brand.notice, 160),
        colour=brand.colour,
    )


def date(run: RunView, brand: Brand) -> str:
    """Return the brand's date, else that of the run; never that of the clock."""
    found = _DATE.match(run.created)
    return short(brand.date, 60) or (found[0] if found else short(run.created, 40))


def version(run: RunView) -> str:
    """Return the version that measured."""
    return short(run.environment.get("benchbench") or "of unknown version", 40)


def executive(run: RunView) -> Part:
    """Return the run in sentences with their numbers, the gate's verdict, and what is not shown."""
    sentences = tuple(
        (Span(one.lead, "strong"), Span(f" {one.text}")) for one in summary.summary(run)
    )
    blocks: list[Block] = [Paragraph(text(_lead(run)), "lead")] if run.description else []
    blocks += [gate.verdict(run.gate)] if run.gate else []
    blocks += [Items(sentences), Callout("What is not shown", tuple(_unshown(run)), "muted")]
    return Part("Executive summary", "summary", tuple(blocks))


def _lead(run: RunView) -> str:
    return short(run.description, 600)


def _unshown(run: RunView) -> Iterable[Text]:
    """Yield what a reader may not conclude: no interval, nothing shown, nothing measured."""
    yield text(terms.caution(run))
    found = [cell.comparison for cell in run.cells if cell.comparison]
    silent = [one for one in found if one.verdict == "inconclusive"]
    if silent:
        yield text(_silent(silent, len(found)))
    undecided = sum(view.verdict == "inconclusive" for view in run.turns)
    if undecided:
        pairs = plural(len(run.turns), "comparison")
        yield text(f"Of {pairs} by turn-taking, {undecided:,} cannot be decided.")
    broken = damaged.broken(run.cells)
    if broken:
        names = ", ".join(short(one.name, 60) for one in broken[:3])
        more = f" and {len(broken) - 3:,} more" if len(broken) > 3 else ""
        yield text(f"No figures: {names}{more}; the reasons stand under Limits and caveats.")
    if run.left:
        left = plural(len(run.left), "measurement")
        yield text(f"{left} left undone; named under Limits and caveats.")


def _silent(silent: list[Comparison], of: int) -> str:
    return (
        f"In {len(silent):,} of {plural(of, 'comparison')} of accuracy with fp32 no difference is "
        "shown; that is not the same as no difference."
    )
