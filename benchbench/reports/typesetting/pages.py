"""The call of Typst: a folder with the template, the data and the images in, a PDF out."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchbench.errors import BenchbenchError, MissingDependency

TEMPLATE = Path(__file__).with_name("report.typ")


class NotTypeset(BenchbenchError):
    """Typst refused the document."""

    code = "typeset"


def typeset(
    data: Mapping[str, Any],
    images: Mapping[str, bytes],
    created: str,
    fonts: Sequence[Path] = (),
) -> bytes:
    """Return the PDF of *data* and the *images* that it names, as of *created* (ISO 8601).

    It is tagged; and it is PDF/UA-1 unless a character is missing from all fonts. Only the fonts of
    Typst and of *fonts* are used, so that any machine gives the same bytes. Nothing is downloaded.
    Raises :class:`~benchbench.errors.MissingDependency` without Typst, :class:`NotTypeset` for what
    Typst refuses.
    """
    try:
        import typst
    except ImportError as error:
        raise MissingDependency("typst", "pdf") from error
    with tempfile.TemporaryDirectory(prefix="benchbench-pdf-") as name:
        folder = Path(name)
        _fill(folder, data, images)
        try:
            return _compiled(folder, created, fonts, accessible=True)
        except typst.TypstError:
            # A box in place of a character is no PDF/UA; without the claim it is still tagged.
            return _plain(folder, created, fonts)


def _plain(folder: Path, created: str, fonts: Sequence[Path]) -> bytes:
    import typst

    try:
        return _compiled(folder, created, fonts, accessible=False)
    except typst.TypstError as error:
        told = " ".join(str(error).split())[:600]
        raise NotTypeset(
            f"Typst cannot set the PDF: {told}",
            hint="check that the folder of `fonts` holds fonts; another format shows the same run",
        ) from error


def _fill(folder: Path, data: Mapping[str, Any], images: Mapping[str, bytes]) -> None:
    (folder / "report.typ").write_bytes(TEMPLATE.read_bytes())
    told = json.dumps(data, allow_nan=False, ensure_ascii=False)
    (folder / "document.json").write_bytes(told.encode("utf-8", "replace"))
    (folder / "images").mkdir()
    for name, image in images.items():
        (folder / "images" / name).write_bytes(image)


def _compiled(folder: Path, created: str, fonts: Sequence[Path], *, accessible: bool) -> bytes:
    import typst

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", typst.TypstWarning)
        made: bytes = typst.compile(
            folder / "report.typ",
            root=folder,
            font_paths=list(fonts),
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["ua-1"] if accessible else [],
            timestamp=_moment(created),
        )
    return made


def _moment(created: str) -> int:
    """Return Unix seconds; 0 where *created* is no date."""
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        return 0
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return max(int(aware.timestamp()), 0)
