"""What is known of the machine and the software: enough to decide whether two runs compare."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchbench import __version__
from benchbench.plugins import installed_version
from benchbench.types import digest

_MATH_VARIABLES = re.compile(
    r"^(?!.*(TOKEN|KEY|SECRET|PASS)).*(DNN|OMP|MKL|BLAS|KMP|OPENVINO|CUDA|TF32)"
)
RECORDED = frozenset(
    """
    ai-edge-litert ai-edge-quantizer coremltools cuda-bindings datasets defusedxml executorch
    hotcoco imagecorruptions-imaug litert-torch ncnn nncf numba numpy nvidia-ml-py onnx
    onnxconverter-common onnxruntime onnxruntime-gpu onnxruntime-openvino onnxscript
    opencv-contrib-python opencv-contrib-python-headless opencv-python opencv-python-headless
    openvino pillow pnnx pycocotools pydantic safetensors scipy tensorrt tensorrt-cu12
    tensorrt-cu13 tensorrt-rtx tensorrt-rtx-cu12 tensorrt-rtx-cu13 timm torch torchao
    torchmetrics torchvision vernier
    """.split()
)
"""Distributions whose versions stand with every result, where they are installed."""


def collect(folder: Path) -> dict[str, Any]:
    """Return provenance as a nested mapping; what cannot be read is None.

    ``key`` digests what must be equal for two runs to be comparable.
    """
    cpu, system = _cpu(), _system()
    comparable = {
        "cpu": cpu,
        "system": system,
        "limits": _limits(),
        "math_variables": _math_variables(),
    }
    return {
        "key": digest(comparable)[:12],
        **comparable,
        "memory_bytes": _memory(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "virtualised": "hypervisor" in _flags(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
        },
        "benchbench": __version__,
        "packages": _packages(),
        "git": _git(folder),
        "load_average": list(os.getloadavg()),
    }


def _math_variables() -> dict[str, str]:
    """Return what may change precision or threads behind a runtime's back."""
    return {k: v for k, v in sorted(os.environ.items()) if _MATH_VARIABLES.match(k)}


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _cpuinfo() -> dict[str, str]:
    text = _read("/proc/cpuinfo") or ""
    pairs = (line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _flags() -> set[str]:
    info = _cpuinfo()
    return set((info.get("flags") or info.get("Features") or "").split())


def _cpu() -> dict[str, Any]:
    info = _cpuinfo()
    vectors = ("avx", "fma", "amx", "vnni", "asimd", "sve", "f16c", "i8mm", "bf16")
    return {
        "model": info.get("model name") or platform.processor() or platform.machine(),
        "family_model_stepping": "/".join(
            info.get(key, "?") for key in ("cpu family", "model", "stepping")
        ),
        "vector_flags": sorted(f for f in _flags() if any(v in f for v in vectors)),
        "logical": os.cpu_count(),
        "available": len(os.sched_getaffinity(0)),
    }


def _system() -> dict[str, Any]:
    return {
        "os": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
    }


def _limits() -> dict[str, str | None]:
    """Return what a container allows (cgroup v2, then v1)."""
    return {
        "cpu": _read("/sys/fs/cgroup/cpu.max") or _read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        "memory": _read("/sys/fs/cgroup/memory.max")
        or _read("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    }


def _memory() -> int | None:
    found = re.search(r"MemTotal:\s+(\d+) kB", _read("/proc/meminfo") or "")
    return int(found.group(1)) * 1024 if found else None


def _packages() -> dict[str, str]:
    # One by one: to read the files of all that is installed takes longer.
    found = ((name, installed_version(name)) for name in sorted(RECORDED))
    return {name: version for name, version in found if version is not None}


def _git(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether tracked files are changed, if *folder* is in a git checkout.

    Untracked files do not count: reports and results that a run leaves are such.
    """
    commit = _run_git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = _run_git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changed)}


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
