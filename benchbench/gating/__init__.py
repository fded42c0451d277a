"""Whether a run keeps its limits: judging, verdicts over all of them, and measuring again."""

from benchbench.gating.asking import asked_of
from benchbench.gating.gate import Options, gate
from benchbench.gating.retrying import BUDGET_S, Wanted, measure_more
from benchbench.gating.verdicts import counted

__all__ = ["BUDGET_S", "Options", "Wanted", "asked_of", "counted", "gate", "measure_more"]
