"""Every sentence and every number format that reports share.

A figure that is absent prints as :data:`ABSENT`; its reason stands beside it or in a footnote.
No sentence here claims that a difference is significant; :mod:`sureness` words those that are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from benchbench import quantities
from benchbench.inert import visible
from benchbench.reports.doubts import CAVEATS as _CAVEATS
from benchbench.reports.grouping import ASKED, finite
from benchbench.types import Caveat, Failure, Placement, Status
from benchbench.view import CellView, LatencyView, Speedup

ABSENT = "–"
LESS = "↓"
"""Stands at the name of a metric of which less is better."""
ONE_EACH = "one process each"
"""What a speed rests on whose interval says nothing of the spread between processes."""
PERCENTILES = ("p50", "p90", "p95", "p99")
STAGES = ("preprocess", "upload", "run", "download", "postprocess")
EVERY_STAGE = ("decode", *STAGES)
"""Decoding of image files is timed only where the suite asks for it."""
STATUS: Mapping[Status, str] = {
    "measured": "measured", "compiled": "compiled only", "failed": "failed", "not_run": "not run",
}  # fmt: skip
"""Status → words, in the order in which reports count them."""

_METRICS = {
    "ap": "mAP", "map": "mAP", "ap50": "AP50", "ap75": "AP75", "miou": "mIoU",
    "top1": "top-1", "top5": "top-5", "pixel_accuracy": "pixel accuracy",
}  # fmt: skip
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


# --- names -------------------------------------------------------------------------------


def clean(text: object) -> str:
    r"""Return *text* with control and direction-changing characters made visible, e.g. ``\x1b``.

    Tabs and line feeds stay; terminal colour codes go.
    """
    return visible(_ANSI.sub("", str(text)))


def short(text: object, limit: int = 80) -> str:
    """Return *text* on one line, cleaned, its middle cut out where it is longer than *limit*."""
    line = " ".join(clean(text).split())
    if len(line) <= limit:
        return line
    head = (limit - 1) * 2 // 3
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def metric_name(name: str | None, lower: Collection[str] = ()) -> str:
    """Return how people write the metric: ``AP`` is mAP in the COCO habit.

    An arrow marks it if it is among *lower*, of which less is better.
    """
    if name is None:
        return ABSENT
    arrow = f" {LESS}" if name in lower else ""
    return _METRICS.get(name.lower(), short(name, 40)) + arrow


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return ``1 cell``, ``2 cells``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


# --- numbers -----------------------------------------------------------------------------


def significant(value: float | None, digits: int = 3) -> str:
    """Return *value* with *digits* significant digits, never in exponent form."""
    if (value := finite(value)) is None:
        return ABSENT
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}".replace("-", "−")


def whole(value: float | None) -> str:
    """Return *value* rounded to a whole number: ``1,200``."""
    return ABSENT if (value := finite(value)) is None else f"{value:,.0f}"


def fraction(value: float | None) -> str:
    """Return an accuracy as a fraction of 1 with three decimals: ``0.413``."""
    return ABSENT if (value := finite(value)) is None else f"{value:.3f}".replace("-", "−")


def milliseconds(value: float | None) -> str:
    """Return a duration in milliseconds with three significant digits: ``3.81 ms``."""
    return _unit(significant(value), "ms")


def rate(value: float | None) -> str:
    """Return a throughput with three significant digits: ``262 images/s``."""
    return _unit(significant(value), "images/s")


def size(value: float | None) -> str:
    """Return a number of bytes in decimal units: ``3.72 MB``."""
    if (value := finite(value)) is None:
        return ABSENT
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{significant(value / scale)} {unit}"
    return f"{value:.0f} bytes"


def seconds(value: float | None) -> str:
    """Return a duration in seconds with three significant digits."""
    return _unit(significant(value), "s")


def percent(share: float | None) -> str:
    """Return a share of 1 in percent; what is not quite all or nothing never rounds to it."""
    if (share := finite(share)) is None:
        return ABSENT
    if 0.999 < share < 1:
        return "> 99.9 %"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"


def delta(value: float | None) -> str:
    """Return a signed difference with three decimals: ``−0.012``, ``+0.003``, ``±0.000``."""
    if (value := finite(value)) is None:
        return ABSENT
    text = f"{value:+.3f}"
    return "±0.000" if float(text) == 0 else text.replace("-", "−")


def ratio(value: float | None) -> str:
    """Return a ratio with two decimals: ``0.41 ×``."""
    return ABSENT if (value := finite(value)) is None else f"{value:.2f} ×"


def interval(speed: Speedup) -> str:
    """Return the interval of a speed: ``95 % interval 2.36–2.47``; it tells if 1 is in it.

    It tells how many rounds of processes it rests on, or that it is of one process each.
    """
    undecided = ", includes 1" if speed.low <= 1 <= speed.high else ""
    rounds = f"{plural(speed.rounds, 'round')} of processes" if speed.rounds else ONE_EACH
    return f"95 % interval {speed.low:.2f}–{speed.high:.2f}{undecided}, {rounds}"


def plus_minus(cell: CellView) -> str:
    """Return half the primary metric's interval: ``± 0.031``; empty where there is none."""
    found = cell.intervals.get(cell.primary or "")
    if found is None or found.value is None or found.high is None:
        return ""
    return f"± {found.high - found.value:.3f}"


