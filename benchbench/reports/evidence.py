"""What proves that a row ran as it was asked to, in words: marks, shares, parity, builds.

A row that ran otherwise, that stands for another, or that was only compiled carries a sign
wherever it is named; the sign's words stand in a legend.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from benchbench.conditions_view import Cause
from benchbench.reports.doubts import SURROUNDED
from benchbench.reports.grouping import ASKED, Rung, departures, finite, proxy
from benchbench.reports.wording import (
    ABSENT,
    caveat_line,
    fraction,
    mismatch,
    percent,
    plural,
    scalar,
    seconds,
    short,
    significant,
)
from benchbench.types import OutputError, Parity, Placement, Share
from benchbench.view import CellView

OTHERWISE, PROXY, COMPILED = "†", "‡", "§"
LEGEND: Mapping[str, str] = {
    OTHERWISE: "ran otherwise than asked; the suite admits it by name",
    PROXY: "proxy: what ran is derived, not observed, or the artifact is made for another target",
    COMPILED: "compiled only: built and checked, but nothing here can run it; no figures",
}
"""What each sign means."""
MARKED = frozenset({"compiled_only", "proxy", *(f"{kind}_admitted" for kind in ASKED)})
"""Codes of the caveats that a sign tells."""
KINDS: Mapping[str, str] = {
    "measured": "measured",
    "proxy": "proxy",
    "compiled_only": "compiled only",
    "not_run": "not run",
}
_AGREEMENTS = {
    "matched": "detections matched",
    "iou": "their IoU",
    "pixels": "pixels equal",
    "miou": "mIoU",
    "top1": "top-1 equal",
    "overlap": "overlap of scores",
}


# --- marks -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign at a row's name, in three lengths."""

    sign: str
    text: str
    line: str


def marks(cell: CellView) -> tuple[Mark, ...]:
    """Return the signs of *cell*, none for a row that ran as asked or gives no result."""
    if cell.status not in ("measured", "compiled"):
        return ()
    found = [_otherwise(cell, kinds)] if (kinds := departures(cell)) else []
    if proxy(cell):
        source = cell.placement.source if cell.placement else ""
        found.append(Mark(PROXY, "proxy", _told(cell, "proxy") or f"proxy: {short(source)}"))
    if cell.status == "compiled":
        found.append(Mark(COMPILED, "compiled only", _told(cell, "compiled_only")))
    return tuple(found)


def _otherwise(cell: CellView, kinds: Sequence[str]) -> Mark:
    verb = "ran" if kinds[0] == "precision" else "ran on"
    found = ", ".join(short(_effective(cell, kind), 30) for kind in kinds)
    told = [_told(cell, f"{kind}_admitted") for kind in kinds]
    why = "; ".join(text for text in told if text)
    return Mark(OTHERWISE, f"{verb} {found}", mismatch(cell.placement) or why or LEGEND[OTHERWISE])


def _effective(cell: CellView, kind: str) -> object:
    """Return what ran: by the admission, which knows of ``mixed`` devices, or the placement."""
    for caveat in cell.caveats:
        if caveat.code == f"{kind}_admitted" and "effective" in caveat.figures:
            return caveat.figures["effective"]
    return getattr(cell.placement, kind) if cell.placement else f"another {kind}"


def _told(cell: CellView, code: str) -> str:
    return next((caveat_line(caveat) for caveat in cell.caveats if caveat.code == code), "")


def signs(cell: CellView) -> str:
    """Return the signs of *cell* alone, each once: ``†‡``."""
    return "".join(dict.fromkeys(mark.sign for mark in marks(cell)))


def named(cell: CellView, limit: int = 80) -> str:
    """Return the cell's label with its signs."""
    return f"{short(cell.label, limit)} {signs(cell)}".rstrip()


def placed(cell: CellView, beside: Iterable[CellView]) -> str:
    """Return the cell's label with its signs, and its dataset where those of *beside* differ."""
    return f"{named(cell)}{where(cell, beside)}"


def where(cell: CellView, beside: Iterable[CellView]) -> str:
    """Return `` on`` and the cell's dataset where those of *beside* differ, or an empty string."""
    several = _asked_before(_Same(beside)) if isinstance(beside, tuple) else _several(beside)
    return f" on {short(cell.dataset, 40)} {short(cell.split, 30)}" if several else ""


