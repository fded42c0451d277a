"""A small convolution network in every precision, written with ``onnx`` alone.

3 → 16 → 16 → 8 channels, 32×32 → 16×16; ``images`` (N, 3, 32, 32) float32 → ``y`` (N, 8, 16, 16).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.types import InputShape, ModelFile, Variant

SHAPE = InputShape((1, 3, 32, 32))
_CONVOLUTIONS = (("a", 3, 16, 1), ("b", 16, 16, 2), ("c", 16, 8, 1))
"""Name, inputs, outputs, stride."""
Flavour = Literal["tensorrt", "cpu"]


class Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node that makes *output*; return that name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any]) -> str:
        """Add an initializer; return its name."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def save(self, path: Path, batch: int | str = 1) -> Path:
        """Write the model to *path*."""
        import onnx
        from onnx import TensorProto, helper

        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])
            for name, shape in (("images", (3, 32, 32)), ("y", (8, 16, 16)))
        ]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], self.weights)
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(path))
        return path


def weights(name: str, inputs: int, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the float32 weights and bias of a convolution, always the same."""
    rng = np.random.default_rng(ord(name))
    kernel = rng.standard_normal((outputs, inputs, 3, 3)) / np.sqrt(9 * inputs)
    return kernel.astype(np.float32), (rng.standard_normal(outputs) / 10).astype(np.float32)


def floating(
    path: Path, dtype: str = "float32", batch: int | str = 1, extra: str | None = None
) -> Path:
    """Write the network in *dtype*, with casts at its ends; *extra* puts a node behind it."""
    from onnx import TensorProto

    graph, half = Graph(), dtype == "float16"
    at = "images"
    if half:
        at = graph.node("Cast", [at], "half", to=TensorProto.FLOAT16)
    for name, inputs, outputs, stride in _CONVOLUTIONS:
        kernel, bias = (array.astype(dtype) for array in weights(name, inputs, outputs))
        held = [graph.constant(f"{name}.w", kernel), graph.constant(f"{name}.b", bias)]
        at = graph.node("Conv", [at, *held], f"{name}.c", pads=[1] * 4, strides=[stride] * 2)
        at = graph.node("Relu", [at], f"{name}.r") if name != "c" else at
    if extra:
        at = graph.node(extra, [at], "extra")
    graph.node("Cast" if half else "Identity", [at], "y", **({"to": 1} if half else {}))
    return graph.save(path, batch)


def quantized(path: Path, flavour: Flavour, only: str = "abc") -> Path:
    """Write the network with Q/DQ around the convolutions named in *only*.

    ``tensorrt``: signed, zero point 0, float bias. ``cpu``: unsigned activations, int32 bias.
    """
    graph, at = Graph(), "images"
    for name, inputs, outputs, stride in _CONVOLUTIONS:
        kernel, bias = weights(name, inputs, outputs)
        if name in only:
            at = _around(graph, at, name, flavour)
            held = _quantized(graph, name, kernel, bias, flavour)
        else:
            held = [graph.constant(f"{name}.w", kernel), graph.constant(f"{name}.b", bias)]
        at = graph.node("Conv", [at, *held], f"{name}.c", pads=[1] * 4, strides=[stride] * 2)
        at = graph.node("Relu", [at], f"{name}.r") if name != "c" else at
    if flavour == "cpu":
        at = _around(graph, at, "y", flavour)
    graph.node("Identity", [at], "y")
    return graph.save(path)


_SCALE = np.float32(0.03)


def _around(graph: Graph, at: str, name: str, flavour: Flavour) -> str:
    # Behind a ReLU the unsigned form starts at zero, which makes the ReLU itself needless.
    unsigned = np.uint8(0 if name in "bc" else 128)
    zero = np.int8(0) if flavour == "tensorrt" else unsigned
    held = [graph.constant(f"{name}.s", _SCALE), graph.constant(f"{name}.z", zero)]
    made = graph.node("QuantizeLinear", [at, *held], f"{name}.q")
    return graph.node("DequantizeLinear", [made, *held], f"{name}.d")


def _quantized(
    graph: Graph, name: str, kernel: NDArray[Any], bias: NDArray[Any], flavour: Flavour
) -> list[str]:
    scales = (np.abs(kernel).max(axis=(1, 2, 3)) / 127).astype(np.float32)
    whole = np.round(kernel / scales[:, None, None, None]).astype(np.int8)
    held = [
        graph.constant(f"{name}.w", whole),
        graph.constant(f"{name}.ws", scales),
        graph.constant(f"{name}.wz", np.zeros(len(scales), np.int8)),
    ]
    kernels = graph.node("DequantizeLinear", held, f"{name}.wd", axis=0)
    if flavour == "tensorrt":
        return [kernels, graph.constant(f"{name}.b", bias)]
    steps = (scales * _SCALE).astype(np.float32)
    held = [
        graph.constant(f"{name}.b", np.round(bias / steps).astype(np.int32)),
        graph.constant(f"{name}.bs", steps),
        graph.constant(f"{name}.bz", np.zeros(len(steps), np.int32)),
    ]
    return [kernels, graph.node("DequantizeLinear", held, f"{name}.bd", axis=0)]


def image(seed: int = 0) -> NDArray[np.float32]:
    """Return one input."""
    return np.random.default_rng(seed).random(SHAPE.shape, np.float32)


def reference(array: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the network's output, computed in float64 with numpy."""
    at = array.astype(np.float64)
    for name, inputs, outputs, stride in _CONVOLUTIONS:
        kernel, bias = weights(name, inputs, outputs)
        padded = np.pad(at, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        windows = windows[:, :, ::stride, ::stride]
        at = np.einsum("nchwij,ocij->nohw", windows, kernel) + bias[None, :, None, None]
        at = np.maximum(at, 0) if name != "c" else at
    return at


def file(path: Path, precision: Any = "fp32", target: str = "") -> ModelFile:
    """Return *path* as a conversion or a runtime receives it."""
    return ModelFile(Variant(format="onnx", precision=precision, target=target), path=path)
