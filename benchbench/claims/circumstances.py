"""What a sentence says that figures were measured with: counts, batch, threads, machine, cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from benchbench.claims.passages import ID, Sentence
from benchbench.claims.spoken import spoken
from benchbench.claims.wording import RUNTIMES
from benchbench.claims_view import Claim, ClaimedCell

Fault = tuple[str | None, str, str]
_NOUNS = r"(?P<noun>processes|pairs|rounds|trials|levels)\b(?!\s?/|\s(?:per|a|each)\b)"
_COUNTS = re.compile(
    rf"(?P<count>\d{{1,3}}(?:,\d{{3}})+|\d{{1,9}})\s(?:(?:fresh|separate|independent)\s)?{_NOUNS}",
    re.IGNORECASE,
)
_AFTER = re.compile(rf"\s(?:(?:fresh|separate|independent)\s)?{_NOUNS}", re.IGNORECASE)
_N = re.compile(r"\bn\s?=\s?(\d{1,3}(?:,\d{3})+|\d{1,9})\b(?!\.\d)", re.IGNORECASE)
_BATCH = re.compile(
    r"\bbatch(?:es)?(?:[\s-]sizes?)?(?:\s?[=:]|\s(?:of|is|was))?\s?(\d{1,5})\b(?!\.\d)",
    re.IGNORECASE,
)
_THREADS = re.compile(r"\b(\d{1,4})[\s-]threads?\b", re.IGNORECASE)
_MACHINES = re.compile(
    r"\bJetson(?:\s(?:AGX\s)?(?:Orin|Nano|Xavier|Thor))?|\bRaspberry\sPi|\b[RG]TX\s?\w{0,5}\d{3,4}"
    r"|\b(?:A100|H100|H200|B200|V100|L40S?|A10G)\b|\bTesla\b|\bGeForce\b|\bEPYC\b|\bXeon\b|\bRyzen\b"
    r"|\bCore\s(?:Ultra\s)?i?\d|\bCore\sUltra\b|\bGraviton\d?|\bSnapdragon\b|\bCoral\b|\bHailo\b"
    r"|\bMovidius\b|\bThreadripper\b|\bApple\sM\d|\bCeleron\b",
    re.IGNORECASE,
)
_PRECISION = re.compile(r"\b(?:fp|int|bf|tf)-?(?:4|8|16|32|64)\b", re.IGNORECASE)
_RUNTIME = re.compile("|".join(rf"\b{re.escape(one)}\b" for one in RUNTIMES.values()))
_BESIDE = re.compile(
    r"\bthan\b|\bagainst\b|\bvs\b|\bversus\b|\bcompar|\binstead of\b|\bnot\b|\brather\b|\bunlike\b"
    r"|\bfrom\b|\boriginal|\bplanned\b|\bwill\b|\bcan\b|\bcould\b|\btrain",
    re.IGNORECASE,
)
"""Where one of these stands, another cell or machine may be named that is not the claim's."""


def circumstances(sentence: Sentence, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield what *sentence* says that its claims were measured with and that they were not."""
    text = ID.sub(" ", sentence.text)
    yield from _counted(text, claims)
    yield from _elsewhere(text, claims)
    timed = [one for one in claims if one.family in ("latency", "energy")]
    cells = [*_cells(timed)]
    batches = {str(one.batch) for one in cells}
    threads = {str(one.threads) for one in cells if one.threads is not None}
    for pattern, known, what in ((_BATCH, batches, "batch"), (_THREADS, threads, "threads")):
        for found in pattern.finditer(text) if known and not _BESIDE.search(text) else ():
            if found[1].lstrip("0") not in known:
                yield timed[0].id, *_measured(found[0], f"{what} {' or '.join(sorted(known))}")
    if len(timed) == len(claims) and not _BESIDE.search(text):
        yield from _machines(text, timed, cells)


def _cells(claims: Sequence[Claim]) -> Iterator[ClaimedCell]:
    for claim in claims:
        yield claim.cell
        if claim.against is not None:
            yield claim.against


def _measured(said: str, right: str) -> tuple[str, str]:
    return f"'{said}' is not what was measured: {right}", "name what the claim was measured with"


def _counted(text: str, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield counts of processes, pairs and the like, and n, that no claim has."""
    known = _known(claims)
    for count, noun, said in _counts(text):
        if known.get(noun) and count not in known[noun]:
            right = " or ".join(str(one) for one in sorted(known[noun]))
            yield claims[0].id, f"'{said}': the claim rests on {right} {noun}", "name its n"
    every = {one for counts in known.values() for one in counts}
    every |= {one.figure.n for one in claims if one.figure.n is not None}
    every |= {one.cell.images for one in claims if one.cell.images is not None}
    for found in _N.finditer(text) if every else ():
        follows = _AFTER.match(text[found.end() : found.end() + 30])
        if _whole(found[1]) not in every and not (follows and known.get(follows["noun"].lower())):
            right = " or ".join(str(one) for one in sorted(every))
            yield claims[0].id, f"'{found[0]}': the claim has n = {right}", "name its n"


def _counts(text: str) -> Iterator[tuple[int, str, str]]:
    for found in _COUNTS.finditer(text):
        yield _whole(found["count"]), found["noun"].lower(), found[0]
    for one in spoken(text):
        follows = _AFTER.match(text[one.end : one.end + 40])
        if follows and not one.times:
            yield (
                int(one.value),
                follows["noun"].lower(),
                f"{text[one.start : one.end]}{follows[0]}",
            )


def _known(claims: Sequence[Claim]) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = {}
    for claim in claims:
        figure = claim.figure
        n = f" {figure.n} {figure.basis}" if figure.n is not None else ""
        for words in (n, figure.basis, claim.sentence, claim.footnote_long):
            for one in _COUNTS.finditer(words):
                found.setdefault(one["noun"].lower(), set()).add(_whole(one["count"]))
    return found


def _whole(text: str) -> int:
    return int(text.replace(",", ""))


def _elsewhere(text: str, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield a runtime or precision that is named in place of the ones measured."""
    if _BESIDE.search(text):
        return
    cells = [*_cells(claims)]
    precisions = {one for cell in cells for one in (cell.precision, cell.ran)}
    runtimes = {RUNTIMES.get(cell.runtime, cell.runtime) for cell in cells}
    for pattern, known in ((_PRECISION, precisions), (_RUNTIME, runtimes)):
        named = [found[0] for found in pattern.finditer(text)]
        if named and not {_squeezed(one) for one in named} & {_squeezed(one) for one in known}:
            yield claims[0].id, *_measured(named[0], " or ".join(sorted(known)))


def _machines(text: str, claims: Sequence[Claim], cells: Sequence[ClaimedCell]) -> Iterator[Fault]:
    """Yield a machine that is none of those measured on."""
    told = [one for cell in cells for one in cell.settings]
    machine = next((one.text for one in told if one.name == "machine"), None)
    words = _squeezed(" ".join([*(one.sentence for one in claims), *(one.text for one in told)]))
    for found in _MACHINES.finditer(text) if machine else ():
        if _squeezed(found[0]) not in words:
            yield claims[0].id, *_measured(found[0], str(machine)[:80])


def _squeezed(text: str) -> str:
    return re.sub(r"\((?:R|TM)\)|[\s®™-]", "", text).lower()
