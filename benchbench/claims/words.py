"""Words that say more than a figure shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from benchbench.claims_view import Claim

_UP = re.compile(r"\bup to\b", re.IGNORECASE)
_LIVE = re.compile(r"\breal[- ]time\b", re.IGNORECASE)
_SURE = re.compile(r"\bguarantee[ds]?\b|\balways\b|\bnever (?:more|less|exceeds?)\b", re.IGNORECASE)
_LOSSLESS = re.compile(
    r"\bno (?:measurable |noticeable |visible )?(?:loss|drop|degradation)\b|\bloss-?less(?:ly)?\b"
    r"|\bwithout (?:any )?(?:loss|drop|degradation|losing)\b|\bas accurate as\b"
    r"|\bsame accuracy\b|\bidentical accuracy\b|\bnegligible\b",
    re.IGNORECASE,
)
_ALIKE: dict[str, re.Pattern[str]] = {
    "accuracy": re.compile(
        r"\b(?:same|identical|equal|equivalent|unchanged|unaltered) (?:\w{1,20} ){0,1}?"
        r"(?:accuracy|mAP|mIoU|precision|recall|quality)\b|\b(?:accuracy|mAP|mIoU|quality)"
        r"(?: of \w{1,20})? (?:is|was|stays|remains) (?:\w{1,20} ){0,1}?"
        r"(?:unchanged|unaffected|identical|preserved|retained|the same|equal)\b"
        r"|\bmatch(?:es|ed|ing)? (?:the )?(?:\S{1,20} ){0,2}?(?:accuracy|mAP|mIoU|quality)\b"
        r"|\b(?:retains?|preserves?|maintains?|keeps?) (?:the |its |full |all (?:the |its )?)?"
        r"(?:\S{1,20} )?(?:accuracy|mAP|mIoU|quality)\b|\bas (?:good|precise) as\b",
        re.IGNORECASE,
    ),
    "latency": re.compile(
        r"\b(?:same|identical|equal|unchanged) (?:\w{1,20} ){0,1}?(?:latency|speed|throughput)\b"
        r"|(?<!times )(?<!twice )(?<!thrice )(?<!half )(?<![x×] )(?<!fold )(?<![\dx×] )"
        r"\bas (?:fast|quick) as\b",
        re.IGNORECASE,
    ),
    "any": re.compile(
        r"\b(?:is|are|was|were|stays|remains) (?:\w{1,20} ){0,1}?"
        r"(?:identical|equal|equivalent|unchanged|unaffected|on a par)\b|\bidentical (?:to|with)\b"
        r"|\bmakes? no difference\b|\b(?:there is|with) no difference\b|\bindistinguishable\b",
        re.IGNORECASE,
    ),
}
"""Words that say of two cells that they are alike."""
_MOVED = re.compile(
    r"\bimprov(?:es?|ed|ing|ements?)\b|\b(?:drop|los|degrad|declin|decreas|increas|deteriorat"
    r"|sacrific)(?:e?s|p?ed|p?ing|es?|t)?\b(?! function)|\bfalls?\b|\brises?\b|\bgains?\b"
    r"|\bsurpass(?:es|ed)?\b|\b(?:lower|higher|smaller|larger|greater|less|more|fewer) than\b"
    r"|\bpoints? (?:lower|higher|worse|better|less|more|below|above)\b|\bahead of\b",
    re.IGNORECASE,
)
"""Words that say of two cells that they differ."""
_BOUNDED = re.compile(
    r".{0,24}?(?:less than|at most|no more than|under|below|[<≤])\s?\d", re.IGNORECASE
)
_SIGNIFICANT = re.compile(r"\bsignificant(?:ly)?\b", re.IGNORECASE)
_TIMES_FASTER = re.compile(
    r"\d[\d.,]{0,12}\s?(?:times|x|×|-?fold)\s(?:faster|quicker|slower|more|less|lower|smaller)\b",
    re.IGNORECASE,
)
_BETTER: dict[str, re.Pattern[str]] = {
    "latency": re.compile(
        r"\bfaster\b|\bquicker\b|\bfastest\b|\blower latency\b|\bspeeds? up\b|\bspeed-?up\b"
        r"|\b(?:higher|more) throughput\b",
        re.IGNORECASE,
    ),
    "accuracy": re.compile(
        r"\bmore accurate\b|\bmost accurate\b|\b(?:higher|better) (?:accuracy|mAP|mIoU|precision)\b"
        r"|\bimproves? (?:the )?(?:accuracy|mAP|mIoU)\b",
        re.IGNORECASE,
    ),
    "energy": re.compile(
        r"\bmore efficient\b|\bless (?:energy|power)\b|\blower (?:energy|power)\b"
        r"|\bmore energy-efficient\b|\bsaves? (?:energy|power)\b",
        re.IGNORECASE,
    ),
    "any": re.compile(
        r"\bbetter\b(?! than \d)|\boutperforms?\b|\boutperformed\b|\bsuperior\b|\bbeats?\b",
        re.IGNORECASE,
    ),
}
_WORSE: dict[str, re.Pattern[str]] = {
    "latency": re.compile(r"\bslower\b|\bhigher latency\b", re.IGNORECASE),
    "accuracy": re.compile(r"\bless accurate\b|\blower (?:accuracy|mAP|mIoU)\b", re.IGNORECASE),
    "energy": re.compile(r"\bmore (?:energy|power)\b", re.IGNORECASE),
    "any": re.compile(r"\bworse\b|\binferior\b", re.IGNORECASE),
}
_NOT = re.compile(
    r"\b(?:no|not|nor|never|neither|cannot|without|whether|if)\b|n't\b", re.IGNORECASE
)
_KEYS = ("runtime", "precision", "model", "device", "batch")
Fault = tuple[str, str]


def overstated(text: str, claims: Sequence[Claim]) -> Iterator[Fault]:
    """Yield what *text* says that none of *claims* shows, each with a hint."""
    pairs = [claim for claim in claims if claim.against]
    if (found := _UP.search(text)) and not all(_searched(claim) for claim in claims):
        yield f"'{found[0]}' names the best case, and the claim is of a typical one", _AS_IS
    if (found := _LIVE.search(text)) and not any(_searched(claim) for claim in claims):
        yield (
            f"'{found[0]}' is not shown: no claim here is of a load that was kept in time",
            "claim 'cameras of …' or 'server.rate of …', and name the deadline",
        )
    if (found := _SURE.search(text)) and not _negated(text, found.start()):
        yield f"'{found[0]}': a measurement guarantees nothing", _AS_IS
    yield from _equal(text, pairs)
    yield from _alike(text, pairs)
    yield from _moved(text, pairs)
    yield from _shown(text, pairs)
    yield from _directions(text, claims, pairs)
    if found := _TIMES_FASTER.search(text):
        yield (
            f"'{found[0]}' may be read as two numbers: 2 times faster is twice as fast, or thrice",
            "write 'times as fast', 'times as long' or 'takes … % less time'",
        )


_AS_IS = "write the figure with its interval, as the claim does"


def _searched(claim: Claim) -> bool:
    return claim.quantity in ("cameras", "server.rate")


def _negated(text: str, at: int) -> bool:
    return bool(_NOT.search(text[max(0, at - 26) : at]))


def _equal(text: str, pairs: Sequence[Claim]) -> Iterator[Fault]:
    found = _LOSSLESS.search(text)
    alike = [one for one in pairs if one.figure.outcome == "equivalent"]
    if found is None or any(one.family == "accuracy" for one in alike):
        return
    open_ = [one for one in pairs if one.family == "accuracy"]
    why = "no comparison of accuracy stands here"
    if open_:
        why = f"{open_[0].id} shows no difference, which is not the same as none"
        if open_[0].figure.outcome in ("better", "worse"):
            why = f"{open_[0].id} shows a difference"
    yield f"'{found[0]}' is not shown: {why}", "write 'no difference was shown', with the interval"


def _alike(text: str, pairs: Sequence[Claim]) -> Iterator[Fault]:
    """Yield a word that says that two cells are alike where none of *pairs* shows it."""
    if _LOSSLESS.search(text):
        return
    for family, pattern in _ALIKE.items():
        of = [one for one in pairs if family in ("any", one.family)]
        found = pattern.search(text)
        if found is None or not of or _negated(text, found.start()):
            continue
        if any(one.figure.outcome == "equivalent" for one in of):
            return
        why = f"{of[0].id} shows no difference, which is not the same as none"
        if of[0].figure.outcome in ("better", "worse"):
            why = f"{of[0].id} shows a difference"
        yield f"'{found[0]}' is not shown: {why}", _NONE_SHOWN
        return


_NONE_SHOWN = "write 'no difference was shown', with the interval"


def _moved(text: str, pairs: Sequence[Claim]) -> Iterator[Fault]:
    """Yield a word that says that two cells differ where every pair leaves it open.

    Not where it is bounded: that "it loses less than 1 point" its interval may well show.
    """
    if not pairs or any(one.figure.outcome not in ("inconclusive", "equivalent") for one in pairs):
        return
    for found in _MOVED.finditer(text):
        if _negated(text, found.start()) or _BOUNDED.match(text[found.start() :]):
            continue
        yield f"'{found[0]}' is not shown: {pairs[0].id} shows no difference", _NONE_SHOWN
        return


def _shown(text: str, pairs: Sequence[Claim]) -> Iterator[Fault]:
    found = _SIGNIFICANT.search(text)
    if found is None or _negated(text, found.start()):
        return
    if not any(one.figure.outcome in ("better", "worse") for one in pairs):
        why = "no claim here shows a difference"
        yield f"'{found[0]}' is not shown: {why}", "claim the comparison, or leave the word out"


def _directions(text: str, claims: Sequence[Claim], pairs: Sequence[Claim]) -> Iterator[Fault]:
    """Yield comparing words that no comparison bears out, or that it turns round."""
    for patterns, good in ((_BETTER, True), (_WORSE, False)):
        for family, pattern in patterns.items():
            found = pattern.search(text)
            if found is None or _negated(text, found.start()):
                continue
            fault = _borne_out(text, found[0], family, good, pairs)
            if fault:
                yield fault, _hint(claims)
                return


def _hint(claims: Sequence[Claim]) -> str:
    if any(claim.against for claim in claims):
        return "say what the comparison shows, or that it shows no difference"
    asked = claims[0].asked if claims else "latency.p50 of int8"
    return f"claim the comparison: benchbench claim RUN '{asked} vs …'"


def _borne_out(text: str, word: str, family: str, good: bool, pairs: Sequence[Claim]) -> str | None:
    """Return why no comparison bears *word* out; None where one does."""
    of = [one for one in pairs if family in ("any", one.family)]
    if not of:
        what = "" if family == "any" else f" of {family}"
        return f"'{word}' is not shown: no claim here compares{what and f' figures{what}'}"
    shown = [one for one in of if one.figure.outcome in ("better", "worse")]
    if not shown:
        return f"'{word}' is not shown: {of[0].id} shows no difference"
    if any(_agrees(text, one, good) for one in shown):
        return None
    return f"'{word}' is the wrong way round: {shown[0].id} says that {_says(shown[0])}"


def _agrees(text: str, claim: Claim, good: bool) -> bool:
    """Whether the claim says so of the cell that the sentence names first."""
    better = claim.figure.outcome == "better"
    return (better == good) != _turned_round(text, claim)


def _says(claim: Claim) -> str:
    assert claim.against is not None
    return f"'{claim.cell.label[:60]}' is {claim.figure.outcome} than '{claim.against.label[:60]}'"


def _turned_round(text: str, claim: Claim) -> bool:
    """Whether *text* names the other cell first, by what tells the two apart."""
    assert claim.against is not None
    ours, theirs = [], []
    for key in _KEYS:
        pair = (str(getattr(claim.cell, key)), str(getattr(claim.against, key)))
        if pair[0] != pair[1]:
            ours.append(_place(text, pair[0]))
            theirs.append(_place(text, pair[1]))
    first, second = (min([at for at in side if at >= 0], default=-1) for side in (ours, theirs))
    return 0 <= second < first


def _place(text: str, name: str) -> int:
    return text.lower().replace(" ", "").find(name.lower().replace(" ", ""))
