"""OpenVINO IR, and its quantization with NNCF."""

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

from benchbench.conversions.openvino_int8 import OpenVinoInt8, fidelity
from benchbench.conversions.openvino_ir import IR, IR_FP16, OpenVinoIr
from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import CalibrationError, ConversionError, ModelError
from benchbench.types import ModelFile, Variant
from tests import small_model

pytest.importorskip("torch")
pytest.importorskip("onnxscript")
openvino = pytest.importorskip("openvino")
pytest.importorskip("nncf")

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    job = small_model.job(tmp_path_factory.mktemp("float"))
    return ModelFile(
        Variant(format="onnx"), path=TorchOnnx().convert(small_model.torch_file(), job)
    )


def convert(conversion, source, folder, **changes):
    facts = {}
    job = replace(small_model.job(folder), record=facts.__setitem__, **changes)
    return conversion.convert(source, job), facts


def outputs(path):
    """Return the outputs of every calibration image, computed in f32."""
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [[one.copy() for one in compiled([image]).values()] for image in small_model.feeds()]


def losses(path):
    """Return the error power of each output as a share of its power, mean over the images."""
    references = map(small_model.reference, small_model.feeds())
    each = [
        [
            float(((one - want) ** 2).sum() / (want**2).sum())
            for one, want in zip(*pair, strict=True)
        ]
        for pair in zip(outputs(path), references, strict=True)
    ]
    return np.mean(each, axis=0).tolist()


def test_ir_computes_what_torch_does(source, tmp_path):
    path, facts = convert(OpenVinoIr(), source, tmp_path, target=IR)
    wanted = small_model.reference(next(small_model.feeds()))
    for got, want in zip(outputs(path)[0], wanted, strict=True):
        assert np.abs(got - want).max() < 1e-3 * want.std()
    assert set(facts["stored_bytes"]) == {"f32", "i64"}


def test_ir_with_fp16_weights_is_half_as_large_and_a_little_off(source, tmp_path):
    sizes = {}
    for target in (IR, IR_FP16):
        path, facts = convert(OpenVinoIr(), source, tmp_path / target.precision, target=target)
        sizes[target.precision] = facts["stored_bytes"]
    assert sizes["fp16"]["f16"] == sizes["fp32"]["f32"] // 2
    assert "f32" not in sizes["fp16"]
    assert all(0 < loss < 1e-5 for loss in losses(path))


def test_ir_is_made_of_fp32_only():
    assert OpenVinoIr().targets(Variant(format="onnx")) == (IR, IR_FP16)
    assert OpenVinoIr().targets(IR) == (IR_FP16,)
    for precision in ("int8", "fp16"):
        assert OpenVinoIr().targets(Variant(format="onnx", precision=precision)) == ()


def test_an_fp32_ir_can_be_given_fp16_weights(source, tmp_path):
    plain, _ = convert(OpenVinoIr(), source, tmp_path / "a", target=IR)
    _, facts = convert(OpenVinoIr(), ModelFile(IR, path=plain), tmp_path / "b", target=IR_FP16)
    assert "f16" in facts["stored_bytes"]


def test_int8_differs_from_fp32_by_little(source, tmp_path):
    path, facts = convert(OpenVinoInt8(), source, tmp_path, seed=3)
    assert all(0 < loss < 0.01 for loss in losses(path))
    assert facts["calibration"] == {"method": "mean-minmax", "images": 8, "seed": 3}
    assert facts["int8"] == {"convolutions_and_products": 4, "quantized": 4, "in_float": []}
    assert {one.name for one in tmp_path.iterdir()} == {"model.xml", "model.bin"}


def test_two_quantizations_compute_the_same_numbers(source, tmp_path):
    first, second = (outputs(convert(OpenVinoInt8(), source, tmp_path / one)[0]) for one in "ab")
    for one, other in zip(first, second, strict=True):
        for array, again in zip(one, other, strict=True):
            np.testing.assert_array_equal(array, again)


def test_the_methods_choose_different_ranges(source, tmp_path):
    found = {
        method: tuple(losses(convert(conversion, source, tmp_path / method)[0]))
        for method, conversion in {
            "mean-minmax": OpenVinoInt8(),
            "minmax": OpenVinoInt8(method="minmax"),
            "percentile": OpenVinoInt8(method="percentile", percentile=90),
        }.items()
    }
    assert len(set(found.values())) == 3
    assert found["percentile"][1] > 3 * found["minmax"][1]


def test_excluded_nodes_stay_in_float(source, tmp_path):
    _, facts = convert(OpenVinoInt8(exclude=("node_conv2d_1*",)), source, tmp_path)
    assert facts["int8"]["quantized"] == 3
    assert [name.split("/")[0] for name in facts["int8"]["in_float"]] == ["node_conv2d_1"]


