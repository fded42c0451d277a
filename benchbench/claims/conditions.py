"""What a figure was measured with, in words that a footnote can carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchbench.claims_view import ClaimedCell, ClaimFamily, Setting
from benchbench.types import Caveat, digest
from benchbench.view import CellView, RunView

_LONGEST = 300
_TIMED: Mapping[str, str] = {
    "unsteady": "latency drifted during the pass",
    "single_process": "one process only: the spread between processes is unknown",
    "noisy": "queries of the pass spread widely",
    "short_sample": "few queries were timed",
    "clock_coarse": "the clock is coarse against the durations timed",
    "contended": "other work competed for the processor",
    "other_load": "other processes took much of the machine's CPU time",
    "cgroup_throttled": "the container's CPU quota stopped the process",
    "swapped": "pages were swapped in or read from disk",
    "throttled": "the processor or device was slowed down",
    "frequency_drift": "the CPU's frequency changed during the pass",
    "stolen": "the hypervisor gave CPU time to other machines",
    "memory_pressure": "tasks of the machine waited for memory",
    "runner_drift": "the machine itself changed between what is compared",
    "slows_down": "it does not keep up its speed",
    "late_dispatch": "the benchmark itself started queries late",
    "overloaded": "the rest of an overlong queue was not started",
    "baselines_differ": "the idle power before and after differs",
    "power_disagrees": "sampled power and the counter disagree",
    "few_trials": "few windows were measured",
    "thermal": "the device was slowed down by heat",
    "counter_wrap": "the energy counter may have turned round unseen",
    "mig": "the energy is that of the whole board",
    "other_processes": "other processes used the device",
}
"""Doubts about times and energy alone."""
_ANY: Mapping[str, str] = {
    "proxy": "the placement is derived, not observed",
    "unproved": "nothing proves which precision ran",
    "parity_far": "outputs are far from those of the reference",
}
_METRIC = ("iou", "recall", "mean", "average", "max_detections")
"""Parts of a metric's convention that a footnote names."""


def line(text: object, limit: int = _LONGEST) -> str:
    """Return *text* on one line without what cannot be printed; what is long is cut."""
    kept = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


def claimed(view: RunView, cell: CellView, family: ClaimFamily, name: str) -> ClaimedCell:
    """Return *cell* with what its figure *name*, of *family*, was measured with."""
    data = cell.protocol.get("dataset") or {}
    place = cell.placement
    pinned = {
        "preprocessing": cell.protocol.get("preprocessing"),
        "decoder": cell.protocol.get("decoder"),
        "evaluator": cell.evaluator,
        "convention": cell.convention,
        "latency": _measuring(cell),
    }
    return ClaimedCell(
        id=cell.id, label=cell.label, model=cell.model, runtime=cell.runtime,
        precision=cell.precision, ran=_ran(cell), device=cell.device, batch=cell.batch,
        dataset=cell.dataset, split=cell.split, task=cell.task,
        threads=place.threads if place else None, images=cell.counts.get("images"),
        evaluator=cell.evaluator, machine=str(view.environment.get("key", "unknown")),
        data=str(data.get("content_sha256") or f"{cell.dataset}/{cell.split}"),
        protocol=digest(pinned)[:16], settings=tuple(_settings(view, cell, family, name)),
        doubts=tuple(_doubts(cell, family)),
    )  # fmt: skip


def _measuring(cell: CellView) -> dict[str, Any]:
    found = cell.protocol.get("latency") or {}
    return {key: value for key, value in found.items() if key != "canary"}


def _ran(cell: CellView) -> str:
    told = cell.placement.precision if cell.placement else ""
    return cell.precision if told in ("", "unknown") else told


def _settings(view: RunView, cell: CellView, family: ClaimFamily, name: str) -> Iterator[Setting]:
    """Yield what the footnote names, the most telling first."""
    if family == "accuracy":
        yield from _accuracy(cell)
    else:
        yield Setting(name="machine", text=machine(view.environment, cell))
        yield from _placed(cell)
        if told := _timed(cell, name):
            yield Setting(name="timing", text=told)
    if family == "accuracy":
        yield Setting(name="machine", text=machine(view.environment, cell))
        yield from _placed(cell)
    versions = ", ".join(f"{name} {told}" for name, told in cell.versions.items())
    yield Setting(name="software", text=line(versions or "not recorded"))


