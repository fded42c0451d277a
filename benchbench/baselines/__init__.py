"""Baselines: what a later run is compared with, in the store or as a file that is kept in git."""

from benchbench.baselines.files import check_name, find, names, path_of, read, remove, write
from benchbench.baselines.format import Baseline
from benchbench.baselines.making import make
from benchbench.baselines.processes import Process

__all__ = [
    "Baseline",
    "Process",
    "check_name",
    "find",
    "make",
    "names",
    "path_of",
    "read",
    "remove",
    "write",
]
