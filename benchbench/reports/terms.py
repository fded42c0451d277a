"""What every report says of its own limits and of the words it uses."""

from __future__ import annotations

LIMITS = (
    (
        "Figures are point estimates, one process a cell; no interval is given, so no difference "
        "between two cells is claimed to be significant."
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
    ("Pareto front", "The cells that no other matches in accuracy and p50 and beats in one."),
    ("Caveat", "A recorded doubt about a measurement. The figure stands, and so does the doubt."),
    ("Effective queries", ("Queries divided by the integrated autocorrelation time: how many "
     "independent ones the pass is worth.")),
    ("Not run", "The cell was planned and could not be started; the reason is given."),
)  # fmt: skip
