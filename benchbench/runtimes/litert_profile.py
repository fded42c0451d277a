"""LiteRT's profiler, which its Python package does not offer: asked through the C interface.

Runs in a process of its own, as ``python -m benchbench.runtimes.litert_profile MODEL THREADS
KERNELS OUT``: should another version of the library mean something else by a call, only the
evidence is lost, not the measurement.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_size_t, c_void_p
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchbench.runtimes.contract import PROBE_RUNS

Mode = Literal["xnnpack", "builtin"]

_TIMEOUT_S = 300
_CPU = 1  # kLiteRtHwAcceleratorCpu
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_KERNEL_MODES: dict[Mode, int] = {"xnnpack": 0, "builtin": 2}
_TENSOR_TYPE_BYTES = 512
"""More than the library's description of a tensor's type takes."""
_ROW = re.compile(
    r"^\s*(?P<kind>\S.*?)\s+[\d.]+\s+[\d.]+\s+(?P<ms>[\d.]+)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+\d+"
    r"\s+\[(?P<origin>\w+)\]:(?P<index>\d+)\s*$"
)
_DELEGATED = "Delegate/"


class Kernel(NamedTuple):
    """One kernel that ran."""

    kind: str
    """XNNPACK's name, as ``Convolution (NHWC, QC8) IGEMM``, or the operation's: ``CONV_2D``."""
    node: int | None
    """The node's place in the model's graph; None for a kernel of XNNPACK."""
    ms: float
    """The fastest of a few runs; the profiler counts whole microseconds."""


class ProfileError(Exception):
    """There is no profile; the message says why."""


def profile(model: Path, threads: int, mode: Mode) -> list[Kernel]:
    """Return what runs when *model* does, at the batch in its file; raise ProfileError."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernels.json"
        command = [sys.executable, "-m", __name__, str(model), str(threads), mode, str(out)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise ProfileError(f"it took longer than {_TIMEOUT_S} s") from None
        if done.returncode or not out.is_file():
            last = (done.stderr.strip().splitlines() or [""])[-1]
            raise ProfileError(f"exit {done.returncode}: {last[:200]}")
        return [Kernel(*one) for one in json.loads(out.read_text())]


def parse(summary: str) -> list[Kernel]:
    """Return the kernels of a profiler's summary, in the order that they ran."""
    ordered = summary.partition("Top by Computation Time")[0]
    found = []
    for line in ordered.splitlines():
        if row := _ROW.match(line):
            own = row["origin"] == "Builtin"
            kind = row["kind"].removeprefix(_DELEGATED)
            found.append(Kernel(kind, int(row["index"]) if own else None, float(row["ms"])))
    return found


def main(model: str, threads: str, mode: Mode, out: str) -> None:
    """Profile *model*; write the kernels to *out* as JSON."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or spec.origin is None:
        raise ProfileError("ai-edge-litert is not installed")
    library = next(iter(sorted(Path(spec.origin).parent.glob("libLiteRt.*"))), None)
    if library is None:
        raise ProfileError("this ai-edge-litert has no libLiteRt")
    calls = _Calls(ctypes.CDLL(str(library)))
    runs = [parse(text) for text in _Model(calls, model, int(threads), mode).summaries()]
    if not runs[0] or len({len(one) for one in runs}) != 1:
        raise ProfileError("the summary is not in the form that is known")
    fastest = [min(same, key=lambda one: one.ms) for same in zip(*runs, strict=True)]
    Path(out).write_text(json.dumps(fastest))


class _Calls:
    """Calls of the C interface; a status other than 0 is an error that names the call."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._libc = ctypes.CDLL(None)
        self._libc.strdup.restype, self._libc.strdup.argtypes = c_void_p, [c_char_p]
        self._libc.free.restype, self._libc.free.argtypes = None, [c_void_p]

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise ProfileError(f"{name} gave the status {status}")

    def make(self, name: str, *arguments: Any) -> c_void_p:
        """Return what *name* writes into its last argument."""
        made = c_void_p()
        self(name, *arguments, byref(made))
        return made

    def options(self, texts: dict[str, str]) -> c_void_p:
        """Return compilation options for the CPU, with *texts* (TOML) by their identifiers."""
        made = self.make("LiteRtCreateOptions")
        self("LiteRtSetOptionsHardwareAccelerators", made, _CPU)
        for identifier, text in texts.items():
            owned = c_void_p(self._libc.strdup(text.encode()))
            part = self.make("LiteRtCreateOpaqueOptions", identifier.encode(), owned, self._free())
            self("LiteRtAddOpaqueOptions", made, part)
        return made

    def text(self, name: str, *arguments: Any) -> str:
        """Return the string that *name* writes into its last argument."""
        made = self.make(name, *arguments)
        told = ctypes.string_at(made.value or 0).decode()
        self._libc.free(made)
        return told

    def _free(self) -> Any:
        return ctypes.cast(self._libc.free, c_void_p)


class _Model:
    """A model compiled with profiling, and buffers of zeros; the process frees them."""

    def __init__(self, calls: _Calls, path: str, threads: int, mode: Mode) -> None:
        self._calls = calls
        self._environment = calls.make("LiteRtCreateEnvironment", 0, None)
        model = calls.make("LiteRtCreateModelFromFile", self._environment, path.encode())
        cpu = f"num_threads = {threads}\nkernel_mode = {_KERNEL_MODES[mode]}\n"
        options = calls.options(
            {"runtime_options_string": "enable_profiling = true\n", "xnnpack": cpu}
        )
        self._compiled = calls.make("LiteRtCreateCompiledModel", self._environment, model, options)
        self._signature = calls.make("LiteRtGetModelSignature", model, c_size_t(0))
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")
        self._profiler = calls.make("LiteRtCompiledModelGetProfiler", self._compiled)

    def summaries(self) -> Iterator[str]:
        """Run once unseen, then yield the profiler's summary of each of a few runs."""
        self._run()
        for _ in range(PROBE_RUNS):
            with self._watched():
                self._run()
            yield self._calls.text("LiteRtGetProfileSummary", self._profiler, self._compiled)

    def _run(self) -> None:
        sizes = c_size_t(len(self._inputs)), c_size_t(len(self._outputs))
        self._calls(
            "LiteRtRunCompiledModel",
            *(self._compiled, c_size_t(0)),
            *(sizes[0], self._inputs, sizes[1], self._outputs),
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._calls("LiteRtResetProfiler", self._profiler)
        self._calls("LiteRtStartProfiler", self._profiler)
        yield
        self._calls("LiteRtStopProfiler", self._profiler)

    def _buffers(self, side: Literal["Input", "Output"]) -> ctypes.Array[c_void_p]:
        count = c_size_t()
        self._calls(f"LiteRtGetNumSignature{side}s", self._signature, byref(count))
        return (c_void_p * count.value)(*(self._buffer(side, i) for i in range(count.value)))

    def _buffer(self, side: str, index: int) -> c_void_p:
        calls, place = self._calls, c_size_t(index)
        tensor = calls.make(f"LiteRtGetSignature{side}TensorByIndex", self._signature, place)
        kind = (ctypes.c_uint8 * _TENSOR_TYPE_BYTES)()
        calls("LiteRtGetRankedTensorType", tensor, kind)
        needs = f"LiteRtGetCompiledModel{side}BufferRequirements"
        wanted = calls.make(needs, self._compiled, c_size_t(0), place)
        create = "LiteRtCreateManagedTensorBufferFromRequirements"
        buffer = calls.make(create, self._environment, kind, wanted)
        size = c_size_t()
        calls("LiteRtGetTensorBufferSize", buffer, byref(size))
        memory = c_void_p()
        calls("LiteRtLockTensorBuffer", buffer, byref(memory), _WRITE)
        ctypes.memset(memory, 0, size.value)
        calls("LiteRtUnlockTensorBuffer", buffer)
        return buffer


def _told(arguments: Sequence[str]) -> int:
    try:
        main(*arguments)  # type: ignore[arg-type] # written by profile() above
    except ProfileError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_told(sys.argv[1:]))
