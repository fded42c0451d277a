"""What lies beside a document of several files: its logo and its figures, in ``figures``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchbench.reports.document.model import Document, ImageFormat, Picture

FOLDER = "figures"


def files(document: Document, form: ImageFormat) -> Mapping[str, bytes]:
    """Return the logo, if there is one, and every figure in *form*, by the names below.

    Raises :class:`~benchbench.errors.MissingDependency` without matplotlib.
    """
    found: dict[str, bytes] = {}
    if logo := document.cover.logo:
        found[logo_name(logo)] = logo
    return found | {name(one, form): one.drawn.image(form) for one in pictures(document)}


def pictures(document: Document) -> Iterator[Picture]:
    """Yield the figures of *document* and the images of its gallery, in reading order."""
    return (block for block in document.blocks() if isinstance(block, Picture))


def logo_name(logo: bytes) -> str:
    """Return the name of the logo's file, by what it is."""
    return f"{FOLDER}/{logo_file(logo)}"


def logo_file(logo: bytes) -> str:
    """Return the name of the logo's file without its folder."""
    return "logo.png" if logo.startswith(b"\x89PNG") else "logo.jpg"


def name(picture: Picture, form: ImageFormat) -> str:
    """Return the name of the file of *picture*: its anchor, which no stranger chose."""
    return f"{FOLDER}/{picture.anchor}.{form}"
