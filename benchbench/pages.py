"""The environment of every HTML page: one set of templates, one style sheet, all text escaped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

ABSENT = "–"


def environment(clean: Callable[[str], str]) -> Environment:
    """Return the environment; what a template prints is cleaned by *clean*, then escaped.

    None prints as a dash. Templates and style sheets lie in ``benchbench/reports/templates``.
    """

    def printed(value: Any) -> Any:
        if value is None:
            return ABSENT
        if isinstance(value, str) and not isinstance(value, Markup):
            return clean(value)
        return value

    return Environment(
        loader=PackageLoader("benchbench.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def source(templates: Environment, name: str) -> str:
    """Return the text of one file beside the templates."""
    assert templates.loader is not None, "environment() always sets a loader"
    return templates.loader.get_source(templates, name)[0].strip()


def styles(templates: Environment, *names: str) -> Markup:
    """Return style sheets joined, for a ``style`` element: they are our own files."""
    return Markup("\n".join(source(templates, name) for name in names))  # noqa: S704 - our own
