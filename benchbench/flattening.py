"""What was taken of a cell beside its latency pass, as flat columns: one figure a column.

Where a cell has several settings of one scenario, or several meters, the columns are those of the
first; a count stands beside them.
"""

from __future__ import annotations

from typing import Any

from benchbench.types import Record
from benchbench.view import CellView

_CONDITIONS = (
    "wall_over_cpu", "pressure_cpu", "pressure_memory", "pressure_io", "others_cpu", "steal",
    "involuntary_switches", "frequency_mhz_before", "frequency_mhz_after", "temperature_c_before",
    "temperature_c_after",
)  # fmt: skip
"""Of the latency pass."""
COLUMNS = (
    "processes", "processes_grade", "median_ms", "median_low_ms", "median_high_ms", "cpu_median_ms",
    "servers", "server_percentile", "server_bound_ms", "server_highest_met_qps",
    "server_lowest_missed_qps",
    "multi_streams", "multi_stream_images", "multi_stream_p50_ms", "multi_stream_p90_ms",
    "multi_stream_p99_ms",
    "offlines", "offline_batch", "offline_best_images_per_s", "offline_best_streams",
    "camera_settings", "cameras_fps", "cameras_deadline_ms", "cameras_highest_met",
    "cameras_lowest_missed",
    "soaks", "soak_s", "soak_burst_ms", "soak_sustained_ms", "soak_ratio",
    "meters", "energy_meter", "energy_scope", "energy_gross_j_per_image",
    "energy_gross_low_j_per_image", "energy_gross_high_j_per_image", "energy_net_j_per_image",
    "energy_images_per_j", "energy_average_w", "energy_peak_w", "energy_idle_w", "energy_grade",
    "energy_reason",
    "cost_per_million_images", "cost_currency", "cost_basis",
    "parameters", "flops", "load_s", "first_query_ms", *_CONDITIONS, "untaken",
    "decode_median_ms", "speed_rounds", "speed_cause",
)  # fmt: skip
"""Units are in the names; powers and energies are of the scope."""


def taken(cell: CellView) -> dict[str, Any]:
    """Return a mapping with the keys of :data:`COLUMNS`; what is absent is None."""
    found = _processes(cell) | _server(cell) | _multi_stream(cell) | _offline(cell)
    found |= _cameras(cell) | _soak(cell) | _energy(cell) | _model(cell) | _conditions(cell)
    found["decode_median_ms"] = cell.latency.stages_ms.get("decode") if cell.latency else None
    if cell.speedup is not None:
        found |= {"speed_rounds": cell.speedup.rounds, "speed_cause": cell.speedup.cause}
    found["untaken"] = ",".join(f"{one.kind} {one.number}" for one in cell.untaken) or None
    return {name: found.get(name) for name in COLUMNS}


def reasons(cell: CellView) -> dict[str, str]:
    """Return why columns of what was asked for are None, by column."""
    found: dict[str, str | None] = {}
    if cell.processes is not None:
        wall, cpu = cell.processes.wall, cell.processes.cpu
        found |= dict.fromkeys(("median_ms", "median_low_ms", "median_high_ms"), wall.reason)
        found["cpu_median_ms"] = cpu.reason
    for prefix, views in (("server", cell.server), ("cameras", cell.cameras)):
        for view in views[:1]:
            found |= {f"{prefix}_{name}": why for name, why in view.reasons.items()}
    for one in cell.multi_stream[:1]:
        found |= {f"multi_stream_{_ms(name)}": why for name, why in one.withheld.items()}
    for soak in cell.soak[:1]:
        found["soak_ratio"] = soak.reason
    found |= _unmetered(cell) | _uncounted(cell)
    values = taken(cell)
    return {name: why for name, why in found.items() if why and values.get(name) is None}


def _unmetered(cell: CellView) -> dict[str, str | None]:
    return {
        name: why
        for view in cell.energy[:1]
        for name, why in {
            "energy_gross_j_per_image": view.gross_j_per_image.reason or view.reason,
            "energy_net_j_per_image": view.net_j_per_image.reason or view.reason,
            "energy_peak_w": view.peak_reason,
            "energy_idle_w": view.idle_reason,
        }.items()
    }


