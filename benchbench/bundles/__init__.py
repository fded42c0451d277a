"""A run as one file that a stranger can check, and measure again."""

from benchbench.bundles.again import judge, missing, suite_of
from benchbench.bundles.checking import check
from benchbench.bundles.collecting import Content, Inputs, collect, default_name
from benchbench.bundles.data import add_data
from benchbench.bundles.format import BundleManifest, LeftOut
from benchbench.bundles.inputs import add_artifacts, add_models
from benchbench.bundles.outcome import Again, CellAgain, Checked, Derived, Reproduction
from benchbench.bundles.rederiving import rederive
from benchbench.bundles.unpacking import Unpacked, unpacked
from benchbench.bundles.writing import write_bundle

__all__ = [
    "Again",
    "BundleManifest",
    "CellAgain",
    "Checked",
    "Content",
    "Derived",
    "Inputs",
    "LeftOut",
    "Reproduction",
    "Unpacked",
    "add_artifacts",
    "add_data",
    "add_models",
    "check",
    "collect",
    "default_name",
    "judge",
    "missing",
    "rederive",
    "suite_of",
    "unpacked",
    "write_bundle",
]
