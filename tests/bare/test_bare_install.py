"""What must work with the base install alone. tox runs this where nothing else is installed."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchbench
from tests import tiny

HEAVY = [
    "torch", "torchvision", "timm", "onnx", "onnxruntime", "openvino", "nncf", "cv2",
    "matplotlib", "pandas", "typst", "openpyxl", "docx", "pptx", "mlflow", "pycocotools", "torchmetrics", "safetensors",
]  # fmt: skip
BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ImportError(f"blocked: {{name}}")
sys.meta_path.insert(0, Block())
"""


def python(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK + script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        timeout=120,
    )


def modules() -> list[str]:
    found = pkgutil.walk_packages(benchbench.__path__, "benchbench.")
    torch_files = ("benchbench.zoo.inspection", "benchbench.zoo.train")
    never = ("benchbench.__main__", "benchbench.worker.__main__")
    return [m.name for m in found if m.name not in torch_files + never]


def test_every_module_imports_without_any_optional_package() -> None:
    done = python("".join(f"import {name}\n" for name in modules()) + "print('all')")
    assert done.stdout == "all\n", done.stderr


def test_the_quickstart_plan_names_the_install_command_for_each_absent_runtime(
    tmp_path: Path,
) -> None:
    """Only where they are really absent: in the environment ``bare``."""
    from benchbench.plugins import installed_version

    if installed_version("torch"):
        pytest.skip("torch is installed here; the tox environment 'bare' runs this")
    command = [sys.executable, "-m", "benchbench", "plan", "quickstart", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    cells = json.loads(done.stdout)["cells"]
    assert len(cells) == 12
    assert {cell["state"] for cell in cells} == {"not_run"}
    assert "not installed" in cells[0]["not_run"]


@pytest.mark.usefixtures("plugins_path")
def test_a_run_over_plug_ins_that_need_nothing_works(tmp_path: Path) -> None:
    folder = tiny.write_dataset(tmp_path / "data")
    suite = tiny.write_suite(tmp_path / "suite.yaml", tiny.suite(folder))
    command = [sys.executable, "-m", "benchbench", "run", str(suite)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "top1 0.750" in done.stdout
    (folder,) = (tmp_path / "reports").iterdir()
    assert (folder / "report.md").is_file()
