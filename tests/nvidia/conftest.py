"""What the tests with NVIDIA's wheels share."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchbench.types import ConversionJob, InputShape, Variant
from tests.nvidia import nets

BINDINGS = ("10.16.1.11", "11.4.0.106")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, where NVIDIA's wheels are not installed."""
    here = Path(__file__).parent
    if importlib.util.find_spec("tensorrt_rtx") is not None:
        return
    reason = "tensorrt-rtx is not installed: run 'tox -e nvidia'"
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Built:
    """What a conversion was told to make, and what it recorded."""

    job: ConversionJob
    log: list[str]
    facts: dict[str, Any]


@pytest.fixture
def job(tmp_path: Path) -> Any:
    """Return a function that makes a job for an engine of a precision."""

    def make(precision: Any, shape: InputShape = nets.SHAPE, form: str = "tensorrt-rtx-engine"):
        folder = tmp_path / "artifact"
        folder.mkdir(exist_ok=True)
        log: list[str] = []
        facts: dict[str, Any] = {}
        made = ConversionJob(
            folder=folder,
            input=shape,
            log=log.append,
            target=Variant(format=form, precision=precision),
            record=facts.__setitem__,
        )
        return Built(made, log, facts)

    return make


@pytest.fixture(scope="session", params=BINDINGS)
def bindings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the environment in which a child process can import these TensorRT bindings.

    The bindings are NVIDIA's own wheel; the library below them is a stub built here, enough to
    load. They are kept in the environment's own folder, or below ``BENCHBENCH_NVIDIA_WHEELS``.
    """
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to build the stub library with")
    version = request.param
    root = Path(os.environ.get("BENCHBENCH_NVIDIA_WHEELS", Path(sys.prefix) / "nvidia-wheels"))
    wheel = root / f"bindings-{version}"
    if not (wheel / "tensorrt_bindings").is_dir():
        _download(version, wheel)
    stub = _stub(root / f"stub-{version}", version.partition(".")[0])
    path = os.pathsep.join([str(wheel), str(Path(__file__).parents[2])])
    return {**os.environ, "LD_LIBRARY_PATH": str(stub), "PYTHONPATH": path}


def _download(version: str, wheel: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run(
        [*command, str(wheel), f"tensorrt-cu13-bindings=={version}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        shutil.rmtree(wheel, ignore_errors=True)
        pytest.skip(f"cannot fetch tensorrt-cu13-bindings {version}: {done.stderr[-300:]}")


def _stub(folder: Path, major: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("stub.c")
    for name in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
        target = folder / f"{name}.so.{major}"
        if not target.is_file():
            subprocess.run(
                ["gcc", "-shared", "-fPIC", f"-DMAJOR={major}", "-o", str(target), str(source)],
                check=True,
                timeout=60,
            )
    return folder
