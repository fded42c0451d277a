"""Quantization of torch modules for torch's compiler."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchbench.conversions.torch_int8 import TorchInt8
from benchbench.errors import CalibrationError, ConversionError, ModelError
from benchbench.files import plain_tensors_only
from benchbench.protocols import Layered
from benchbench.types import ModelFile, Variant
from tests import small_model

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (path, log, facts) of the network quantized with the defaults."""
    return convert(TorchInt8(), tmp_path_factory.mktemp("made"))


def convert(conversion, folder, source=None, **changes):
    log: list[str] = []
    facts: dict = {}
    job = replace(small_model.job(folder, log), record=facts.__setitem__, **changes)
    return conversion.convert(source or small_model.torch_file(), job), log, facts


def program(path):
    with plain_tensors_only():
        return torch.export.load(path).module()


def outputs(path, images):
    with torch.inference_mode():
        return [one.numpy() for one in program(path)(torch.from_numpy(images))]


def quantizers(path):
    """Return (dtype, lowest, highest, scale) of each activation's quantizer."""
    nodes = [one for one in program(path).graph.nodes if "quantize_per_tensor" in str(one.target)]
    return [
        (one.args[5], one.args[3], one.args[4], one.args[1])
        for one in nodes
        if "dequantize" not in str(one.target)
    ]


def test_int8_differs_from_fp32_but_points_the_same_way(made):
    image = next(small_model.feeds())
    for got, want in zip(outputs(made[0], image), small_model.reference(image), strict=True):
        assert got.shape == want.shape
        assert not np.allclose(got, want, atol=1e-6)
        assert small_model.cosine(got, want) > 0.99


def test_what_was_done_is_recorded(made):
    path, log, facts = made
    assert path.parent.joinpath("model.pt2") == path
    assert [one.name for one in path.parent.iterdir()] == ["model.pt2"]
    assert facts == {
        "calibration": {"method": "minmax", "images": 8, "seed": 0},
        "int8": {"convolutions_and_products": 4, "quantized": 4, "in_float": []},
    }
    assert any(line.startswith("4 of 4 convolutions") for line in log)


def test_activations_are_unsigned_and_weights_signed_by_channel(made):
    assert {one[:3] for one in quantizers(made[0])} == {(torch.uint8, 0, 255)}
    weights = [one for one in program(made[0]).buffers() if one.dtype == torch.int8]
    assert sorted(len(one) for one in weights) == [4, 4, 32, 64]
    scales = [one for one in program(made[0]).buffers() if one.dtype == torch.float32]
    assert {len(one) for one in scales} >= {4, 32, 64}


def test_the_file_holds_no_float_weights(made):
    held = [*program(made[0]).parameters(), *program(made[0]).buffers()]
    assert all(one.dtype == torch.int8 for one in held if one.dim() == 4)
    assert len([one for one in held if one.dim() == 4]) == 4


def test_the_batch_stays_open(made):
    images = np.concatenate(list(small_model.feeds(3)))
    scores, _ = outputs(made[0], images)
    for row, image in zip(scores, images, strict=True):
        np.testing.assert_allclose(row, outputs(made[0], image[None])[0][0], atol=1e-6)


def test_two_conversions_compute_the_same_numbers(made, tmp_path):
    image = next(small_model.feeds())
    again, _, _ = convert(TorchInt8(), tmp_path)
    for one, other in zip(outputs(made[0], image), outputs(again, image), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_exported_program_is_quantized_to_the_same_numbers(made, tmp_path):
    exported = small_model.save_exported(tmp_path / "source.pt2")
    source = ModelFile(Variant(format="pt2"), path=exported)
    assert TorchInt8().layers(source) == ["stem", "body", "score", "box"]
    image = next(small_model.feeds())
    got, _, _ = convert(TorchInt8(), tmp_path / "job", source)
    for one, other in zip(outputs(made[0], image), outputs(got, image), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"exclude": ("bo*",)}, ["body", "box"]),
        ({"include": ("s*",)}, ["body", "box"]),
        ({"include": ("body", "stem"), "exclude": ("stem",)}, ["stem", "score", "box"]),
    ],
)
def test_modules_named_by_globs_stay_in_float(options, left, tmp_path):
    _, _, facts = convert(TorchInt8(**options), tmp_path)
    assert facts["int8"] == {
        "convolutions_and_products": 4,
        "quantized": 4 - len(left),
        "in_float": left,
    }


def test_a_conversion_limited_to_one_layer_quantizes_that_alone(tmp_path):
    conversion = TorchInt8(exclude=("body",))
    assert isinstance(conversion, Layered)
    source = small_model.torch_file()
    assert conversion.layers(source) == ["stem", "body", "score", "box"]
    _, _, facts = convert(conversion.only(source, ["body"]), tmp_path)
    assert facts["int8"]["in_float"] == ["stem", "score", "box"]


