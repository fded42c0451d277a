"""OpenCV's DNN module: outputs in the file's order, fp32 alone, and what it ran."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.errors import ModelError, PlacementError
from benchbench.runtimes.opencv import OpenCv
from benchbench.types import InputShape, ModelFile, Request, Variant

cv2 = pytest.importorskip("cv2")
pytest.importorskip("onnx")

ENGINES = ["classic", "new"] if hasattr(cv2.dnn, "ENGINE_NEW") else ["classic"]
ENDS = {"late": [None, 4, 16, 16], "early": [None, 8, 16, 16], "best": [None, 16, 16]}
REQUEST = Request("fp32", "cpu", 1, InputShape((2, 3, 16, 16)))


def image(seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((2, 3, 16, 16)).astype(np.float32)


def write(path: Path, outputs: list[str]) -> ModelFile:
    """Write two convolutions; 'early', 'late' and 'best' lie in this order in the graph."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w1", (8, 3, 3, 3)), ("w2", (4, 8, 1, 1)))
    ]
    nodes = [
        helper.make_node("Conv", ["images", "w1"], ["raw"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["raw"], ["early"], name="relu"),
        helper.make_node("Conv", ["early", "w2"], ["late"], name="conv2"),
        helper.make_node("ArgMax", ["late"], ["best"], name="best", axis=1, keepdims=0),
    ]
    kinds = {"best": TensorProto.INT64}
    ends = [
        helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), ENDS[name])
        for name in outputs
    ]
    start = helper.make_tensor_value_info("images", TensorProto.FLOAT, [None, 3, 16, 16])
    graph = helper.make_graph(nodes, "g", [start], ends, weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return ModelFile(Variant(format="onnx"), path=path)


def expected(model: ModelFile, fed: Any) -> list[Any]:
    from onnx.reference import ReferenceEvaluator

    return list(ReferenceEvaluator(str(model.path)).run(None, {"images": fed}))


def infer(session: Any, fed: Any) -> dict[str, Any]:
    handle = session.upload({"images": fed})
    session.run(handle)
    return dict(session.download(handle))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("outputs", [["late", "early", "best"], ["best", "early"], ["early"]])
def test_outputs_come_in_the_files_order_and_agree_with_onnx(engine, outputs, tmp_path):
    model = write(tmp_path / "m.onnx", outputs)
    with OpenCv(engine=engine).open(model, REQUEST) as session:
        got = infer(session, image())
    assert list(got) == outputs
    for have, want in zip(got.values(), expected(model, image()), strict=True):
        assert have.shape == want.shape
        assert have.dtype == want.dtype
        np.testing.assert_allclose(have, want, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_downloaded_arrays_survive_the_next_run(engine, tmp_path):
    model = write(tmp_path / "m.onnx", ["late", "early"])
    with OpenCv(engine=engine).open(model, REQUEST) as session:
        first = infer(session, image(1))
        kept = {name: array.copy() for name, array in first.items()}
        second = infer(session, image(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        assert not np.array_equal(array, second[name])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_profile_shows_fp32_convolutions_and_the_engine(engine, tmp_path):
    model = write(tmp_path / "m.onnx", ["late", "early"])
    with OpenCv(engine=engine).open(model, REQUEST) as session:
        placement = session.placement()
    assert placement.coverage == {"fp32": 1.0}
    assert placement.precision == "fp32"
    assert placement.evidence == "measured"
    assert placement.details["engine"] == engine
    assert "Conv" in placement.details["layers"]
    assert placement.copies_inside_run


def test_the_threads_asked_for_are_used_and_then_restored(tmp_path):
    model, before = write(tmp_path / "m.onnx", ["late"]), cv2.getNumThreads()
    threads = 2 if before != 2 else 1
    with OpenCv().open(model, replace(REQUEST, threads=threads)) as session:
        assert cv2.getNumThreads() == threads
        assert session.placement().threads == threads
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize(("precision", "told"), [("int8", "124 %"), ("fp16", "FP16 only warns")])
def test_int8_and_fp16_are_refused_with_the_reason(precision, told):
    with pytest.raises(PlacementError, match=told):
        OpenCv().accepts(precision, "cpu")


def test_only_fp32_onnx_is_accepted():
    assert OpenCv().accepts("fp32", "cpu") == (Variant(format="onnx"),)
    assert not OpenCv().accepts("bf16", "cpu")


@pytest.mark.skipif(len(ENGINES) < 2, reason="this OpenCV has one engine")
def test_an_engine_that_the_environment_overrules_is_an_error(tmp_path):
    write(tmp_path / "m.onnx", ["late"])
    code = f"""
from pathlib import Path
from benchbench.errors import PlacementError
from benchbench.runtimes.opencv import OpenCv
from benchbench.types import *
model = ModelFile(Variant(format="onnx"), path=Path({str(tmp_path / "m.onnx")!r}))
try:
    with OpenCv(engine="new").open(model, Request("fp32", "cpu", 1, InputShape((2, 3, 16, 16)))):
        print("opened")
except PlacementError as error:
    print(error.message)
"""
    # OpenCV reads the variable once a process.
    environment = os.environ | {"OPENCV_FORCE_DNN_ENGINE": str(cv2.dnn.ENGINE_CLASSIC)}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout == "asked OpenCV for its new engine, got the classic one\n"


def test_a_truncated_file_and_a_wrong_size_are_told(tmp_path):
    model = write(tmp_path / "m.onnx", ["late"])
    narrow = replace(REQUEST, input=InputShape((2, 3, 16, 8)))
    with pytest.raises(ModelError, match="the model takes 'images'"):
        OpenCv().open(model, narrow).__enter__()
    assert model.path
    model.path.write_bytes(model.path.read_bytes()[:-200])
    with pytest.raises(ModelError, match=r"m\.onnx"):
        OpenCv().open(model, REQUEST).__enter__()
    model.path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"m\.onnx"):
        OpenCv().open(model, REQUEST).__enter__()


def test_an_operation_that_opencv_lacks_is_a_model_error(tmp_path):
    import onnx

    model = write(tmp_path / "m.onnx", ["late"])
    proto = onnx.load(str(model.path))
    proto.graph.node[1].op_type = "Bernoulli"
    onnx.save(proto, str(model.path))
    with pytest.raises(ModelError, match="OpenCV cannot load"):
        OpenCv().open(model, REQUEST).__enter__()
