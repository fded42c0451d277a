"""What oneDNN, the library under torch's convolutions, says of its own work."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator

from benchbench.runtimes.contract import Work

_HEAVY = frozenset({"convolution", "deconvolution", "inner_product", "matmul", "rnn"})
_PRECISIONS = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "s8": "int8", "u8": "int8"}
_SOURCE = re.compile(r"src(?:_\w+)?[:_](\w+)")
_LOOSE = re.compile(r"fpmath:(?:bf16|any)")
_STDOUT = 1


def listen(work: Callable[[], object]) -> str:
    """Return what oneDNN prints while *work* runs.

    It writes to file descriptor 1 from C, out of reach of ``sys.stdout``, so the descriptor
    itself is turned to a file for the while. Never call it while anything is timed.
    """
    from torch.backends import mkldnn

    with tempfile.TemporaryFile() as sink:
        _flush()
        saved = os.dup(_STDOUT)
        os.dup2(sink.fileno(), _STDOUT)
        try:
            with mkldnn.verbose(mkldnn.VERBOSE_ON):
                work()
        finally:
            _flush()
            os.dup2(saved, _STDOUT)
            os.close(saved)
        sink.seek(0)
        return sink.read().decode(errors="replace")


def parse(text: str) -> Iterator[tuple[str, Work]]:
    """Yield (implementation, (precision, milliseconds)) of each convolution and product.

    An fp32 operation that may and does compute in bf16 (``fpmath:bf16``) is bf16.
    """
    for line in text.splitlines():
        fields = line.split(",")
        if not line.startswith("onednn_verbose") or "exec" not in fields:
            continue
        kind, kernel, _, memory, attributes = fields[fields.index("exec") + 2 :][:5]
        found = _SOURCE.search(memory)
        if kind in _HEAVY and found:
            precision = _PRECISIONS.get(found[1], found[1])
            if _LOOSE.search(attributes) and re.search(r"amx|bf16", kernel):
                precision = "bf16"
            yield kernel, (precision, float(fields[-1]))


def _flush() -> None:
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)
