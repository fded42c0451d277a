"""How bright and how sharp an image is, remembered by the content of its file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import ImageError, StoreError
from benchbench.files import make_folder, write_json
from benchbench.inputs import read_image
from benchbench.types import Image


@dataclass(frozen=True, slots=True)
class Look:
    """What an image looks like."""

    brightness: float
    """Mean luma (ITU-R 601), 0..1."""
    sharpness: float
    """Variance of the Laplacian of the luma in 8-bit steps: little in blurred images. Pech-Pacheco
    et al., Diatom autofocusing in brightfield microscopy: a comparative study, ICPR 2000."""


def look(image: Image) -> Look:
    """Return what the stored *image* looks like; raise ImageError if it cannot be read."""
    grey = read_image(image, "grey").astype(np.float64)
    return Look(float(grey.mean() / 255), _sharpness(grey))


def _sharpness(grey: NDArray[np.float64]) -> float:
    padded = np.pad(grey, 1, mode="edge")
    edges = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * grey
    return float(edges.var())


class LookCache:
    """Remembers looks by the SHA-256 of the image files."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / "hashes" / "looks.json"

    def looks(self, images: Sequence[Image], hashes: Mapping[int, str]) -> dict[int, Look]:
        """Return the look of each image by its id; one that cannot be read has none."""
        known, fresh = self._load(), {}
        for image in images:
            key = hashes.get(image.id)
            if key is not None and key not in known:
                with contextlib.suppress(ImageError):
                    fresh[key] = look(image)
        if fresh:
            told = {k: [v.brightness, v.sharpness] for k, v in (known | fresh).items()}
            with contextlib.suppress(StoreError):  # only a memory
                make_folder(self._path.parent)
                write_json(self._path, told)
        both = known | fresh
        return {i.id: both[hashes[i.id]] for i in images if hashes.get(i.id) in both}

    def _load(self) -> dict[str, Look]:
        try:
            known = json.loads(self._path.read_bytes())
            return {key: Look(float(a), float(b)) for key, (a, b) in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
