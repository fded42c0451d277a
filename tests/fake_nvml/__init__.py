"""NVML without a GPU: ``fake_nvml.c``, built by the test and loaded in the library's place."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SONAME = "libnvidia-ml.so.1"
GPU = ["fa6e0000-0000-0000-0000-000000000000", "fa6e0000-0000-0000-0000-000000000001"]
"""UUIDs of the two boards, in NVML's order, as CUDA gives them: without ``GPU-``."""
MIG = ["fa6e1111-0000-0000-0000-000000000000", "fa6e1111-0000-0000-0000-000000000001"]
LOST, NOT_SUPPORTED, NO_PERMISSION = 15, 3, 4
_INT, _LONG, _FLOAT = ctypes.c_int, ctypes.c_int64, ctypes.c_double
_CONTROLS: dict[str, tuple[Any, ...]] = {
    "reset": (None,),
    "advance_ns": (None, _LONG),
    "now_ns": (_LONG,),
    "update_ns": (None, _LONG),
    "window_ns": (None, _LONG),
    "power": (None, _INT, _FLOAT),
    "temperature": (None, _INT, _FLOAT),
    "reasons": (None, _INT, ctypes.c_uint64),
    "mig": (None, _INT, _INT),
    "offset_mj": (None, _INT, _LONG),
    "process": (None, _INT, _INT, ctypes.c_uint64),
    "fail": (None, ctypes.c_char_p, _INT, _INT),
    "joules_at": (_FLOAT, _INT, _LONG),
}
"""Controls of the library: type of the result, types of the arguments."""
_CUDA = """
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *handle, int ordinal) { *handle = ordinal; return ordinal > 1; }
int cuDeviceGetUuid_v2(unsigned char *octets, int handle) {
    memset(octets, 0, 16);
    octets[0] = 0xfa; octets[1] = 0x6e;
    octets[15] = 1 - handle; /* CUDA puts the faster board first, NVML the PCI bus */
    return 0;
}
"""


def build(folder: Path) -> Path:
    """Build the library in *folder*; skip without a compiler."""
    source = Path(__file__).with_name("fake_nvml.c")
    return _compile(source, folder / SONAME)


def build_cuda(folder: Path) -> Path:
    """Build a ``libcuda.so.1`` of two devices in another order than NVML's."""
    source = folder / "cuda.c"
    source.write_text(_CUDA)
    return _compile(source, folder / "libcuda.so.1")


def _compile(source: Path, target: Path) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to build a fake NVML with")
    soname = f"-Wl,-soname,{target.name}"
    command = ["gcc", "-O1", "-shared", "-fPIC", soname, "-o", str(target), str(source), "-lm"]
    subprocess.run(command, check=True, timeout=60)
    return target


@contextmanager
def loaded(library: Path) -> Iterator[Fake]:
    """Load *library*, so that ``pynvml`` finds it by its SONAME; unload it in the end."""
    pynvml = pytest.importorskip("pynvml")
    _forget(pynvml)
    yield Fake(ctypes.CDLL(str(library)))
    _forget(pynvml)
    while (handle := _resident()) is not None:
        _ctypes.dlclose(handle)
        _ctypes.dlclose(handle)


def _forget(pynvml: Any) -> None:
    pynvml.nvmlLib = None
    pynvml._nvmlGetFunctionPointer_cache.clear()


def _resident() -> int | None:
    """Return a new handle of the library if it is loaded."""
    try:
        return _ctypes.dlopen(SONAME, os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None


class Fake:
    """The fake's controls, and its virtual time."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        for name, (result, *arguments) in _CONTROLS.items():
            function = getattr(library, f"fake_{name}")
            function.restype, function.argtypes = result, arguments
        self._on_advance: Callable[[], None] = lambda: None
        self._every_ns = 0
        self._due_ns = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return ``fake_<name>`` of the library."""
        found: Callable[..., Any] = getattr(self._library, f"fake_{name}")
        return found

    def fail(self, name: str, code: int, after: int = 0) -> None:
        """Let the function *name* (or ``field 186``) fail with *code*, after *after* calls."""
        self._library.fake_fail(name.encode(), code, after)

    def clock(self) -> int:
        """Return the virtual time."""
        return int(self._library.fake_now_ns())

    def every(self, period_s: float, act: Callable[[], None]) -> None:
        """Call *act* whenever *period_s* of virtual time have gone by."""
        self._every_ns, self._on_advance = int(period_s * 1e9), act
        self._due_ns = self.clock()

    def sleep(self, span_s: float) -> None:
        """Let virtual time pass."""
        end = self.clock() + round(span_s * 1e9)
        while self._every_ns and self._due_ns <= end:
            self._library.fake_advance_ns(max(self._due_ns - self.clock(), 0))
            self._on_advance()
            self._due_ns += self._every_ns
        self._library.fake_advance_ns(end - self.clock())

    def work(self, span_s: float, watts: float, board: int = 0, idle_w: float = 50) -> None:
        """Draw *watts* for *span_s*, then *idle_w*."""
        self.power(board, watts)
        self.sleep(span_s)
        self.power(board, idle_w)

    def true_joules(self, start_ns: int, end_ns: int, board: int = 0) -> float:
        """Return the integral of what was drawn."""
        return float(self.joules_at(board, end_ns) - self.joules_at(board, start_ns))
