"""Every name of TensorRT and CUDA that our sources use exists in the real bindings."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nvidia import names

ROOT = Path(__file__).parents[2]


def test_tensorrt_10_and_11_have_every_name_and_argument(bindings):
    child = subprocess.run(
        [sys.executable, "-m", "tests.nvidia.names", "tensorrt_bindings"],
        check=False,
        cwd=ROOT,
        env=bindings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    said = json.loads(child.stdout)
    assert said["version"].partition(".")[0] in {"10", "11"}
    lacking = {name: set(found) for name, found in said["missing"].items() if found}
    assert lacking == names.ONLY_RTX


def test_tensorrt_rtx_has_every_name_and_argument():
    import tensorrt_rtx

    assert not {name: found for name, found in names.missing(tensorrt_rtx).items() if found}
    assert names.used() > 60


def test_a_name_that_tensorrt_11_removed_would_be_found(tmp_path, monkeypatch):
    import tensorrt_rtx

    path = tmp_path / "conversions" / "tensorrt_build.py"
    path.parent.mkdir()
    path.write_text(
        "trt.BuilderFlag.FP16\nconfig.int8_calibrator\nnetwork.get_layer(0).precision\n"
        "config.set_timing_cache(1)\nconfig.set_timing_cache(1, ignored=False)\n"
    )
    monkeypatch.setattr(names, "ROOT", tmp_path)
    only = {"conversions/tensorrt_build.py": names.OBJECTS["conversions/tensorrt_build.py"]}
    monkeypatch.setattr(names, "OBJECTS", only)
    (found,) = names.missing(tensorrt_rtx).values()
    assert found == [
        "IBuilderConfig.int8_calibrator",
        "IBuilderConfig.set_timing_cache: config.set_timing_cache(1)",
        "IBuilderConfig.set_timing_cache: config.set_timing_cache(1, ignored=False)",
        "ILayer.precision",
        "trt.BuilderFlag.FP16",
    ]


def test_cuda_bindings_takes_every_call_with_our_arguments():
    # Without a driver each call is refused by CUDA itself, after its arguments were understood.
    from cuda.bindings import runtime

    from benchbench import cuda

    if cuda.absent("cuda") is None:
        pytest.skip("there is a GPU here, and these addresses are made up")
    stream = runtime.cudaStream_t(0)
    copy = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    calls = {
        "cudaSetDevice": (0,),
        "cudaStreamCreateWithFlags": (runtime.cudaStreamNonBlocking,),
        "cudaMalloc": (16,),
        "cudaFree": (4096,),
        "cudaMemcpyAsync": (4096, 4096, 16, copy, stream),
        "cudaStreamSynchronize": (stream,),
        "cudaStreamBeginCapture": (stream, mode),
        "cudaStreamEndCapture": (stream,),
        "cudaGraphInstantiate": (runtime.cudaGraph_t(0), 0),
        "cudaGraphDestroy": (runtime.cudaGraph_t(0),),
        "cudaGraphLaunch": (runtime.cudaGraphExec_t(0), stream),
        "cudaGraphExecDestroy": (runtime.cudaGraphExec_t(0),),
        "cudaStreamDestroy": (stream,),
        "cudaEventCreate": (),
        "cudaEventRecord": (runtime.cudaEvent_t(0), stream),
        "cudaEventElapsedTime": (runtime.cudaEvent_t(0), runtime.cudaEvent_t(0)),
        "cudaEventDestroy": (runtime.cudaEvent_t(0),),
    }
    used = {
        node.value
        for node in ast.walk(ast.parse((names.ROOT / "runtimes" / "cudart.py").read_text()))
        if isinstance(node, ast.Constant)
        and str(node.value).startswith("cuda")
        and hasattr(runtime, str(node.value))
    }
    assert used <= set(calls)
    assert int(stream) == 0
    for name, arguments in calls.items():
        code = getattr(runtime, name)(*arguments)[0]
        assert code != runtime.cudaError_t.cudaSuccess, name
        assert code.name.startswith("cudaError"), name


def test_a_cuda_call_that_fails_is_an_error_with_its_name():
    from benchbench import cuda
    from benchbench.errors import PlacementError
    from benchbench.runtimes.cudart import Gpu

    if cuda.absent("cuda") is None:
        pytest.skip("there is a GPU here")
    with pytest.raises(PlacementError, match="cudaSetDevice: cudaError"):
        Gpu("cuda", "tensorrt")
