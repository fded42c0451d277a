"""Makes the small model's files for the contract tests, each once, by the built-in conversions."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchbench import plugins
from benchbench.chains import find_route
from benchbench.errors import MissingDependency
from benchbench.types import ModelFile, Variant
from tests import small_model

MODULE = Variant(format="torch-module")
ONNX = Variant(format="onnx")
CPU_INT8 = Variant(format="onnx", precision="int8", target="cpu")
_SAVED = {"torchscript": small_model.save_torchscript, "pt2": small_model.save_exported}
"""Formats that no conversion writes."""


@cache
def model(variant: Variant) -> ModelFile:
    """Return the small model as *variant*; skip the test if a library for it is absent."""
    if variant == MODULE:
        return small_model.torch_file()
    folder = Path(_root().name) / str(variant).replace(" ", "-")
    if variant.format in _SAVED:
        folder.mkdir()
        path = _SAVED[variant.format](folder / f"model.{variant.format}")
        return ModelFile(variant, path=path)
    conversion, source = last_step(variant)
    job = replace(small_model.job(folder), target=variant)
    try:
        return ModelFile(variant, path=conversion.convert(model(source), job))
    except MissingDependency as error:
        pytest.skip(str(error))


def last_step(variant: Variant) -> tuple[Any, Variant]:
    """Return the conversion that writes *variant*, and what it is written from."""
    built_in = [
        plugins.build("conversions", {"kind": name})
        for name in plugins.names("conversions")
        if plugins.is_builtin("conversions", name)
    ]
    route = find_route([MODULE], [variant], built_in)
    assert route, f"no conversion makes {variant}"
    conversion, source, _ = route.steps[-1]
    return conversion, source


def marks(plugin: Any) -> tuple[Any, ...]:
    """Return what skips the tests of a plug-in whose library is absent, with the reason."""
    try:
        plugins.versions(plugin)
    except MissingDependency as error:
        return (pytest.mark.skip(reason=str(error)),)
    return ()


@cache
def _root() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def clean() -> None:
    """Remove the files."""
    model.cache_clear()
    _root().cleanup()
    _root.cache_clear()
