"""LiteRT on real files: what it computes, in which precision, and how that is known."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchbench.errors import ModelError, PlacementError
from benchbench.runtimes import litert_profile
from benchbench.runtimes.litert import LiteRt
from benchbench.runtimes.litert_evidence import kernel_precision
from benchbench.testing import RuntimeCase, Tolerance, runtime_checks
from benchbench.types import InputShape, ModelFile, Request, Variant

interpreters = pytest.importorskip("ai_edge_litert.interpreter")

IMAGE = InputShape((1, 32, 32, 3))
FILES = {
    "float": ("pretrainedResnet.tflite", "fp32"),
    "int8": ("pretrainedResnet_quant.tflite", "int8"),
    "uint8": ("mobilenet_v1_0.25_128_quant.tflite", "int8"),
}


@pytest.fixture
def file(data_dir):
    def found(which):
        name, precision = FILES[which]
        variant = Variant(format="tflite", precision=precision)
        return ModelFile(variant, path=data_dir / "models" / "tflite" / name)

    return found


def request_of(precision="fp32", shape=IMAGE, **changes):
    return replace(Request(precision, "cpu", 1, shape), **changes)


def pixels(shape=IMAGE.shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def infer(session, image):
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return session.download(handle)


def ran(model, request, image, **options):
    with LiteRt(**options).open(model, request) as session:
        return infer(session, image), session.placement()


def by_hand(path, image):
    """Return the raw outputs of the library, asked directly.

    By the built-in kernels for floats, which XNNPACK's have to agree with; by the same kernels for
    integers, as the two round differently.
    """
    kinds = interpreters.OpResolverType
    plain = kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    kind = plain if path.name == FILES["float"][0] else kinds.AUTO
    interpreter = interpreters.Interpreter(
        model_path=str(path), num_threads=1, experimental_op_resolver_type=kind
    )
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    if image.dtype != detail["dtype"]:
        scale, zero = detail["quantization"]
        limits = np.iinfo(detail["dtype"])
        image = np.clip(np.rint(image / scale) + zero, limits.min, limits.max)
        image = image.astype(detail["dtype"])
    interpreter.set_tensor(detail["index"], image)
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


def signed(path, outputs):
    """Write a copy of the network whose signature gives *outputs*: name → tensor, in this order."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    graph = model.subgraphs[0]
    graph.outputs = np.array(list(outputs.values()), dtype=np.int32)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serve", 0
    for side, names in (("inputs", {"picture": int(graph.inputs[0])}), ("outputs", outputs)):
        entries = []
        for name, tensor in names.items():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, tensor
            entries.append(entry)
        setattr(signature, side, entries)
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


# --- what it computes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "precision", "tolerance"),
    [("float", "fp32", Tolerance()), ("int8", "int8", Tolerance())],
)
def test_the_contract_holds_for_real_files(which, precision, tolerance, file):
    def reference(image):
        (raw,) = by_hand(file(which).path, image)
        return [(raw.astype(np.float32) + 128) / 256 if which == "int8" else raw]

    case = RuntimeCase(
        runtime=LiteRt(),
        request=request_of(precision),
        model=lambda: file(which),
        reference=reference,
        tolerance=tolerance,
        impossible=("fp8", "fp16", "bf16"),
    )
    for check in runtime_checks(case):
        check()


def test_float_values_are_quantized_on_the_way_in_and_back_on_the_way_out(file):
    image = pixels() + 0.3
    found, _ = ran(file("int8"), request_of("int8"), image)
    (raw,) = by_hand(file("int8").path, image)
    (got,) = found.values()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, (raw.astype(np.float32) + 128) / 256, atol=1e-6)


def test_raw_bytes_are_fed_as_they_are(file):
    shape = (1, 128, 128, 3)
    image = pixels(shape, "uint8")
    found, placement = ran(file("uint8"), request_of("int8", InputShape(shape, "uint8")), image)
    (raw,) = by_hand(file("uint8").path, image)
    np.testing.assert_allclose(found["MobilenetV1/Predictions/Reshape_1"], raw / 256, atol=1e-6)
    assert placement.precision == "int8"


def test_bytes_for_a_signed_input_are_refused_as_they_could_mean_two_things(file):
    asked = request_of("int8", InputShape(IMAGE.shape, "uint8"))
    with (
        pytest.raises(ModelError, match=r"int8 .*uint8"),
        LiteRt().open(file("int8"), asked),
    ):
        pass


def test_an_open_batch_takes_the_size_that_is_asked_for(file):
    shape = (4, *IMAGE.shape[1:])
    image = pixels(shape)
    many, _ = ran(file("float"), request_of(shape=InputShape(shape)), image)
    for index in range(4):
        (one,) = by_hand(file("float").path, image[index : index + 1])
        np.testing.assert_allclose(many["Identity"][index : index + 1], one, atol=1e-5)


