"""The doctor over packages that are really broken: real imports, real deaths, a real library."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from rich.console import Console

from benchbench import distributions
from benchbench.cli.doctor import render
from benchbench.doctor import Health, machine
from benchbench.doctor.gpu import _major
from benchbench.doctor.runtimes import RuntimeReport, examine_each
from benchbench.types import Finding
from benchbench.worker.checkup import Device
from tests import tiny

NOTHING = "libnothing.so.7: cannot open shared object file"
UNLOADABLE = "ModuleNotFoundError: No module named 'doomed.nothing'; 'doomed' is not a package"
LIBRARIES = {
    "dies_segfault": "import ctypes; ctypes.string_at(0)",
    "dies_hang": "import time; time.sleep(3600)",
    "dies_raise": f"raise ImportError({NOTHING!r})",
    "dies_exit": "import os; os._exit(7)",
    "lives": "",
}
PLUGINS = """
import ctypes
from typing import ClassVar
from benchbench.types import Finding, Record, Variant

class Fine(Record):
    packages: ClassVar = (("lives",),)
    extra: ClassVar = ""
    def accepts(self, precision, device):
        return (Variant(format="x"),) if precision in ("fp32", "int8") else ()
    def known_devices(self):
        return ("cpu", "npu", "npu:*")
    def open(self, model, request): ...

class Segfault(Fine):
    packages: ClassVar = (("dies-segfault",),)
class Hang(Fine):
    packages: ClassVar = (("dies-hang",),)
class Raise(Fine):
    packages: ClassVar = (("dies-raise",),)
class Exit(Fine):
    packages: ClassVar = (("dies-exit",),)
class Absent(Fine):
    packages: ClassVar = (("onnxruntime-of-nobody",),)
    extra: ClassVar = "nobody"
class Explained(Raise):
    def checkup(self):
        return (Finding(level="error", message="libnothing is too old", hint="get libnothing 7"),)
class Careless(Segfault):
    def checkup(self):
        import lives
        import dies_segfault
class Crashing(Fine):
    def checkup(self):
        import lives
        ctypes.string_at(0)
class Telling(Fine):
    def absent(self, device):
        return None if device in ("npu", "npu:1", "npu:2") else f"no {device} here"
    def checkup(self):
        return (Finding(level="ok", message="lives 1.0, two of them"),)
class Idle(Fine):
    def absent(self, device):
        return "nothing is plugged in"
class Odd(Fine):
    def known_devices(self):
        raise KeyError("devices")
"""
KINDS = "Fine Segfault Hang Raise Exit Absent Explained Careless Crashing Telling Idle Odd".split()


def install(
    site: Path,
    name: str,
    files: dict[str, str],
    points: str = "",
    recorded: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Install a distribution as pip would; *recorded* replaces contents in its list of files."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = []
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        told = recorded.get(path, text).encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(told).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(told)}")
    (info / "INSTALLER").write_text("pip\n")
    (info / "RECORD").write_text("\n".join(lines))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install libraries that die when they are imported, and runtimes that need them."""
    folder = tmp_path_factory.mktemp("site")
    for module, text in LIBRARIES.items():
        install(folder, module.replace("_", "-"), {f"{module}/__init__.py": text})
    points = "\n".join(f"{kind.lower()} = doomed:{kind}" for kind in KINDS)
    text = f"[benchbench.runtimes]\n{points}\nunloadable = doomed.nothing:Nothing\n"
    install(folder, "doomed", {"doomed.py": PLUGINS}, text)
    return folder


