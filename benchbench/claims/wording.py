"""The sentences of claims: nothing in them that the figures do not show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchbench.claims.conditions import line, machine
from benchbench.claims.figures import change, confidence, fixed, signed, written
from benchbench.claims_view import ClaimFigure
from benchbench.quantities import Named
from benchbench.view import CellView, RunView

RUNTIMES: Mapping[str, str] = {
    "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime", "torch": "PyTorch",
    "tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX", "litert": "LiteRT", "ncnn": "ncnn",
    "opencv": "OpenCV", "executorch": "ExecuTorch", "coreml": "Core ML",
}  # fmt: skip
METRICS: Mapping[str, str] = {
    "map": "mAP", "map_50": "mAP at IoU 0.5", "map_75": "mAP at IoU 0.75", "miou": "mIoU",
    "mar_1": "mAR at 1 detection an image", "mar_10": "mAR at 10 detections an image",
    "mar_100": "mAR at 100 detections an image", "map_small": "mAP on small objects",
    "map_medium": "mAP on medium objects", "map_large": "mAP on large objects",
    "top1": "top-1 accuracy", "top5": "top-5 accuracy", "dice": "Dice coefficient", "pq": "PQ",
    "pixel_accuracy": "pixel accuracy",
    "f1": "F1 at the threshold that is best on these very images",
    "precision": "precision at the threshold that is best for F1 on these very images",
    "recall": "recall at the threshold that is best for F1 on these very images",
}  # fmt: skip
NOUNS: Mapping[str, str] = {
    "latency.p50": "median latency", "latency.p90": "90th-percentile latency",
    "latency.p95": "95th-percentile latency", "latency.p99": "99th-percentile latency",
    "latency.mean": "mean latency", "latency.first": "latency of the very first query",
    "load": "loading time", "throughput": "single-stream throughput",
    "offline.throughput": "offline throughput",
    "multi-stream.p50": "median multi-stream latency",
    "multi-stream.p90": "90th-percentile multi-stream latency",
    "multi-stream.p99": "99th-percentile multi-stream latency",
    "energy": "gross energy", "energy.net": "net energy, idle power subtracted,",
    "energy.images": "yield of images per joule", "energy.average": "average power",
    "energy.peak": "peak power", "memory": "peak resident memory during inference",
    "memory.load": "peak resident memory while loading", "memory.device": "device memory in use",
    "size": "artifact size", "parameters": "parameter count",
    "macs": "cost in multiply-accumulates",
    "build": "artifact build time", "cost.million": "cost for a million images",
    "coverage.device": "share of nodes on the requested device",
    "coverage.precision": "share of convolution and matrix work in the requested precision",
}  # fmt: skip
_AN = ("mAP", "mIoU", "mAR", "F1", "offline", "average", "artifact")
_OPENINGS = ("on ", "by ", "no ", "the ")
_PER = {"energy": " per image", "energy.net": " per image", "macs": " per image"}
_CHANGES: Mapping[str, str] = {
    "throughput": "processes {} times as many images a second as",
    "energy": "uses {} times as much gross energy per image as",
    "energy.net": "uses {} times as much net energy per image as",
    "energy.images": "processes {} times as many images per joule as",
    "energy.average": "draws {} times the average power of",
    "size": "has an artifact {} times the size of that of",
    "parameters": "has {} times as many parameters as",
    "macs": "takes {} times as many multiply-accumulates per image as",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a sentence is made of."""

    view: RunView
    named: Named
    cell: CellView
    figure: ClaimFigure
    against: CellView | None = None


def noun(name: Named) -> str:
    """Return what a figure is called in a sentence."""
    if name.name.startswith("coverage.") and name.name not in NOUNS:
        return f"share of convolution and matrix work in {name.name.partition('.')[2]}"
    return NOUNS.get(name.name) or METRICS.get(name.name.lower()) or f"value of {name.name!r}"


def _a(text: str) -> str:
    return f"an {text}" if text.startswith(_AN) else f"a {text}"


def subject(cell: CellView) -> str:
    """Return the cell in words, with how it ran where that is not how it was asked to."""
    name = line(cell.model, 80)
    if cell.precision == "given":
        return f"{name} (predictions that another tool made)"
    version = cell.versions.get(cell.runtime)
    runtime = RUNTIMES.get(cell.runtime, line(cell.runtime, 60))
    told = f"{name} in {runtime}{f' {line(version, 30)}' if version else ''} at {_precision(cell)}"
    told += f" on {line(cell.device, 30)}" if cell.device != "cpu" else ""
    place = cell.placement
    if place and "device" in cell.admitted:
        told += f" (which ran on {line(place.device, 30)})"
    return told + (f" in batches of {cell.batch}" if cell.batch != 1 else "")


