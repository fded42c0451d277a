"""``benchbench quantize``: artifacts of a suite, and the layers that cost them most."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchbench import api
from benchbench.cli import cli
from benchbench.errors import UsageError
from tests import tiny

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

OUTLIER = 2000.0


def write_model(path: Path) -> Path:
    """Write a classifier whose first convolution writes one channel 2,000 times as wide as others.

    One int8 scale for that activation leaves the other channels a level or two.
    """
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(3)
    wide = np.array([1, 1, 1, OUTLIER], np.float32)
    first = random.standard_normal((4, 3, 3, 3)).astype(np.float32) * wide[:, None, None, None]
    second = random.standard_normal((4, 4, 3, 3)).astype(np.float32) / wide[None, :, None, None]
    weights = {
        "w1": first,
        "w2": second,
        "w3": random.standard_normal((4, 4, 3, 3)).astype(np.float32),
        "w4": random.standard_normal((4, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu1"),
        helper.make_node("Conv", ["b", "w2"], ["c"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"], "relu2"),
        helper.make_node("Conv", ["d", "w3"], ["e"], "third", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["e"], ["f"], "pool"),
        helper.make_node("Flatten", ["f"], ["g"], "flat"),
        helper.make_node("MatMul", ["g", "w4"], ["scores"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def suite(tmp_path: Path, plugins_path: None) -> Path:
    folder = tiny.write_dataset(tmp_path / "data", images=3, calibration=6)
    data = tiny.suite(folder, runtimes=[{"kind": "onnxruntime", "precisions": ["fp32", "int8"]}])
    data["models"][0] |= {
        "source": {"kind": "file", "path": str(write_model(tmp_path / "tiny.onnx"))},
        "input": {"size": [8, 8], "color": "RGB", "resize": "stretch", "scale": "1/255"},
        "decoder": {"kind": "classification", "activation": "softmax"},
    }
    return tiny.write_suite(tmp_path / "suite.yaml", data)


def places(tmp_path: Path) -> dict[str, Any]:
    return {"store": tmp_path / "store", "cache": tmp_path / "cache"}


def test_artifacts_are_built_once_and_copied_with_how_they_were_made(suite, tmp_path) -> None:
    out = tmp_path / "out"
    (made,) = api.quantize(str(suite), out=out, **places(tmp_path))
    assert made.variant == "onnx int8 for cpu"
    copied = out / "m-onnxruntime-int8"
    assert Path(made.file) == copied / "model.onnx"
    kinds = {node.op_type for node in onnx.load(made.file).graph.node}
    assert "QuantizeLinear" in kinds
    how = json.loads((copied / "how.json").read_text())["onnx-calibrate"]["calibration"]
    assert how == {"method": "minmax", "images": 6, "seed": 0, "split": "calibration"}
    artifacts = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache/artifacts").iterdir()}
    api.quantize(str(suite), out=out, **places(tmp_path))
    assert artifacts == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache/artifacts").iterdir()}


def test_the_layers_around_an_outlier_cost_most(suite, tmp_path) -> None:
    (ranking,) = api.sensitivity(str(suite), images=6, **places(tmp_path))
    found = ranking.sensitivity
    assert found is not None
    by_noise = sorted(found.layers, key=lambda c: np.inf if c.snr_db is None else c.snr_db)
    assert [cost.layer for cost in by_noise[:2]] == ["second", "first"]
    assert {cost.layer for cost in found.layers} == {"first", "second", "third", "last"}
    assert found.metric == "top1"
    assert found.images == 6
    assert found.quantized.snr_db is not None
    assert found.quantized.snr_db < (by_noise[2].snr_db or 0)
    assert [len(one.exclude) for one in found.proposals] == [1, 2, 3]


def test_the_command_prints_a_table_and_the_lines_for_the_suite(
    suite, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["quantize", str(suite), "--sensitivity", "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(cli, [*arguments, "--images", "4"], standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "int8 only in" in done.output
    assert "second" in done.output
    assert "dB" in done.output


def test_a_suite_that_quantizes_nothing_is_told_what_to_write(suite, tmp_path) -> None:
    text = suite.read_text().replace("- int8", "")
    suite.write_text(text)
    with pytest.raises(UsageError, match="no cell of the suite quantizes") as caught:
        api.quantize(str(suite), **places(tmp_path))
    assert "int8" in str(caught.value.hint)


def test_an_unknown_model_gets_a_suggestion(suite, tmp_path) -> None:
    with pytest.raises(UsageError, match="no model 'mm'"):
        api.quantize(str(suite), models=["mm"], **places(tmp_path))
