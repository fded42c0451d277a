"""The two counters of pixels: equal to each other and to numpy, at every width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchbench.metrics import confusion as counters
from benchbench.metrics.confusion import confusion, count_compiled, counter_for

COUNTERS = [confusion, count_compiled]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 256),
    st.integers(0, 9),
    st.integers(0, 40),
    st.sampled_from([None, 0, 255]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@example(255, 1, 40, 255, False, 0)  # the widest map that holds void
@example(256, 2, 31, None, True, 0)  # void as a class of its own beside 255 classes
def test_both_counters_count_as_numpy_does(
    classes: int, height: int, width: int, void: int | None, smooth: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, height, width)
    truth, labels = rng.integers(0, classes, (2, height, 1) if smooth else shape).astype(np.uint8)
    truth, labels = (np.broadcast_to(one, (height, width)) for one in (truth, labels))
    if void is not None:
        truth = np.where(rng.random(truth.shape) < 0.3, np.uint8(void), truth)
    expected = np.zeros((classes, classes), np.int64)
    kept = np.ones(truth.shape, bool) if void is None else truth != void
    np.add.at(expected, (truth[kept], labels[kept]), 1)
    for counter in COUNTERS:
        found = counter(truth, labels, classes, void)
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)


def test_a_small_cell_is_counted_without_compiling() -> None:
    assert counter_for(10_000_000) is confusion
    assert counter_for(counters.COMPILED_FROM_PX) is count_compiled


def test_maps_that_are_not_contiguous_are_counted() -> None:
    both = np.arange(160, dtype=np.uint8).reshape(2, 8, 10) % 5
    truth, labels = both[:, ::2, ::-3]
    first, second = (counter(truth, labels, 5) for counter in COUNTERS)
    assert np.array_equal(first, second)
    assert first.sum() == truth.size


def test_importing_the_evaluator_does_not_import_numba() -> None:
    import subprocess
    import sys

    code = (
        "import sys, numpy; from benchbench.metrics import semantic, confusion;"
        "one = numpy.zeros((9, 9), numpy.uint8); confusion.counter_for(81)(one, one, 2, None);"
        "print(*[m for m in ('numba', 'scipy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("counter", COUNTERS)
def test_no_pixels_give_zeros(counter) -> None:
    none = np.zeros((0, 4), np.uint8)
    assert counter(none, none, 3).tolist() == [[0, 0, 0]] * 3
