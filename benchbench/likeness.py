"""Images that look the same though their files differ: re-encoded, resized, brightened copies.

Two looks. A hash of the 143 lowest frequencies of the luminance (pHash: Zauner, Implementation and
Benchmarking of Perceptual Image Hash Functions, 2010) finds candidates; the correlation of two
32 × 32 thumbnails decides, so that simple images, such as two handwritten ones, stay apart.
On photographs, JPEG at quality 30, half size and 10 % more brightness move at most 7 % of the bits
and leave a correlation of 0.993; different photographs, and different boards of one production
line, differ in at least 29 % of the bits.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from benchbench.errors import ImageError, StoreError
from benchbench.files import make_folder, write_json
from benchbench.inputs import read_image
from benchbench.types import Image

MAX_DISTANCE = 0.10
"""Share of differing bits below which two images are looked at again."""
MIN_CORRELATION = 0.985
"""Correlation of the thumbnails from which on they are taken for the same image."""
_SIDE, _LOW = 32, 12


def thumbnail(image: Image) -> NDArray[np.float64]:
    """Return (32, 32) luminance by area averaging; raise ImageError if it cannot be read."""
    small = PIL.Image.fromarray(read_image(image, "grey")).resize(
        (_SIDE, _SIDE), PIL.Image.Resampling.BOX
    )
    return np.asarray(small, np.float64)


def bits(small: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the 143 bits of a thumbnail: low DCT-II coefficients above their median."""
    basis = _cosines()
    low = (basis @ small @ basis.T)[:_LOW, :_LOW].ravel()[1:]
    found: NDArray[np.bool_] = low > np.median(low)
    return found


def same_scene(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Return whether two thumbnails correlate; never for one without contrast."""
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return norm > 0 and float((a * b).sum()) / norm >= MIN_CORRELATION


class PrintCache:
    """Remembers images' bits by the SHA-256 of their files."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / "hashes" / "perceptual.json"

    def prints(
        self, images: Sequence[Image], hashes: Mapping[int, str]
    ) -> dict[int, NDArray[np.bool_]]:
        """Return the 143 bits of each image by its id; *hashes* are SHA-256 by image id.

        An image that cannot be decoded has none: it fails the cells that need it, by its name.
        """
        known = self._load()
        fresh = {}
        for image in images:
            if hashes[image.id] not in known:
                with contextlib.suppress(ImageError):
                    made = np.packbits(bits(thumbnail(image)))
                    fresh[hashes[image.id]] = made.tobytes().hex()
        if fresh:
            with contextlib.suppress(StoreError):  # only a memory
                make_folder(self._path.parent)
                write_json(self._path, known | fresh)
        told = known | fresh
        return {i.id: _unpacked(told[hashes[i.id]]) for i in images if hashes[i.id] in told}

    def _load(self) -> dict[str, str]:
        size = 2 * -(-(_LOW * _LOW - 1) // 8)
        try:
            known = json.loads(self._path.read_bytes())
            return {k: v for k, v in known.items() if len(v) == size and bytes.fromhex(v)}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _unpacked(text: str) -> NDArray[np.bool_]:
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    return np.unpackbits(packed, count=_LOW * _LOW - 1).astype(bool)


def lookalikes(
    ours: Sequence[Image],
    our_prints: Mapping[int, NDArray[np.bool_]],
    theirs: Sequence[Image],
    their_prints: Mapping[int, NDArray[np.bool_]],
) -> list[tuple[Image, Image]]:
    """Return the pairs of *ours* and *theirs* that look the same; prints are by image id."""
    others = [image for image in theirs if image.id in their_prints]
    table = np.array([their_prints[image.id] for image in others])
    found: list[tuple[Image, Image]] = []
    for image in ours:
        if image.id not in our_prints or not others:
            continue
        distances = (table != our_prints[image.id]).mean(axis=1)
        near = [others[index] for index in np.flatnonzero(distances < MAX_DISTANCE).tolist()]
        small = thumbnail(image) if near else None
        found += [
            (image, one) for one in near if small is not None and same_scene(small, thumbnail(one))
        ]
    return found


def alike(
    images: Sequence[Image], prints: Mapping[int, NDArray[np.bool_]]
) -> list[tuple[Image, Image]]:
    """Return the pairs among *images* that look the same; prints are by image id."""
    known = [image for image in images if image.id in prints]
    table = np.array([prints[image.id] for image in known])
    small = cache(lambda index: thumbnail(known[index]))
    found: list[tuple[Image, Image]] = []
    for index, image in enumerate(known):
        distances = (table[index + 1 :] != table[index]).mean(axis=1)
        near = (index + 1 + np.flatnonzero(distances < MAX_DISTANCE)).tolist()
        found += [(image, known[one]) for one in near if same_scene(small(index), small(one))]
    return found


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the DCT-II basis, (32, 32), without scale factors: only the order of bits counts."""
    k = np.arange(_SIDE)
    found: NDArray[np.float64] = np.cos(np.pi * (2 * k[None] + 1) * k[:, None] / (2 * _SIDE))
    return found