def test_outputs_keep_the_order_of_the_file_and_take_the_names_of_its_signature(file, tmp_path):
    interpreter = interpreters.Interpreter(model_path=str(file("float").path))
    last = interpreter.get_output_details()[0]["index"]
    before = next(
        int(one["inputs"][0])
        for one in interpreter._get_ops_details()
        if one["op_name"] == "SOFTMAX"
    )
    path = tmp_path / "signed.tflite"
    path.write_bytes(signed(file("float").path, {"scores": last, "logits": before}))
    found, _ = ran(ModelFile(file("float").variant, path=path), request_of(), pixels())
    assert list(found) == ["scores", "logits"]
    assert found["scores"].sum() == pytest.approx(1)
    spread = np.exp(found["logits"] - found["logits"].max())
    np.testing.assert_allclose(found["scores"], spread / spread.sum(), atol=1e-5)


# --- how it is known ---------------------------------------------------------------------


@pytest.mark.parametrize(("which", "precision"), [("float", "fp32"), ("int8", "int8")])
def test_the_profiler_names_the_precision_of_every_kernel(which, precision, file):
    _, placement = ran(file(which), request_of(precision), pixels())
    assert placement.evidence == "measured"
    assert placement.coverage == {precision: 1.0}
    assert placement.in_precision.nodes == placement.in_precision.time == 1
    assert placement.provider == placement.requested_provider == "XNNPACK"


def test_a_float_file_asked_for_int8_is_found_out(file):
    _, placement = ran(file("float"), request_of("int8"), pixels())
    assert placement.precision == "fp32"
    assert placement.in_precision.nodes == 0


def test_what_xnnpack_does_not_take_is_counted(file):
    _, placement = ran(file("int8"), request_of("int8"), pixels())
    assert placement.details["operations"].count("AVERAGE_POOL_2D 1") == 1
    assert 0.8 < placement.on_device.nodes < 1


def test_without_xnnpack_the_builtin_kernels_run_and_are_named(file):
    _, placement = ran(file("int8"), request_of("int8"), pixels(), xnnpack=False)
    assert placement.provider == "LiteRT's built-in kernels"
    assert placement.on_device.nodes == 1
    assert (placement.precision, placement.evidence) == ("int8", "measured")


def test_without_a_profile_the_file_is_the_evidence_and_the_source_says_so(file, tmp_path):
    path = shutil.copy(file("int8").path, tmp_path / "gone.tflite")
    with LiteRt().open(ModelFile(file("int8").variant, path=path), request_of("int8")) as session:
        path.unlink()
        placement = session.placement()
    assert placement.evidence == "proxy"
    assert "no profile" in placement.source
    assert "LiteRtCreateModelFromFile" in placement.details["no_profile"]
    assert placement.coverage == {"int8": 1.0}
    assert placement.in_precision.time is None
    assert 0.8 < placement.on_device.nodes < 1


def test_profile_and_graph_agree_on_what_xnnpack_left(file, tmp_path):
    kernels = litert_profile.profile(file("int8").path, 1, "xnnpack")
    left = {one.kind: one.node for one in kernels if one.node is not None}
    assert left == {"AVERAGE_POOL_2D": 12, "SOFTMAX": 15}


def test_a_profile_of_no_model_says_why_there_is_none(tmp_path):
    (tmp_path / "junk.tflite").write_bytes(b"no flatbuffer")
    with pytest.raises(litert_profile.ProfileError, match="LiteRtCreateModelFromFile"):
        litert_profile.profile(tmp_path / "junk.tflite", 1, "xnnpack")


@pytest.mark.parametrize(
    ("kernel", "precision"),
    [
        ("Convolution (NHWC, F32) IGEMM", "fp32"),
        ("Convolution (NHWC, F16) IGEMM", "fp16"),
        ("Convolution (NHWC, QC8) IGEMM", "int8"),
        ("Convolution (NHWC, QU8) DWConv", "int8"),
        ("Convolution (NHWC, QD8, F32, QC8W) IGEMM", "int8-dynamic"),
        ("Fully Connected (NC, QS8, QC8W) GEMM", "int8"),
        ("Fully Connected (NC, F32, QC8W) GEMM", "fp32"),
        ("Fully Connected (NC, PF32) GEMM", "fp32"),
        ("Batch Matrix Multiply (NC, BF16, F32)", "bf16"),
        ("Fully Connected (NC, X99) GEMM", "unknown"),
        ("Convert (NC, F32, QD8)", None),
        ("Transpose (ND, X32) Transpose", None),
    ],
)
def test_the_first_type_in_a_kernels_name_is_its_precision(kernel, precision):
    assert kernel_precision(kernel) == precision


# --- what it refuses ---------------------------------------------------------------------


def test_half_floats_are_not_promised_as_they_would_be_computed_in_fp32():
    assert LiteRt().accepts("fp16", "cpu") == ()
    assert LiteRt().accepts("int8-dynamic", "cpu") == (
        Variant(format="tflite", precision="int8-dynamic"),
    )


def test_a_gpu_is_unknown(file):
    with (
        pytest.raises(PlacementError, match="cuda"),
        LiteRt().open(file("float"), request_of(device="cuda")),
    ):
        pass


def test_the_checkup_names_the_version():
    (found,) = LiteRt().checkup()
    assert (found.level, "LiteRT 2" in found.message) == ("ok", True)
