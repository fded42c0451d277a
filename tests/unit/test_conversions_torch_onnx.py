"""Export to ONNX."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from benchbench.conversions.torch_onnx import TorchOnnx
from benchbench.errors import ConversionError, ModelError
from benchbench.types import InputShape, ModelFile, Variant
from tests import small_model

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
ort = pytest.importorskip("onnxruntime")


def shapes(values):
    return {
        one.name: [dim.dim_value or dim.dim_param for dim in one.type.tensor_type.shape.dim]
        for one in values
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    log: list[str] = []
    job = small_model.job(tmp_path_factory.mktemp("export"), log)
    return TorchOnnx().convert(small_model.torch_file(), job), log


def test_the_batch_is_open_and_outputs_are_named_in_order(exported):
    graph = onnx.load(exported[0]).graph
    assert shapes(graph.input) == {"images": ["batch", 3, 64, 64]}
    assert shapes(graph.output) == {
        "output_0": ["batch", 256, 4],
        "output_1": ["batch", 256, 4],
    }


def test_the_file_holds_the_opset_asked_for_and_no_folder_of_this_machine(exported):
    path, _ = exported
    assert [(one.domain, one.version) for one in onnx.load(path).opset_import] == [("", 20)]
    assert b"small_model.py" not in path.read_bytes()


def test_the_exporters_talk_goes_to_the_log_only(tmp_path, capfd):
    log: list[str] = []
    TorchOnnx(dynamic_batch=False).convert(
        small_model.torch_file(), small_model.job(tmp_path / "job", log)
    )
    assert capfd.readouterr() == ("", "")


def test_two_exports_give_the_same_bytes_and_leave_one_file(exported, tmp_path):
    job = small_model.job(tmp_path / "again")
    again = TorchOnnx().convert(small_model.torch_file(), job)
    assert again.read_bytes() == exported[0].read_bytes()
    assert [one.name for one in job.folder.iterdir()] == ["model.onnx"]


def test_an_exported_program_is_exported_too(tmp_path):
    source = ModelFile(
        Variant(format="pt2"), path=small_model.save_exported(tmp_path / "model.pt2")
    )
    path = TorchOnnx().convert(source, small_model.job(tmp_path / "job"))
    image = next(small_model.feeds())
    got = ort.InferenceSession(str(path)).run(None, {"images": image})
    for one, want in zip(got, small_model.reference(image), strict=True):
        np.testing.assert_allclose(one, want, atol=1e-4)


class Named(torch.nn.Module):
    """Returns a dict with a nested tuple, its keys not in alphabetical order."""

    def forward(self, x):
        return {"z": x * 2, "a": (x.sum(dim=1), x + 1)}


def test_dict_keys_become_output_names(tmp_path):
    source = ModelFile(Variant(format="torch-module"), load=lambda: Named().eval())
    path = TorchOnnx().convert(source, small_model.job(tmp_path))
    assert list(shapes(onnx.load(path).graph.output)) == ["z", "a.0", "a.1"]


class Fixed(torch.nn.Module):
    """Allows no batch but 1."""

    def forward(self, x):
        return x.reshape(1, 3, 4096).mean(dim=2)


def test_a_module_of_one_batch_is_exported_at_that_batch(tmp_path):
    log: list[str] = []
    source = ModelFile(Variant(format="torch-module"), load=lambda: Fixed().eval())
    path = TorchOnnx().convert(source, small_model.job(tmp_path, log))
    assert shapes(onnx.load(path).graph.input) == {"images": [1, 3, 64, 64]}
    assert any("the batch stays 1" in line for line in log)


class Data(torch.nn.Module):
    """Cannot be exported: its path depends on the values."""

    def forward(self, x):
        return x if float(x.sum()) > 0 else -x


def test_a_module_that_cannot_be_exported_is_an_error(tmp_path):
    source = ModelFile(Variant(format="torch-module"), load=lambda: Data().eval())
    with pytest.raises(ConversionError, match=r"torch\.onnx\.export failed"):
        TorchOnnx().convert(source, small_model.job(tmp_path))


class Moody(torch.nn.Module):
    """Computes something else once it is being exported."""

    def forward(self, x):
        return x.mean(dim=1) + (1.0 if torch.compiler.is_exporting() else 0.0)


def test_an_export_that_computes_something_else_is_an_error_unless_unverified(tmp_path):
    source = ModelFile(Variant(format="torch-module"), load=lambda: Moody().eval())
    with pytest.raises(ConversionError, match="output 0 of the export differs"):
        TorchOnnx().convert(source, small_model.job(tmp_path / "a"))
    assert TorchOnnx(verify=False).convert(source, small_model.job(tmp_path / "b")).is_file()


def test_a_module_that_does_not_take_the_input_is_an_error(tmp_path):
    job = replace(small_model.job(tmp_path), input=InputShape((1, 1, 64, 64)))
    with pytest.raises(ModelError, match=re.escape("[1, 1, 64, 64]")):
        TorchOnnx().convert(small_model.torch_file(), job)


def test_a_truncated_exported_program_is_an_error_that_names_it(tmp_path):
    path = small_model.save_exported(tmp_path / "model.pt2")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match=re.escape(str(path))):
        TorchOnnx().convert(
            ModelFile(Variant(format="pt2"), path=path), small_model.job(tmp_path / "job")
        )
