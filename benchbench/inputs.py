"""From an image file to the model's input tensor, and back to the image's pixels.

Two steps, timed apart by the harness: :func:`read_image` decodes, :meth:`InputContract.prepare`
resizes and normalises. Everything a result depends on here is a field of the contract and a line of
its protocol card.
"""

from __future__ import annotations

import importlib.metadata
import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    Field,
    FiniteFloat,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from benchbench.companions import Prompts, Texts
from benchbench.errors import ImageError, MissingDependency
from benchbench.types import Companion, Geometry, Image, Record

Color = Literal["RGB", "BGR", "grey"]
Filter = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]
Side = Annotated[int, Field(gt=0, le=16_384)]
Pixels = NDArray[np.uint8]

_OPENCV = ("opencv-python-headless", "opencv-python")

# Formats of rasters only: Pillow would hand an EPS file to Ghostscript.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF", "JPEG2000", "TGA")

# What Pillow's readers are known to raise on damaged files, beside OSError.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    PIL.Image.DecompressionBombError,
)


def read_image(image: Image, color: Color, max_pixels: int = 100_000_000) -> Pixels:
    """Decode *image*: uint8, (H, W, 3) in the channel order asked for, or (H, W) for ``grey``.

    The array may be read-only. Pixels are as stored: EXIF orientation is not applied, because COCO
    annotations refer to stored pixels. 16-bit samples keep their upper 8 bits, palettes are looked
    up, alpha is dropped, CMYK becomes RGB, and grey from colour is ITU-R 601 luma.

    Raises :class:`~benchbench.errors.ImageError` for a file that is missing, damaged, not an
    image, of another size than annotated, or of more than *max_pixels* according to its header
    (Pillow's own limit, twice ``PIL.Image.MAX_IMAGE_PIXELS``, holds too).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(image.path, formats=_FORMATS) as opened:
                _check_header(image, opened, max_pixels)
                return _pixels(image, opened, color)
        except ImageError:
            raise
        except _DAMAGE as error:
            raise _unreadable(image, error) from None


def _check_header(image: Image, opened: PIL.Image.Image, max_pixels: int) -> None:
    width, height = opened.size
    if width * height > max_pixels:
        raise ImageError(
            f"{image.path}: the header declares {width} × {height} = {width * height} pixels,"
            f" more than the limit of {max_pixels}; it was not decoded",
            hint="cut the image into tiles, or remove it from the annotation file",
        )
    if (width, height) != (image.width, image.height):
        raise ImageError(
            f"{image.path}: the file has {width} × {height} pixels (width × height), the"
            f" annotations of image {image.id} say {image.width} × {image.height}",
            hint="sizes must be those of the stored pixels, before any EXIF rotation",
        )


def _unreadable(image: Image, error: BaseException) -> ImageError:
    if isinstance(error, FileNotFoundError):
        return ImageError(
            f"{image.path}: the file of image {image.id} does not exist",
            hint="check the dataset's 'images' folder",
        )
    if isinstance(error, PIL.Image.DecompressionBombError):
        return ImageError(
            f"{image.path}: {error}; it was not decoded",
            hint="cut the image into tiles, or remove it from the annotation file",
        )
    return ImageError(
        f"{image.path}: cannot decode image {image.id}: {type(error).__name__}: {error}",
        hint="the file is damaged or not an image: fetch or convert it again",
    )


def _pixels(image: Image, opened: PIL.Image.Image, color: Color) -> Pixels:
    narrowed = _eight_bits(image, opened)
    mode = "L" if color == "grey" else "RGB"
    converted = narrowed if narrowed.mode == mode else narrowed.convert(mode)
    if color != "BGR":
        return np.asarray(converted)
    raw = np.frombuffer(converted.tobytes("raw", "BGR"), np.uint8)
    return raw.reshape(converted.height, converted.width, 3)


def _eight_bits(image: Image, opened: PIL.Image.Image) -> PIL.Image.Image:
    """Narrow 16-bit samples as OpenCV does; Pillow's own conversion would clip them at 255."""
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM")):
        return PIL.Image.fromarray((np.asarray(opened) >> 8).astype(np.uint8))
    if opened.mode in ("I", "F"):
        raise ImageError(
            f"{image.path}: samples of 32 bits (Pillow mode {opened.mode}) have no defined range",
            hint="convert the image to 8 or 16 bits a channel",
        )
    return opened


