"""What a result says of the machine and the software that it was measured with."""

from __future__ import annotations

import subprocess
from importlib.metadata import version

import pytest

from benchbench import plugins
from benchbench.measure import environment
from benchbench.protocols import Packages

AFTER = ("reports", "exporters", "executors")
MEASURING = [family for family in plugins.FAMILIES if family not in AFTER]


@pytest.mark.parametrize("family", MEASURING)
def test_every_package_that_a_builtin_plugin_uses_is_recorded_when_it_is_installed(family):
    own = [name for name in plugins.names(family) if plugins.is_builtin(family, name)]
    used = {package for name in own for group in needs(family, name) for package in group}
    assert used <= environment.RECORDED


def needs(family: str, name: str) -> Packages:
    kind = plugins.load(family, name)
    by_options = isinstance(getattr(kind, "packages", None), property)
    return getattr(plugins.build(family, {"kind": name}) if by_options else kind, "packages", ())


def test_versions_are_those_that_are_installed(tmp_path):
    found = environment.collect(tmp_path)["packages"]
    assert found["numpy"] == version("numpy")
    assert set(found) <= environment.RECORDED


def test_what_a_run_leaves_untracked_is_no_local_change_and_an_edit_is_one(tmp_path, monkeypatch):
    def git(*words):
        own = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *own, *words], check=True, capture_output=True)

    (tmp_path / "suite.yaml").write_text("a")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / ".benchbench").mkdir()
    (tmp_path / ".benchbench" / "result.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert environment.collect(tmp_path)["git"]["dirty"] is False
    (tmp_path / "suite.yaml").write_text("b")
    assert environment.collect(tmp_path)["git"]["dirty"] is True
