"""The options that settle what counts, and the presets that settle them as other tools do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from benchbench.metrics.semantic_tally import AbsentRule, EmptyRule, IouRule, Rules
from benchbench.truth import VOID
from benchbench.types import Record

NearestRule = Literal["floor", "centre"]
VoidPolicy = Literal["ignored", "false_positive", "class"]
Preset = Literal[
    "benchbench", "torchmetrics-jaccard", "torchmetrics-miou", "torchmetrics-dice", "monai", "mmseg"
]

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "benchbench": {},
    "torchmetrics-jaccard": {"void_class_in_mean": False},
    "torchmetrics-miou": {"iou_over": "pairs"},
    "torchmetrics-dice": {"dice_background": True},
    "monai": {"iou_over": "images", "dice_background": True, "absent_truth": "skip"},
    "mmseg": {"dice_background": True, "void": VOID},
}
"""What each preset sets where the suite does not; the rest keeps its default."""

_EMPTY = {
    "skip": "dice of a class absent from truth and prediction: left out",
    "one": "dice of a class absent from truth and prediction: 1",
    "zero": "dice of a class absent from truth and prediction: 0",
}
_ABSENT_TRUTH = {
    "zero": "; absent from the truth but predicted: 0",
    "skip": "; absent from the truth but predicted: left out",
}
_IOU = {
    "dataset": "pooled over the dataset; mean over {scope} in truth or prediction",
    "images": "per image: mean over {scope}, then over the images",
    "pairs": "mean over all pairs of an image and one of {scope}",
}
_VOID: Mapping[VoidPolicy, str] = {
    "ignored": "truth pixels of {void} are left out",
    "false_positive": "predictions on truth pixels of {void} are false positives;"
    " accuracies leave them out",
    "class": "truth pixels of {void} are a class of their own",
}
_INDEX = {
    "floor": "floor(i × (1 / (target / source))) as in OpenCV",
    "centre": "floor((i + 0.5) × source / target)",
}


class RuleOptions(Record):
    """Which pixels, classes and images count, and what an absent one counts."""

    convention: Preset = "benchbench"
    """Whose rules hold for the options that are not given."""
    include_background: bool = True
    """Whether ``miou`` and ``boundary_f1`` count the class named background."""
    dice_background: bool = False
    """Whether the means of Dice count it."""
    iou_over: IouRule = "dataset"
    """``miou`` over the pooled pixels, over images, or over pairs of an image and a class."""
    empty: EmptyRule = "skip"
    """Values by image of a class that is neither in an image's truth nor predicted there."""
    absent_truth: AbsentRule = "zero"
    """Values by image of a class that is predicted in an image, but not in its truth."""
    nearest: NearestRule = "floor"
    """How truth is resized to the prediction: OpenCV's INTER_NEAREST or pixel centres."""
    crowd: Literal["class", "void"] = "class"
    """Whether crowd regions are truth of their class, or void (255; needs ``void: 255``)."""
    void: int | None = Field(default=None, ge=0, le=255)
    """Truth pixels of this value are void."""
    void_policy: VoidPolicy = "ignored"
    """Void pixels are left out with the predictions on them, make these false positives, or are
    a class."""
    void_class_in_mean: bool = True
    """Whether means count a class of the model whose index is ``void``: it can be predicted."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        name = data.get("convention", "benchbench")
        known = PRESETS.get(name, {}) if isinstance(name, str) else {}
        return {**known, **data}

    @model_validator(mode="after")
    def _void_is_told(self) -> RuleOptions:
        if self.crowd == "void" and self.void != VOID:
            raise ValueError(f"crowd: void needs void: {VOID}")
        if self.void_policy != "ignored" and self.void is None:
            raise ValueError(f"void_policy: {self.void_policy} needs void, such as {VOID}")
        return self

    @property
    def rules(self) -> Rules:
        """The rules for values by image."""
        return Rules(self.empty, self.absent_truth, self.iou_over)

    def rule_convention(self) -> dict[str, str]:
        """Return the sentences that make the figures comparable."""
        scope = "all classes" if self.include_background else "the foreground classes"
        dice = "all classes" if self.dice_background else "the foreground classes"
        return {
            "preset": self._preset_said(),
            "miou": _IOU[self.iou_over].format(scope=scope),
            "fw_iou": "IoU pooled over the dataset, weighted by each class's share of the truth",
            "dice": f"per image: mean over {dice}, then over the images",
            "dice_pooled": f"pooled over the dataset; mean over {dice} in truth or prediction",
            "mean_accuracy": "recall pooled over the dataset; mean over all classes in truth",
            "empty": _EMPTY[self.empty] + _ABSENT_TRUTH[self.absent_truth],
            "void": self._void_said(),
            "crowd": "truth of its class" if self.crowd == "class" else "void",
            "overlap": "objects are painted by area, largest first",
            "unknown": "objects of categories that the model lacks are not painted",
            "resize": f"truth to the prediction's size, nearest, index {_INDEX[self.nearest]}",
        }

    def _preset_said(self) -> str:
        changed = [
            f"{key}: {getattr(self, key)}"
            for key, field in RuleOptions.model_fields.items()
            if key not in {"convention", "nearest", "crowd", "void"}
            and getattr(self, key) != PRESETS[self.convention].get(key, field.default)
        ]
        return self.convention + (f", but {', '.join(changed)}" if changed else "")

    def _void_said(self) -> str:
        if self.void is None:
            return "none"
        said = _VOID[self.void_policy].format(void=self.void)
        return said if self.void_class_in_mean else f"{said}; means leave out a class of that index"
