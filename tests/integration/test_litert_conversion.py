"""From torch to LiteRT by the interpreter of another environment, which a suite names."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.litert import TorchLitert
from benchbench.runtimes.litert import LiteRt
from benchbench.types import ModelFile, Request, Variant
from tests import small_model

NEEDED = Path(__file__).with_name("litert-convert.txt")
# What pip says of a machine that cannot have it: no registry, or no room for its 0.8 GB.
UNAVAILABLE = (
    "No matching distribution",
    "Could not find a version",
    "NewConnectionError",
    "No space left on device",
)


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment over this one: torch is seen from there, litert-torch is not here."""
    for module in ("torch", "ai_edge_litert"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("litert") / "env"
    venv.create(folder, symlinks=True)
    site = folder / "lib" / Path(sysconfig.get_path("purelib")).parent.name / "site-packages"
    (site / "this.pth").write_text(sysconfig.get_path("purelib"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir"]
    unbound = {key: value for key, value in os.environ.items() if key != "PIP_CONSTRAINT"}
    done = subprocess.run(
        [*install, "--target", str(site), "-r", str(NEEDED)],
        capture_output=True, text=True, check=False, env=unbound,
    )  # fmt: skip
    if done.returncode and any(sign in done.stderr for sign in UNAVAILABLE):
        pytest.skip(f"litert-torch cannot be had here: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["torch-module", "pt2"])
def test_torch_and_litert_compute_the_same(form: str, interpreter: Path, tmp_path: Path) -> None:
    model = small_model.torch_file()
    if form == "pt2":
        path = small_model.save_exported(tmp_path / "model.pt2")
        model = ModelFile(Variant(format="pt2"), path=path)
    made = TorchLitert(python=interpreter).convert(model, small_model.job(tmp_path / "out"))
    image = next(small_model.feeds())
    request = Request("fp32", "cpu", 1, small_model.SHAPE)
    with LiteRt().open(ModelFile(Variant(format="tflite"), path=made), request) as session:
        found = inferred(session, image)
        assert session.placement().coverage == {"fp32": 1.0}
    for got, want in zip(found.values(), small_model.reference(image), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-5)


def inferred(session: Any, image: Any) -> Any:
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return session.download(handle)
