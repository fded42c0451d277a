"""Relative limits: a margin, the way in which a figure may be worse, and the baseline."""

from __future__ import annotations

import re
from decimal import Decimal

from benchbench import units
from benchbench.limits.model import Change, Relative, wrong_way
from benchbench.limits.reading import Reader, known
from benchbench.quantities import Kind, Named, close, unquoted

_FOR = "for example no more than 3 % slower, or no more than 0.5 points of mAP lost"
_UNIT = re.compile(r"%|[^\W\d]\S*")
_WORD = re.compile(r"[^\W\d]+")
_TAIL = re.compile(r"(?:than|against)\b\s*", re.IGNORECASE)
_THAN = "for example no more than 3 % slower than fp32"
_OF, _BY, _LOST = (re.compile(rf"{word}\b", re.IGNORECASE) for word in ("of", "by", "lost"))


def relative(reader: Reader) -> Relative:
    """Return the relative limit of which *reader* has read "no more than"."""
    at = reader.at
    number = reader.number("no more than 3 % slower")
    if not units.is_unit(reader.peek(_UNIT) or ""):
        raise reader.fault("the unit of the margin is missing", _FOR)
    written = reader.take(_UNIT) or ""
    change, figure = _form(reader)
    what = known(figure)
    against = _baseline(reader)
    ratio = written.lower() in ("%", "percent")
    reader.at = at
    margin = _margin(reader, number, written, what, ratio=ratio)
    limit = Relative(
        name=figure.name, subject=figure.subject, change=change, margin=margin, unit=what.unit,
        scale="ratio" if ratio else "difference", against=against,
    )  # fmt: skip
    _check_margin(reader, limit, what)
    better = what.higher_is_better
    if better is not None and (fault := wrong_way(limit, higher_is_better=better)):
        raise fault
    return limit


_FORMS = ("slower", "larger", "more", "less", "fewer", "lost")


def _form(reader: Reader) -> tuple[Change, Named]:
    """Return how the figure may be worse, and which figure."""
    at = reader.at
    word = (reader.peek(_WORD) or "").lower()
    if word in ("slower", "larger"):
        reader.take(_WORD)
        default = "latency.p50" if word == "slower" else "size"
        figure = reader.figure("a figure", _FOR) if reader.take(_BY) else Named(default)
        return ("slower" if word == "slower" else "larger"), figure
    if word in ("more", "less", "fewer"):
        reader.take(_WORD)
        return ("more" if word == "more" else "less"), reader.figure("a figure", _FOR)
    of = reader.take(_OF)
    figure = reader.figure("how the figure may be worse", _FOR)
    if reader.take(_LOST) is None:
        meant = None if of else close(word, _FORMS)
        if of:
            raise reader.fault("'lost' is missing", _FOR)
        reader.at = at
        hint = f"did you mean '{meant}'?" if meant else _FOR
        raise reader.fault("how the figure may be worse is missing", hint)
    return "lost", figure


def _baseline(reader: Reader) -> str | None:
    if reader.take(_TAIL) is None:
        if reader.rest:
            raise reader.fault("only 'than' and a baseline may follow", _THAN)
        return None
    quotes = unquoted(reader.text, reader.at)
    name, at = quotes or (reader.rest, len(reader.text))
    if not name or reader.text[at:].strip() or not (quotes or name.isprintable()):
        raise reader.fault("a baseline's name is missing", _THAN)
    return name


def _margin(reader: Reader, number: Decimal, written: str, what: Kind, *, ratio: bool) -> float:
    """Return the margin as a share of the baseline's value, or as a difference."""
    if ratio:
        return units.read(number, "%", "", what.name)
    if what.unit in ("", "px", "mm") and (what.accuracy or what.counted):
        return units.read(number, written, what.unit, what.name)
    raise reader.fault(
        f"a change of {what.name} is a share of the baseline's",
        "write the margin in %: no more than 5 % …",
    )


def _check_margin(reader: Reader, limit: Relative, what: Kind) -> None:
    if limit.margin < 0:
        raise reader.fault("the margin is negative", "say how much worse it may be, such as 3 %")
    if not limit.margin and not what.counted:
        hint = "give a margin, such as 1 %: no number of measurements shows that two are equal"
        raise reader.fault("a margin of 0 cannot be shown", hint)
    falls = limit.change == "less" or (
        limit.change == "lost" and what.higher_is_better is not False
    )
    share = limit.scale == "ratio" or not limit.unit
    if share and limit.margin >= (1 if falls or limit.scale == "difference" else 10):
        raise reader.fault("the margin admits everything", _FOR)
