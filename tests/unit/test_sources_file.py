"""Model files: formats, checksums, and what is wrong with them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchbench.errors import ModelError
from benchbench.sources.content import external_data
from benchbench.sources.file import File
from benchbench.types import Variant
from tests import small_model


def save_onnx(path: Path, location: str | None = None) -> Path:
    """Write a one-node model, its weights in *location* if given."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = helper.make_tensor("w", kind, [1024], b"\0" * 4096, raw=True)
    if location:
        onnx.external_data_helper.set_external_data(weights, location)
        weights.ClearField("raw_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, [1024])],
        [helper.make_tensor_value_info("y", kind, [1024])],
        [weights],
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def test_each_file_is_a_variant_of_its_format(tmp_path):
    onnx = save_onnx(tmp_path / "a.onnx")
    (tmp_path / "a.xml").write_text("<net/>")
    (tmp_path / "a.bin").write_bytes(b"1")
    source = File(paths=(onnx, tmp_path / "a.xml"), precision="int8")
    assert source.variants() == (
        Variant(format="onnx", precision="int8"),
        Variant(format="openvino-ir", precision="int8"),
    )
    opened = source.open(source.variants()[0])
    assert (opened.path, opened.sha256) == (onnx, hashlib.sha256(onnx.read_bytes()).hexdigest())


def test_torch_files_are_told_apart_by_content(tmp_path):
    torch = pytest.importorskip("torch")
    script = small_model.save_torchscript(tmp_path / "script.pt")
    exported = small_model.save_exported(tmp_path / "exported.pt2")
    assert File(path=script).variants() == (Variant(format="torchscript"),)
    assert File(path=exported).variants() == (Variant(format="pt2"),)
    renamed = exported.rename(tmp_path / "exported.pt")
    assert File(path=renamed).variants() == (Variant(format="pt2"),)
    torch.save({"a": torch.zeros(1)}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="perhaps a state dict") as caught:
        File(path=tmp_path / "state.pt").variants()
    assert "kind: torch" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_a_pt_file_that_is_no_archive_is_an_error(content, tmp_path):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelError, match=re.escape(str(tmp_path / "model.pt"))):
        File(path=tmp_path / "model.pt").variants()


def test_real_models_are_recognised(data_dir):
    folder = data_dir / "models" / "fastestdet"
    source = File(paths=(folder / "fastestdet.onnx", folder / "fastestdet.torchscript.pt"))
    assert [str(one) for one in source.variants()] == ["onnx fp32", "torchscript fp32"]
    sums = (line.split(maxsplit=1) for line in (data_dir / "SHA256SUMS").read_text().splitlines())
    wanted = {Path(name).name: value for value, name in sums}
    found = source.fingerprint()
    assert found.pop("precision") == "fp32"
    assert found == {name: wanted[name] for name in found}
    assert len(found) == 2


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match=re.escape(str(tmp_path / "no.onnx"))):
        File(path=tmp_path / "no.onnx").fingerprint()


def test_missing_openvino_weights_are_an_error(tmp_path):
    (tmp_path / "a.xml").write_text("<net/>")
    with pytest.raises(ModelError, match=r"a\.bin"):
        File(path=tmp_path / "a.xml").fingerprint()


def test_the_fingerprint_follows_external_data(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(b"\0" * 4096)
    source = File(path=save_onnx(tmp_path / "a.onnx", "data/w.bin"))
    before = dict(source.fingerprint())
    assert set(before) == {"a.onnx", "data/w.bin", "precision"}
    (tmp_path / "data" / "w.bin").write_bytes(b"\1" * 4096)
    changed = {name for name, value in source.fingerprint().items() if before[name] != value}
    assert changed == {"data/w.bin"}


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "a/../../w.bin"])
def test_external_data_outside_the_folder_is_refused(location, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "w.bin").write_bytes(b"\0" * 4096)
    with pytest.raises(ModelError, match="outside"):
        File(path=save_onnx(inner / "a.onnx", location)).fingerprint()


def test_missing_external_data_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"'w\.bin' is missing"):
        File(path=save_onnx(tmp_path / "a.onnx", "w.bin")).fingerprint()


def refusal(path: Path) -> str:
    """Return the message of the error that *path* gives, or its own name if it gives none."""
    try:
        external_data(path)
    except ModelError as error:
        return error.message
    return str(path)


@given(cut=st.integers(0, 200))
def test_a_cut_onnx_file_is_read_or_refused_but_never_crashes(cut, tmp_path_factory):
    whole = save_onnx(tmp_path_factory.mktemp("cut") / "a.onnx")
    whole.write_bytes(whole.read_bytes()[:cut])
    assert str(whole) in refusal(whole)


@given(noise=st.binary(min_size=1, max_size=300))
def test_noise_is_read_or_refused_but_never_crashes(noise, tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "a.onnx"
    path.write_bytes(noise)
    assert str(path) in refusal(path)


def test_two_files_of_one_format_are_refused(tmp_path):
    files = tuple(save_onnx(tmp_path / name) for name in ("a.onnx", "b.onnx"))
    with pytest.raises(ModelError, match="a second onnx file"):
        File(paths=files).variants()


def test_an_unknown_suffix_is_an_error_that_lists_the_known(tmp_path):
    (tmp_path / "model.h5").touch()
    with pytest.raises(ModelError, match=r"\.h5") as caught:
        File(path=tmp_path / "model.h5").variants()
    assert ".onnx" in (caught.value.hint or "")


@pytest.mark.parametrize("options", [{}, {"path": "a.onnx", "paths": ["b.onnx"]}])
def test_either_path_or_paths_is_needed(options):
    with pytest.raises(ValidationError, match="either 'path' or 'paths'"):
        File.model_validate(options)


def test_a_zip_of_something_else_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="neither TorchScript"):
        File(path=tmp_path / "a.pt").variants()
