"""Images with truth and predictions side by side, as reports show them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from benchbench.types import Record, TaskName

GalleryKind = Literal["worst", "disagreement"]


class GalleryCounts(Record):
    """What became of the objects and predictions of one image at the cell's threshold."""

    found: int
    """Objects that a prediction of their class finds."""
    missed: int
    """Objects that nothing finds."""
    false: int
    """Predictions that find no object."""
    confused: int
    """Objects that a prediction of another class finds; each such prediction is wrong too."""

    @property
    def errors(self) -> int:
        """Return how many objects or predictions are not as they should be."""
        return self.missed + self.false + self.confused


class GalleryItem(Record):
    """One picture: the truth on the left, then what one cell or two predict.

    Names of files and classes may come from strangers: whoever prints them cleans and escapes.
    """

    kind: GalleryKind
    """``worst``: among the worst images of a cell; ``disagreement``: of two cells."""
    rank: int
    """From 1, within the cell or pair."""
    cells: tuple[str, ...]
    """Ids of the cells, in the order of their panels: one, or two that disagree."""
    labels: tuple[str, ...]
    """What people call them."""
    dataset: str
    split: str
    task: TaskName
    image_id: int
    file_name: str
    metric: str | None
    """The primary metric."""
    values: tuple[float | None, ...]
    """That metric as if the image were the whole dataset, a cell each; None where it is not
    defined."""
    counts: tuple[GalleryCounts | None, ...] = ()
    """A cell each; None for tasks without objects."""
    thresholds: tuple[float | None, ...] = ()
    """Least score of what is drawn and counted, a cell each; None where all is."""
    reason: str
    """Why the image is here, in words."""
    alt: str
    """What the picture shows, in words."""
    credit: str = ""
    """The dataset, its licence and its source."""
    width: int
    height: int
    """Pixels of the picture."""
    media: Literal["image/jpeg", "image/png"]
    picture: bytes = Field(exclude=True, repr=False)
    """The file's bytes."""
