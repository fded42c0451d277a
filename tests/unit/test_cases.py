"""Values of single images: the Dice of each case is that of its pixels, and their mean the metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchbench import cases
from benchbench.masks import mask_runs
from benchbench.metrics.semantic import SemanticMetrics
from benchbench.types import Annotation, Category, ClassMap, DatasetSplit, Image, LabelMap

SIDE = 16
CLASSES = ClassMap(("background", "lesion"), (None, 1), 0)


def square(left: int, size: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2 : 2 + size, left : left + size] = True
    return mask


def test_the_dice_of_each_case_is_that_of_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "BLOCK", 2)
    truth = [square(i, 6) for i in range(5)]
    found = [square(i + i % 3, 6) for i in range(5)]
    split = DatasetSplit(
        "d",
        "test",
        tuple(Image(10 - i, f"{i}.png", Path(f"{i}.png"), SIDE, SIDE) for i in range(5)),
        (Category(1, "lesion"),),
        tuple(
            Annotation(
                i + 1,
                10 - i,
                1,
                area=36.0,
                segmentation={"size": [SIDE, SIDE], "counts": mask_runs(mask).tolist()},
            )
            for i, mask in enumerate(truth)
        ),
    )
    predictions = {10 - i: LabelMap(mask.astype(np.uint8)) for i, mask in enumerate(found)}
    metric = SemanticMetrics()
    tally = metric.tally(split, predictions, CLASSES)
    values = {
        int(tally.image_ids[first + row]): value
        for first, name, block in cases._values({"kind": "semantic"}, tally, by_class=False)
        for row, value in enumerate(block.tolist())
        if name == "dice"
    }
    wanted = {
        10 - i: 2 * (a & b).sum() / (a.sum() + b.sum())
        for i, (a, b) in enumerate(zip(truth, found, strict=True))
    }
    assert values == pytest.approx(wanted)
    whole = metric.score(split, predictions, CLASSES).metrics["dice"]
    assert np.mean(list(values.values())) == pytest.approx(whole)
