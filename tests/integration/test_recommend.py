"""``benchbench recommend`` on a run that was measured: pairs of cells, the command, its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchbench import api
from benchbench.cli import main
from benchbench.quantities import Named
from benchbench.recommending import Question
from benchbench.recommending.drawing import Sampler
from tests import tiny

Recommend = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("plugins_path")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a run of a slow and a quick cell, both with processes, and a dead one."""
    folder = tmp_path_factory.mktemp("recommend")
    data = tiny.suite(
        tiny.write_dataset(folder / "data", images=40),
        runtimes=[
            tiny.faulty("slow", slow_s=0.01),
            tiny.faulty("quick", slow_s=0.002),
            tiny.faulty("bad", fault="segfault"),
        ],
    )
    data["measure"]["processes"] = {"count": 2, "queries": 11, "seconds": 0}
    with tiny.installed():
        path = tiny.write_suite(folder / "suite.yaml", data)
        api.run(str(path), store=folder / "store", cache=folder / "cache")
    return folder / "store"


@pytest.fixture
def recommend(store: Path, capsys: pytest.CaptureFixture[str]) -> Recommend:
    """Return a function that calls the command: its exit code, and what it prints."""

    def called(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["recommend", "latest", "--store", str(store), *arguments])
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return called


def test_the_command_answers_in_words_first_and_lists_what_failed(recommend: Recommend) -> None:
    code, told, errors = recommend("--require", "top1>=0.3", "--minimize", "latency.p50")
    assert (code, errors) == (0, "")
    first = told.splitlines()[0]
    assert first.startswith("Deploy m · quick · fp32: latency.p50 ")
    assert "It is the best within the limit in " in first
    assert "What binds is top1>=0.3: 0.750" in told
    assert "m · bad · fp32: no top1: the cell failed" in told


def test_json_is_one_object_and_the_same_again(recommend: Recommend) -> None:
    asked = ("--require", "latency<=5ms", "--maximize", "top1", "--json")
    first, second = recommend(*asked), recommend(*asked)
    assert first == second
    found = json.loads(first[1])
    labels = {one["cell"]: one["label"] for one in found["candidates"]}
    assert (found["schema"], labels[found["recommended"]]) == (1, "m · quick · fp32")
    assert {"draws", "seed", "p_none", "relaxations", "notes", "binding"} <= set(found)


def test_cells_on_the_same_images_are_drawn_together(store: Path) -> None:
    run = api.find_run("latest", store=store)
    view = api.show("latest", store=store)
    sampler = Sampler(run, {one.cell.id: one for one in run.results()}, 2000, 0)
    slow, quick = (sampler.figure(cell, Named("top1")) for cell in view.cells[:2])
    assert slow.draws is not None
    assert np.array_equal(slow.draws, quick.draws)
    assert slow.draws.mean() == pytest.approx(0.75)
    assert slow.draws.std() == pytest.approx(view.cells[0].intervals["top1"].se, rel=0.01)


def test_equal_cells_share_the_odds_of_accuracy(store: Path) -> None:
    view = api.recommend("latest", Question(maximize=["top1"]), store=store)
    assert [one.p_best for one in view.candidates] == [0.5, 0.5, 0.0]


def test_what_cannot_be_asked_exits_2_with_a_hint(recommend: Recommend) -> None:
    for arguments in (
        ("--minimize", "enrgy"),
        ("--minimize", "size", "--require", "no more than 3 % slower"),
        ("--minimize", "size", "--price", "much"),
        ("--minimize", "size", "--without", "other_lod"),
    ):
        code, told, errors = recommend(*arguments)
        assert (code, told) == (2, "")
        assert " hint: " in errors
