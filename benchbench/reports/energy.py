"""Energy in words: joules an image, watts, what they cover, and how far they are to be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.energy_view import EnergyFigure, EnergyQuality, EnergyView
from benchbench.folding import kept
from benchbench.reports.evidence import placed
from benchbench.reports.grouping import finite
from benchbench.reports.tables import (
    Head,
    Row,
    Section,
    Table,
    Value,
    columns,
    fold,
    number,
    row,
    section,
    span,
    spanned,
    table,
    words,
)
from benchbench.reports.wording import (
    caveat_line,
    milliseconds,
    percent,
    plural,
    seconds,
    short,
    significant,
    size,
)
from benchbench.view import CellView, RunView

_HEADS = (
    "energy",
    "Energy",
    (
        "Gross is all that was drawn while the queries ran; net leaves out what the idle "
        "device would have drawn in that time. A figure covers what its scope names and "
        "nothing else, and figures of different scopes do not compare. The grade (A best, C "
        "worst) tells how well it is known."
    ),
)


def energy(run: RunView) -> Section | None:
    """Return the section; None if no meter was asked for."""
    cells = kept(run.cells)
    found = [(cell, view) for cell in cells for view in cell.energy]
    heads = columns(
        "J/image, gross", "J/image, net", "images/J", "Average, W", "Peak, W", "Idle, W",
        Head("Grade", "text"),
    )  # fmt: skip
    rows = [_row(cell, cells, view) for cell, view in found]
    details = [_details(cell, cells, view) for cell, view in found if view.quality]
    caption = "Means over trials; [95 % interval of the mean]"
    return section(_HEADS, [table(caption, heads, rows)], details, [*_lines(found, cells)])


def scope(view: EnergyView) -> str:
    """Return meter and scope: ``nvml: GPU board``; of one that failed, ``not measured: why``."""
    meter = short(view.meter, 40)
    if finite(view.gross_j_per_image.value) is None:
        return f"{meter}: not measured: {short(why(view), 200)}"
    told = f"{meter}: {short(view.scope, 60)}" if view.scope else meter
    return f"{told}; ended early: {short(view.reason, 160)}" if view.reason else told


def why(view: EnergyView) -> str:
    """Return why there is no energy."""
    return view.reason or view.gross_j_per_image.reason or "the meter gives no reason"


def _row(cell: CellView, cells: Sequence[CellView], view: EnergyView) -> Row:
    grade = view.quality.grade if view.quality else None
    reasons = view.quality.grade_reasons if view.quality else ()
    return row(
        cell,
        cells,
        *(
            _figure(found, view)
            for found in (
                view.gross_j_per_image,
                view.net_j_per_image,
                view.images_per_joule,
                view.average_w,
            )
        ),
        number(view.peak_w, view.peak_reason or view.reason),
        number(view.idle_w, view.idle_reason or view.reason),
        words(
            grade or "",
            "; ".join(short(text, 160) for text in reasons),
            reason=view.reason or view.gross_j_per_image.reason or "no grade was given",
        ),
        beside=scope(view),
    )


def _figure(found: EnergyFigure, view: EnergyView) -> Value:
    return spanned(found.value, (found.low, found.high), found.reason or view.reason)


def _lines(
    found: Sequence[tuple[CellView, EnergyView]], cells: Sequence[CellView]
) -> Iterable[str]:
    """Yield the doubts of each figure."""
    for cell, view in found:
        if told := [caveat_line(caveat) for caveat in view.caveats]:
            yield f"{placed(cell, cells)} ({short(view.meter, 40)}): {'; '.join(told)}."


def _details(cell: CellView, cells: Sequence[CellView], view: EnergyView) -> Table:
    assert view.quality is not None, "the caller asks only for graded figures"
    facts = [*_quality(view.quality), *_around(view)]
    facts += [(short(name, 40), short(text, 200)) for name, text in view.identity.items()]
    rows = [Row(name, (words(text),)) for name, text in facts if text]
    made = table("How the figures came to be", columns(Head("Value", "text")), rows, "Fact")
    return fold(f"How it was measured, {short(view.meter, 40)}: {placed(cell, cells)}", made)


def _quality(found: EnergyQuality) -> list[tuple[str, str]]:
    return [
        ("Method", found.method),
        ("Trials", plural(found.trials, "window")),
        ("Shortest window", _lasting(found.window_s)),
        ("Counter’s step", _unit(found.resolution_j, "J")),
        ("Counter’s update period", _lasting(found.update_period_s)),
        ("Updates in the shortest window", _unit(found.ticks_per_window, "")),
        ("Largest error of a window’s ends", _share(found.tick_bound)),
        ("Sampled power over counter", _unit(found.power_to_counter, "×")),
        ("Drift of the idle power", _signed(found.baseline_drift)),
        ("Sampler’s share of a core", _share(found.observer_cpu_share)),
    ]  # fmt: skip


def _around(view: EnergyView) -> list[tuple[str, str]]:
    return [
        ("Energy of the idle baselines", _unit(view.idle_j, "J")),
        ("Highest temperature", _unit(view.temperature_c, "°C")),
        ("Most device memory in use", _known(view.memory_used_bytes, size(view.memory_used_bytes))),
    ]


def _known(value: float | None, text: str) -> str:
    return "" if finite(value) is None else text


def _share(value: float | None) -> str:
    return _known(value, percent(value))


def _unit(value: float | None, unit: str) -> str:
    return _known(value, f"{significant(value)} {unit}".rstrip())


def _lasting(value: float | None) -> str:
    small = value is not None and value < 0.1
    return _known(value, milliseconds((value or 0.0) * 1e3) if small else seconds(value))


def _signed(share: float | None) -> str:
    return _known(share, f"{100 * (share or 0.0):+.1f} %".replace("-", "−"))


# --- in a sentence -----------------------------------------------------------------------


def told(run: RunView) -> str:
    """Return which cell needs least energy an image; empty if nothing was measured.

    Cells are compared within one meter and scope alone: those of most cells.
    """
    found = [
        (view.meter, view.scope or "", cell, view)
        for cell in kept(run.cells)
        for view in cell.energy
        if finite(view.gross_j_per_image.value) is not None
    ]
    if not found:
        return ""
    kinds = [(meter, scope) for meter, scope, _, _ in found]
    kind = max(sorted(set(kinds)), key=kinds.count)
    alike = [(cell, view) for meter, scope, cell, view in found if (meter, scope) == kind]
    cell, view = min(alike, key=lambda one: one[1].gross_j_per_image.value or 0.0)
    gross, net = view.gross_j_per_image, view.net_j_per_image
    net_text = f", {significant(net.value)} J net of idle" if finite(net.value) is not None else ""
    graded = view.quality.grade if view.quality else None
    grade = f", grade {graded}" if graded else ""
    ends = span((gross.low, gross.high))
    amount = f"{significant(gross.value)} J an image {ends}".rstrip()
    return (
        f"{placed(cell, run.cells)} ({amount} gross{net_text}; "
        f"{short(view.scope or view.meter, 60)}{grade}), "
        f"of {plural(len(alike), 'cell')} measured so."
    )