def _accuracy(cell: CellView) -> Iterator[Setting]:
    objects = cell.counts.get("annotations")
    counted = f", {objects} annotated objects" if objects is not None else ""
    images = cell.counts.get("images", "an unknown number of")
    yield Setting(
        name="data", text=line(f"{cell.dataset} ({cell.split}), {images} images{counted}")
    )
    for name in ("preprocessing", "decoder"):
        part = cell.protocol.get(name) or {}
        if isinstance(part, Mapping) and part:
            told = ", ".join(f"{key}: {value}" for key, value in part.items() if key != "kind")
            yield Setting(name=name, text=line(told, 600))
    if cell.evaluator:
        yield Setting(name="evaluator", text=line(cell.evaluator))
    told = ", ".join(f"{key}: {cell.convention[key]}" for key in _METRIC if key in cell.convention)
    if told:
        yield Setting(name="metric", text=line(told, 600))


def machine(environment: Mapping[str, Any], cell: CellView) -> str:
    """Return the processor, accelerator and system in a few words."""
    cpu, system = environment.get("cpu") or {}, environment.get("system") or {}
    told = [str(cpu.get("model") or "processor not recorded")] if isinstance(cpu, Mapping) else []
    if environment.get("virtualised"):
        told.append("a virtual machine")
    gpu = cell.placement.details.get("gpu") if cell.placement else None
    told += [gpu] if gpu else []
    if isinstance(system, Mapping) and system:
        told.append(f"{system.get('os', '')} {system.get('release', '')}".strip())
    return line(", ".join(told), 200)


def _placed(cell: CellView) -> Iterator[Setting]:
    place = cell.placement
    if place is None:
        return
    threads = "1 thread" if place.threads == 1 else f"{place.threads} threads"
    told = f"device {place.device}, provider {place.provider}, {threads}, batch {cell.batch}"
    yield Setting(name="placement", text=line(told))


def _timed(cell: CellView, name: str) -> str:
    """Return how a figure of time came to be; nothing for the others."""
    head = name.partition(".")[0]
    if head in ("server", "cameras"):
        return "latency counts from the scheduled arrival, waiting included"
    if head not in ("latency", "throughput"):
        return ""
    asked = cell.protocol.get("latency") or {}
    scenario, warmup = asked.get("scenario"), asked.get("warmup")
    told = [f"{scenario}"] if scenario else []
    if name == "latency.first":
        told.append("the first query of a fresh process, with no warm-up before it")
    elif warmup is not None:
        told.append(f"{warmup} warm-up quer{'y' if warmup == 1 else 'ies'} not counted")
    told.append(
        "upload, inference and download are timed, decoding, preprocessing and postprocessing not"
    )
    return line(", ".join(told))


def _doubts(cell: CellView, family: ClaimFamily) -> Iterator[str]:
    """Yield what a reader must know against the figure, in words."""
    if cell.admitted and cell.placement:
        place = cell.placement
        yield line(
            f"ran otherwise than asked ({', '.join(cell.admitted)}): asked"
            f" {place.requested_precision} on {place.requested_device} by"
            f" {place.requested_provider}, ran {place.precision} on {place.device} by"
            f" {place.provider}"
        )
    told = dict.fromkeys(_told(one, family) for one in cell.caveats)
    if cell.placement and cell.placement.evidence == "proxy":
        told[_ANY["proxy"]] = None
    yield from (one for one in told if one)


def _told(caveat: Caveat, family: ClaimFamily) -> str:
    if caveat.code.endswith("_admitted"):
        return ""
    if caveat.code in _TIMED:
        return _TIMED[caveat.code] if family in ("latency", "energy") else ""
    figures = ", ".join(f"{key} {value}" for key, value in caveat.figures.items())
    words = _ANY.get(caveat.code, caveat.code.replace("_", " "))
    return line(f"{words} ({figures})" if figures else words)
