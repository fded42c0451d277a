"""From the queries of a load scenario to what reports show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchbench.load_view import (
    CamerasView,
    LoadProbe,
    MultiStreamView,
    OfflineRate,
    OfflineView,
    ServerView,
)
from benchbench.stats.intervals import (
    effective_count,
    mean_interval,
    percentile_interval,
    share_interval,
)
from benchbench.stats.percentiles import autocorrelation_time, percentile_or_reason, worth
from benchbench.stats.queries import (
    Deadline,
    Load,
    Queries,
    joined,
    late,
    latency_ns,
    lateness_ns,
    verdict,
)
from benchbench.types import Caveat

LATE = 0.10
"""p99 of our own lateness above this share of the median latency: caveat ``late_dispatch``."""
SEGMENTS = 20
"""Parts of an offline pass whose rates give its interval (batch means)."""
_PER_SEGMENT = 5
"""Queries that a segment should hold at the least."""


def summarise_multi_stream(load: Load, samples: int) -> MultiStreamView:
    """Derive percentiles of queries of *samples* images each."""
    queries = load.queries
    values = (queries.finished_ns - queries.started_ns) / 1e6
    effective = len(values) / autocorrelation_time(values)
    found = {f"p{p}_ms": percentile_or_reason(values, p, effective) for p in (50, 90, 99)}
    spans = {f"p{p}_ms": percentile_interval(values, p, effective) for p in (50, 90, 99)}
    return MultiStreamView(
        samples=samples,
        streams=int(load.level[0]),
        queries=len(values),
        effective_queries=round(effective, 1),
        **{name: value for name, (value, _) in found.items()},
        intervals_ms={n: s for n, s in spans.items() if s and found[n][0] is not None},
        withheld={name: reason for name, (_, reason) in found.items() if reason},
        images_per_s=len(values) * samples * 1e9 / _span_ns(queries),
    )


def _span_ns(queries: Queries) -> int:
    """Return the time from the first arrival to the last finish, at least 1 ns."""
    end = queries.finished_ns.max(initial=0)
    return max(int(end - queries.scheduled_ns[0]), 1)


def summarise_server(
    load: Load, bound_ms: float, percentile: float = 99, streams: int = 1
) -> ServerView:
    """Derive the rates that were shown to meet and to miss *bound_ms* at *percentile*."""
    probes = _probes(load, bound_ms, 1 - percentile / 100, percentile)
    met, missed, reasons = _edges(probes, "qps", ("highest_met_qps", "lowest_missed_qps"))
    return ServerView(
        percentile=percentile,
        bound_ms=bound_ms,
        streams=streams,
        highest_met_qps=met,
        lowest_missed_qps=missed,
        reasons=reasons,
        probes=probes,
    )


def summarise_cameras(load: Load, asked: Deadline, streams: int = 1) -> CamerasView:
    """Derive the numbers of cameras that were shown to keep the deadline and to miss it."""
    probes = _probes(load, asked.deadline_ms, asked.miss_share, 99)
    met, missed, reasons = _edges(probes, "cameras", ("highest_met", "lowest_missed"))
    return CamerasView(
        fps=asked.fps,
        deadline_ms=asked.deadline_ms,
        miss_share=asked.miss_share,
        drop_late=asked.drop_late,
        streams=streams,
        highest_met=None if met is None else int(met),
        lowest_missed=None if missed is None else int(missed),
        reasons=reasons,
        worst_camera=_worst(load, asked.deadline_ms),
        probes=probes,
    )


def _worst(load: Load, deadline_ms: float) -> dict[int, float]:
    found = {}
    for index in np.argsort(load.level, kind="stable"):
        queries = joined(load.passes(int(index)))
        source = queries.source[queries.claimed_ns >= 0]
        counts = np.bincount(source)
        missed = np.bincount(source, late(queries, deadline_ms * 1e6))
        found[int(load.level[index])] = float((missed / np.maximum(counts, 1)).max())
    return found


def _probes(
    load: Load, bound_ms: float, allowed: float, percentile: float
) -> tuple[LoadProbe, ...]:
    order = np.argsort(load.level, kind="stable")
    passes = [(float(load.level[i]), load.passes(int(i))) for i in order]
    return tuple(_probe(level, one, bound_ms, allowed, percentile) for level, one in passes)


def _probe(
    level: float, passes: list[Queries], bound_ms: float, allowed: float, percentile: float
) -> LoadProbe:
    queries = joined(passes)
    given_up = any(one.given_up for one in passes)
    seen = queries.claimed_ns >= 0
    values, flags = latency_ns(queries)[seen] / 1e6, late(queries, bound_ms * 1e6)
    effective = effective_count(values, flags)
    percentile_ms, why = _percentile(values, percentile, effective, queries)
    return LoadProbe(
        level=level,
        queries=int(queries.issued.sum()),
        dropped=int(queries.dropped.sum()),
        effective_queries=round(effective, 1),
        latency_ms=percentile_ms,
        interval_ms=None if why else percentile_interval(values, percentile, effective),
        withheld=why,
        over=float(flags.mean()),
        over_interval=share_interval(float(flags.mean()) * effective, effective),
        verdict=verdict(passes, bound_ms * 1e6, allowed),
        offered_qps=_offered(passes),
        achieved_qps=float(queries.issued.sum()) * 1e9 / sum(_span_ns(one) for one in passes),
        lateness_p99_ms=_lateness(queries),
        given_up=given_up,
    )


def _percentile(
    values: NDArray[np.float64], percentile: float, effective: float, queries: Queries
) -> tuple[float | None, str | None]:
    if queries.given_up:
        done = int((queries.claimed_ns >= 0).sum())
        return None, f"given up after {done} of {len(queries.stream)} queries: the queue only grew"
    if queries.dropped.any():
        return None, f"{int(queries.dropped.sum())} frames were dropped: they have no latency"
    return percentile_or_reason(values, percentile, effective)


def _offered(passes: Sequence[Queries]) -> float | None:
    """Return arrivals a second: gaps over the time that they span."""
    gaps = sum(len(one.stream) - 1 for one in passes)
    spans = sum(int(one.scheduled_ns[-1] - one.scheduled_ns[0]) for one in passes)
    return gaps * 1e9 / spans if spans else None


def _lateness(queries: Queries) -> float | None:
    lateness = lateness_ns(queries)
    return float(np.percentile(lateness, 99)) / 1e6 if len(lateness) else None


def _edges(
    probes: Sequence[LoadProbe], unit: str, names: tuple[str, str]
) -> tuple[float | None, float | None, dict[str, str]]:
    """Return the highest level met below the lowest one missed, that one, and reasons for None."""
    missed = min((p.level for p in probes if p.verdict == "missed"), default=None)
    met = max(
        (p.level for p in probes if p.verdict == "met" and (missed is None or p.level < missed)),
        default=None,
    )
    low, high = probes[0], probes[-1]
    reasons = {}
    if met is None:
        reasons[names[0]] = f"{low.level:g} {unit}, the lowest tried, is {_worth(low)}"
    if missed is None:
        reasons[names[1]] = f"{high.level:g} {unit}, the highest tried, is {_worth(high)}"
    return met, missed, reasons


def _worth(probe: LoadProbe) -> str:
    return (
        f"{probe.verdict}: {probe.over:.2%} over the bound, "
        f"in queries worth {worth(probe.effective_queries)} independent ones"
    )


def summarise_offline(load: Load, batch: int) -> OfflineView:
    """Derive images a second for each number of streams."""
    order = np.argsort(load.level, kind="stable")
    rates = tuple(_rate(int(load.level[i]), joined(load.passes(int(i))), batch) for i in order)
    best = max(rates, key=lambda one: one.images_per_s)
    return OfflineView(
        batch=batch,
        rates=rates,
        best_streams=best.streams,
        images_per_s=best.images_per_s,
    )


def _rate(streams: int, queries: Queries, batch: int) -> OfflineRate:
    """Return the rate while every stream was busy; a query's images are spread over its time."""
    begin = int(queries.started_ns.min())
    lasts = [queries.finished_ns[queries.stream == s].max() for s in np.unique(queries.stream)]
    segments = max(min(SEGMENTS, len(queries.stream) // _PER_SEGMENT), 1)
    edges = np.linspace(begin, max(int(min(lasts)), begin + 1), segments + 1)
    took = np.maximum(queries.finished_ns - queries.started_ns, 1)
    done = [np.clip((edge - queries.started_ns) / took, 0, 1).sum() for edge in edges]
    rates = np.diff(done) * batch * 1e9 / np.diff(edges)
    return OfflineRate(
        streams=streams,
        queries=len(queries.stream),
        images_per_s=float(rates.mean()),
        interval=mean_interval(rates),
        segments=segments,
    )


def caveats(load: Load) -> tuple[Caveat, ...]:
    """Return the doubts of an open loop (server, cameras): our own lateness, and overload.

    A search is expected to overload; a rate that was asked for is not.
    """
    probes = [load.passes(index) for index in range(len(load.level))]
    late = [one for each in probes for one in each if not one.given_up]
    found = _late_dispatch(joined(late)) if late else []
    if len(probes) == 1 and any(one.given_up for one in probes[0]):
        queries = joined(probes[0])
        figures: dict[str, float | int | str] = {
            "level": float(load.level[0]),
            "issued": int(queries.issued.sum()),
            "scheduled": len(queries.stream),
        }
        found.append(Caveat(code="overloaded", figures=figures))
    return tuple(found)


def _late_dispatch(queries: Queries) -> list[Caveat]:
    lateness = _lateness(queries)
    if lateness is None:
        return []
    median = float(np.median(latency_ns(queries.chosen(queries.issued)))) / 1e6
    if lateness <= LATE * median:
        return []
    figures: dict[str, float | int | str] = {"lateness_p99_ms": lateness, "p50_ms": median}
    return [Caveat(code="late_dispatch", figures=figures)]


def cost_per_million(images_per_s: float, price_per_hour: float) -> float:
    """Return what a million images cost at *images_per_s*, in the currency of *price_per_hour*."""
    return price_per_hour / 3600 / images_per_s * 1e6