def _several(cells: Iterable[CellView]) -> bool:
    return len({(one.dataset, one.split) for one in cells}) > 1


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """A tuple that equals itself alone: the rows of a table all ask about the same cells."""

    cells: tuple[CellView, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.cells is self.cells

    def __hash__(self) -> int:
        return id(self.cells)


@lru_cache(maxsize=2)
def _asked_before(same: _Same) -> bool:
    return _several(same.cells)


def legend(cells: Iterable[CellView]) -> tuple[tuple[str, str], ...]:
    """Return sign and meaning of the marks that *cells* carry."""
    found = {sign for cell in cells for sign in signs(cell)}
    return tuple((sign, text) for sign, text in LEGEND.items() if sign in found)


# --- what ran ----------------------------------------------------------------------------


def ran(place: Placement) -> str:
    """Return ``int8 · CPUExecutionProvider``, each as ``asked A, ran B`` where they differ."""
    pairs = [(getattr(place, f"requested_{kind}"), getattr(place, kind)) for kind in ASKED]
    if pairs[-1] == ("cpu", "cpu"):
        del pairs[-1]
    return " · ".join(
        short(b, 40) if a == b else f"asked {short(a, 40)}, ran {short(b, 40)}" for a, b in pairs
    )


def share(found: Share) -> str:
    """Return ``96.3 % of time``, or of nodes where no profile gives the time, or a dash."""
    if found.best is None:
        return ABSENT
    return f"{percent(found.best)} of {'nodes' if found.time is None else 'time'}"


def known_from(place: Placement) -> str:
    """Return the kind of the evidence and its source."""
    return f"{KINDS[place.evidence]}: {short(place.source)}"


def conditions(cells: Iterable[CellView]) -> str | None:
    """Return threads and CPUs if they are the same for every measured row, else None."""
    places = [c.placement for c in cells if c.status == "measured" and c.placement]
    found = {threads(place) for place in places}
    return found.pop() if len(found) == 1 else None


def threads(place: Placement) -> str:
    """Return ``1 thread, CPUs 0–1``."""
    told = plural(place.threads, "thread")
    if not place.affinity:
        return told
    return f"{told}, CPU{'s' if len(place.affinity) > 1 else ''} {ranges(place.affinity)}"


def ranges(numbers: Sequence[int]) -> str:
    """Return whole numbers in order, neighbours joined: ``0–3, 6``."""
    ordered = sorted(set(numbers))
    starts = [ordered[0], *(b for a, b in pairwise(ordered) if b != a + 1)]
    ends = [*(a for a, b in pairwise(ordered) if b != a + 1), ordered[-1]]
    return ", ".join(
        f"{a}" if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True)
    )  # fmt: skip


def line(cell: CellView, *, threaded: bool) -> str:
    """Return the whole evidence of one row in a line, with its threads if *threaded*."""
    place = cell.placement
    if place is None:
        return "what ran is not recorded"
    told = [ran(place)]
    if place.in_precision.best is not None:
        told.append(f"{share(place.in_precision)} in {short(place.requested_precision, 20)}")
    if place.on_device.best is not None:
        told.append(f"{share(place.on_device)} on {short(place.requested_provider, 40)}")
    told.append(known_from(place))
    return "; ".join([*told, threads(place)] if threaded else told)


def remark(rung: Rung) -> str:
    """Return what a reader must know of a comparison: what ran instead, and what is missing."""
    told = []
    for name, cell in (("", rung.cell), ("fp32 ", rung.baseline)):
        place = cell.placement if cell else None
        if place and place.precision != place.requested_precision:
            told.append(f"{name}ran {short(place.precision, 30)}")
    told += [_CAUSES[cause]] if (cause := _cause(rung)) else []
    return "; ".join([*told, rung.reason] if rung.reason else told)


def _cause(rung: Rung) -> Cause | None:
    """Return what the canary says; nothing where it saw no change and the passes have doubts."""
    cause = rung.cell.speedup.cause if rung.cell.speedup else None
    cells = (rung.cell, rung.baseline) if rung.baseline else (rung.cell,)
    doubted = any(caveat.code in SURROUNDED for cell in cells for caveat in cell.caveats)
    return None if cause == "code" and doubted else cause


_CAUSES: Mapping[Cause, str] = {
    "code": "the canary beside both shows no change of the machine, which does not rule one out",
    "runner": "the canary beside both tells that the machine changed as much",
    "unclear": "the canary beside both leaves open whether the machine changed",
}


# --- parity ------------------------------------------------------------------------------


