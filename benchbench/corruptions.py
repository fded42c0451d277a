"""Named, seeded damage to images, to see how accuracy falls as pictures get worse.

The corruptions and their five severities are those of Hendrycks and Dietterich, Benchmarking
Neural Network Robustness to Common Corruptions and Perturbations (2019), as Michaelis et al. (2019)
carried them to images of any size: the library ``imagecorruptions`` in its maintained distribution.
Those that move pixels about (zoom, glass, elastic) are left out, so that annotations stay valid.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchbench.errors import MissingDependency
from benchbench.types import Record

Pixels = NDArray[np.uint8]
CorruptionName = Literal[
    "gaussian_noise",
    "shot_noise",
    "defocus_blur",
    "motion_blur",
    "brightness",
    "contrast",
    "jpeg_compression",
    "fog",
    "pixelate",
]

_DISTRIBUTION = "imagecorruptions-imaug"
_LEAST_SIDE = 32
"""The library takes no smaller images."""
_ONE_AT_A_TIME = threading.Lock()


class Corruption(Record):
    """One corruption at one severity."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ((_DISTRIBUTION,),)
    extra: ClassVar[str] = "corruptions"

    name: CorruptionName
    """What happens to the images."""
    severity: int = Field(ge=1, le=5)
    """How badly, from 1 to 5."""
    seed: int = Field(default=0, ge=0)
    """Noise, the direction of motion and the shape of fog follow from it and the image's id."""

    def apply(
        self, pixels: Pixels, image_id: int, color: Literal["RGB", "BGR", "grey"] = "RGB"
    ) -> Pixels:
        """Return the corrupted image: same shape, uint8, contiguous.

        *pixels* is (H, W, 3) in the order *color*, or (H, W) for ``grey``. The same seed, image id
        and pixels give the same result, whatever was drawn before; all severities of an image draw
        the same random numbers. Images with a side below 32 pixels are mirrored out to 32 and
        cut back.

        Raises :class:`~benchbench.errors.MissingDependency` without the library.
        """
        height, width = pixels.shape[:2]
        colored = _mirrored(_rgb(pixels, color))
        with _seeded(image_seed(self.seed, image_id)):
            damaged = _library().corrupt(colored, corruption_name=self.name, severity=self.severity)
        kept = damaged[:height, :width]
        if color == "grey":
            # One channel of three: their mean would have less noise than asked for.
            return np.ascontiguousarray(kept[..., 0])
        return np.ascontiguousarray(kept[..., ::-1] if color == "BGR" else kept)

    def describe(self) -> dict[str, str | int]:
        """Return the protocol card's lines; imports nothing."""
        try:
            version = importlib.metadata.version(_DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        return {
            "name": self.name,
            "severity": self.severity,
            "seed": self.seed,
            "done": f"before resizing, by {_DISTRIBUTION} {version}",
        }


def image_seed(seed: int, image_id: int) -> int:
    """Return the 32-bit seed of one image: independent of the images around it."""
    text = f"{seed}:{image_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _rgb(pixels: Pixels, color: str) -> Pixels:
    if color == "grey":
        return np.stack((pixels,) * 3, axis=-1)
    return np.ascontiguousarray(pixels[..., ::-1] if color == "BGR" else pixels)


def _mirrored(pixels: Pixels) -> Pixels:
    """Extend sides below 32 pixels to the right and below."""
    lacking = [max(0, _LEAST_SIDE - side) for side in pixels.shape[:2]]
    if not any(lacking):
        return pixels
    return np.pad(pixels, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="symmetric")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, the one that the library draws from; restore it after."""
    with _ONE_AT_A_TIME:
        before = np.random.get_state()
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def _library() -> Any:
    try:
        import imagecorruptions
    except ImportError as error:
        raise MissingDependency(_DISTRIBUTION, Corruption.extra) from error
    return imagecorruptions
