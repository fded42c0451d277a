"""Whose document it is: the small file with client, author, logo and colour."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from benchbench.errors import UsageError
from benchbench.types import Record

ACCENT = "#0060a8"
MOST_LOGO = 2_000_000
"""Bytes of a logo."""
MOST_PIXELS = 40_000_000
CONTRAST = 4.5
"""Least ratio of the accent to white: text of any size is set in it (WCAG 2.2, 1.4.3)."""
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LOGO_HINT = "name a PNG or JPEG file of at most 2 MB in the folder of the brand file"
Words = Field("", max_length=300)


class Brand(Record):
    """What stands on the cover, and the accent of headings and rules."""

    client: str = Words
    """For whom it is."""
    project: str = Words
    """Name of the project or tender."""
    title: str = Words
    """In place of the run's title."""
    subtitle: str = Words
    """In place of the run's description."""
    author: str = Words
    """Who answers for it."""
    organisation: str = Words
    """Whose letterhead it is."""
    date: str = Words
    """ISO 8601 or words; the date of the run where it is empty."""
    colour: str = ACCENT
    """Accent, ``#rrggbb``; its contrast to white is at least 4.5."""
    notice: str = Words
    """On each page: ``Confidential``."""
    language: Literal["en"] = "en"
    """Of the document; its sentences are English."""
    logo: bytes | None = Field(None, repr=False)
    """The bytes of a PNG or JPEG; a brand file names a file, see :func:`read_brand`."""

    @field_validator("date", mode="before")
    @classmethod
    def _dated(cls, value: object) -> object:
        """Take a date as YAML gives it."""
        return value.isoformat() if hasattr(value, "isoformat") else value

    @field_validator("colour")
    @classmethod
    def _legible(cls, value: str) -> str:
        if not _COLOUR.fullmatch(value):
            raise ValueError(f"'{value[:40]}' is not a colour; write it as #rrggbb")
        if (found := contrast(value)) < CONTRAST:
            raise ValueError(
                f"{value} has a contrast of {found:.1f} to white, less than {CONTRAST}; "
                "take a darker one"
            )
        return value.lower()

    @field_validator("logo")
    @classmethod
    def _pictured(cls, value: bytes | None) -> bytes | None:
        if value is not None:
            check_logo(value)
        return value


def contrast(colour: str) -> float:
    """Return the contrast of ``#rrggbb`` to white, 1 to 21, by WCAG 2.2's relative luminance."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    luminance = sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)


def check_logo(data: bytes) -> None:
    """Raise ValueError unless *data* is a PNG or JPEG that can be decoded and is not too large."""
    from PIL import Image

    if len(data) > MOST_LOGO:
        raise ValueError(f"the logo has {len(data):,} bytes, more than {MOST_LOGO:,}")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"the logo has {image.width} × {image.height} pixels")
            image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("the logo is not a readable PNG or JPEG") from error


def read_brand(values: object, folder: Path, name: str = "the brand file") -> Brand:
    """Return the brand of *values*, as a YAML file in *folder* gives them.

    ``logo`` is then the name of a file inside *folder*. Raises
    :class:`~benchbench.errors.UsageError` with what is wrong, by key.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{name} is not a mapping of keys to values", hint="write client: NAME")
    body = {str(key): value for key, value in values.items() if value is not None}
    if "logo" in body:
        body["logo"] = _logo(body["logo"], folder, name)
    return _checked(body, name)


def _checked(body: Mapping[str, Any], name: str) -> Brand:
    try:
        return Brand.model_validate(body)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))}: {_said(e['msg'])}" for e in error.errors()]
        keys = ", ".join(Brand.model_fields)
        raise UsageError(f"{name}: {'; '.join(told)}", hint=f"its keys are {keys}") from error


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


def _logo(value: object, folder: Path, name: str) -> bytes:
    """Return the bytes of the file *value* in *folder*; it may not lead out of it."""
    try:
        path = (folder / str(value)).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise UsageError(f"{name}: the logo '{value}' is outside its folder", hint=_LOGO_HINT)
        with path.open("rb") as file:
            return file.read(MOST_LOGO + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{name}: the logo '{value}' cannot be read: {why}",
                         hint=_LOGO_HINT) from error  # fmt: skip
