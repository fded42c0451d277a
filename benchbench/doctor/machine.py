"""What of the machine and the installation bears on every runtime."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from benchbench.distributions import owned, root, shared
from benchbench.measure.cpus import one_each, physical_cores, quota
from benchbench.plugins import installed_version
from benchbench.types import Finding, Record


class Family(Record):
    """Distributions that install the same module, so that the last one replaces the others."""

    names: tuple[str, ...]
    level: Literal["warning", "error"]
    loss: str
    """What is lost when two of them are installed."""
    advice: str


FAMILIES = (
    Family(
        names=("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"),
        level="error",
        loss="providers are lost without a word",
        advice="pip install 'benchbench[ort]' for a CPU, or 'benchbench[ort-gpu]' for CUDA, "
        "never both",
    ),
    Family(
        names=(
            "opencv-python-headless",
            "opencv-python",
            "opencv-contrib-python-headless",
            "opencv-contrib-python",
        ),
        level="warning",
        loss="versions and modules may not be the ones listed",
        advice="pip install 'benchbench[opencv]', which brings opencv-python-headless",
    ),
)
_PRECISION = {
    "ONEDNN_DEFAULT_FPMATH_MODE": ("STRICT", "PyTorch and others compute fp32 in it"),
    "DNNL_DEFAULT_FPMATH_MODE": ("STRICT", "PyTorch and others compute fp32 in it"),
    "NVIDIA_TF32_OVERRIDE": ("", "CUDA libraries use or refuse TF32 whatever the program says"),
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": ("0", "PyTorch computes fp32 products in TF32"),
}
"""Variable → the value that changes nothing, and what another one does."""
_SPEED = (
    "DNNL_MAX_CPU_ISA",
    "KMP_AFFINITY",
    "MKL_ENABLE_INSTRUCTIONS",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
)
_THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def findings() -> Iterator[Finding]:
    """Yield what there is to say: cores and limits, variables, packages in each other's way."""
    yield cores()
    yield from variables(os.environ)
    for family in FAMILIES:
        yield from overwritten(family)


def exclusion(text: str) -> str | None:
    """Return the advice for the package named in *text* if others exclude it."""
    return next((one.advice for one in FAMILIES if f"'{one.names[0]}'" in text), None)


def cores() -> Finding:
    """Return how many cores this process may use, and why not all."""
    allowed = os.sched_getaffinity(0)
    limit, count = quota(), physical_cores()
    told = f"{count} physical cores for this process"
    details = [f"{len(allowed)} of {os.cpu_count()} logical CPUs"]
    details += [f"a container's limit of {limit:g} CPUs"] if limit is not None else []
    message = f"{told} ({', '.join(details)})"
    if limit is None or limit >= len(one_each(allowed)):
        return Finding(level="ok", message=message)
    return Finding(
        level="warning",
        message=f"{message}: the kernel stops every process that uses up the limit for a while, "
        "and the slowest queries show it",
        hint=f"use threads: {count} or fewer, or a container without a limit",
    )


def variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what the environment variables change behind a runtime's back."""
    for name, (harmless, effect) in _PRECISION.items():
        if environment.get(name, harmless).upper() != harmless:
            yield Finding(
                level="warning",
                message=f"{name}={environment[name]} changes precision: {effect}",
                hint=f"unset {name}",
            )
    for name in _SPEED:
        if name in environment:
            yield Finding(
                level="warning",
                message=f"{name}={environment[name]} changes speed; runs record it",
                hint=f"unset {name}",
            )
    for name in _THREADS:
        if name in environment:
            yield Finding(
                level="ok",
                message=f"{name}={environment[name]} is not used: each worker gets the suite's "
                "threads",
            )


def overwritten(family: Family) -> Iterator[Finding]:
    """Yield a finding for each two of *family* that are installed over each other."""
    present = [name for name in family.names if installed_version(name)]
    for one, other in itertools.combinations(present, 2):
        both = shared(one, other)
        versions = f"{one} {installed_version(one)} and {other} {installed_version(other)}"
        yield Finding(
            level=family.level,
            message=f"{versions} are both installed: they write the same files, and "
            f"{_whose(both, one, other)}; {family.loss}",
            hint=f"pip uninstall -y {one} {other}; then {family.advice}",
        )


def _whose(both: tuple[str, ...], one: str, other: str) -> str:
    """Say whose contents the files have that two distributions both claim."""
    if not both:
        return "either may have replaced the other's"
    counts = {name: sum(_is_its_own(path, name) for path in both) for name in (one, other)}
    winner = max(counts, key=counts.__getitem__)
    return f"{counts[winner]} of the {len(both)} that differ are {winner}'s"


def _is_its_own(path: str, name: str) -> bool:
    file, here = owned(name)[path], root(name) / path
    try:
        if file.bytes is not None and here.stat().st_size != file.bytes:
            return False
        return file.digest == _digest(here)
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").digest()
    return "sha256=" + base64.urlsafe_b64encode(found).rstrip(b"=").decode()
