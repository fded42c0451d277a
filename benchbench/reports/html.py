"""One self-contained HTML page: no network, no fonts to fetch, strict content security policy.

Without scripts it shows everything. Its own small script, allowed by its hash, filters, sorts,
selects and draws the trade-off over other axes.
"""

from __future__ import annotations

import base64
import hashlib
from typing import ClassVar

from jinja2 import Environment
from markupsafe import Markup

from benchbench.brand import Brand
from benchbench.pages import source, styles
from benchbench.reports import processes
from benchbench.reports.page.contents import contents, numbers
from benchbench.reports.page.dress import Dress, dress
from benchbench.reports.page.templates import templates
from benchbench.types import Record
from benchbench.view import RunView

SCRIPTS = ("theme", "tables", "cells", "plots", "address", "start")
"""Files of the page's script, in the order in which they are joined."""
STYLES = ("style.css", "interactive.css")


class Html(Record):
    """Writes ``report.html``: the whole run on one page that works offline and prints."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "report.html"

    brand: Brand | None = None
    """Client, author, logo, notice and colour of the page's head."""

    def render(self, run: RunView) -> bytes:
        """Return the page in UTF-8."""
        run = processes.settled(run)
        found = templates(run, numbers(run))
        worn = dress(run, self.brand)
        parts = "\n".join(source(found, f"script/{name}.js") for name in SCRIPTS)
        script = f'(() => {{\n"use strict";\n{parts}\n}})();'
        body = contents(run)
        page = found.get_template("report.html.j2").render(
            run=run,
            page=body,
            island=Markup(body["island"]),  # noqa: S704 - escaped for its element
            dress=worn,
            style=_style(found, worn, run),
            script=Markup(script),  # noqa: S704 - our own files
            script_hash=_hash(script),
        )
        return page.encode("utf-8", "backslashreplace")


def _style(found: Environment, worn: Dress | None, run: RunView) -> Markup:
    names = (*STYLES, *(["trend.css"] if run.trends else []))
    if worn is None:
        return styles(found, *names)
    return styles(found, *names, "brand.css") + "\n" + worn.style


def _hash(script: str) -> str:
    """Return the content-security-policy source of *script*."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
