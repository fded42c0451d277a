"""Core ML on Linux: programs are written and read; running them takes a Mac."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchbench.conversions.coreml import CoremlInt8, TorchCoreml
from benchbench.errors import CalibrationError, CompiledOnly, ModelError, PlacementError
from benchbench.runtimes.coreml import CoreMl
from benchbench.testing import ConversionCase, RuntimeCase, conversion_checks, runtime_checks
from benchbench.types import InputShape, ModelFile, Request, Variant
from tests import small_model

pytest.importorskip("torch")
pytest.importorskip("coremltools")

linux = pytest.mark.skipif(sys.platform == "darwin", reason="a Mac runs the program")
W8A8, W8A16 = CoremlInt8(), CoremlInt8(activations=False)


def variant(precision):
    return Variant(format="coreml", precision=precision)


class Written:
    """Makes packages, each once."""

    def __init__(self, folder):
        self.folder, self.made, self.facts = folder, {}, {}

    def __call__(self, conversion, precision, source=None):
        key = f"{type(conversion).__name__}-{conversion.model_dump()}-{precision}"
        if source or key not in self.made:
            facts = self.facts[key] = {}
            folder = self.folder / str(len(self.made))
            job = small_model.job(folder)
            job = replace(job, target=variant(precision), record=facts.__setitem__)
            path = conversion.convert(source or small_model.torch_file(), job)
            self.made[key] = ModelFile(variant(precision), path=path)
        self.told = self.facts[key]
        return self.made[key]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return Written(tmp_path_factory.mktemp("packages"))


def request_of(precision="fp16", device="all", **changes):
    return replace(Request(precision, device, 1, small_model.SHAPE), **changes)


def placement_of(model, request):
    with pytest.raises(CompiledOnly) as caught, CoreMl().open(model, request):
        pass
    return caught.value.placement


def description(model):
    import coremltools

    package = coremltools.models.MLModel(str(model.path.parent), skip_model_load=True)
    return package.get_spec().description


@linux
@pytest.mark.parametrize(
    ("conversion", "precision", "effective", "weights"),
    [
        (TorchCoreml(), "fp32", "fp32", "0"),
        (TorchCoreml(), "fp16", "fp16", "0"),
        (W8A8, "int8", "int8", "4"),
        (W8A16, "int8", "fp16", "4"),
    ],
    ids=["fp32", "fp16", "W8A8", "W8A16"],
)
def test_the_program_tells_its_precision(written, conversion, precision, effective, weights):
    found = placement_of(written(conversion, precision), request_of(precision))
    assert found.evidence == "compiled_only"
    assert found.coverage == {effective: 1.0}
    assert found.details["int8_weights"] == weights


def test_inputs_and_outputs_are_float32_in_the_modules_order(written):
    from coremltools.proto import FeatureTypes_pb2

    told = description(written(TorchCoreml(), "fp16"))
    ends = [*told.input, *told.output]
    assert [one.name for one in ends] == ["images", "output_0", "output_1"]
    float32 = FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    assert {one.type.multiArrayType.dataType for one in ends} == {float32}


def test_int8_weights_make_the_file_smaller(written):
    sizes = [
        sum(part.stat().st_size for part in written(*one).path.parent.rglob("*") if part.is_file())
        for one in ((TorchCoreml(), "fp32"), (TorchCoreml(), "fp16"), (W8A16, "int8"))
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < sizes[0] / 2


def test_the_calibrated_network_points_where_the_float_one_does(written):
    written(W8A8, "int8")
    assert written.told["scheme"] == "W8A8"
    assert written.told["calibration"] == {"method": "minmax", "images": 8, "seed": 0}
    assert all(0.99 < one < 1 for one in written.told["cosine"].values())


@pytest.mark.parametrize(
    ("form", "save"),
    [("pt2", small_model.save_exported), ("torchscript", small_model.save_torchscript)],
)
def test_saved_modules_are_converted_too(form, save, written, tmp_path):
    source = ModelFile(Variant(format=form), path=save(tmp_path / f"model.{form}"))
    told = description(written(TorchCoreml(), "fp32", source))
    assert [one.name for one in told.output] == ["output_0", "output_1"]


@pytest.mark.parametrize(
    ("conversion", "precision"),
    [
        pytest.param(TorchCoreml(), "fp16", id="fp16"),
        pytest.param(W8A8, "int8", id="int8", marks=pytest.mark.slow),
    ],
)
def test_the_contract_holds_for_the_conversions(conversion, precision):
    case = ConversionCase(
        conversion=conversion,
        model=small_model.torch_file,
        target=variant(precision),
        input=small_model.SHAPE,
        feeds=small_model.feeds,
    )
    for check in conversion_checks(case):
        check()


@linux
def test_the_contract_holds_as_far_as_it_can_without_a_mac(written):
    import unittest

    case = RuntimeCase(
        runtime=CoreMl(),
        request=request_of(),
        model=lambda: written(TorchCoreml(), "fp16"),
        reference=small_model.reference,
        impossible=("fp8", "bf16"),
    )
    skipped = 0
    for check in runtime_checks(case):
        try:
            check()
        except unittest.SkipTest:
            skipped += 1
    assert skipped == 5


def test_the_neural_engine_takes_no_fp32():
    with pytest.raises(PlacementError, match="fp16"):
        CoreMl().accepts("fp32", "ane")
    assert CoreMl().accepts("fp32", "gpu") == (variant("fp32"),)


def test_activations_are_quantized_in_modules_alone():
    pt2 = Variant(format="pt2")
    assert (W8A8.targets(pt2), W8A16.targets(pt2)) == ((), (variant("int8"),))


def test_without_images_there_are_no_ranges_of_activations(tmp_path):
    job = replace(small_model.job(tmp_path), feeds=lambda: iter(()))
    with pytest.raises(CalibrationError):
        W8A8.convert(small_model.torch_file(), job)


def test_what_is_no_package_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "model.mlmodel"
    path.write_bytes(b"")
    with (
        pytest.raises(ModelError, match=r"model\.mlmodel"),
        CoreMl().open(ModelFile(variant("fp16"), path=path), request_of()),
    ):
        pass


def test_a_module_of_another_input_is_an_error_that_names_the_shape(tmp_path):
    job = replace(small_model.job(tmp_path), input=InputShape((1, 1, 64, 64)))
    with pytest.raises(ModelError, match=r"\[1, 1, 64, 64\]"):
        TorchCoreml().convert(small_model.torch_file(), job)


@linux
def test_the_checkup_says_that_nothing_runs_here():
    ok, warning = CoreMl().checkup()
    assert (ok.level, warning.level) == ("ok", "warning")
    assert "compiled only" in warning.message


def test_integer_outputs_stay_integers(tmp_path):
    import torch

    class Labels(torch.nn.Module):
        def forward(self, images):
            return {"label": images.mean((2, 3)).argmax(1), "mean": images.mean((2, 3))}

    job = replace(small_model.job(tmp_path), target=variant("fp16"))
    path = TorchCoreml().convert(small_model.torch_file(Labels().eval()), job)
    label, mean = description(ModelFile(variant("fp16"), path=path)).output
    kinds = [one.type.multiArrayType.dataType for one in (label, mean)]
    assert kinds == [131104, 65568]  # int32, float32
