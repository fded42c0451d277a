"""What stored predictions cannot give back: they were cut when they were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from benchbench import plugins
from benchbench.types import Cell, Prediction


@runtime_checkable
class Decoding(Protocol):
    """A metric of a tool that decodes for itself."""

    decoding: Mapping[str, float]
    """What it decodes with: ``score_floor``, ``nms_iou``, ``max_detections``."""


def losses(
    cell: Cell, tool: str, metric: Mapping[str, Any], predictions: Mapping[int, Prediction]
) -> tuple[str, ...]:
    """Return sentences on what *tool* would have kept that is not stored; none if it takes all."""
    plugin = plugins.build("metrics", metric)
    if not isinstance(plugin, Decoding):
        return ()
    usual = plugin.decoding
    if "decoder" not in cell.spec:
        return (_given(tool, usual, predictions),)
    stored = cell.spec["decoder"]
    found = [
        _LOST[name](tool, stored[name], value) for name, value in usual.items() if name in stored
    ]
    return tuple(filter(None, found))


def _given(tool: str, usual: Mapping[str, float], predictions: Mapping[int, Prediction]) -> str:
    scores = [np.asarray(getattr(one, "scores", ())) for one in predictions.values()]
    least = min((float(one.min()) for one in scores if one.size), default=None)
    most = max((one.size for one in scores), default=0)
    seen = "none" if least is None else f"scores from {least:.3g} on, at most {most} an image"
    wants = ", ".join(f"{name} {value:g}" for name, value in usual.items())
    return f"what was cut from these given predictions is not known ({seen}); {tool} has {wants}"


def _floor(tool: str, stored: float, usual: float) -> str:
    if stored <= usual:
        return ""
    return f"stored are scores above {stored:g}; {tool} decodes from {usual:g} on"


def _most(tool: str, stored: float | None, usual: float) -> str:
    if stored is None or stored >= usual:
        return ""
    return f"stored are at most {stored:g} detections an image; {tool} keeps {usual:g}"


def _nms(tool: str, stored: float | None, usual: float) -> str:
    if stored == usual:
        return ""
    used = "without suppression" if stored is None else f"after suppression at IoU {stored:g}"
    return f"stored are detections {used}; {tool} suppresses at {usual:g}"


_LOST = {"score_floor": _floor, "nms_iou": _nms, "max_detections": _most}
