"""What the torch runtime accepts, how it compiles, and what it says of its work."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchbench import cuda
from benchbench.errors import MissingDependency, PlacementError
from benchbench.protocols import DeviceTimed
from benchbench.runtimes.onednn import HEAVY, parse
from benchbench.runtimes.torch import Torch
from benchbench.runtimes.torch_cuda import Laps, absent, built_for, kernel_precision
from benchbench.types import ModelFile, Request, Variant
from tests import small_model

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
REQUEST = Request("fp32", "cpu", 1, small_model.SHAPE)
INT8 = Variant(format="pt2", precision="int8", target="cpu")


def cpu_flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


def said(line: str) -> tuple[str, str]:
    """Return the kernel and its precision in one line of oneDNN."""
    ((kernel, (precision, _)),) = parse(line)
    return kernel, precision


def child(text: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("device", "precisions"),
    [
        ("cpu", {"fp32", "bf16", "fp16"}),
        ("cuda", {"fp32", "tf32", "bf16", "fp16"}),
        ("cuda:1", {"fp32", "tf32", "bf16", "fp16"}),
    ],
)
def test_float_precisions_are_made_of_fp32_files(device, precisions):
    every = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8-dynamic")
    taken = {one: Torch().accepts(one, device) for one in every}
    assert {one for one, found in taken.items() if found} == precisions
    assert {one.precision for found in taken.values() for one in found} == {"fp32"}


def test_int8_needs_the_compiler_and_a_cpu():
    with pytest.raises(PlacementError, match="in float") as caught:
        Torch().accepts("int8", "cpu")
    assert caught.value.hint
    assert "mode: compile" in caught.value.hint
    assert INT8 in Torch(mode="compile").accepts("int8", "cpu")
    assert Torch(mode="compile").accepts("int8", "cuda") == ()


def test_torchscript_is_not_taken_where_it_would_not_be_compiled():
    formats = [{one.format for one in Torch(mode=mode).accepts("fp32", "cpu")} for mode in MODES]
    assert formats[0] - formats[1] == {"torchscript"}


MODES = ("eager", "compile")


def test_the_build_is_known_without_importing_torch():
    assert built_for() == str(torch.version.cuda)
    lines = child(
        "import sys\n"
        "from benchbench.runtimes.torch import Torch\n"
        "Torch().absent('cuda'), Torch().absent('cpu')\n"
        "print('torch' in sys.modules)"
    )
    assert lines == ["False"]


@pytest.mark.skipif(cuda.absent("cuda") is None, reason="there is a GPU here")
def test_a_gpu_that_is_absent_is_told_and_not_opened():
    reason = absent("cuda")
    assert reason
    assert Torch().absent("cpu") is None
    with (
        pytest.raises(PlacementError, match="torch cannot use cuda: ") as caught,
        Torch().open(small_model.torch_file(), replace(REQUEST, device="cuda")),
    ):
        pass
    assert reason in caught.value.message


def test_a_checkup_tells_version_and_build():
    first, *_ = Torch().checkup()
    assert first.level == "ok"
    assert torch.__version__ in first.message


@pytest.mark.parametrize(
    ("kernel", "stored", "tf32", "precision"),
    [
        ("ampere_sgemm_128x64_tn", "float32", True, "fp32"),
        (
            "sm80_xmma_fprop_implicit_gemm_tf32f32_tf32f32_f32_nhwckrsc_nhwc",
            "float32",
            True,
            "tf32",
        ),
        ("cutlass_80_tensorop_s1688gemm_128x256_16x3_nn_align4", "float32", True, "tf32"),
        ("sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc", "float16", False, "fp16"),
        ("ampere_fp16_s16816gemm_fp16_128x64_ldg8_f2f_stages_32x6_tn", "float16", False, "fp16"),
        ("turing_fp16_s1688gemm_fp16_128x128_ldg8_f2f_tn", "float16", False, "fp16"),
        ("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize64x64x64", "bfloat16", False, "bf16"),
        ("void flash_fwd_kernel<cutlass::bfloat16_t>", "bfloat16", False, "bf16"),
        ("nvjet_tst_128x64_64x8_1x2_h_bz_coopA_TNT", "bfloat16", False, "bf16"),
        ("void implicit_convolve_sgemm<float, float, 128, 5>", "float32", True, "fp32"),
        ("sm80_xmma_fprop_implicit_gemm_f32f32_f32f32_f32_nchwkcrs", "float32", False, "fp32"),
        ("void cudnn::winograd::kernel<3>", "float32", True, "fp32"),
        ("nvjet_sss_128x64", "float32", True, "tf32"),
        ("nvjet_sss_128x64", "float32", False, "fp32"),
    ],
)
def test_a_cuda_kernels_name_tells_its_precision(kernel, stored, tf32, precision):
    assert kernel_precision(kernel, stored, tf32=tf32) == precision


LINE = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,{kernel},forward_training,"
    "src:{source}:a:blocked:acdb::f0 wei:f32 dst:f32,attr-scratchpad:user{more},alg:x,mb1,0.5"
)


@pytest.mark.parametrize(
    ("kernel", "source", "more", "precision"),
    [
        ("brg_conv_fwd:avx512_core", "f32", "", "fp32"),
        ("brg_conv_fwd:avx10_1_512_amx", "f32", " attr-fpmath:bf16", "bf16"),
        ("brg_conv_fwd:avx512_core", "f32", " attr-fpmath:bf16", "fp32"),
        ("brg_conv_fwd:avx10_1_512_amx", "bf16", "", "bf16"),
        ("jit_bf16:avx512_core_bf16", "bf16", "", "bf16"),
        ("jit_bf16:avx512_core", "bf16", "", "fp32"),
        ("brg_conv_fwd:avx10_1_512", "f16", "", "fp32"),
        ("brg_conv_fwd:avx512_core_fp16", "f16", "", "fp32"),
        ("brg_conv_fwd:avx10_1_512_amx_fp16", "f16", "", "fp16"),
        ("brg_conv_fwd:avx10_1_512_amx", "u8", "", "int8"),
    ],
)
def test_the_precision_is_that_of_the_arithmetic(kernel, source, more, precision):
    assert said(LINE.format(kernel=kernel, source=source, more=more)) == (kernel, precision)


def test_torchs_micro_kernels_count_though_they_have_no_name():
    line = (
        "onednn_verbose,v1,ukernel,exec,cpu,brgemm,,undef,src:bf16::blocked:ab::f0 "
        "wei:bf16::blocked:ab::f0 dst:f32::blocked:ab::f0,attr,,32x64:64x32,0.01"
    )
    assert said(line) == ("brgemm", "bf16")


@pytest.mark.parametrize(
    ("name", "heavy"),
    [
        *((one, True) for one in ("conv2d", "_convolution_pointwise", "qconv_pointwise", "addmm")),
        *((one, True) for one in ("_mkl_linear", "bmm", "_int_mm", "scaled_dot_product_attention")),
        *((one, False) for one in ("upsample_bilinear2d", "upsample_linear1d", "relu", "comma")),
        *((one, False) for one in ("_convert_indices_from_coo_to_csr", "qconv_prepack")),
    ],
)
def test_the_work_is_told_from_the_rest_by_name(name, heavy):
    assert bool(HEAVY.search(name)) is heavy


def test_products_outside_onednn_are_counted_too():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 64 * 64, 8)).eval()
    with Torch().open(small_model.torch_file(net), REQUEST) as session:
        placement = session.placement()
    assert (placement.coverage, placement.precision) == ({"fp32": 1.0}, "fp32")
    assert placement.evidence == "measured"
    assert (placement.in_precision.nodes, placement.in_precision.time) == (1.0, 1.0)
    assert placement.on_device.nodes == 1.0


def test_every_convolution_is_counted_whichever_library_ran_it():
    from benchbench.runtimes.onednn import observe

    net, image = small_model.module(), torch.zeros(1, 3, 64, 64)

    def run(mode):
        with torch.inference_mode(), mode:
            net(image)

    work = [kernel for one in observe(run) for kernel in one.kernels]
    assert len(work) == 4
    assert all(milliseconds > 0 for _, (_, milliseconds) in work)


def test_a_model_without_products_has_only_its_dtypes_for_evidence():
    with Torch().open(small_model.torch_file(torch.nn.ReLU().eval()), REQUEST) as session:
        placement = session.placement()
    assert (placement.evidence, placement.coverage) == ("proxy", {})
    assert placement.in_precision.nodes is None


@pytest.mark.skipif("amx_fp16" in cpu_flags(), reason="this CPU multiplies fp16")
def test_fp16_without_amx_fp16_is_multiplied_in_fp32_and_says_so():
    with Torch().open(small_model.torch_file(), replace(REQUEST, precision="fp16")) as session:
        placement = session.placement()
    assert placement.precision == "fp32"
    assert placement.in_precision.time == 0
    assert placement.details["parameters"] == "float16"


_EMULATED = """
from benchbench.runtimes.torch import Torch
from benchbench.types import Request
from tests import small_model
with Torch().open(small_model.torch_file(), Request("bf16", "cpu", 1, small_model.SHAPE)) as one:
    print("said", one.placement().precision)
