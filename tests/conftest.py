"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import tiny


def pytest_configure() -> None:
    """Let ctrl-C reach tests, and give each of several test processes a device lock of its own.

    A shell starts what it puts in the background with ctrl-C ignored, and children inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        folder = Path(tempfile.gettempdir()) / f"benchbench-tests-{os.getuid()}-{worker}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file that has a module's fixture in one of several test processes.

    Not by the marker ``xdist_group``: pytest 9.2 does not read the node ids that it changes.
    """
    if config.getoption("dist", "no") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    @cache
    def shared(file: str) -> bool:
        path = config.rootpath / file
        return path.is_file() and 'scope="module"' in path.read_text(encoding="utf-8")

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if shared(file) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real images, annotations and models, or skip."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BENCHBENCH_TEST_DATA", default))
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"real test data are not at {folder} (set BENCHBENCH_TEST_DATA)")
    return folder


@pytest.fixture
def plugins_path() -> Iterator[None]:
    """Make the test plug-ins known here and in worker processes."""
    with tiny.installed():
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache, store and reports out of tests; the cache is shared by a session."""
    root = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("BENCHBENCH_CACHE", str(root / "cache"))
    monkeypatch.delenv("BENCHBENCH_STORE", raising=False)