def _precision(cell: CellView) -> str:
    place = cell.placement
    if place is None or place.precision in ("unknown", cell.precision):
        return cell.precision
    return f"{cell.precision} as asked, {line(place.precision, 20)} as it ran,"


def sentence(said: Said) -> str:
    """Return the sentence of a claim."""
    if said.against is not None:
        made = _alike(said) if said.figure.outcome == "equivalent" else _compared(said)
    elif said.named.name in ("server.rate", "cameras"):
        made = _searched(said)
    else:
        made = _single(said)
    # A name is never changed, not even by a capital.
    return (made[0].upper() + made[1:] if made.startswith(_OPENINGS) else made) + "."


# --- one figure --------------------------------------------------------------------------


def _single(said: Said) -> str:
    value, low, high, unit = written(said.figure)
    verb = "reaches" if said.figure.basis == "images" and said.figure.higher_is_better else "has"
    told = f"{_where(said)}{subject(said.cell)} {verb} {_a(noun(said.named))} of {value}{unit}"
    told += _per(said) + _of_class(said.named)
    ends = f"{low} to {high}{unit}" if low is not None and high is not None else None
    return told.replace(",,", ",") + _sure(said, ends)


def _where(said: Said) -> str:
    """Return what the figure was measured on: images, or a machine."""
    place = said.cell.placement
    if "images" in (said.figure.basis, said.figure.design):
        return f"{_images(said)}, " if said.figure.n else ""
    if said.named.name.startswith("coverage."):
        return f"by the placement (known from: {line(place.source, 80)}), " if place else ""
    if "counted" in (said.figure.basis, said.figure.design):
        return "by count, "
    threads = f" with {place.threads} thread{'s' * (place.threads != 1)}" if place else ""
    return f"on {_article(machine(said.view.environment, said.cell))}{threads}, "


def _article(told: str) -> str:
    """Return the machine with its article; a processor that is not known gets none."""
    short = told.partition(", Linux")[0]
    return f"a machine ({short})"


def _images(said: Said) -> str:
    cell, n = said.cell, said.figure.n
    same = "same " if said.against else ""
    whole = f"{line(cell.dataset, 60)} ({line(cell.split, 30)})"
    kind, _, of = (said.named.subject or "").partition("=")
    if kind == "slice":
        return f"on the {same}{n} images of the slice '{line(of, 60)}' of {whole}"
    return f"on the {same}{n} images of {whole}"


def _of_class(name: Named) -> str:
    kind, _, of = (name.subject or "").partition("=")
    if kind == "class":
        return f" for the class '{line(of, 60)}'"
    return f" by the meter '{line(of, 60)}'" if kind == "meter" else ""


def _per(said: Said) -> str:
    name = said.named.name
    if name.startswith("energy") and said.cell.energy:
        scope = said.cell.energy[0].scope or "what it covers is not known"
        return f"{_PER.get(name, '')} ({line(said.cell.energy[0].meter, 40)}: {line(scope, 60)})"
    if name.startswith("latency"):
        batch = said.cell.batch
        return f" per query of {batch} image{'s' * (batch != 1)}"
    if name == "offline.throughput" and said.cell.offline:
        return _streams(said.cell.offline[0].best_streams)
    if name == "cost.million" and said.cell.costs:
        cost = said.cell.costs[0]
        return f" at {cost.per_hour:g} {cost.currency} an hour and the {cost.basis} throughput"
    return _PER.get(name, "")


def _streams(count: int) -> str:
    return f" with {count} stream{'s' * (count != 1)}"


def _sure(said: Said, ends: str | None) -> str:
    figure = said.figure
    if figure.basis == "counted":
        return ""
    if figure.basis == "one run":
        return ", in one run (a point estimate)"
    if figure.basis == "one process":
        level = f"{confidence(figure.level)} " if figure.level else ""
        told = f"; its {level}interval within that process alone: {ends}" if ends else ""
        return f", in one process (a point estimate{told})"
    if ends is None or figure.level is None:
        return f" (no interval: {line(figure.reason or 'none was formed', 120)}{_count(figure)})"
    over = {
        "images": "at this n",
        "processes": f"over {figure.n} fresh processes",
        "trials": f"over {figure.n} trials",
    }.get(figure.basis, f"over {figure.n} {figure.basis}")
    return f" ({confidence(figure.level)} interval {over}: {ends})"


def _count(figure: ClaimFigure) -> str:
    return f"; {figure.n} {figure.basis}" if figure.n and figure.basis != "images" else ""


