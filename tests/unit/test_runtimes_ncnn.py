"""ncnn: what pnnx writes is checked, what is reduced is asked for, sizes are not taken on trust."""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.conversions.ncnn import Ncnn as ToNcnn
from benchbench.conversions.ncnn import _program
from benchbench.errors import ConversionError, ModelError, PlacementError
from benchbench.runtimes.ncnn import Ncnn
from benchbench.types import InputShape, ModelFile, Request, Variant
from tests import small_model

torch = pytest.importorskip("torch")
pytest.importorskip("ncnn")
if importlib.util.find_spec("pnnx") is None:
    pytest.skip("pnnx is not installed", allow_module_level=True)

REQUEST = Request("fp32", "cpu", 1, small_model.SHAPE)
VARIANT = Variant(format="ncnn")


def convert(source: ModelFile, folder: Path, batch: int = 1, **options: Any) -> ModelFile:
    job = replace(small_model.job(folder), input=InputShape((batch, 3, 64, 64)))
    return ModelFile(VARIANT, path=ToNcnn(**options).convert(source, job))


def infer(session: Any, fed: Any) -> dict[str, Any]:
    handle = session.upload({session.inputs[0].name: fed})
    session.run(handle)
    return dict(session.download(handle))


def image(batch: int = 1, seed: int = 3) -> Any:
    return np.random.default_rng(seed).standard_normal((batch, 3, 64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: Any) -> ModelFile:
    return convert(small_model.torch_file(), tmp_path_factory.mktemp("ncnn"))


class Swapped(torch.nn.Module):
    """Returns what is computed last first, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, 8, 3, 2, 1), torch.nn.Conv2d(8, 2, 1)

    def forward(self, images: Any) -> dict[str, Any]:
        early = torch.relu(self.first(images))
        return {"late": self.last(early), "early": early}


class Lacking(torch.nn.Module):
    """Uses an operation that ncnn lacks."""

    def forward(self, images: Any) -> Any:
        return torch.linalg.matrix_exp(images[:, :, :64, :64])


class Fixed(torch.nn.Module):
    """Takes a batch of one."""

    def forward(self, images: Any) -> Any:
        return images.reshape(1, 3, 64, 64)


class Pooling(torch.nn.Module):
    """Pools with a stride that is left to be the window's size."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = torch.nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images: Any) -> Any:
        return torch.max_pool2d(self.layer(images), 2)


class Frozen(torch.nn.Module):
    """Depends on its input in a way that tracing loses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 2, 1)

    def forward(self, images: Any) -> Any:
        return self.layer(images) * (2.0 if float(images.abs().sum()) > 0 else 1.0)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_module_gives_what_torch_computes_in_every_image_of_a_batch(batch, tmp_path):
    written = convert(small_model.torch_file(), tmp_path, batch)
    request = replace(REQUEST, input=InputShape((batch, 3, 64, 64)))
    with Ncnn().open(written, request) as session:
        outputs = infer(session, image(batch))
    for got, want in zip(outputs.values(), small_model.reference(image(batch)), strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max() < 1e-3 * want.std()


def test_torchscript_gives_two_files_with_fp32_weights_and_the_inputs_size(tmp_path):
    path = small_model.save_torchscript(tmp_path / "source.pt")
    source = ModelFile(Variant(format="torchscript"), path=path)
    written = convert(source, tmp_path / "out")
    assert {one.name for one in (tmp_path / "out").iterdir()} == {"model.param", "model.bin"}
    weights = sum(one.numel() for one in small_model.module().parameters())
    assert (tmp_path / "out" / "model.bin").stat().st_size > 4 * (weights - 64)
    with Ncnn().open(written, REQUEST) as session:
        assert session.inputs[0].name == "images"
        assert session.inputs[0].shape == (None, 3, 64, 64)


def test_outputs_keep_the_modules_order_though_the_graph_has_another(tmp_path):
    module = Swapped().eval()
    written = convert(small_model.torch_file(module), tmp_path)
    with Ncnn().open(written, REQUEST) as session:
        late, early = infer(session, image()).values()
    with torch.inference_mode():
        wanted = module(torch.from_numpy(image()))
    np.testing.assert_allclose(late, wanted["late"].numpy(), atol=1e-5)
    np.testing.assert_allclose(early, wanted["early"].numpy(), atol=1e-5)


def test_fp32_has_every_reducing_option_off_and_bf16_is_seen_in_the_outputs(model):
    with Ncnn().open(model, REQUEST) as session:
        plain, placement = infer(session, image()), session.placement()
    assert placement.details["options"] == "none that reduces precision"
    assert placement.coverage == {"fp32": 1.0}
    assert placement.evidence == "proxy"
    with Ncnn().open(model, replace(REQUEST, precision="bf16")) as session:
        reduced, placement = infer(session, image()), session.placement()
    assert "use_bf16_storage" in placement.details["options"]
    assert placement.precision == "bf16"
    for name, array in plain.items():
        assert small_model.cosine(array, reduced[name]) > 0.99
        assert np.abs(array - reduced[name]).max() > 1e-4 * array.std()


def test_downloaded_arrays_survive_the_next_run(model):
    with Ncnn().open(model, REQUEST) as session:
        first = infer(session, image(seed=1))
        kept = {name: array.copy() for name, array in first.items()}
        second = infer(session, image(seed=2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])
        assert not np.array_equal(array, second[name])


def test_winograd_changes_no_more_than_last_digits(model):
    with Ncnn().open(model, REQUEST) as one, Ncnn(winograd=False).open(model, REQUEST) as other:
        ours, theirs = infer(one, image()), infer(other, image())
    for name, array in ours.items():
        np.testing.assert_allclose(array, theirs[name], atol=1e-4)


def test_the_threads_asked_for_are_reported(model):
    with Ncnn().open(model, replace(REQUEST, threads=2)) as session:
        assert session.placement().threads == 2


@pytest.mark.skipif(platform.machine() in {"aarch64", "arm64"}, reason="ARM has fp16")
def test_fp16_is_refused_where_the_options_change_nothing():
    with pytest.raises(PlacementError, match="bit for bit"):
        Ncnn().accepts("fp16", "cpu")
    assert not Ncnn().accepts("int8", "cpu")


@pytest.mark.parametrize("shape", [(1, 3, 64, 32), (1, 4, 64, 64), (1, 3, 64)])
def test_a_size_that_ncnn_would_read_past_is_refused(shape, model):
    with pytest.raises(ModelError, match="the model takes 'images'"):
        Ncnn().open(model, replace(REQUEST, input=InputShape(shape))).__enter__()


def test_the_fp16_weights_that_pnnx_writes_unasked_are_refused(tmp_path):
    path = small_model.save_torchscript(tmp_path / "m.pt")
    command = [str(_program()), str(path), "inputshape=[1,3,64,64]f32"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = ModelFile(VARIANT, path=tmp_path / "m.ncnn.param")
    with pytest.raises(ModelError, match="too few for 19808 fp32 weights"):
        Ncnn().open(theirs, REQUEST).__enter__()


def test_broken_files_are_told(model, tmp_path):
    param, weights = tmp_path / "m.param", tmp_path / "m.bin"
    broken = ModelFile(VARIANT, path=param)
    text = model.path.read_text()
    weights.write_bytes(model.path.with_suffix(".bin").read_bytes())
    for wrong in ("", "<xml>\n1 2\n", text[:120], text.replace("Convolution", "Konvolution")):
        param.write_text(wrong)
        with pytest.raises(ModelError, match=r"m\.param"):
            Ncnn().open(broken, REQUEST).__enter__()
    param.write_text(text)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="truncated"):
        Ncnn().open(broken, REQUEST).__enter__()
    weights.unlink()
    with pytest.raises(ModelError, match="missing"):
        Ncnn().open(broken, REQUEST).__enter__()


def test_a_frozen_pooling_without_a_stride_is_converted(tmp_path):
    path = small_model.save_torchscript(tmp_path / "m.pt", Pooling().eval())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.freeze(torch.jit.load(str(path)).eval()).save(str(path))
    written = convert(ModelFile(Variant(format="torchscript"), path=path), tmp_path / "out")
    with Ncnn().open(written, REQUEST) as session:
        (got,) = infer(session, image()).values()
    with torch.inference_mode():
        want = Pooling().eval()(torch.from_numpy(image())).numpy()
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_an_operation_that_ncnn_lacks_is_named(tmp_path):
    with pytest.raises(ConversionError, match="matrix_exp"):
        convert(small_model.torch_file(Lacking().eval()), tmp_path)


def test_a_trace_that_lost_its_input_is_found_by_comparing(tmp_path):
    source = small_model.torch_file(Frozen().eval())
    with pytest.raises(ConversionError, match="output 0 of the conversion differs"):
        convert(source, tmp_path / "checked")
    assert convert(source, tmp_path / "unchecked", verify=False).path.is_file()


def test_a_file_that_does_not_take_the_size_is_told(tmp_path):
    path = small_model.save_torchscript(tmp_path / "m.pt", Fixed())
    source = ModelFile(Variant(format="torchscript"), path=path)
    with pytest.raises(ModelError, match="does not take float32"):
        convert(source, tmp_path / "out", batch=2)
