"""``pytest --benchbench``: one item a limit and cell; planned without measuring, measured once."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from typing import Any

import pytest

from benchbench.store import Store
from tests import tiny

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plugins_path")

HOLDS, BROKEN = "top1 >= 0.5 on these images", "top1 >= 0.9 on these images"
OPEN = "latency.p50 <= 100 ms"
CELL = "m · a · fp32"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return a folder with a tiny data set and a test of its own."""
    if "benchbench" not in entry_points(group="pytest11").names:
        monkeypatch.setenv("PYTEST_PLUGINS", "benchbench.pytest_plugin")
    tiny.write_dataset(pytester.path / "data")
    pytester.makepyfile(test_own="def test_own(): pass")
    return pytester


def write(project: pytest.Pytester, *gates: Any, **changes: Any) -> None:
    asked = {"runtimes": [tiny.faulty("a")], "gates": list(gates)} | changes
    tiny.write_suite(project.path / "suite.yaml", tiny.suite(project.path / "data", **asked))


def invocations(project: pytest.Pytester) -> list[int]:
    """Return how often each stored run was asked for."""
    runs = Store(project.path / ".benchbench").runs()
    return [len(list((run.folder / "invocations").iterdir())) for run in runs]


def test_each_limit_of_each_cell_passes_or_fails_with_its_figures(
    project: pytest.Pytester,
) -> None:
    write(project, HOLDS, {"limit": BROKEN, "name": "aim high"}, OPEN)
    done = project.runpytest_subprocess(
        "--benchbench", "suite.yaml", "--junitxml", "out.xml", "-p", "no:cacheprovider"
    )
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines(
        [
            f"*_ limit aim high · {CELL} _*",
            f"FAIL  {BROKEN}  ({CELL})",
            "    top1 is 0.750 (these 4 images); it has to be at least 0.900",
            "    */suite.yaml:*",
            f"INCONCLUSIVE  {OPEN}  ({CELL})",
            "*one process*",
            "    hint: *--processes*",
        ]
    )
    assert "Traceback" not in done.stdout.str()
    assert "pytest_plugin.py" not in done.stdout.str()
    cases = {one.get("name"): one for one in ET.parse(project.path / "out.xml").iter("testcase")}
    broken = cases[f"aim high · {CELL}"]
    assert "it has to be at least 0.900" in broken.find("failure").get("message")
    facts = {one.get("name"): one.get("value") for one in broken.iter("property")}
    assert (facts["benchbench.outcome"], facts["benchbench.value"]) == ("fail", "0.75")


def test_collecting_measures_nothing_and_names_are_stable(project: pytest.Pytester) -> None:
    write(project, HOLDS, {"limit": OPEN, "where": {"runtime": "b"}}, OPEN,
          runtimes=[tiny.faulty("a"), tiny.faulty("b")])  # fmt: skip
    done = project.runpytest_subprocess("--benchbench", "suite.yaml", "--collect-only", "-q")
    found = [line for line in done.outlines if "suite.yaml::" in line]
    assert found == [
        f"suite.yaml::{HOLDS} · m · a · fp32",
        f"suite.yaml::{HOLDS} · m · b · fp32",
        f"suite.yaml::{OPEN} · m · b · fp32",
        f"suite.yaml::{OPEN} · m · a · fp32",
        f"suite.yaml::{OPEN} · m · b · fp32 (2)",
    ]
    assert not (project.path / ".benchbench").exists()
    again = project.runpytest_subprocess(
        "--benchbench", "suite.yaml", "--collect-only", "-q", ".", "suite.yaml"
    )
    assert [line for line in again.outlines if "suite.yaml::" in line] == found


def test_items_are_chosen_by_keyword_path_and_node_id(project: pytest.Pytester) -> None:
    write(project, HOLDS, BROKEN)
    asked = ("--benchbench", "suite.yaml", "--collect-only", "-q")
    by_keyword = project.runpytest_subprocess(*asked, "-k", "0.9 and not own")
    by_path = project.runpytest_subprocess(*asked, "suite.yaml")
    by_id = project.runpytest_subprocess(*asked, f"suite.yaml::{HOLDS} · {CELL}")
    items = [
        [line for line in one.outlines if "::" in line] for one in (by_keyword, by_path, by_id)
    ]
    names = [f"suite.yaml::{limit} · {CELL}" for limit in (HOLDS, BROKEN)]
    assert items == [names[1:], names, names[:1]]


