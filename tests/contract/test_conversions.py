"""What every conversion owes: the contract kit, asked of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchbench import plugins
from benchbench.testing import ConversionCase, conversion_checks
from benchbench.types import Variant
from tests import small_model
from tests.contract import workshop
from tests.contract.workshop import CPU_INT8, MODULE, ONNX, model

pytest.importorskip("torch")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module", autouse=True)
def files() -> Iterator[None]:
    yield
    workshop.clean()


def row(kind: str, source: Variant, target: Variant, **changes: Any) -> ConversionCase:
    """Return the case of one built-in conversion."""
    return ConversionCase(
        name=f"{kind} to {target}",
        conversion=plugins.build("conversions", {"kind": kind}),
        model=lambda: model(source),
        target=target,
        input=small_model.SHAPE,
        feeds=small_model.feeds,
        **changes,
    )


CALIBRATED = Variant(format="onnx-calibrated")
OPENVINO_INT8 = Variant(format="openvino-ir", precision="int8")
CASES = [
    row("torch-onnx", MODULE, ONNX),
    row("onnx-calibrate", ONNX, CALIBRATED),
    row("onnx-int8", CALIBRATED, CPU_INT8),
    # OpenVINO numbers nodes through the life of a process: a second conversion names them otherwise.
    row("openvino-int8", ONNX, OPENVINO_INT8, reproducible=False),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # libraries', when they are imported
@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=str(check), marks=workshop.marks(case.conversion))
        for case in CASES
        for check in conversion_checks(case)
    ],
)
def test_contract(check: Any) -> None:
    check()
