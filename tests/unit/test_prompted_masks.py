"""Masks of prompts: the decoder against torch's upsampling, the metric against plain loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.columns import pack_predictions, pack_tally, unpack_predictions, unpack_tally
from benchbench.decoders.prompted_masks import PromptedMasksDecoder
from benchbench.errors import DecoderMismatch, PredictionError
from benchbench.inputs import InputContract
from benchbench.masks import dense_mask, mask_runs, runs_by_mask
from benchbench.metrics.prompted_columns import outline
from benchbench.metrics.prompted_masks import PromptedMaskMetrics
from benchbench.protocols import Decoder, Metric, Resampled
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    DatasetSplit,
    Geometry,
    Image,
    PromptedMasks,
)

NONE = ClassMap((), ())
SAME = Geometry(8, 8, 8, 8, 1.0, 1.0, 0.0, 0.0)


def geometry(width: int, height: int, *prompts: int, **resize: Any) -> Geometry:
    kind = {"kind": "letterbox", "align": "top-left", **resize}
    contract = InputContract.model_validate({"size": (32, 32), "color": "grey", "resize": kind})
    return replace(contract.geometry(width, height), prompts=prompts)


def masks(found: PromptedMasks, height: int, width: int) -> list[np.ndarray]:
    return [dense_mask(one, height, width) for one in runs_by_mask(found.lengths, found.runs)]


# --- decoder -----------------------------------------------------------------------------


def test_decoder_and_metric_fit_their_seams() -> None:
    assert isinstance(PromptedMasksDecoder(), Decoder)
    assert isinstance(PromptedMaskMetrics(), Metric)
    assert isinstance(PromptedMaskMetrics(), Resampled)


@settings(deadline=None, max_examples=25)  # the first call loads torch
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 1000))
def test_through_the_input_masks_are_those_of_sams_own_code(width, height, seed) -> None:
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(seed).normal(size=(1, 1, 1, 8, 8)).astype(np.float32)
    where = geometry(width, height, 1)
    (found,) = PromptedMasksDecoder(resize="through-input").decode({"m": logits}, [where], NONE)
    # segment_anything/modeling/sam.py, postprocess_masks
    options = {"mode": "bilinear", "align_corners": False}
    large = torch.nn.functional.interpolate(torch.from_numpy(logits[0]), (32, 32), **options)
    inside = large[..., : round(height * where.scale_y), : round(width * where.scale_x)]
    wanted = torch.nn.functional.interpolate(inside, (height, width), **options)[0, 0].numpy()
    (got,) = masks(found, height, width)
    clear = np.abs(wanted) > 1e-5
    assert np.array_equal(got[clear], (wanted > 0)[clear])


def test_the_padding_of_the_input_takes_no_part() -> None:
    logits = np.full((1, 1, 32, 32), -1.0, np.float32)
    logits[..., :16, :] = 1  # the image covers the upper half of the input
    for how in ("direct", "through-input"):
        decoder = PromptedMasksDecoder(resize=how)
        (found,) = decoder.decode({"m": logits}, [geometry(64, 32, 1)], NONE)
        assert masks(found, 32, 64)[0].all()


def test_the_candidate_of_the_best_score_is_taken_or_the_one_asked_for() -> None:
    logits = np.full((1, 2, 3, 8, 8), -1.0, np.float32)
    for candidate in range(3):
        logits[:, :, candidate, candidate] = 1
    scores = np.array([[[0.1, 0.9, 0.9], [0.3, 0.2, 0.1]]], np.float32)
    where = replace(SAME, prompts=(7, 4))
    (found,) = PromptedMasksDecoder().decode({"m": logits, "s": scores}, [where], NONE)
    assert found.annotation_ids.tolist() == [7, 4]
    assert found.scores == pytest.approx([0.9, 0.3])
    assert [one.any(axis=1).argmax() for one in masks(found, 8, 8)] == [1, 0]
    (third,) = PromptedMasksDecoder(mask=2, outputs=("m",)).decode(
        {"s": scores, "m": logits}, [where], NONE
    )
    assert np.isnan(third.scores).all()
    assert [one.any(axis=1).argmax() for one in masks(third, 8, 8)] == [2, 2]


def test_padding_prompts_and_padding_rows_are_ignored_whatever_they_hold() -> None:
    logits = np.full((2, 3, 8, 8), np.nan, np.float32)
    logits[0, 0] = 1
    (found,) = PromptedMasksDecoder().decode({"m": logits}, [replace(SAME, prompts=(5,))], NONE)
    assert found.annotation_ids.tolist() == [5]
    (empty,) = PromptedMasksDecoder().decode({"m": logits}, [SAME], NONE)
    assert len(empty.annotation_ids) == len(empty.runs) == 0


@pytest.mark.parametrize(
    ("options", "outputs", "said"),
    [
        ({}, {"m": (1, 2, 8)}, "has the shape"),
        ({}, {"m": (1, 1, 8, 8)}, "masks of 1 prompts, but 2 were fed"),
        ({}, {"m": (1, 2, 3, 8, 8)}, "no scores to choose by"),
        ({"mask": 3}, {"m": (1, 2, 3, 8, 8)}, "no candidate 3"),
        ({}, {"m": (1, 2, 3, 8, 8), "s": (1, 2, 4)}, "'s' has the shape"),
        ({}, {"m": (1, 2, 8, 8), "s": (1, 2), "x": (1,)}, "3 outputs instead of 1"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(options: Any, outputs: Any, said: str) -> None:
    feed = {name: np.zeros(shape, np.float32) for name, shape in outputs.items()}
    with pytest.raises(DecoderMismatch, match=said) as error:
        PromptedMasksDecoder(**options).decode(feed, [replace(SAME, prompts=(1, 2))], NONE)
    assert "(N, prompts, candidates, h, w)" in str(error.value) or "shape" in said


def test_a_mask_that_is_not_finite_is_refused() -> None:
    logits = np.full((1, 1, 8, 8), np.nan, np.float32)
    with pytest.raises(DecoderMismatch, match="holds nan"):
        PromptedMasksDecoder().decode({"m": logits}, [replace(SAME, prompts=(1,))], NONE)


# --- metric ------------------------------------------------------------------------------

SIZE = (14, 20)


def rle(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": mask_runs(mask).tolist()}


def packed(pairs: dict[int, np.ndarray], scores: list[float] | None = None) -> PromptedMasks:
    runs = [mask_runs(mask) for mask in pairs.values()]
    return PromptedMasks(
        annotation_ids=np.array(list(pairs), np.int64),
        scores=np.full(len(runs), np.nan) if scores is None else np.array(scores),
        lengths=np.array([len(one) for one in runs], np.int64),
        runs=np.concatenate([np.zeros(0, np.uint32), *runs]).astype(np.uint32),
    )


def world(seed: int, images: int = 3) -> tuple[DatasetSplit, dict[int, PromptedMasks], Any]:
    """Return a random split, predictions in another order, and (annotation, truth, found)."""
    rng = np.random.default_rng(seed)
    annotations, found, rows = [], {}, []
    for image in range(1, images + 1):
        here = {}
        for _ in range(rng.integers(0, 4)):
            truth, mask = rng.random((2, *SIZE)) < rng.choice([0.0, 0.4, 0.8])
            one = Annotation(
                id=len(annotations) + 10,
                image_id=image,
                category_id=int(rng.choice([3, 8])),
                bbox=(0, 0, 1, 1),
                area=float(rng.choice([10.0, 1024.0, 3000.0, 9216.0, 20_000.0])),
                iscrowd=bool(rng.random() < 0.2),
                segmentation=rle(truth),
            )
            annotations.append(one)
            if not one.iscrowd:
                here[one.id] = mask
                rows.append((one, truth, mask))
        order = list(rng.permutation(list(here)))
        found[image] = packed({key: here[key] for key in order}, list(rng.random(len(here))))
    pictures = tuple(Image(i, f"{i}.png", Path(f"{i}.png"), SIZE[1], SIZE[0]) for i in found)
    known = (Category(8, "b"), Category(3, "a"))
    return DatasetSplit("d", "val", pictures, known, tuple(annotations)), found, rows


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_the_means_are_those_of_plain_loops(seed: int) -> None:
    split, found, rows = world(seed)
    scores = PromptedMaskMetrics().score(split, found, NONE)
    kept = [(one, (a & b).sum() / (a | b).sum()) for one, a, b in rows if a.any()]

    def mean(values: list[float]) -> float | None:
        return pytest.approx(np.mean(values)) if values else None

    of = {
        name: [iou for one, iou in kept if one.category_id == i] for i, name in ((3, "a"), (8, "b"))
    }
    assert scores.metrics["miou"] == mean([iou for _, iou in kept])
    assert scores.metrics["share_50"] == mean([float(iou >= 0.5) for _, iou in kept])
    assert scores.metrics["miou_small"] == mean([iou for one, iou in kept if one.area <= 1024])
    assert scores.metrics["miou_medium"] == mean(
        [iou for one, iou in kept if 1024 <= one.area <= 9216]
    )
    assert scores.metrics["miou_large"] == mean([iou for one, iou in kept if one.area >= 9216])
    assert scores.per_class["miou"] == {name: mean(values) for name, values in of.items()}
    assert scores.metrics["class_miou"] == mean([np.mean(v) for v in of.values() if v])
    assert set(scores.reasons) - {"per_class"} == {
        k for k, v in scores.metrics.items() if v is None
    }
    assert scores.counts["empty_truth_masks"] == len(rows) - len(kept)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_weighing_an_image_is_repeating_it(seed: int, weights: list[int]) -> None:
    metric = PromptedMaskMetrics(boundary=True)
    split, found, _ = world(seed)
    tally = unpack_tally(pack_tally(metric.tally(split, found, NONE)))
    images, annotations, predictions = [], [], {}
    for copy in range(3):
        for image in split.images:
            if copy < weights[image.id - 1]:
                other = image.id + 10 * copy
                images.append(replace(image, id=other))
                annotations += [
                    replace(one, id=one.id + 100 * copy, image_id=other)
                    for one in split.annotations
                    if one.image_id == image.id
                ]
                one = found[image.id]
                predictions[other] = replace(one, annotation_ids=one.annotation_ids + 100 * copy)
    repeated = replace(split, images=tuple(images), annotations=tuple(annotations))
    wanted = metric.score(repeated, predictions, NONE)
    got = metric.estimates(tally, np.array([weights]))
    for name, value in wanted.metrics.items():
        assert got[name][0] == pytest.approx(np.nan if value is None else value, nan_ok=True)
    by_class = metric.class_estimates(tally, np.array([weights]))
    for name, values in wanted.per_class.items():
        column = [np.nan if values[one] is None else values[one] for one in tally.classes]
        assert by_class[name][0] == pytest.approx(column, nan_ok=True)


def test_only_the_tally_leaves_out_what_is_ignored_and_still_wants_its_mask() -> None:
    split, found, rows = world(5)
    chosen = rows[0][0].id
    sliced = replace(
        split, annotations=tuple(replace(a, ignored=a.id != chosen) for a in split.annotations)
    )
    tally = PromptedMaskMetrics().tally(sliced, found, NONE)
    assert len(tally.arrays["iou"]) == 1
    assert len(PromptedMaskMetrics().tally(split, found, NONE).arrays["iou"]) == len(rows) > 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_an_outline_is_the_mask_without_its_repeated_erosion(seed: int, width: int) -> None:
    from scipy.ndimage import binary_erosion

    rng = np.random.default_rng(seed)
    mask = np.zeros((25, 30), bool)
    for _ in range(3):
        y, x = rng.integers(0, 20, 2)
        mask[y : y + rng.integers(1, 15), x : x + rng.integers(1, 15)] = True
    inner = binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    assert np.array_equal(outline(mask, width), mask & ~inner)


def test_the_models_own_estimate_is_held_against_the_iou() -> None:
    mask = np.zeros(SIZE, bool)
    mask[2:6, 2:6] = True
    one = Annotation(1, 1, 3, area=16, segmentation=rle(mask))
    picture = Image(1, "1.png", Path("1.png"), SIZE[1], SIZE[0])
    split = DatasetSplit("d", "val", (picture,), (Category(3, "a"),), (one,))
    sure = PromptedMaskMetrics().score(split, {1: packed({1: mask}, [0.8])}, NONE)
    assert sure.metrics["score_error"] == pytest.approx(0.2)
    assert sure.lower_is_better == ("score_error",)
    silent = PromptedMaskMetrics().score(split, {1: packed({1: mask})}, NONE)
    assert silent.metrics["score_error"] is None
    assert "gives no estimates" in silent.reasons["score_error"]


def test_predictions_survive_the_store() -> None:
    _, found, _ = world(5)
    task = "promptable-segmentation"
    back = unpack_predictions(pack_predictions(found, task), task)
    for image, one in found.items():
        other = back[image]
        assert isinstance(other, PromptedMasks)
        assert np.array_equal(one.annotation_ids, other.annotation_ids)
        assert np.array_equal(one.runs, other.runs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"annotation_ids": np.array([1, 2])}, r"no mask for annotation 5 \(1 in all\)|mask for 2"),
        ({"annotation_ids": np.array([1, 1])}, "no mask for annotation 5"),
        ({"lengths": np.array([3, 3])}, "lengths sum to 6"),
        ({"runs": np.array([279, 280], np.uint32)}, "the runs of mask 0 sum to"),
        ({"scores": np.array([np.inf, 0])}, "a score is infinite"),
        ({"scores": np.zeros(3)}, "not of one length"),
    ],
)
def test_masks_that_do_not_answer_the_prompts_are_refused(changes: Any, said: str) -> None:
    mask = np.zeros(SIZE, bool)
    mask[2:6] = True
    annotations = tuple(Annotation(i, 4, 3, area=16, segmentation=rle(mask)) for i in (1, 5))
    picture = Image(4, "4.png", Path("4.png"), SIZE[1], SIZE[0])
    split = DatasetSplit("d", "val", (picture,), (Category(3, "a"),), annotations)
    one = replace(
        PromptedMasks(
            np.array([1, 5]), np.zeros(2), np.array([1, 1]), np.array([280, 280], np.uint32)
        ),
        **changes,
    )
    with pytest.raises(PredictionError, match=f"image 4: .*({said})"):
        PromptedMaskMetrics().score(split, {4: one}, NONE)


def test_a_split_without_objects_has_no_score_and_says_why() -> None:
    picture = Image(4, "4.png", Path("4.png"), SIZE[1], SIZE[0])
    split = DatasetSplit("d", "val", (picture,), (Category(3, "a"),), ())
    scores = PromptedMaskMetrics(boundary=True).score(split, {4: packed({})}, NONE)
    assert set(scores.metrics.values()) == {None}
    assert set(scores.reasons) == {*scores.metrics, "per_class"}
    assert scores.counts["images_without_prompts"] == 1
