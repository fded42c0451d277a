"""A page with a gallery, a brand and references, made by formula; and the same with hostile names.

``python -m tests.report_dressed OUT.html [hostile]`` writes it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from benchbench.brand import Brand
from benchbench.gallery_view import GalleryCounts, GalleryItem
from benchbench.reports.html import Html
from benchbench.types import DatasetCard
from benchbench.view import RunView
from tests.report_fixture import HOSTILE, varied
from tests.report_fixture import hostile as hostile_run

COCO = DatasetCard(
    name="coco-2017",
    title="COCO 2017",
    source="https://cocodataset.org",
    licence="CC-BY-4.0",
    citation='@inproceedings{x, author = {Lin, Tsung-Yi and D{\\"o}ring, A}, title = {Microsoft COCO},'
    " year = {2014}}",
)


def _file(colour: str, number: int) -> bytes:
    """Return two panels with a box each."""
    picture = PIL.Image.new("RGB", (968, 380), "#5a5a5a")
    pen = PIL.ImageDraw.Draw(picture)
    for left in (0, 488):
        pen.rectangle((left, 0, left + 480, 24), fill="#101010")
        pen.text((left + 8, 6), "truth" if not left else "predicted", fill="white")
        x = left + 60 + 20 * number
        pen.rectangle((x, 80, x + 180, 300), outline=colour, width=4)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def logo() -> bytes:
    """Return a wide logo that is dark on nothing."""
    picture = PIL.Image.new("RGBA", (420, 120), (0, 0, 0, 0))
    pen = PIL.ImageDraw.Draw(picture)
    pen.rectangle((0, 20, 80, 100), fill="#7a1f5c")
    pen.text((110, 30), "ACME", fill="#14181d", font_size=60)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def item(run: RunView, of: tuple[int, ...], rank: int) -> GalleryItem:
    """Return a picture of the cells with these places."""
    cells = [run.cells[at] for at in of]
    two = len(cells) == 2
    return GalleryItem(
        kind="disagreement" if two else "worst",
        rank=rank,
        cells=tuple(cell.id for cell in cells),
        labels=tuple(cell.label for cell in cells),
        dataset=cells[0].dataset,
        split=cells[0].split,
        task=cells[0].task,
        image_id=100 + rank,
        file_name=f"line/{100 + rank}.png",
        metric="AP",
        values=tuple(0.25 / rank for _ in cells),
        counts=tuple(GalleryCounts(found=2, missed=rank, false=1, confused=0) for _ in cells),
        thresholds=(0.41,) * len(cells),
        reason=f"{rank + 1} objects or predictions are wrong",
        alt=f"Image {100 + rank}: 2 of {2 + rank} objects found, {rank} missed (bottle)",
        credit="Generated inspection line; licence CC0-1.0; a maker",
        width=968,
        height=380,
        media="image/png",
        picture=_file("#56b4e9" if rank % 2 else "#d55e00", rank),
    )


def pictured() -> RunView:
    """Return a run with the worst images of two cells, a pair that disagrees, and a note."""
    run = varied()
    items = [item(run, (at,), rank) for at in (0, 3) for rank in (1, 2)]
    return run.model_copy(
        update={
            "gallery": (*items, item(run, (0, 3), 1)),
            "gallery_notes": ("1 image left out: AP is not defined on them alone",),
            "datasets": (*run.datasets, COCO),
        }
    )


def brand() -> Brand:
    """Return a brand with everything in it."""
    return Brand(
        client="Müller & Söhne GmbH",
        project="Tender 2026-117",
        title="Detectors for the inspection line",
        subtitle="What to deploy on the two-core box, and why.",
        author="A. N. Other",
        organisation="ACME Vision",
        date="2026-11-22",
        colour="#a1286f",
        notice="Confidential",
        logo=logo(),
    )


def hostile() -> RunView:
    """Return a run whose gallery and citations try to break out of the page."""
    run = hostile_run()
    own = item(run, (0,), 1)
    items = tuple(
        own.model_copy(
            update={"rank": at, "labels": (name,), "dataset": name, "split": name, "alt": name,
                    "file_name": name, "reason": name, "credit": name, "metric": name,
                    "cells": (run.cells[at % len(run.cells)].id,)}
        )
        for at, name in enumerate(HOSTILE, 1)
    )  # fmt: skip
    cards = tuple(
        DatasetCard(name=name, title=name, source=source, licence=name, citation=cited + name)
        for name, source, cited in zip(
            HOSTILE,
            ("javascript:alert(1)", "https://x.example/\"onclick='alert(1)'", "https://x.example/a",
             "data:text/html,x", "//x.example"),
            ("", "@misc{k, title = {", "@misc{k,", "@" * 90, ""),
            strict=True,
        )
    )  # fmt: skip
    return run.model_copy(update={"gallery": items, "gallery_notes": HOSTILE, "datasets": cards})


def hostile_brand() -> Brand:
    """Return a brand of hostile words, as long as a brand file may make them."""
    first, second, long, turned, last = (name[:300] for name in HOSTILE)
    return Brand(client=first, project=second, title=last, subtitle=turned, author=last,
                 organisation=first, date=long, notice=last, logo=logo())  # fmt: skip


def main(arguments: list[str]) -> None:
    """Write the page to the file named first."""
    wild = "hostile" in arguments
    page = Html(brand=hostile_brand() if wild else brand()).render(
        hostile() if wild else pictured()
    )
    Path(arguments[0]).write_bytes(page)


if __name__ == "__main__":
    main(sys.argv[1:])
