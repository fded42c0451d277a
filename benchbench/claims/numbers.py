"""The numbers of a sentence that are figures: with unit, digits, and what they stand for.

Dates, versions, pages, batch sizes, resolutions, thresholds, prices and counts are blanked first:
what is left may be a figure. Every pattern is bounded, so that a sentence is read in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from benchbench import units
from benchbench.claims.spoken import Spoken, spoken

Role = Literal["figure", "low", "high", "half"]
"""``low`` and ``high``: ends of an interval; ``half``: what stands behind ±."""
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_PRODUCTS = (
    r"(?:OpenVINO|TensorRT(?:-RTX)?|ONNX Runtime|onnxruntime|PyTorch|torch|CUDA|cuDNN|Python|Ubuntu"
    r"|Debian|Linux|Windows|JetPack|LiteRT|NNCF|Pillow|numpy|driver|firmware|benchbench|COCO"
    r"|Horizon|YOLO|version|release|ver\.|v\.)"
)
_REFERENCES = (
    r"(?:pp?\.|pages?|sections?|sec\.|sect\.|§{1,2}|figs?\.|figures?|tables?|tab\.|chapters?|ch\."
    r"|eqs?\.|equations?|annex|appendix|steps?|lot|tasks?|work packages?|milestones?"
    r"|deliverables?|items?|clauses?|articles?|art\.|no\.|nr\.|issue|ref\.|requirements?|req\."
    r"|parts?|phases?|lines?|rows?|columns?|notes?|footnotes?|grades?|slides?|option|lots?|TRL|WP|EN"
    r"|ISO|IEC|IEEE|RFC|call|topic|axis|floor|room|building|line)"
)
_COUNTED = (
    r"(?:images?|frames?|pictures?|photographs?|samples?|objects?|annotations?|instances?|defects?"
    r"|processes|process|pairs?|trials?|rounds?|queries|query|runs?|draws?|repetitions?|seeds?"
    r"|epochs?|classes|class|videos?|clips?|sites?|stations?|lines?|engineers?|people|persons?"
    r"|employees|partners?|months?|days?|weeks?|years?|hours?|h\b|levels? of load|looks?"
    r"|streams?|cells?|detections?|boxes|parts?|products?|installations?|devices?|units?|layers?)"
)
_NUMBER = r"\d{1,12}(?:[.,]\d{1,12}){0,4}"
_COUNT = (
    rf"{_NUMBER}\s(?:(?!per\s|each\s)[A-Za-z-]{{3,20}}\s){{0,2}}?{_COUNTED}"
    r"(?!\s?/|\s(?:per|a|an|each)\b|\w)"
)
_HARMLESS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        (r"\bhttps?://\S{1,500}|\bwww\.\S{1,500}|\b[\w.-]{1,64}@[\w-]{1,64}\.\w{2,10}", 0),
        (r"\[\^[^\[\]\s]{1,80}\]|\bbb-[0-9a-f]{4,16}", re.IGNORECASE),
        (r"\b\d{4}-\d{2}(?:-\d{2})?\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b", 0),
        (r"\b\d{1,2}:\d{2}(?::\d\d)?\b", 0),
        (rf"\b\d{{1,2}}(?:st|nd|rd|th|\.)?\s{_MONTH}(?:\s\d{{4}})?", 0),
        (rf"\b{_MONTH}\s\d{{1,2}},?(?:\s\d{{4}})?\b|\b{_MONTH}\s\d{{4}}\b", 0),
        (r"\b[vV]?\d{1,6}\.\d{1,6}\.\d{1,6}[\w.+-]{0,40}", 0),
        (r"\b20\d\d\.\d{1,2}\b|\b[vV]\d[\d.]{0,12}", 0),
        (rf"\b{_PRODUCTS}\s?v?\d[\d.]{{0,15}}", re.IGNORECASE),
        (rf"\b{_REFERENCES}\s{{0,2}}#?\d{{1,5}}(?:[.:–-]\d{{1,5}}){{0,4}}[a-z]?\b", re.IGNORECASE),
        (r"\b\d{2,5}\s?[x×]\s?\d{2,5}(?:\s?[x×]\s?\d{1,4})?(?:\s?(?:px|pixels?))?", 0),
        (r"\b\d{3,4}[pi]\b|\b\d{1,3}(?:\.\d)?\s?(?:megapixels?|MP|Mpx)\b|\b[248]K\b", 0),
        (r"\bbatch(?:es)?(?:[\s-]sizes?)?(?:\s?[=:]|\s(?:of|is|was))?\s?\d{1,5}", re.IGNORECASE),
        (r"@\s?\[?\d?\.?\d{1,3}(?:\s?[:–-]\s?\d?\.\d{1,3}){0,2}\]?", 0),
        (
            (r"(?<![A-Za-z])(?:IoUs?\s?(?:thresholds?\s?(?:of|at|from|is)?)?"
            r"|thresholds?\s?(?:of|at|is)?|(?:score|confidence|conf)\s(?:threshold|floor)\s?(?:of|at)?"
            r"|(?:score|confidence|conf)(?=\s?[=>≥<≤])|at (?:a )?confidence(?: of)?)"
            r"\s?[=>≥<≤:]{0,2}\s?0?\.\d{1,4}(?:\s?[:–-]\s?\d?\.\d{1,4}){0,2}"),
            re.IGNORECASE,
        ),
        (r"[€$£]\s?\d[\d,.]{0,15}(?:\s?(?:k|M|bn|million)\b)?", 0),
        (rf"{_NUMBER}\s?(?:k€|M€|€|kEUR|EUR|USD|GBP|CHF|euros?|dollars?)(?!\w)", re.IGNORECASE),
        (
            rf"{_NUMBER}\s?%\s(?:confidence|interval|CI|credible|level|bootstrap|significance|p\b)",
            re.IGNORECASE,
        ),
        (
            (
                rf"{_NUMBER}\s?[GT]i?B\s(?:of\s)?(?:[A-Za-z0-9]{{1,10}}\s)?"
                r"(?:RAM|memory|VRAM|DDR\d?|SSD|disk|storage|GPU)"
            ),
            0,
        ),
        (
            (
                rf"{_NUMBER}[\s-]?(?:cores?|vCPUs?|threads?|GPUs?|CPUs?|GHz|MHz|Hz|bits?|V|A|kg|mm²?"
                r"|cm|km|nm|m²?|°C|K|dpi|Mbit/s|Gbit/s|lux)(?![\w/])"
            ),
            0,
        ),
        (rf"{_NUMBER}[\s-]?W\s(?:TDP|GPU|supply|power supply|class|module|budget)", 0),
        (r"\b\d{1,3}(?:st|nd|rd|th)\b", 0),
        (_COUNT, re.IGNORECASE),
        (r"\b[nN]\s?=\s?\d{1,9}", 0),
        (rf"{_NUMBER}\s?%\sof\s", 0),
        (
            (
                r"(?<![\w.,])(?:19|20)\d\d(?:\s?[–-]\s?(?:19|20)?\d\d)?\b"
                r"(?!\s?(?:ms|fps|images|J|W|%))"
            ),
            0,
        ),
    )
)  # fmt: skip
_REFERENCE_MARK = re.compile(r"\[\d{1,3}(?:\s?[,–-]\s?\d{1,3}){0,10}\]")
_CUE = re.compile(r"interval|\bCIs?\b|confidence|between|range|bounds", re.IGNORECASE)
_FIND = re.compile(rf"(?<![\w.,@/#])(?P<sign>[-−+±~≈]?)\s?(?P<number>{_NUMBER}|\.\d{{1,12}})")
_NOT_UNIT = re.compile(r"[A-Za-zµμ]")
_PER_IMAGE = (
    r"(?P<per>\s?/\s?(?:image|img|frame|query|inference)"
    r"|\s(?:per|an|a|(?:for\s)?(?:each|every|one|an?))\s(?:image|frame|picture|query|inference))?"
)
_WORDS: Mapping[str, tuple[str, float]] = {
    **{name: (of, size) for name, (of, size) in units.WRITTEN.items() if name},
    "milliseconds": ("ms", 1.0), "millisecond": ("ms", 1.0), "msec": ("ms", 1.0),
    "microseconds": ("ms", 1e-3), "seconds": ("ms", 1e3), "second": ("ms", 1e3),
    "sec": ("ms", 1e3), "minutes": ("ms", 60e3),
    "frames/s": ("images/s", 1.0), "frames per second": ("images/s", 1.0),
    "frames a second": ("images/s", 1.0), "images per second": ("images/s", 1.0),
    "images a second": ("images/s", 1.0), "FPS": ("images/s", 1.0), "IPS": ("images/s", 1.0),
    "queries per second": ("queries/s", 1.0), "QPS": ("queries/s", 1.0),
    "watts": ("W", 1.0), "watt": ("W", 1.0), "milliwatts": ("W", 1e-3),
    "joules": ("J", 1.0), "joule": ("J", 1.0), "millijoules": ("J", 1e-3),
    "images per joule": ("images/J", 1.0), "percentage points": ("", 0.01),
    "fold": ("×", 1.0), "million": ("million", 1.0),
}  # fmt: skip
_LONGEST_FIRST = "|".join(re.escape(one) for one in sorted(_WORDS, key=len, reverse=True))
_UNIT = re.compile(
    rf"[\])]?[\s\-]?(?P<unit>{_LONGEST_FIRST})"
    rf"{_PER_IMAGE}(?![\w/])"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    text: str
    """With its unit."""
    value: float
    decimals: int
    size: float
    """What one of the unit is in :attr:`unit`."""
    unit: str | None
    """As of :mod:`benchbench.units`; None where none is written."""
    start: int
    end: int
    role: Role = "figure"
    about: bool = False
    """Whether it is said to be rounded: ``about 12 ms``."""
    per: str = ""
    """What stands behind the unit: ``per image``."""
    slack: float | None = None
    """Of a number in words: how far it may lie from what it stands for."""
    spoken: bool = False
    """Whether it is written in words."""
    percent: bool = False
    """Whether it is written with ``%`` or ``percent``."""
    negative: bool = False


def blanked(text: str) -> str:
    """Return *text* with what is a number but no figure blanked, its length kept."""
    for pattern in _HARMLESS:
        text = pattern.sub(lambda found: " " * len(found[0]), text)
    return _REFERENCE_MARK.sub(lambda found: _reference(text, found), text)


def _reference(text: str, found: re.Match[str]) -> str:
    """Blank ``[12, 13]`` unless it is an interval."""
    before, after = text[max(0, found.start() - 40) : found.start()], text[found.end() :]
    if _CUE.search(before) or _UNIT.match(after[:40]):
        return found[0]
    return " " * len(found[0])


def numbers(text: str, unit: str | None = None) -> list[Number]:
    """Return the numbers of *text* that may be figures; *unit* is that of a table's header."""
    left = blanked(text)
    found = [one for match in _FIND.finditer(left) if (one := _number(left, match, unit))]
    words = [one for told in spoken(left) if (one := _in_words(left, told))]
    if words:
        found = sorted([*found, *words], key=lambda one: one.start)
    return _with_roles(left, found)


