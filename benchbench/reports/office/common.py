"""What both office formats need: text that XML takes, their libraries, and sealed archives."""

from __future__ import annotations

import importlib
import io
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from benchbench.errors import MissingDependency
from benchbench.reports.document.model import Tone
from benchbench.reports.wording import clean, short

FONT = "Arial"
"""On every machine with an office suite, in this metric at least."""
MONO = "Courier New"
INK, MUTED, RULE, SHADE = "1F2933", "5F6975", "C8D0D9", "F3F5F8"
TONES: Mapping[Tone, str] = {
    "good": "1A6B2F", "bad": "AD241B", "warn": "865300", "muted": MUTED, "": INK,
}  # fmt: skip
"""Colours of text; each has a contrast to white of at least 4.5."""
_MOST_PROPERTY = 255
"""Characters of a core property that the libraries take."""
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HTTPS = re.compile(r"https://[A-Za-z0-9.:/?=&#%_~+,;@!*()-]{1,490}")
_STAMP = (1980, 1, 1, 0, 0, 0)
_DATED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:)")


def library(name: str, package: str) -> Any:
    """Return the module *name*; raise :class:`MissingDependency` without its *package*."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependency(package, "office") from error


def safe(words: str) -> str:
    """Return *words* cleaned, without the characters that XML forbids."""
    return _NOT_XML.sub("", clean(words))


def one_line(words: str) -> str:
    """Return :func:`safe` of *words* on one line."""
    return " ".join(safe(words).split())


def https(href: str) -> str:
    """Return *href* if it is an address that may be linked; else nothing."""
    return href if _HTTPS.fullmatch(href) else ""


def moment(facts: Mapping[str, str]) -> datetime:
    """Return when the run was last changed, UTC without a zone; 1980 where it says nothing."""
    try:
        found = datetime.fromisoformat(facts.get("created", ""))
    except ValueError:
        return datetime(*_STAMP)  # noqa: DTZ001 - the libraries write naive times as UTC
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


def describe(properties: Any, facts: Mapping[str, str]) -> None:
    """Give a file its core properties: title, author, dates of the run, language."""
    when = moment(facts)
    told = {
        "title": facts.get("title", ""), "author": facts.get("author", ""),
        "subject": facts.get("subject", ""), "identifier": facts.get("run", ""),
        "last_modified_by": "benchbench", "comments": "", "keywords": "", "language": "en",
    }  # fmt: skip
    for name, words in told.items():
        setattr(properties, name, short(safe(words), _MOST_PROPERTY))
    properties.created = properties.modified = when
    properties.revision = 1


def sealed(data: bytes, when: datetime) -> bytes:
    """Return the archive *data* with the same bytes each time: no clock is in it.

    Workbooks inside it are sealed too.
    """
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, _sealed(name, old.read(name), when))
    return out.getvalue()


def _sealed(name: str, body: bytes, when: datetime) -> bytes:
    if name.endswith(".xlsx"):
        return sealed(body, when)
    if name != "docProps/core.xml":
        return body
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    return _DATED.sub(rb"\g<1>" + stamp + rb"\g<3>", body)


def accented(theme: bytes, colour: str) -> bytes:
    """Return the XML of a *theme* with its first accent, links and fonts set."""
    accent = colour.lstrip("#").upper().encode()
    for name in (b"accent1", b"hlink", b"dk2"):
        theme = re.sub(
            rb'(<a:%b>\s*<a:srgbClr val=")[0-9A-Fa-f]{6}' % name, rb"\g<1>" + accent, theme
        )
    return re.sub(rb'<a:latin typeface="[^"]*"', b'<a:latin typeface="%b"' % FONT.encode(), theme)
