"""What torch does on a CPU, operation by operation, and what oneDNN under it says of its work."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from benchbench.runtimes.contract import Work

HEAVY = re.compile(
    r"^(?!upsample|.*(prepack|reorder)).*(conv(?!ert)|linear|mm($|_)|mv$|^dot$|matmul|attention"
    r"|einsum|lstm|gru|rnn|transformer)"
)
"""Names of torch's operations that do the work: convolutions, products and what holds them."""
_PRIMITIVES = frozenset({"convolution", "deconvolution", "inner_product", "matmul", "rnn"})
_UKERNEL = "brgemm"
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "s8": "int8", "u8": "int8"}
_DTYPES = {
    "float32": "fp32",
    "float64": "fp64",
    "int8": "int8",
    "uint8": "int8",
    "qint8": "int8",
    "quint8": "int8",
}
_HALVES = frozenset({"bfloat16", "float16"})
_SOURCE = re.compile(r"src(?:_\w+)?[:_](\w+)")
_LOOSE = re.compile(r"fpmath:(?:bf16|any)")
_NATIVE = {"bf16": re.compile(r"avx.*(amx|bf16|fp16|vnni_2)|avx10"), "fp16": re.compile("amx_fp16")}
_STDOUT = 1

Kernel = tuple[str, Work]
"""An implementation's name, and what it did."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that torch dispatched."""

    name: str
    device: str | None
    """Where its first result lies; None if it returns no tensor."""
    kernels: tuple[Kernel, ...]
    """Its convolutions and products; weights are milliseconds."""


def observe(run: Callable[[AbstractContextManager[Any]], object]) -> list[Operation]:
    """Return what *run* does within the context that it is given. Never call it while timing."""
    from torch.backends import mkldnn

    level = mkldnn.VERBOSE_ON if mkldnn.is_available() else mkldnn.VERBOSE_OFF
    with _captured() as said, mkldnn.verbose(level):
        watch = _watch(said)
        run(watch)
        return list(watch.seen)


def fastest(runs: Sequence[list[Operation]]) -> list[Kernel]:
    """Return the kernels of one run, each with the least time that any of the equal runs took."""
    lists = [[kernel for one in run for kernel in one.kernels] for run in runs]
    if len({tuple(name for name, _ in kernels) for kernels in lists}) != 1:
        return lists[-1]
    return [
        (same[0][0], (same[0][1][0], min(work[1] for _, work in same)))
        for same in zip(*lists, strict=True)
    ]


def parse(text: str) -> Iterator[Kernel]:
    """Yield (implementation, (precision, milliseconds)) of each convolution and product.

    The precision is that of the arithmetic. An fp32 operation that may and does compute in bf16
    (``fpmath:bf16``) is bf16. A kernel whose instruction set has no products of halves widens
    them and multiplies in fp32, so that it is fp32: only AMX-FP16 multiplies fp16 in oneDNN.
    """
    for line in text.splitlines():
        fields = line.split(",")
        if not line.startswith("onednn_verbose") or "exec" not in fields:
            continue
        kind, kernel, _, memory, attributes = fields[fields.index("exec") + 2 :][:5]
        found = _SOURCE.search(memory)
        if (kind in _PRIMITIVES or kind == _UKERNEL) and found:
            precision = _PRECISIONS.get(found[1], found[1])
            if _LOOSE.search(attributes) and re.search(r"amx|bf16", kernel):
                precision = "bf16"
            yield kernel or kind, (_arithmetic(precision, kind, kernel), float(fields[-1]))


def _arithmetic(precision: str, kind: str, kernel: str) -> str:
    """Return the precision in which *kernel* multiplies what it reads as *precision*."""
    native = _NATIVE.get(precision)
    # torch takes the micro-kernels, which name no instruction set, only where the CPU has one.
    if native is None or kind == _UKERNEL or native.search(kernel.rpartition(":")[2]):
        return precision
    return "fp32"


def _watch(said: Callable[[], str]) -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[misc] # torch has no types here
        """Runs each operation alone, and asks oneDNN what it did in it."""

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[Operation] = []

        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            # To keep its compiler off this mode, torch would first import it: two seconds.
            return "torch._dynamo" in sys.modules

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            start = perf_counter_ns()
            result = func(*args, **(kwargs or {}))
            taken = (perf_counter_ns() - start) / 1e6
            name = func.name().partition("::")[2].partition(".")[0]
            kernels = list(parse(said()))
            if not kernels and HEAVY.search(name):
                kernels = _own(func.name(), [*_tensors(args)], taken)
            device = next((str(one.device) for one in _tensors((result,))), None)
            self.seen.append(Operation(name, device, tuple(kernels)))
            return result

    return Watch()


def _own(name: str, tensors: list[Any], milliseconds: float) -> list[Kernel]:
    """Return the work of an operation outside oneDNN, by the dtype of its first operand.

    torch's own CPU kernels widen halves to fp32 before they multiply.
    """
    dtype = str(tensors[0].dtype).removeprefix("torch.") if tensors else "unknown"
    precision = "fp32" if dtype in _HALVES else _DTYPES.get(dtype, dtype)
    return [(f"{name} ({dtype}, not in oneDNN)", (precision, milliseconds))]


def _tensors(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _tensors(value)
        elif hasattr(value, "dtype") and hasattr(value, "device"):
            yield value


@contextmanager
def _captured() -> Iterator[Callable[[], str]]:
    """Give a function that returns what was written to file descriptor 1 since its last call.

    oneDNN writes there from C, out of reach of ``sys.stdout``, so the descriptor itself is turned
    to a file for the while.
    """
    with tempfile.TemporaryFile() as sink:
        _flush()
        saved = os.dup(_STDOUT)
        os.dup2(sink.fileno(), _STDOUT)
        read = 0

        def said() -> str:
            nonlocal read
            _flush()
            new = os.pread(sink.fileno(), os.fstat(sink.fileno()).st_size - read, read)
            read += len(new)
            return new.decode(errors="replace")

        try:
            yield said
        finally:
            _flush()
            os.dup2(saved, _STDOUT)
            os.close(saved)


def _flush() -> None:
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
