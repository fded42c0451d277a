"""The gallery as one self-contained HTML page: pictures, what they show and who gave them."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import ClassVar

import PIL.Image

from benchbench.gallery_view import GalleryItem
from benchbench.pages import styles
from benchbench.reports import wording
from benchbench.reports.document.model import ImageFormat, Picture
from benchbench.reports.page.album import Album, address, album, heading
from benchbench.reports.page.templates import templates
from benchbench.types import Record
from benchbench.view import RunView


class Gallery(Record):
    """Writes ``gallery.html``: the pictures of ``report --gallery`` on a page without scripts."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "gallery.html"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return the page in UTF-8; without pictures it says so, and why."""
        found = templates(run, {})
        page = found.get_template("gallery.html.j2").render(
            run=run,
            album=album(run) or Album((), ()),
            style=styles(found, "style.css"),
        )
        return page.encode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A picture of the gallery as documents take it; see ``document.model.Drawn``."""

    item: GalleryItem

    @property
    def aspect(self) -> float:
        """Return its width over its height."""
        return self.item.width / self.item.height

    def image(self, form: ImageFormat, width_in: float = 6.4) -> bytes:
        """Return a PNG, an SVG that holds the picture, or a PDF of one page."""
        if form == "svg":
            return self._svg(width_in)
        if form == "png" and self.item.media == "image/png":
            return self.item.picture
        out = io.BytesIO()
        with PIL.Image.open(io.BytesIO(self.item.picture), formats=("JPEG", "PNG")) as opened:
            if form == "png":
                opened.save(out, "PNG")
            else:
                # Pillow would write the time of the clock.
                never = time.gmtime(0)
                resolution = self.item.width / width_in
                opened.save(out, "PDF", resolution=resolution, creationDate=never, modDate=never)
        return out.getvalue()

    def _svg(self, width_in: float) -> bytes:
        width, height = self.item.width, self.item.height
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_in * 96:g}"'
            f' height="{width_in * 96 / self.aspect:g}" viewBox="0 0 {width} {height}">'
            f'<image width="{width}" height="{height}" href="{address(self.item)}"/></svg>\n'
        ).encode()


def pictures(run: RunView) -> tuple[Picture, ...]:
    """Return the gallery of *run* as the pictures of a document."""
    return tuple(
        Picture(
            caption=wording.short(f"{heading(item)}: {item.reason}. Image: {item.credit}", 600),
            alt=wording.short(item.alt, 2000),
            drawn=_Drawn(item),
            anchor=f"gallery-{number}",
        )
        for number, item in enumerate(run.gallery, 1)
    )