def worst(parity: Parity) -> OutputError | None:
    """Return the output with the lowest signal-to-noise ratio; None without any output."""
    return min(parity.outputs, key=_ratio, default=None)


def _ratio(output: OutputError) -> float:
    if output.snr_db is not None:
        return output.snr_db
    return math.inf if output.max_abs == 0 else -math.inf


def snr(output: OutputError) -> str:
    """Return ``SNR 28.1 dB``, or that the output equals its reference."""
    if finite(output.snr_db) is not None:
        return f"SNR {significant(output.snr_db)} dB"
    return "equal" if output.max_abs == 0 else "SNR – (the reference is zero)"


def output_line(output: OutputError) -> str:
    """Return every figure of one output in a line."""
    sigma = "" if output.max_sigma is None else f" ({significant(output.max_sigma)} σ)"
    cosine = ABSENT if output.cosine is None else _cosine(output.cosine)
    return (
        f"{short(output.name, 40)}: {snr(output)}, cosine {cosine}, "
        f"max |Δ| {_small(output.max_abs)}{sigma}, mean |Δ| {_small(output.mean_abs)}"
    )


def _small(value: float) -> str:
    """Return an error with three digits; in exponent form where it is very small or large."""
    return significant(value) if value == 0 or 1e-4 <= abs(value) < 1e6 else f"{value:.2e}"


_CLOSE = 0.99995
"""Cosines from here on would round to 1; the worst output is then told by its SNR alone."""


def _cosine(value: float) -> str:
    """Return a cosine with four decimals; what is not quite 1 never rounds to it."""
    if _CLOSE <= value < 1:
        return "> 0.9999"
    return f"{value:.4f}".replace("-", "−")


def parity_line(parity: Parity | None) -> str:
    """Return the worst output and the agreement of the predictions, or why there is neither."""
    if parity is None:
        return "not compared"
    if parity.reason:
        return f"not compared: {short(parity.reason, 300)}"
    told = list(agreements(parity))
    lowest = worst(parity)
    if lowest is not None:
        close = lowest.cosine is None or lowest.cosine >= _CLOSE
        cosine = "" if close else f", cosine {_cosine(lowest.cosine or 0.0)}"
        several = len(parity.outputs) > 1
        told.insert(0, f"{short(lowest.name, 40)}{' (worst)' * several} {snr(lowest)}{cosine}")
    return "; ".join(told) or "not compared"


def agreements(parity: Parity) -> Iterator[str]:
    """Yield ``detections matched 98.1 %`` and the like; an IoU stays a fraction of 1."""
    for name, value in parity.agreement.items():
        text = fraction(value) if name.endswith("iou") else percent(value)
        yield f"{_AGREEMENTS.get(name, short(name, 40))} {text}"


def reference(parity: Parity) -> str:
    """Return what was compared with what: ``8 images against onnx fp32, onnxruntime 1.31``."""
    return f"{plural(parity.images, 'image')} against {short(parity.reference)}"


# --- artifacts ---------------------------------------------------------------------------


def builds(cell: CellView) -> str:
    """Return how long each conversion took when it was built, or an empty string."""
    took = cell.artifact.build_s if cell.artifact else {}
    return ", ".join(f"{short(name, 40)} {seconds(value)}" for name, value in took.items())


def calibrations(cell: CellView) -> tuple[str, ...]:
    """Return how each calibrated conversion was calibrated: method, images, split, seed."""
    facts = cell.artifact.facts if cell.artifact else {}
    found = [
        (name, recorded.get("calibration"))
        for name, recorded in facts.items()
        if isinstance(recorded, Mapping)
    ]
    return tuple(
        f"{short(name, 40)}: {_calibration(how)}"
        for name, how in found
        if isinstance(how, Mapping) and how
    )


def _calibration(how: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in how.items() if isinstance(value, str | int | float)}
    told = [short(scalar(rest.pop("method")), 40)] if "method" in rest else []
    if isinstance(images := rest.get("images"), int):
        split = rest.pop("split", None)
        told.append(plural(images, "image") + (f" of {short(split, 60)}" if split else ""))
        del rest["images"]
    told += [f"{short(key, 40)} {short(scalar(value), 60)}" for key, value in rest.items()]
    return ", ".join(told)


def reason_of(cell: CellView) -> str:
    """Return why a row was only compiled."""
    return _told(cell, "compiled_only") or "the run gives no reason"