def _uncounted(cell: CellView) -> dict[str, str | None]:
    counted = cell.complexity.reason if cell.complexity else None
    cold = cell.cold.reason if cell.cold else None
    around = cell.conditions.absent if cell.conditions else {}
    told = {name: why for name, why in around.items() if name in _CONDITIONS}
    return {"parameters": counted, "flops": counted, "load_s": cold, "first_query_ms": cold} | told


def _ms(name: str) -> str:
    return name if name.endswith("_ms") else f"{name}_ms"


def _named(view: Record, prefix: str, **columns: str) -> dict[str, Any]:
    """Return fields of *view* by column, the column's name without *prefix* first."""
    return {f"{prefix}{column}": getattr(view, name) for column, name in columns.items()}


def _count(views: tuple[Any, ...]) -> int | None:
    return len(views) or None


def _processes(cell: CellView) -> dict[str, Any]:
    view = cell.processes
    if view is None:
        return {}
    names = {"median_ms": "median_ms", "median_low_ms": "low_ms", "median_high_ms": "high_ms"}
    return {
        "processes": view.processes,
        "processes_grade": view.grade,
        "cpu_median_ms": view.cpu.median_ms,
        **_named(view.wall, "", **names),
    }


def _server(cell: CellView) -> dict[str, Any]:
    kept = ("percentile", "bound_ms", "highest_met_qps", "lowest_missed_qps")
    names = {name: name for name in kept}
    found: dict[str, Any] = {"servers": _count(cell.server)}
    for view in cell.server[:1]:
        found |= _named(view, "server_", **names)
    return found


def _multi_stream(cell: CellView) -> dict[str, Any]:
    names = {"images": "samples"} | {name: name for name in ("p50_ms", "p90_ms", "p99_ms")}
    found: dict[str, Any] = {"multi_streams": _count(cell.multi_stream)}
    for view in cell.multi_stream[:1]:
        found |= _named(view, "multi_stream_", **names)
    return found


def _offline(cell: CellView) -> dict[str, Any]:
    names = {"batch": "batch", "best_images_per_s": "images_per_s", "best_streams": "best_streams"}
    found: dict[str, Any] = {"offlines": _count(cell.offline)}
    for view in cell.offline[:1]:
        found |= _named(view, "offline_", **names)
    return found


def _cameras(cell: CellView) -> dict[str, Any]:
    names = {name: name for name in ("fps", "deadline_ms", "highest_met", "lowest_missed")}
    found: dict[str, Any] = {"camera_settings": _count(cell.cameras)}
    for view in cell.cameras[:1]:
        found |= _named(view, "cameras_", **names)
    return found


def _soak(cell: CellView) -> dict[str, Any]:
    names = {name: name for name in ("burst_ms", "sustained_ms", "ratio")} | {"s": "seconds"}
    found: dict[str, Any] = {"soaks": _count(cell.soak)}
    for view in cell.soak[:1]:
        found |= _named(view, "soak_", **names)
    return found


def _energy(cell: CellView) -> dict[str, Any]:
    found: dict[str, Any] = {"meters": _count(cell.energy)}
    for view in cell.energy[:1]:
        gross = view.gross_j_per_image
        found |= _named(view, "energy_", meter="meter", scope="scope", peak_w="peak_w",
                        idle_w="idle_w", reason="reason")  # fmt: skip
        found |= _named(gross, "energy_gross_", j_per_image="value", low_j_per_image="low",
                        high_j_per_image="high")  # fmt: skip
        found |= {
            "energy_net_j_per_image": view.net_j_per_image.value,
            "energy_images_per_j": view.images_per_joule.value,
            "energy_average_w": view.average_w.value,
            "energy_grade": view.quality.grade if view.quality else None,
        }
    return found


def _model(cell: CellView) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for cost in cell.costs[:1]:
        found |= _named(cost, "cost_", per_million_images="per_million", currency="currency",
                        basis="basis")  # fmt: skip
    if cell.complexity is not None:
        found |= _named(cell.complexity, "", parameters="parameters", flops="flops")
    if cell.cold is not None:
        found |= _named(cell.cold, "", load_s="load_s", first_query_ms="first_ms")
    return found


def _conditions(cell: CellView) -> dict[str, Any]:
    view = cell.conditions
    return {name: getattr(view, name) for name in _CONDITIONS} if view is not None else {}
