"""Parameters and multiplications: our counters against torch's, and against published figures."""

import math
import warnings
from functools import cache

import numpy as np
import pytest

from benchbench.complexity import count
from benchbench.counters.onnx import OnnxCounter
from benchbench.types import Companion, InputShape, ModelFile, Variant

onnx = pytest.importorskip("onnx")
helper = onnx.helper


def onnx_file(path, fmt="onnx"):
    return ModelFile(variant=Variant(format=fmt), path=path)


def saved(tmp_path, nodes, weights, shape=("n", 3, 16, 16), opset=18):
    """Write a graph; *weights*: name → array."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets)
    onnx.save(proto, str(tmp_path / "m.onnx"))
    return onnx_file(tmp_path / "m.onnx")


def weight(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


IMAGE = InputShape((1, 3, 16, 16))


def nets(torch):
    """Small networks of each kind of layer, with the input each takes."""
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.cut = nn.Conv2d(3, 8, 4, stride=4)
            self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)

        def forward(self, x):
            x = self.cut(x).flatten(2).transpose(1, 2)
            q, k, v = self.qkv(x).chunk(3, -1)
            return self.out(torch.softmax(q @ k.transpose(1, 2), -1) @ v)

    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.MultiheadAttention(16, 2, batch_first=True)
            for bias in (self.heads.in_proj_bias, self.heads.out_proj.bias):
                nn.init.ones_(bias)  # zeros, with which it begins, are optimized away

        def forward(self, x):
            x = x.flatten(1, 2)
            return self.heads(x, x, x, need_weights=False)[0]

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x):
            return self.one(self.one(x))

    convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    depthwise = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 12, 5, groups=6, dilation=2))
    transposed = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1)
    )
    linear = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 7), nn.ReLU())
    return {
        "convolution": convolution,
        "depthwise": depthwise,
        "transposed": transposed,
        "linear": linear,
        "attention": Attention(),
        "fused attention": Fused(),
        "tied": Tied(),
    }


NETS = ("convolution", "depthwise", "transposed", "linear", "attention", "fused attention", "tied")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a function: name of a net → (module, its ONNX file)."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def make(name):
        module, path = nets(torch)[name].eval(), folder / f"{name}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the old exporter, which is the quick one
            torch.onnx.export(module, (torch.zeros(1, 3, 16, 16),), str(path), dynamo=False)
        return module, onnx_file(path)

    return make


@pytest.mark.parametrize("name", NETS)
def test_the_onnx_counter_agrees_with_torch_to_the_last_operation(exported, name):
    from benchbench.counters.torch import TorchCounter

    module, file = exported(name)
    ours = OnnxCounter().count(file, IMAGE)
    torchs = TorchCounter().count(
        ModelFile(variant=Variant(format="torch-module"), load=lambda: module), IMAGE
    )
    assert ours.macs == torchs.macs > 0
    assert ours.flops == 2 * ours.macs
    assert ours.parameters == torchs.parameters
    assert ours.uncounted == torchs.uncounted == ()


def test_the_torch_counter_knows_what_is_published_of_mobilenet_v2():
    torchvision = pytest.importorskip("torchvision")
    from benchbench.counters.torch import TorchCounter

    file = ModelFile(
        variant=Variant(format="torch-module"),
        load=lambda: torchvision.models.mobilenet_v2().eval(),
    )
    found = TorchCounter().count(file, InputShape((4, 3, 224, 224)))
    # torchvision's model card: 3.5 M parameters, 0.3 GFLOPS (it counts a MAC as one).
    assert (found.parameters, found.macs) == (3_504_872, 300_774_272)


def test_nanodet_costs_what_its_authors_say(data_dir):
    file = onnx_file(data_dir / "models" / "nanodet" / "nanodet-m.onnx")
    found = OnnxCounter().count(file, InputShape((1, 3, 320, 320)))
    # NanoDet-m at 320: 0.72 GFLOPS with activations and pooling, 0.95 M parameters.
    assert 0.94 * 0.72e9 < found.flops < 0.72e9
    assert found.parameters == pytest.approx(0.95e6, rel=0.02)


def test_mnist_is_what_it_is_by_hand(data_dir):
    found = OnnxCounter().count(
        onnx_file(data_dir / "models" / "mnist" / "mnist.onnx"), InputShape((1, 1, 28, 28))
    )
    assert found.macs == 28 * 28 * 8 * 25 + 14 * 14 * 16 * 8 * 25 + 256 * 10
    assert found.parameters == 8 * 25 + 8 + 16 * 8 * 25 + 16 + 256 * 10 + 10


def test_the_precision_of_the_file_changes_no_count(data_dir, tmp_path):
    converter = pytest.importorskip("onnxconverter_common.float16")
    quantization = pytest.importorskip("onnxruntime.quantization")
    source = data_dir / "models" / "nanodet" / "nanodet-m.onnx"
    shape = InputShape((1, 3, 320, 320))
    plain = OnnxCounter().count(onnx_file(source), shape)

    half = tmp_path / "half.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # weights too small for fp16
        onnx.save(converter.convert_float_to_float16(onnx.load(str(source))), str(half))

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = [{"input.1": np.zeros(shape.shape, np.float32)}]

        def get_next(self):
            return self.left.pop() if self.left else None

    found = {"half": OnnxCounter().count(onnx_file(half), shape)}
    whole = tmp_path / "int8.onnx"
    quantization.quantize_static(str(source), str(whole), Reader(), per_channel=True)
    found["QDQ"] = OnnxCounter().count(onnx_file(whole), shape)
    assert {name: (one.macs, one.parameters) for name, one in found.items()} == dict.fromkeys(
        found, (plain.macs, plain.parameters)
    )


def test_openvino_counts_what_onnx_counts(exported, tmp_path):
    openvino = pytest.importorskip("openvino")
    from benchbench.counters.openvino import OpenVinoCounter

    for name in NETS:
        _, file = exported(name)
        path = tmp_path / f"{name}.xml"
        openvino.save_model(openvino.convert_model(str(file.path)), str(path))
        found = OpenVinoCounter().count(onnx_file(path, "openvino-ir"), IMAGE)
        ours = OnnxCounter().count(file, IMAGE)
        assert (name, found.macs) == (name, ours.macs)
        # OpenVINO writes a bias that two layers share twice.
        assert found.parameters == ours.parameters + (3 if name == "tied" else 0)


def test_a_batch_is_counted_as_one_image_open_or_fixed(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3])]
    expected = 14 * 14 * 8 * 3 * 9
    for fixed in ("n", 1, 4):
        file = saved(tmp_path, nodes, {"w": weight(8, 3, 3, 3)}, shape=(fixed, 3, 16, 16))
        assert OnnxCounter().count(file, InputShape((4, 3, 16, 16))).macs == expected


def test_integer_operators_count_as_the_float_ones_do(tmp_path):
    def u8(*shape):
        return weight(*shape, dtype=np.uint8)

    scale, zero = np.float32(0.1), np.uint8(3)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "w", "ws", "wz", "s", "z", "b"], ["c"]),
        helper.make_node("ConvInteger", ["c", "w2", "z"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=onnx.TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["f", "s", "z"], ["q2"]),
        helper.make_node("MatMulInteger", ["q2", "m"], ["i2"]),
        helper.make_node("Cast", ["i2"], ["f2"], to=onnx.TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["f2", "s", "z"], ["q3"]),
        helper.make_node("QLinearMatMul", ["q3", "s", "z", "m2", "s", "z", "s", "z"], ["q4"]),
        helper.make_node("DequantizeLinear", ["q4", "s", "z"], ["y"]),
    ]
    weights = {
        "s": scale, "z": zero, "w": u8(4, 3, 3, 3), "ws": weight(4), "wz": u8(4),
        "b": weight(4, dtype=np.int32), "w2": u8(5, 4, 1, 1), "m": u8(14, 6), "m2": u8(6, 2),
    }  # fmt: skip
    found = OnnxCounter().count(saved(tmp_path, nodes, weights), IMAGE)
    cells = 14 * 14
    assert found.macs == cells * (4 * 27 + 5 * 4) + 5 * 14 * 6 * 14 + 5 * 14 * 2 * 6
    assert found.parameters == 4 * 27 + 4 + 20 + 14 * 6 + 6 * 2


def test_a_turned_gemm_and_an_einsum_are_products(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["f"]),
        helper.make_node("Gemm", ["f", "g", "b"], ["h"], transA=1, transB=1),
        helper.make_node("Einsum", ["h", "e"], ["y"], equation="ij,jk->ik"),
    ]
    weights = {"to": np.array([48, 16]), "g": weight(5, 48), "b": weight(5), "e": weight(5, 7)}
    found = OnnxCounter().count(saved(tmp_path, nodes, weights), IMAGE)
    assert found.macs == 16 * 5 * 48 + 16 * 5 * 7
    assert found.parameters == 5 * 48 + 5 + 35


def test_attention_is_its_two_products(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["q"]),
        helper.make_node("Attention", ["q", "k", "v"], ["y"], q_num_heads=2, kv_num_heads=2),
    ]
    weights = {"to": np.array([1, 48, 16]), "k": weight(1, 5, 16), "v": weight(1, 5, 6)}
    file = saved(tmp_path, nodes, weights, opset=23)
    assert OnnxCounter().count(file, IMAGE).macs == 48 * 16 * 5 + 48 * 5 * 6


def test_operations_that_nothing_counts_are_named(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
        helper.make_node("FusedConv", ["z"], ["g"], domain="com.microsoft"),
        helper.make_node("Relu", ["g"], ["y"]),
    ]
    file = saved(tmp_path, nodes, {"c": np.array(True), "w": weight(16, 2)})
    found = OnnxCounter().count(file, IMAGE)
    assert found.uncounted == ("If", "com.microsoft.FusedConv")
    assert found.macs == 0


def test_a_product_whose_shape_depends_on_the_data_leaves_no_number(tmp_path):
    nodes = [
        helper.make_node("NonZero", ["x"], ["i"]),
        helper.make_node("Cast", ["i"], ["f"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"]),
        helper.make_node("MatMul", ["t", "w"], ["y"], name="late"),
    ]
    found = OnnxCounter().count(saved(tmp_path, nodes, {"w": weight(4, 2)}), IMAGE)
    assert (found.macs, found.flops, found.parameters) == (None, None, 8)
    assert "'late'" in found.reason


def test_what_is_fed_beside_the_image_gives_its_own_shape(tmp_path):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["boxes", "w"], ["y"])],
        "g",
        [
            info("x", onnx.TensorProto.FLOAT, ["n", 3, "h", "w_"]),
            info("boxes", onnx.TensorProto.FLOAT, ["n", "p", 4]),
        ],
        [info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(weight(4, 9), "w")],
    )
    onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))
    boxes = Companion(name="boxes", example=np.zeros((2, 6, 4), np.float32))
    found = OnnxCounter().count(
        onnx_file(tmp_path / "m.onnx"), InputShape((2, 3, 8, 8), name="x", companions=(boxes,))
    )
    assert found.macs == 6 * 4 * 9


def test_an_engine_is_counted_in_the_file_that_it_was_made_from(tmp_path):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    source = saved(tmp_path, nodes, {"w": weight(16, 2)})
    engine = ModelFile(variant=Variant(format="tensorrt-engine", precision="fp16"))
    found = count([engine, source], IMAGE, {"onnx": OnnxCounter()})
    assert found.macs == math.prod((3, 16, 2, 16))
    assert "made from (onnx fp32)" in found.counted_in
    assert "measured artifact" in count([source], IMAGE, {"onnx": OnnxCounter()}).counted_in


def test_without_a_counter_or_a_readable_file_the_reason_stands_in_the_figures_place(tmp_path):
    engine = ModelFile(variant=Variant(format="tensorrt-engine", precision="fp16"))
    found = count([engine], IMAGE, {"onnx": OnnxCounter()})
    assert (found.macs, found.flops, found.parameters) == (None, None, None)
    assert "tensorrt-engine fp16" in found.reason
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a graph")
    assert str(broken) in count([onnx_file(broken)], IMAGE, {"onnx": OnnxCounter()}).reason
