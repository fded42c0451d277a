"""What the HTML page of a large run costs: CPU seconds of this process, and bytes.

pytest -s --benchmark-enable tests/benchmarks/test_report.py
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchbench.reports.html import Html
from tests.report_fixture import many

pytestmark = pytest.mark.slow
CELLS = 1000
BOUND_S = 10.0


def test_the_page_of_a_thousand_cells_is_written_in_ten_seconds(benchmark: Any) -> None:
    view = many(CELLS)
    Html().render(many(20))  # the templates are compiled once in a process
    took: list[float] = []

    def render() -> bytes:
        began = time.process_time()
        page = Html().render(view)
        took.append(time.process_time() - began)
        return page

    page = benchmark.pedantic(render, rounds=1, iterations=1)
    print(f"{CELLS} cells: {took[0]:.1f} s of CPU time, {len(page) / 1e6:.1f} MB")
    assert took[0] < BOUND_S
