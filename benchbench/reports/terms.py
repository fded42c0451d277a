"""What every report says of its own limits and of the words it uses."""

from __future__ import annotations

from collections.abc import Iterator

from benchbench.reports import processes
from benchbench.reports.doubts import CAVEATS
from benchbench.reports.grouping import ladder
from benchbench.reports.wording import chip, short
from benchbench.types import Caveat
from benchbench.view import CellView, RunView

_POINTS = "Point estimates, one process a cell"
_SOME = (
    "A figure beside which neither an interval nor a number of processes stands is a point "
    "estimate of one process"
)


def caution(run: RunView) -> str:
    """Return what the summary says of its own figures."""
    lead = _SOME if any(cell.processes for cell in run.cells) else _POINTS
    return f"{lead}: no difference without an interval is claimed to be significant."


def limits(run: RunView) -> tuple[str, ...]:
    """Return the limits of *run*: those of one process and one query at a time, or of more."""
    loaded = any(c.server or c.cameras or c.offline or c.multi_stream for c in run.cells)
    several = any(cell.processes for cell in run.cells) or bool(run.turns)
    return (
        SEVERAL if several else LIMITS[0],
        LOADED if loaded else LIMITS[1],
        *LIMITS[2:],
        *([COVERED] if any(cell.energy for cell in run.cells) else []),
    )


SEVERAL = (
    "Figures are point estimates where no interval stands beside them. A difference of accuracy is "
    "claimed only from the paired difference on the same images, corrected over its family; one of "
    "latency only by a verdict of turn-taking. “Speed against fp32” is of one process a cell "
    "where no rounds are told: its interval covers their queries, not the spread between processes."
)
LOADED = (
    "Latency outside the section Load is single-stream: one query at a time, each begun when the "
    "last has ended."
)
COVERED = (
    "Energy is that of what the scope names; nothing here is measured at the wall unless the scope "
    "says so."
)
LIMITS = (
    (
        "Figures are point estimates where no interval stands beside them, one process a cell. A "
        "difference of accuracy is claimed only from the paired difference on the same images, "
        "corrected over its family; the interval of a speed covers the queries of the two "
        "processes, not the spread between processes."
    ),
    (
        "Latency is single-stream: one query at a time, each begun when the last has ended. It "
        "says nothing of latency under concurrent load."
    ),
    (
        "Figures hold for the machine, versions and settings under Provenance; figures of other "
        "machines or versions are not comparable with these."
    ),
    "A percentile is withheld where the sample is too small to bound it.",
    (
        "Accuracy depends on the protocol card: the same weights under another preprocessing, "
        "score floor or evaluator score differently."
    ),
)

GLOSSARY = (
    ("mAP", ("Mean over classes of average precision, averaged over IoU 0.50 to 0.95 in steps of "
     "0.05 where the protocol card says COCO; a fraction of 1.")),
    ("p50, p90, p95, p99", "The latency that 50, 90, 95 or 99 % of queries do not exceed."),
    ("Throughput", ("Images a second over the whole single-stream pass; not the most a server "
     "could reach with concurrent queries.")),
    ("Effective precision", ("What the convolutions and matrix products really ran in, found out "
     "after the run; coverage is the share of that work.")),
    ("fp8, int8, int8-dynamic", ("8-bit floating point; 8-bit integers with scales calibrated "
     "beforehand; 8-bit weights whose activations are quantized while running.")),
    ("Coverage", ("Share of the convolutions and products in the precision asked for, and of all "
     "nodes on the provider and device asked for: of the time where a profile tells it, else of "
     "the nodes.")),
    ("† Admitted", ("A precision, provider or device other than asked ran, and the suite admits "
     "it by name. Such a row is never on the Pareto front.")),
    ("‡ Proxy", ("The row stands for something that was not observed: what ran is derived from "
     "the file, or the artifact is made for another target than it ran on.")),
    ("§ Compiled only", ("The artifact was built and its precision checked, and nothing here can "
     "run it: it has no figure of accuracy or latency and counts as not measured.")),
    ("Parity", ("The artifact against its fp32 source on the same images. Signal-to-noise ratio "
     "(SNR): power of the reference over power of the error, 10 dB a factor of ten. "
     "Errors of 0.3 % of the spread, usual of fp16, are 50 dB; 4 %, of bf16, 28 dB; 12 %, of int8, "
     "18 dB.")),
    ("±", ("Half a 95 % interval: 1.96 standard errors of a bootstrap over images. It tells how "
     "far a figure would move on as many other images; which cell is better, only a paired "
     "difference tells.")),
    ("Worse, better", ("The paired difference from fp32 on the same images has a p-value below "
     "0.05 after Holm's correction over all that was asked together. “No difference shown” is not "
     "“no difference”.")),
    ("Slice", ("A part of the dataset: chosen images, or chosen objects, of which the others are "
     "ignored and not missed.")),
    ("Severity", ("How badly images were damaged on purpose, 1 to 5, by the corruptions of "
     "Hendrycks and Dietterich (2019); 0 is the images as they are.")),
    ("↓", "Less is better: errors and distances. Of all other metrics more is."),
    ("Pareto front", "The cells that no other matches in accuracy and p50 and beats in one."),
    ("Caveat", "A recorded doubt about a measurement. The figure stands, and so does the doubt."),
    ("Effective queries", ("Queries divided by the integrated autocorrelation time: how many "
     "independent ones the pass is worth.")),
    ("Not run", "The cell was planned and could not be started; the reason is given."),
)  # fmt: skip

