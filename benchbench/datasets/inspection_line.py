"""Draw machined metal parts on an inspection line, some of them defective, and write them as COCO.

Every image is a small height field seen from above: a part is cut out of a signed distance
field, drilled, finished (brushed, turned, milled, cast), damaged, lit from one side and then
photographed by an imperfect camera. Defects and the marks that only look like defects go through
the same shading, so that neither can be told by a shortcut of the renderer.

The pixels follow from (seed, split, index) alone. Needs numpy and Pillow, nothing else.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = [
    "CATEGORIES",
    "CONDITIONS",
    "SPLITS",
    "Instance",
    "Scene",
    "counts_to_string",
    "mask_to_counts",
    "outline",
    "render",
    "write_split",
]

Floats: TypeAlias = NDArray[np.floating]
Bools: TypeAlias = NDArray[np.bool_]
Shape: TypeAlias = tuple[int, int]
Window: TypeAlias = tuple[slice, slice]
Points: TypeAlias = Sequence[tuple[float, float]]

CATEGORIES = ("scratch", "pit", "dent", "stain", "missing-hole")
"""Defect names; the COCO category id is the position counted from 1."""

CONDITIONS = ("ok", *CATEGORIES)
"""Names of the image-level truth; the COCO category id is the position counted from 1."""

SPLITS: Mapping[str, int] = MappingProxyType({"train": 4000, "calibration": 64, "validation": 200})
"""Images a split holds by default."""

_SIZES = ((320, 240), (384, 288), (288, 288), (256, 320), (320, 320), (352, 264))
_IDS_PER_SPLIT = 1_000_000
_ANNOTATIONS_PER_IMAGE = 16
_MIN_AREA_PX = 48
_CLEAN_SHARE = 0.15
_SUPERSAMPLE = 4


@dataclass(frozen=True, slots=True)
class Instance:
    """One annotated defect.

    category: a name of CATEGORIES.
    mask: bool, height x width of the image.
    iscrowd: an area of many pits that nobody would annotate one by one.
    polygon: the mask's outline as x0, y0, x1, y1, ... in pixels; None where it is stored as RLE.
    """

    category: str
    mask: Bools
    iscrowd: bool
    polygon: tuple[int, ...] | None

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """x, y, width, height in pixels."""
        return _bounds(self.mask)


@dataclass(frozen=True, slots=True)
class Scene:
    """An image and what is wrong in it.

    image: uint8, height x width x 3, RGB.
    instances: the annotated defects, in no order that means anything.
    """

    image: NDArray[np.uint8]
    instances: tuple[Instance, ...]

    @property
    def condition(self) -> str:
        """The category of the defect with the largest area, else ``ok``."""
        if not self.instances:
            return "ok"
        return max(self.instances, key=lambda instance: instance.area).category


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a patch goes: centre in pixels, the image's (height, width), the part's axis in rad."""

    x: float
    y: float
    shape: Shape
    axis: float


@dataclass(frozen=True, slots=True)
class _Patch:
    """A local change of the surface; all arrays have the window's shape.

    relief: added to the height, in pixels.
    albedo: factor of the reflectance.
    mask: the pixels an annotator would paint.
    tint: colour factor at alpha 1, and that alpha; None where the colour stays.
    """

    window: Window
    mask: Bools
    relief: Floats
    albedo: Floats
    tint: tuple[tuple[float, float, float], Floats] | None = None
    iscrowd: bool = False


@dataclass(slots=True)
class _Part:
    """A workpiece under construction; arrays are height x width.

    distance: signed distance to the outline in pixels, negative inside.
    u, v: pixel coordinates in the part's own frame.
    relief: surface height in pixels; albedo: reflectance; tint: its colour, x 3.
    solid: metal that is neither background nor bore; bore: coverage by drilled holes, 0..1.
    places: centres of the hole pattern in image pixels; hole_px: their radius.
    """

    distance: Floats
    u: Floats
    v: Floats
    centre: tuple[float, float]
    axis: float
    size: float
    relief: Floats
    albedo: Floats
    tint: Floats
    solid: Bools
    bore: Floats
    places: list[tuple[float, float]]
    hole_px: float


# ---------------------------------------------------------------- fields and geometry


def _bounds(mask: Bools) -> tuple[int, int, int, int]:
    """x, y, width, height of the box round a mask, in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def _upsample(coarse: Floats, shape: Shape) -> Floats:
    image = Image.fromarray(coarse)
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _noise(rng: Generator, shape: Shape, cell_px: float) -> Floats:
    """Smooth noise of deviation about 1 whose bumps are cell_px wide."""
    rows, columns = (int(side / cell_px) + 2 for side in shape)
    return _upsample(rng.standard_normal((rows, columns), dtype=np.float32), shape)


def _grid(shape: Shape) -> tuple[Floats, Floats]:
    """Return x as a row and y as a column, in pixels, ready to broadcast."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return x.astype(np.float32), y.astype(np.float32)


