"""Names from strangers, where they are printed: neither commands of a CI runner nor of a terminal.

Changes of direction let a name read as another one.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_START = re.compile("^:(?=:)")


def inert(name: str) -> str:
    """Return *name* so that a line that begins with it is no command to GitHub's runner.

    ``::command::`` counts at the start of a line, ``##[command]`` anywhere in it.
    """
    return _START.sub(": ", name).replace("##[", "# #[")


def visible(text: str) -> str:
    r"""Return *text* with control and direction-changing characters written out, e.g. ``\x1b``.

    Tabs and line feeds stay.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)