class _Resampling(Record):
    filter: Filter = "bilinear"
    """Interpolation; Pillow's filters antialias when they shrink, OpenCV's (but area) do not."""
    library: Literal["pillow", "opencv"] = "pillow"
    """Who resizes: the two differ by up to points of AP."""

    def apply(self, pixels: Pixels, width: int, height: int) -> Pixels:
        """Resize to *width* × *height*; half-pixel centres."""
        if pixels.shape[:2] == (height, width):
            return pixels
        if self.library == "pillow":
            method = PIL.Image.Resampling[_PILLOW[self.filter]]
            return np.asarray(PIL.Image.fromarray(pixels).resize((width, height), method))
        return cast("Pixels", _opencv_resize(pixels, width, height, self.filter))


_PILLOW: dict[Filter, str] = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
    "lanczos": "LANCZOS",
}


def _opencv_resize(pixels: Pixels, width: int, height: int, how: Filter) -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingDependency(_OPENCV[0], "opencv") from error
    flags = {
        "nearest": cv2.INTER_NEAREST,
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    }
    return cv2.resize(pixels, (width, height), interpolation=flags[how])


class Placed(Record):
    """Size of the resized image and where its top-left corner lies in the input, in pixels."""

    width: int
    height: int
    left: int = 0
    top: int = 0


class Stretch(_Resampling):
    """Fill the input, whatever becomes of the aspect ratio."""

    kind: Literal["stretch"] = "stretch"

    def place(self, image: tuple[int, int], size: tuple[int, int]) -> Placed:
        """Place an image of (width, height) in an input of (width, height)."""
        del image
        return Placed(width=size[0], height=size[1])

    def describe(self) -> str:
        """Return the protocol card's words."""
        return "stretched to the input"