@pytest.mark.parametrize("option", ["include", "exclude"])
def test_a_glob_that_matches_nothing_is_an_error_that_names_it(option, tmp_path):
    with pytest.raises(ConversionError, match=rf"'{option}' matches no .*nope\*"):
        convert(TorchInt8(**{option: ("nope*",)}), tmp_path)


def test_a_concatenation_of_outputs_gets_no_common_scale_unless_asked_for(tmp_path):
    class Joined(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 8, 3)
            self.box, self.score = torch.nn.Conv2d(8, 4, 1), torch.nn.Conv2d(8, 2, 1)

        def forward(self, images):
            deep = torch.relu(self.stem(images))
            return torch.cat([self.box(deep) * 1, self.score(deep)], 1), torch.cat(
                [self.box(deep), self.score(deep)], 1
            )

    source = ModelFile(Variant(format="torch-module"), load=lambda: Joined().eval())
    counts = [
        len(quantizers(convert(TorchInt8(float_tail=tail), tmp_path / str(tail), source)[0]))
        for tail in (True, False)
    ]
    assert counts[0] == 2
    assert counts[1] > counts[0]


def test_modules_that_are_called_twice_are_quantized(tmp_path):
    class Shared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.ReLU(inplace=True)

        def forward(self, images):
            deep = self.relu(self.conv(images))
            deep = self.conv(deep)
            deep += images
            return self.conv(self.relu(deep))

    source = ModelFile(Variant(format="torch-module"), load=lambda: Shared().eval())
    path, _, facts = convert(TorchInt8(), tmp_path, source)
    assert facts["int8"]["quantized"] == facts["int8"]["convolutions_and_products"] == 3
    # torch's compiler fuses a weight into one user only, so that each has its own.
    graph = program(path).graph
    weights = [one.args[0].target for one in graph.nodes if "ize_per_channel" in str(one.target)]
    assert len(weights) == len(set(weights)) == 3


def test_batch_norm_behind_a_convolution_that_is_called_twice_keeps_its_shift(tmp_path):
    net = small_model.pyramid()
    path, _, _ = convert(TorchInt8(), tmp_path, small_model.torch_file(net))
    image = torch.from_numpy(next(small_model.feeds()))
    with torch.inference_mode():
        for got, want in zip(program(path)(image), net(image), strict=True):
            assert small_model.cosine(got.numpy(), want.numpy()) > 0.999


def test_reduced_range_keeps_activations_to_seven_bits(tmp_path):
    path, _, _ = convert(TorchInt8(reduce_range=True), tmp_path)
    assert {one[:3] for one in quantizers(path)} == {(torch.uint8, 0, 127)}


def test_the_range_of_rare_values_is_cut_by_histogram_and_kept_by_minmax(tmp_path):
    def heavy_tailed():
        generator = np.random.default_rng(0)
        return (generator.standard_t(3, (1, 3, 64, 64)).astype("f4") for _ in range(8))

    scales = [
        quantizers(convert(TorchInt8(method=method), tmp_path / method, feeds=heavy_tailed)[0])
        for method in ("minmax", "histogram")
    ]
    extent = np.concatenate(list(heavy_tailed()))
    assert scales[0][0][3] == pytest.approx(np.ptp(extent) / 255, rel=1e-4)
    assert scales[1][0][3] < scales[0][0][3]


@pytest.mark.parametrize("feeds", [None, lambda: iter(())], ids=["none", "empty"])
def test_without_calibration_images_there_is_an_error(feeds, tmp_path):
    with pytest.raises(CalibrationError, match="no calibration images"):
        convert(TorchInt8(), tmp_path, feeds=feeds)


def test_calibration_images_of_another_size_are_an_error(tmp_path):
    feeds = lambda: iter([np.zeros((1, 3, 8, 8), "f4")])  # noqa: E731
    with pytest.raises(ConversionError, match="quantization failed"):
        convert(TorchInt8(), tmp_path, feeds=feeds)


def test_a_truncated_program_is_an_error_that_names_it(tmp_path):
    whole = small_model.save_exported(tmp_path / "whole.pt2")
    broken = tmp_path / "broken.pt2"
    broken.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(ModelError, match=re.escape(str(broken))):
        convert(TorchInt8(), tmp_path / "job", ModelFile(Variant(format="pt2"), path=broken))


def test_a_model_without_convolutions_is_an_error(tmp_path):
    source = ModelFile(Variant(format="torch-module"), load=lambda: torch.nn.ReLU().eval())
    with pytest.raises(ConversionError, match="none of the 0"):
        convert(TorchInt8(), tmp_path, source)


def test_nothing_is_printed_and_torchs_logger_is_as_it_was(tmp_path, capfd):
    import logging

    logger = logging.getLogger("torch")
    before = (list(logger.handlers), logger.propagate)
    convert(TorchInt8(), tmp_path)
    assert (list(logger.handlers), logger.propagate) == before
    assert capfd.readouterr() == ("", "")