@pytest.fixture(scope="module")
def reports(site: Path) -> dict[str, RuntimeReport]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        names = [*(kind.lower() for kind in KINDS), "unloadable"]
        return {one.name: one for one in examine_each(names, timeout_s=8)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("segfault", "importing dies_segfault killed the process with SIGSEGV"),
        ("hang", "importing dies_hang did not end within 8 s"),
        (
            "raise",
            f"importing dies_raise (dies-raise 1.0) failed: ImportError: {NOTHING}",
        ),
        ("exit", "importing dies_exit ended the process with exit code 7"),
        ("explained", "libnothing is too old"),
        ("careless", "importing dies_segfault killed the process with SIGSEGV"),
        ("crashing", "the runtime's own checkup killed the process with SIGSEGV"),
        ("odd", "KeyError: 'devices'"),
        (
            "unloadable",
            f"the runtime 'unloadable' (doomed.nothing:Nothing) cannot be loaded: {UNLOADABLE}",
        ),
    ],
)
def test_a_runtime_whose_library_breaks_is_broken_and_the_death_is_put_down_to_it(
    kind: str, message: str, reports: dict[str, RuntimeReport]
) -> None:
    report = reports[kind]
    assert (report.state, report.reason) == ("broken", message)
    assert [finding.message for finding in report.findings] == [message]


def test_what_was_known_before_a_death_is_still_told(reports: dict[str, RuntimeReport]) -> None:
    report = reports["segfault"]
    assert report.versions == {"doomed": "1.0", "dies-segfault": "1.0"}
    assert report.devices[0] == Device(name="cpu", precisions=("fp32", "int8"))


def test_the_death_of_one_runtime_leaves_the_others_alone(
    reports: dict[str, RuntimeReport],
) -> None:
    assert reports["fine"].state == "usable"
    assert reports["fine"].findings == ()


def test_devices_are_counted_where_the_runtime_says_which_there_are(
    reports: dict[str, RuntimeReport],
) -> None:
    assert [device.name for device in reports["fine"].devices] == ["cpu", "npu", "npu:*"]
    told = {device.name: device.absent for device in reports["telling"].devices}
    assert told == {"cpu": "no cpu here", "npu": None, "npu:1": None, "npu:2": None}
    assert reports["telling"].state == "usable"
    assert reports["telling"].findings[0].message == "lives 1.0, two of them"


def test_a_runtime_without_a_device_is_installed_but_not_usable(
    reports: dict[str, RuntimeReport],
) -> None:
    report = reports["idle"]
    assert (report.state, report.reason) == ("no device", "nothing is plugged in")


def test_an_absent_package_is_told_with_the_install_command(
    reports: dict[str, RuntimeReport],
) -> None:
    report = reports["absent"]
    assert report.state == "not installed"
    assert report.reason == "the package 'onnxruntime-of-nobody' is not installed"
    assert report.hint == "pip install 'benchbench[nobody]'"
    assert [device.name for device in report.devices] == ["cpu", "npu", "npu:*"]


# --- packages that lie over each other ---------------------------------------------------


def test_two_packages_with_the_same_files_are_found_and_whose_lie_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {"twin/__init__.py": "cpu only", "twin/core.so": "123", "twin/same.py": "same"}
    gpu = {"twin/__init__.py": "with cuda", "twin/core.so": "12345", "twin/same.py": "same"}
    install(tmp_path, "twin-gpu", gpu)
    install(tmp_path, "twin", mine)  # the last one wins
    monkeypatch.syspath_prepend(str(tmp_path))
    family = machine.Family(
        names=("twin", "twin-gpu", "twin-other"), level="error", loss="a loss", advice="install one"
    )
    (finding,) = machine.overwritten(family)
    assert finding.level == "error"
    assert "twin 1.0 and twin-gpu 1.0 are both installed" in finding.message
    assert "2 of the 2 that differ are twin's; a loss" in finding.message
    assert finding.hint == "pip uninstall -y twin twin-gpu; then install one"


def test_files_that_were_replaced_or_removed_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "worn/__init__.py": "",
        "worn/a.so": "new contents",
        "worn/b.so": "b",
        "worn/c.py": "x",
    }
    install(tmp_path, "worn", files, recorded={"worn/a.so": "old"})
    (tmp_path / "worn" / "b.so").unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert distributions.altered("worn") == ("worn/a.so", "worn/b.so")
    assert distributions.modules("worn") == ("worn",)
    (tmp_path / "worn-1.0.dist-info" / "INSTALLER").write_text("conda")  # it patches files
    assert distributions.altered("worn") == ("worn/b.so",)


