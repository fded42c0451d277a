"""The driver's questions, answered by a library that gcc builds: the real ctypes calls run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbench import cuda

ROOT = Path(__file__).parents[2]
_SOURCE = """
#include <string.h>
int cuInit(unsigned flags) { return INIT; }
int cuDeviceGetCount(int *count) { *count = COUNT; return COUNTED; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGet(int *handle, int ordinal) { *handle = ordinal + 40; return ordinal >= COUNT; }
int cuDeviceGetAttribute(int *value, int which, int handle) {
    int minor = handle == 40 ? 6 : 9;
    if (which != 75 && which != 76) return 1;
    *value = which == 75 ? MAJOR : minor;
    return 0;
}
int cuDeviceGetName(char *text, int length, int handle) {
    strncpy(text, handle == 40 ? "FAKE GPU A" : "FAKE GPU B", length);
    return 0;
}
"""
_CHILD = """
import json, sys
from benchbench import cuda
print(json.dumps({
    "absent": {device: cuda.absent(device) for device in sys.argv[1:]},
    "version": cuda.driver_version(),
    "old": [cuda.too_old(12), cuda.too_old(13)],
    "capability": {device: cuda.compute_capability(device) for device in sys.argv[1:]},
    "tf32": {device: cuda.computes_tf32(device) for device in sys.argv[1:]},
    "name": {device: cuda.name(device) for device in sys.argv[1:]},
    "describe": cuda.describe(sys.argv[1]),
}))
"""


def ask(folder: Path, *devices: str, **values: int) -> Any:
    """Build a driver with *values*, and return what a child process learns of it."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc to build a driver with")
    known = {"INIT": 0, "COUNT": 2, "COUNTED": 0, "VERSION": 13000, "MAJOR": 8} | values
    (folder / "driver.c").write_text(_SOURCE)
    defines = [f"-D{key}={value}" for key, value in known.items()]
    library = folder / "libcuda.so.1"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", *defines, "-o", str(library), str(folder / "driver.c")],
        check=True,
        timeout=60,
    )
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, *devices],
        env=os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(child.stdout)


def test_two_devices_are_told_apart(tmp_path):
    said = ask(tmp_path, "cuda", "cuda:1", "cuda:2")
    assert said["absent"] == {
        "cuda": None,
        "cuda:1": None,
        "cuda:2": "cuda:2: the driver knows 2 CUDA devices",
    }
    assert said["capability"] == {"cuda": "8.6", "cuda:1": "8.9", "cuda:2": None}
    assert said["name"] == {"cuda": "FAKE GPU A", "cuda:1": "FAKE GPU B", "cuda:2": None}
    assert said["tf32"] == {"cuda": True, "cuda:1": True, "cuda:2": False}
    assert said["describe"] == {
        "gpu": "FAKE GPU A",
        "compute_capability": "8.6",
        "driver_cuda": "13.0",
    }


def test_a_driver_that_is_too_old_is_named_with_what_it_knows(tmp_path):
    said = ask(tmp_path, "cuda", VERSION=12080, MAJOR=7)
    assert said["version"] == "12.8"
    assert said["old"] == [None, "the NVIDIA driver knows CUDA 12.8 at most, and CUDA 13 is needed"]
    assert said["tf32"] == {"cuda": False}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"INIT": 100}, "the NVIDIA driver does not start: cuInit gave 100 (no CUDA device)"),
        ({"COUNT": 0}, "cuda: the driver knows 0 CUDA devices"),
        ({"COUNTED": 3}, "cuda: the NVIDIA driver cannot count its devices: error 3"),
    ],
)
def test_a_driver_without_devices_says_why(tmp_path, values, reason):
    said = ask(tmp_path, "cuda", **values)
    assert said["absent"] == {"cuda": reason}
    assert said["capability"] == {"cuda": None}
    assert said["name"] == {"cuda": None}
    assert set(said["describe"]) <= {"driver_cuda"}


@pytest.mark.parametrize("device", ["cuda:x", "cuda:", "cuda:-1", "cpu", "cudaa"])
def test_what_is_no_cuda_device_is_told_without_asking_the_driver(device):
    assert cuda.ordinal(device) is None
    assert cuda.absent(device) == f"'{device}' names no CUDA device; cuda and cuda:1 would"