def test_an_undecided_limit_is_skipped_where_that_is_asked_and_a_stored_run_is_not_measured(
    project: pytest.Pytester,
) -> None:
    write(project, HOLDS, OPEN, {"limit": "no more than 50 % slower", "against": {"runtime": "a"}},
          runtimes=[tiny.faulty("a"), tiny.faulty("b")])  # fmt: skip
    options = ("--benchbench", "suite.yaml", "suite.yaml", "-rs")
    options += ("--benchbench-on-inconclusive", "pass")
    done = project.runpytest_subprocess(*options, "--benchbench-store", ".benchbench")
    done.assert_outcomes(passed=2, skipped=4)
    done.stdout.fnmatch_lines(["*another task, or its own baseline*"])
    before = invocations(project)
    stored = project.runpytest_subprocess(*options, "--benchbench-run", "latest")
    stored.assert_outcomes(passed=2, skipped=4)
    assert invocations(project) == before == [1]


def test_several_processes_of_pytest_measure_the_suite_once(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    write(project, HOLDS, BROKEN, "top1 >= 0.6 on these images", "memory <= 8 GB")
    done = project.runpytest_subprocess("--benchbench", "suite.yaml", "-n", "2", "-v")
    done.assert_outcomes(passed=4, failed=1)
    workers = {
        line.split("]")[0] for line in done.outlines if "suite.yaml::" in line and "[gw" in line
    }
    assert len(workers) == 1
    assert invocations(project) == [1]


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        (["top1 => 0.5"], "*suite.yaml:*: 'top1 => 0.5': an operator is missing*"),
        ([], "*sets no limits*"),
        ([{"limit": HOLDS, "where": {"runtime": "zzz"}}], "*this limit picks no cell*"),
    ],
)
def test_a_wrong_suite_is_told_without_a_traceback(
    project: pytest.Pytester, gates: list[Any], told: str
) -> None:
    write(project, *gates)
    done = project.runpytest_subprocess("--benchbench", "suite.yaml")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines([told])
    assert "Traceback" not in done.stdout.str()
    assert not (project.path / ".benchbench").exists()


def test_a_suite_that_is_not_there_is_told(project: pytest.Pytester) -> None:
    done = project.runpytest_subprocess("--benchbench", "none.yaml")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--benchbench: no suite at none.yaml*"])


def test_what_fails_while_measuring_fails_every_item_with_its_message(
    project: pytest.Pytester,
) -> None:
    write(project, HOLDS, "no more than 5 % slower than nightly")
    done = project.runpytest_subprocess("--benchbench", "suite.yaml", "suite.yaml")
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*nightly*", "*hint: *"])
    assert "Traceback" not in done.stdout.str()
    assert "pytest_plugin.py" not in done.stdout.str()


def test_hostile_names_do_no_harm(project: pytest.Pytester) -> None:
    write(project, {"limit": HOLDS, "name": "<script>::[x]\u202e ☃ ../.. =cmd|'x'"})
    done = project.runpytest_subprocess(
        "--benchbench", "suite.yaml", "--junitxml", "out.xml", "suite.yaml"
    )
    done.assert_outcomes(passed=1)
    (case,) = ET.parse(project.path / "out.xml").iter("testcase")
    assert case.get("name") == f"<script>:(x)� ☃ ../.. =cmd|'x' · {CELL}"


def test_without_the_option_nothing_of_benchbench_is_loaded(project: pytest.Pytester) -> None:
    write(project, HOLDS)
    project.makepyfile(
        test_own="""
        import sys

        def test_own():
            mine = {name for name in sys.modules if name.split(".")[0] in ("benchbench", "numpy", "pydantic")}
            assert mine <= {"benchbench", "benchbench.pytest_plugin"}
        """
    )
    done = project.runpytest_subprocess("-p", "no:hypothesispytest")
    done.assert_outcomes(passed=1)
    assert json.dumps(done.outlines).count("suite.yaml::") == 0
