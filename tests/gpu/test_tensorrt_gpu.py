"""Engines built and run on a GPU: what runs is what was asked for, and the numbers are right."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchbench import cuda
from benchbench.conversions.tensorrt_engine import TensorRtEngine
from benchbench.conversions.tensorrt_rtx_engine import TensorRtRtxEngine
from benchbench.errors import CompiledOnly, ModelError
from benchbench.runtimes.tensorrt import TensorRt
from benchbench.runtimes.tensorrt_rtx import TensorRtRtx
from benchbench.types import ConversionJob, InputShape, ModelFile, Placement, Request, Variant
from tests.nvidia import nets

REASON = cuda.absent("cuda")
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

PRODUCTS = {
    "tensorrt": (TensorRtEngine, TensorRt),
    "tensorrt-rtx": (TensorRtRtxEngine, TensorRtRtx),
}
WORST = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 5e-2, "fp16": 5e-3, "int8": 0.2}
"""Largest error on outputs whose standard deviation is near 1."""


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> str:
    """Return a product that is installed and serves this GPU."""
    name: str = request.param
    if importlib.util.find_spec(name.replace("-", "_")) is None:
        pytest.skip(f"{name} is not installed")
    if name == "tensorrt-rtx" and cuda.compute_capability("cuda") == "9.0":
        pytest.skip("TensorRT-RTX does not serve compute capability 9.0")
    return name


Build = Callable[..., ModelFile]


@pytest.fixture
def build(product: str, tmp_path: Path) -> Build:
    """Return a function that builds an engine."""

    def make(
        precision: Any = "fp32",
        shape: InputShape = nets.SHAPE,
        batch: Any = 1,
        extra: str | None = None,
        **options: Any,
    ) -> ModelFile:
        folder = tmp_path / f"{precision}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (tmp_path / "cache").mkdir(exist_ok=True)
        target = Variant(format=f"{product}-engine", precision=precision)
        job = ConversionJob(
            folder, shape, target=target, device="cuda", cache=tmp_path / "cache", log=print
        )
        source = _source(folder / "net.onnx", precision, batch, extra)
        engine = PRODUCTS[product][0](**options).convert(source, job)
        return ModelFile(target, path=engine)

    return make


def _source(path: Path, precision: str, batch: Any, extra: str | None) -> ModelFile:
    if precision == "int8":
        return nets.file(nets.quantized(path, "tensorrt"), "int8", "tensorrt")
    half = precision == "fp16"
    nets.floating(path, "float16" if half else "float32", batch, extra)
    return nets.file(path, "fp16" if half else "fp32")


def request_of(precision: Any, **changes: Any) -> Request:
    return replace(Request(precision, "cuda", 1, nets.SHAPE), **changes)


def infer(session: Any, image: Any) -> Any:
    handle = session.upload({"images": image})
    session.run(handle)
    (found,) = session.download(handle).values()
    return found


@pytest.mark.parametrize("precision", WORST)
def test_an_engine_gives_the_right_numbers_in_the_precision_asked_for(precision, product, build):
    with PRODUCTS[product][1]().open(build(precision), request_of(precision)) as session:
        placement = session.placement()
        worst = max(
            np.abs(infer(session, nets.image(seed)) - nets.reference(nets.image(seed))).max()
            for seed in range(4)
        )
    assert worst < WORST[precision]
    assert placement.device == "cuda"
    assert placement.on_device.nodes == 1
    allowed = {"tf32", "fp32"} if precision == "tf32" else {precision}
    assert set(placement.coverage) <= allowed
    if product == "tensorrt":
        assert placement.evidence == "measured"
        assert placement.in_precision.time is not None
        assert placement.details["kernels"]


def test_clearing_tf32_is_seen_in_the_numbers_of_a_large_product(product, build):
    # The two engines differ in one flag; tf32 rounds factors to 10 bits.
    if not cuda.computes_tf32("cuda"):
        pytest.skip("this GPU has no tf32")
    errors = {}
    for precision in ("fp32", "tf32"):
        with PRODUCTS[product][1]().open(build(precision), request_of(precision)) as session:
            errors[precision] = np.abs(infer(session, nets.image()) - nets.reference(nets.image()))
    assert errors["fp32"].max() <= errors["tf32"].max()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_cuda_graph_gives_the_same_outputs_for_each_new_input(precision, product, build):
    engine = build(precision)
    outputs = {}
    for graph in (False, True):
        runtime = PRODUCTS[product][1](cuda_graph=graph)
        with runtime.open(engine, request_of(precision)) as session:
            outputs[graph] = [infer(session, nets.image(seed)) for seed in (1, 2, 1)]
    for plain, recorded in zip(outputs[False], outputs[True], strict=True):
        np.testing.assert_array_equal(plain, recorded)
    assert not np.array_equal(outputs[True][0], outputs[True][1])


def test_one_engine_serves_every_batch_of_its_range_and_no_other(product, build):
    engine = build("fp32", InputShape((2, 3, 32, 32)), batch="n", min_batch=1, max_batch=4)
    runtime = PRODUCTS[product][1]()
    for batch in (1, 2, 4):
        image = np.concatenate([nets.image(seed) for seed in range(batch)])
        asked = request_of("fp32", input=InputShape((batch, 3, 32, 32)))
        with runtime.open(engine, asked) as session:
            np.testing.assert_allclose(infer(session, image), nets.reference(image), atol=1e-5)
    with (
        pytest.raises(ModelError, match="not 5"),
        runtime.open(engine, request_of("fp32", input=InputShape((5, 3, 32, 32)))),
    ):
        pass


def test_downloaded_arrays_survive_the_next_run(product, build):
    with PRODUCTS[product][1]().open(build(), request_of("fp32")) as session:
        first = infer(session, nets.image(1))
        kept = first.copy()
        infer(session, nets.image(2))
    np.testing.assert_array_equal(first, kept)


def test_an_image_that_is_not_contiguous_or_writable_is_taken(product, build):
    image = nets.image()
    turned = np.asfortranarray(image)
    turned.flags.writeable = False
    with PRODUCTS[product][1]().open(build(), request_of("fp32")) as session:
        np.testing.assert_array_equal(infer(session, image), infer(session, turned))


def test_a_closed_session_gives_its_memory_back(product, build):
    runtime = importlib.import_module("cuda.bindings.runtime")
    engine, asked = build(), request_of("fp32")
    free = []
    for _ in range(4):
        with PRODUCTS[product][1]().open(engine, asked) as session:
            infer(session, nets.image())
        del session
        free.append(runtime.cudaMemGetInfo()[1])
    assert free[-1] >= free[1]


def test_a_damaged_engine_is_an_error_that_names_it(product, build):
    engine = build()
    data = bytearray(engine.path.read_bytes())
    data[len(data) // 2 :] = b""
    engine.path.write_bytes(data)
    with (
        pytest.raises(ModelError, match="cannot load the engine"),
        PRODUCTS[product][1]().open(engine, request_of("fp32")),
    ):
        pass


def test_an_output_whose_shape_depends_on_the_data_is_refused(product, build):
    if product == "tensorrt-rtx":
        pytest.skip("TensorRT-RTX cannot parse NonZero")
    with (
        pytest.raises(ModelError, match="depends on the data"),
        PRODUCTS[product][1]().open(build(extra="NonZero"), request_of("fp32")),
    ):
        pass


def test_a_second_build_reads_the_timings_of_the_first(tmp_path):
    pytest.importorskip("tensorrt")
    said: list[str] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        job = ConversionJob(
            folder,
            nets.SHAPE,
            target=Variant(format="tensorrt-engine"),
            device="cuda",
            cache=tmp_path,
            log=said.append,
        )
        TensorRtEngine().convert(nets.file(nets.floating(folder / "net.onnx")), job)
    (kept,) = tmp_path.glob("timing-*.cache")
    assert kept.stat().st_size > 0


def test_an_engine_runs_on_the_second_gpu_too(product, build):
    if reason := cuda.absent("cuda:1"):
        pytest.skip(reason)
    if cuda.name("cuda") != cuda.name("cuda:1"):
        pytest.skip("the second GPU is of another kind")
    with PRODUCTS[product][1]().open(build(), request_of("fp32", device="cuda:1")) as session:
        np.testing.assert_allclose(
            infer(session, nets.image()), nets.reference(nets.image()), atol=1e-5
        )


def test_kernels_are_compiled_once(build, product, tmp_path):
    if product != "tensorrt-rtx":
        pytest.skip("TensorRT compiles while it builds")
    engine = build()
    for _ in range(2):
        asked = request_of("fp32", cache=tmp_path)
        with TensorRtRtx().open(engine, asked) as session:
            infer(session, nets.image())
    assert (tmp_path / "kernels.cache").stat().st_size > 0


def test_a_gpu_that_rtx_does_not_serve_leaves_the_engine_compiled_only(tmp_path):
    if cuda.compute_capability("cuda") != "9.0":
        pytest.skip("TensorRT-RTX serves this GPU")
    pytest.importorskip("tensorrt_rtx")
    target = Variant(format="tensorrt-rtx-engine")
    job = ConversionJob(tmp_path, nets.SHAPE, target=target)
    source = nets.file(nets.floating(tmp_path / "net.onnx"))
    engine = ModelFile(target, path=TensorRtRtxEngine().convert(source, job))
    with (
        pytest.raises(CompiledOnly, match="does not serve") as caught,
        TensorRtRtx().open(engine, request_of("fp32")),
    ):
        pass
    assert isinstance(caught.value.placement, Placement)


@pytest.mark.parametrize("graph", [False, True])
def test_the_devices_own_times_lie_within_the_hosts(graph, product, build):
    image = np.zeros(nets.SHAPE.shape, np.float32)
    request = Request("fp32", "cuda", 1, nets.SHAPE)
    with PRODUCTS[product][1](cuda_graph=graph).open(build(), request) as session:
        assert session.device_ns() is None
        handle = session.upload({session.inputs[0].name: image})
        start = perf_counter_ns()
        session.run(handle)
        host = perf_counter_ns() - start
        session.download(handle)
        found = session.device_ns()
    assert set(found) == {"upload", "run", "download"}
    assert 0 < found["run"] <= host + 1000  # CUDA tells half microseconds
