"""ExecuTorch: fp32 and int8 programs, and what of them XNNPACK really ran."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.executorch import ExecuTorch as ToExecuTorch
from benchbench.conversions.executorch import ExecuTorchInt8
from benchbench.errors import CalibrationError, ConversionError, ModelError, PlacementError
from benchbench.runtimes.executorch import ExecuTorch
from benchbench.types import ModelFile, Request, Variant
from tests import small_model

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    # What the library's own imports warn of is not ours to mend.
    warnings.simplefilter("ignore")
    pytest.importorskip("executorch.exir")
    library = pytest.importorskip("executorch.extension.pybindings.portable_lib")
    pytest.importorskip("executorch.devtools")

REQUEST = Request("fp32", "cpu", 1, small_model.SHAPE)


class Net(torch.nn.Module):
    """Two convolutions around an upsampling, which XNNPACK's backend does not take."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.stem, self.head = torch.nn.Conv2d(3, 16, 3, 2, 1), torch.nn.Conv2d(16, 4, 1)

    def forward(self, images: Any) -> dict[str, Any]:
        deep = torch.relu(self.stem(images))
        scores = self.head(torch.nn.functional.interpolate(deep, scale_factor=2.0))
        return {"scores": scores, "best": scores.argmax(1), "deep": deep}


def convert(
    conversion: Any, folder: Path, *, exported: bool = False, **changes: Any
) -> tuple[ModelFile, dict[str, Any]]:
    facts: dict[str, Any] = {}
    job = replace(small_model.job(folder), record=facts.__setitem__, **changes)
    source = small_model.torch_file(Net().eval())
    if exported:
        path = small_model.save_exported(folder / "source.pt2", Net().eval())
        source = ModelFile(Variant(format="pt2"), path=path)
    (target,) = conversion.targets(source.variant)
    return ModelFile(target, path=conversion.convert(source, job)), facts


def infer(session: Any, fed: Any) -> dict[str, Any]:
    handle = session.upload({session.inputs[0].name: fed})
    session.run(handle)
    return dict(session.download(handle))


def image(seed: int = 3) -> Any:
    return np.random.default_rng(seed).standard_normal((1, 3, 64, 64)).astype(np.float32)


def expected(fed: Any) -> list[Any]:
    with torch.inference_mode():
        return [one.numpy() for one in Net().eval()(torch.from_numpy(fed)).values()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: Any) -> tuple[ModelFile, dict[str, Any]]:
    return convert(ToExecuTorch(), tmp_path_factory.mktemp("fp32"), exported=True)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: Any) -> ModelFile:
    return convert(ExecuTorchInt8(), tmp_path_factory.mktemp("int8"))[0]


def test_fp32_gives_torchs_outputs_in_order_and_integers_as_integers(plain):
    with ExecuTorch().open(plain[0], REQUEST) as session:
        scores, best, deep = infer(session, image()).values()
    wanted = expected(image())
    assert best.dtype == np.int64
    assert np.mean(best == wanted[1]) > 0.999
    for got, want in ((scores, wanted[0]), (deep, wanted[2])):
        assert got.dtype == np.float32
        assert np.abs(got - want).max() < 1e-3 * want.std()


def test_int8_is_near_fp32_and_the_profile_shows_int8_convolutions(quantized):
    request = replace(REQUEST, precision="int8")
    with ExecuTorch().open(quantized, request) as session:
        scores, _, deep = infer(session, image()).values()
        placement = session.placement()
    wanted = expected(image())
    assert small_model.cosine(scores, wanted[0]) > 0.99
    assert np.abs(deep - wanted[2]).max() > 1e-3 * wanted[2].std()
    assert placement.precision == "int8"
    assert placement.coverage == {"int8": 1.0}
    assert placement.in_precision.nodes == 1.0
    assert placement.evidence == "measured"