def test_the_real_onnxruntime_is_whole_and_its_module_known() -> None:
    pytest.importorskip("onnxruntime")
    name = next(n for n in machine.FAMILIES[0].names if distributions.owned(n))
    assert distributions.modules(name) == ("onnxruntime",)
    assert distributions.altered(name) == ()


def test_the_hint_for_onnxruntime_says_that_its_two_packages_exclude_each_other() -> None:
    advice = machine.exclusion("the package 'onnxruntime' is not installed")
    assert advice is not None
    assert "never both" in advice
    assert machine.exclusion("the package 'torch' is not installed") is None


# --- the machine -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("ONEDNN_DEFAULT_FPMATH_MODE", "bf16", "warning"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "strict", None),
        ("NVIDIA_TF32_OVERRIDE", "0", "warning"),
        ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "0", None),
        ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1", "warning"),
        ("ONEDNN_MAX_CPU_ISA", "AVX2", "warning"),
        ("OMP_NUM_THREADS", "4", "ok"),
        ("HOME", "/nowhere", None),
    ],
)
def test_variables_that_change_figures_are_told(name: str, value: str, level: str | None) -> None:
    found = list(machine.variables({name: value}))
    assert [finding.level for finding in found] == ([level] if level else [])
    assert all(f"{name}={value}" in finding.message for finding in found)


def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert "1 physical cores for this process (1 of" in machine.cores().message
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("name", "version", "major"),
    [
        ("tensorrt_cu13_libs", "11.4.0", 13),
        ("nvidia-cublas-cu12", "12.9.1", 12),
        ("nvidia-cuda-runtime", "13.0.96", 13),
        ("torch", "2.7.0+cu126", 12),
        ("torch", "2.7.0+cpu", None),
        ("cucumber", "1.0", None),
    ],
)
def test_the_cuda_that_a_package_needs_is_read_from_its_name(
    name: str, version: str, major: int | None
) -> None:
    assert _major(name, version) == major


_CUDA = """
#include <string.h>
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuDeviceGet(int *handle, int ordinal) { *handle = ordinal; return ordinal != 0; }
int cuDeviceGetAttribute(int *value, int which, int handle) { *value = which == 75 ? 8 : 6; return 0; }
int cuDeviceGetName(char *text, int length, int handle) { strncpy(text, "FAKE GPU", length); return 0; }
"""
_NVML = """
#include <string.h>
typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } Process;
int nvmlInitWithFlags(unsigned flags) { return 0; }
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "other"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(long)(index + 1);
    return LOST && index ? 15 : 0;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned length) { strcpy(text, "FAKE GPU"); return 0; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned length) { strcpy(text, "GPU-fake"); return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    unsigned have = handle == (void *)1, room = *count;
    *count = have;
    if (room < have) return 7;
    if (have) { found[0].pid = 1; found[0].memory = 3ULL << 30; }
    return 0;
}
"""


def build(folder: Path, name: str, source: str, *flags: str) -> None:
    compiler = shutil.which("gcc")
    if not compiler:
        pytest.skip("needs gcc")
    file = folder / f"{name}.c"
    file.write_text(source)
    shared = [f"-Wl,-soname,{name}", "-shared", "-fPIC", "-o", str(folder / name)]
    subprocess.run([compiler, *flags, *shared, str(file)], check=True)


def doctor(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchbench", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(tiny.PLUGINS), **variables},
    )