def against(cell: CellView) -> str:
    """Return the interval of the difference to fp32 and what it says; empty where there is none."""
    found = cell.comparison
    if found is None:
        return ""
    if found.low is None or found.high is None:
        return short(f"no interval: {found.reason}", 120)
    said = {"inconclusive": "no difference shown"}.get(found.verdict, found.verdict)
    return f"95 % {delta(found.low)} to {delta(found.high)}: {said}"


def _unit(number: str, unit: str) -> str:
    return number if number == ABSENT else f"{number} {unit}"


_UNITS = (
    ("_db", "dB"),
    ("_ms", "ms"),
    ("_mhz", "MHz"),
    ("_w", "W"),
    ("_us", "µs"),
    ("_ns", "ns"),
    ("_s", "s"),
    ("_mb", "MB"),
    ("_bytes", ""),
)


_SHARES = ("others_cpu", "steal", "pressure_memory", "share", "spread")
"""Figures of caveats that are shares of 1."""


def figure(name: str, value: object) -> str:
    """Return a caveat's figure, with the unit that its name carries."""
    if not isinstance(value, int | float):
        return short(value)
    if name in _SHARES:
        return percent(value)
    if name.endswith("_bytes"):
        return size(value)
    for suffix, unit in _UNITS:
        if name.endswith(suffix):
            return _unit(significant(value), unit)
    return f"{value:,}" if isinstance(value, int) else significant(value)


def figure_name(name: str) -> str:
    """Return the name of a caveat's figure without the unit that :func:`figure` prints."""
    if name == "load_1m":
        return "one-minute load"
    stem = next((name.removesuffix(end) for end, _ in _UNITS if name.endswith(end)), name)
    return short(stem, 40).replace("_", " ")


# --- what ran ----------------------------------------------------------------------------


def coverage(place: Placement | None) -> str:
    """Return the shares of the work, largest first: ``int8 98.2 %, fp32 1.8 %``."""
    shares = sorted((place.coverage if place else {}).items(), key=lambda item: (-item[1], item[0]))
    if len(shares) == 1:
        return f"{percent(shares[0][1])} of the work"
    return ", ".join(f"{short(name, 40)} {percent(share)}" for name, share in shares)


def mismatch(place: Placement | None) -> str:
    """Return in a sentence how what ran differs from what was asked, or an empty string."""
    if place is None:
        return ""
    return "; ".join(text for kind in ASKED if (text := departure(place, kind)))


def departure(place: Placement, kind: str) -> str:
    """Return ``precision bf16 was asked for, fp32 ran``; empty if *kind* ran as asked."""
    asked, found = getattr(place, f"requested_{kind}"), getattr(place, kind)
    return "" if asked == found else f"{kind} {short(asked)} was asked for, {short(found)} ran"


def withheld(latency: LatencyView, percentile: str) -> str:
    """Return why *percentile* (``p99``) is absent."""
    for key in (percentile, f"{percentile}_ms"):
        if key in latency.withheld:
            return short(latency.withheld[key], 300)
    return "the run gives no reason"


def absence(cell: CellView) -> str:
    """Return why a cell that was not measured has no figures."""
    if cell.failure is not None:
        return failure_line(cell.failure)
    told = [caveat_line(caveat) for caveat in cell.caveats if caveat.code == "compiled_only"]
    if cell.status == "compiled" and told:
        return told[0]
    return "the run gives no reason" if cell.status != "measured" else "not recorded"


def unfiled(cell: CellView) -> str:
    """Return why the size or the digest of a cell's artifact is absent."""
    known = cell.artifact is not None or cell.status == "measured"
    return short(quantities.unfiled(cell), 300) if known else absence(cell)


def untimed(cell: CellView) -> str:
    """Return why a cell without a latency pass has no latency."""
    return absence(cell) if cell.status != "measured" else "this cell has no latency pass"


def accuracy_absence(cell: CellView) -> str:
    """Return why a cell has no accuracy."""
    if cell.status != "measured":
        return absence(cell)
    if cell.primary and cell.primary in cell.reasons:
        return short(cell.reasons[cell.primary], 300)
    return "this cell has no accuracy pass" if not cell.primary else "the run gives no reason"


