"""Torch modules from factories and libraries, and their weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchbench.errors import ModelError
from benchbench.sources.timm import Timm
from benchbench.sources.torch_factory import TorchFactory
from benchbench.sources.torchvision import Torchvision
from benchbench.types import Variant
from tests import small_model

torch = pytest.importorskip("torch")

FACTORY = "tests.small_model:module"
MODULE = Variant(format="torch-module")


def load(source):
    return source.open(MODULE).load()


@pytest.fixture
def state():
    return {name: value + 1 for name, value in small_model.module().state_dict().items()}


def test_the_factory_is_called_with_its_arguments_and_gives_eval_mode():
    module = load(TorchFactory(factory=FACTORY, kwargs={"width": 16}))
    assert module.body.out_channels == 16
    assert not module.training


@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
def test_weights_are_loaded_also_from_a_nested_dict(nest, state, tmp_path):
    torch.save({nest: state} if nest else state, tmp_path / "w.pt")
    module = load(TorchFactory(factory=FACTORY, weights=tmp_path / "w.pt"))
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def test_safetensors_are_loaded(state, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(state, tmp_path / "w.safetensors")
    module = load(TorchFactory(factory=FACTORY, weights=tmp_path / "w.safetensors"))
    assert torch.equal(module.box.weight, state["box.weight"])


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_truncated_weights_are_an_error_that_names_the_file(name, state, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / name
    torch.save(state, path) if path.suffix == ".pt" else safetensors.save_file(state, path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelError, match=name):
        load(TorchFactory(factory=FACTORY, weights=path))


def test_keys_that_do_not_fit_are_listed(state, tmp_path):
    state["extra.weight"] = state.pop("box.bias")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"missing box\.bias; unexpected extra\.weight"):
        load(TorchFactory(factory=FACTORY, weights=tmp_path / "w.pt"))


def test_shapes_that_do_not_fit_are_an_error(state, tmp_path):
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="size mismatch"):
        load(TorchFactory(factory=FACTORY, kwargs={"width": 16}, weights=tmp_path / "w.pt"))


class Evil:
    """Runs code when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_pickled_code_does_not_run_unless_the_user_says_so(state, tmp_path):
    marker = tmp_path / "ran"
    torch.save({"state_dict": state, "evil": Evil(marker)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="not a plain state dict") as caught:
        load(TorchFactory(factory=FACTORY, weights=tmp_path / "w.pt"))
    assert "allow_pickle" in (caught.value.hint or "")
    assert not marker.exists()
    load(TorchFactory(factory=FACTORY, weights=tmp_path / "w.pt", allow_pickle=True))
    assert marker.exists()


def test_random_weights_follow_the_seed_and_leave_torchs_generator_alone():
    before = torch.random.get_rng_state()
    first, second, other = (
        load(TorchFactory(factory="torch.nn:Linear", kwargs=sizes, seed=seed)).weight
        for sizes, seed in [({"in_features": 4, "out_features": 4}, seed) for seed in (0, 0, 1)]
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("no_such_package.thing:make", "no_such_package"),
        ("tests.small_model:no_such", "no function 'no_such'"),
        ("tests.small_model:feeds", "not a torch.nn.Module"),
    ],
)
def test_a_wrong_factory_is_an_error(factory, said):
    with pytest.raises(ModelError, match=said):
        load(TorchFactory(factory=factory))


def test_wrong_arguments_are_an_error():
    with pytest.raises(ModelError, match="widht"):
        load(TorchFactory(factory=FACTORY, kwargs={"widht": 3}))


def test_weights_are_found_in_a_package_and_enter_the_fingerprint(state, tmp_path, monkeypatch):
    package = tmp_path / "some_zoo" / "nets"
    package.mkdir(parents=True)
    (tmp_path / "some_zoo" / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "__init__.py").touch()
    (package / "net.py").write_text("def make(): ...")
    torch.save(state, package / "w.pt")
    monkeypatch.syspath_prepend(tmp_path)
    source = TorchFactory(factory="some_zoo.nets.net:make", weights="package:some_zoo.nets/w.pt")
    first = source.fingerprint()
    assert "some_zoo" not in sys.modules
    (package / "net.py").write_text("def make(): return None")
    second = source.fingerprint()
    assert {key for key in first if first[key] != second[key]} == {"source"}
    (package / "w.pt").unlink()
    with pytest.raises(ModelError, match=r"w\.pt"):
        source.fingerprint()


def test_a_plan_needs_no_torch():
    root = Path(__file__).parents[2]
    code = (
        "import sys; from benchbench.sources import file, timm, torch_factory, torchvision;"
        "s = torch_factory.TorchFactory(factory='torch.nn:Linear'); s.variants(); s.fingerprint();"
        "t = torchvision.Torchvision(name='resnet18'); t.fingerprint();"
        "timm.Timm(name='resnet18').fingerprint();"
        "print({'torch', 'torchvision', 'timm', 'onnx'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_torchvision_models_are_built_untrained_and_from_a_file(tmp_path):
    pytest.importorskip("torchvision")
    first, again, other = (
        load(Torchvision(name="squeezenet1_1", seed=seed, kwargs={"num_classes": 4}))
        for seed in (1, 1, 2)
    )
    weight = first.classifier[1].weight
    assert torch.equal(weight, again.classifier[1].weight)
    assert not torch.equal(weight, other.classifier[1].weight)
    torch.save(first.state_dict(), tmp_path / "w.pth")
    stored = Torchvision(
        name="squeezenet1_1", weights=tmp_path / "w.pth", kwargs={"num_classes": 4}
    )
    assert torch.equal(weight, load(stored).classifier[1].weight)


def test_a_torchvision_detector_without_weights_downloads_no_backbone(monkeypatch):
    pytest.importorskip("torchvision")

    def refuse(*args, **kwargs):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    module = load(Torchvision(name="lraspp_mobilenet_v3_large", kwargs={"num_classes": 3}))
    assert not module.training


@pytest.mark.parametrize(
    ("kind", "library"), [(Torchvision, "torchvision"), (Timm, "timm")], ids=["torchvision", "timm"]
)
def test_an_unknown_name_brings_a_suggestion(kind, library):
    pytest.importorskip(library)
    with pytest.raises(ModelError, match="resnet118") as caught:
        load(kind(name="resnet118"))
    assert "did you mean 'resnet" in (caught.value.hint or "")


def test_unknown_torchvision_weights_are_an_error_that_lists_the_known():
    pytest.importorskip("torchvision")
    with pytest.raises(ModelError, match="DEFUALT") as caught:
        load(Torchvision(name="resnet18", weights="DEFUALT"))
    assert "IMAGENET1K_V1" in (caught.value.hint or "")


def test_timm_models_are_built_untrained_and_from_a_file(tmp_path):
    pytest.importorskip("timm")
    first = load(Timm(name="test_vit", seed=3, kwargs={"num_classes": 4}))
    torch.save(first.state_dict(), tmp_path / "w.pth")
    stored = load(Timm(name="test_vit", weights=tmp_path / "w.pth", kwargs={"num_classes": 4}))
    assert all(
        torch.equal(value, stored.state_dict()[name]) for name, value in first.state_dict().items()
    )
    assert not stored.training


@pytest.mark.parametrize("source", [Torchvision(name="resnet18", kwargs={"nope": 1})])
def test_unknown_builder_arguments_are_an_error(source):
    pytest.importorskip("torchvision")
    with pytest.raises(ModelError, match="nope"):
        load(source)