_NO_FIGURE = re.compile(r"\s(?:of|confidence|interval|CI|significance)\b", re.IGNORECASE)


def _in_words(text: str, told: Spoken) -> Number | None:
    """Return a number in words that has a unit, or is a ratio."""
    of = None if told.times else _UNIT.match(text, told.end)
    if not told.times and of is None:
        return None
    written = of["unit"] if of else "×"
    end = of.end() if of else told.end
    percent = written in ("%", "percent")
    if percent and _NO_FIGURE.match(text[end : end + 20]):
        return None
    unit, size = _WORDS[written]
    before = text[max(0, told.start - 16) : told.start].lower().split()
    return Number(
        text=text[told.start : end].strip(), value=told.value, decimals=told.decimals, size=size,
        unit=unit, start=told.start, end=end, slack=told.slack, spoken=True, percent=percent,
        about=bool(before and before[-1] in _ABOUT), per=((of and of["per"]) or "").strip(),
    )  # fmt: skip


def _number(text: str, found: re.Match[str], header: str | None) -> Number | None:
    end = found.end()
    of = _UNIT.match(text, end)
    written = of["unit"] if of else header
    if of is None and _NOT_UNIT.match(text[end : end + 1]):
        return None  # part of a name: 4K, 8bit
    value, decimals = _value(found["number"])
    unit, size = _WORDS.get(written or "", (None, 1.0))
    before = text[max(0, found.start() - 16) : found.start()].lower().split()
    about = found["sign"] in ("~", "≈") or bool(before and before[-1] in _ABOUT)
    return Number(
        text=text[found.start("number") : of.end() if of else end].strip(), value=value,
        decimals=decimals, size=size, unit=unit, start=found.start("number"),
        end=of.end() if of else end, about=about, percent=written in ("%", "percent"),
        per=((of and of["per"]) or "").strip(), negative=found["sign"] in ("-", "−"),
        role="half" if found["sign"] == "±" else "figure",
    )  # fmt: skip


