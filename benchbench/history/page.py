"""A history as one self-contained page: no network, no script, light and dark."""

from __future__ import annotations

from functools import partial

from benchbench import pages
from benchbench.history_view import HistoryView
from benchbench.trends import placing, words

_STYLES = ("style.css", "trend.css")


def page(view: HistoryView) -> bytes:
    """Return the page in UTF-8. Pure: the same history gives the same bytes."""
    templates = pages.environment(partial(words.line, limit=400))
    made = templates.get_template("history.html.j2").render(
        view=view,
        words=words,
        charts=[placing.placed(series) for series in view.series],
        box=placing.BOX,
        style=pages.styles(templates, *_STYLES),
    )
    return made.encode("utf-8", "backslashreplace")