def test_what_xnnpack_does_not_take_is_counted_and_named(plain):
    model, facts = plain
    with ExecuTorch().open(model, REQUEST) as session:
        placement = session.placement()
    assert placement.coverage == {"fp32": 1.0}
    assert placement.on_device.nodes is not None
    assert 0 < placement.on_device.nodes < 1
    assert "upsample_nearest2d" in placement.details["left out of xnnpack"]
    assert "Convolution (NHWC, F32)" in placement.details["xnnpack"]
    assert not placement.copies_inside_run
    assert any("upsample" in name for name in facts["delegation"]["left"])
    assert facts["delegation"]["delegated"] >= 3


def test_downloaded_arrays_survive_the_next_run(plain):
    with ExecuTorch().open(plain[0], REQUEST) as session:
        first = infer(session, image(1))
        kept = {name: array.copy() for name, array in first.items()}
        second = infer(session, image(2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        assert not np.array_equal(array, second[name])


def test_the_threads_asked_for_are_set(plain):
    for threads in (1, 2, 1):
        with ExecuTorch().open(plain[0], replace(REQUEST, threads=threads)) as session:
            infer(session, image())
            assert library._threadpool_get_thread_count() == threads
            assert session.placement().threads == threads


def test_a_second_program_shares_the_pool_and_may_not_replace_it(plain, quantized):
    one, two = REQUEST, replace(REQUEST, precision="int8")
    with ExecuTorch().open(plain[0], one) as first, ExecuTorch().open(quantized, two) as second:
        before = infer(first, image())
        infer(second, image())
        other = ExecuTorch().open(quantized, replace(two, threads=2))
        with pytest.raises(PlacementError, match="one pool a process"):
            other.__enter__()
        for name, array in infer(first, image()).items():
            np.testing.assert_array_equal(array, before[name])


def test_a_wrong_size_and_broken_files_are_told(plain, tmp_path):
    wide = replace(REQUEST, input=replace(small_model.SHAPE, shape=(1, 3, 64, 32)))
    with pytest.raises(ModelError, match="the model takes 'images'"):
        ExecuTorch().open(plain[0], wide).__enter__()
    whole = plain[0].path.read_bytes()
    for name, content in (("short", whole[:2000]), ("empty", b""), ("text", b"no program" * 99)):
        path = tmp_path / f"{name}.pte"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}.pte: ExecuTorch cannot load"):
            ExecuTorch().open(
                ModelFile(Variant(format="executorch"), path=path), REQUEST
            ).__enter__()


def test_an_excluded_module_stays_in_float(tmp_path):
    program = torch.export.export(Net().eval(), (torch.from_numpy(image()),))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantizer = ExecuTorchInt8(exclude=("he*",))
        graph = quantizer._quantize(program, small_model.job(tmp_path)).graph
    convolutions = [node for node in graph.nodes if "conv2d" in str(node.target)]
    assert ["dequantize" in str(node.args[1].target) for node in convolutions] == [True, False]


def test_a_glob_that_matches_no_module_is_an_error_that_names_modules(tmp_path):
    with pytest.raises(ConversionError, match="matches no module: tail") as caught:
        convert(ExecuTorchInt8(exclude=("tail",)), tmp_path)
    assert "stem" in (caught.value.hint or "")


def test_a_head_that_is_called_twice_is_int8_at_both_levels(tmp_path):
    module = small_model.pyramid()
    job = small_model.job(tmp_path)
    path = ExecuTorchInt8().convert(small_model.torch_file(module), job)
    model = ModelFile(Variant(format="executorch", precision="int8"), path=path)
    with ExecuTorch().open(model, replace(REQUEST, precision="int8")) as session:
        found = infer(session, image())
        assert session.placement().coverage == {"int8": 1.0}
    with torch.inference_mode():
        wanted = module(torch.from_numpy(image()))
    for got, want in zip(found.values(), wanted, strict=True):
        assert small_model.cosine(got, want.numpy()) > 0.98


def test_int8_without_images_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match="no calibration images"):
        convert(ExecuTorchInt8(), tmp_path, feeds=None)


def test_a_program_runs_in_what_is_written_in_it():
    stored = Variant(format="executorch", precision="int8")
    assert ExecuTorch().accepts("int8", "cpu") == (stored,)
    assert not ExecuTorch().accepts("fp16", "cpu")
    assert not ToExecuTorch().targets(Variant(format="torchscript"))
