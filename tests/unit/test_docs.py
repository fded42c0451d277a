"""What the documentation says is true of the code: examples run, nothing is left out."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from benchbench import api, plugins, pytest_plugin
from benchbench.inputs import InputContract, Letterbox
from benchbench.plan import make_plan
from benchbench.reports import csv, wording
from benchbench.suite import model as suite_model
from benchbench.suite import takes as suite_takes
from benchbench.suite.load import load_suite
from benchbench.types import Caveat, Failure, Placement, Price
from benchbench.view import CellView, LatencyView, RunView
from tests import tiny

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(text) if found == language]


def words(text: str) -> set[str]:
    """Return what stands in backticks, split where names are listed or given values."""
    code = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    return {word for one in code for word in re.findall(r"[A-Za-z0-9_.-]+", one)}


def section(text: str, heading: str) -> str:
    """Return what stands below *heading* (any level, any case) up to the next of its level."""
    found = re.search(rf"^(#+) {heading}$", text, re.MULTILINE | re.IGNORECASE)
    assert found, heading
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def suites() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        for block in blocks(path.read_text(), "yaml"):
            if block.startswith("benchbench: 1"):
                yield path.name, block


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@pytest.fixture
def linear(tmp_path: Path) -> Iterator[Callable[[np.dtype], Path]]:
    """Install the example of plugins.md; return a function that writes a dataset and a model."""
    text = page("plugins.md")
    project = tomllib.loads(blocks(text, "toml")[0])["project"]
    name, version = project["name"], project["version"]
    site = tmp_path / "site"
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for group, points in project["entry-points"].items():
        lines = [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
        with (info / "entry_points.txt").open("a") as file:
            file.write("\n".join(lines))
    (site / "linear_bench.py").write_text(blocks(text, "python")[0])

    def write(dtype: np.dtype) -> Path:
        folder = tiny.write_dataset(tmp_path / "data")
        bias = np.array([1, 0], dtype)
        np.savez(folder / "linear.npz", weights=np.zeros((3 * 8 * 8, 2), dtype), bias=bias)
        (tmp_path / "linear.yaml").write_text(blocks(text, "yaml")[0])
        return folder

    with tiny.installed(), tiny.installed(site):
        yield write


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    text = path.read_text()
    for target in _LINK.findall(_FENCE.sub("", text)):
        if "://" in target:
            continue
        name, _, fragment = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.is_file(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", linked.read_text()), re.MULTILINE)
            assert fragment in map(anchor, headings), target


def test_the_index_lists_every_page() -> None:
    linked = set(_LINK.findall(page("README.md")))
    assert linked == {path.relative_to(DOCS).as_posix() for path in PAGES} - {"README.md"}


def test_every_suite_in_the_documentation_loads(linear, tmp_path: Path) -> None:
    found = list(suites())
    assert {name for name, _ in found} >= {"suites.md", "plugins.md"}
    for index, (_, block) in enumerate(found):
        path = tmp_path / f"{index}.yaml"
        path.write_text(block)
        declared = "data=x" if "variables:" in block else "title=x"
        assert load_suite(str(path), [declared]).suite.models


def test_the_first_suite_of_the_format_can_be_planned(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    block = blocks(page("suites.md"), "yaml")[0]
    folder = tmp_path / "data"
    tiny.write_split(folder, "validation", 2, 1)
    tiny.write_split(folder, "calibration", 2, 3)
    for split, short in (("validation", "val"), ("calibration", "calib")):
        (folder / split).rename(folder / short)
        text = (
            (folder / f"{split}.json")
            .read_text()
            .replace('"image_id"', '"bbox": [0, 0, 2, 2], "image_id"')
        )
        (folder / f"{short}.json").write_text(text)
    _write_onnx(tmp_path / "detector.onnx")
    (tmp_path / "suite.yaml").write_text(block)
    plan = make_plan(load_suite(str(tmp_path / "suite.yaml")), tmp_path / "cache")
    asked = {(c.cell.runtime, c.cell.precision, c.cell.batch) for c in plan.cells}
    assert ("openvino", "int8", 4) in asked
    assert ("onnxruntime", "int8", 8) not in asked
    assert len(asked) == 2 * 5 - 2 + 1


def _write_onnx(path: Path) -> None:
    """Write the smallest ONNX file: one identity."""
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), str(path))


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (family, name)
        for family in (
            "sources",
            "conversions",
            "runtimes",
            "datasets",
            "decoders",
            "predictions",
            "metrics",
            "meters",
        )
        for name in plugins.names(family)
        if plugins.is_builtin(family, name)
    ],
)
def test_every_plug_in_and_option_is_described(family: str, name: str) -> None:
    known = words(section(page("suites.md"), family))
    assert name in known
    if family == "runtimes":
        known = words(page(f"runtimes/{name}.md"))
    if family == "conversions":
        known |= words(page("quantization.md"))
        known = known.union(*(words(path.read_text()) for path in DOCS.glob("runtimes/*.md")))
    missing = {key for key in plugins.load(family, name).model_fields if key not in known}
    assert not missing, f"{family} {name}: {missing} are not in docs/suites.md, {family}"


@pytest.mark.parametrize("family", plugins.FAMILIES)
def test_every_family_is_described(family: str) -> None:
    assert family in words(page("plugins.md"))


def test_every_report_format_and_its_file_is_named() -> None:
    known = words(page("running.md")) | words(page("ci.md"))
    for name in plugins.names("reports"):
        assert plugins.load("reports", name).file_name in known  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "record",
    [
        suite_model.Suite,
        suite_model.DatasetEntry,
        suite_model.ModelEntry,
        suite_model.GivenEntry,
        suite_model.RuntimeEntry,
        suite_model.Rule,
        suite_model.Extra,
        suite_model.Latency,
        suite_model.Measure,
        suite_model.Calibration,
        suite_takes.Processes,
        suite_takes.Soak,
        suite_takes.Energy,
        suite_takes.ComparisonEntry,
        Price,
        InputContract,
        Letterbox,
    ],
)
def test_every_key_and_choice_of_a_suite_is_described(record: type[BaseModel]) -> None:
    known = words(page("suites.md"))
    for key, field in record.model_fields.items():
        assert key in known, key
        if typing.get_origin(field.annotation) is typing.Literal:
            assert {str(c) for c in typing.get_args(field.annotation)} <= known, key


@pytest.mark.parametrize(
    "record",
    [suite_takes.MultiStream, suite_takes.Server, suite_takes.Offline, suite_takes.Cameras],
)
def test_every_key_of_a_load_scenario_is_described(record: type[BaseModel]) -> None:
    assert not set(record.model_fields) - words(page("load.md"))


@pytest.mark.parametrize("record", [RunView, CellView, LatencyView, Placement, Failure, Caveat])
def test_every_key_of_the_document_is_described(record: type[BaseModel]) -> None:
    missing = set(record.model_fields) - words(page("results.md"))
    assert not missing


def test_the_keys_of_the_real_document_are_described(linear, tmp_path: Path) -> None:
    folder = linear(np.dtype("float32"))
    found = api.run(str(tmp_path / "linear.yaml"), [f"data={folder}"], store=tmp_path / "store")
    known = words(page("results.md"))
    document = found.view.document()
    assert set(document) | set(document["environment"]) <= known
    (cell,) = document["cells"]
    assert set(cell) | set(cell["stages_s"]) - {"finish"} | set(cell["protocol"]) <= known


def test_every_failure_and_caveat_code_is_described() -> None:
    known = words(page("results.md"))
    assert set(wording._FAILURES) | set(wording._CAVEATS) | {"pending"} <= known


def test_every_column_of_the_csv_is_described_in_order() -> None:
    part = page("results.md").partition("## CSV")[2].partition("## Data frames")[0]
    names = [word for word in re.findall(r"`(\w+)`", part) if word in csv.COLUMNS]
    assert list(dict.fromkeys(names)) == list(csv.COLUMNS)


def test_every_metric_is_described() -> None:
    known = words(page("metrics.md"))
    assert {
        name for name in plugins.names("metrics") if plugins.is_builtin("metrics", name)
    } <= known


def test_the_example_plug_in_runs_and_scores(linear, tmp_path: Path) -> None:
    folder = linear(np.dtype("float32"))
    found = api.run(str(tmp_path / "linear.yaml"), [f"data={folder}"], store=tmp_path / "store")
    (cell,) = found.view.cells
    assert cell.status == "measured", cell.failure
    assert cell.metrics["top1"] == 0.75
    assert cell.latency is not None
    assert cell.versions["linear-bench"] == "1.0"


def test_the_example_plug_in_tells_that_it_ran_in_double(linear, tmp_path: Path) -> None:
    folder = linear(np.dtype("float64"))
    found = api.run(str(tmp_path / "linear.yaml"), [f"data={folder}"], store=tmp_path / "store")
    (cell,) = found.view.cells
    assert cell.failure is not None
    assert cell.failure.code == "placement"
    assert "fp64" in cell.failure.message


def test_no_page_names_a_folder_of_somebodys_machine() -> None:
    for path in PAGES:
        assert not re.search(r"(?<![\w$}.~])/(work|root|home|opt|tmp)/", path.read_text()), (
            path.name
        )


def test_every_option_of_the_pytest_plug_in_is_described() -> None:
    source = Path(pytest_plugin.__file__).read_text(encoding="utf-8")
    told = (DOCS / "ci.md").read_text(encoding="utf-8")
    options = set(re.findall(r'"(--benchbench[a-z-]*)"', source))
    assert len(options) == 7
    assert [one for one in options if f"| `{one} " not in told] == []