"""


@pytest.mark.skipif("avx512_vnni" not in cpu_flags(), reason="this CPU has no AVX-512")
def test_bf16_on_a_cpu_without_it_is_computed_in_fp32_and_says_so():
    assert child(_EMULATED, ONEDNN_MAX_CPU_ISA="AVX512_CORE") == ["said fp32"]


def test_what_the_models_code_sets_for_products_does_not_reach_the_session():
    before = torch.get_float32_matmul_precision()

    def load():
        torch.set_float32_matmul_precision("medium")
        return small_model.module()

    try:
        model = ModelFile(Variant(format="torch-module"), load=load)
        with Torch().open(model, REQUEST):
            assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


def test_compiling_without_a_compiler_is_an_error_that_says_what_to_do(monkeypatch):
    importlib.import_module("torch._inductor.config")  # keeps the CXX that it is imported under
    monkeypatch.setenv("CXX", "no-such-compiler")
    with (
        pytest.raises(MissingDependency, match="no-such-compiler") as caught,
        Torch(mode="compile").open(small_model.torch_file(), REQUEST),
    ):
        pass
    assert caught.value.hint
    assert "mode: eager" in caught.value.hint
    assert any("lacks a C++ compiler" in one.message for one in Torch().checkup())


def built(folder: Path) -> set[str]:
    return {str(one) for one in folder.rglob("*.so")}


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    pytest.importorskip("torchao")
    from benchbench.conversions.torch_int8 import TorchInt8

    job = small_model.job(tmp_path_factory.mktemp("int8"))
    return ModelFile(INT8, path=TorchInt8().convert(small_model.torch_file(), job))


@pytest.mark.slow
@pytest.mark.skipif("amx_int8" not in cpu_flags(), reason="this CPU has no AMX")
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_quantized_program_runs_in_int8_and_is_compiled_once(quantized, tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    image = next(small_model.feeds())
    runtime = Torch(mode="compile")
    request = replace(REQUEST, precision="int8", cache=tmp_path)
    with runtime.open(quantized, request) as session:
        placement = session.placement()
        handle = session.upload({"images": image})
        session.run(handle)
        outputs = session.download(handle)
    assert placement.coverage == {"int8": 1.0}
    assert placement.details["compiled"].endswith("1 graphs")
    for got, want in zip(outputs.values(), small_model.reference(image), strict=True):
        assert small_model.cosine(got, want) > 0.99
        assert not np.array_equal(got, want)
    first = built(tmp_path)
    assert first
    with runtime.open(quantized, request):
        assert built(tmp_path) == first
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ


def test_cuda_events_stand_around_each_verb_and_are_read_after_the_last():
    clock, log = iter(range(0, 1000, 2)), []

    class Event:
        def __init__(self, *, enable_timing):
            assert enable_timing

        def record(self, stream):
            self.ms = next(clock)
            log.append(stream)

        def synchronize(self):
            log.append("wait")

        def elapsed_time(self, other):
            return other.ms - self.ms

    laps = Laps(SimpleNamespace(Event=Event, current_stream=lambda device: device), "cuda:1")
    for verb in ("upload", "run"):
        laps.start(verb)
        laps.end(verb)
    assert laps.read_ns() is None  # nothing was downloaded yet: no whole query
    laps.start("download")
    laps.end("download")
    assert laps.read_ns() == {"upload": 2_000_000, "run": 2_000_000, "download": 2_000_000}
    assert log == ["cuda:1"] * 6 + ["wait"]


def test_a_session_on_the_cpu_has_no_device_times():
    with Torch().open(small_model.torch_file(), REQUEST) as session:
        assert not isinstance(session, DeviceTimed)
