"""A small two-headed convolution network and its files, for tests of what handles models."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchbench.types import ConversionJob, InputShape, ModelFile, Variant

SHAPE = InputShape((1, 3, 64, 64))


def module(width: int = 64) -> Any:
    """Return the network in eval mode: 3 → 32 → width, then scores and boxes (N, 256, 4)."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 32, 3, 2, 1)
            self.norm = nn.BatchNorm2d(32)
            self.body = nn.Conv2d(32, width, 3, 2, 1)
            self.score, self.box = nn.Conv2d(width, 4, 1), nn.Conv2d(width, 4, 1)

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            deep = torch.relu(self.body(torch.relu(self.norm(self.stem(images)))))
            scores = torch.sigmoid(self.score(deep)).flatten(2).transpose(1, 2)
            return scores, self.box(deep).flatten(2).transpose(1, 2)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net().eval()


def pyramid() -> Any:
    """Return a network in eval mode whose head, with batch norm, is called at two levels."""
    import torch
    from torch import nn

    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, 2, 1)
            conv = nn.Conv2d(8, 8, 3, 1, 1, bias=False)
            self.head = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU())

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            fine = torch.relu(self.stem(images))
            return self.head(fine), self.head(nn.functional.max_pool2d(fine, 2))

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        made = Pyramid().eval()
        # Folded into a shared weight twice, or without its shift, this cannot be overlooked.
        made.head[1].running_var.copy_(torch.linspace(0.05, 0.5, 8))
        made.head[1].running_mean.copy_(torch.linspace(-0.5, 0.5, 8))
        return made


def feeds(count: int = 8) -> Iterator[NDArray[np.float32]]:
    """Yield images of one batch each."""
    generator = np.random.default_rng(1)
    for _ in range(count):
        yield generator.standard_normal((1, 3, 64, 64)).astype(np.float32)


def job(folder: Path, log: list[str] | None = None) -> ConversionJob:
    """Return a job that writes in *folder*, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    said = log if log is not None else []
    return ConversionJob(folder=folder, input=SHAPE, feeds=feeds, log=said.append)


def torch_file(net: Any = None) -> ModelFile:
    """Return the network as a torch-module model file."""
    return ModelFile(Variant(format="torch-module"), load=lambda: net or module())


def save_torchscript(path: Path, net: Any = None) -> Path:
    """Trace the network into *path*."""
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.jit.trace(net or module(), torch.zeros(1, 3, 64, 64)).save(str(path))
    return path


def save_exported(path: Path, net: Any = None) -> Path:
    """Export the network, with an open batch, into *path*."""
    import torch

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        dynamic = ({0: torch.export.Dim("batch")},)
        example = (torch.zeros(2, 3, 64, 64),)
        program = torch.export.export(net or module(), example, dynamic_shapes=dynamic)
        torch.export.save(program, str(path))
    return path


def reference(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return what torch computes in fp32."""
    import torch

    with torch.inference_mode():
        return [one.numpy() for one in module()(torch.from_numpy(image))]


def cosine(left: NDArray[Any], right: NDArray[Any]) -> float:
    """Return the cosine between two arrays taken as vectors."""
    a, b = left.astype(np.float64).ravel(), right.astype(np.float64).ravel()
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
