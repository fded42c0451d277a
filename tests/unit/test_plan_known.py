"""A plan finds a thing out once, whatever comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.errors import ModelError
from benchbench.plan.known import Known
from benchbench.suite.load import load_suite
from tests import tiny


@pytest.fixture
def known(tmp_path: Path, plugins_path: None) -> Known:
    data = tiny.suite(tiny.write_dataset(tmp_path / "data"))
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return Known(load_suite(str(path)), tmp_path / "cache")


def test_what_was_found_is_not_looked_for_again(known: Known) -> None:
    asked: list[int] = []

    def find() -> None:
        asked.append(1)

    assert [known.once("key", find) for _ in range(3)] == [None, None, None]
    assert asked == [1]


def test_what_is_broken_is_read_once_and_told_to_everybody_who_asks(known: Known) -> None:
    asked: list[int] = []

    def find() -> int:
        asked.append(1)
        raise ModelError("broken")

    for _ in range(3):
        with pytest.raises(ModelError, match="broken"):
            known.once("key", find)
    assert asked == [1]


def test_another_object_never_gets_the_answer_of_one_that_is_gone(known: Known) -> None:
    """Objects that live one after the other may have the same ``id``."""
    answers = [known.of([number], sum) for number in range(100)]
    assert answers == list(range(100))


def test_equal_objects_are_asked_each(known: Known) -> None:
    first, second = [1], [1]
    assert known.of(first, id) != known.of(second, id)
    assert known.of(first, id) == id(first)


def test_an_error_of_a_model_points_at_the_key_that_is_wrong(known: Known) -> None:
    (model,) = known.loaded.suite.models
    error = known.model_error(model, "bad", "decoder", hint="mend it")
    assert error.hint == "mend it"
    assert error.place is not None
    line = known.loaded.document.text.splitlines()[(error.place.line or 0) - 1]
    assert line.strip().startswith("decoder:")