_ABOUT = frozenset(
    "about around approximately roughly circa nearly some almost ca. approx.".split()
)


def _value(text: str) -> tuple[float, int]:
    """Return a number and its decimals; a comma parts thousands or, as in ``0,48``, decimals."""
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "")
    elif text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    text = text.replace(",", "")
    whole, _, rest = text.partition(".")
    rest = rest.replace(".", "")
    return float(f"{whole or 0}.{rest or 0}"), len(rest)


_BETWEEN = re.compile(r"\s?(?:to|–|—|-|−|…|\.{2,3}|;|,|and)\s?[+−-]?\s?")


def _with_roles(text: str, found: list[Number]) -> list[Number]:
    """Return *found* with the ends of intervals told, which share the unit behind the second."""
    made = list(found)
    at = 0
    while at + 1 < len(made):
        first, second = made[at], made[at + 1]
        if _is_interval(text, first, second):
            if first.unit is None:
                first = _in_unit_of(first, second)
            made[at] = replace(first, role="low")
            made[at + 1] = replace(second, role="high")
            at += 1
        at += 1
    return list(_halves(made))


def _halves(found: list[Number]) -> Iterator[Number]:
    for index, one in enumerate(found):
        before = found[index - 1] if index else None
        after = found[index + 1] if index + 1 < len(found) else None
        like = before if one.role == "half" else None
        if like is None and after and after.role == "half":
            like = after
        shared = like is not None and one.unit is None
        yield _in_unit_of(one, like) if like and shared else one


