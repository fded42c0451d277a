"""Three small models of the inspection line: find, paint and name the defects of machined parts.

All take RGB float32, N x 3 x side x side, as (pixel / 255 - 0.5) / 0.25. They are built of regular
convolutions, BatchNorm, ReLU, nearest upsampling and pooling only, in channel counts that are
multiples of 16, so that an int8 kernel has something to win. A factory returns untrained weights;
the trained ones lie beside this file as ``inspection-<name>.safetensors``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["STRIDES", "classifier", "detector", "segmenter"]

STRIDES = (8, 16, 32)
"""Pixels of the detector's input between the cells of each of its three levels."""

_CLASSES = 5


def _conv(inward: int, outward: int, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outward),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):  # type: ignore[misc]  # mypy does not follow torch here
    """Two convolutions beside a shortcut; keeps the shape."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.first = _conv(channels, inner)
        self.second = _conv(inner, channels)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.second(self.first(features))


def _stage(inward: int, outward: int, inner: int) -> nn.Sequential:
    """Halve the side and widen to ``outward`` channels."""
    return nn.Sequential(_conv(inward, outward, stride=2), _Residual(outward, inner))


def _grown(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2.0, mode="nearest")


class _Backbone(nn.Module):  # type: ignore[misc]  # mypy does not follow torch here
    """What the three models share: maps of strides 2, 4, 8, 16 and 32."""

    channels = (16, 32, 48, 64, 96)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, stride=2), _conv(16, 32, stride=2), _conv(32, 32))
        self.stages = nn.ModuleList([_stage(32, 48, 48), _stage(48, 64, 48), _stage(64, 96, 48)])

    def maps(self, images: Tensor) -> list[Tensor]:
        """N x 3 x S x S to N x channels x S / stride x S / stride, the finest first."""
        half = self.stem[0](images)
        maps = [half, self.stem[2](self.stem[1](half))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps


class _Detector(_Backbone):
    """An anchor-free detector: backbone, top-down pyramid, one head shared by three levels."""

    def __init__(self) -> None:
        super().__init__()
        width = 48
        self.laterals = nn.ModuleList([_conv(side, width, size=1) for side in self.channels[2:]])
        self.smooth = nn.ModuleList([_conv(width, width) for _ in STRIDES[:2]])
        self.trunk = _conv(width, width)
        self.score_tower, self.box_tower = _conv(width, width), _conv(width, width)
        self.score = nn.Conv2d(width, _CLASSES, 1)
        self.box = nn.Conv2d(width, 4, 1)
        # A rare defect starts at a probability of 1 %; a box starts two cells wide, clear of
        # the flat side of the ReLU.
        nn.init.constant_(self.score.bias, -4.6)
        nn.init.constant_(self.box.bias, 1.0)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """N x 3 x 320 x 320 to (N x 5 logits, N x 4 distances in strides) of strides 8, 16, 32."""
        maps = self.maps(images)[2:]
        levels = [lateral(level) for lateral, level in zip(self.laterals, maps, strict=True)]
        middle = self.smooth[1](levels[1] + _grown(levels[2]))
        fine = self.smooth[0](levels[0] + _grown(middle))
        return tuple(output for level in (fine, middle, levels[2]) for output in self._head(level))

    def _head(self, level: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.trunk(level)
        scores = self.score(self.score_tower(shared))
        return scores, functional.relu(self.box(self.box_tower(shared)))


class _Segmenter(_Backbone):
    """A U-shaped network that answers at half the input's side."""

    def __init__(self) -> None:
        super().__init__()
        width = (16, 48, 48, 48, 48)
        self.laterals = nn.ModuleList(
            [_conv(a, b, size=1) for a, b in zip(self.channels, width, strict=True)]
        )
        self.smooth = nn.ModuleList([_conv(48, out) for out in (16, 48, 48, 48)])
        self.last = _conv(16, 32)
        self.logits = nn.Conv2d(32, _CLASSES + 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """N x 3 x 256 x 256 to logits N x 6 x 128 x 128, background first."""
        maps = self.maps(images)
        levels = [lateral(level) for lateral, level in zip(self.laterals, maps, strict=True)]
        coarse = levels[-1]
        for level in (3, 2, 1):
            coarse = self.smooth[level](levels[level] + _grown(coarse))
        return self.logits(self.last(levels[0] + _grown(self.smooth[0](coarse))))


class _Classifier(_Backbone):
    """The peaks and means of three maps decide together: fine ones see scratches and pits."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Linear(2 * sum(self.channels[2:]), _CLASSES + 1)

    def forward(self, images: Tensor) -> Tensor:
        """N x 3 x 192 x 192 to logits N x 6, ``ok`` first."""
        maps = self.maps(images)[2:]
        pooled = [pool for level in maps for pool in (level.amax((2, 3)), level.mean((2, 3)))]
        return self.logits(torch.cat(pooled, dim=1))


def detector() -> nn.Module:
    """Build the detector of defects, untrained."""
    return _Detector()


def segmenter() -> nn.Module:
    """Build the segmenter of defects, untrained."""
    return _Segmenter()


def classifier() -> nn.Module:
    """Build the classifier of a part's condition, untrained."""
    return _Classifier()
