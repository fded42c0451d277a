"""A recommendation as it is printed: the verdict, the cells, what binds, what relaxing buys."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from benchbench import units
from benchbench.cli.measured import plain
from benchbench.recommend_view import Asked, Candidate, Check, RecommendView, Relaxation, Shown

MOST_ROWS = 20
"""Cells in the table; the others are counted."""
MOST_ABSENT = 10
_LONGEST = 60
UNLIKELY = 0.05
"""Share of the draws without a cell within the limits that the verdict leaves untold."""
_STYLE = {"holds": "green", "broken": "red", "not shown": "yellow"}


def lines(view: RecommendView) -> Iterator[RenderableType]:
    """Yield what is printed, the verdict first."""
    yield Text(verdict(view), style="bold" if view.recommended else "bold yellow")
    yield Text(_heading(view), style="dim")
    whole = [one for one in view.candidates if _whole(view, one)]
    if whole:
        yield Text("")
        yield _table(view, whole)
    for block in (_binding(view), _relaxed(view), _absent(view), _notes(view)):
        if block:
            yield Text("")
            yield from block


def share(p: float | None) -> str:
    """Return a share of the draws in percent; what is not quite all or none never reads so."""
    if p is None:
        return "–"
    if 0 < p < 0.005:
        return "< 1 %"
    if 0.995 <= p < 1:
        return "> 99 %"
    return f"{100 * p:.0f} %"


# --- sentences ---------------------------------------------------------------------------


def verdict(view: RecommendView) -> str:
    """Return the answer in a sentence or two."""
    by_id = {one.cell: one for one in view.candidates}
    if view.recommended is None:
        return _refusal(view, by_id)
    one, rivals = by_id[view.recommended], [by_id[name] for name in view.between]
    told = f"{view.objective.quantity} {_value(one.objective, view.objective)}"
    if rivals == [one]:
        first = (
            f"Deploy {_name(one.label)}: {told}. It is the best{_within(view)} in {_of(one, view)}."
        )
    elif one in rivals:
        together = share(sum(rival.p_best for rival in rivals))
        first = (
            f"Choose between {_odds(rivals)}: one of them is the best{_within(view)} in {together}"
            f" of {view.draws:,} draws. At the best estimate {_name(one.label)}: {told}."
        )
    else:
        first = (
            f"At the best estimate deploy {_name(one.label)}: {told}; but it is the best"
            f"{_within(view)} in only {_of(one, view)}, {_odds(rivals)} more often."
        )
    rest = f" In {share(view.p_none)} of them no cell is{_within(view)}."
    return first + (rest if view.p_none > UNLIKELY else "") + _open(view)


def _open(view: RecommendView) -> str:
    """Return that the order is not shown, where the objective of a rival is but an end."""
    ends = [one.objective.bound for one in view.candidates if one.objective.bound]
    if not ends or len(view.candidates) < 2:
        return ""
    told = "≥ may be more" if ends[0] == "at least" else "≤ may be less"
    return f" What is marked {told}: the order of such cells is not shown."


def _odds(cells: list[Candidate]) -> str:
    return _listed([f"{_name(one.label)} ({share(one.p_best)})" for one in cells])


def _of(one: Candidate, view: RecommendView) -> str:
    return f"{share(one.p_best)} of {view.draws:,} draws"


def _refusal(view: RecommendView, by_id: dict[str, Candidate]) -> str:
    within = [one for one in view.candidates if one.feasible]
    if within:
        why = plain(within[0].objective.reason or "")
        figure = f"a figure of {view.objective.quantity}: {why}."
        if not view.requirements:
            return f"No recommendation: no cell has {figure}"
        single = len(within) == 1
        count = "1 cell is" if single else f"{len(within)} cells are"
        none = "it has not" if single else "none has"
        return f"No recommendation: {count}{_within(view)}, but {none} {figure}"
    if view.nearest is None:
        return "No recommendation: no cell has every figure that is asked for."
    told = f"No cell is{_within(view)} at the best estimate"
    told += f"; in {share(view.p_none)} of {view.draws:,} draws none is."
    one = by_id[view.nearest]
    broken = [_broken(view, one, check.requirement) for check in one.checks if not check.holds]
    return f"{told} The nearest is {_name(one.label)}, which breaks {_listed(broken)}."


def _within(view: RecommendView) -> str:
    count = len(view.requirements)
    if count == 0:
        return ""
    return " within the limit" if count == 1 else f" within the {count} limits"


def _heading(view: RecommendView) -> str:
    parts = [view.run, view.dataset, view.split, view.task]
    asked = [one.text for one in view.requirements]
    aim = f"{view.objective.sense} {view.objective.text}"
    return f"{' · '.join(plain(part) for part in parts)}   {', '.join([*asked, aim])}"


def _binding(view: RecommendView) -> list[Text]:
    by_id, told = {one.cell: one for one in view.candidates}, []
    if view.recommended is not None and view.requirements:
        told.append(Text(_bound(view, by_id[view.recommended])))
    if view.unconstrained not in (None, view.recommended) and view.excluded_by:
        one = by_id[str(view.unconstrained)]
        value = _value(one.objective, view.objective, interval=False)
        broken = [_broken(view, one, text) for text in view.excluded_by]
        told.append(
            Text(f"Without limits {_name(one.label)} would be the best ({value}); it is kept out by"
                 f" {_listed(broken)}.")
        )  # fmt: skip
    return told


def _bound(view: RecommendView, one: Candidate) -> str:
    if view.binding is None:
        return "Which limit binds cannot be told: no figure that is limited has a known spread."
    asked, check = next(
        pair for pair in zip(view.requirements, one.checks, strict=True)
        if pair[0].text == view.binding
    )  # fmt: skip
    room = _room(check.slack or 0.0, asked)
    return (
        f"What binds is {asked.text}: {_value(check.figure, asked)}, {room} or"
        f" {check.slack_errors:.1f} standard errors inside it; it holds in {share(check.p)} of the"
        " draws."
    )


def _room(slack: float, asked: Asked) -> str:
    if asked.unit == "" and abs(slack) < 0.01:
        return f"{slack:.1g}"
    return _number(slack, asked)


def _broken(view: RecommendView, one: Candidate, text: str) -> str:
    asked, check = next(
        pair for pair in zip(view.requirements, one.checks, strict=True) if pair[0].text == text
    )
    if check.figure.value is None:
        return f"{text} ({plain(check.figure.reason or 'absent')})"
    return f"{text} ({_value(check.figure, asked, interval=False)})"


def _absent(view: RecommendView) -> list[Text]:
    """Return why cells were not considered, cells with one reason together."""
    reasons: dict[str, list[str]] = {}
    for one in view.candidates:
        missing = [(asked, shown) for asked, shown in _figures(view, one) if shown.value is None]
        for asked, shown in missing[:1]:
            why = f"no {plain(asked.quantity)}: {plain(shown.reason or '')}"
            reasons.setdefault(why, []).append(_name(one.label))
    for left in view.left_out:
        reasons.setdefault(left.reason, []).append(_name(left.label))
    told = [Text(f"  {_listed(names)}: {why}", style="dim") for why, names in reasons.items()]
    head = [Text("Never chosen, as a figure is absent or a caveat is refused:")] if told else []
    more = [Text(f"  and {len(told) - MOST_ABSENT} more reasons: --json", style="dim")]
    return [*head, *told[:MOST_ABSENT], *(more if len(told) > MOST_ABSENT else [])]


def _notes(view: RecommendView) -> list[Text]:
    told = [Text(f"· {plain(note)}", style="dim") for note in view.notes]
    if any(one.admitted for one in view.candidates):
        told.append(Text("† ran otherwise than asked; the suite admits it by name", style="dim"))
    return told


# --- tables ------------------------------------------------------------------------------


def _table(view: RecommendView, shown: list[Candidate]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold")
    front = any(one.p_front is not None for one in view.candidates)
    for heading in _headings(view):
        table.add_column(plain(heading), justify="right")
    for asked in view.requirements:
        table.add_column(plain(asked.text), justify="right")
    if front:
        table.add_column("P(front)", justify="right")
    for one in shown[:MOST_ROWS]:
        table.add_row(*_row(view, one, front=front))
    if len(shown) > MOST_ROWS:
        table.add_row(Text(f"and {len(shown) - MOST_ROWS} more: --json", style="dim"))
    return table


def _headings(view: RecommendView) -> list[str]:
    return ["P(best)", *(["P(within)"] if view.requirements else []), view.objective.quantity]


def _row(view: RecommendView, one: Candidate, *, front: bool) -> Iterator[Text]:
    chosen = one.cell == view.recommended
    mark = " †" if one.admitted else ""
    yield Text(
        f"{'→ ' if chosen else '  '}{_name(one.label)}{mark}", style="bold" if chosen else ""
    )
    yield Text(share(one.p_best))
    if view.requirements:
        yield Text(share(one.p_feasible))
    yield Text(_value(one.objective, view.objective))
    for asked, check in zip(view.requirements, one.checks, strict=True):
        yield _cell(asked, check)
    if front:
        yield Text(share(one.p_front))


def _cell(asked: Asked, check: Check) -> Text:
    """Return a figure with its slack: ``0.484 +0.2 SE``, ``12 ms beyond``."""
    value = _value(check.figure, asked, interval=False)
    if check.figure.bound and check.p is None:
        tail = "not shown"
    elif check.slack_errors is None:
        tail = "inside" if check.holds else "beyond"
    else:
        tail = f"{check.slack_errors:+.1f} SE"
    return Text(f"{value} {tail}", style=_STYLE[check.state])


def _relaxed(view: RecommendView) -> list[RenderableType]:
    if not view.relaxations:
        return []
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = ["relax", "to", "to hold in 95 %", "for", view.objective.quantity]
    for heading in [*headings, *(["change"] if view.recommended else [])]:
        left = heading in ("relax", "for")
        table.add_column(plain(heading), justify="left" if left else "right", overflow="fold")
    asked = {one.text: one for one in view.requirements}
    for one in view.relaxations:
        table.add_row(*_relaxation(view, asked[one.requirement], one))
    return [table]


def _relaxation(view: RecommendView, asked: Asked, one: Relaxation) -> Iterator[str]:
    yield plain(one.requirement)
    yield _number(one.relaxed, asked)
    yield _number(one.surely, asked)
    yield _name(one.label)
    yield _number(one.objective, view.objective)
    if one.change is not None:
        yield f"{100 * one.change:+.0f} %" if one.scale == "ratio" else f"{one.change:+.3f}"


# --- parts -------------------------------------------------------------------------------


def _figures(view: RecommendView, one: Candidate) -> Iterator[tuple[Asked, Shown]]:
    for asked, check in zip(view.requirements, one.checks, strict=True):
        yield asked, check.figure
    yield view.objective, one.objective


def _whole(view: RecommendView, one: Candidate) -> bool:
    return all(shown.value is not None for _, shown in _figures(view, one))


def _value(shown: Shown, asked: Asked, *, interval: bool = True) -> str:
    """Return ``4.96 ms (4.51 to 5.46)``, units repeated only where they differ."""
    told = _number(shown.value, asked)
    if shown.bound:
        return f"{'≥' if shown.bound == 'at least' else '≤'} {told}"
    if not interval or shown.low is None or shown.high is None:
        return told
    ends = [_number(end, asked) for end in (shown.low, shown.high)]
    if len({one.partition(" ")[2] for one in (told, *ends)}) == 1:
        ends = [end.partition(" ")[0] for end in ends]
    return f"{told} ({ends[0]} to {ends[1]})"


def _number(value: float | None, asked: Asked) -> str:
    """Return a figure with its unit; of what is counted, the number alone."""
    if value is not None and asked.quantity in ("cameras", "devices"):
        return f"{value:,g}"
    return units.show(value, asked.unit, asked.currency)


def _name(label: str) -> str:
    """Return a label on one line, its middle cut out where it is long."""
    line = plain(label)
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]}…{line[-half:]}"


def _listed(parts: list[str]) -> str:
    if len(parts) > 4:
        parts = [*parts[:4], f"{len(parts) - 4} more"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
