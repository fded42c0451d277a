"""One row a cell, for spreadsheets: flat columns whose names and order stay."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import ClassVar

from benchbench import flattening, quantities
from benchbench.inert import visible
from benchbench.reports import evidence, processes
from benchbench.reports.grouping import accuracy
from benchbench.reports.wording import (
    PERCENTILES,
    STAGES,
    absence,
    accuracy_absence,
    unfiled,
    untimed,
    withheld,
)
from benchbench.spreadsheets import Value, field
from benchbench.types import Record
from benchbench.view import CellView, RunView

COLUMNS = (
    "run", "cell", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task",
    "status", "metric", "accuracy", "mean_ms", *(f"{name}_ms" for name in PERCENTILES),
    "throughput_images_per_s", "queries", "effective_queries",
    *(f"{name}_median_ms" for name in STAGES),
    "effective_precision", "coverage", "provider", "effective_device", "placement_evidence",
    "artifact_bytes", "artifact_sha256", "memory_load_bytes", "memory_inference_bytes",
    "caveats", "failure_code", "failure_stage", "failure_message", "absent", "evaluator",
    "started", "wall_s",
    "marks", "coverage_precision", "coverage_device", "in_precision_nodes", "in_precision_time",
    "on_device_nodes", "on_device_time", "requested_provider", "requested_device",
    "placement_source", "threads", "affinity", "speed_over_fp32", "speed_low", "speed_high",
    "speed_against", "parity_reference", "parity_images", "parity_output", "parity_snr_db",
    "parity_cosine", "parity_agreement", "parity_absent", "build_s", "calibration",
    "accuracy_se", "accuracy_low", "accuracy_high", "difference", "difference_low",
    "difference_high", "difference_p_adjusted", "difference_against", "verdict",
    *flattening.COLUMNS,
)  # fmt: skip
"""Added to at the end only; a name never changes its meaning."""


class Csv(Record):
    """Writes ``cells.csv``: one row a cell; an empty field is absent, ``absent`` says why."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "cells.csv"

    def render(self, run: RunView) -> bytes:
        """Return the table in UTF-8, quoted as RFC 4180 asks, with line feeds between rows."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for cell in run.cells:
            values = (
                {"run": run.run}
                | _identity(cell)
                | _confidence(cell)
                | _latency(cell)
                | _what_ran(cell)
            )
            values |= _evidence(cell) | _speed(cell) | _parity(cell) | flattening.taken(cell)
            writer.writerow([field(_shown(values.get(name))) for name in COLUMNS])
        return out.getvalue().encode("utf-8", "backslashreplace")


def _shown(value: Value) -> Value:
    """Return text with what would change how it reads written out: a name must look like itself."""
    return visible(value) if isinstance(value, str) else value


def _identity(cell: CellView) -> dict[str, Value]:
    names = ("model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
    return {name: getattr(cell, name) for name in names} | {
        "cell": cell.id,
        "status": cell.status,
        "metric": cell.primary,
        "accuracy": accuracy(cell),
        "evaluator": cell.evaluator,
        "started": cell.started,
        "wall_s": cell.wall_s,
        "caveats": "; ".join(caveat.code for caveat in processes.doubts(cell)) or None,
        "absent": "; ".join(f"{name}: {why}" for name, why in _absent(cell).items()) or None,
    }


def _confidence(cell: CellView) -> dict[str, Value]:
    found, other = cell.intervals.get(cell.primary or ""), cell.comparison
    told: dict[str, Value] = {}
    if found:
        told |= {f"accuracy_{name}": getattr(found, name) for name in ("se", "low", "high")}
    if other:
        told |= {
            "difference": other.difference,
            "difference_low": other.low,
            "difference_high": other.high,
            "difference_p_adjusted": other.p_adjusted,
            "difference_against": other.a,
            "verdict": other.verdict,
        }
    return told


def _latency(cell: CellView) -> dict[str, Value]:
    late = cell.latency
    if late is None:
        return {}
    return {
        "mean_ms": late.mean_ms,
        **{f"{name}_ms": getattr(late, f"{name}_ms") for name in PERCENTILES},
        "throughput_images_per_s": late.throughput_ips,
        "queries": late.queries,
        "effective_queries": late.effective_queries,
        **{f"{name}_median_ms": late.stages_ms.get(name) for name in STAGES},
    }


def _what_ran(cell: CellView) -> dict[str, Value]:
    place, artifact, failure = cell.placement, cell.artifact, cell.failure
    found: dict[str, Value] = {
        "memory_load_bytes": cell.memory.get("load"),
        "memory_inference_bytes": cell.memory.get("inference"),
    }
    if place is not None:
        found |= {
            "effective_precision": place.precision,
            "coverage": "; ".join(f"{k} {v:.4f}" for k, v in place.coverage.items()) or None,
            "provider": place.provider,
            "effective_device": place.device,
            "placement_evidence": place.evidence,
        }
    if artifact is not None:
        found |= {"artifact_bytes": artifact.bytes, "artifact_sha256": artifact.sha256}
    if failure is not None:
        found |= {
            "failure_code": failure.code,
            "failure_stage": failure.stage,
            "failure_message": failure.message,
        }
    return found


def _evidence(cell: CellView) -> dict[str, Value]:
    found: dict[str, Value] = {
        "marks": "; ".join(f"{mark.sign} {mark.text}" for mark in evidence.marks(cell)) or None,
        "coverage_precision": cell.metrics.get("coverage.precision"),
        "coverage_device": cell.metrics.get("coverage.device"),
        "build_s": quantities.build(cell).value,
        "calibration": "; ".join(evidence.calibrations(cell)) or None,
    }
    place = cell.placement
    if place is None:
        return found
    return found | {
        **{f"in_precision_{k}": v for k, v in place.in_precision.model_dump().items()},
        **{f"on_device_{k}": v for k, v in place.on_device.model_dump().items()},
        "requested_provider": place.requested_provider,
        "requested_device": place.requested_device,
        "placement_source": place.source,
        "threads": place.threads,
        "affinity": " ".join(str(cpu) for cpu in place.affinity) or None,
    }


def _speed(cell: CellView) -> dict[str, Value]:
    speed = cell.speedup
    if speed is None:
        return {}
    return {
        "speed_over_fp32": speed.ratio,
        "speed_low": speed.low,
        "speed_high": speed.high,
        "speed_against": speed.against,
    }


def _parity(cell: CellView) -> dict[str, Value]:
    parity = cell.parity
    if parity is None:
        return {}
    lowest = evidence.worst(parity)
    return {
        "parity_reference": parity.reference,
        "parity_images": parity.images,
        "parity_output": lowest.name if lowest else None,
        "parity_snr_db": lowest.snr_db if lowest else None,
        "parity_cosine": lowest.cosine if lowest else None,
        "parity_agreement": "; ".join(f"{k} {v:.4f}" for k, v in parity.agreement.items()) or None,
        "parity_absent": parity.reason,
    }


def _absent(cell: CellView) -> Mapping[str, str]:
    """Return why figures are absent, by column; one reason for a cell without any figure."""
    if cell.status != "measured":
        return {"all figures": absence(cell)}
    found = {} if accuracy(cell) is not None else {"accuracy": accuracy_absence(cell)}
    found |= flattening.reasons(cell) | _unmade(cell)
    if cell.latency is None:
        return found | {"latency": untimed(cell)}
    gone = [name for name in PERCENTILES if getattr(cell.latency, f"{name}_ms") is None]
    return found | {f"{name}_ms": withheld(cell.latency, name) for name in gone}


def _unmade(cell: CellView) -> dict[str, str]:
    built = quantities.build(cell)
    found = {"build_s": built.reason or ""} if built.value is None else {}
    sized = cell.artifact is not None and cell.artifact.bytes is not None
    return found if sized else found | {"artifact_bytes": unfiled(cell)}
