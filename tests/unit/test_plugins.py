"""Plug-ins are found by name; what cannot be loaded says why."""

from __future__ import annotations

import pytest

from benchbench import plugins
from benchbench.errors import MissingDependency, PluginError


def test_every_built_in_loads_and_declares_what_it_needs() -> None:
    for family in plugins.FAMILIES:
        assert plugins.names(family), family
        for name in plugins.names(family):
            found = plugins.load(family, name)
            assert isinstance(found.packages, tuple | property)  # type: ignore[attr-defined]
            assert isinstance(found.extra, str)  # type: ignore[attr-defined]
            assert plugins.is_builtin(family, name)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(PluginError, match="did you mean 'onnxruntime'"):
        plugins.load("runtimes", "onnxrutime")


def test_options_are_checked_when_a_plug_in_is_built() -> None:
    with pytest.raises(PluginError, match="bad options for runtime 'torch'"):
        plugins.build("runtimes", {"kind": "torch", "no_such_option": 1})


def test_own_fields_leave_out_what_the_suite_added() -> None:
    from benchbench.suite.model import RuntimeEntry

    made = plugins.tagged("runtimes", "torch", RuntimeEntry).model_validate(
        {"kind": "torch", "name": "x", "threads": 3}
    )
    fields = plugins.own_fields(made, "runtimes")
    assert fields["kind"] == "torch"
    assert "name" not in fields
    assert plugins.build("runtimes", fields).kind == "torch"


@pytest.mark.usefixtures("plugins_path")
def test_a_missing_package_names_the_extra_to_install() -> None:
    absent = plugins.build("runtimes", {"kind": "bbtest-absent"})
    with pytest.raises(MissingDependency, match=r"pip install 'benchbench\[absent\]'"):
        plugins.versions(absent)


@pytest.mark.usefixtures("plugins_path")
def test_a_plug_in_of_somebody_else_does_not_take_a_built_ins_name() -> None:
    assert not plugins.is_builtin("runtimes", "bbtest-faulty")
    assert plugins.is_builtin("runtimes", "torch")


@pytest.mark.usefixtures("plugins_path")
def test_one_broken_plug_in_does_not_spoil_the_family() -> None:
    with pytest.raises(PluginError, match="cannot be loaded: ModuleNotFoundError"):
        plugins.load("runtimes", "bbtest-broken")
    assert plugins.union("runtimes") is not None
