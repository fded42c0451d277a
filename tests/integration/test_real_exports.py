"""Networks of the tools people use, exported as they do it: decoded here and by the tool itself.

Weights are random, so the boxes mean nothing; that both decode the same ones does. Preprocessing is
compared too: ours against what the tool feeds to its own network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from benchbench.decoders.transformer import Detr
from benchbench.inputs import InputContract
from benchbench.types import ClassMap
from tests.golden.decoders import make
from tests.tool_results import assert_same

# What the tools' exporters warn of is no concern of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def classes_of(count: int) -> ClassMap:
    return ClassMap(tuple(f"class {index}" for index in range(count)), tuple(range(count)))


def answers(path: Path, tensor: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs of an ONNX file for one image (C, H, W)."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    values = session.run(None, {session.get_inputs()[0].name: tensor[None]})
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, values, strict=True))


# --- Ultralytics -------------------------------------------------------------------------


@pytest.fixture
def ultralytics(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Ultralytics with its settings in a folder of the test; it opens images in its own way."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    opened = PIL.Image.open
    pytest.importorskip("ultralytics")
    yield
    PIL.Image.open = opened


@contextmanager
def in_double_precision() -> Iterator[None]:
    """Let Ultralytics' own suppression compute overlaps in double precision."""
    from ultralytics.utils import nms

    original = nms.non_max_suppression

    def doubled(found: Any, *args: Any, **options: Any) -> list[Any]:
        return [one.float() for one in original(found.double(), *args, **options)]

    nms.non_max_suppression = doubled
    try:
        yield
    finally:
        nms.non_max_suppression = original


@pytest.mark.slow
@pytest.mark.parametrize("name", make.CASES)
def test_ultralytics_predictor_decodes_its_export_as_we_do(
    name: str, ultralytics: None, data_dir: Path, tmp_path: Path
) -> None:
    images, case = data_dir / "coco_val2017_68" / "images", make.CASES[name]
    model = make.exported(case, tmp_path, images)
    (path,) = tmp_path.glob("*.onnx")
    for image in make.IMAGES:
        pixels = make.picture(images / image, case.shrink)
        told = make.result_arrays(make.predicted(model, pixels, case))
        tensor, geometry = make.contract(name).prepare(pixels[..., ::-1])
        fed = model.predictor.preprocess([pixels]).numpy()[0]
        np.testing.assert_allclose(tensor, fed, atol=1e-6)
        raw = make.outputs(model, pixels)
        assert [one.shape for one in answers(path, tensor).values()] == [one.shape for one in raw]
        feed = {f"output{index}": one.numpy() for index, one in enumerate(raw)}
        (found,) = make.decoder(name).decode(feed, [geometry], classes_of(80))
        with in_double_precision():
            exact = make.redecoded(model, raw, pixels)
        if len(exact["scores"]) or len(found.scores):
            assert_same(found, exact)
        # In single precision, as the tool really runs, shifting classes by thousands of pixels
        # costs digits of the overlap: one box in a hundred falls on the other side of the limit.
        assert abs(len(told["scores"]) - len(exact["scores"])) <= 1 + len(exact["scores"]) / 100


# --- transformers ------------------------------------------------------------------------

SIDE = 128
SMALL = {
    "d_model": 32,
    "decoder_layers": 1,
    "decoder_ffn_dim": 32,
    "num_queries": 40,
}
HEADS = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32}


def residual(kind: Any, stages: list[str]) -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]}
    return kind(layer_type="basic", out_features=stages, **sizes)


def detr(tools: Any) -> Any:
    backbone = residual(tools.ResNetConfig, ["stage4"])
    options = {"use_timm_backbone": False, "backbone_config": backbone, "encoder_layers": 1}
    config = tools.DetrConfig(num_labels=91, **options, **SMALL, **HEADS)
    return tools.DetrForObjectDetection(config)


def conditional_detr(tools: Any) -> Any:
    backbone = residual(tools.ResNetConfig, ["stage4"])
    options = {"use_timm_backbone": False, "backbone_config": backbone, "encoder_layers": 1}
    config = tools.ConditionalDetrConfig(num_labels=91, **options, **SMALL, **HEADS)
    return tools.ConditionalDetrForObjectDetection(config)


def rt_detr(tools: Any) -> Any:
    backbone = residual(tools.RTDetrResNetConfig, ["stage2", "stage3", "stage4"])
    encoder = {"encoder_hidden_dim": 32, "encoder_in_channels": [16, 16, 32], "encoder_layers": 1}
    decoder = {"decoder_in_channels": [32] * 3, "feat_strides": [8, 16, 32]}
    config = tools.RTDetrConfig(
        backbone_config=backbone, num_labels=80, **encoder, **decoder, **SMALL, **HEADS
    )
    return tools.RTDetrForObjectDetection(config)


