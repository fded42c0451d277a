"""Writes an exported torch program as a LiteRT file, and compares the two.

A script for the interpreter that has litert-torch, which need not have benchbench: it takes
nothing from it. ``python litert_child.py PROGRAM NAMES TARGET REPORT``.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


def main(program: str, names: str, target: str, report: str) -> None:
    """Convert *program* (a ``.pt2`` with its example input) to *target*; describe it in *report*.

    *names* are the outputs' names as a JSON list.
    """
    import litert_torch
    import torch

    loaded = torch.export.load(program)
    (image,), _ = loaded.example_inputs
    module = _named(loaded.module(), json.loads(names))
    with torch.no_grad():
        litert_torch.convert(module, (image,)).export(target)
        wanted = {name: value.numpy() for name, value in module(image).items()}
    found = _run(target, image.numpy())
    packages = ("litert-torch", "torch", "ai-edge-litert")
    told = {
        "versions": {name: version(name) for name in packages},
        "errors": {name: _difference(value, found.get(name)) for name, value in wanted.items()},
    }
    Path(report).write_text(json.dumps(told))


def _named(module: Any, names: list[str]) -> Any:
    """Return *module* with its outputs in a dict: litert-torch names them by its keys."""
    import torch

    class Named(torch.nn.Module):  # type: ignore[misc] # torch has no types here
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Any) -> dict[str, Any]:
            return dict(zip(names, self.inner(images), strict=True))

    made = Named()
    for part in made.modules():
        part.training = False
    return made


def _run(target: str, image: Any) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=target, num_threads=1)
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    return dict(runner(**{name: image}))


def _difference(want: Any, got: Any) -> dict[str, Any]:
    """Return the largest error, and the deviation and size of what is wanted."""
    if got is None or want.shape != got.shape:
        shape = None if got is None else list(got.shape)
        return {"shape": shape, "wanted": list(want.shape)}
    if not want.size:
        return {"worst": 0.0, "deviation": 0.0, "size": 0.0}
    a, b = want.astype("float64"), got.astype("float64")
    return {
        "worst": float(abs(a - b).max()),
        "equal": float((a == b).mean()),
        "deviation": float(a.std()),
        "size": float(abs(a).max()),
        "integer": want.dtype.kind in "iub",
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
