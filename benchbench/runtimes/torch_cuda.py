"""Torch on an NVIDIA GPU: the device, its settings, and what its kernels' names tell."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchbench import cuda
from benchbench.runtimes.contract import PROBE_RUNS
from benchbench.runtimes.onednn import Kernel, Operation
from benchbench.runtimes.torch_session import Session, Watched, single
from benchbench.types import Feed, Request

_BUILT_FOR = re.compile(r"^cuda\b[^=]*=\s*(.+)$", re.MULTILINE)
_HEAVY = re.compile(
    r"^(?!.*splitKreduce).*(gemm|gemv|conv(?!ert)|fprop|dgrad|xmma|nvjet|winograd|flash_|fmha"
    r"|attention|cutlass)",
    re.IGNORECASE,
)
# The first that matches: names of tensor-core kernels hold their operands' types.
_PRECISIONS = (
    (re.compile(r"bf16|bfloat16|nvjet_t"), "bf16"),
    (re.compile(r"fp16|(?<!b)f16|half|hgemm|h884|h1688|h16816|nvjet_h"), "fp16"),
    (re.compile(r"tf32|s1688"), "tf32"),
    (re.compile(r"imma|igemm|i8816|i16832|s8_|int8"), "int8"),
    (re.compile(r"sgemm|simt|ffma|f32f32_f32f32"), "fp32"),
)
_TENSOR_CORES = re.compile(r"nvjet|xmma|tensorop|gmma")
_STORED = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16", "float64": "fp64"}


class Laps:
    """Start and end of each verb by CUDA events, which the stream notes while the host goes on."""

    def __init__(self, torch_cuda: Any, device: str) -> None:
        event, self._stream = torch_cuda.Event, torch_cuda.current_stream(device)
        self._events = {
            verb: (event(enable_timing=True), event(enable_timing=True))
            for verb in ("upload", "run", "download")
        }
        self._ended: set[str] = set()

    def start(self, verb: str) -> None:
        """Have the stream note the time when it comes to here."""
        self._events[verb][0].record(self._stream)

    def end(self, verb: str) -> None:
        """Likewise, at the end of *verb*."""
        self._events[verb][1].record(self._stream)
        self._ended.add(verb)

    def read_ns(self) -> dict[str, int] | None:
        """Return the nanoseconds of each verb, waiting for the last; None before all were seen."""
        if len(self._ended) < len(self._events):
            return None
        self._events["download"][1].synchronize()
        return {
            verb: round(start.elapsed_time(end) * 1e6)
            for verb, (start, end) in self._events.items()
        }


class CudaSession(Session):
    """A module on a GPU; every verb ends only when the device has done its part."""

    def __init__(
        self, module: Any, request: Request, *, channels_last: bool, watched: Watched
    ) -> None:
        super().__init__(module, request, channels_last=channels_last, watched=watched)
        self._laps = Laps(self._torch.cuda, request.device)

    def upload(self, feed: Feed) -> Any:
        """Copy the inputs to the device, the image cast and laid out; wait for them."""
        device = self._request.device
        self._laps.start("upload")
        image = self._from_numpy(feed[self._image])
        image = image.to(device=device, dtype=self._dtype, memory_format=self._layout)
        handle = (image, *(self._from_numpy(feed[name]).to(device) for name in self._beside))
        self._laps.end("upload")
        self._torch.cuda.synchronize(self._request.device)
        return handle

    def run(self, handle: Any) -> None:
        """Run the module and wait for the device."""
        self._laps.start("run")
        self._outputs = self._module(*handle)
        self._laps.end("run")
        self._torch.cuda.synchronize(self._request.device)

    def download(self, handle: Any) -> Feed:
        """Return the outputs, copied to the host."""
        del handle
        self._laps.start("download")
        named = zip(self._names, self._flat(self._outputs), strict=True)
        arrays = {name: single(leaf).contiguous().cpu().numpy() for name, leaf in named}
        self._laps.end("download")
        return arrays

    def device_ns(self) -> Mapping[str, int] | None:
        """Return the stream's own time of each verb of the last query; None before the first."""
        return self._laps.read_ns()

    def _evidence(self, runs: list[list[Operation]], handle: Any) -> tuple[list[Kernel], str]:
        del runs
        stored, allowed = self._stored(), self._torch.backends.cuda.matmul.allow_tf32
        found = self._kernels(handle)
        work = [
            (name, (kernel_precision(name, stored, tf32=allowed), microseconds))
            for name, microseconds in found
            if _HEAVY.search(name)
        ]
        self.details |= {
            "allow_tf32": f"products {allowed}, cuDNN {self._torch.backends.cudnn.allow_tf32}",
            "cudnn_benchmark": str(self._torch.backends.cudnn.benchmark),
            "gpu": self._torch.cuda.get_device_name(self._request.device),
        }
        return work, "torch profiler: names and times of the CUDA kernels"

    def _kernels(self, handle: Any) -> list[tuple[str, float]]:
        """Return (name, microseconds) of what ran on the device in a few untimed runs."""
        profiler = self._torch.profiler
        both = [profiler.ProfilerActivity.CPU, profiler.ProfilerActivity.CUDA]
        with profiler.profile(activities=both) as profile:
            for _ in range(PROBE_RUNS):
                self.run(handle)
        kind = self._torch.autograd.DeviceType.CUDA
        return [
            (event.name, float(event.time_range.elapsed_us()))
            for event in profile.events()
            if event.device_type == kind
        ]


def kernel_precision(name: str, stored: str, *, tf32: bool) -> str:
    """Return the precision of a CUDA kernel by its name, else by the parameters' dtype.

    A kernel on fp32 tensors whose name tells nothing is fp32, unless TF32 is allowed and its name
    is of the tensor cores.
    """
    for pattern, precision in _PRECISIONS:
        if pattern.search(name):
            return precision
    if stored == "float32" and tf32 and _TENSOR_CORES.search(name):
        return "tf32"
    return _STORED.get(stored, "unknown")


def absent(device: str) -> str | None:
    """Return why torch cannot use *device* here, without importing torch; None if it can."""
    built = built_for()
    if built == "None":
        return "the installed torch is a build for CPUs only"
    major = (built or "").partition(".")[0]
    return cuda.absent(device) or (cuda.too_old(int(major)) if major.isdigit() else None)


def built_for() -> str | None:
    """Return the CUDA that torch was built for, ``None`` for none, as its version file says it.

    None itself, where there is no such file.
    """
    spec = importlib.util.find_spec("torch")
    file = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    found = _BUILT_FOR.search(file.read_text()) if file and file.is_file() else None
    return found[1].strip(" '\"") if found else None


@contextmanager
def exact_products(*, tf32: bool) -> Iterator[None]:
    """Multiply float32 tensors in fp32, or in TF32 where asked, until the block ends."""
    import torch

    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = convolutions
