"""A claim as it stands in a text: plain, Markdown, LaTeX."""

from __future__ import annotations

import re
from typing import Literal

from benchbench.claims_view import Claim

Style = Literal["short", "long"]
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "$": r"\$",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "−": "$-$", "×": r"$\times$", "µ": r"$\mu$", "…": r"\dots{}", "·": r"$\cdot$", "≥": r"$\geq$",
    "≤": r"$\leq$", "±": r"$\pm$", "°": r"$^{\circ}$", "²": r"$^2$", "½": "1/2",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\"": r"\textquotedbl{}",
}  # fmt: skip


def plain(claim: Claim, style: Style = "long") -> str:
    """Return the sentence with its id, and the footnote below."""
    return f"{claim.sentence}[{claim.id}]\n\n[{claim.id}] {_note(claim, style)}\n"


def markdown(claim: Claim, style: Style = "long") -> str:
    """Return the sentence with a footnote mark, and the footnote; names in it are escaped."""
    mark = f"[^{claim.id}]"
    return f"{_escaped(claim.sentence)}{mark}\n\n{mark}: {_escaped(_note(claim, style))}\n"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def latex(claim: Claim, style: Style = "long") -> str:
    """Return the sentence with its footnote, which begins with the id."""
    note = _tex(_note(claim, style))
    return f"{_tex(claim.sentence)}\\footnote{{{claim.id}: {note}}}\n"


def _tex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)


def _note(claim: Claim, style: Style) -> str:
    return claim.footnote_long if style == "long" else claim.footnote
