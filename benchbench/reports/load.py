"""Load in words: server, multi-stream, offline, cameras, and what a million frames cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchbench.folding import kept
from benchbench.load_view import CamerasView, LoadProbe, MultiStreamView, OfflineView, ServerView
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
from benchbench.reports.wording import percent, plural, rate, short, significant
from benchbench.stats.percentiles import worth
from benchbench.view import CellView, RunView

_HEADS = (
    "load",
    "Load",
    (
        "Scenarios by MLPerf’s definitions. Server: queries arrive at random (Poisson), and "
        "latency counts from the scheduled arrival. Offline: all images are there at once. "
        "Multi-stream: several images a query, one query at a time. Cameras: each gives a "
        "frame every period, with a deadline. A bound is met or missed only where that was "
        "shown at a confidence of 99 %."
    ),
)


def load(run: RunView) -> Section | None:
    """Return the section; None if no cell was put under load."""
    cells = kept(run.cells)
    tables = [_server(cells), _cameras(cells), _offline(cells), _multi(cells), _costs(cells)]
    return section(_HEADS, tables, [*_server_probes(cells), *_camera_probes(cells)])


# --- server ------------------------------------------------------------------------------


def bound(view: ServerView) -> str:
    """Return what the rate must keep: ``p99 ≤ 50 ms``."""
    return f"p{view.percentile:g} ≤ {view.bound_ms:.4g} ms"


def _server(cells: Sequence[CellView]) -> Table:
    rows = [
        row(
            cell,
            cells,
            words(bound(view), plural(view.streams, "stream")),
            _rate(view.highest_met_qps, view.reasons.get("highest_met_qps")),
            _rate(view.lowest_missed_qps, view.reasons.get("lowest_missed_qps")),
            number(len(view.probes), text=f"{len(view.probes):,}"),
        )
        for cell in cells
        for view in cell.server
    ]
    heads = columns(Head("Bound", "text"), "Highest rate met", "Lowest rate missed", "Rates tried")
    return table("Server: queries a second under the bound", heads, rows)


def _rate(value: float | None, reason: str | None) -> Value:
    return number(value, reason, text="" if value is None else f"{value:.4g}")


def _server_probes(cells: Sequence[CellView]) -> Iterable[Table]:
    for cell in cells:
        for view in cell.server:
            heads = columns(
                *_PROBE[:1], f"p{view.percentile:g}, ms", *_PROBE[1:], "Achieved, queries/s"
            )
            rows = [
                Row(
                    f"{probe.level:.4g} queries/s",
                    (*_tried(probe), number(probe.achieved_qps)),
                )
                for probe in view.probes
            ]
            made = table(f"Server, {bound(view)}: each rate", heads, rows, "Rate")
            yield fold(f"Each rate tried, {bound(view)}: {placed(cell, cells)}", made)


_PROBE = (Head("Verdict", "text"), "Share over", "Queries", "Own lateness p99, ms")


def _tried(probe: LoadProbe) -> tuple[Value, ...]:
    queries = [f"worth {worth(probe.effective_queries)} independent"]
    queries += [f"{probe.dropped:,} dropped"] if probe.dropped else []
    return (
        words(probe.verdict, "given up: the queue grew" if probe.given_up else "", probe.verdict),
        spanned(probe.latency_ms, probe.interval_ms, probe.withheld),
        number(
            probe.over,
            text=percent(probe.over),
            detail=f"{percent(probe.over_interval[0])} to {percent(probe.over_interval[1])}",
            ends=probe.over_interval,
        ),
        number(probe.queries, text=f"{probe.queries:,}", detail=", ".join(queries)),
        number(probe.lateness_p99_ms, "every frame was dropped"),
    )


# --- cameras -----------------------------------------------------------------------------


def asked(view: CamerasView) -> str:
    """Return ``30 frames/s, deadline 33.3 ms, at most 1 % missed``."""
    share = percent(view.miss_share)
    return f"{view.fps:g} frames/s, deadline {view.deadline_ms:.4g} ms, at most {share} missed"


def _cameras(cells: Sequence[CellView]) -> Table:
    rows = [
        row(
            cell,
            cells,
            words(asked(view), _how(view)),
            _count(view.highest_met, view.reasons.get("highest_met")),
            _count(view.lowest_missed, view.reasons.get("lowest_missed")),
            _missed(view),
        )
        for cell in cells
        for view in cell.cameras
    ]
    heads = columns(Head("Asked", "text"), "Most cameras met", "Fewest missed", "Deadlines missed")
    return table("Cameras: how many at once keep their deadlines", heads, rows)


def _how(view: CamerasView) -> str:
    late = "late frames dropped" if view.drop_late else "late frames still processed"
    return f"{plural(view.streams, 'stream')}, {late}"


def _count(value: int | None, reason: str | None) -> Value:
    return number(value, reason, text="" if value is None else f"{value:,}")


def _missed(view: CamerasView) -> Value:
    """Return the share of missed deadlines at the most cameras met, or else at the fewest tried."""
    level = view.highest_met
    probe = next((p for p in view.probes if p.level == level), next(iter(view.probes), None))
    if probe is None:
        return number(None, "no number of cameras was tried")
    low, high = probe.over_interval
    detail = f"{percent(low)} to {percent(high)} at {plural(round(probe.level), 'camera')}"
    return number(probe.over, text=percent(probe.over), detail=detail, ends=(low, high))


def _camera_probes(cells: Sequence[CellView]) -> Iterable[Table]:
    for cell in cells:
        for view in cell.cameras:
            heads = columns(*_PROBE[:1], "p99, ms", "Missed", *_PROBE[2:], "Worst camera missed")
            rows = [
                Row(
                    plural(round(probe.level), "camera"),
                    (*_tried(probe), _worst(view.worst_camera.get(round(probe.level)))),
                )
                for probe in view.probes
            ]
            made = table(f"Cameras, {asked(view)}: each number", heads, rows, "Cameras")
            yield fold(
                f"Each number of cameras, {view.fps:g} frames/s: {placed(cell, cells)}", made
            )


def _worst(share: float | None) -> Value:
    return number(share, "no camera gave a frame", text=percent(share))


# --- offline, multi-stream, cost ---------------------------------------------------------


def _offline(cells: Sequence[CellView]) -> Table:
    rows = [
        row(
            cell,
            cells,
            _best(view),
            number(view.best_streams, text=f"{view.best_streams:,}"),
            words(_by_streams(view)),
            beside=f"batch {view.batch}",
        )
        for cell in cells
        for view in cell.offline
    ]
    heads = columns("images/s", "with streams", Head("images/s by streams", "text"))
    return table("Offline: throughput with the best number of streams", heads, rows)


def _best(view: OfflineView) -> Value:
    best = next((one for one in view.rates if one.streams == view.best_streams), None)
    none = "no interval: the pass was too short"
    ends = best.interval if best else None
    return spanned(view.images_per_s, ends, detail="" if ends else none)


def _by_streams(view: OfflineView) -> str:
    told = [
        f"{one.streams}: {significant(one.images_per_s)} {span(one.interval)}".rstrip()
        for one in view.rates
    ]
    return " · ".join(told)


def _multi(cells: Sequence[CellView]) -> Table:
    rows = [
        row(
            cell,
            cells,
            *(_percentile(view, name) for name in ("p50", "p90", "p99")),
            number(finite(view.images_per_s)),
            number(
                view.queries,
                text=f"{view.queries:,}",
                detail=f"worth {worth(view.effective_queries)} independent",
            ),
            beside=f"{plural(view.samples, 'image')} a query, {plural(view.streams, 'stream')}",
        )
        for cell in cells
        for view in cell.multi_stream
    ]
    heads = columns("p50, ms", "p90, ms", "p99, ms", "images/s", "Queries")
    return table("Multi-stream: until the last image of a query is done", heads, rows)


def _percentile(view: MultiStreamView, name: str) -> Value:
    key = f"{name}_ms"
    reason = view.withheld.get(name) or view.withheld.get(key)
    ends = view.intervals_ms.get(name) or view.intervals_ms.get(key)
    return spanned(getattr(view, key), ends, reason)


def _costs(cells: Sequence[CellView]) -> Table:
    rows = [
        row(
            cell,
            cells,
            number(
                one.per_million, text=f"{significant(one.per_million)} {short(one.currency, 10)}"
            ),
            words(rate(one.images_per_s), one.basis),
            number(one.per_hour, text=f"{significant(one.per_hour)} {short(one.currency, 10)}"),
            words(short(one.source, 120)),
        )
        for cell in cells
        for one in cell.costs
    ]
    heads = columns(
        "A million frames", Head("At", "text"), "An hour of the device", Head("Price from", "text"),
    )  # fmt: skip
    return table("Cost by the price that the suite gives", heads, rows)
