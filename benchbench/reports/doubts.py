"""What each caveat says: a short name, a sentence, and the sentence with its figures.

A sentence whose figures are not all there is left out; the plain one stands in its place, and the
figures behind it.
"""

from __future__ import annotations

from collections.abc import Mapping

_LATENCY: Mapping[str, tuple[str, str, str]] = {
    "unsteady": (
        "unsteady",
        "latency drifted during the pass",
        (
            "latency drifted during the pass: median {first_third_ms} in the first third, "
            "{last_third_ms} in the last"
        ),
    ),
    "single_process": (
        "single process",
        "one process was measured: the spread between processes is unknown",
        "the spread between processes is unknown (processes measured: {processes})",
    ),
    "noisy": (
        "noisy",
        "queries of the pass spread widely",
        "queries of the pass spread widely: p50 {p50_ms}, p90 {p90_ms}",
    ),
    "short_sample": ("short sample", "few queries were timed", ""),
    "clock_coarse": ("coarse clock", "the clock is coarse against the durations timed", ""),
}
_AROUND: Mapping[str, tuple[str, str, str]] = {
    "contended": (
        "contended",
        "other work competed for the processor",
        "other work competed for the processor: wall time was {wall_over_cpu} × CPU time",
    ),
    "other_load": (
        "other load",
        "other processes took much of the machine's CPU time during the pass",
        "other processes took {others_cpu} of the machine's CPU time during the pass",
    ),
    "cgroup_throttled": (
        "CPU quota",
        "the CPU quota of the container stopped the process during the pass",
        "",
    ),
    "swapped": ("swapped", "pages were swapped in or read from disk during the measurement", ""),
    "throttled": ("throttled", "the device or processor was slowed down while it was measured", ""),
    "frequency_drift": (
        "frequency drift",
        "the CPU's frequency changed during the pass",
        (
            "the CPU's frequency went from {frequency_mhz_before} to {frequency_mhz_after} MHz "
            "during the pass"
        ),
    ),
    "stolen": (
        "stolen time",
        "the hypervisor gave CPU time to other machines",
        "the hypervisor gave {steal} of the CPU time to other machines",
    ),
    "memory_pressure": (
        "memory pressure",
        "tasks of the machine waited for memory",
        "tasks of the machine waited for memory in {pressure_memory} of the time",
    ),
    "runner_drift": (
        "runner drift",
        "the machine itself changed between the two that are compared, as the canary shows",
        "",
    ),
    "slows_down": (
        "slows down",
        "it does not keep up its speed, and no cause shows",
        (
            "it does not keep up its speed, and no cause shows: {burst_ms} at first, "
            "{sustained_ms} in the last third"
        ),
    ),
}
_LOAD: Mapping[str, tuple[str, str, str]] = {
    "late_dispatch": (
        "late dispatch",
        "queries were started late by the benchmark itself",
        (
            "queries were started late by the benchmark itself: by {lateness_p99_ms} at p99, "
            "beside a median of {p50_ms}"
        ),
    ),
    "overloaded": (
        "overloaded",
        "the queue grew so long that the rest of the queries was not started",
        "the queue grew so long that of {scheduled} queries only {issued} were started",
    ),
}
_ENERGY: Mapping[str, tuple[str, str, str]] = {
    "baselines_differ": (
        "baselines differ",
        "the idle power before and after the queries differs",
        "the idle power was {before_w} before the queries and {after_w} after them",
    ),
    "power_disagrees": (
        "power disagrees",
        "sampled power and the counter disagree",
        "sampled power and the counter disagree: integral over counter {integral_over_counter}",
    ),
    "few_trials": ("few trials", "few windows were measured", ""),
    "thermal": ("thermal", "the device was slowed down by heat", ""),
    "counter_wrap": (
        "counter wrap",
        "the energy counter may have turned round unseen",
        (
            "the counter of {zone} may have turned round unseen: read every {interval_s}, it "
            "can turn round in {wrap_s}"
        ),
    ),
    "mig": ("MIG", "the figure is that of the whole board, not of the MIG instance", ""),
    "other_processes": ("other processes", "other processes used the device", ""),
    "processes_unknown": (
        "processes unknown",
        "whether other processes used the device is not known",
        "whether other processes used the device is not known: {reason}",
    ),
    "power_averaged": (
        "averaged power",
        "the device gives an average of its power, so that peaks are flattened",
        "",
    ),
    "meter_lag": (
        "meter lag",
        "the meter's readings come late",
        "the meter's readings come late: {lag_s} were allowed for",
    ),
}
_EVIDENCE: Mapping[str, tuple[str, str, str]] = {
    "precision_admitted": (
        "other precision",
        "another precision ran than was asked for; the suite admits this by name",
        "{requested} was asked for, {effective} ran; the suite admits this by name",
    ),
    "provider_admitted": (
        "other provider",
        "another provider ran than was asked for; the suite admits this by name",
        "{requested} was asked for, {effective} ran; the suite admits this by name",
    ),
    "device_admitted": (
        "other device",
        "another device ran than was asked for; the suite admits this by name",
        "{requested} was asked for, {effective} ran; the suite admits this by name",
    ),
    "compiled_only": (
        "compiled only",
        "built and checked, but nothing here can run it",
        "built and checked, but nothing here can run it: {reason}",
    ),
    "proxy": (
        "proxy",
        "this row stands for another: what ran is derived, or the artifact has another target",
        "what ran is derived and was not observed: {source}",
    ),
    "unproved": (
        "unproved",
        "nothing shows in which precision it ran",
        "nothing shows in which precision it ran; looked at: {source}",
    ),
    "parity_far": (
        "parity far",
        "the artifact is far from its fp32 source on the same images",
        "",
    ),
}
CAVEATS: Mapping[str, tuple[str, str, str]] = {
    **_LATENCY,
    **_AROUND,
    **_EVIDENCE,
    **_LOAD,
    **_ENERGY,
}
"""Code → short name, sentence, sentence with figures in braces."""
SURROUNDED = frozenset({*_AROUND, "unsteady"})
"""Codes of what speaks of the machine, or of other work on it, during a pass."""
