"""Benchmark and evaluate computer-vision models across runtimes, precisions and devices.

The public functions are in :mod:`benchbench.api`; nothing heavy is imported here.
"""

__version__ = "0.1.0"
