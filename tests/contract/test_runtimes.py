"""What every runtime owes: the contract kit, asked of each, and what is true of one alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench import plugins
from benchbench.errors import ModelError
from benchbench.testing import RuntimeCase, Tolerance, runtime_checks
from benchbench.types import InputShape, ModelFile, Precision, Request, Variant
from tests import small_model
from tests.contract import workshop
from tests.contract.workshop import CPU_INT8, MODULE, ONNX, last_step, model

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

LOOSE = Tolerance(sigma=0.6, cosine=0.99)


def _cpu_flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


NATIVE: dict[str, set[str]] = {
    "bf16": {"amx_bf16", "avx512_bf16"},
    "int8": {"avx512_vnni", "amx_int8", "avx_vnni"},
}
"""CPU flags without which a precision is computed in another one."""


@pytest.fixture(scope="module", autouse=True)
def files() -> Iterator[None]:
    yield
    workshop.clean()


def row(
    kind: str, precision: Precision, form: str, stored: Precision = "fp32", target: str = ""
) -> RuntimeCase:
    """Return the case of a runtime with a file of *form* in which *stored* is written."""
    variant = Variant(format=form, precision=stored, target=target)
    native = _cpu_flags() & NATIVE.get(precision, _cpu_flags())
    return RuntimeCase(
        name=f"{kind} {precision} of {variant}",
        runtime=plugins.build("runtimes", {"kind": kind}),
        request=Request(precision, "cpu", 1, small_model.SHAPE),
        model=lambda: model(variant),
        reference=small_model.reference,
        tolerance=Tolerance() if precision == "fp32" else LOOSE,
        effective=() if native else (precision, "fp32", "bf16", "mixed"),
        impossible=("fp8",),
    )


CASES = [
    row("torch", "fp32", "torch-module"),
    row("torch", "fp32", "torchscript"),
    row("torch", "fp32", "pt2"),
    row("torch", "bf16", "torch-module"),
    row("torch", "bf16", "torchscript"),
    row("onnxruntime", "fp32", "onnx"),
    row("onnxruntime", "int8", "onnx", "int8", "cpu"),
    row("openvino", "fp32", "onnx"),
    row("openvino", "bf16", "onnx"),
    row("openvino", "int8", "onnx", "int8", "cpu"),
    row("openvino", "int8", "openvino-ir", "int8"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries', when they are imported
@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=str(check), marks=workshop.marks(case.runtime))
        for case in CASES
        for check in runtime_checks(case)
    ],
)
def test_contract(check: Any) -> None:
    check()


# --- what is true of some ----------------------------------------------------------------

TORCH, ORT, OPENVINO = (
    plugins.build("runtimes", {"kind": kind}) for kind in ("torch", "onnxruntime", "openvino")
)


def request_of(precision: Precision, **changes: Any) -> Request:
    return replace(Request(precision, "cpu", 1, small_model.SHAPE), **changes)


def infer(session: Any, image: Any) -> list[Any]:
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return list(session.download(handle).values())


def image(seed: int = 5) -> Any:
    return np.random.default_rng(seed).standard_normal((1, 3, 64, 64)).astype(np.float32)


@pytest.mark.parametrize(
    ("runtime", "variant"),
    [(TORCH, MODULE), (ORT, ONNX), (OPENVINO, ONNX)],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_two_threads_are_recorded_where_two_are_asked_for(runtime, variant):
    with runtime.open(model(variant), request_of("fp32", threads=2)) as session:
        assert session.placement().threads == 2


def test_torch_gives_its_threads_back():
    import torch

    before = torch.get_num_threads()
    with TORCH.open(model(MODULE), request_of("fp32", threads=before + 1)):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("runtime", [ORT, OPENVINO], ids=lambda one: one.kind)
def test_a_wrong_dtype_is_an_error_that_names_both(runtime):
    asked = request_of("fp32", input=InputShape((1, 3, 64, 64), "uint8"))
    with (
        pytest.raises(ModelError, match=r"float32.*uint8"),
        runtime.open(model(ONNX), asked),
    ):
        pass


def test_torch_names_nested_outputs_by_their_keys():
    import torch

    class Named(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return {"z": x * 2, "a": (x.sum(dim=1), x.argmax(dim=1))}

    with TORCH.open(small_model.torch_file(Named()), request_of("bf16")) as session:
        handle = session.upload({"images": image()})
        session.run(handle)
        outputs = session.download(handle)
    assert {name: one.dtype.name for name, one in outputs.items()} == {
        "z": "float32",
        "a.0": "float32",
        "a.1": "int64",
    }


@pytest.mark.parametrize(
    ("runtime", "variant"),
    [(TORCH, MODULE), (ORT, ONNX), (OPENVINO, ONNX)],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_an_open_batch_takes_more_images(runtime, variant):
    asked = request_of("fp32", input=InputShape((3, 3, 64, 64)))
    batch = np.concatenate([image(1), image(2), image(3)])
    with runtime.open(model(variant), asked) as session:
        scores, _ = infer(session, batch)
    for row, seed in enumerate((1, 2, 3)):
        np.testing.assert_allclose(scores[row], small_model.reference(image(seed))[0][0], atol=1e-4)


@pytest.mark.skipif("amx_bf16" not in _cpu_flags(), reason="this CPU has no AMX")
@pytest.mark.parametrize(("hint", "found"), [(None, "bf16"), ("f32", "fp32")])
def test_evidence_sees_the_bf16_that_openvino_picks_unasked(hint, found):
    openvino = pytest.importorskip("openvino")
    from benchbench.runtimes.openvino import evidence

    core = openvino.Core()
    network = core.read_model(str(model(ONNX).path))
    network.reshape(list(small_model.SHAPE.shape))
    config = {"INFERENCE_PRECISION_HINT": hint} if hint else {}
    for perf in (False, True):
        compiled = core.compile_model(network, "CPU", config | {"PERF_COUNT": perf})
        work, _ = evidence(compiled, small_model.SHAPE)
        assert {precision for precision, _ in work} == {found}
        assert sum(weight for _, weight in work) > 0


_CHILD = """
from benchbench.runtimes.torch import Torch
from benchbench.types import Request
from tests import small_model
with Torch().open(small_model.torch_file(), Request("fp32", "cpu", 1, small_model.SHAPE)) as one:
    print("said", "bf16" in one.placement().coverage, one.placement().precision == "fp32")