_TURNS = (
    "PASS, REGRESSION, INCONCLUSIVE (turn-taking)",
    (
        "PASS: shown not to be slower by more than the margin. REGRESSION: shown to be slower, and "
        "by more than the margin at the best estimate. INCONCLUSIVE: neither can be said."
    ),
)
_GATE = (
    "PASS, FAIL, INCONCLUSIVE (gate)",
    (
        "PASS: the limit is shown to hold. FAIL: it is shown to be broken, after correction for "
        "all limits of the gate. INCONCLUSIVE: neither, or there is no figure."
    ),
)
_LOAD = (
    "Met, missed, undecided",
    "Whether a bound under load is shown to be kept, shown to be broken, or neither.",
)
_CANARY = (
    "Canary",
    (
        "A short fixed piece of work, without any model, that runs beside a measurement: where it "
        "changes too, the machine changed. That it shows no change does not rule one out."
    ),
)
_TREND = (
    "A trend",
    (
        "A ratio of latencies that rests on one process each. The spread between processes, often "
        "larger than that within one, is not in its interval: no verdict rests on it."
    ),
)
_FEW = (
    "Too few, exploratory",
    "Said of fewer than 5 processes, and of fewer than 10: their interval is a rough one.",
)
_UNEVEN = (
    processes.UNEVEN.capitalize(),
    (
        "The medians of the processes spread by more than 5 % (standard deviation over mean). The "
        "spread of queries within one process is another: “noisy”."
    ),
)
_EQUIVALENT = (
    "Equivalent",
    "The whole interval of the difference lies within the margin that the suite puts up with.",
)


def glossary(run: RunView) -> tuple[tuple[str, str], ...]:
    """Return the words of every report, and those doubts and verdicts that *run* is told with."""
    return (*GLOSSARY, *_verdicts(run), *_doubts(run))


def _verdicts(run: RunView) -> Iterator[tuple[str, str]]:
    cells = run.cells
    views = [cell.processes for cell in cells if cell.processes]
    speeds = [cell.speedup for cell in cells if cell.speedup]
    timed = [rung.cell.speedup for rung in ladder(cells) if rung.time_ratio]
    known = (
        (_TURNS, bool(run.turns)),
        (_GATE, run.gate is not None),
        (_EQUIVALENT, any(_equivalent(cell) for cell in cells)),
        (_LOAD, any(cell.server or cell.cameras for cell in cells)),
        (_FEW, any(view.grade != "full" for view in views)),
        (_UNEVEN, any(view.wall.noisy for view in views)),
        (_TREND, any(speed is None or speed.rounds is None for speed in timed)),
        (_CANARY, any(speed.cause for speed in speeds)),
    )
    yield from (term for term, wanted in known if wanted)


def _equivalent(cell: CellView) -> bool:
    found = (cell.comparison, *cell.class_comparisons, *(part.comparison for part in cell.slices))
    return any(one is not None and one.verdict == "equivalent" for one in found)


def _doubts(run: RunView) -> Iterator[tuple[str, str]]:
    """Yield each caveat of the run once, by its short name, in order of the table of caveats."""
    found = {caveat.code for cell in run.cells for caveat in processes.doubts(cell)}
    found |= {c.code for cell in run.cells for view in cell.energy for c in view.caveats}
    found |= {code for limit in (run.gate.limits if run.gate else ()) for code in limit.caveats}
    found -= {"proxy", "compiled_only"}  # every glossary has them, with their signs
    known = [code for code in CAVEATS if code in found]
    for code in known:
        name, plain, _ = CAVEATS[code]
        yield _capital(name), f"A caveat: {plain}."
    for code in sorted(found - set(known)):
        name = _capital(chip(Caveat(code=code)))
        yield name, f"A caveat that this version has no words for: its code is {short(code, 60)}."


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
