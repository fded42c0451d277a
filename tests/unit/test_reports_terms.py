"""The words that a report is told with are in its glossary."""

from __future__ import annotations

import re

import pytest

from benchbench.reports import terms
from benchbench.reports.doubts import CAVEATS
from benchbench.reports.markdown import Markdown
from benchbench.reports.summary import summary
from benchbench.reports.wording import chip
from benchbench.types import Caveat
from benchbench.view import RunView, Speedup
from tests import report_fixture as fixture
from tests import report_measured as taken

_SIGNED = {"proxy", "compiled_only"}
"""Every glossary has them."""
_VERDICTS = re.compile(r"\b(?:PASS|FAIL|REGRESSION|INCONCLUSIVE)\b")
_CARE = re.compile(r"(?:every measured cell[^:]*: )?([^;(]+?)(?: \(.*)?\.?$")


def _told(run: RunView) -> str:
    """Return the glossary's words in lower case."""
    return " | ".join(word for word, _ in terms.glossary(run)).casefold()


def _short_words(run: RunView) -> set[str]:
    """Return what "Read with care" names, without the signs, which have words of their own."""
    care = [one.text for one in summary(run) if one.lead == "Read with care:"]
    parts = [part.strip() for text in care for part in text.split("; ")]
    found = {_CARE.sub(r"\1", part).casefold() for part in parts}
    return {word for word in found if not re.match(r"\d+ cells?\b", word)}


@pytest.mark.parametrize("view", [fixture.run(), fixture.varied(), taken.measured()])
def test_every_word_of_read_with_care_and_every_verdict_is_in_the_glossary(view: RunView) -> None:
    told = _told(view)
    words = _short_words(view)
    assert words
    assert [word for word in words if word not in told] == []
    found = set(_VERDICTS.findall(Markdown().render(view).decode()))
    assert [word for word in found if word.casefold() not in told] == []


@pytest.mark.parametrize("code", [*(code for code in CAVEATS if code not in _SIGNED), "moon_phase"])
def test_every_caveat_that_a_cell_carries_is_explained_and_no_other(code: str) -> None:
    cell = fixture.measured(0, "m", "r", "fp32", ap=0.4, p50=4.0)
    name = chip(Caveat(code=code)).casefold()
    with_it, without = (
        {word.casefold(): told for word, told in terms.glossary(fixture.run((one,)))}
        for one in (
            cell.model_copy(update={"caveats": (Caveat(code=code),)}),
            cell.model_copy(update={"caveats": ()}),
        )
    )
    assert len(with_it[name].split()) > 5
    assert name not in without


def test_words_of_what_a_run_has_not_are_left_out() -> None:
    base, cell = (
        fixture.measured(i, "m", "r", p, ap=0.4, p50=4.0) for i, p in enumerate(("fp32", "int8"))
    )
    speed = Speedup(against=base.id, ratio=2.0, low=1.9, high=2.1, method="m", cause="code")
    single = fixture.run((base, cell.model_copy(update={"speedup": speed})))
    assert {"a trend", "canary"} <= set(_told(single).split(" | "))
    rounds = speed.model_copy(update={"rounds": 8, "cause": None})
    several = _told(fixture.run((base, cell.model_copy(update={"speedup": rounds}))))
    assert not {"a trend", "canary", "uneven"} & set(several.split(" | "))


def test_the_spread_of_processes_and_that_of_queries_have_words_of_their_own() -> None:
    told = dict(terms.glossary(taken.measured()))
    text = Markdown().render(taken.measured()).decode()
    assert ("uneven" in text) == ("Uneven" in told)
    view = taken.measured()
    wide = view.cells[0].processes
    assert wide
    wall = wide.wall.model_copy(update={"noisy": True, "cv": 0.08})
    cell = view.cells[0].model_copy(update={"processes": wide.model_copy(update={"wall": wall})})
    again = view.model_copy(update={"cells": (cell, *view.cells[1:])})
    assert "8 % (uneven)" in Markdown().render(again).decode().replace("8.0 %", "8 %")
    assert "Uneven" in dict(terms.glossary(again))
