"""YOLO's label files of turned boxes: a line is a class and four corners, relative to the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from benchbench.datasets.dota import turned
from benchbench.datasets.draft import Frame
from benchbench.datasets.yolo import Yolo


class YoloObb(Yolo):
    """Imports YOLO label files of turned boxes: ``class x1 y1 x2 y2 x3 y3 x4 y4``."""

    format_name: ClassVar[str] = "yolo-obb"
    line: ClassVar[str] = (
        "'class x1 y1 x2 y2 x3 y3 x4 y4' (for upright boxes and other polygons take 'yolo')"
    )

    @staticmethod
    def _odd(row: Sequence[float]) -> str | None:
        return None if len(row) == 9 else "the line is not a class and four corners"

    @staticmethod
    def _shape(values: Sequence[float], frame: Frame) -> dict[str, Any]:
        sides = (frame.width, frame.height) * 4
        corners = [share * side for share, side in zip(values, sides, strict=True)]
        return {"iscrowd": 0, **turned(corners)}
