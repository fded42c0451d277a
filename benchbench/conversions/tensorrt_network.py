"""The network that TensorRT makes of an ONNX file: parsed, and looked through layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchbench.errors import ConversionError, ModelError
from benchbench.types import Precision

QUANTIZED = ("int8", "fp8")
_ENOUGH = 0.9
"""Share of convolutions and products that must be in a float precision that was asked for."""


def parse(parser: Any, network: Any, path: Path, named: Path | None) -> None:
    """Parse *path* into *network*; errors speak of the file *named*.

    Raises ModelError for what is no ONNX file, ConversionError for what the parser refuses.
    """
    parsed = parser.parse_from_file(str(path))
    faults = [_fault(parser.get_error(index)) for index in range(parser.num_errors)]
    unread = [fault for fault in faults if "Failed to parse the ONNX model" in fault]
    # A file without a single node is taken for an empty network.
    if unread or (parsed and network.num_outputs == 0):
        raise ModelError(
            f"{named}: not a readable ONNX model: {last(unread) or 'it has no outputs'}",
            hint="it may be truncated; export or download it again",
        )
    if not parsed:
        raise ConversionError(
            f"{named}: the parser refuses the model: {'; '.join(faults)[:600]}", hint=_hint(faults)
        )


def _fault(error: Any) -> str:
    where = f" (node '{error.node_name()}', {error.node_operator()})" if error.node_name() else ""
    return f"{error.desc()}{where}"


def _hint(faults: list[str]) -> str:
    said = " ".join(faults)
    if "zero point" in said.lower() or "UINT8" in said or "bias" in said.lower():
        return (
            "TensorRT takes signed int8 with zero point 0 and a float bias: quantize for the "
            "target 'tensorrt'"
        )
    return "export the model with operations that TensorRT knows"


def layer_precisions(trt: Any, network: Any, *, tf32: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (name, kind, precision) of each convolution and product of a typed network.

    One whose two operands are both dequantized computes in the quantized type.
    """
    kinds = {
        trt.LayerType.CONVOLUTION,
        trt.LayerType.DECONVOLUTION,
        trt.LayerType.MATRIX_MULTIPLY,
        trt.LayerType.EINSUM,
    }
    names = {
        "FLOAT": "tf32" if tf32 else "fp32",
        "HALF": "fp16",
        "BF16": "bf16",
        "INT8": "int8",
        "FP8": "fp8",
    }
    stored = _dequantized(trt, network)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type in kinds:
            operands = [layer.get_input(i) for i in range(min(2, layer.num_inputs))]
            known = [stored.get(tensor.name) for tensor in operands if tensor is not None]
            own = known[0] if len(known) == 2 and known[0] == known[1] else None
            kind = own or operands[0].dtype.name
            yield layer.name, layer.type.name, names.get(kind, kind.lower())


def _dequantized(trt: Any, network: Any) -> dict[str, str]:
    """Return tensor name → the type that it was dequantized from."""
    found = {}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type == trt.LayerType.DEQUANTIZE:
            found[layer.get_output(0).name] = layer.get_input(0).dtype.name
    return found


def check(coverage: dict[str, float], precision: Precision, path: Path | None) -> None:
    """Raise ConversionError unless the network computes in *precision*."""
    share = coverage.get(precision, 0.0)
    # What a quantizer left in float was left so on purpose; the coverage tells it.
    if coverage and (share > 0 if precision in QUANTIZED else share >= _ENOUGH):
        return
    found = ", ".join(f"{kind} {part:.0%}" for kind, part in coverage.items()) or "none"
    raise ConversionError(
        f"{path}: asked for {precision}, but the convolutions and products of the network are: "
        f"{found}",
        hint="the file is of another precision than declared: mend the source's 'precision'",
    )


def shares(layers: list[tuple[str, str, str]]) -> dict[str, float]:
    """Return precision → share of the layers."""
    counts = Counter(precision for _, _, precision in layers)
    return {name: round(count / len(layers), 4) for name, count in counts.most_common()}


def ends(network: Any) -> dict[str, Any]:
    """Return the inputs and outputs: names, shapes (None where open) and types."""
    return {
        "inputs": [_tensor(network.get_input(i)) for i in range(network.num_inputs)],
        "outputs": [_tensor(network.get_output(i)) for i in range(network.num_outputs)],
    }


def _tensor(tensor: Any) -> dict[str, Any]:
    shape = [None if dim == -1 else dim for dim in tensor.shape]
    return {"name": tensor.name, "shape": shape, "dtype": tensor.dtype.name}


def last(errors: Sequence[str]) -> str:
    """Return the last line of the last error; empty without one."""
    return errors[-1].strip().splitlines()[-1][:400] if errors else ""
