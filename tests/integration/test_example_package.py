"""A third party's runtime, from pip to a measured suite: the package of tests/example_runtime."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("onnx")

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_runtime"
PAGE = ROOT / "docs" / "writing-a-runtime.md"


def python(*arguments: object, cwd: Path, site: Path) -> subprocess.CompletedProcess[str]:
    inherited = os.environ.get("PYTHONPATH", "")
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), inherited]))},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package, so that a build leaves nothing behind in the checkout."""
    skipped = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    where = tmp_path_factory.mktemp("example") / "package"
    return Path(shutil.copytree(EXAMPLE, where, ignore=skipped))


@pytest.fixture(scope="module")
def site(folder: Path) -> Path:
    """Install the package with pip, offline, into a folder of its own."""
    pytest.importorskip("hatchling")
    pytest.importorskip("pip")
    target = folder.parent / "site"
    alone = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = python(
        "-m", "pip", "install", "--quiet", *alone, "--target", target, folder,
        cwd=folder, site=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Write an ONNX classifier and a suite of six images of the generated inspection line."""
    from onnx import TensorProto, helper, numpy_helper, save

    from benchbench.datasets.inspection_line import CONDITIONS

    count = len(CONDITIONS)
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 32, 32]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", count]),
    ]
    filters = np.random.default_rng(0).standard_normal((count, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "filters"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
        helper.make_node("Flatten", ["means"], ["scores"]),
    ]
    kept = [numpy_helper.from_array(filters, "filters")]
    graph = helper.make_graph(nodes, "classifier", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    save(model, str(tmp_path / "classifier.onnx"))
    document = {
        "benchbench": 1,
        "name": "third-party",
        "datasets": [
            {
                "name": "line",
                "source": {"kind": "inspection-line", "counts": {"validation": 6}},
                "calibration": None,
            }
        ],
        "models": [
            {
                "name": "classifier",
                "source": {"kind": "file", "path": str(tmp_path / "classifier.onnx")},
                "input": {"size": [32, 32], "color": "RGB", "resize": "stretch", "scale": "1/255"},
                "decoder": "classification",
            }
        ],
        "runtimes": [{"kind": "onnx-reference", "verbose": 1}],
        "measure": {
            "latency": {"warmup": 1, "warmup_s": 0, "queries": 10, "seconds": 0, "inputs": 2}
        },
    }
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_suite_runs_on_the_installed_package(suite: Path, site: Path) -> None:
    run = ["-m", "benchbench", "run", suite, "--json", "--no-report"]
    done = python(*run, cwd=suite.parent, site=site)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert cell["status"] == "measured", cell["failure"]
    assert cell["runtime"] == "onnx-reference"
    assert cell["placement"]["coverage"] == {"fp32": 1.0}
    assert cell["placement"]["source"] == "dtypes of the computed tensors"
    assert cell["latency"]["queries"] == 10
    assert cell["versions"]["onnx-reference-bench"] == "1.0"
    assert cell["metrics"]["top1"] is not None


def test_its_own_contract_tests_pass(folder: Path, site: Path) -> None:
    run = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"]
    done = python(*run, cwd=folder, site=site)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_doctor_finds_it_usable(site: Path, tmp_path: Path) -> None:
    run = ["-m", "benchbench", "doctor", "onnx-reference", "--json"]
    done = python(*run, cwd=tmp_path, site=site)
    assert done.returncode in (0, 3), done.stderr  # 3 if packages of this machine are in a mess
    (found,) = json.loads(done.stdout)["runtimes"]
    assert found["state"] == "usable"
    assert found["devices"] == [
        {"name": "cpu", "chip": None, "precisions": ["fp32"], "absent": None}
    ]
    assert found["versions"]["onnx-reference-bench"] == "1.0"


def blocks(language: str) -> list[str]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return fence.findall(PAGE.read_text())


def test_the_code_on_the_page_is_the_packages() -> None:
    runtime, contract = blocks("python")[:2]
    assert runtime == (EXAMPLE / "src" / "onnx_reference_bench.py").read_text()
    assert contract == (EXAMPLE / "tests" / "contract_onnx_reference.py").read_text()
    assert blocks("toml")[0] == (EXAMPLE / "pyproject.toml").read_text()


def test_the_package_declares_what_its_code_needs() -> None:
    project: dict[str, Any] = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["benchbench.runtimes"]
    assert points == {"onnx-reference": "onnx_reference_bench:OnnxReference"}
