"""From a suite to cells: everything is checked here, before anything runs.

A cell's id digests what its result depends on: content of model and dataset, conversion chain,
options, versions. Folders do not enter, so data that moved costs nothing.

``matrix`` says which combinations there are; ``cells`` and ``given`` make a cell of each, from what
``models``, ``data``, ``versions``, ``chain`` and ``reference`` find. ``known`` holds what is read
once and used by many cells; all else is functions of values.
"""

from benchbench.plan.making import Plan, make_plan
from benchbench.plan.models import precisions

__all__ = ["Plan", "make_plan", "precisions"]
