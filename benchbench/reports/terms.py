"""What every report says of its own limits and of the words it uses."""

from __future__ import annotations

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
