"""What is known of a quantity by its name alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchbench.errors import UsageError
from benchbench.quantities.naming import short
from benchbench.quantities.quantity import Getter
from benchbench.quantities.resources import COVERAGES, RESOURCES
from benchbench.quantities.speeds import SPEEDS
from benchbench.units import Unit
from benchbench.view import CellView

GETTERS: Mapping[str, Getter] = {**SPEEDS, **RESOURCES, **COVERAGES}
"""The figures that every cell has, or has not for a reason, whatever its evaluator."""
ALIASES: Mapping[str, str] = {
    "latency": "latency.p50",
    "latency.median": "latency.p50",
    "p50": "latency.p50",
    "p90": "latency.p90",
    "p95": "latency.p95",
    "p99": "latency.p99",
    "energy.gross": "energy",
    "power": "energy.average",
    "power.average": "energy.average",
    "power.peak": "energy.peak",
    "rss": "memory",
    "model size": "size",
    "params": "parameters",
    "cost": "cost.million",
    "fps": "throughput",
    "qps": "server.rate",
    "cold": "latency.first",
}
"""Other names of some of them."""
_BLANK = CellView(
    id="", label="", model="", runtime="", precision="fp32", device="", batch=1, dataset="",
    split="", task="detection", status="not_run",
)  # fmt: skip
"""A cell of which nothing is known, to ask what any cell's figures are like."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a quantity by its name alone."""

    name: str
    """As :func:`resolved`."""
    unit: Unit
    higher_is_better: bool | None
    """None for a metric that only its evaluator knows."""
    fraction: bool
    """Whether it lies between 0 and 1."""
    counted: bool
    """Whether it is counted, so that it cannot be otherwise another time."""
    accuracy: bool


_FRACTION = re.compile(
    r"(boundary_)?(map|mar|ap|ar)(\d+|_\w+)?|voc_map|f1(_(macro|micro|weighted))?|accuracy"
    r"|(precision|recall)(_(macro|micro|weighted))?|(roc_auc|average_precision)_\w+|top[15]|nsd"
    r"|[psr]q(_things|_stuff)?|(class_|fw_|boundary_)?m?iou(_\w+)?|dice(_pooled)?|share_\d+"
    r"|(balanced|pixel|mean)_accuracy|boundary_f1"
)
_ERROR = re.compile(r"error_\w+|(calibration|score)_error|ece")
_FROM_ZERO_UP = re.compile(r"(hd95|assd)_(px|mm)|brier|nll")


def kind(name: str) -> Kind:
    """Return what is known of *name* without any cell; a name that is not fixed is accuracy's."""
    known = resolved(name)
    if is_fixed(known):
        found = GETTERS[known](_BLANK)
        unit, counted = found.unit, found.basis == "counted"
        return Kind(known, unit, found.higher_is_better, unit == "", counted, accuracy=False)
    folded = re.sub(r"[\s@-]", "_", known.lower())
    good, bad = _FRACTION.fullmatch(folded), _ERROR.fullmatch(folded)
    less = bool(bad or _FROM_ZERO_UP.fullmatch(folded))
    better = not less if good or less else None
    return Kind(
        known, _accuracy_unit(known), better, bool(good or bad), counted=False, accuracy=True
    )


def _accuracy_unit(name: str) -> Unit:
    """Distances say their unit at the end of their names; every other metric has none."""
    last = name.lower().rpartition("_")[2]
    return "px" if last == "px" else "mm" if last == "mm" else ""


def check_subject(name: str, subject: str) -> None:
    """Raise UsageError if a figure called *name* cannot be of *subject*."""
    kind, energy = subject.partition("=")[0], name.partition(".")[0] == "energy"
    if (kind == "meter") == energy and (energy or not is_fixed(name)):
        return
    if is_fixed(name) and not energy:
        hint = "classes and slices are of accuracy, meters of energy"
    else:
        hint = (
            f"write {name}[meter=rapl]" if energy else f"write {name}[class=…] or {name}[slice=…]"
        )
    raise UsageError(f"{short(name)} is not known by {kind}", hint=hint)


def resolved(name: str) -> str:
    """Return the fixed name that is written as *name*; *name* itself if it is none of them."""
    folded = " ".join(name.lower().split())
    folded = ALIASES.get(folded, folded)
    return folded if is_fixed(folded) else name.strip()


def is_fixed(name: str) -> bool:
    """Return whether *name* is one of the names that every cell has."""
    return name in GETTERS


def looks_fixed(name: str) -> bool:
    """Return whether *name* begins as names of figures other than accuracy do."""
    first, dot, _ = name.lower().partition(".")
    return bool(dot) and any(first == one.partition(".")[0] for one in GETTERS)


def folded_name(name: str) -> str:
    """``mAP@50``, ``map_50`` and ``mAP 50`` are one name."""
    return re.sub(r"[\s_@-]", "", name.lower())
