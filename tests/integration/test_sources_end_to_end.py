"""Models from torchvision, timm, a factory and an exported program, from suite to figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchbench import api
from tests import tiny

INPUT = {
    "size": [32, 32],
    "color": "RGB",
    "resize": "stretch",
    "scale": "1/255",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def measured(tmp_path: Path, source: dict[str, Any], batches: list[int]) -> list[Any]:
    for name in ("torch", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    folder = tiny.write_dataset(tmp_path / "data")
    data = tiny.suite(folder, runtimes=["torch", "onnxruntime"], batch_sizes=batches)
    data["models"] = [
        {"name": "m", "source": source, "input": INPUT, "decoder": {"kind": "classification"}}
    ]
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    cells = list(api.run(str(path), store=tmp_path / "store").view.cells)
    assert [(c.failure.message if c.failure else None) for c in cells] == [None] * len(cells)
    return cells


def same_predictions(cells: list[Any]) -> bool:
    """Return whether all cells score the same; calibration sees the last bits of a probability."""
    first = cells[0].metrics
    return all(cell.metrics == pytest.approx(first, abs=1e-5, nan_ok=True) for cell in cells[1:])


def state_bytes() -> int:
    """Return the bytes of the state dict of the model below, counted by another library."""
    models, safetensors = (
        pytest.importorskip("torchvision.models"),
        pytest.importorskip("safetensors.torch"),
    )
    state = models.resnet18(num_classes=2).state_dict()
    saved = safetensors.save(state)
    return len(saved) - 8 - int.from_bytes(saved[:8], "little")


def test_a_torchvision_model_by_name_runs_at_two_batch_sizes(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    source = {"kind": "torchvision", "name": "resnet18", "kwargs": {"num_classes": 2}}
    cells = measured(tmp_path, source, [1, 3])
    assert [(c.runtime, c.batch) for c in cells] == [
        ("torch", 1),
        ("torch", 3),
        ("onnxruntime", 1),
        ("onnxruntime", 3),
    ]
    assert same_predictions(cells)
    assert cells[2].artifact.chain == ("torch-onnx",)
    assert cells[0].artifact.bytes == state_bytes()


def test_a_timm_model_by_name_runs(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    source = {"kind": "timm", "name": "resnet10t", "kwargs": {"num_classes": 2}}
    assert same_predictions(measured(tmp_path, source, [1]))


def test_an_exported_program_runs_and_becomes_onnx(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(512, 2),
    ).eval()
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 32, 32),)), path)
    cells = measured(tmp_path, {"kind": "file", "path": str(path)}, [1])
    assert same_predictions(cells)
    assert cells[0].artifact.variant.format == "pt2"
    assert cells[0].artifact.bytes == path.stat().st_size
