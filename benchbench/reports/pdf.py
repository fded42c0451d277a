"""The document as a PDF to print and to send, set by Typst."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from benchbench.brand import Brand
from benchbench.errors import MissingDependency, UsageError
from benchbench.reports.document import beside
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Document
from benchbench.reports.typesetting.content import content, image_name
from benchbench.reports.typesetting.layout import Paper
from benchbench.reports.typesetting.pages import typeset
from benchbench.types import Record
from benchbench.view import RunView


class Pdf(Record):
    """Writes ``report.pdf``: cover, contents, sections, numbered tables and figures."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = (("typst",), ("matplotlib",))
    extra: ClassVar[str] = "pdf"
    file_name: ClassVar[str] = "report.pdf"
    usual: ClassVar[bool] = False

    brand: Brand | None = None
    """Client, author, logo and colour of the cover."""
    paper: Paper = "a4"
    """``a4`` or ``us-letter``."""
    fonts: Path | None = None
    """Folder of font files, for scripts that the built-in fonts lack (Chinese, emoji)."""

    def render(self, run: RunView) -> bytes:
        """Return the PDF; its bytes depend on run, brand, and Typst's and matplotlib's versions.

        Raises :class:`~benchbench.errors.MissingDependency` without Typst or matplotlib,
        :class:`~benchbench.errors.UsageError` for a folder of fonts that is not there.
        """
        return self.typeset(build(run, self.brand))

    def typeset(self, document: Document) -> bytes:
        """Return *document* as a PDF; see :meth:`render`."""
        if self.fonts is not None and not self.fonts.is_dir():
            raise UsageError(f"fonts: there is no folder {self.fonts}", hint="name a folder")
        data = content(document, self.paper) | {"language": _language(self.brand), "logo": ""}
        pictures = beside.pictures(document)
        images = {image_name(picture): picture.drawn.image("svg") for picture in pictures}
        if logo := document.cover.logo:
            data["logo"] = beside.logo_file(logo)
            images[data["logo"]] = logo
        created = document.facts.get("created", "")
        own = (self.fonts,) if self.fonts else ()
        return typeset(data, images, created, (_dejavu(), *own))


def _language(brand: Brand | None) -> str:
    return brand.language if brand else "en"


def _dejavu() -> Path:
    """Return the folder of matplotlib's fonts: they have Arabic, Hebrew and many signs."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingDependency("matplotlib", "pdf") from error
    return Path(mpl.get_data_path()) / "fonts" / "ttf"
