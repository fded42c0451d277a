"""A contact sheet: what was found first, then images spread over the split, truth drawn in."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import PIL.Image
from PIL import ImageDraw

from benchbench.errors import ImageError
from benchbench.inputs import read_image
from benchbench.inspecting.findings import Trouble
from benchbench.truth import annotations_by_image
from benchbench.types import Annotation, DatasetSplit, Image

COLUMNS, ROWS = 6, 4
TILE_PX, CAPTION_PX = 240, 18
_COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def contact_sheet(split: DatasetSplit, troubles: Sequence[Trouble]) -> bytes:
    """Return a PNG of up to 24 images of *split*; the same split and findings, the same bytes."""
    chosen = _chosen(split, troubles)
    rows = -(-len(chosen) // COLUMNS)
    height = TILE_PX + CAPTION_PX
    sheet = PIL.Image.new("RGB", (COLUMNS * TILE_PX, rows * height), "white")
    truth = annotations_by_image(split)
    order = {category.id: index for index, category in enumerate(split.categories)}
    for place, (image, caption) in enumerate(chosen):
        left, top = place % COLUMNS * TILE_PX, place // COLUMNS * height
        sheet.paste(_tile(image, truth[image.id], order), (left, top))
        text = caption.encode("ascii", "replace").decode()[:38]
        ImageDraw.Draw(sheet).text((left + 3, top + TILE_PX + 2), text, fill="black")
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _chosen(split: DatasetSplit, troubles: Sequence[Trouble]) -> list[tuple[Image, str]]:
    known = {image.id: image for image in split.images}
    found: dict[int, str] = {}
    for one in troubles:
        for identity in one.images if one.split == split.split else ():
            found.setdefault(identity, one.code)
    picked = np.linspace(0, len(split.images) - 1, COLUMNS * ROWS).astype(int)
    for index in dict.fromkeys(picked.tolist()):
        found.setdefault(split.images[index].id, "")
    listed = list(found.items())[: COLUMNS * ROWS]
    return [(known[i], f"{code}: {known[i].file_name}".lstrip(": ")) for i, code in listed]


def _tile(image: Image, truth: Sequence[Annotation], order: Mapping[int, int]) -> PIL.Image.Image:
    tile = PIL.Image.new("RGB", (TILE_PX, TILE_PX), "#dddddd")
    try:
        picture = PIL.Image.fromarray(read_image(image, "RGB"))
    except ImageError:
        ImageDraw.Draw(tile).text((6, TILE_PX // 2), "cannot be read", fill="black")
        return tile
    scale = min((TILE_PX - 4) / image.width, (TILE_PX - 4) / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    picture = picture.resize(size)
    pen = ImageDraw.Draw(picture)
    for one in truth:
        if one.bbox is not None and min(one.bbox[2:]) > 0:
            x, y, width, height = (value * scale for value in one.bbox)
            colour = _COLOURS[order[one.category_id] % len(_COLOURS)]
            pen.rectangle((x, y, x + width, y + height), outline=colour, width=2)
    tile.paste(picture, ((TILE_PX - size[0]) // 2, (TILE_PX - size[1]) // 2))
    return tile
