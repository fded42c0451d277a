"""Parts of a dataset that are looked at apart: images of a kind, or objects of a kind."""

from benchbench.slicing.cutting import Part, cut
from benchbench.slicing.looks import Look, LookCache
from benchbench.slicing.spec import SliceSpec

__all__ = ["Look", "LookCache", "Part", "SliceSpec", "cut"]
