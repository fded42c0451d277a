"""``benchbench compare``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from benchbench import api
from benchbench.cli.measured import plain
from benchbench.cli.options import Number, common, with_json
from benchbench.cli.output import print_json, stdout_console
from benchbench.compare_view import CompareView, Delta, Differing, Ends, Side
from benchbench.comparing import Asked
from benchbench.units import show

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_MARGIN = re.compile(r"(\d+(?:\.\d+)?)\s*(%|points?|pp)", re.ASCII)
_STYLES = {"better": "green", "worse": "red", "inconclusive": "yellow", "trend": "cyan"}
_DESIGNS = {
    "images": "",
    "turns": " that took turns",
    "rounds": " of fresh processes",
    "canary": "",
    "trials": " of the meter",
    "counted": "",
    "trend": "",
}
_MOST_KEYS = 24


class Margin(click.ParamType):  # type: ignore[type-arg]  # generic in the stubs alone
    """``3%`` of a ratio or ``0.5 points`` of accuracy."""

    name = "margin"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Literal["margin_share", "margin_points"], float]:
        """Return what it is of, and its size as a fraction of 1."""
        if isinstance(value, tuple):
            return value
        found = _MARGIN.fullmatch(value.strip())
        if found is None or not float(found[1]):
            self.fail(f"{value!r} is not a margin like 3% or '0.5 points'", param, ctx)
        of: Literal["margin_share", "margin_points"] = (
            "margin_share" if found[2] == "%" else "margin_points"
        )
        return of, float(found[1]) / 100


@click.command("compare")
@click.argument("a")
@click.argument("b")
@common
@with_json
@click.option(
    "--quantity",
    "quantities",
    multiple=True,
    metavar="NAME",
    help="A figure to compare, such as latency.p99 or map[class=scratch]; repeatable.",
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["class", "slice"]),
    help="Compare accuracy class by class or slice by slice as well; repeatable.",
)
@click.option(
    "--margin",
    "margins",
    multiple=True,
    type=Margin(),
    metavar="SIZE",
    help="A change that counts as none: '0.5 points' of accuracy, 3% of ratios; repeatable.",
)
@click.option(
    "--level",
    type=Number(0.5, 1, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="Confidence of intervals and outcomes.",
)
@click.option(
    "--admit",
    multiple=True,
    metavar="KEY",
    help="Compare although KEY differs (* is a wildcard); repeatable.",
)
def command(
    a: str,
    b: str,
    store: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    quantities: tuple[str, ...],
    by: tuple[str, ...],
    margins: tuple[tuple[str, float], ...],
    level: float,
    admit: tuple[str, ...],
) -> None:
    """Compare side B with side A, cell by cell, each figure's change with its interval.

    A side is a run (id, prefix, suite's name, 'latest'), a baseline's name or file, or git:REF, the
    newest run of that commit. '#' picks cells of it: latest#runtime=openvino,precision=int8 or
    latest#'LABEL'. What is not comparable is refused by naming the keys that differ.
    Exit codes: 0 compared, whatever the outcome; 2 the command is wrong, or nothing is comparable.
    """
    asked = Asked(
        quantities=quantities,
        by_class="class" in by,
        by_slice="slice" in by,
        level=level,
        admit=admit,
        **dict(margins),
    )
    view = api.compare(a, b, settings, asked=asked, store=store)
    for told in admits_nothing(view, admit):
        click.echo(told, err=True)
    if as_json:
        print_json(view.document())
        return
    console = stdout_console()
    for part in printed(view):
        console.print(part, highlight=False)


def printed(view: CompareView) -> Iterator[Any]:
    """Yield what is printed of *view*: sides, a block a pair, and what differs."""
    from rich.text import Text

    jobs = "one run" if view.same_job else "two jobs"
    yield Text(f"a  {_side(view.a)}\nb  {_side(view.b)}")
    yield Text(f"{jobs}; each change is of b against a, measured as 'by' says", style="dim")
    for ends in view.pairs:
        yield Text("")
        yield Text(_heading(ends), style="bold")
        yield _table(ends, view.level)
        yield from (Text(line, style="dim") for line in _notes(ends))
    tail = [*_missing(view), *_apart(view.pairs)]
    if tail:
        yield Text("\n".join(["", *tail]))


def admits_nothing(view: CompareView, admit: Sequence[str]) -> Iterator[str]:
    """Yield a line for each pattern of *admit* that no key matches that spoils the comparison."""
    keys = sorted({one.key for ends in view.pairs for one in ends.differing if one.spoils})
    for pattern in admit:
        if any(fnmatchcase(key, pattern) for key in keys):
            continue
        close = [key for key in keys if pattern in key] or get_close_matches(pattern, keys, 1)
        more = f"; did you mean {plain(close[0])}?" if close else ""
        yield f"--admit {plain(pattern)} admits nothing: no such key spoils this comparison{more}"


def _side(side: Side) -> str:
    told = [plain(f"baseline {side.baseline} of {side.run}" if side.baseline else side.run)]
    told += [side.created[:19].replace("T", " ")] if side.created else []
    told += [f"commit {plain(side.commit[:10])}"] if side.commit else []
    return "  ".join(told)


def _heading(ends: Ends) -> str:
    ours, theirs = plain(ends.a_label), plain(ends.b_label)
    return ours if ours == theirs else f"{ours}  →  {theirs}"


def _table(ends: Ends, level: float) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("figure", overflow="fold")
    for heading in ("a", "b", "change", f"{100 * level:g} % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("b is", no_wrap=True)
    table.add_column("by", overflow="fold")
    for one in ends.deltas:
        values = (show(one.a, one.unit), show(one.b, one.unit))
        table.add_row(_name(one), *values, change(one), interval(one), _outcome(one), _by(one))
    return table


def _name(one: Delta) -> str:
    return plain(f"{one.quantity}[{one.subject}]" if one.subject else one.quantity)


def change(one: Delta) -> str:
    """Return the change: points of accuracy, percent of a ratio, or times where it is large."""
    return "–" if one.change is None else _signed(one, one.change)


def interval(one: Delta) -> str:
    """Return the interval of the change, or a dash."""
    if one.low is None or one.high is None:
        return "–"
    return f"{_signed(one, one.low)} … {_signed(one, one.high)}"


def _signed(one: Delta, value: float) -> str:
    if one.scale == "difference":
        return f"{100 * value:+.2f} points" if one.unit == "" else f"{value:+.3g} {one.unit}"
    return _percent(value)


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %" if 0.5 <= ratio <= 2 else f"{ratio:.3g}×"


def _outcome(one: Delta) -> Text:
    from rich.text import Text

    counted = one.design == "counted" and one.outcome == "equivalent" and one.margin is None
    return Text("the same" if counted else one.outcome, style=_STYLES.get(one.outcome, ""))


def _by(one: Delta) -> str:
    """Return the design with its numbers, and the p-value that the outcome rests on."""
    if one.change is None:
        return "refused" if (one.reason or "").startswith("not comparable") else "absent"
    told = f"{one.basis}{_DESIGNS[one.design]}" if one.basis else "two single figures"
    if one.p_adjusted is None:
        return told
    p = "p < 0.001" if one.p_adjusted < 0.001 else f"p = {one.p_adjusted:.3f}"
    return f"{told}, {p}{f' of {one.asked}' if one.asked > 1 else ''}"


def _notes(ends: Ends) -> Iterator[str]:
    """Yield each reason once with the figures that it is of, then the canary."""
    reasons: dict[str, list[str]] = {}
    for one in ends.deltas:
        if one.reason:
            reasons.setdefault(plain(one.reason), []).append(_name(one))
    for reason, names in reasons.items():
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        yield f"{', '.join(names[:4])}{more}: {reason}"
    if ends.canary is not None:
        out = any(one.design == "canary" for one in ends.deltas)
        more = ", which is taken out where 'by' names canaries" if out else ""
        yield f"the machine itself: its canary took {_percent(ends.canary)} beside b{more}"


def _missing(view: CompareView) -> Iterator[str]:
    for side, labels in (("a", view.only_a), ("b", view.only_b)):
        if labels:
            yield f"only in {side}: {', '.join(plain(label) for label in labels)}"


def _apart(pairs: Sequence[Ends]) -> Iterator[str]:
    """Yield what differs, each key and value once, what spoils something first."""
    found: dict[Differing, int] = {}
    admitted = {key for ends in pairs for key in ends.admitted}
    for one in (one for ends in pairs for one in ends.differing):
        found[one] = found.get(one, 0) + 1
    if found:
        yield "what differs beside the figures:"
    ordered = sorted(found, key=lambda one: (not one.spoils, one.key))
    for one in ordered[:_MOST_KEYS]:
        spoils = f"spoils {', '.join(one.spoils)}" if one.spoils else "told only"
        told = f"admitted, {spoils}" if one.key in admitted else spoils
        count = f", {found[one]} of {len(pairs)} pairs" if found[one] < len(pairs) else ""
        yield f"  {plain(one.key)}: {plain(one.a)} | {plain(one.b)}  ({told}{count})"
    if len(ordered) > _MOST_KEYS:
        yield f"  and {len(ordered) - _MOST_KEYS} more: --json lists them"
    refused = [one.key for one in ordered if one.spoils and one.key not in admitted]
    if refused:
        yield f"to compare all the same, admit them by name: --admit '{plain(refused[0])}'"