# --- caveats -----------------------------------------------------------------------------


def chip(caveat: Caveat) -> str:
    """Return a caveat's short name."""
    known = _CAVEATS.get(caveat.code)
    return known[0] if known else short(caveat.code, 40).replace("_", " ")


def caveat_line(caveat: Caveat) -> str:
    """Return a caveat in words with all its figures; a code unknown here prints as it is."""
    figures = {key: figure(key, value) for key, value in caveat.figures.items()}
    _, plain, template = _CAVEATS.get(caveat.code, ("", chip(caveat), ""))
    try:
        sentence = template.format_map(figures)
    except KeyError:
        sentence = ""
    told = set(re.findall(r"{(\w+)}", template)) if sentence else set()
    rest = [f"{figure_name(k)} {v}" for k, v in figures.items() if k not in told]
    return (sentence or plain) + (f" ({', '.join(rest)})" if rest else "")


# --- failures ----------------------------------------------------------------------------

_FAILURES: Mapping[str, str] = {
    "pending": "not measured yet",
    "timeout": "timed out",
    "signal": "crashed",
    "out_of_memory": "out of memory",
    "exception": "exception",
    "interrupted": "interrupted",
    "missing_dependency": "missing package",
    "missing_device": "missing device",
    "compiled_only": "compiled only",
    "placement": "placed otherwise than asked",
    "dataset": "unusable dataset",
    "image": "unreadable image",
    "model": "unusable model",
    "decoder_mismatch": "decoder does not fit",
    "conversion": "conversion failed",
    "calibration": "calibration refused",
    "plugin": "plug-in unavailable",
    "predictions": "predictions cannot be scored",
    "meter": "meter unusable",
    "store": "store unusable",
    "suite": "unusable suite",
    "usage": "wrong usage",
    "error": "error",
}


def failure_title(failure: Failure) -> str:
    """Return what a failure's code means; a code unknown here prints as it is."""
    return _FAILURES.get(failure.code, short(failure.code, 40).replace("_", " "))


def failure_line(failure: Failure) -> str:
    """Return a failure in one line: meaning, stage, message."""
    stage = f" in stage {short(failure.stage, 40)}" if failure.stage else ""
    return f"{failure_title(failure)}{stage}: {short(failure.message, 300)}"


# --- the environment ---------------------------------------------------------------------

_LINE = (
    ("gpu", "gpu.name", "gpus", "accelerator", "cuda.device"),
    ("cpu", "cpu.model", "cpu.name", "processor", "machine.cpu"),
    ("cpu.available", "cpu.cores", "cpu.logical", "cores", "cpu.count"),
    ("os", "os.name", "system.os", "platform", "system", "kernel"),
    ("system.release", "os.kernel"),
    ("python", "python.version", "versions.python"),
)


def leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Flatten nested mappings and lists to (dotted path, text); absent values read ABSENT."""
    if isinstance(value, Mapping) and (value or not path):
        return [
            leaf for k, v in value.items() for leaf in leaves(v, f"{path}.{k}" if path else str(k))
        ]
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return [leaf for i, v in enumerate(value, 1) for leaf in leaves(v, f"{path}.{i}")]
        return [(path, ", ".join(scalar(item) for item in value) or "none")]
    return [(path, _UNBOUND if path in _LIMITS and _unlimited(value) else scalar(value))]


_LIMITS, _UNBOUND = ("limits.cpu", "limits.memory"), "no limit"


def _unlimited(value: object) -> bool:
    """Return whether a control group's limit is none: ``max``, -1, or all that a number holds."""
    first = str(value).partition(" ")[0]
    return first in ("max", "-1") or (first.isdigit() and int(first) >= 2**60)


def scalar(value: object) -> str:
    """Return one value of a nested mapping as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ABSENT
    if isinstance(value, Mapping):
        return "none"
    return clean(value) if str(value) else ABSENT


def environment_line(environment: Mapping[str, Any]) -> str:
    """Return the machine in one line, from the usual names, or else the first four values."""
    flat = {path.lower(): text for path, text in leaves(dict(environment)) if text != ABSENT}
    told = []
    for names in _LINE:
        found = next((name for name in names if name in flat), None)
        if found is not None:
            told.append(_labelled(found, flat[found]))
    told = told or [f"{path} {text}" for path, text in list(flat.items())[:4]]
    return " · ".join(short(text, 60) for text in told)


def _labelled(path: str, text: str) -> str:
    if path.startswith(("python", "versions.python")):
        return f"Python {text}"
    return f"{text} cores" if text.isdigit() else text
