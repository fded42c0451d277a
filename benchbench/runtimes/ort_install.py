"""Which ONNX Runtime is installed, what it can use here, and what spoils it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

from benchbench import cuda
from benchbench.types import Finding

NAMES = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
PACKAGES = {
    "cpu": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
    "cuda": ("onnxruntime-gpu",),
    "tensorrt": ("onnxruntime-gpu",),
    "openvino": ("onnxruntime-openvino",),
}
"""Distributions that hold each provider."""

_TENSORRT = "onnxruntime/capi/libonnxruntime_providers_tensorrt.so"
_NVIDIA = "CUDA 13 and cuDNN 9 come with pip install 'onnxruntime-gpu[cuda,cudnn]'"


def version(package: str) -> str | None:
    """Return the installed version of a distribution; None if it is not installed."""
    try:
        return distribution(package).version
    except PackageNotFoundError:
        return None


def without(provider: str) -> str | None:
    """Return why the installed packages do not hold *provider*; None if one does."""
    if any(version(name) for name in PACKAGES[provider]):
        return None
    wanted = PACKAGES[provider][0]
    found = [name for name in PACKAGES["cpu"] if version(name)]
    return f"the provider '{provider}' is in the package {wanted}, and here is " + (
        ", ".join(found) or "no onnxruntime"
    )


def remedy(provider: str) -> str:
    """Return what to do where *provider* does not load."""
    if provider == "tensorrt":
        major = linked(b"libnvinfer") or "10"
        return f"it links TensorRT {major}: pip install 'tensorrt=={major}.*'; {_NVIDIA}"
    if provider == "cuda":
        return f"its libraries were not found: {_NVIDIA}"
    wanted = PACKAGES[provider][0]
    return f"pip install {wanted}, without any other onnxruntime package; or the device is not here"


def errors() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises; its own errors have no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    own = tuple(kind for kind in kinds if issubclass(kind, Exception))
    return (RuntimeError, ValueError, *own)


def linked(library: bytes) -> str | None:
    """Return the major version of *library* that the TensorRT provider links; None without one."""
    package = distribution("onnxruntime-gpu") if version("onnxruntime-gpu") else None
    if package is None:
        return None
    place = Path(str(package.locate_file(_TENSORRT)))
    # The names of needed libraries stand in the file as they are.
    found = re.search(library + rb"\.so\.(\d+)", place.read_bytes()) if place.is_file() else None
    return found[1].decode() if found else None


def checkup() -> list[Finding]:
    """Tell the version, the usable providers, and packages that spoil one another."""
    present = {name: found for name in PACKAGES["cpu"] if (found := version(name))}
    if not present:
        missing = "onnxruntime is not installed"
        return [Finding(level="error", message=missing, hint="pip install 'benchbench[ort]'")]
    told = ", ".join(f"{name} {found}" for name, found in present.items())
    return [Finding(level="ok", message=told), *_overwritten(present), *_usable(), *_nvidia()]


def _overwritten(present: dict[str, str]) -> Iterator[Finding]:
    if len(present) > 1:
        names = " ".join(present)
        yield Finding(
            level="error",
            message=f"{' and '.join(present)} write the same files: the last one installed "
            "has replaced the others, and their providers may be gone",
            hint=f"pip uninstall -y {names}; then install the one that you need",
        )


def _usable() -> Iterator[Finding]:
    """Compare the providers that the package lists with those that find a device."""
    try:
        import onnxruntime
    except ImportError as error:
        hint = "install the package again"
        yield Finding(level="error", message=f"onnxruntime does not import: {error}", hint=hint)
        return
    usable = _with_devices(onnxruntime)
    yield Finding(level="ok", message=f"usable providers: {', '.join(sorted(usable))}")
    lost = sorted(
        {NAMES["cuda"], NAMES["tensorrt"]} & set(onnxruntime.get_available_providers()) - usable
    )
    if lost:
        yield Finding(
            level="warning",
            message=f"{', '.join(lost)}: in the package, but without a usable device",
            hint=cuda.absent("cuda") or remedy("cuda"),
        )


def _with_devices(onnxruntime: Any) -> set[str]:
    """Return the providers that can be used: those that find a device, or load a library here.

    CUDA's and TensorRT's are not among the devices that ONNX Runtime reports where they are built
    into the package, so that they are tried.
    """
    found = {device.ep_name for device in onnxruntime.get_ep_devices()}
    found |= {NAMES["openvino"]} & set(onnxruntime.get_available_providers())
    if cuda.absent("cuda") is None and _allocates(onnxruntime):
        found |= {NAMES["cuda"]} | ({NAMES["tensorrt"]} if _finds_tensorrt() else set())
    return found


def preload(onnxruntime: Any) -> None:
    """Load CUDA, cuDNN and TensorRT from their wheels where they are installed as such."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(ImportError):
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        importlib.import_module("tensorrt_libs")


def _allocates(onnxruntime: Any) -> bool:
    """Return whether the CUDA provider can allocate on its device."""
    preload(onnxruntime)
    try:
        onnxruntime.OrtValue.ortvalue_from_shape_and_type([1], np.float32, "cuda", 0)
    except errors():
        return False
    return True


def _finds_tensorrt() -> bool:
    try:
        ctypes.CDLL(f"libnvinfer.so.{linked(b'libnvinfer')}")
    except OSError:
        return False
    return True


def _nvidia() -> Iterator[Finding]:
    wanted = linked(b"libcudart")
    if wanted and (reason := cuda.too_old(int(wanted))):
        yield Finding(level="error", message=reason, hint="install a newer NVIDIA driver")
    major, installed = linked(b"libnvinfer"), version("tensorrt")
    if major and installed and installed.partition(".")[0] != major:
        yield Finding(
            level="warning",
            message=f"TensorRT {installed} is installed, and ONNX Runtime's TensorRT provider "
            f"links TensorRT {major}: the provider does not load",
            hint=f"use an environment of its own for it, with pip install 'tensorrt=={major}.*'",
        )
