"""Latency in the words of other tools: each figure and reason stands once, beside its cells."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from benchbench.definitions_view import LatencyFigure
from benchbench.reports.definitions import definitions
from benchbench.view import CellView
from tests import report_fixture as fixture

STATISTICS = ("mean", "median", "min", "max", "p90", "p95", "p97", "p99", "p99.9")


def figure(tool: str, statistic: str, value: float | None, **more) -> LatencyFigure:
    told = {"name": "Latency", "definition": "of a query", "source": "a file"} | more
    return LatencyFigure(tool=tool, statistic=statistic, value=value, **told)


def run(*cells: tuple[LatencyFigure, ...]):
    small = fixture.small()
    measured = next(cell for cell in small.cells if cell.status == "measured")
    made = [
        measured.model_copy(update={"id": str(at), "definitions": own})
        for at, own in enumerate(cells)
    ]
    return small.model_copy(update={"cells": tuple(made)})


def values(found) -> list[tuple[CellView, str, float | None]]:
    return [
        (row.cell, head.text, value.key)
        for table in found.tables
        if table.first == "Cell"
        for row in table.rows
        for head, value in zip(table.heads, row.values, strict=True)
    ]


def test_one_without_any_has_no_section() -> None:
    assert definitions(run((), ())) is None


def test_a_figure_that_no_cell_has_is_a_sentence_and_one_that_a_cell_lacks_has_its_reason() -> None:
    gone = figure("trtexec", "p99", None, reason="too few queries")
    found = definitions(
        run(
            (
                figure("trtexec", "mean", 1.0),
                gone,
                figure("other", "mean", None, reason="no times"),
            ),
            (figure("trtexec", "mean", None, reason="it failed"), gone),
            (figure("lone", "mean", 2.0),),
        )
    )
    assert found
    assert found.lines == (
        (
            "Not formed in any cell: trtexec Latency (p99): too few queries; "
            "other Latency (mean): no times."
        ),
    )
    of_trtexec = next(table for table in found.tables if table.folded == "trtexec")
    assert [head.text for head in of_trtexec.heads] == ["Latency, ms"]
    assert of_trtexec.notes == ("it failed", "the cell has no such figure")
    assert [table.folded for table in found.tables] == ["What each figure is", "trtexec", "lone"]


def test_what_is_taken_in_one_way_is_defined_once() -> None:
    host = [figure("t", name, 1.0, stages=("run",)) for name in ("mean", "median")]
    found = definitions(run((*host, figure("t", "max", 1.0, definition="of all")), tuple(host)))
    assert found
    rows = found.tables[0].rows
    assert [[value.text for value in row.values[:3]] for row in rows] == [
        ["mean, median", "run", "of a query"],
        ["max", "not measured", "of all"],
    ]


@given(
    st.lists(
        st.dictionaries(
            st.tuples(st.sampled_from("abc"), st.sampled_from(STATISTICS), st.sampled_from("xy")),
            st.floats(0.1, 10),
            max_size=20,
        ),
        max_size=4,
    )
)
def test_every_figure_of_every_cell_is_printed_once(told) -> None:
    cells = [
        tuple(figure(tool, kind, value, name=name) for (tool, kind, name), value in own.items())
        for own in told
    ]
    found = definitions(run(*cells))
    printed = Counter(key for *_, key in values(found) if key is not None) if found else Counter()
    assert printed == Counter(value for own in told for value in own.values())
    if found:
        assert all(len(table.heads) <= 8 for table in found.tables)
