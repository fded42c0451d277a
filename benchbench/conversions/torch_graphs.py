"""Small questions and changes of torch's exported graphs (``torch.fx``)."""

from __future__ import annotations

import itertools
from collections.abc import Container
from typing import Any

QUANTIZED = ("conv1d", "conv2d", "linear")
"""The operations whose inputs and weights torch's quantizer makes int8."""
HEAVY = frozenset(QUANTIZED) | {
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "matmul",
    "mm",
    "bmm",
    "addmm",
    "einsum",
    "scaled_dot_product_attention",
}
"""The operations that do the work."""


def is_one_of(node: Any, names: Container[str]) -> bool:
    """Return whether *node* is one of torch's operations *names*."""
    packet = getattr(node.target, "overloadpacket", None)
    return node.op == "call_function" and getattr(packet, "__name__", "") in names


def layer_of(node: Any) -> str:
    """Return the name of the module that *node* is of; the node's own outside any submodule."""
    stack = node.meta.get("nn_module_stack") or {}
    path = [str(entry[0]).removeprefix("L['self']").lstrip(".") for entry in stack.values()]
    return path[-1] if path and path[-1] else str(node.name)


def tail(graph: Any) -> list[Any]:
    """Return the nodes behind the last convolutions and products of each output."""
    found: dict[Any, None] = {}
    waiting = list(graph.find_nodes(op="output")[0].all_input_nodes)
    while waiting:
        node = waiting.pop()
        if node not in found and not is_one_of(node, HEAVY):
            found[node] = None
            waiting.extend(node.all_input_nodes)
    return list(found)


def is_int8(node: Any) -> bool:
    """Return whether the input and the weight of *node* are both dequantized."""
    ends = itertools.islice(node.all_input_nodes, 2)
    return all("dequantize" in str(one.target) for one in ends)


def tell_sources(graph: Any) -> None:
    """Say of each operation that it stands alone, and which layer it is.

    The quantizer looks for layers by the modules that operations came from, and gives up on a
    module that is called twice, as the ReLU of a ResNet's block or the head of a pyramid.
    """
    import operator

    from torch import nn

    layers = {
        "conv1d": nn.Conv1d,
        "conv2d": nn.Conv2d,
        "linear": nn.Linear,
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
        "hardtanh": nn.Hardtanh,
        "silu": nn.SiLU,
        "leaky_relu": nn.LeakyReLU,
        "tanh": nn.Tanh,
        "gelu": nn.GELU,
        "add": operator.add,
    }
    for node in graph.nodes:
        if node.op == "call_function":
            packet = getattr(node.target, "overloadpacket", None)
            name = str(getattr(packet, "__name__", "")).removesuffix("_")
            node.meta["source_fn_stack"] = [(node.name, layers.get(name, node.target))]


def apart(module: Any) -> Any:
    """Give each convolution and product float weights of its own, before quantizers are placed.

    For a head that is called at three levels: torchao, folding batch norm into one weight of
    several users without a bias, loses the norm's shift; a quantizer that marks a weight as done
    would leave the other users in float; and torch's compiler fuses a weight only into one user.
    """
    import torch

    graph = module.graph
    for node in [one for one in graph.nodes if is_one_of(one, QUANTIZED)]:
        for weight in [one for one in node.all_input_nodes if one.op == "get_attr"]:
            if len(weight.users) > 1:
                name = f"{weight.target}_of_{node.name}".replace(".", "_")
                # A parameter, as the quantizer puts its own in this place (batch norm folded in).
                held = _held(module, weight.target).detach().clone()
                module.register_parameter(name, torch.nn.Parameter(held, requires_grad=False))
                with graph.inserting_before(node):
                    copy = graph.get_attr(name)
                    copy.meta = dict(weight.meta)
                    node.replace_input_with(weight, copy)
    module.recompile()
    return module


def _held(module: Any, target: str) -> Any:
    owner, _, attribute = target.rpartition(".")
    return getattr(module.get_submodule(owner), attribute)


def stripped(module: Any) -> Any:
    """Remove the float weights that their int8 copies stand for, and else would be saved too."""
    module.graph.eliminate_dead_code()
    module.recompile()
    used = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    held = [*module.named_parameters(), *module.named_buffers()]
    for name in {name for name, _ in held} - used:
        owner, _, attribute = name.rpartition(".")
        delattr(module.get_submodule(owner), attribute)
    return module
