"""benchbench's contract kit, asked of this runtime."""

from __future__ import annotations

import atexit
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from onnx_reference_bench import OnnxReference

from benchbench.testing import RuntimeCase, runtime_checks
from benchbench.types import InputShape, ModelFile, Request, Variant

SHAPE = InputShape((2, 3, 8, 8))
WEIGHTS = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


@cache
def model() -> ModelFile:
    """Write a classifier: the mean of each channel, then a matrix product."""
    ends = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 8, 8]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4]),
    ]
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
    ]
    weights = numpy_helper.from_array(WEIGHTS, "weights")
    graph = helper.make_graph(nodes, "classifier", ends[:1], ends[1:], [weights])
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = Path(folder) / "classifier.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return ModelFile(Variant(format="onnx"), path=path)


CASE = RuntimeCase(
    runtime=OnnxReference(),
    request=Request("fp32", "cpu", 1, SHAPE),
    model=model,
    reference=lambda images: [images.mean(axis=(2, 3)) @ WEIGHTS],
    impossible=("int8", "fp16"),
)


@pytest.mark.parametrize("check", runtime_checks(CASE), ids=str)
def test_contract(check):
    check()
