"""SAM, CLIP and SigLIP in small, with random weights, in the modules of docs/promptable.md."""

from __future__ import annotations

from typing import Any

SIDE = 64
SAM: dict[str, Any] = {
    "vision_config": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "output_channels": 16,
        "mlp_dim": 32,
        "window_size": 2,
        "global_attn_indexes": [1],
        "num_pos_feats": 8,
    },
    "prompt_encoder_config": {
        "hidden_size": 16,
        "image_size": SIDE,
        "patch_size": 16,
        "mask_input_channels": 4,
    },
    "mask_decoder_config": {
        "hidden_size": 16,
        "mlp_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "attention_downsample_rate": 2,
        "iou_head_hidden_dim": 16,
    },
}
_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
_TEXT = _TOWER | {
    "vocab_size": 16,
    "max_position_embeddings": 8,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
_VISION = _TOWER | {"image_size": SIDE, "patch_size": 32}


def sam_boxes() -> Any:
    """Return SAM that takes boxes."""
    from promptable import Boxes
    from transformers import SamConfig, SamModel

    return Boxes(SamModel(SamConfig(**SAM)))


def sam_points() -> Any:
    """Return SAM that takes points."""
    from promptable import Points
    from transformers import SamConfig, SamModel

    return Points(SamModel(SamConfig(**SAM)))


def clip(templates: int) -> Any:
    """Return CLIP."""
    from promptable import ZeroShot
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=16)
    return ZeroShot(CLIPModel(config), templates)


def siglip(templates: int) -> Any:
    """Return SigLIP."""
    from promptable import ZeroShot
    from transformers import SiglipConfig, SiglipModel

    text = _TEXT | {"projection_size": 32}
    return ZeroShot(SiglipModel(SiglipConfig(text_config=text, vision_config=_VISION)), templates)
