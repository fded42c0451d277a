"""Codes of the doubts that a cell can be measured with: what ``without`` may name."""

from __future__ import annotations

CODES = (
    "unsteady", "single_process", "noisy", "short_sample", "clock_coarse", "contended",
    "other_load", "cgroup_throttled", "swapped", "throttled", "frequency_drift", "stolen",
    "memory_pressure", "runner_drift", "slows_down", "precision_admitted", "provider_admitted",
    "device_admitted", "compiled_only", "proxy", "unproved", "parity_far", "late_dispatch",
    "overloaded", "baselines_differ", "power_disagrees", "few_trials", "thermal", "counter_wrap",
    "mig", "other_processes", "processes_unknown", "power_averaged", "meter_lag",
)  # fmt: skip
"""As docs/results.md lists them; plug-ins may have others."""
