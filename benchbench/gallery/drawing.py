"""Draws objects, classes of pixels and class scores over an image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from math import hypot

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw

from benchbench.gallery.style import INK, PAPER, Colour, Stroke, font, lettered
from benchbench.inputs import Pixels
from benchbench.masks import Runs, dense_mask

PANEL_PX = 640
"""Longest side of a panel."""
_MOST_OBJECTS, _MOST_LABELS = 300, 40
_LABEL_PX = 12
_SHADE = 0.45
_WIDTH_PX, _DOT_PX = 3, 4


@dataclass(frozen=True, slots=True)
class Mark:
    """An object as it is drawn, in pixels of the original image."""

    stroke: Stroke
    outline: NDArray[np.float64]
    """(K, 2) corners x, y; not finite for none."""
    label: str = ""
    runs: Runs | None = None
    fill: Colour | None = None
    """Of the mask; None takes the stroke's."""
    points: NDArray[np.float64] | None = None
    """(K, 3): x, y, and 0 for a point that is not drawn."""


def scale_of(width: int, height: int) -> float:
    """Return how many pixels of the picture one of the image takes: a whole number from 1 on."""
    longest = max(width, height)
    if longest > PANEL_PX:
        return PANEL_PX / longest
    return float(PANEL_PX // longest)


def scaled(pixels: Pixels) -> PIL.Image.Image:
    """Return *pixels* (H, W, 3) at the size of a panel."""
    height, width = pixels.shape[:2]
    scale = scale_of(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = PIL.Image.fromarray(pixels)
    kinds = PIL.Image.Resampling
    return picture.resize(
        size, kinds.BOX if scale < 1 else kinds.BICUBIC if scale < 4 else kinds.NEAREST
    )


def with_marks(
    base: PIL.Image.Image, size: tuple[int, int], marks: Sequence[Mark]
) -> PIL.Image.Image:
    """Return *base*, a scaled image of *size* (width, height), with *marks* on it.

    A mask shows its own edge in place of the outline. The last of *marks* lie on top; more than 300
    are not drawn, and 40 are labelled.
    """
    marks = marks[-_MOST_OBJECTS:]
    scale = np.array(base.size) / size
    array = np.array(base)
    for mark in marks:
        if mark.runs is not None:
            _shade(array, sampled(dense_mask(mark.runs, size[1], size[0]), base.size), mark)
    picture = PIL.Image.fromarray(array)
    pen = ImageDraw.Draw(picture)
    for mark in marks:
        if mark.runs is None and np.isfinite(mark.outline).all():
            _outline(pen, mark.outline * scale, mark.stroke, base.size)
        if mark.points is not None:
            _dots(pen, mark.points, scale, mark.stroke)
    for mark in marks[-_MOST_LABELS:]:
        _label(pen, _corner(mark, size) * scale, mark.label, base.size)
    return picture


def sampled(array: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Return (height, width) nearest samples of an (H, W) *array*; *size* is (width, height)."""
    rows, columns = (
        np.minimum(((np.arange(wanted) + 0.5) * given / wanted).astype(np.int64), given - 1)
        for wanted, given in zip(size[::-1], array.shape, strict=True)
    )
    return array[np.ix_(rows, columns)]


def edge_of(mask: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return the pixels of a map (H, W) whose right or lower neighbour differs, two wide."""
    edge = np.zeros(mask.shape, np.bool_)
    down, right = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def _shade(array: NDArray[np.uint8], mask: NDArray[np.generic], mark: Mark) -> None:
    inside = mask.astype(np.bool_)
    fill = np.array(mark.fill or mark.stroke.colour, np.float64)
    array[inside] = (array[inside] * (1 - _SHADE) + fill * _SHADE).astype(np.uint8)
    edge = edge_of(inside)
    array[edge] = INK
    array[edge & _drawn(inside.shape, mark.stroke.dashes)] = mark.stroke.colour


def _drawn(shape: tuple[int, ...], dashes: Sequence[int]) -> NDArray[np.bool_]:
    """Return where a line with *dashes* is drawn, whatever its direction: in diagonal bands."""
    if not dashes:
        return np.ones(shape, np.bool_)
    pattern = np.repeat([at % 2 == 0 for at in range(len(dashes))], dashes)
    along = np.add.outer(np.arange(shape[0]), np.arange(shape[1]))
    found: NDArray[np.bool_] = pattern[along % len(pattern)]
    return found


def _outline(
    pen: ImageDraw.ImageDraw, corners: NDArray[np.float64], stroke: Stroke, size: tuple[int, int]
) -> None:
    # What lies far outside is brought near, so that a mad box costs no more than another.
    around = np.clip(corners, -_WIDTH_PX * 4, np.array(size) + _WIDTH_PX * 4)
    points = [(float(x), float(y)) for x, y in around]
    closed = [*points, points[0]]
    pen.line(closed, fill=INK, width=_WIDTH_PX + 2, joint="curve")
    if not stroke.dashes:
        pen.line(closed, fill=stroke.colour, width=_WIDTH_PX, joint="curve")
        return
    for piece in _pieces(closed, stroke.dashes):
        pen.line(piece, fill=stroke.colour, width=_WIDTH_PX)


def _pieces(
    points: Sequence[tuple[float, float]], dashes: Sequence[int]
) -> Iterable[list[tuple[float, float]]]:
    """Yield the drawn pieces of a polyline; each side begins with a line."""
    for (x, y), (to_x, to_y) in pairwise(points):
        length = hypot(to_x - x, to_y - y)
        at = 0.0
        for number, part in enumerate(cycle(dashes)):
            if at >= length:
                break
            end = min(at + part, length)
            if number % 2 == 0:
                yield [
                    (x + (to_x - x) * share, y + (to_y - y) * share)
                    for share in (at / length, end / length)
                ]
            at = end


def _dots(
    pen: ImageDraw.ImageDraw,
    points: NDArray[np.float64],
    scale: NDArray[np.float64],
    stroke: Stroke,
) -> None:
    for x, y, weight in points:
        if weight > 0 and np.isfinite([x, y]).all():
            at = np.array([x, y]) * scale
            box = (*(at - _DOT_PX).tolist(), *(at + _DOT_PX).tolist())
            pen.ellipse(box, fill=stroke.colour, outline=INK)


def _corner(mark: Mark, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return where the label of *mark* stands: the upper left of its outline or mask."""
    if np.isfinite(mark.outline).all():
        first = np.lexsort((mark.outline[:, 0], mark.outline[:, 1]))[0]
        return np.array(mark.outline[first])
    if mark.runs is not None and len(mark.runs) > 1:
        column, row = divmod(int(mark.runs[0]), size[1])
        return np.array([column, row], np.float64)
    return np.zeros(2)


def _label(
    pen: ImageDraw.ImageDraw, at: NDArray[np.float64], text: str, size: tuple[int, int]
) -> None:
    if not text:
        return
    letters = lettered(text)
    width, height = pen.textlength(letters, font(_LABEL_PX)) + 4, _LABEL_PX + 4
    x = float(np.clip(at[0] - 1, 0, max(0, size[0] - width)))
    y = float(np.clip(at[1] - height - 1, 0, max(0, size[1] - height)))
    pen.rectangle((x, y, x + width, y + height), fill=INK)
    pen.text((x + 2, y + 1), letters, fill=PAPER, font=font(_LABEL_PX))


def with_classes(
    base: PIL.Image.Image,
    labels: NDArray[np.generic],
    colours: Sequence[tuple[int, Colour, str]],
    wrong: NDArray[np.generic] | None = None,
) -> PIL.Image.Image:
    """Return *base* with a map of classes over it, (H, W) of the image or the panel.

    *colours*: value, colour and name of each class that is drawn; other values stay as they are.
    *wrong* (H, W) is striped in white and black.
    """
    array, small = np.array(base), sampled(labels, base.size)
    for value, colour, _ in colours:
        inside = small == value
        array[inside] = (array[inside] * (1 - _SHADE) + np.array(colour) * _SHADE).astype(np.uint8)
    array[edge_of(small)] = PAPER
    if wrong is not None:
        along = np.add.outer(np.arange(array.shape[0]), np.arange(array.shape[1])) % 8
        bad = sampled(wrong, base.size).astype(np.bool_)
        array[bad & (along < 2)] = PAPER
        array[bad & (along >= 2) & (along < 4)] = INK
    picture = PIL.Image.fromarray(array)
    pen = ImageDraw.Draw(picture)
    for value, _, name in colours:
        at = _inside(small == value)
        if at is not None:
            _label(pen, at, name, base.size)
    return picture


def _inside(mask: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Return the x, y of the pixel of *mask* nearest its middle; None for less than a hundredth."""
    rows, columns = np.nonzero(mask)
    if len(rows) < mask.size / 100:
        return None
    middle = rows.mean(), columns.mean()
    nearest = int(((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2).argmin())
    return np.array([columns[nearest], rows[nearest]], np.float64)


def bars(size: tuple[int, int], rows: Sequence[tuple[str, float, Colour]]) -> PIL.Image.Image:
    """Return a panel of *size* with a bar for each of *rows*: name, share 0..1, colour."""
    picture = PIL.Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    room = size[0] - 16
    for place, (name, share, colour) in enumerate(rows):
        top = 8 + place * 40
        pen.text((8, top), lettered(name, room // 7), fill=INK, font=font(_LABEL_PX))
        width = round(room * min(max(share, 0.0), 1.0))
        pen.rectangle((8, top + 17, 8 + room, top + 29), outline=(200, 200, 200))
        pen.rectangle((8, top + 17, 8 + width, top + 29), fill=colour)
    return picture
