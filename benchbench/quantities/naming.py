"""Names of quantities as they are written: ``map``, ``map[class=scratch]``, ``latency.p99``."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from benchbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a quantity, as written."""

    name: str
    subject: str | None = None
    """``class=scratch``, ``slice=brightness: dark``, ``meter=rapl``."""

    def __str__(self) -> str:
        name = self.name if _PLAIN.fullmatch(self.name) else quoted(self.name)
        if self.subject is None:
            return name
        kind, _, of = self.subject.partition("=")
        bare = _BARE.fullmatch(of) and of.isprintable() and of == of.strip()
        return f"{name}[{kind}={of if bare else quoted(of)}]"


SUBJECTS = ("class", "slice", "meter")
"""What a figure can be of: a class or slice of accuracy, the meter of an energy."""
_STOP = r"(?!(?i:at|lost|than|against|by)\b)"
_PLAIN = re.compile(rf"[A-Za-z][\w.\-/@]*(?: +{_STOP}[A-Za-z][\w.\-/@]*)*", re.ASCII)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BARE = re.compile(r"[^\]\[\"'\s][^\]\[\"]*")
_OPENING = re.compile(rf"\s*\[\s*({'|'.join(SUBJECTS)})\s*=\s*", re.IGNORECASE)
_CLOSING = re.compile(r"\s*\]")
_ESCAPES = 'within double quotes write \\" and \\\\, and what cannot be printed as \\u0007'
_BRACKETS = 'a name with brackets or quotes stands in double quotes: map[class="a ] b"]'
_SINGLE = re.compile(r"'[^']*'")


def quoted(text: str) -> str:
    """Return *text* as a JSON string; what cannot be printed is written by its number."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def unquoted(text: str, at: int) -> tuple[str, int] | None:
    """Return what the quotes that open at *at* hold, and where they end; None if none open there.

    Double quotes are JSON's, single ones hold no other and escape nothing. Raises
    :class:`~benchbench.errors.UsageError` for quotes that do not end.
    """
    if text[at : at + 1] not in ("'", '"'):
        return None
    if single := _SINGLE.match(text, at):
        return single[0][1:-1], single.end()
    found = _QUOTED.match(text, at)
    if found is None:
        raise UsageError(f"quotes do not end, at {short(text[at:])}", hint=_ESCAPES)
    try:
        value = str(json.loads(found[0]))
        value.encode()
    except ValueError:
        raise UsageError(f"{short(found[0])} is no text", hint=_ESCAPES) from None
    return value, found.end()


def leading(text: str, at: int = 0) -> tuple[Named, int] | None:
    """Return the name that stands in *text* at *at*, and where it ends; None if none does.

    Raises :class:`~benchbench.errors.UsageError` for a bracket that does not close.
    """
    whole = unquoted(text, at)
    plain = None if whole else _PLAIN.match(text, at)
    if plain:
        whole = (" ".join(plain[0].split()), plain.end())
    if whole is None:
        return None
    name, at = whole
    opening = _OPENING.match(text, at)
    if opening is None:
        return Named(name), at
    of, at = _subject(text, opening.end())
    closing = _CLOSING.match(text, at)
    if closing is None:
        raise UsageError(
            f"']' is missing after {short(text[opening.start() : at].strip())}",
            hint=_BRACKETS,
        )
    return Named(name, f"{opening[1].lower()}={of}"), closing.end()


def _subject(text: str, at: int) -> tuple[str, int]:
    if found := unquoted(text, at):
        return found
    bare = _BARE.match(text, at)
    if bare is None:
        told = "nothing" if text[at : at + 1] == "]" else short(text[at:])
        raise UsageError(f"after '=' a name is expected, not {told}", hint=_BRACKETS)
    return bare[0].strip(), bare.end()


def named(text: str) -> Named:
    """Return the parts of ``map`` or ``map[class=scratch]``; raise UsageError if it is neither."""
    stripped = text.strip()
    found = leading(stripped)
    if found is None or found[1] < len(stripped):
        raise UsageError(
            f"{short(text)} names no figure", hint="for example latency.p99 or map[class=scratch]"
        )
    return found[0]


def short(text: str) -> str:
    """Return *text* in quotes, fit for a message."""
    told = text if text.isprintable() else quoted(text)[1:-1]
    return f"'{told}'" if len(told) <= 60 else f"'{told[:59]}…'"


def listed(names: Iterable[str]) -> str:
    """Return the first of *names*, and how many more there are."""
    every = list(names)
    told = ", ".join(short(name)[1:-1] for name in every[:12])
    more = f" and {len(every) - 12} more" if len(every) > 12 else ""
    return told + more or "none"


def close(name: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that *name* was probably meant to be; None if none is near."""
    folded = {one.lower(): one for one in known if len(one) <= 200}
    found = difflib.get_close_matches(name[:200].lower(), folded, 1, 0.6)
    return folded[found[0]] if found else None


def guess(name: str, known: Collection[str]) -> str:
    """Return a hint: what *name* was probably meant to be, else what there is."""
    found = close(name, known)
    return f"did you mean {short(found)}?" if found else f"known: {listed(known)}"