def _in_unit_of(one: Number, other: Number) -> Number:
    return replace(one, unit=other.unit, size=other.size, percent=other.percent)


def _is_interval(text: str, first: Number, second: Number) -> bool:
    middle = text[first.end : second.start]
    if second.role == "half" or len(middle) > 8 or not _BETWEEN.fullmatch(middle):
        return False
    before = text[max(0, first.start - 70) : first.start]
    closed = before.rstrip(" +−-").endswith(("[", "("))
    word = middle.strip(" +−-") or "-"
    if word == "and":
        return before.rstrip().endswith("between")
    if word in (",", ";"):
        return bool(_CUE.search(before)) or before.rstrip(" +−-").endswith("[")
    return closed or bool(_CUE.search(before)) or not before.rstrip().lower().endswith("from")


def header_unit(header: str) -> str | None:
    """Return the unit that a table's header names: ``latency (ms)``, ``mAP [%]``."""
    for part in re.findall(r"[(\[]\s?([^()\[\]]{1,30}?)\s?[)\]]|,\s([^,]{1,20})$", header[:200]):
        name = str(part[0] or part[1])
        for word in (name, name.split(" ", maxsplit=1)[0], name.split("/", maxsplit=1)[0]):
            if word in _WORDS:
                return word
    return header if header in _WORDS else None
