"""Calibration of ONNX models, and the int8 forms that are made of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchbench.chains import find_route
from benchbench.conversions.graphs import quantized, tail, unsigned_or_biased
from benchbench.conversions.onnx_calibrate import (
    BINS,
    CALIBRATED,
    OnnxCalibrate,
    entropy_limit,
    percentile_limit,
    read_ranges,
)
from benchbench.conversions.onnx_int8 import OnnxInt8
from benchbench.conversions.onnx_int8_tensorrt import OnnxInt8Tensorrt
from benchbench.conversions.openvino_int8 import OpenVinoInt8
from benchbench.conversions.openvino_ir import OpenVinoIr
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import CalibrationError, ConversionError, ModelError
from benchbench.runtimes.openvino import OpenVino
from benchbench.types import ModelFile, Variant
from tests import small_model

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
ort = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[2]
FP32 = Variant(format="onnx")
FORMS = pytest.mark.parametrize("form", [OnnxInt8(), OnnxInt8Tensorrt()], ids=["cpu", "tensorrt"])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    job = small_model.job(tmp_path_factory.mktemp("float"))
    return ModelFile(FP32, path=TorchOnnx().convert(small_model.torch_file(), job))


@pytest.fixture(scope="module")
def calibrated(source, tmp_path_factory):
    return calibrate(source, tmp_path_factory.mktemp("calibrated"))


def calibrate(source, folder, feeds=small_model.feeds, **options):
    job = replace(small_model.job(folder), feeds=feeds)
    return ModelFile(CALIBRATED, path=OnnxCalibrate(**options).convert(source, job))


def outputs(path):
    image = next(small_model.feeds())
    return ort.InferenceSession(str(path)).run(None, {"images": image})


def dequantizers(path):
    """Yield (node, scale, zero point) of each quantizer in the file."""
    graph = onnx.load(path).graph
    values = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            yield node, values[node.input[1]], values[node.input[2]]


@FORMS
def test_int8_differs_from_fp32_but_points_the_same_way(form, calibrated, tmp_path):
    got = outputs(form.convert(calibrated, small_model.job(tmp_path)))
    for one, want in zip(got, small_model.reference(next(small_model.feeds())), strict=True):
        assert one.shape == want.shape
        assert not np.allclose(one, want, atol=1e-6)
        assert small_model.cosine(one, want) > 0.99


def test_the_form_for_tensorrt_is_signed_symmetric_and_leaves_biases_alone(calibrated, tmp_path):
    path = OnnxInt8Tensorrt().convert(calibrated, small_model.job(tmp_path))
    found = list(dequantizers(path))
    assert {zero.dtype.name for _, _, zero in found} == {"int8"}
    assert not any(zero.any() for _, _, zero in found)
    graph = onnx.load(path).graph
    stored = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert all(node.input[2] in stored for node in convolutions)
    assert quantized(graph) == (4, 4)


def test_the_form_for_cpus_is_unsigned_with_quantized_biases_and_tensorrt_would_refuse_it(
    calibrated, tmp_path
):
    path = OnnxInt8().convert(calibrated, small_model.job(tmp_path))
    kinds = {zero.dtype.name for _, _, zero in dequantizers(path)}
    assert kinds == {"uint8", "int8", "int32"}
    refused = unsigned_or_biased(onnx.load(path).graph)
    assert {line.partition(": ")[2].split(",")[0] for line in refused} == {"uint8", "int32"}


@FORMS
def test_every_node_comes_after_what_it_reads_as_onnx_wants_it(form, calibrated, tmp_path):
    graph = onnx.load(form.convert(calibrated, small_model.job(tmp_path))).graph
    known = {"", *(one.name for one in (*graph.input, *graph.initializer))}
    for node in graph.node:
        assert set(node.input) <= known, node.name
        known |= set(node.output)


@FORMS
def test_weights_have_a_scale_for_each_channel(form, calibrated, tmp_path):
    path = form.convert(calibrated, small_model.job(tmp_path))
    weights = {one.name: one for one in onnx.load(path).graph.initializer if len(one.dims) == 4}
    scales = {
        node.input[0]: scale.size
        for node, scale, _ in dequantizers(path)
        if node.input[0] in weights
    }
    assert scales == {name: one.dims[0] for name, one in weights.items()}
    assert len(scales) == 4


def test_both_forms_have_the_ranges_of_the_one_calibration(calibrated, tmp_path):
    low, high = read_ranges(calibrated.path)["images"]
    scales = {}
    for name, form in (("cpu", OnnxInt8()), ("tensorrt", OnnxInt8Tensorrt())):
        path = form.convert(calibrated, small_model.job(tmp_path / name))
        (scales[name],) = {
            float(scale) for node, scale, _ in dequantizers(path) if node.input[0] == "images"
        }
    assert scales["cpu"] == pytest.approx((high - low) / 255, rel=1e-5)
    assert scales["tensorrt"] == pytest.approx(max(-low, high) / 127, rel=1e-2)


_CHILD = """
import sys
from pathlib import Path
from benchbench.conversions.onnx_calibrate import CALIBRATED, OnnxCalibrate
from benchbench.conversions.onnx_int8 import OnnxInt8
from benchbench.types import ModelFile, Variant
from tests import small_model
folder = Path(sys.argv[2])
source = ModelFile(Variant(format="onnx"), path=Path(sys.argv[1]))
ranged = OnnxCalibrate(method="entropy").convert(source, small_model.job(folder / "ranged"))
OnnxInt8().convert(ModelFile(CALIBRATED, path=ranged), small_model.job(folder / "int8"))
"""


def test_two_processes_write_the_same_bytes_whatever_their_hash_seed(source, tmp_path):
    digests = []
    for seed in "12":
        subprocess.run(
            [sys.executable, "-c", _CHILD, str(source.path), str(tmp_path / seed)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            timeout=120,
        )
        files = sorted(path for path in (tmp_path / seed).rglob("*") if path.is_file())
        assert [path.name for path in files] == ["model.onnx", "model.onnx", "ranges.json"]
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]


def test_only_the_artifact_stays_and_nothing_is_printed(source, tmp_path, capfd, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    log: list[str] = []
    job = small_model.job(tmp_path / "job", log)
    ranged = ModelFile(CALIBRATED, path=OnnxCalibrate().convert(source, job))
    assert sorted(one.name for one in job.folder.iterdir()) == ["model.onnx", "ranges.json"]
    made = OnnxInt8().convert(ranged, small_model.job(tmp_path / "made", log))
    assert list(made.parent.iterdir()) == [made]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert any(line.startswith("minmax ranges of") for line in log)
    assert any(line.startswith("4 of 4 convolutions") for line in log)


def test_method_images_and_seed_are_recorded_with_the_artifact(source, tmp_path):
    facts = {}
    job = replace(small_model.job(tmp_path), seed=7, record=facts.__setitem__)
    path = OnnxCalibrate(method="percentile", percentile=99.9).convert(source, job)
    wanted = {"method": "percentile", "percentile": 99.9, "images": 8, "seed": 7}
    assert facts["calibration"] == wanted
    written = json.loads(path.with_name("ranges.json").read_text())
    assert {key: written[key] for key in wanted} == wanted


def test_what_is_int8_and_what_is_not_is_recorded(calibrated, tmp_path):
    facts = {}
    job = replace(small_model.job(tmp_path), record=facts.__setitem__)
    OnnxInt8(exclude=("node_conv2d_1",), float_tail=False).convert(calibrated, job)
    wanted = {"convolutions_and_products": 4, "quantized": 3, "in_float": ["node_conv2d_1"]}
    assert facts["int8"] == wanted


@pytest.mark.parametrize("feeds", [None, lambda: iter(())], ids=["none", "empty"])
def test_without_calibration_images_there_is_an_error(feeds, source, tmp_path):
    with pytest.raises(CalibrationError, match="no calibration images"):
        calibrate(source, tmp_path, feeds)


def test_a_truncated_model_is_an_error_that_names_it(source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(source.path.read_bytes()[:3000])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        calibrate(replace(source, path=broken), tmp_path / "job")


def test_calibration_images_of_another_size_are_an_error(source, tmp_path):
    with pytest.raises(ConversionError, match="failed"):
        calibrate(source, tmp_path, lambda: iter([np.zeros((1, 3, 8, 8), "f4")]))


def test_an_activation_that_is_not_finite_is_an_error_that_names_it(source, tmp_path):
    wild = np.full((1, 3, 64, 64), np.inf, "f4")
    with pytest.raises(CalibrationError, match="'images'"):
        calibrate(source, tmp_path, lambda: iter([wild]))


@pytest.mark.parametrize("text", ["{", "{}", '{"tensors": {"images": 1}}'])
def test_ranges_that_cannot_be_read_are_an_error_that_names_the_file(text, calibrated, tmp_path):
    copy = tmp_path / "model.onnx"
    copy.write_bytes(calibrated.path.read_bytes())
    copy.with_name("ranges.json").write_text(text)
    with pytest.raises(ModelError, match=re.escape(str(copy.with_name("ranges.json")))):
        OnnxInt8().convert(replace(calibrated, path=copy), small_model.job(tmp_path / "job"))


@FORMS
def test_an_exclusion_that_matches_nothing_is_an_error(form, calibrated, tmp_path):
    with pytest.raises(ConversionError, match="matches no node"):
        form.model_copy(update={"exclude": ("nope*",)}).convert(
            calibrated, small_model.job(tmp_path)
        )


def test_a_model_that_is_quantized_already_is_not_touched(calibrated, tmp_path):
    made = OnnxInt8().convert(calibrated, small_model.job(tmp_path / "a"))
    with pytest.raises(ConversionError, match="quantized operations already"):
        calibrate(ModelFile(FP32, path=made), tmp_path / "b")
    assert OnnxCalibrate().targets(Variant(format="onnx", precision="int8")) == ()
    assert OnnxInt8().targets(FP32) == ()


def test_the_tail_stays_in_float_unless_asked(calibrated, tmp_path):
    kinds = []
    for name, float_tail in (("a", True), ("b", False)):
        path = OnnxInt8(float_tail=float_tail).convert(calibrated, small_model.job(tmp_path / name))
        graph = onnx.load(path).graph
        (sigmoid,) = (one for one in graph.node if one.op_type == "Sigmoid")
        kinds.append([one.op_type for one in graph.node if sigmoid.output[0] in one.input])
    assert kinds == [["Reshape"], ["QuantizeLinear"]]


def test_the_tail_ends_at_the_last_convolution_of_each_output(source):
    graph = onnx.load(source.path).graph
    kinds = {one.name: one.op_type for one in graph.node}
    found = sorted(kinds[name] for name in tail(graph))
    assert found == ["Reshape", "Reshape", "Sigmoid", "Transpose", "Transpose"]


def test_minmax_ranges_cover_every_image(source, tmp_path):
    small = next(small_model.feeds())
    images = [small, small * 10, small]
    ranges = read_ranges(calibrate(source, tmp_path, lambda: iter(images)).path)
    assert ranges["images"] == (float(images[1].min()), float(images[1].max()))


def test_entropy_and_percentile_cut_off_what_is_rare(source, tmp_path):
    def feeds():
        for image in small_model.feeds():
            image[0, 0, 0, 0] = 100
            yield image

    high = {
        method: read_ranges(calibrate(source, tmp_path / method, feeds, **options).path)["images"][
            1
        ]
        for method, options in {
            "minmax": {},
            "percentile": {"method": "percentile", "percentile": 99.9},
            "entropy": {"method": "entropy"},
        }.items()
    }
    assert high["minmax"] == 100
    assert 2 < high["percentile"] < 6
    assert 2 < high["entropy"] < 50


def test_a_percentile_is_the_share_of_magnitudes_below_the_limit():
    histogram = np.zeros(BINS, np.int64)
    histogram[[10, 100, BINS - 1]] = [90, 9, 1]
    limits = [percentile_limit(histogram, share) * BINS for share in (90, 99, 100)]
    assert limits == [11, 101, BINS]


def test_the_entropy_method_keeps_an_even_spread_and_cuts_a_long_tail():
    assert entropy_limit(np.full(BINS, 1000)) == 1
    steps = np.arange(BINS)
    bell = (1e6 * np.exp(-0.5 * (steps / 100) ** 2)).astype(np.int64)
    bell[-1] = 1
    assert 0.1 < entropy_limit(bell) < 0.4


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_activations_that_never_vary_can_be_calibrated(method, source, tmp_path):
    def black():
        yield np.zeros((1, 3, 64, 64), "f4")

    ranged = calibrate(source, tmp_path / "a", black, method=method)
    assert read_ranges(ranged.path)["images"] == (0, 0)
    OnnxInt8Tensorrt().convert(ranged, small_model.job(tmp_path / "b"))


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
    ranged = calibrate(ModelFile(FP32, path=path), tmp_path / "ranged")
    with pytest.raises(ConversionError, match="none of the 0"):
        OnnxInt8().convert(ranged, small_model.job(tmp_path / "job"))


@FORMS
def test_an_old_file_of_opset_7_that_lists_its_weights_as_inputs_is_quantized(
    form, data_dir, tmp_path
):
    def digits():
        yield from np.random.default_rng(0).random((4, 1, 1, 28, 28), np.float32)

    path = data_dir / "models" / "mnist" / "mnist.onnx"
    assert len(onnx.load(path).graph.input) > 1
    ranged = calibrate(ModelFile(FP32, path=path), tmp_path / "ranged", digits)
    made = form.convert(ranged, small_model.job(tmp_path / "made"))
    sessions = [ort.InferenceSession(str(one)) for one in (path, made)]
    got, want = (one.run(None, {"Input3": next(digits())})[0] for one in sessions)
    assert quantized(onnx.load(made).graph) == (3, 3)
    assert small_model.cosine(got, want) > 0.99


def test_the_shortest_route_is_two_steps_for_onnx_and_one_for_openvino():
    conversions = [
        TorchOnnx(),
        OnnxCalibrate(),
        OnnxInt8(),
        OnnxInt8Tensorrt(),
        OpenVinoIr(),
        OpenVinoInt8(),
    ]
    ort_int8 = [Variant(format="onnx", precision="int8", target=one) for one in ("cpu", "")]
    trt_int8 = [Variant(format="onnx", precision="int8", target=one) for one in ("tensorrt", "")]

    def kinds(wanted):
        route = find_route([FP32], wanted, conversions)
        return [type(step[0]).__name__ for step in route.steps]

    assert kinds(ort_int8) == ["OnnxCalibrate", "OnnxInt8"]
    assert kinds(trt_int8) == ["OnnxCalibrate", "OnnxInt8Tensorrt"]
    assert kinds(OpenVino().accepts("int8", "cpu")) == ["OpenVinoInt8"]
    assert kinds(OpenVino().accepts("fp32", "cpu")) == []
    assert kinds(OpenVino(weights="fp16").accepts("fp32", "cpu")) == ["OpenVinoIr"]