"""


@pytest.mark.skipif("amx_bf16" not in _cpu_flags(), reason="this CPU has no AMX")
@pytest.mark.parametrize(("mode", "found"), [("BF16", "True False"), ("STRICT", "False True")])
def test_torchs_fp32_computes_in_bf16_where_the_environment_says_so(mode, found):
    root = Path(__file__).parents[2]
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        env=os.environ | {"ONEDNN_DEFAULT_FPMATH_MODE": mode, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert child.stdout.splitlines() == [f"said {found}"]


def test_onnx_runtime_profile_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ORT.open(model(ONNX), request_of("fp32")) as session:
        session.placement()
    assert list(tmp_path.iterdir()) == []


def test_a_float_convolution_in_an_int8_file_stays_visible_in_the_coverage(tmp_path):
    conversion, source = last_step(CPU_INT8)
    mixing = conversion.model_copy(update={"exclude": ("*Conv*",)})
    job = replace(small_model.job(tmp_path / "mixed"), target=CPU_INT8)
    file = ModelFile(CPU_INT8, path=mixing.convert(model(source), job))
    with ORT.open(file, request_of("int8")) as session:
        coverage = session.placement().coverage
    assert set(coverage) == {"fp32", "int8"}


def test_fastestdet_is_the_same_in_all_three_runtimes(data_dir):
    folder = data_dir / "models" / "fastestdet"
    asked = request_of("fp32", input=InputShape((1, 3, 352, 352)))
    files = {
        "torch": ModelFile(
            Variant(format="torchscript"), path=folder / "fastestdet.torchscript.pt"
        ),
        "onnxruntime": ModelFile(Variant(format="onnx"), path=folder / "fastestdet.onnx"),
        "openvino": ModelFile(Variant(format="onnx"), path=folder / "fastestdet.onnx"),
    }
    array = np.random.default_rng(0).random((1, 3, 352, 352), np.float32)
    outputs = {}
    for name, file in files.items():
        with plugins.build("runtimes", {"kind": name}).open(file, asked) as session:
            (outputs[name],) = infer(session, array)
    for other in ("onnxruntime", "openvino"):
        worst = np.abs(outputs["torch"] - outputs[other]).max()
        assert worst < 1e-3 * outputs["torch"].std()