class Letterbox(_Resampling):
    """Keep the aspect ratio and pad what is left."""

    kind: Literal["letterbox"] = "letterbox"
    pad: FiniteFloat | Literal["mean"] = 114.0
    """Value of the border in pixel units, before normalisation; ``mean``: the one that becomes 0,
    as where SAM pads."""
    align: Literal["centre", "top-left"] = "centre"
    """Where the image lies; an odd border leaves the extra pixel right and below."""
    rounding: Literal["round", "even", "floor", "ceil"] = "round"
    """How the size of the resized image becomes whole: ``round`` takes halves up, ``even`` to the
    even number, as Python does."""
    upscale: bool = True
    """False leaves images that are smaller than the input at their size."""

    def place(self, image: tuple[int, int], size: tuple[int, int]) -> Placed:
        """Place an image of (width, height) in an input of (width, height)."""
        width, height = self._fitted(image, size)
        if self.align == "top-left":
            return Placed(width=width, height=height)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        return Placed(width=width, height=height, left=left, top=top)

    def _fitted(self, image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        if not self.upscale and image[0] <= size[0] and image[1] <= size[1]:
            return image
        # Whole numbers throughout: 320 / 427 * 427 is not 320 in floating point.
        limit = 0 if size[0] * image[1] <= size[1] * image[0] else 1
        over, under = size[limit], image[limit]
        width, height = (max(1, self._whole(side * over, under)) for side in image)
        return width, height

    def _whole(self, over: int, under: int) -> int:
        """Return *over* / *under* as a whole number."""
        down, rest = divmod(over, under)
        up = {
            "floor": False,
            "ceil": rest > 0,
            "round": 2 * rest >= under,
            "even": 2 * rest > under or (2 * rest == under and down % 2 == 1),
        }
        return down + up[self.rounding]

    def describe(self) -> str:
        """Return the protocol card's words."""
        small = "" if self.upscale else ", smaller images not enlarged"
        whole = _ROUNDED[self.rounding]
        value = "what becomes 0" if self.pad == "mean" else f"{self.pad:g}"
        return f"letterbox, {self.align}, size {whole}, padded with {value}{small}"


_ROUNDED = {
    "round": "rounded",
    "even": "rounded (halves to even)",
    "floor": "rounded down",
    "ceil": "rounded up",
}


class CenterCrop(_Resampling):
    """Resize the shorter side, then cut the input out of the middle."""

    kind: Literal["center-crop"] = "center-crop"
    shorter: Side
    """Length of the shorter side after resizing, in pixels."""

    def place(self, image: tuple[int, int], size: tuple[int, int]) -> Placed:
        """Place an image of (width, height) in an input of (width, height).

        The longer side is rounded down and the crop's corner rounded half to even, as
        torchvision's Resize and CenterCrop do.
        """
        least = min(image)
        width, height = (side * self.shorter // least for side in image)
        left, top = round((width - size[0]) / 2), round((height - size[1]) / 2)
        return Placed(width=width, height=height, left=-left, top=-top)

    def describe(self) -> str:
        """Return the protocol card's words."""
        return f"shorter side to {self.shorter}, then centre crop"


def _by_name(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _fraction(value: Any) -> Any:
    """Turn ``"1/255"`` into a number; leave the rest to the field's own check."""
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)\s*", str(value))
    if not isinstance(value, str) or parts is None:
        return value
    over, under = float(parts[1]), float(parts[2])
    if not under:
        raise ValueError(f"'{value}' divides by zero")
    return over / under


def _resize_schema(schema: dict[str, Any]) -> None:
    union = {key: schema.pop(key) for key in ("oneOf", "discriminator") if key in schema}
    schema["anyOf"] = [union, {"enum": ["stretch", "letterbox"]}]


def _scale_schema(schema: dict[str, Any]) -> None:
    number = {key: schema.pop(key) for key in ("type", "exclusiveMinimum") if key in schema}
    schema["anyOf"] = [number, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*/\s*\d+(\.\d+)?$"}]


Resize = Annotated[Stretch | Letterbox | CenterCrop, Field(discriminator="kind")]
PerChannel = FiniteFloat | tuple[FiniteFloat, ...]


class InputContract(Record):
    """What a model expects of its input: x = (pixel × scale − mean) / std."""

    size: tuple[Side, Side]
    """(height, width) in pixels."""
    color: Color
    """Order of the channels, also of mean and std."""
    resize: Annotated[
        Resize, BeforeValidator(_by_name), Field(json_schema_extra=_resize_schema)
    ] = Stretch()
    """How the image meets the size; ``letterbox`` alone takes that kind's defaults."""
    scale: Annotated[
        FiniteFloat,
        BeforeValidator(_fraction),
        Field(gt=0, json_schema_extra=_scale_schema),
    ] = 1.0
    """Factor on pixel values 0…255, a number or a fraction such as ``1/255``."""
    mean: PerChannel = 0.0
    """Subtracted after scaling; one value, or one a channel."""
    std: PerChannel = 1.0
    """Divides last; one value, or one a channel."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    """Order of the tensor's axes."""
    dtype: Literal["float32", "uint8"] = "float32"
    """Element type; uint8 passes pixels on as they are."""
    name: str | None = None
    """Name of the model's input for the image; None for the only one, prompts and texts apart."""
    prompts: Prompts | None = None
    """Boxes or points that the model is fed beside the image; None for none."""
    texts: Texts | None = None
    """Sentences about the classes that the model is fed beside the image; None for none."""

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not fed: a model of one input keeps the identity that it always had."""
        absent = {name for name in ("prompts", "texts") if getattr(self, name) is None}
        return {name: value for name, value in handler(self).items() if name not in absent}

    @model_validator(mode="after")
    def _fits_together(self) -> InputContract:
        for field, values in (("mean", _tuple(self.mean)), ("std", _tuple(self.std))):
            if len(values) not in {1, self.channels}:
                raise ValueError(
                    f"{field} has {len(values)} values; {self.color} takes 1"
                    + (f" or {self.channels}" if self.channels > 1 else "")
                )
        if min(_tuple(self.std)) <= 0:
            raise ValueError(f"std must be above 0, not {self.std}")
        if isinstance(self.resize, CenterCrop) and self.resize.shorter < max(self.size):
            raise ValueError(
                f"shorter {self.resize.shorter} is less than the crop's side of {max(self.size)}"
            )
        if self.dtype == "uint8":
            self._check_plain()
        self._check_companions()
        return self

    def _check_companions(self) -> None:
        if self.prompts and isinstance(self.resize, CenterCrop):
            raise ValueError("prompts go with 'stretch' or 'letterbox': a crop may lose the object")
        names = [self.name or "images", *self.companion_names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name '{twice[0]}' is given to two inputs")

    def _check_plain(self) -> None:
        factor, offset = self._affine()
        if (factor != 1).any() or offset.any():
            raise ValueError("dtype uint8 takes neither scale nor mean nor std")
        pad = self.resize.pad if isinstance(self.resize, Letterbox) else 0.0
        if pad == "mean" or not (0 <= pad <= 255 and pad.is_integer()):
            raise ValueError(f"dtype uint8 needs a pad of 0…255, not {pad}")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return 1 if self.color == "grey" else 3

    @property
    def packages(self) -> tuple[tuple[str, ...], ...]:
        """Distributions needed beside Pillow and numpy, as in :mod:`benchbench.protocols`."""
        opencv = (_OPENCV,) if self.resize.library == "opencv" else ()
        return (*opencv, *(self.texts.packages if self.texts else ()))

    @property
    def extra(self) -> str:
        """The extras that hold them, by comma."""
        opencv = self.resize.library == "opencv" or self.texts is None
        return ",".join(["opencv"] * opencv + [Texts.extra] * (self.texts is not None))

    @property
    def companion_names(self) -> tuple[str, ...]:
        """Names of the tensors beside the image, in the order in which the model takes them."""
        given = [one for one in (self.prompts, self.texts) if one is not None]
        return tuple(name for one in given for name in one.names)

    def companions(self, batch: int, classes: Sequence[str]) -> tuple[Companion, ...]:
        """Return what is fed beside the image; raises what :meth:`Texts.tensors` raises."""
        prompts = self.prompts.example(batch, self.size) if self.prompts else {}
        texts = self.texts.tensors(classes) if self.texts else {}
        return (
            *(Companion(name, array) for name, array in prompts.items()),
            *(Companion(name, array, batched=False) for name, array in texts.items()),
        )

    def shape(self, batch: int) -> tuple[int, ...]:
        """Return the input's shape: (N, C, H, W) or (N, H, W, C)."""
        if self.layout == "NCHW":
            return (batch, self.channels, *self.size)
        return (batch, *self.size, self.channels)

    def prepare(self, pixels: Pixels) -> tuple[NDArray[np.float32] | Pixels, Geometry]:
        """Resize and normalise what :func:`read_image` returned for this contract's colour.

        Returns one image, contiguous, (C, H, W) or (H, W, C), and how it was mapped.
        """
        image_height, image_width = pixels.shape[:2]
        placed = self._placed(image_width, image_height)
        resized = self.resize.apply(pixels, placed.width, placed.height)
        tensor = self._tensor(resized.reshape(*resized.shape[:2], -1), placed)
        return tensor, self.geometry(image_width, image_height)

    def geometry(self, image_width: int, image_height: int) -> Geometry:
        """Return how an image of this size is mapped into the input."""
        height, width = self.size
        placed = self._placed(image_width, image_height)
        return Geometry(
            image_width=image_width,
            image_height=image_height,
            input_width=width,
            input_height=height,
            scale_x=placed.width / image_width,
            scale_y=placed.height / image_height,
            offset_x=float(placed.left),
            offset_y=float(placed.top),
        )

    def _placed(self, image_width: int, image_height: int) -> Placed:
        height, width = self.size
        return self.resize.place((image_width, image_height), (width, height))

    def _tensor(self, resized: Pixels, placed: Placed) -> NDArray[Any]:
        height, width = self.size
        factor, offset = self._affine()
        out = np.empty(self.shape(1)[1:], self.dtype)
        axes = out if self.layout == "NHWC" else out.transpose(1, 2, 0)
        rows, columns = (
            slice(max(0, start), min(limit, start + length))
            for start, length, limit in (
                (placed.top, placed.height, height),
                (placed.left, placed.width, width),
            )
        )
        inner = axes[rows, columns]
        if inner.shape != axes.shape and isinstance(self.resize, Letterbox):
            axes[...] = 0 if self.resize.pad == "mean" else self.resize.pad * factor + offset
        source = resized[
            rows.start - placed.top : rows.stop - placed.top,
            columns.start - placed.left : columns.stop - placed.left,
        ]
        _fill(inner, source, factor, offset)
        return out

    def _affine(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return _folded(self.scale, _tuple(self.mean), _tuple(self.std), self.channels)

    def describe(self) -> dict[str, str]:
        """Return the protocol card's lines; imports nothing."""
        height, width = self.size
        mean, std = (", ".join(f"{v:g}" for v in _tuple(p)) for p in (self.mean, self.std))
        exact = f"(pixel × {self.scale:.8g} − ({mean})) / ({std})"
        return {
            "decode": f"Pillow {PIL.__version__}, stored pixels (EXIF orientation not applied)",
            "input": f"{width} × {height} (width × height), {self.color}, {self.layout}"
            f" {self.dtype}",
            "resize": self.resize.describe(),
            "filter": f"{self.resize.filter}, {_library_version(self.resize.library)}"
            f"{_antialias(self.resize)}",
            "normalisation": "none" if self.dtype == "uint8" else exact,
            **({"prompts": self.prompts.describe()} if self.prompts else {}),
            **(self.texts.describe() if self.texts else {}),
        }


def _tuple(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


@lru_cache(maxsize=64)
def _folded(
    scale: float, mean: tuple[float, ...], std: tuple[float, ...], channels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a, b of x = pixel · a + b, one a channel: computed in double, kept in single."""
    deviation = np.broadcast_to(np.asarray(std, np.float64), channels)
    factor = (scale / deviation).astype(np.float32)
    offset = (-np.asarray(mean, np.float64) / deviation).astype(np.float32)
    factor.flags.writeable = offset.flags.writeable = False
    return factor, offset


def _fill(
    target: NDArray[Any], source: Pixels, factor: NDArray[np.float32], offset: NDArray[np.float32]
) -> None:
    """Write source · factor + offset into *target*, both (h, w, C)."""
    # A channel at a time: numpy's inner loop would else run over three values.
    for channel, (a, b) in enumerate(zip(factor, offset, strict=True)):
        plane = target[..., channel]
        if a == 1:
            plane[...] = source[..., channel]
        else:
            np.multiply(source[..., channel], a, out=plane)
        if b:
            plane += b


def _library_version(library: str) -> str:
    if library == "pillow":
        return f"Pillow {PIL.__version__}"
    for name in _OPENCV:
        try:
            return f"OpenCV {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "OpenCV (not installed)"


def _antialias(resize: _Resampling) -> str:
    if resize.filter in ("nearest", "area"):
        return ""
    return ", antialiased" if resize.library == "pillow" else ", not antialiased"