def test_accuracy_awareness_puts_layers_back_until_the_drop_is_reached(source, tmp_path):
    path, facts = convert(
        OpenVinoInt8(accuracy_aware=True, max_drop=0.0003), source, tmp_path / "aware"
    )
    plain, _ = convert(OpenVinoInt8(), source, tmp_path / "plain")
    assert max(losses(plain)) > 0.0003 >= facts["accuracy_aware"]["drop"]
    assert max(losses(path)) < max(losses(plain))
    assert 0 < facts["int8"]["quantized"] < 4


def test_accuracy_awareness_leaves_alone_what_is_good_enough(source, tmp_path):
    _, facts = convert(OpenVinoInt8(accuracy_aware=True, max_drop=0.5), source, tmp_path)
    assert facts["int8"]["quantized"] == 4
    assert 0 < facts["accuracy_aware"]["drop"] < 0.5


def test_a_drop_that_no_int8_reaches_is_an_error(source, tmp_path):
    with pytest.raises(ConversionError, match="none of the 4") as caught:
        convert(OpenVinoInt8(accuracy_aware=True, max_drop=1e-12), source, tmp_path)
    assert "max_drop" in caught.value.hint


def test_fidelity_is_one_minus_the_error_power_of_the_worst_output():
    image = np.zeros(1)
    good, bad, worse = (np.array(one) for one in ([2.0, 0.0], [3.0, 0.0, 4.0], [3.0, 1.0, 4.0]))

    def model(_):
        return {"labels": np.array([1]), "a": good, "b": worse}

    items = [(image, [good, bad]), (image, [good, worse])]
    assert fidelity(model, items) == (pytest.approx(1 - 0.04 / 2), [pytest.approx(0.96), 1.0])


@pytest.mark.parametrize("feeds", [None, lambda: iter(())], ids=["none", "empty"])
def test_without_calibration_images_there_is_an_error(feeds, source, tmp_path):
    with pytest.raises(CalibrationError, match="no calibration images"):
        convert(OpenVinoInt8(), source, tmp_path, feeds=feeds)


@pytest.mark.parametrize("conversion", [OpenVinoIr(), OpenVinoInt8()], ids=["ir", "int8"])
def test_a_truncated_model_is_an_error_that_names_it(conversion, source, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(source.path.read_bytes()[:3000])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        convert(conversion, replace(source, path=broken), tmp_path / "job")


def test_calibration_images_of_another_size_are_an_error(source, tmp_path):
    wrong = [np.zeros((1, 3, 8, 8), "f4")]
    with pytest.raises(ConversionError, match="failed"):
        convert(OpenVinoInt8(), source, tmp_path, feeds=lambda: iter(wrong))


def test_an_exclusion_that_matches_nothing_is_an_error(source, tmp_path):
    with pytest.raises(ConversionError, match="matches no node"):
        convert(OpenVinoInt8(exclude=("nope*",)), source, tmp_path)


def test_a_model_that_is_quantized_already_is_not_touched(source, tmp_path):
    made, _ = convert(OpenVinoInt8(), source, tmp_path / "a")
    with pytest.raises(ConversionError, match="quantized operations already"):
        convert(OpenVinoInt8(), ModelFile(IR, path=made), tmp_path / "b")


def test_nothing_is_printed_and_nncfs_logger_is_as_it_was(source, tmp_path, capfd, monkeypatch):
    import nncf  # noqa: F401

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    logger = logging.getLogger("nncf")
    before = (list(logger.handlers), logger.propagate)
    convert(OpenVinoInt8(accuracy_aware=True), source, tmp_path / "job")
    assert (list(logger.handlers), logger.propagate) == before
    assert capfd.readouterr() == ("", "")
    assert list((tmp_path / "elsewhere").iterdir()) == []


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


def test_fresh_processes_write_the_same_bytes_and_no_telemetry_id(source, tmp_path):
    children = []
    for seed in "12":
        home = tmp_path / seed / "home"
        home.mkdir(parents=True)
        environment = {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", _CHILD, str(source.path), str(tmp_path / seed / "job")]
        children.append(subprocess.Popen(command, env=os.environ | environment))
    assert [child.wait(timeout=240) for child in children] == [0, 0]
    for seed in "12":
        left = [one.name for one in (tmp_path / seed / "home").iterdir()]
        assert set(left) <= {".cache"}
    for name in ("model.xml", "model.bin"):
        first, second = ((tmp_path / seed / "job" / name).read_bytes() for seed in "12")
        assert first == second