def _searched(said: Said) -> str:
    """Return the sentence of a load that was searched for: a bracket, not an interval."""
    value, _, high, unit = written(said.figure)
    missed = f", and missed at {high}{unit}" if high is not None else ", and no level above was"
    missed += "" if high is not None else " shown to miss"
    ended = f" ({said.figure.n} levels tried, each decided at 99 % confidence)"
    if said.named.name == "cameras":
        view = said.cell.cameras[0]
        streams = _streams(view.streams)
        held = (
            f"at most {100 * view.miss_share:g} % of frames late by the deadline of"
            f" {view.deadline_ms:g} ms was kept with {value}{unit} of {view.fps:g} frames a second"
        )
    else:
        load = said.cell.server[0]
        streams = _streams(load.streams)
        held = (
            f"a p{load.percentile:g} latency within {load.bound_ms:g} ms was kept at {value}{unit}"
        )
    return f"{_where(said)}{subject(said.cell)} served its load{streams}: {held}{missed}{ended}"


# --- two cells ---------------------------------------------------------------------------


def _compared(said: Said) -> str:
    assert said.against is not None
    ours, theirs = subject(said.cell), subject(said.against)
    if said.figure.outcome == "inconclusive":
        return _unshown(said, ours, theirs)
    if said.figure.scale == "difference":
        return _difference(said, ours, theirs)
    value, low, high = change(said.figure)
    verb = _CHANGES.get(said.named.name, "takes {} times as long as")
    told = f"{ours} {verb.format(value)} {theirs}"
    told += f" by {noun(said.named)}" if said.named.name not in _CHANGES else ""
    if said.figure.design == "counted":
        return f"{_where(said)}{told}"
    return f"{_where(said)}{told} ({_level(said.figure)} {low} to {high}; {design(said.figure)})"


def _level(figure: ClaimFigure) -> str:
    assert figure.level is not None
    looks = f", corrected for {figure.looks} looks," if figure.looks > 1 else ""
    return f"{confidence(figure.level)} interval{looks}"


def design(figure: ClaimFigure) -> str:
    """Return how two cells were compared, in words."""
    return {
        "turns": f"{figure.basis} of processes that took turns in the same job",
        "rounds": f"{figure.basis} of fresh processes in the same job",
        "trials": f"{figure.basis} of the meter in the same job",
        "images": f"paired bootstrap, {figure.basis}",
    }.get(figure.design, figure.basis)


def _difference(said: Said, ours: str, theirs: str) -> str:
    figure = said.figure
    value, low, high = change(figure)
    assert figure.value is not None
    way = "above" if figure.value > 0 else "below"
    size = value.lstrip("−")
    what = f"{noun(said.named)}{_of_class(said.named)}"
    head = f"the {what} of {ours}{_bare(figure, figure.own)} is {size} {_points(figure)} {way}"
    told = f"{head} that of {theirs}{_bare(figure, figure.other)}"
    where = _where(said)
    if low is None or high is None:
        return f"{where}{told} ({design(figure)})"
    return f"{where}{told} ({_span(figure, low, high)}; {design(figure)})"


def _bare(figure: ClaimFigure, value: float | None) -> str:
    return (
        "" if value is None else f" ({fixed(value, 3)}{f' {figure.unit}' if figure.unit else ''})"
    )


def _points(figure: ClaimFigure) -> str:
    return figure.unit or "points"


def _span(figure: ClaimFigure, low: str, high: str) -> str:
    of = f"{signed(low)} to {signed(high)} {_points(figure)}"
    return f"{_level(figure)} of the difference, the first less the second: {of}"


def _unshown(said: Said, ours: str, theirs: str) -> str:
    figure = said.figure
    _, low, high = change(figure)
    assert low is not None
    assert high is not None
    what = f"{noun(said.named)}{_of_class(said.named)}"
    told = f"no difference in {what} was shown between {ours} and {theirs}"
    if figure.scale == "difference":
        return f"{_where(said)}{told} ({_span(figure, low, high)}; {design(figure)})"
    ratio = f"{_level(figure)} of the ratio, the first over the second: {low} to {high}"
    return f"{_where(said)}{told} ({ratio}; {design(figure)})"


def _alike(said: Said) -> str:
    assert said.against is not None
    ours, theirs = subject(said.cell), subject(said.against)
    what = f"{noun(said.named)}{_of_class(said.named)}"
    own = said.figure.model_copy(update={"value": said.figure.own, "low": None, "high": None})
    value, _, _, unit = written(own)
    how = "" if said.figure.design == "counted" else " (alike on every draw of the images)"
    return f"{_where(said)}{ours} and {theirs} have the same {what}, {value}{unit}{how}"
