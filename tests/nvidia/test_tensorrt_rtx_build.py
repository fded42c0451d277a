"""Engines are really built here, without a GPU, and their networks are walked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.tensorrt_rtx_engine import TensorRtRtxEngine
from benchbench.errors import ConversionError, ModelError
from benchbench.types import InputShape, ModelFile, Variant
from tests.nvidia import nets


def write(folder: Path, precision: str) -> ModelFile:
    """Return the network in the file that an engine of *precision* is made of."""
    path = folder / "net.onnx"
    if precision == "int8":
        return nets.file(nets.quantized(path, "tensorrt"), "int8", "tensorrt")
    half = precision == "fp16"
    nets.floating(path, "float16" if half else "float32")
    return nets.file(path, "fp16" if half else "fp32")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16", "int8"])
def test_the_network_that_is_built_computes_in_the_precision_asked_for(precision, job, tmp_path):
    model, made = write(tmp_path, precision), job(precision)
    assert made.job.target in TensorRtRtxEngine().targets(model.variant)
    engine = TensorRtRtxEngine().convert(model, made.job)
    assert engine.read_bytes()[:4] == b"vtrt"
    sidecar = json.loads(engine.with_name("network.json").read_text())
    assert [layer["precision"] for layer in sidecar["layers"]] == [precision] * 3
    assert {layer["kind"] for layer in sidecar["layers"]} == {"CONVOLUTION"}
    assert sidecar["coverage"] == {precision: 1.0}
    assert sidecar["inputs"] == [{"name": "images", "shape": [1, 3, 32, 32], "dtype": "FLOAT"}]
    assert sidecar["outputs"] == [{"name": "y", "shape": [1, 8, 16, 16], "dtype": "FLOAT"}]
    assert made.facts["network"]["version"].startswith("1.")
    assert made.facts["network"]["build_s"] > 0


def test_clearing_tf32_changes_the_plan_and_nothing_else_does(job, tmp_path):
    model = write(tmp_path, "fp32")
    plans = [
        TensorRtRtxEngine().convert(model, job(precision).job).read_bytes()
        for precision in ("fp32", "fp32", "tf32")
    ]
    assert plans[0] == plans[1] != plans[2]


def test_a_file_quantized_for_a_cpu_is_refused_with_what_to_do(job, tmp_path):
    path = nets.quantized(tmp_path / "u8.onnx", "cpu")
    assert TensorRtRtxEngine().targets(nets.file(path, "int8", "cpu").variant) == ()
    with pytest.raises(ConversionError, match="zero point") as caught:
        TensorRtRtxEngine().convert(nets.file(path, "int8"), job("int8").job)
    assert "a.q" in caught.value.message
    assert "target 'tensorrt'" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("asked", "dtype", "found"),
    [
        ("fp16", "float32", "fp32 100%"),
        ("fp32", "float16", "fp16 100%"),
        ("int8", "float32", "fp32"),
    ],
)
def test_a_file_of_another_precision_than_declared_is_refused(asked, dtype, found, job, tmp_path):
    model = nets.file(nets.floating(tmp_path / "m.onnx", dtype), asked)
    with pytest.raises(ConversionError, match=re.escape(found)):
        TensorRtRtxEngine().convert(model, job(asked).job)


def test_what_was_left_in_float_shows_in_the_coverage(job, tmp_path):
    path = nets.quantized(tmp_path / "m.onnx", "tensorrt", only="ab")
    made = job("int8")
    TensorRtRtxEngine().convert(nets.file(path, "int8"), made.job)
    assert made.facts["network"]["coverage"] == {"int8": 0.6667, "fp32": 0.3333}


def test_an_open_batch_is_built_for_the_range_asked_for(job, tmp_path):
    path = nets.floating(tmp_path / "m.onnx", batch="n")
    made = job("fp32", InputShape((2, 3, 32, 32)))
    TensorRtRtxEngine(min_batch=1, max_batch=8).convert(nets.file(path), made.job)
    assert made.facts["network"]["batches"] == [1, 2, 8]
    assert made.facts["network"]["inputs"][0]["shape"] == [None, 3, 32, 32]


@pytest.mark.parametrize("given", [{"max_batch": 1}, {"min_batch": 3}, {"opt_batch": 4}])
def test_a_range_that_leaves_the_suites_batch_out_is_an_error(given, job, tmp_path):
    path = nets.floating(tmp_path / "m.onnx", batch="n")
    made = job("fp32", InputShape((2, 3, 32, 32)))
    with pytest.raises(ConversionError, match="batch 2"):
        TensorRtRtxEngine(**given).convert(nets.file(path), made.job)


def test_engines_can_be_built_for_named_chips_only(job, tmp_path):
    model, made = write(tmp_path, "fp32"), job("fp32")
    TensorRtRtxEngine(compute_capabilities=("8.6", "12.0")).convert(model, made.job)
    assert made.facts["network"]["compute_capabilities"] == ["8.6", "12.0"]
    with pytest.raises(ConversionError, match=r"capability 9\.0") as caught:
        TensorRtRtxEngine(compute_capabilities=("9.0",)).convert(model, job("fp32").job)
    assert "8.9" in (caught.value.hint or "")


@pytest.mark.parametrize("keep", [2, 400])
def test_a_truncated_file_is_an_error_that_names_it(keep, job, tmp_path):
    model = write(tmp_path, "fp32")
    broken = tmp_path / "broken.onnx"
    assert model.path
    broken.write_bytes(model.path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        TensorRtRtxEngine().convert(replace(model, path=broken), job("fp32").job)


def test_an_operation_that_the_parser_does_not_know_is_named(job, tmp_path):
    path = nets.floating(tmp_path / "m.onnx", extra="NoSuchOperation")
    with pytest.raises(ConversionError, match="NoSuchOperation"):
        TensorRtRtxEngine().convert(nets.file(path), job("fp32").job)


def test_the_log_of_each_build_is_its_own(job, tmp_path):
    # TensorRT-RTX keeps the first logger of a process.
    logs = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        path = nets.floating(folder / f"{name}.onnx", extra="NoSuchOperation")
        made = job("fp32")
        with pytest.raises(ConversionError):
            TensorRtRtxEngine().convert(nets.file(path), made.job)
        logs.append("\n".join(made.log))
    assert all("error" in log for log in logs)


def test_rounding_to_bfloat16_is_to_nearest_even():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    from benchbench.conversions.bfloat import round_to_bfloat16

    bits: Any = np.random.default_rng(0).integers(0, 2**32, 10_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    expected = values.astype(ml_dtypes.bfloat16).view(np.uint16)
    np.testing.assert_array_equal(round_to_bfloat16(values), expected)


def test_an_engine_cast_to_bf16_keeps_what_follows_the_last_convolution_in_fp32(tmp_path):
    import onnx

    from benchbench.conversions.bfloat import to_bfloat16

    proto = to_bfloat16(onnx.load(str(nets.floating(tmp_path / "m.onnx", extra="Sigmoid"))))
    typed = onnx.shape_inference.infer_shapes(proto).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in typed.value_info}
    by_name = {node.name: node for node in proto.graph.node}
    assert kinds[by_name["c.c"].input[0]] == onnx.TensorProto.BFLOAT16
    assert kinds[by_name["extra"].input[0]] == onnx.TensorProto.FLOAT
    assert Variant(format="tensorrt-rtx-engine", precision="bf16") in TensorRtRtxEngine().targets(
        Variant(format="onnx")
    )


def test_an_engine_cast_to_bf16_computes_what_the_network_computes(tmp_path):
    import onnx
    from onnx.reference import ReferenceEvaluator

    from benchbench.conversions.bfloat import to_bfloat16

    proto = to_bfloat16(onnx.load(str(nets.floating(tmp_path / "m.onnx"))))
    (got,) = ReferenceEvaluator(proto).run(None, {"images": nets.image()})
    wanted = nets.reference(nets.image())
    worst = np.abs(got - wanted).max() / wanted.std()
    assert 1e-4 < worst < 0.1  # rounded, and no more than rounded


def test_control_flow_is_refused_for_bf16_with_what_to_do(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    from benchbench.conversions.bfloat import to_bfloat16

    proto = onnx.load(str(nets.floating(tmp_path / "m.onnx")))
    value = helper.make_tensor_value_info("t", TensorProto.FLOAT, [1])
    branch = helper.make_graph([], "branch", [], [value])
    proto.graph.node.append(
        helper.make_node("If", ["c"], ["z"], "choice", then_branch=branch, else_branch=branch)
    )
    with pytest.raises(ConversionError, match="choice") as caught:
        to_bfloat16(proto)
    assert "fp16" in (caught.value.hint or "")


def test_what_the_int8_conversion_for_tensorrt_writes_is_accepted(job, tmp_path):
    from benchbench.conversions.onnx_calibrate import CALIBRATED, OnnxCalibrate
    from benchbench.conversions.onnx_int8_tensorrt import OnnxInt8Tensorrt

    def step(name: str, target: Variant) -> Any:
        folder = tmp_path / name
        folder.mkdir()
        feeds = lambda: (nets.image(seed) for seed in range(3))  # noqa: E731
        return replace(job("int8").job, folder=folder, feeds=feeds, target=target)

    source = nets.file(nets.floating(tmp_path / "m.onnx"))
    path = OnnxCalibrate().convert(source, step("ranges", CALIBRATED))
    quantized = Variant(format="onnx", precision="int8", target="tensorrt")
    path = OnnxInt8Tensorrt().convert(ModelFile(CALIBRATED, path=path), step("int8", quantized))
    made = job("int8")
    TensorRtRtxEngine().convert(ModelFile(quantized, path=path), made.job)
    assert made.facts["network"]["coverage"] == {"int8": 1.0}
