"""Conversion to LiteRT, and its quantization: a real float file, and torch where it can be."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchbench.conversions.litert import TorchLitert
from benchbench.conversions.litert_int8 import LitertDynamic, LitertInt8
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.runtimes.litert import LiteRt
from benchbench.testing import ConversionCase, conversion_checks
from benchbench.types import ConversionJob, InputShape, ModelFile, Request, Variant
from tests import small_model

FLOAT = Variant(format="tflite")
IMAGE = InputShape((1, 32, 32, 3))
WRITTEN = [(LitertInt8(), "int8"), (LitertDynamic(), "int8-dynamic")]


@pytest.fixture
def source(data_dir):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("ai_edge_quantizer")
    return ModelFile(FLOAT, path=data_dir / "models" / "tflite" / "pretrainedResnet.tflite")


def feeds(count=8):
    random = np.random.default_rng(2)
    for _ in range(count):
        # Smooth patches: noise alone drives the network to one class.
        coarse = random.integers(0, 256, (1, 4, 4, 3))
        yield coarse.repeat(8, axis=1).repeat(8, axis=2).astype(np.float32)


def job_in(folder, facts=None, **changes):
    folder.mkdir(exist_ok=True)
    told = facts if facts is not None else {}
    made = ConversionJob(folder, IMAGE, feeds, log=lambda _: None, record=told.__setitem__)
    return replace(made, **changes)


def opened(path, precision, shape):
    model = ModelFile(Variant(format="tflite", precision=precision), path=path)
    return LiteRt().open(model, Request(precision, "cpu", 1, InputShape(shape)))


def outputs(path, precision, image):
    with opened(path, precision, image.shape) as session:
        handle = session.upload({session.inputs[0].name: image})
        session.run(handle)
        return list(session.download(handle).values())


def placement_of(path, precision, shape=IMAGE.shape):
    with opened(path, precision, shape) as session:
        return session.placement()


# --- quantization ------------------------------------------------------------------------


@pytest.mark.parametrize(("conversion", "precision"), WRITTEN, ids=["static", "dynamic"])
def test_the_quantized_network_runs_in_its_precision_and_agrees_with_the_float_one(
    conversion, precision, source, tmp_path
):
    facts = {}
    path = conversion.convert(source, job_in(tmp_path, facts))
    assert path.stat().st_size < source.path.stat().st_size / 2
    for image in feeds(3):
        (want,) = outputs(source.path, "fp32", image)
        (got,) = outputs(path, precision, image)
        assert not np.array_equal(got, want)
        assert small_model.cosine(got, want) > 0.98
    assert placement_of(path, precision).coverage == {precision: 1.0}
    assert facts["int8"]["convolutions_and_products"] == facts["int8"]["quantized"] == 10


@pytest.mark.parametrize(("conversion", "precision"), WRITTEN, ids=["static", "dynamic"])
def test_the_contract_holds_for_the_quantizers(conversion, precision, source):
    case = ConversionCase(
        conversion=conversion,
        model=lambda: source,
        target=Variant(format="tflite", precision=precision),
        input=IMAGE,
        feeds=feeds,
    )
    for check in conversion_checks(case):
        check()


def test_inputs_and_outputs_are_integers_only_if_that_is_asked_for(source, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    kinds = {}
    for name, wanted in (("float", True), ("integer", False)):
        conversion = LitertInt8(float_io=wanted, float_tail=False)
        path = conversion.convert(source, job_in(tmp_path / name))
        interpreter = Interpreter(model_path=str(path))
        ends = (*interpreter.get_input_details(), *interpreter.get_output_details())
        kinds[name] = [np.dtype(one["dtype"]).name for one in ends]
    assert kinds == {"float": ["float32", "float32"], "integer": ["int8", "int8"]}


def test_what_follows_the_last_product_stays_in_float_unless_told_otherwise(source, tmp_path):
    facts = {}
    path = LitertInt8().convert(source, job_in(tmp_path / "tail", facts))
    assert facts["int8"]["in_float"] == ["Identity;"]
    with_tail = placement_of(path, "int8")
    path = LitertInt8(float_tail=False).convert(source, job_in(tmp_path / "none"))
    without = placement_of(path, "int8")
    # XNNPACK has a softmax for floats, none for 8 bits.
    assert "Softmax (NC, F32) 1" in with_tail.details["operations"]
    assert "SOFTMAX 1" in without.details["operations"]


@pytest.mark.parametrize("conversion", [LitertInt8, LitertDynamic])
def test_an_excluded_operation_stays_in_float(conversion, source, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(source.path))
    convolution = interpreter._get_ops_details()[1]
    name = interpreter.get_tensor_details()[int(convolution["outputs"][0])]["name"]
    facts = {}
    made = conversion(exclude=(name.replace("[", "?").replace("]", "?"),))
    made.convert(source, job_in(tmp_path, facts))
    assert facts["int8"]["quantized"] == 9
    assert f"{name};" in facts["int8"]["in_float"]


def test_a_glob_that_matches_nothing_is_an_error_with_an_example(source, tmp_path):
    with pytest.raises(ConversionError, match="nowhere") as caught:
        LitertInt8(exclude=("nowhere*",)).convert(source, job_in(tmp_path))
    assert "named by their output" in caught.value.hint


def test_both_methods_take_all_images_and_find_different_ranges(source, tmp_path):
    facts: dict[str, dict] = {"minmax": {}, "moving-average": {}}
    files = {
        method: LitertInt8(method=method).convert(source, job_in(tmp_path / method, told))
        for method, told in facts.items()
    }
    assert [told["calibration"]["images"] for told in facts.values()] == [8, 8]
    assert len({path.read_bytes() for path in files.values()}) == 2


def test_without_images_there_is_no_static_quantization(source, tmp_path):
    with pytest.raises(CalibrationError):
        LitertInt8().convert(source, job_in(tmp_path, feeds=lambda: iter(())))


@pytest.mark.parametrize("size", [0, 1000, 200_000])
def test_a_truncated_file_is_an_error_that_names_it(size, source, tmp_path):
    path = tmp_path / "short.tflite"
    path.write_bytes(source.path.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"short\.tflite"):
        LitertDynamic().convert(ModelFile(FLOAT, path=path), job_in(tmp_path / "out"))


def test_a_quantized_file_is_not_quantized_again():
    for conversion, _ in WRITTEN:
        assert conversion.targets(FLOAT)
        assert not conversion.targets(Variant(format="tflite", precision="int8"))


# --- from torch --------------------------------------------------------------------------


def test_an_interpreter_without_litert_torch_is_an_error_that_says_how_to_make_one(tmp_path):
    pytest.importorskip("torch")
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nshift\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    conversion = TorchLitert(python=bare)
    assert conversion.packages == (("torch",),)
    assert conversion.chip("cpu") == {"litert-torch": "unknown"}
    with pytest.raises(ConversionError, match="litert_torch") as caught:
        conversion.convert(small_model.torch_file(), small_model.job(tmp_path / "out"))
    assert "pip install litert-torch" in caught.value.hint


def test_an_interpreter_that_does_not_exist_is_an_error_that_names_it(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(ConversionError, match="no/such/python"):
        TorchLitert(python=Path("/no/such/python")).convert(
            small_model.torch_file(), small_model.job(tmp_path)
        )


def test_without_litert_torch_the_extra_is_named(tmp_path):
    pytest.importorskip("torch")
    try:
        import litert_torch  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependency) as caught:
            TorchLitert().convert(small_model.torch_file(), small_model.job(tmp_path))
        assert caught.value.hint == "pip install 'benchbench[litert-convert]'"
    else:
        pytest.skip("litert-torch is here")


def test_a_shape_that_the_module_does_not_take_is_an_error_that_names_it(tmp_path):
    pytest.importorskip("torch")
    job = replace(small_model.job(tmp_path), input=InputShape((1, 5, 64, 64)))
    with pytest.raises(ModelError, match=r"\[1, 5, 64, 64\]"):
        TorchLitert().convert(small_model.torch_file(), job)
