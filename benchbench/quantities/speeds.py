"""Latency, rates and load, as quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchbench.quantities.quantity import Basis, Getter, Quantity, absence, higher, lower, told
from benchbench.turns_view import ProcessesView
from benchbench.view import CellView, LatencyView


def _untimed(cell: CellView) -> str:
    return absence(cell) or "latency was not measured (measure.latency is off)"


def _median(cell: CellView) -> Quantity:
    base, several = lower("latency.p50", "ms"), cell.processes
    if several is not None and several.wall.median_ms is not None:
        wall = several.wall
        more = {
            "low": wall.low_ms,
            "high": wall.high_ms,
            "level": wall.level,
            "n": several.processes,
        }
        return told(base, wall.median_ms, None, basis=_of(several), reason=wall.reason, **more)
    return _of_one(cell, base, "p50")


def _of(several: ProcessesView) -> Basis:
    return "processes" if several.processes > 1 else "one process"


def _percentile(which: str) -> Callable[[CellView], Quantity]:
    def found(cell: CellView) -> Quantity:
        base = lower(f"latency.{which}", "ms")
        for one in cell.processes.percentiles if cell.processes else ():
            if f"p{one.percentile:g}" == which and one.value_ms is not None:
                assert cell.processes is not None
                return told(
                    base, one.value_ms, None, basis=_of(cell.processes), low=one.low_ms,
                    high=one.high_ms, level=cell.processes.wall.level,
                    n=cell.processes.processes, reason=one.reason,
                )  # fmt: skip
        return _of_one(cell, base, which)

    return found


def _of_one(cell: CellView, base: Quantity, which: str) -> Quantity:
    """Return a percentile of the cell's own pass: its interval is of one process."""
    late = cell.latency
    if late is None:
        return told(base, None, _untimed(cell))
    low, high = late.intervals_ms.get(which) or late.intervals_ms.get(f"{which}_ms") or (None, None)
    value, why = getattr(late, f"{which}_ms"), _withheld(late, which)
    return told(
        base, value, why, basis="one process", low=low, high=high,
        level=None if low is None else 0.95, n=late.queries,
    )  # fmt: skip


def _withheld(late: LatencyView, which: str) -> str | None:
    return late.withheld.get(which) or late.withheld.get(f"{which}_ms")


def _mean(cell: CellView) -> Quantity:
    late = cell.latency
    base = lower("latency.mean", "ms", "one process")
    if late is None:
        return told(base, None, _untimed(cell))
    return told(base, late.mean_ms, None, n=late.queries)


def _throughput(cell: CellView) -> Quantity:
    late, base = cell.latency, higher("throughput", "images/s", "one process")
    if late is None:
        return told(base, None, _untimed(cell))
    return told(base, late.throughput_ips, None, n=late.queries)


def _first(cell: CellView) -> Quantity:
    cold = cell.cold
    return told(
        lower("latency.first", "ms"),
        cold.first_ms if cold else None,
        cold.reason if cold else _untimed(cell),
    )


def _load(cell: CellView) -> Quantity:
    cold = cell.cold
    return told(
        lower("load", "s"), cold.load_s if cold else None, cold.reason if cold else _untimed(cell)
    )


def _speedup(cell: CellView) -> Quantity:
    base, found = higher("speedup", "×", "rounds"), cell.speedup
    if found is None:
        alone = "there is no fp32 cell that differs from it in nothing else"
        why = absence(cell) or ("it is fp32 itself" if cell.precision == "fp32" else alone)
        return told(base, None, why)
    return told(
        base, found.ratio, None, low=found.low, high=found.high, level=0.95, n=found.rounds,
        basis="rounds" if found.rounds else "one process",
    )  # fmt: skip


_UNASKED = "the suite asks for no {} of this cell"


def _server(cell: CellView) -> Quantity:
    base = higher("server.rate", "queries/s", "probes")
    for view in cell.server[:1]:
        return told(
            base, view.highest_met_qps, view.reasons.get("highest_met_qps"),
            low=view.highest_met_qps, high=view.lowest_missed_qps, level=0.99, n=len(view.probes),
            reason=view.reasons.get("lowest_missed_qps"),
        )  # fmt: skip
    return told(base, None, absence(cell) or _UNASKED.format("server scenario"))


def _cameras(cell: CellView) -> Quantity:
    base = higher("cameras", "cameras", "probes")
    for view in cell.cameras[:1]:
        return told(
            base, view.highest_met, view.reasons.get("highest_met"), low=view.highest_met,
            high=view.lowest_missed, level=0.99, n=len(view.probes),
            reason=view.reasons.get("lowest_missed"),
        )  # fmt: skip
    return told(base, None, absence(cell) or _UNASKED.format("cameras"))


def _offline(cell: CellView) -> Quantity:
    base = higher("offline.throughput", "images/s", "one process")
    for view in cell.offline[:1]:
        best = next(rate for rate in view.rates if rate.streams == view.best_streams)
        low, high = best.interval or (None, None)
        return told(
            base, view.images_per_s, None, low=low, high=high,
            level=0.95 if best.interval else None, n=best.queries,
        )  # fmt: skip
    return told(base, None, absence(cell) or _UNASKED.format("offline scenario"))


def _multi_stream(which: str) -> Callable[[CellView], Quantity]:
    def found(cell: CellView) -> Quantity:
        base = lower(f"multi-stream.{which}", "ms", "one process")
        for view in cell.multi_stream[:1]:
            low, high = view.intervals_ms.get(which) or (None, None)
            return told(
                base, getattr(view, f"{which}_ms"), view.withheld.get(which), low=low, high=high,
                level=None if low is None else 0.95, n=view.queries,
            )  # fmt: skip
        return told(base, None, absence(cell) or _UNASKED.format("multi-stream scenario"))

    return found


SPEEDS: Mapping[str, Getter] = {
    "latency.p50": _median,
    "latency.p90": _percentile("p90"),
    "latency.p95": _percentile("p95"),
    "latency.p99": _percentile("p99"),
    "latency.mean": _mean,
    "latency.first": _first,
    "load": _load,
    "throughput": _throughput,
    "speedup": _speedup,
    "offline.throughput": _offline,
    "server.rate": _server,
    "cameras": _cameras,
    "multi-stream.p50": _multi_stream("p50"),
    "multi-stream.p90": _multi_stream("p90"),
    "multi-stream.p99": _multi_stream("p99"),
}
