"""How a suite asks for slices."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from benchbench.slicing import expression
from benchbench.types import Record

MAX_PARTS = 100
Of = Literal["images", "objects"]


class SliceSpec(Record):
    """Cuts a dataset by a property into several slices, or picks one by an expression."""

    by: str | None = None
    """``size``, ``class``, ``brightness``, ``blur``, ``objects`` (how many an image has),
    ``width``, ``height``, or an attribute of the annotation file."""
    where: str | None = None
    """An expression over the same names: ``objects > 10 and weather == "rain"``."""
    name: str | None = None
    """What the slice is called; by default what it is cut by, or the expression."""
    of: Of | None = None
    """What is chosen: images, or objects (others are then ignored, not missed). By default
    objects for what objects have, else images."""
    bounds: tuple[FiniteFloat, ...] | None = None
    """Where numbers are cut, ascending; by default into three parts of equally many images or
    objects, sizes at COCO's 32² and 96² pixels."""
    parts: Annotated[int, Field(ge=2, le=MAX_PARTS)] = 3
    """Into how many parts numbers are cut where ``bounds`` are not given."""

    @property
    def needs_looks(self) -> bool:
        """Whether the image files must be looked at."""
        used = expression.names(self.where) if self.where is not None else {str(self.by)}
        return bool(used & {"brightness", "sharpness", "blur"})

    @model_validator(mode="after")
    def _one_rule(self) -> SliceSpec:
        if (self.by is None) == (self.where is None):
            raise ValueError("a slice has either 'by' or 'where'")
        if self.where is not None:
            expression.check(self.where)
            if self.bounds is not None:
                raise ValueError("'bounds' go with 'by'; 'where' says its own")
        if self.bounds is not None and list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"'bounds' must ascend: {list(self.bounds)}")
        if self.bounds is not None and not 1 <= len(self.bounds) < MAX_PARTS:
            raise ValueError(f"'bounds' needs 1 to {MAX_PARTS - 1} numbers")
        return self
