"""Two sides set against each other, cell by cell and figure by figure."""

from benchbench.comparing.asking import Asked, compare
from benchbench.comparing.deltas import delta
from benchbench.comparing.differing import differing
from benchbench.comparing.ends import Two
from benchbench.comparing.pairing import Pairing, pair
from benchbench.comparing.sides import Source, of_baseline, of_run, open_both, open_source
from benchbench.comparing.times import Turns, turns_between, without_energy

__all__ = [
    "Asked",
    "Pairing",
    "Source",
    "Turns",
    "Two",
    "compare",
    "delta",
    "differing",
    "of_baseline",
    "of_run",
    "open_both",
    "open_source",
    "pair",
    "turns_between",
    "without_energy",
]
