"""From an onnx file to a row that says 'compiled only', with the real library."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench import cuda
from benchbench.conversions.tensorrt_rtx_engine import TensorRtRtxEngine
from benchbench.errors import CompiledOnly, ModelError
from benchbench.runtimes.tensorrt_rtx import TensorRtRtx
from benchbench.types import ModelFile, Placement, Request, Variant
from tests.nvidia import nets


@pytest.fixture
def engine(job, tmp_path: Path) -> ModelFile:
    made = job("int8")
    path = nets.quantized(tmp_path / "net.onnx", "tensorrt", only="ab")
    built = TensorRtRtxEngine().convert(nets.file(path, "int8", "tensorrt"), made.job)
    return ModelFile(Variant(format="tensorrt-rtx-engine", precision="int8"), path=built)


def test_what_was_built_is_what_the_row_tells(engine):
    if cuda.absent("cuda") is None:
        pytest.skip("there is a GPU here, which would run it")
    assert engine.variant in TensorRtRtx().accepts("int8", "cuda")
    with (
        pytest.raises(CompiledOnly) as caught,
        TensorRtRtx().open(engine, Request("int8", "cuda", 1, nets.SHAPE)),
    ):
        pass
    placement = caught.value.placement
    assert isinstance(placement, Placement)
    assert placement.coverage == {"int8": 0.6667, "fp32": 0.3333}
    assert placement.precision == "mixed"
    assert placement.details["built_with"] == "1.7.1"


def test_an_engine_of_another_major_version_is_refused(engine):
    data = bytearray(engine.path.read_bytes())
    data[24] = 2
    engine.path.write_bytes(data)
    with (
        pytest.raises(ModelError, match=r"built with version 2\.7\.1, and 1\.7"),
        TensorRtRtx().open(engine, Request("int8", "cuda", 1, nets.SHAPE)),
    ):
        pass


def test_the_checkup_tells_the_version_and_that_no_gpu_is_here():
    found = {one.level: one.message for one in TensorRtRtx().checkup()}
    assert found["ok"].startswith(("tensorrt-rtx 1.", "cuda: "))
    if cuda.absent("cuda"):
        assert "NVIDIA driver" in found["warning"]