def _sign(rng: Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _smoothstep(field: Floats) -> Floats:
    ramp = np.clip(field, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _box(u: Floats, v: Floats, half: tuple[float, float], corner: float) -> Floats:
    """Signed distance to a rounded rectangle of the given half sides."""
    across = np.abs(u) - (half[0] - corner)
    along = np.abs(v) - (half[1] - corner)
    outside = np.hypot(np.maximum(across, 0), np.maximum(along, 0))
    return outside + np.minimum(np.maximum(across, along), 0) - corner


def _reach(middle: float, reach: float, side: int) -> slice:
    """Slice one axis to the pixels within reach of the middle; empty where out of sight."""
    start, stop = int(middle - reach), int(middle + reach) + 2
    return slice(min(max(start, 0), side), min(max(stop, 0), side))


def _window(spot: _Spot, reach: float) -> tuple[Window, Floats, Floats]:
    """Cut the image to the reach of a spot; with the window, x and y from the spot in pixels."""
    height, width = spot.shape
    rows, columns = _reach(spot.y, reach, height), _reach(spot.x, reach, width)
    y, x = np.mgrid[rows, columns]
    return (rows, columns), (x - spot.x).astype(np.float32), (y - spot.y).astype(np.float32)


def _blob(
    rng: Generator, dx: Floats, dy: Floats, radii: tuple[float, float], rough: float
) -> Floats:
    """Draw a lopsided ellipse as a field that is 0 at its centre and 1 on its rim."""
    turn = rng.uniform(0, np.pi)
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    u, v = (dx * cos + dy * sin) / radii[0], (dy * cos - dx * sin) / radii[1]
    theta = np.arctan2(v, u)
    rim = np.ones_like(dx)
    for lobes in (2, 3, 5):
        rim += rough / lobes * np.cos(lobes * theta + np.float32(rng.uniform(0, 6.28)))
    return (np.hypot(u, v) / np.maximum(rim, 0.3)).astype(np.float32)


def _curve(rng: Generator, spot: _Spot, length: float, bend: float, angle: float) -> Points:
    """Nine points of a quadratic curve through the spot."""
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    aside = np.array([-along[1], along[0]]) * rng.uniform(-bend, bend)
    t = np.linspace(-0.5, 0.5, 9)[:, None]
    points = np.array([spot.x, spot.y]) + t * along + (0.25 - t * t) * 2 * aside
    return [(float(x), float(y)) for x, y in points]


def _covering(points: Points, spot: _Spot, margin: float) -> Window:
    """Find the window that holds all points and a margin, cut to the image."""
    columns, rows = zip(*points, strict=True)
    height, width = spot.shape
    top, left = (min(max(int(min(sides) - margin), 0), end - 1) for sides, end in
                 ((rows, height), (columns, width)))  # fmt: skip
    bottom = min(max(int(max(rows) + margin), top) + 1, height)
    right = min(max(int(max(columns) + margin), left) + 1, width)
    return slice(top, bottom), slice(left, right)


def _blank(window: Window) -> Image.Image:
    rows, columns = window
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Image.new("L", (size[0] * _SUPERSAMPLE, size[1] * _SUPERSAMPLE))


def _coverage(drawing: Image.Image) -> Floats:
    """How much of each pixel a supersampled drawing covers, 0..1."""
    return np.asarray(drawing.reduce(_SUPERSAMPLE), dtype=np.float32) / 255


def _stroke(points: Points, widths: Sequence[float], window: Window) -> Floats:
    """Coverage of a line with a width, in pixels, for each of its segments."""
    drawing = _blank(window)
    pen = ImageDraw.Draw(drawing)
    x0, y0 = window[1].start, window[0].start
    fine = [((x - x0) * _SUPERSAMPLE, (y - y0) * _SUPERSAMPLE) for x, y in points]
    for start, end, width in zip(fine, fine[1:], widths, strict=False):
        pen.line((start, end), fill=255, width=max(round(width * _SUPERSAMPLE), 2))
    return _coverage(drawing)


def _dots(points: Points, radii: Sequence[float], window: Window) -> Floats:
    """Coverage of discs of the given radii in pixels."""
    drawing = _blank(window)
    pen = ImageDraw.Draw(drawing)
    for (x, y), radius in zip(points, radii, strict=True):
        left, top = (x - radius - window[1].start), (y - radius - window[0].start)
        box = [side * _SUPERSAMPLE for side in (left, top, left + 2 * radius, top + 2 * radius)]
        pen.ellipse(box, fill=255)
    return _coverage(drawing)


# ---------------------------------------------------------------- the part's outline and holes


def _ring(count: int, radius: float, phase: float) -> Points:
    angles = phase + 2 * np.pi * np.arange(count) / count
    return [(float(radius * np.cos(a)), float(radius * np.sin(a))) for a in angles]


def _lattice(columns: int, rows: int, half: tuple[float, float]) -> Points:
    xs, ys = np.linspace(-half[0], half[0], columns), np.linspace(-half[1], half[1], rows)
    return [(float(x), float(y)) for y in ys for x in xs]


@dataclass(frozen=True, slots=True)
class _Outline:
    """A part's shape in its own frame: signed distance, hole places, bores as (x, y, radius)."""

    distance: Floats
    places: Points
    hole_px: float
    bores: tuple[tuple[float, float, float], ...] = ()


def _flange(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    count = int(rng.integers(4, 11))
    places = _ring(count, size * rng.uniform(0.66, 0.76), rng.uniform(0, 1))
    hole = size * min(rng.uniform(0.07, 0.12), 1.4 / count)
    bore = (0.0, 0.0, size * rng.uniform(0.16, 0.36))
    return _Outline(np.hypot(u, v) - size, places, hole, (bore,))


def _washer(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    bore = size * rng.uniform(0.38, 0.6)
    places = _ring(int(rng.integers(3, 7)), (size + bore) / 2, rng.uniform(0, 2))
    kept = places if rng.random() < 0.5 else []
    return _Outline(np.hypot(u, v) - size, kept, (size - bore) * 0.2, ((0.0, 0.0, bore),))


def _gear(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    teeth = int(rng.integers(14, 34))
    wave = np.clip(np.cos(teeth * np.arctan2(v, u)) * 1.6, -1, 1)
    distance = np.hypot(u, v) - size * (1 + 1.1 / teeth * wave)
    places = _ring(int(rng.integers(4, 7)), size * 0.55, rng.uniform(0, 1))
    bore = (0.0, 0.0, size * rng.uniform(0.14, 0.22))
    return _Outline(distance, places, size * rng.uniform(0.09, 0.15), (bore,))


def _plate(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    half = (size * rng.uniform(0.95, 1.3), size * rng.uniform(0.65, 0.9))
    columns, rows = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    places = _lattice(columns, rows, (half[0] * 0.78, half[1] * 0.7))
    hole = min(half[0] / columns, half[1] / rows) * rng.uniform(0.25, 0.45)
    return _Outline(_box(u, v, half, size * rng.uniform(0.03, 0.2)), places, hole)


def _bracket(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    arm = size * rng.uniform(0.32, 0.42)
    shift = size - arm
    foot = _box(u, v - shift, (size * 1.1, arm), size * 0.08)
    wall = _box(u + size * 1.1 - arm, v, (arm, size), size * 0.08)
    count = int(rng.integers(3, 5))
    row = [(float(x), shift) for x in np.linspace(-size * 0.72, size * 0.85, count)]
    column = [(arm - size * 1.1, float(y)) for y in np.linspace(-size * 0.75, size * 0.05, 2)]
    return _Outline(np.minimum(foot, wall), row + column, arm * rng.uniform(0.25, 0.4))


def _strip(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    half = (size * 1.5, size * rng.uniform(0.32, 0.5))
    places = _lattice(int(rng.integers(4, 8)), int(rng.integers(1, 3)), (size * 1.2, half[1] * 0.5))
    return _Outline(_box(u, v, half, half[1] * rng.uniform(0.1, 1)), places, half[1] * 0.22)


def _cover(rng: Generator, u: Floats, v: Floats, size: float) -> _Outline:
    sides = int(rng.integers(3, 5))
    angles = np.pi * np.arange(sides) / sides
    faces = [np.abs(u * np.float32(np.cos(a)) + v * np.float32(np.sin(a))) for a in angles]
    distance = np.maximum.reduce(faces) - np.float32(size * 0.95)
    places = _ring(2 * sides, size * 0.8, np.pi / 2 / sides)
    bores = ((0.0, 0.0, size * rng.uniform(0.15, 0.3)),) if rng.random() < 0.5 else ()
    return _Outline(distance, places, size * rng.uniform(0.06, 0.1), bores)


_OUTLINES = (_flange, _washer, _gear, _plate, _bracket, _strip, _cover, _flange, _plate)


def _pose(rng: Generator, shape: Shape, centre: tuple[float, float], size: float) -> _Part:
    """Cut a bare part of a random kind: centre x, y, about size pixels from there to its edge."""
    x, y = _grid(shape)
    axis = rng.uniform(-0.25, 0.25) + float(rng.choice((0, np.pi / 2)))
    cos, sin = float(np.cos(axis)), float(np.sin(axis))
    dx, dy = x - centre[0], y - centre[1]
    u, v = dx * cos + dy * sin, dy * cos - dx * sin
    cut = _OUTLINES[int(rng.integers(len(_OUTLINES)))](rng, u, v, size)
    back = [(centre[0] + a * cos - b * sin, centre[1] + a * sin + b * cos) for a, b in cut.places]
    part = _Part(
        distance=cut.distance.astype(np.float32), u=u, v=v, centre=centre, axis=axis, size=size,
        relief=np.zeros(shape, np.float32), albedo=np.ones(shape, np.float32),
        tint=np.ones((*shape, 3), np.float32), solid=cut.distance < -1,
        bore=np.zeros(shape, np.float32), places=[(float(a), float(b)) for a, b in back],
        hole_px=float(cut.hole_px),
    )  # fmt: skip
    _form(rng, part)
    for a, b, radius in cut.bores:
        _drill(part, (centre[0] + a, centre[1] + b), radius, rng.uniform(0, 0.25))
    return part


def _form(rng: Generator, part: _Part) -> None:
    """Chamfer the edge and turn or mill a step into the face."""
    chamfer = rng.uniform(1.5, 7)
    part.relief += np.clip(-part.distance / chamfer, 0, 1) * chamfer * rng.uniform(0.3, 0.9)
    if rng.random() < 0.55:
        inset = part.size * rng.uniform(0.12, 0.5)
        step = _smoothstep((-part.distance - inset) / rng.uniform(1.5, 5))
        part.relief += step * (rng.uniform(1, 4) * _sign(rng))
        part.albedo *= 1 + step * rng.uniform(-0.18, 0.12)


def _drill(part: _Part, centre: tuple[float, float], radius: float, sink: float) -> None:
    """Drill a hole with a countersink that is sink times the radius wide."""
    spot = _Spot(*centre, part.relief.shape, part.axis)
    window, dx, dy = _window(spot, radius * (1 + sink) + 3)
    away = np.hypot(dx, dy)
    part.relief[window] -= np.clip(radius * (1 + sink) + 1 - away, 0, radius * sink + 2) * 0.8
    part.bore[window] = np.maximum(part.bore[window], np.clip(radius + 0.5 - away, 0, 1))
    part.solid[window] &= away > radius * (1 + sink) + 1.5


# ---------------------------------------------------------------- finish


def _grain(rng: Generator, along: Floats, across: Floats, run_px: float) -> Floats:
    """Streaks run_px long: white noise across the lay, smooth noise along it."""
    coarse = np.pad(rng.standard_normal((512, 32), dtype=np.float32), ((0, 0), (2, 2)), "wrap")
    table = _upsample(coarse, (512, 288))[:, 16:272]
    rows = (across * np.float32(rng.uniform(0.7, 1.6))).astype(np.int32) & 511
    columns = (along * np.float32(8 / run_px) + 128).astype(np.int32) & 255
    streaks: Floats = table[rows, columns]
    return streaks


def _brush(rng: Generator, part: _Part) -> None:
    turned = rng.random() < 0.5
    along, across = (part.v, part.u) if turned else (part.u, part.v)
    part.albedo *= 1 + _grain(rng, along, across, rng.uniform(20, 90)) * rng.uniform(0.03, 0.11)


def _sheen(rng: Generator, part: _Part, theta: Floats) -> None:
    """Add the bow tie of light that rings of tool marks throw."""
    fan = np.cos(theta - np.float32(rng.uniform(0, np.pi)))
    fan *= fan
    part.albedo *= 0.88 + (fan * fan if rng.random() < 0.6 else fan) * rng.uniform(0.1, 0.5)


def _turn(rng: Generator, part: _Part) -> None:
    radius, theta = np.hypot(part.u, part.v), np.arctan2(part.v, part.u)
    circle = theta * np.float32(32 / 2 / np.pi)
    part.albedo *= 1 + _grain(rng, circle, radius, 1) * rng.uniform(0.03, 0.1)
    _sheen(rng, part, theta)


def _mill(rng: Generator, part: _Part) -> None:
    """Arcs of a face mill fed across the part, with the ridge of every pass."""
    far = np.float32(part.size * rng.uniform(0.5, 2.5))
    radius = np.hypot(part.u + far, part.v)
    pitch = np.float32(rng.uniform(2.5, 9))
    part.relief += np.sin(radius * (2 * np.pi / pitch)) * rng.uniform(0.02, 0.12)
    part.albedo *= 1 + _grain(rng, part.v, radius, rng.uniform(30, 90)) * rng.uniform(0.02, 0.07)


def _cast(rng: Generator, part: _Part) -> None:
    shape = part.relief.shape
    fine = rng.standard_normal(shape, dtype=np.float32)
    part.relief += _noise(rng, shape, rng.uniform(2.5, 5)) * rng.uniform(0.08, 0.3)
    part.albedo *= rng.uniform(0.6, 0.8) + fine * rng.uniform(0.01, 0.05)


_FINISHES = (_brush, _turn, _mill, _cast, _brush, _turn)
_METALS = ((0.78, 0.79, 0.8), (0.86, 0.86, 0.84), (0.62, 0.64, 0.68), (0.8, 0.68, 0.44),
           (0.5, 0.5, 0.52), (0.8, 0.6, 0.48))  # fmt: skip
_METAL_ODDS = (0.3, 0.25, 0.18, 0.1, 0.12, 0.05)


def _finish(rng: Generator, part: _Part) -> None:
    _FINISHES[int(rng.integers(len(_FINISHES)))](rng, part)
    part.albedo *= 1 + _noise(rng, part.relief.shape, rng.uniform(25, 70)) * rng.uniform(0.01, 0.06)
    metal = np.array(_METALS[int(rng.choice(len(_METALS), p=_METAL_ODDS))], np.float32)
    part.tint *= metal * np.float32(rng.uniform(0.75, 1.1))


# ---------------------------------------------------------------- defects


def _scratch(rng: Generator, spot: _Spot) -> _Patch:
    length = float(np.exp(rng.uniform(np.log(32), np.log(150))))
    angle = rng.uniform(0, np.pi)
    strands = 1 if rng.random() < 0.75 else int(rng.integers(2, 4))
    thick = rng.uniform(2.2, 4.6)
    lines = [_strand(rng, spot, length, angle, gap) for gap in range(strands)]
    window = _covering([point for line in lines for point in line], spot, 5)
    taper = thick * np.sin(np.linspace(0.5, np.pi - 0.25, 8)) ** 0.5
    cover = np.maximum.reduce([_stroke(line, list(taper), window) for line in lines])
    shine = _sign(rng) * rng.uniform(0.45, 0.95)
    relief = -cover * np.float32(rng.uniform(0.3, 1.2))
    return _Patch(window, cover > 0.3, relief, 1 + cover * np.float32(shine))


def _strand(rng: Generator, spot: _Spot, length: float, angle: float, gap: int) -> Points:
    aside = gap * rng.uniform(4, 8)
    shifted = _Spot(spot.x - aside * np.sin(angle), spot.y + aside * np.cos(angle), spot.shape, 0)
    return _curve(rng, shifted, length * rng.uniform(0.6, 1), 0.22, angle + rng.uniform(-0.1, 0.1))


def _pit(rng: Generator, spot: _Spot) -> _Patch:
    radius = float(np.exp(rng.uniform(np.log(5), np.log(13))))
    window, dx, dy = _window(spot, radius * 2)
    rim = _blob(rng, dx, dy, (radius, radius * rng.uniform(0.65, 1)), 0.35)
    depth = _smoothstep((1.25 - rim) * 1.6)
    albedo = 1 - depth * np.float32(rng.uniform(0.45, 0.85))
    return _Patch(window, rim < 1, -depth * radius * np.float32(rng.uniform(0.3, 0.8)), albedo)


def _pit_cluster(rng: Generator, spot: _Spot) -> _Patch:
    """Corrode an area: many small pits on a slightly dulled ground."""
    radius = rng.uniform(14, 42)
    window, dx, dy = _window(spot, radius * 1.6)
    rim = _blob(rng, dx, dy, (radius, radius * rng.uniform(0.5, 1)), 0.4)
    inside = np.argwhere(rim < 0.92)
    count = int(np.clip(len(inside) / rng.uniform(25, 60), 8, 90))
    picked = inside[rng.integers(len(inside), size=count)] if len(inside) else inside
    points = [(float(c + window[1].start), float(r + window[0].start)) for r, c in picked]
    cover = _dots(points, list(rng.uniform(0.7, 2.4, len(points))), window)
    dull = _smoothstep((1.1 - rim) * 3) * np.float32(rng.uniform(0.03, 0.16))
    albedo = (1 - dull) * (1 - cover * np.float32(rng.uniform(0.35, 0.7)))
    return _Patch(window, rim < 1, -cover * 1.2, albedo, iscrowd=True)


def _pitting(rng: Generator, spot: _Spot) -> _Patch:
    return _pit_cluster(rng, spot) if rng.random() < 0.2 else _pit(rng, spot)


def _dent(rng: Generator, spot: _Spot) -> _Patch:
    radius = float(np.exp(rng.uniform(np.log(12), np.log(36))))
    window, dx, dy = _window(spot, radius * 1.7)
    rim = _blob(rng, dx, dy, (radius, radius * rng.uniform(0.5, 1)), 0.13)
    bowl = np.square(np.clip(1.1 - rim * rim, 0, None))
    depth = radius * rng.uniform(0.28, 0.6)
    lip = np.exp(-np.square((rim - 1.1) * 6)) * np.float32(depth * rng.uniform(0, 0.15))
    albedo = 1 - np.clip(bowl, 0, 1) * np.float32(rng.uniform(-0.1, 0.2))
    return _Patch(window, rim < 1, lip - bowl * np.float32(depth), albedo)


_STAINS = ((0.72, 0.5, 0.32), (0.5, 0.45, 0.4), (0.62, 0.7, 0.95), (0.95, 0.78, 0.5),
           (0.42, 0.44, 0.48), (1.22, 1.2, 1.15), (0.75, 0.62, 0.72))  # fmt: skip


def _stain(rng: Generator, spot: _Spot) -> _Patch:
    radius = float(np.exp(rng.uniform(np.log(12), np.log(46))))
    window, dx, dy = _window(spot, radius * 1.8)
    rim = _blob(rng, dx, dy, (radius, radius * rng.uniform(0.45, 1)), 0.35)
    rim += _noise(rng, rim.shape, max(radius / 4, 3)) * np.float32(rng.uniform(0, 0.2))
    soft = _smoothstep((1.0 - rim) * np.float32(rng.uniform(2.5, 7)) + 0.5)
    ring = np.exp(-np.square((rim - 0.93) * 9)) * np.float32(rng.uniform(0, 0.4))
    colour = _STAINS[int(rng.integers(len(_STAINS)))]
    alpha = np.clip(soft * np.float32(rng.uniform(0.55, 0.95)) + ring, 0, 1)
    plain = np.zeros_like(rim)
    return _Patch(window, rim < 1, plain, plain + 1, (colour, alpha))


def _missing_hole(rng: Generator, spot: _Spot, radius: float) -> _Patch:
    """Leave the place of a hole undrilled: bare, centre-punched or spot-faced."""
    window, dx, dy = _window(spot, radius * 1.4 + 3)
    away = np.hypot(dx, dy)
    relief, albedo = np.zeros_like(dx), np.ones_like(dx)
    kind = rng.random()
    if kind < 0.4:
        punch = np.clip(rng.uniform(2.2, 4.0) + 0.5 - away, 0, 1)
        relief, albedo = -punch, 1 - punch * np.float32(0.6)
    elif kind < 0.93:
        face = np.clip(radius * rng.uniform(1, 1.25) + 0.5 - away, 0, 1)
        relief, albedo = -face, 1 + face * np.float32(_sign(rng) * rng.uniform(0.1, 0.25))
    return _Patch(window, away < radius, relief, albedo)


_DEFECTS: Mapping[str, Callable[[Generator, _Spot], _Patch]] = MappingProxyType(
    {"scratch": _scratch, "pit": _pitting, "dent": _dent, "stain": _stain}
)


# ---------------------------------------------------------------- near misses

_DIGITS = ("0e11131519110e", "040c040404040e", "0e11010204081f", "1f02040201110e",
           "02060a121f0202", "1f101e0101110e", "0608101e11110e", "1f010204080808",
           "0e11110e11110e", "0e11110f01020c")  # fmt: skip


def _matrix(rng: Generator) -> Iterator[tuple[int, int]]:
    """Cells (column, row) of marked text, or of a code square."""
    if rng.random() < 0.3:
        yield from ((int(c), int(r)) for c, r in np.argwhere(rng.random((10, 10)) < 0.55))
        return
    for place, digit in enumerate(rng.integers(10, size=int(rng.integers(3, 8)))):
        for row, bits in enumerate(bytes.fromhex(_DIGITS[int(digit)])):
            yield from ((place * 6 + c, row) for c in range(5) if bits >> (4 - c) & 1)


def _peening(rng: Generator, spot: _Spot) -> _Patch:
    """Peen a serial number or a code square, dot by dot: looks like pits, is none."""
    pitch, cos, sin = rng.uniform(1.6, 3), np.cos(spot.axis), np.sin(spot.axis)
    points = [
        (spot.x + pitch * (c * cos - r * sin), spot.y + pitch * (c * sin + r * cos))
        for c, r in _matrix(rng)
    ]
    window = _covering(points, spot, 4)
    cover = _dots(points, [pitch * rng.uniform(0.35, 0.6)] * len(points), window)
    albedo = 1 - cover * np.float32(rng.uniform(0.15, 0.5))
    return _Patch(window, cover > 2, -cover * np.float32(rng.uniform(0.4, 1)), albedo)


def _scribed(rng: Generator, spot: _Spot) -> _Patch:
    """Straight, parallel to the part's axis: a scribed line or two, not a scratch."""
    angle = spot.axis + float(rng.choice((0, np.pi / 2)))
    length, gap = rng.uniform(30, 150), rng.uniform(4, 10)
    lines = []
    for number in range(int(rng.integers(1, 4))):
        x, y = spot.x - number * gap * np.sin(angle), spot.y + number * gap * np.cos(angle)
        lines.append(_curve(rng, _Spot(x, y, spot.shape, 0), length, 0, angle))
    window = _covering([point for line in lines for point in line], spot, 3)
    thick = [rng.uniform(0.7, 1.6)] * 8
    cover = np.maximum.reduce([_stroke(line, thick, window) for line in lines])
    shine = np.float32(0.32 * _sign(rng))
    return _Patch(window, cover > 2, -cover * np.float32(0.6), 1 + cover * shine)


def _chatter(rng: Generator, spot: _Spot) -> _Patch:
    """Evenly spaced tool marks in a fading patch."""
    reach = rng.uniform(12, 36)
    window, dx, dy = _window(spot, reach)
    angle, pitch = rng.uniform(0, np.pi), rng.uniform(3, 7)
    wave = np.sin((dx * np.cos(angle) + dy * np.sin(angle)) * np.float32(6.28 / pitch))
    fade = np.clip(1 - np.hypot(dx, dy) / reach, 0, 1).astype(np.float32)
    relief = (wave * fade * rng.uniform(0.2, 0.5)).astype(np.float32)
    return _Patch(window, fade > 2, relief, np.ones_like(fade))


def _drop(rng: Generator, spot: _Spot) -> _Patch:
    """Let fall a water drop: a clear lens with a dark rim, a bulge where a dent is a bowl."""
    radius = rng.uniform(3, 13)
    window, dx, dy = _window(spot, radius * 1.5)
    rim = _blob(rng, dx, dy, (radius, radius * rng.uniform(0.75, 1)), 0.12)
    bulge = np.sqrt(np.clip(1 - rim * rim, 0, None)) * np.float32(radius * 0.55)
    edge = np.exp(-np.square((rim - 0.95) * 6)) * np.float32(0.3)
    return _Patch(window, rim < 0, bulge, 1.04 - edge)


def _fibre(rng: Generator, spot: _Spot) -> _Patch:
    """Drop a hair or a lint fibre on the part: curled and soft, no groove."""
    line = _curve(rng, spot, rng.uniform(10, 40), 1.6, rng.uniform(0, np.pi))
    window = _covering(line, spot, 4)
    cover = _stroke(line, [rng.uniform(0.5, 1.0)] * 8, window)
    shine = np.float32(0.32 * _sign(rng))
    return _Patch(window, cover > 2, np.zeros_like(cover), 1 + cover * shine)


def _speck(rng: Generator, spot: _Spot) -> _Patch:
    """Dust: a few pale grains without depth."""
    spread = rng.normal(0, rng.uniform(3, 14), (int(rng.integers(2, 9)), 2))
    points = [(spot.x + float(a), spot.y + float(b)) for a, b in spread]
    window = _covering(points, spot, 4)
    cover = _dots(points, list(rng.uniform(0.4, 1.3, len(points))), window)
    return _Patch(window, cover > 2, cover * np.float32(0.3), 1 + cover * np.float32(0.4))


_INKS = ((0.3, 0.4, 0.9), (0.9, 0.3, 0.3), (0.25, 0.25, 0.28), (0.35, 0.75, 0.45))


def _ink(rng: Generator, spot: _Spot) -> _Patch:
    """Draw an inspector's felt-pen tick or ring."""
    reach = rng.uniform(5, 13)
    ring = [(spot.x + a, spot.y + b) for a, b in _ring(10, reach, rng.uniform(0, 6))]
    tick = [(spot.x - reach, spot.y), (spot.x, spot.y + reach), (spot.x + reach, spot.y - reach)]
    line = ring if rng.random() < 0.5 else tick
    window = _covering(line, spot, 5)
    cover = _stroke(line, [rng.uniform(1.5, 3)] * 10, window) * np.float32(rng.uniform(0.5, 0.9))
    plain = np.zeros_like(cover)
    return _Patch(window, cover > 2, plain, plain + 1, (_INKS[int(rng.integers(4))], cover))


_NEAR_MISSES = (_peening, _scribed, _chatter, _drop, _fibre, _speck, _ink, _drop, _peening)


# ---------------------------------------------------------------- putting patches on the part


def _apply(part: _Part, patch: _Patch) -> None:
    part.relief[patch.window] += patch.relief
    part.albedo[patch.window] *= patch.albedo
    if patch.tint is not None:
        colour, alpha = patch.tint
        factor = np.array(colour, np.float32) - 1
        part.tint[patch.window] *= 1 + alpha[..., None] * factor


def _spot(rng: Generator, part: _Part, free: Bools) -> _Spot | None:
    """Choose a free place on the metal; None where it is full."""
    candidates = np.argwhere(free[::3, ::3])
    if not len(candidates):
        return None
    row, column = candidates[int(rng.integers(len(candidates)))] * 3
    return _Spot(float(column), float(row), part.relief.shape, part.axis)


def _claim(part: _Part, free: Bools, patch: _Patch) -> Bools | None:
    """Take a patch's window from the free metal.

    The mask of what shows of it, height x width; None, and nothing taken, where that is too little.
    """
    visible = patch.mask & part.solid[patch.window]
    wanted, seen = np.count_nonzero(patch.mask), np.count_nonzero(visible)
    blocked = np.count_nonzero(visible & ~free[patch.window])
    if seen < _MIN_AREA_PX or seen < 0.6 * wanted or blocked > 0.25 * seen:
        return None
    free[patch.window] = False
    mask = np.zeros(part.solid.shape, np.bool_)
    mask[patch.window] = visible
    return mask


def _plan(rng: Generator) -> list[str]:
    """Choose the categories to draw in one image; a bad batch often has one fault many times."""
    if rng.random() < _CLEAN_SHARE:
        return []
    count = int(rng.choice((1, 2, 3, 4, 5, 6), p=(0.3, 0.25, 0.18, 0.13, 0.08, 0.06)))
    odds = (0.25, 0.25, 0.19, 0.16, 0.15)
    names = [str(name) for name in rng.choice(CATEGORIES, size=count, p=odds)]
    return names[:1] * count if rng.random() < 0.4 else names


def _instance(category: str, mask: Bools, iscrowd: bool) -> Instance:
    return Instance(category, mask, iscrowd, None if iscrowd else outline(mask))


def _undrilled(rng: Generator, part: _Part, free: Bools, wanted: int) -> list[Instance]:
    """Leave up to wanted places of the pattern without a hole, and drill the others."""
    order = [part.places[i] for i in rng.permutation(len(part.places))]
    wanted = min(wanted, max((len(order) - 1) // 3, 0))
    sink = (0.0, 0.12, 0.35, 0.6)[int(rng.integers(4))]
    found: list[Instance] = []
    for x, y in order:
        patch = _missing_hole(rng, _Spot(x, y, part.solid.shape, part.axis), part.hole_px)
        mask = _claim(part, free, patch) if len(found) < wanted else None
        if mask is None:
            _drill(part, (x, y), part.hole_px, sink)
        else:
            _apply(part, patch)
            found.append(_instance("missing-hole", mask, False))
    return found


def _damage(rng: Generator, part: _Part, free: Bools, plan: Sequence[str]) -> list[Instance]:
    """Put the planned surface defects on the part; one that finds no place is left out."""
    found = []
    for name in plan:
        for _ in range(4):
            spot = _spot(rng, part, free)
            patch = _DEFECTS[name](rng, spot) if spot else None
            mask = _claim(part, free, patch) if patch else None
            if patch and mask is not None:
                _apply(part, patch)
                found.append(_instance(name, mask, patch.iscrowd))
                break
    return found


def _distract(rng: Generator, part: _Part, free: Bools) -> None:
    """Put near misses on the metal that no defect has taken."""
    for _ in range(int(rng.integers(0, 5))):
        spot = _spot(rng, part, free)
        if spot is None:
            return
        patch = _NEAR_MISSES[int(rng.integers(len(_NEAR_MISSES)))](rng, spot)
        if free[patch.window].mean() > 0.7:
            _apply(part, patch)


# ---------------------------------------------------------------- light and background


@dataclass(frozen=True, slots=True)
class _Light:
    """One lamp: direction in the image plane, height above it, and the uneven field it throws."""

    x: float
    y: float
    z: float
    gloss: float
    field: Floats


def _lamp(rng: Generator, shape: Shape) -> _Light:
    azimuth, z = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.85)
    flat = float(np.sqrt(1 - z * z))
    lx, ly = flat * float(np.cos(azimuth)), flat * float(np.sin(azimuth))
    x, y = _grid(shape)
    x, y = x / shape[1] - 0.5, y / shape[0] - 0.5
    slope = x * np.float32(lx) + y * np.float32(ly)
    field = 1 + slope * np.float32(rng.uniform(0, 0.9))
    spot = np.square(x - rng.uniform(-0.5, 0.5)) + np.square(y - rng.uniform(-0.5, 0.5))
    field = field + np.exp(-spot * rng.uniform(4, 25)) * rng.uniform(0, 0.6)
    if rng.random() < 0.25:
        tube = slope * np.float32(rng.uniform(0.5, 1)) + x * np.float32(rng.uniform(-1, 1))
        field = field + np.exp(-np.square((tube - rng.uniform(-0.3, 0.3)) * 9)) * 0.35
    return _Light(lx, ly, z, rng.uniform(0.05, 0.5), field.astype(np.float32))


def _shade(part: _Part, light: _Light) -> Floats:
    """Brightness of the surface: a matt term, a glossy one and the lamp's uneven field."""
    gy, gx = np.gradient(part.relief)
    steep = 1 / np.sqrt(1 + gx * gx + gy * gy)
    matt = np.clip((light.z - gx * light.x - gy * light.y) * steep, 0.02, None)
    tilt = 0.5 * (1 + light.z)
    gloss = np.clip((tilt - 0.5 * (gx * light.x + gy * light.y)) * steep / np.sqrt(tilt), 0, 1)
    for _ in range(5):
        gloss = gloss * gloss
    lit = (0.18 + 0.75 * matt + light.gloss * gloss) * light.field * part.albedo
    shaded: Floats = lit.astype(np.float32)
    return shaded


def _belt(rng: Generator, shape: Shape) -> Floats:
    """Background brightness: a rubber belt, a slatted conveyor, a steel table or light felt."""
    x, y = _grid(shape)
    kind = int(rng.integers(4))
    ground = (0.14, 0.2, 0.42, 0.62)[kind] * rng.uniform(0.7, 1.2)
    grain = rng.standard_normal(shape, dtype=np.float32) * rng.uniform(0.02, 0.08)
    field = 1 + grain + _noise(rng, shape, rng.uniform(15, 60)) * rng.uniform(0.04, 0.14)
    turn = rng.uniform(0, np.pi)
    along = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    pitch = rng.uniform(3, 6) if kind == 0 else rng.uniform(18, 60)
    wave = np.sin(along * np.float32(6.28 / pitch))
    return ground * field * (1 + (wave if kind < 1 else np.clip(wave * 6, -6, 0) / 6) * 0.12)


def _shadow(rng: Generator, part: _Part, light: _Light) -> Floats:
    """How much light the part leaves on the belt, 0..1: its outline, shifted and blurred."""
    throw = rng.uniform(1, 3)
    down, right = round(-light.y * throw), round(-light.x * throw)
    coarse = np.pad(part.distance[::4, ::4], 3, mode="edge")
    moved = np.roll(coarse, (down, right), axis=(0, 1))[3:-3, 3:-3]
    soft = np.clip(0.5 - moved / np.float32(rng.uniform(4, 16)), 0, 1)
    return 1 - _upsample(soft, part.solid.shape) * np.float32(rng.uniform(0.3, 0.7))


def _lay(rng: Generator, frame: Floats, part: _Part, light: _Light) -> Floats:
    """Lay the part on the frame, height x width x 3."""
    depth = np.float32(rng.uniform(0.3, 0.8) if rng.random() < 0.7 else 0.1)
    alpha = np.clip(0.5 - part.distance, 0, 1)
    metal = alpha * (1 - part.bore)
    below = _shadow(rng, part, light) * (1 - metal - (1 - depth) * alpha * part.bore)
    laid: Floats = frame * below[..., None]
    laid += part.tint * (_shade(part, light) * metal)[..., None]
    return laid


def _swarf(rng: Generator, frame: Floats, covered: Bools) -> None:
    """Curled chips and bits of cable on the belt, beneath no part."""
    shape = covered.shape
    for _ in range(int(rng.integers(0, 7))):
        cable = rng.random() < 0.12
        length, thick = (rng.uniform(150, 400), 7.0) if cable else (rng.uniform(5, 22), 1.6)
        spot = _Spot(rng.uniform(0, shape[1]), rng.uniform(0, shape[0]), shape, 0)
        line = _curve(rng, spot, length, 0.5 if cable else 1.8, rng.uniform(0, np.pi))
        window = _covering(line, spot, 6)
        cover = _stroke(line, [thick * rng.uniform(0.6, 1.2)] * 8, window) * ~covered[window]
        tone = rng.uniform(0.03, 0.2) if cable else rng.uniform(0.5, 1.1)
        frame[window] += (np.float32(tone) - frame[window]) * cover[..., None]


# ---------------------------------------------------------------- camera


def _expose(rng: Generator, frame: Floats) -> NDArray[np.uint8]:
    """Vignetting, colour cast, exposure, a soft shoulder, blur and sensor noise."""
    shape = frame.shape[:2]
    x, y = _grid(shape)
    corner = np.square(x / shape[1] - 0.5) + np.square(y / shape[0] - 0.5)
    cast = np.exp(rng.normal(0, 0.035, 3)).astype(np.float32) * np.float32(rng.uniform(1, 2.6))
    scene: Floats = frame * (corner * np.float32(rng.uniform(0, 0.8)) - 1)[..., None]
    scene *= cast
    toned: Floats = np.clip(255 - 255 * np.exp(scene), 0, 255)
    side = rng.uniform(0.02, 0.6)
    kernel = [a * b for a in (side, 1, side) for b in (side, 1, side)]
    sharp = Image.fromarray(toned.astype(np.uint8))
    soft: Floats = np.asarray(sharp.filter(ImageFilter.Kernel((3, 3), kernel)), np.float32)
    return _sensor(rng, soft)


def _sensor(rng: Generator, exposed: Floats) -> NDArray[np.uint8]:
    """Noise drawn once and shifted for each colour: independent to the eye at a third the cost."""
    grain = rng.standard_normal(exposed.shape[:2], dtype=np.float32)
    grain *= np.float32(rng.uniform(0.8, 4.5))
    grain += np.float32(0.5)
    for colour in range(3):
        exposed[..., colour] += np.roll(grain, 41 * colour, axis=0)
    return np.clip(exposed, 0, 255).astype(np.uint8)


def _number(split: str) -> int:
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    return list(SPLITS).index(split)


def _generator(split: str, index: int, seed: int) -> Generator:
    return Generator(PCG64(SeedSequence(seed, spawn_key=(_number(split), index))))


def _workpiece(rng: Generator, shape: Shape) -> tuple[_Part, list[Instance]]:
    """Make the part in the middle of the image, damaged, and its defects."""
    reach = min(shape) * (rng.uniform(0.36, 0.5) if rng.random() < 0.75 else rng.uniform(0.5, 0.8))
    centre = (shape[1] * rng.uniform(0.42, 0.58), shape[0] * rng.uniform(0.42, 0.58))
    part = _pose(rng, shape, centre, reach)
    _finish(rng, part)
    plan = _plan(rng)
    free = part.solid.copy()
    found = _undrilled(rng, part, free, plan.count("missing-hole"))
    free &= part.solid
    found += _damage(rng, part, free, [name for name in plan if name in _DEFECTS])
    _distract(rng, part, free)
    return part, found


def _neighbour(rng: Generator, shape: Shape) -> _Part:
    """Make a whole part that reaches into the image from one side; nobody inspects it yet."""
    angle, reach = rng.uniform(0, 2 * np.pi), min(shape) * rng.uniform(0.3, 0.45)
    x = shape[1] * (0.5 + 0.62 * np.cos(angle)) + reach * 0.6 * np.cos(angle)
    y = shape[0] * (0.5 + 0.62 * np.sin(angle)) + reach * 0.6 * np.sin(angle)
    part = _pose(rng, shape, (float(x), float(y)), reach)
    _finish(rng, part)
    _undrilled(rng, part, part.solid.copy(), 0)
    return part


def render(split: str, index: int, *, seed: int = 0) -> Scene:
    """Draw image number index (from 0) of a split; the same arguments give the same pixels."""
    rng = _generator(split, index, seed)
    width, height = _SIZES[int(rng.integers(len(_SIZES)))]
    shape = (height, width)
    light = _lamp(rng, shape)
    ground = np.exp(rng.normal(0, 0.035, 3)).astype(np.float32)
    frame: Floats = (_belt(rng, shape) * light.field)[..., None] * ground
    if rng.random() < 0.35:
        frame = _lay(rng, frame, _neighbour(rng, shape), light)
    part, found = _workpiece(rng, shape)
    _swarf(rng, frame, part.distance < 2)
    return Scene(_expose(rng, _lay(rng, frame, part, light)), tuple(found))


# ---------------------------------------------------------------- COCO


def _walk(filled: list[list[bool]], x: int, y: int) -> Iterator[tuple[int, int, int, int]]:
    """Walk round the piece whose top left corner is x, y in steps (x, y, dx, dy), it on the right.

    The list has an empty border, so that no look ahead leaves it.
    """
    start, dx, dy = (x, y), 1, 0
    while True:
        yield x, y, dx, dy
        x, y = x + dx, y + dy
        if (x, y) == start:
            return
        right = filled[y - (dy + dx < 0)][x - (dx - dy < 0)]
        left = filled[y - (dy - dx < 0)][x - (dx + dy < 0)]
        if not right:
            dx, dy = -dy, dx
        elif left:
            dx, dy = dy, -dx


def outline(mask: Bools) -> tuple[int, ...] | None:
    """Trace a mask (height x width) along the pixels' edges as x0, y0, x1, y1, ...

    None where one closed outline cannot tell the mask: it has holes, or pieces that touch at a
    corner at most.
    """
    left, top, width, height = _bounds(mask)
    padded = np.pad(mask[top : top + height, left : left + width], 1)
    steps = list(_walk(padded.tolist(), int(np.argmax(padded[1])), 1))
    edges = np.zeros(padded.shape, np.int32)
    for x, y, _, dy in steps:
        if dy:
            edges[y - (dy < 0), x] += 1
    if not np.array_equal(np.cumsum(edges, axis=1) % 2 == 1, padded):
        return None
    turns = zip(steps, steps[-1:] + steps[:-1], strict=True)
    corners = (now for now, last in turns if now[2:] != last[2:])
    return tuple(side for x, y, *_ in corners for side in (x + left - 1, y + top - 1))


def mask_to_counts(mask: Bools) -> list[int]:
    """Run lengths of a mask in COCO's order: down the columns, zeros first."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate(([0], changes, [flat.size]))
    runs: list[int] = np.diff(bounds).tolist()
    return [0, *runs] if flat[0] else runs


def counts_to_string(counts: Sequence[int]) -> str:
    """COCO's compressed run lengths: differences to the run two before, five bits a character."""
    text = []
    for place, count in enumerate(counts):
        value, more = count - (counts[place - 2] if place > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text.append(chr((bits | (32 if more else 0)) + 48))
    return "".join(text)


def _segmentation(instance: Instance) -> object:
    if instance.polygon is not None:
        return [list(instance.polygon)]
    counts, size = mask_to_counts(instance.mask), list(instance.mask.shape)
    return {"size": size, "counts": counts if instance.iscrowd else counts_to_string(counts)}


def _annotations(scene: Scene, image_id: int) -> Iterator[dict[str, object]]:
    for place, instance in enumerate(scene.instances):
        yield {
            "id": (image_id - 1) * _ANNOTATIONS_PER_IMAGE + place + 1,
            "image_id": image_id,
            "category_id": CATEGORIES.index(instance.category) + 1,
            "bbox": list(instance.bbox),
            "area": instance.area,
            "segmentation": _segmentation(instance),
            "iscrowd": int(instance.iscrowd),
        }


def _write_truth(
    file: Path,
    names: Sequence[str],
    images: Sequence[Mapping[str, object]],
    annotations: Sequence[Mapping[str, object]],
) -> None:
    document = {
        "info": {"description": "Inspection line: generated images of machined parts"},
        "licenses": [
            {
                "id": 1,
                "name": "CC0-1.0",
                "url": "https://creativecommons.org/publicdomain/zero/1.0/",
            }
        ],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": "condition"}
            for number, name in enumerate(names, start=1)
        ],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


def _write_image(folder: Path, name: str, scene: Scene, image_id: int) -> dict[str, object]:
    """Write one PNG file; its entry in the truth files."""
    # The sensor noise leaves little to compress: the fast level costs a tenth of the size.
    Image.fromarray(scene.image).save(folder / name, compress_level=1)
    height, width = scene.image.shape[:2]
    return {"id": image_id, "file_name": name, "width": width, "height": height, "license": 1}


def write_split(folder: Path, split: str, *, count: int, seed: int = 0) -> None:
    """Write the first count images of a split, and their truth, as COCO.

    folder/images/<split>/ holds the PNG files, folder/annotations/<split>.json the defects with
    their masks, folder/annotations/<split>-condition.json one category an image. Image ids are
    unique across splits.
    """
    _number(split)  # refuses an unknown one before anything is written
    target = folder / "images" / split
    target.mkdir(parents=True, exist_ok=True)
    drawn = _drawn_beside(target, split, count, seed)
    images: list[dict[str, object]] = []
    defects: list[dict[str, object]] = []
    conditions: list[dict[str, object]] = []
    for index in range(count):
        image, found, condition = drawn.get(index) or draw(target, split, index, seed)
        images.append(image)
        defects.extend(found)
        conditions.append({"id": image["id"], "image_id": image["id"], "category_id": condition})
    truth = folder / "annotations"
    _write_truth(truth / f"{split}.json", CATEGORIES, images, defects)
    _write_truth(truth / f"{split}-condition.json", CONDITIONS, images, conditions)


Drawn: TypeAlias = tuple[dict[str, object], list[dict[str, object]], int]
"""Of one image: its entry, its annotations, and the category of its condition."""


def draw(target: Path, split: str, index: int, seed: int) -> Drawn:
    """Write one PNG file; return what the truth files say of it."""
    scene, image_id = render(split, index, seed=seed), _number(split) * _IDS_PER_SPLIT + 1 + index
    image = _write_image(target, f"{split}-{index:05d}.png", scene, image_id)
    condition = CONDITIONS.index(scene.condition) + 1
    return image, list(_annotations(scene, image_id)), condition


_WORTH_A_PROCESS = 32
"""Images; below, starting one takes longer than it saves."""
_MOST_PROCESSES = 4


def _drawn_beside(target: Path, split: str, count: int, seed: int) -> dict[int, Drawn]:
    """Draw in processes on the other CPUs; what one of them does not give is drawn by the caller.

    Processes of our own and not a pool: a pool imports the caller's script again.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    shares = min(cpus, _MOST_PROCESSES, count // _WORTH_A_PROCESS)
    if shares < 2:
        return {}
    started = [
        _start(target, split, range(share, count, shares), seed) for share in range(1, shares)
    ]
    own = {index: draw(target, split, index, seed) for index in range(0, count, shares)}
    return own | {index: made for process in started for index, made in _given(process)}


def _start(target: Path, split: str, indices: range, seed: int) -> subprocess.Popen[bytes]:
    part = [str(target), split, str(indices.start), str(indices.stop), str(indices.step), str(seed)]
    line = [sys.executable, "-m", "benchbench.datasets.inspection_line", *part]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _given(process: subprocess.Popen[bytes]) -> Iterator[tuple[int, Drawn]]:
    """Yield what a process drew; nothing of one that failed."""
    told, _ = process.communicate()
    if process.returncode == 0:
        for index, image, found, condition in json.loads(told):
            yield index, (image, found, condition)


def _main(target: str, split: str, *numbers: str) -> None:
    *indices, seed = map(int, numbers)
    made = [[i, *draw(Path(target), split, i, seed)] for i in range(*indices)]
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    _main(*sys.argv[1:])
