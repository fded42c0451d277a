r"""Text for LaTeX: nothing in it is a command, and all of it is ASCII.

Characters that pdfLaTeX's fonts have are written as commands; of the others its code stands in the
page, ``[U+1F98A]``, unless the engine and the font can print it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from benchbench.reports.wording import clean

_LONG, _CHUNK = 24, 12
"""Words from *_LONG* on may break after every *_CHUNK* characters."""
_ASCII = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_\allowbreak{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", "-": "-{}", "?": "?{}", "!": "!{}",
    "[": "{[}", "]": "{]}",
}  # fmt: skip
_KNOWN = {
    "–": "--", "—": "---", "−": r"\ensuremath{-}", "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}", "≤": r"\ensuremath{\leq}", "≥": r"\ensuremath{\geq}",
    "·": r"\textperiodcentered{}", "•": r"\textbullet{}", "…": r"\dots{}", "†": r"\dag{}",
    "‡": r"\ddag{}", "§": r"\S{}", "°": r"\textdegree{}", "µ": r"\textmu{}", "μ": r"\textmu{}",
    "→": r"\ensuremath{\rightarrow}", "←": r"\ensuremath{\leftarrow}",
    "↓": r"\ensuremath{\downarrow}", "↑": r"\ensuremath{\uparrow}", "›": r"\guilsinglright{}",
    "‹": r"\guilsinglleft{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}",
    "‘": r"\textquoteleft{}", "’": r"\textquoteright{}", "Δ": r"\ensuremath{\Delta}",
    "σ": r"\ensuremath{\sigma}", "α": r"\ensuremath{\alpha}", "≈": r"\ensuremath{\approx}",
    "∞": r"\ensuremath{\infty}", "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}",
    "€": r"\texteuro{}", "£": r"\pounds{}", "©": r"\copyright{}", "®": r"\textregistered{}",
    "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "æ": r"\ae{}",
    "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ı": r"\i{}", "\u00a0": "~", "\u2009": r"\,",
    "\u202f": r"\,",
}  # fmt: skip
_MARKS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u",
    "\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
    "\u0328": "k",
}  # fmt: skip
_WORD = re.compile(rf"[^\s]{{{_LONG},}}")


def escape(words: str) -> str:
    """Return *words* on one line as LaTeX that prints them; long words may be broken."""
    line = unicodedata.normalize("NFC", " ".join(clean(words).split()))
    made, at = [], 0
    for word in _WORD.finditer(line):
        made += [_plain(line[at : word.start()]), _broken(word[0])]
        at = word.end()
    return "".join([*made, _plain(line[at:])])


def edged(words: str) -> str:
    """Return :func:`escape` of *words* with the spaces at their ends, which join spans."""
    before, after = " " * words[:1].isspace(), " " * words[-1:].isspace()
    told = escape(words)
    return f"{before}{told}{after}" if told else before


def _broken(word: str) -> str:
    pieces = (word[at : at + _CHUNK] for at in range(0, len(word), _CHUNK))
    return r"\allowbreak{}".join(_plain(piece) for piece in pieces)


def _plain(words: str) -> str:
    return "".join(_char(char) for char in words)


def _char(char: str) -> str:
    if char in _ASCII:
        return _ASCII[char]
    if " " <= char <= "~":
        return char
    return _KNOWN.get(char) or _accented(char) or rf"\bbchar{{{ord(char):04X}}}"


def _accented(char: str) -> str:
    """Return a letter of the Latin script with its accent; nothing for any other character."""
    parts = unicodedata.normalize("NFD", char)
    if len(parts) != 2 or not parts[0].isascii() or not parts[0].isalpha():
        return ""
    return rf"\{_MARKS[parts[1]]}{{{parts[0]}}}" if parts[1] in _MARKS else ""


def label(anchor: str) -> str:
    r"""Return ``\label{anchor}``; anchors are letters, digits and hyphens alone."""
    return rf"\label{{{anchor}}}"


def bib(entries: Iterable[str]) -> bytes:
    """Return BibTeX entries as a file in ASCII."""
    text = "\n".join(entry for entry in entries if entry)
    made = "".join(char if char.isascii() else _char(char) for char in text)
    return made.encode("ascii")


PREAMBLE = r"""% Compile with pdflatex or lualatex, bibtex, and twice more.
\documentclass[11pt,a4paper]{article}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \usepackage{lmodern}
  \newcommand{\bbchar}[1]{\texttt{[U+#1]}\allowbreak{}}
\else
  \usepackage{fontspec}
  \newcommand{\bbchar}[1]{\iffontchar\font"#1 \symbol{"#1}\else\texttt{[U+#1]}\fi\allowbreak{}}
\fi
\usepackage{textcomp}
\usepackage[margin=22mm]{geometry}
\usepackage{array,booktabs,longtable,graphicx,xcolor}
\definecolor{accent}{HTML}{@COLOUR@}
\definecolor{bbgood}{HTML}{1A6B2F}
\definecolor{bbbad}{HTML}{AD241B}
\definecolor{bbwarn}{HTML}{865300}
\definecolor{bbmuted}{HTML}{5F6975}
\usepackage[hidelinks,pdfusetitle]{hyperref}
\makeatletter
% Older graphics packages know no alternative text.
\@ifundefined{KV@Gin@alt}{\define@key{Gin}{alt}{}}{}
\makeatother
\hypersetup{pdftitle={@TITLE@},pdfauthor={@AUTHOR@},pdfcreator={benchbench}}
\newenvironment{bbcallout}[2]{\par\medskip\noindent\color{#1}\rule{\linewidth}{0.8pt}\par
  \noindent\textbf{#2}\par\color{black}\small}{\par\noindent\rule{\linewidth}{0.4pt}\par\medskip}
% A heading whose first lines would not fit begins the next page.
\newcommand{\bbneed}{\par\vskip0pt plus 8\baselineskip\penalty-100\vskip0pt plus -8\baselineskip}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5em}
\setlength{\emergencystretch}{3em}
\setcounter{secnumdepth}{2}
\setcounter{tocdepth}{2}
\usepackage{fancyhdr}
\pagestyle{fancy}
\fancyhf{}
\fancyhead[L]{\footnotesize\color{bbmuted}\leftmark}
\fancyhead[R]{\footnotesize\color{bbmuted}@NOTICE@}
\fancyfoot[C]{\thepage}
\setlength{\headheight}{14pt}"""
