"""ONNX in half precision."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchbench.conversions.onnx_fp16 import OnnxFp16
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import ConversionError, ModelError
from benchbench.types import ModelFile, Variant
from tests import small_model

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxconverter_common")
ort = pytest.importorskip("onnxruntime")

HALF, SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    job = small_model.job(tmp_path_factory.mktemp("float"))
    return ModelFile(
        Variant(format="onnx"), path=TorchOnnx().convert(small_model.torch_file(), job)
    )


def convert(source, folder, **options):
    facts = {}
    job = replace(small_model.job(folder), record=facts.__setitem__)
    return OnnxFp16(**options).convert(source, job), facts


def with_weight(source, path, value):
    """Write the source with one weight of its last convolution set to *value*."""
    proto = onnx.load(source.path)
    *_, last = (node for node in proto.graph.node if node.op_type == "Conv")
    (tensor,) = (one for one in proto.graph.initializer if one.name == last.input[1])
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[0] = value
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    onnx.save(proto, path)
    return replace(source, path=path)


def types_of(path):
    proto = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    values = (*proto.graph.value_info, *proto.graph.input, *proto.graph.output)
    found = {one.name: one.type.tensor_type.elem_type for one in values}
    return proto.graph, found | {one.name: one.data_type for one in proto.graph.initializer}


def test_convolutions_read_float16_while_inputs_and_outputs_stay_float32(source, tmp_path):
    path, facts = convert(source, tmp_path)
    graph, types = types_of(path)
    read = {types[name] for node in graph.node if node.op_type == "Conv" for name in node.input[:2]}
    assert read == {HALF}
    assert {types[one.name] for one in (*graph.input, *graph.output)} == {SINGLE}
    assert facts["fp16"] == {
        "convolutions_and_products": 4,
        "in_float16": 4,
        "clamped_values": 0,
    }


def test_the_outputs_differ_by_half_precisions_rounding_and_no_more(source, tmp_path):
    image = next(small_model.feeds())
    path, _ = convert(source, tmp_path)
    got = ort.InferenceSession(str(path)).run(None, {"images": image})
    for one, want in zip(got, small_model.reference(image), strict=True):
        assert one.dtype == np.float32
        assert 0 < np.abs(one - want).max() < 0.03 * want.std()


def test_operations_named_by_keep_stay_in_float32(source, tmp_path):
    graph, types = types_of(convert(source, tmp_path, keep=("Sigmoid",))[0])
    (sigmoid,) = (node for node in graph.node if node.op_type == "Sigmoid")
    assert types[sigmoid.input[0]] == SINGLE


def test_keeping_all_convolutions_is_an_error(source, tmp_path):
    with pytest.raises(ConversionError, match="none of the 4"):
        convert(source, tmp_path, keep=("Conv",))


def test_keep_with_an_operation_that_the_model_lacks_is_an_error(source, tmp_path):
    with pytest.raises(ConversionError, match="lacks: Convolution") as caught:
        convert(source, tmp_path, keep=("Convolution",))
    assert "Conv" in caught.value.hint


def test_a_weight_beyond_float16_is_an_error_unless_it_may_be_clamped(source, tmp_path):
    large = with_weight(source, tmp_path / "large.onnx", -1e5)
    with pytest.raises(ConversionError, match="1 constants") as caught:
        convert(large, tmp_path / "a")
    assert "clamp: true" in caught.value.hint
    path, facts = convert(large, tmp_path / "b", clamp=True)
    assert facts["fp16"]["clamped_values"] == 1
    arrays = map(onnx.numpy_helper.to_array, onnx.load(path).graph.initializer)
    assert min(float(one.min()) for one in arrays) == -65504


def test_a_large_weight_of_an_operation_kept_in_float32_is_none_of_it(source, tmp_path):
    proto = onnx.load(source.path)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1e6]), "huge"))
    end = proto.graph.output[0].name
    for node in proto.graph.node:
        node.output[:] = [name if name != end else "small" for name in node.output]
    proto.graph.node.append(onnx.helper.make_node("Min", ["small", "huge"], [end], name="least"))
    onnx.save(proto, tmp_path / "min.onnx")
    _, facts = convert(replace(source, path=tmp_path / "min.onnx"), tmp_path / "job")
    assert facts["fp16"]["clamped_values"] == 0


def test_weights_that_the_converter_would_truncate_at_ten_thousand_are_kept(source, tmp_path):
    path, _ = convert(with_weight(source, tmp_path / "x.onnx", 3e4), tmp_path / "job")
    arrays = map(onnx.numpy_helper.to_array, onnx.load(path).graph.initializer)
    assert max(float(one.max()) for one in arrays if one.dtype == np.float16) == 30000


def test_two_conversions_write_the_same_bytes(source, tmp_path):
    first, second = (convert(source, tmp_path / name)[0].read_bytes() for name in "ab")
    assert first == second


def test_a_truncated_model_is_an_error_that_names_it(source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(source.path.read_bytes()[:3000])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        convert(replace(source, path=broken), tmp_path / "job")


def test_an_old_file_that_lists_its_weights_as_inputs_is_converted(data_dir, tmp_path):
    path = data_dir / "models" / "mnist" / "mnist.onnx"
    made, facts = convert(ModelFile(Variant(format="onnx"), path=path), tmp_path)
    assert facts["fp16"]["in_float16"] == 3
    image = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    got, want = (
        ort.InferenceSession(str(one)).run(None, {"Input3": image})[0] for one in (made, path)
    )
    assert small_model.cosine(got, want) > 0.9999
