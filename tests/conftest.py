"""Fixtures that several test modules share."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import PLUGINS


def pytest_configure() -> None:
    """Give each of several test processes a device lock of its own: one process a machine has one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        folder = Path(tempfile.gettempdir()) / f"benchbench-tests-{os.getuid()}-{worker}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a module's fixture in one of several test processes."""
    for item in items:
        known = getattr(item, "_fixtureinfo", None)
        found = known.name2fixturedefs.values() if known else ()
        if any(one.scope == "module" for definitions in found for one in definitions):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real images, annotations and models, or skip."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BENCHBENCH_TEST_DATA", default))
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip(f"real test data are not at {folder} (set BENCHBENCH_TEST_DATA)")
    return folder


@pytest.fixture
def plugins_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the test plug-ins known here and in worker processes."""
    from benchbench import plugins
    from benchbench.suite import model

    def forget() -> None:
        importlib.invalidate_caches()
        for cached in (plugins._points, plugins.load, plugins.tagged, plugins.union):
            cached.cache_clear()
        for cached in (model.suite_type, model.card_type):
            cached.cache_clear()

    monkeypatch.syspath_prepend(str(PLUGINS))
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS), prepend=os.pathsep)
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache, store and reports out of tests; the cache is shared by a session."""
    root = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("BENCHBENCH_CACHE", str(root / "cache"))
    monkeypatch.delenv("BENCHBENCH_STORE", raising=False)
