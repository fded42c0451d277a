"""Quantization for ONNX Runtime and for OpenVINO."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchbench.conversions.graphs import quantized, tail
from benchbench.conversions.onnx_int8 import OnnxInt8
from benchbench.conversions.openvino_int8 import OpenVinoInt8
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import CalibrationError, ConversionError, ModelError
from benchbench.types import ModelFile, Variant
from tests import small_model

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
ort = pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")

BOTH = pytest.mark.parametrize("conversion", [OnnxInt8(), OpenVinoInt8()], ids=["onnx", "openvino"])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    job = small_model.job(tmp_path_factory.mktemp("float"))
    return ModelFile(
        Variant(format="onnx"), path=TorchOnnx().convert(small_model.torch_file(), job)
    )


def outputs(path):
    image = next(small_model.feeds())
    if path.suffix == ".onnx":
        return ort.InferenceSession(str(path)).run(None, {"images": image})
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(compiled([image]).values())


@BOTH
def test_int8_differs_from_fp32_but_points_the_same_way(conversion, source, tmp_path):
    got = outputs(conversion.convert(source, small_model.job(tmp_path)))
    for one, want in zip(got, small_model.reference(next(small_model.feeds())), strict=True):
        assert one.shape == want.shape
        assert not np.allclose(one, want, atol=1e-6)
        assert small_model.cosine(one, want) > 0.99


@BOTH
def test_two_conversions_compute_the_same_numbers(conversion, source, tmp_path):
    first, second = (
        outputs(conversion.convert(source, small_model.job(tmp_path / name))) for name in "ab"
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_onnx_conversions_give_the_same_bytes(source, tmp_path):
    first, second = (
        OnnxInt8().convert(source, small_model.job(tmp_path / name)).read_bytes() for name in "ab"
    )
    assert first == second


@BOTH
def test_only_the_artifact_stays_and_nothing_is_printed(
    conversion, source, tmp_path, capfd, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    log: list[str] = []
    job = small_model.job(tmp_path / "job", log)
    main = conversion.convert(source, job)
    assert main.parent == job.folder
    wanted = {"model.onnx"} if main.suffix == ".onnx" else {"model.xml", "model.bin"}
    assert {one.name for one in job.folder.iterdir()} == wanted
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert log


@BOTH
@pytest.mark.parametrize("feeds", [None, lambda: iter(())], ids=["none", "empty"])
def test_without_calibration_images_there_is_an_error(conversion, feeds, source, tmp_path):
    with pytest.raises(CalibrationError, match="no calibration images"):
        conversion.convert(source, replace(small_model.job(tmp_path), feeds=feeds))


@BOTH
def test_a_truncated_model_is_an_error_that_names_it(conversion, source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(source.path.read_bytes()[:3000])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        conversion.convert(replace(source, path=broken), small_model.job(tmp_path / "job"))


@BOTH
def test_calibration_images_of_another_size_are_an_error(conversion, source, tmp_path):
    job = replace(small_model.job(tmp_path), feeds=lambda: iter([np.zeros((1, 3, 8, 8), "f4")]))
    with pytest.raises(ConversionError, match="failed"):
        conversion.convert(source, job)


@BOTH
def test_an_exclusion_that_matches_nothing_is_an_error(conversion, source, tmp_path):
    with pytest.raises(ConversionError, match="matches no node"):
        conversion.model_copy(update={"exclude": ("nope*",)}).convert(
            source, small_model.job(tmp_path)
        )


def test_excluded_openvino_nodes_stay_in_float(source, tmp_path):
    everything, less = (
        OpenVinoInt8(exclude=exclude).convert(source, small_model.job(tmp_path / name))
        for name, exclude in (("a", ()), ("b", ("node_conv2d_1*",)))
    )
    counts = [
        [op.get_type_name() for op in openvino.Core().read_model(path).get_ops()].count(
            "FakeQuantize"
        )
        for path in (everything, less)
    ]
    assert counts[1] < counts[0]


def test_every_convolution_is_quantized_and_the_tail_is_not(source, tmp_path):
    log: list[str] = []
    graph = onnx.load(OnnxInt8().convert(source, small_model.job(tmp_path, log))).graph
    assert quantized(graph) == (4, 4)
    assert any(line.startswith("4 of 4 convolutions") for line in log)
    dequantized = {one.output[0] for one in graph.node if one.op_type == "DequantizeLinear"}
    (sigmoid,) = (one for one in graph.node if one.op_type == "Sigmoid")
    assert sigmoid.input[0] in dequantized
    consumers = [one.op_type for one in graph.node if sigmoid.output[0] in one.input]
    assert consumers == ["Reshape"]


def test_the_tail_ends_at_the_last_convolution_of_each_output(source):
    graph = onnx.load(source.path).graph
    kinds = {one.name: one.op_type for one in graph.node}
    found = sorted(kinds[name] for name in tail(graph))
    assert found == ["Reshape", "Reshape", "Sigmoid", "Transpose", "Transpose"]


def test_the_methods_choose_different_ranges(source, tmp_path):
    files = {
        method: OnnxInt8(method=method, percentile=99).convert(
            source, small_model.job(tmp_path / method)
        )
        for method in ("minmax", "entropy", "percentile")
    }
    assert len({path.read_bytes() for path in files.values()}) >= 2
    for path in files.values():
        for one, want in zip(
            outputs(path), small_model.reference(next(small_model.feeds())), strict=True
        ):
            assert small_model.cosine(one, want) > 0.95


def test_minmax_ranges_cover_every_image_though_read_one_at_a_time(source, tmp_path):
    def scales(feeds):
        job = replace(small_model.job(tmp_path / str(len(feeds))), feeds=lambda: iter(feeds))
        graph = onnx.load(OnnxInt8().convert(source, job)).graph
        (scale,) = (one for one in graph.initializer if one.name == "images_scale")
        return float(onnx.numpy_helper.to_array(scale))

    small = next(small_model.feeds())
    assert scales([small, small * 10]) == pytest.approx(10 * scales([small]), rel=1e-5)
    assert scales([small * 10, small, small]) == pytest.approx(10 * scales([small]), rel=1e-5)


def test_a_model_without_convolutions_is_an_error(tmp_path):
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["images"], ["y"], name="relu")],
        "g",
        [onnx.helper.make_tensor_value_info("images", kind, [1, 3, 64, 64])],
        [onnx.helper.make_tensor_value_info("y", kind, [1, 3, 64, 64])],
    )
    opset = [onnx.helper.make_opsetid("", 20)]
    path = tmp_path / "relu.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    file = ModelFile(Variant(format="onnx"), path=path)
    with pytest.raises(ConversionError, match="none of the 0"):
        OnnxInt8().convert(file, small_model.job(tmp_path / "job"))


def test_nncfs_logger_is_as_it_was_afterwards(source, tmp_path):
    import nncf  # noqa: F401

    logger = logging.getLogger("nncf")
    before = (list(logger.handlers), logger.propagate)
    OpenVinoInt8().convert(source, small_model.job(tmp_path))
    assert (list(logger.handlers), logger.propagate) == before


_CHILD = """
import sys
from pathlib import Path
from benchbench.conversions.openvino_int8 import OpenVinoInt8
from benchbench.runtimes.openvino import OpenVino
from benchbench.types import ModelFile, Request, Variant
from tests import small_model
source = ModelFile(Variant(format="onnx"), path=Path(sys.argv[1]))
with OpenVino().open(source, Request("fp32", "cpu", 1, small_model.SHAPE)):
    pass
OpenVinoInt8().convert(source, small_model.job(Path(sys.argv[2])))
"""


def test_neither_openvino_nor_nncf_writes_a_telemetry_id_into_the_home_folder(source, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", _CHILD, str(source.path), str(tmp_path / "job")],
        env=os.environ | {"HOME": str(home), "PYTHONPATH": str(root)},
        check=True,
        timeout=120,
    )
    assert [one.name for one in home.iterdir() if one.name != ".cache"] == []