def yolos(tools: Any) -> Any:
    config = tools.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[SIDE, SIDE],
        num_detection_tokens=40,
        num_labels=91,
    )
    return tools.YolosForObjectDetection(config)


def rf_detr(tools: Any) -> Any:
    backbone = tools.RfDetrDinov2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        num_windows=2,
        out_features=["stage2"],
    )
    heads = {"decoder_self_attention_heads": 2, "decoder_cross_attention_heads": 2}
    config = tools.RfDetrConfig(
        backbone_config=backbone, num_labels=91, group_detr=1, **heads, **SMALL
    )
    return tools.RfDetrForObjectDetection(config)


def widen(network: Any) -> None:
    """Draw class and box layers, and what tells queries apart, wide enough that answers differ."""
    import torch

    for name, values in network.named_parameters():
        if any(part in name for part in ("class", "bbox", "query", "detection_tokens")):
            fan = values[0].numel() if "token" not in name and values.dim() > 1 else 1
            torch.nn.init.normal_(values, std=1.5 / fan**0.5 if values.dim() > 1 else 0.5)


def exported(network: Any, path: Path, *, traced: bool) -> None:
    """Write *network* as ONNX with its logits and boxes, as users do it."""
    import torch

    class Answers(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixel_values: Any) -> Any:
            found = self.network(pixel_values=pixel_values)
            return found.logits, found.pred_boxes

    torch.onnx.export(
        Answers().eval(),
        (torch.rand(1, 3, SIDE, SIDE),),
        path,
        input_names=["pixel_values"],
        output_names=["logits", "pred_boxes"],
        dynamo=not traced,
    )


SOFTMAX = {"activation": "softmax"}
SIGMOID = {"activation": "sigmoid"}
DETRS = [
    pytest.param(detr, "Detr", SOFTMAX, id="detr"),
    pytest.param(yolos, "Yolos", SOFTMAX, id="yolos"),
    pytest.param(
        conditional_detr, "ConditionalDetr", SIGMOID | {"max_detections": 100}, id="conditional"
    ),
    pytest.param(rt_detr, "RTDetr", SIGMOID | {"max_detections": 40}, id="rt-detr"),
    # TorchScript cannot export its backbone; the other exporter takes half a minute.
    pytest.param(
        rf_detr,
        "RfDetr",
        SIGMOID | {"max_detections": 40},
        id="rf-detr",
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("made", "family", "options"), DETRS)
def test_transformers_processor_decodes_its_export_as_we_do(
    made: Callable[[Any], Any], family: str, options: dict[str, Any], data_dir: Path, tmp_path: Path
) -> None:
    tools = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    if not hasattr(tools, f"{family}ForObjectDetection"):
        pytest.skip(f"transformers {tools.__version__} has no {family}")
    torch.manual_seed(0)
    network = made(tools)
    widen(network)
    exported(network, tmp_path / "model.onnx", traced=family != "RfDetr")
    processor = getattr(tools, f"{family}ImageProcessor")(
        size={"height": SIDE, "width": SIDE}, do_pad=False
    )
    for image in make.IMAGES:
        pixels = make.picture(data_dir / "coco_val2017_68" / "images" / image, 1)[..., ::-1].copy()
        given = processor(images=PIL.Image.fromarray(pixels), return_tensors="pt")
        fed = given["pixel_values"].numpy()[0]
        tensor, geometry = contract(processor, family).prepare(pixels)
        # One level of 255: who rounds when.
        level = 1 / 255 / min(processor.image_std if processor.do_normalize else [1])
        np.testing.assert_allclose(tensor, fed, atol=1.01 * level)
        feed = answers(tmp_path / "model.onnx", fed)
        (found,) = Detr(score_floor=0.05, **options).decode(
            feed, [geometry], classes_of(network.config.num_labels)
        )
        given = SimpleNamespace(**{key: torch.from_numpy(each) for key, each in feed.items()})
        told = processor.post_process_object_detection(
            given, threshold=0.05, target_sizes=[pixels.shape[:2]]
        )[0]
        assert len(told["scores"]) > 5
        named = {"boxes": "boxes", "scores": "scores", "classes": "labels"}
        assert_same(found, {key: told[name].numpy() for key, name in named.items()})


def contract(processor: Any, family: str) -> InputContract:
    """Return the input that a processor of transformers prepares; RF-DETR's does not antialias."""
    plain = {"kind": "stretch", "library": "opencv" if family == "RfDetr" else "pillow"}
    normal = {"mean": tuple(processor.image_mean), "std": tuple(processor.image_std)}
    return InputContract.model_validate(
        {"size": (SIDE, SIDE), "color": "RGB", "scale": "1/255", "resize": plain}
        | (normal if processor.do_normalize else {})
    )