def test_an_old_driver_is_told_with_the_packages_that_need_a_newer_one(tmp_path: Path) -> None:
    build(tmp_path, "libcuda.so.1", _CUDA)
    install(tmp_path, "aged-cu13", {"aged.py": ""})
    path = f"{tiny.PLUGINS}{os.pathsep}{tmp_path}"
    done = doctor("bbtest-faulty", "--json", LD_LIBRARY_PATH=str(tmp_path), PYTHONPATH=path)
    assert done.returncode == 3, done.stderr
    found = [one["message"] for one in json.loads(done.stdout)["machine"]]
    (old,) = [one for one in found if "CUDA 12.4" in one and "aged-cu13 1.0" in one]
    assert "CUDA 13 is needed" in old
    assert "cuda:0: FAKE GPU, compute capability 8.6, driver for CUDA 12.4" in found


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (
            0,
            r"other processes use the GPU 0 of NVML \(FAKE GPU, GPU-fake\): .+ \(pid 1, 3072 MiB\)",
        ),
        (1, r"cannot tell whether others use a GPU: NVML says GPU is lost"),
    ],
)
def test_a_gpu_that_others_use_is_told(lost: int, message: str, tmp_path: Path) -> None:
    pytest.importorskip("pynvml", reason="needs nvidia-ml-py")
    build(tmp_path, "libcuda.so.1", _CUDA)
    build(tmp_path, "libnvidia-ml.so.1", _NVML, f"-DLOST={lost}")
    done = doctor("bbtest-faulty", "--json", LD_LIBRARY_PATH=str(tmp_path))
    found = [one["message"] for one in json.loads(done.stdout)["machine"]]
    assert len([one for one in found if re.fullmatch(message, one)]) == 1, found


# --- the command -------------------------------------------------------------------------


def test_a_named_runtime_that_cannot_be_used_is_exit_code_3() -> None:
    done = doctor("bbtest-faulty", "bbtest-absent")
    assert done.returncode == 3, done.stderr
    assert re.search(r"^bbtest-faulty +usable .*cpu: fp32 fp16 int8", done.stdout, re.MULTILINE)
    assert "the package 'bbtest-no-such-package' is not installed" in done.stdout
    assert "→ pip install 'benchbench[absent]'" in done.stdout
    assert "physical cores for this process" in done.stdout


def test_an_unknown_runtime_is_exit_code_2_with_a_suggestion() -> None:
    done = doctor("bbtest-faultty")
    assert done.returncode == 2
    assert "did you mean 'bbtest-faulty'?" in done.stderr


def test_the_page_is_readable_at_80_columns_and_hints_stay_whole() -> None:
    hint = "pip install 'benchbench[ort]'"
    report = RuntimeReport(
        name="onnxruntime",
        state="broken",
        reason="x",
        versions={"onnxruntime-gpu": "1.31.1", "benchbench": "1.0"},
        devices=(
            Device(name="cpu", precisions=("fp32", "fp16", "int8", "int8-dynamic")),
            Device(name="cuda", chip="NVIDIA GeForce RTX 4090", precisions=("fp32", "tf32")),
            Device(name="npu", absent="no npu here"),
        ),
        findings=(Finding(level="error", message="a long sentence " * 12, hint=hint),),
    )
    absent = RuntimeReport(name="torch", state="not installed", reason="no torch", hint=hint)
    health = Health(
        runtimes=(report, absent), machine=(Finding(level="warning", message="hot", hint=None),)
    )
    console = Console(width=80, file=io.StringIO(), markup=False, emoji=False)
    for part in render(health):
        console.print(part)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(f"→ {hint}\n") + text.count(f"→ {hint} ") == 2
    assert "no npu: no npu here" in text
    assert "benchbench 1.0" not in text


def test_what_it_found_is_one_documented_json_object() -> None:
    done = doctor("bbtest-faulty", "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    assert set(document) == {"schema", "runtimes", "machine"}
    (report,) = document["runtimes"]
    page = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
    keys = {*document, *report, *report["devices"][0], *document["machine"][0]}
    assert {key for key in keys if f"`{key}`" not in page} == set()
