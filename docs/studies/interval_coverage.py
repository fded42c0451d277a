"""How often the intervals of benchbench.stats.resampling hold what they claim to hold.

Two models are put on a made-up population of images, so that the truth is known. Samples of n
images are drawn from it; each gives intervals by the code that reports use; counted is how often
they hold the truth. Any metric with ``estimates`` over weighted images can be put through it.

    python docs/studies/interval_coverage.py [--trials 200] [--replicates 150]

It writes interval_coverage.json and interval_coverage.svg beside itself, in a few minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchbench.metrics import coco_columns, coco_tally
from benchbench.metrics.classification import ClassificationMetrics
from benchbench.metrics.semantic import SemanticMetrics
from benchbench.stats.resampling import Draws, Sample, difference, interval, resample
from benchbench.types import (
    Annotation,
    Category,
    ClassMap,
    ClassScores,
    DatasetSplit,
    Image,
    LabelMap,
    Tally,
)
from benchbench.view import Interval

SIZES = (200, 800)
IMAGES = 2000
REFERENCE = 2000
"""Samples of n images that the expectation at n is formed from."""
FOLDER = Path(__file__).parent
Estimate = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Population:
    """Two models on the same images, each a way from some images to estimates over their weights.

    Estimates: ``all``, (B,), and where there are classes ``k``, (B, K), for weights (B, images).
    """

    metric: str
    a: Callable[[Any], Estimate]
    b: Callable[[Any], Estimate]
    class_images: Any = None
    """(K,): images with an object of each class, where there are per-class values."""


# --- the study ---------------------------------------------------------------------------


def study(population: Population, n: int, trials: int, replicates: int) -> dict[str, Any]:
    """Return how often intervals from samples of *n* images hold the truth."""
    expected = _expectation(population, n)
    ones = np.ones((1, IMAGES), np.int64)
    whole = {k: v[0] for k, v in _both(population, ones).items()}
    single: list[Any] = []
    pairs: list[Any] = []
    classes: list[Any] = []
    for trial in range(trials):
        found = _intervals(population, n, Draws(images=n, replicates=replicates, seed=trial))
        single.append([_holds(one, expected["a"]) for one in found["single"]])
        single[-1] += [_holds(one, whole["a"]) for one in found["single"]]
        pairs.append([_holds(one, expected["d"]) for one in found["pair"]])
        pairs[-1] += [_holds(one, whole["d"]) for one in found["pair"]]
        classes.append([_holds(o, e) for o, e in zip(found["class"], expected["k"], strict=True)])
    return {
        "metric": population.metric,
        "images": n,
        "population": {"a": float(whole["a"]), "difference": float(whole["d"])},
        "expected": {"a": float(expected["a"]), "difference": float(expected["d"])},
        "sd": {"a": float(expected["sd_a"]), "difference": float(expected["sd_d"])},
        "coverage": _named(single, ("expected", "population"), "single")
        | _named(pairs, ("expected", "population"), "difference"),
        "classes": _class_groups(population, n, classes),
    }


def _both(population: Population, weights: Any) -> dict[str, Any]:
    a, b = (one(np.arange(IMAGES))(weights) for one in (population.a, population.b))
    empty = np.zeros((len(weights), 0))
    return {"a": a["all"], "d": b["all"] - a["all"], "k": b.get("k", empty) - a.get("k", empty)}


def _expectation(population: Population, n: int) -> dict[str, Any]:
    random = np.random.default_rng(n)
    parts = []
    for _ in range(REFERENCE // 250):
        chosen = random.integers(IMAGES, size=(250, n))
        weights = np.stack([np.bincount(row, minlength=IMAGES) for row in chosen])
        parts.append(_both(population, weights))
    a, d = (np.concatenate([part[key] for part in parts]) for key in ("a", "d"))
    k = np.concatenate([part["k"] for part in parts])
    mean = np.nansum(k, axis=0) / np.maximum((~np.isnan(k)).sum(axis=0), 1)
    return {"a": a.mean(), "d": d.mean(), "k": mean, "sd_a": a.std(), "sd_d": d.std()}


def _intervals(population: Population, n: int, draws: Draws) -> dict[str, list[Interval]]:
    """Return the intervals that one sample of *n* images gives."""
    chosen = np.sort(np.random.default_rng([n, draws.seed]).integers(IMAGES, size=n))
    images, start = np.unique(chosen, return_index=True)

    def of_sample(estimate: Estimate) -> Estimate:
        """Count an image that the sample has twice for both of its places."""
        return lambda weights: estimate(np.add.reduceat(weights, start, axis=1))

    models = (population.a(images), population.b(images))
    a, b = (resample(of_sample(one), draws) for one in models)
    return {
        "single": [interval(a["all"], draws), _percentile(a["all"], draws)],
        "pair": [
            difference(a["all"], b["all"], draws),
            difference(a["all"], b["all"], draws, method="percentile"),
        ],
        "class": [
            difference(a["k"].column(k), b["k"].column(k), draws)
            for k in range(a["k"].value.size if "k" in a else 0)
        ],
    }


def _percentile(sample: Sample, draws: Draws) -> Interval:
    """Return what is never shown: the percentile interval of a single figure."""
    nothing = Sample(sample.value * 0, sample.replicates * 0)
    return difference(nothing, sample, draws, method="percentile")


def _holds(found: Interval, truth: float) -> float:
    """Return 1 or 0, NaN where the interval is withheld."""
    if found.low is None or found.high is None:
        return float("nan")
    return float(found.low <= truth <= found.high)


def _named(rows: list[Any], truths: tuple[str, ...], what: str) -> dict[str, float]:
    names = [f"{what} {method}, {truth}" for truth in truths for method in ("normal", "percentile")]
    return dict(zip(names, np.round(np.nanmean(np.array(rows), axis=0), 4).tolist(), strict=True))


def _class_groups(population: Population, n: int, rows: list[Any]) -> list[dict[str, Any]]:
    """Return the coverage of per-class differences by how many images a class is expected in."""
    if population.class_images is None:
        return []
    table, expected = np.array(rows), population.class_images * n / IMAGES
    groups = []
    for low, high in ((0, 5), (5, 10), (10, 20), (20, 50), (50, 100), (100, 10**6)):
        columns = table[:, (expected >= low) & (expected < high)]
        if columns.size:
            shown = ~np.isnan(columns)
            covered = float(columns[shown].mean()) if shown.any() else None
            share = round(float(shown.mean()), 4)
            groups.append({"images": [low, high], "shown": share, "coverage": covered})
    return groups


# --- populations -------------------------------------------------------------------------


def detection() -> Population:
    """Return two detectors of 20 classes of falling frequency; the second a little worse."""
    random = np.random.default_rng(1)
    names = tuple(f"class {k}" for k in range(20))
    truth, latent = _objects(random, len(names))
    tallies = [
        coco_tally.tally(np.arange(IMAGES), names, truth, _detections(random, truth, latent, loss))
        for loss in (0.0, 0.06)
    ]

    def estimate(tally: Any) -> Callable[[Any], Estimate]:
        def of_images(images: Any) -> Estimate:
            part = _part(tally, images)

            def by_class(weights: Any) -> dict[str, Any]:
                k = coco_tally.class_estimates(part, weights, ["map"])["map"]
                return {"all": np.nanmean(k, axis=1), "k": k}

            return by_class

        return of_images

    seen = np.zeros((IMAGES, len(names)), bool)
    seen[truth.image, truth.category] = True
    return Population("map", estimate(tallies[0]), estimate(tallies[1]), seen.sum(axis=0))


def _part(tally: Tally, images: Any) -> Tally:
    """Return the tally of some images; the rest would cost time and change nothing."""
    place = np.full(IMAGES, -1, np.int32)
    place[images] = np.arange(len(images))
    arrays = dict(tally.arrays)
    for side in ("found", "truth"):
        own = place[tally.arrays[f"{side}_image"]]
        kept = own >= 0
        arrays |= {n: v[..., kept] for n, v in tally.arrays.items() if n.startswith(side)}
        arrays[f"{side}_image"] = own[kept]
    return replace(tally, image_ids=tally.image_ids[images], arrays=arrays)


def _objects(random: Any, classes: int) -> tuple[Any, Any]:
    """Return objects on a grid, and how easy each is: a part is shared by an image's objects."""
    counts = np.minimum(1 + random.poisson(3, IMAGES), 16)
    image = np.repeat(np.arange(IMAGES), counts)
    slot = np.concatenate([random.permutation(16)[:count] for count in counts])
    odds = np.arange(1, classes + 1) ** -1.5
    category = random.choice(classes, len(image), p=odds / odds.sum())
    side = random.choice([24.0, 60.0, 120.0], len(image))
    boxes = np.column_stack([slot % 4 * 160.0, slot // 4 * 160.0, side, side])
    easy = random.normal(0, 0.7, IMAGES)[image] + random.normal(0, 0.7, len(image))
    crowd = np.zeros(len(image), bool)
    return coco_columns.Truth(image, category, boxes, side**2, crowd, IMAGES, classes), easy


def _detections(random: Any, truth: Any, easy: Any, loss: float) -> Any:
    """Return detections that a model makes of *easy* objects, with false ones; *loss* harms it."""
    own = np.random.default_rng(2)  # what both models share: the same draws for each
    found = np.flatnonzero(easy + own.normal(0, 0.5, len(easy)) > -0.9 + loss)
    shift = own.gamma(2, 0.05, len(easy)) + loss * random.gamma(2, 0.1, len(easy))
    boxes = truth.boxes.copy()
    boxes[:, 0] += shift * boxes[:, 2]
    score = 1 / (1 + np.exp(-(easy + own.normal(0, 0.6, len(easy)))))
    score = np.clip(score + loss * random.normal(0, 0.5, len(easy)), 0.001, 0.999)
    false = own.poisson(3, IMAGES)
    image = np.repeat(np.arange(IMAGES), false)
    where = own.integers(0, 16, (2, len(image)))
    side = own.choice([24.0, 60.0, 120.0], len(image))
    wrong = np.column_stack([where[0] % 4 * 160.0 + 9, where[0] // 4 * 160.0 + 9, side, side])
    return coco_columns.Found(
        np.concatenate([truth.image[found], image]),
        np.concatenate([truth.category[found], own.choice(20, len(image))]),
        np.concatenate([boxes[found], wrong]),
        np.concatenate([score[found], own.beta(1.2, 4, len(image))]),
    )


def classification() -> Population:
    """Return two classifiers of 20 classes, near 80 %; the second a little worse."""
    random, metric = np.random.default_rng(3), ClassificationMetrics(resample_scores=0)
    labels = random.integers(0, 20, IMAGES)
    logits = random.normal(0, 1, (IMAGES, 20))
    logits[np.arange(IMAGES), labels] += 2.9
    split, classes = _split(20, [_annotation(i, int(k)) for i, k in enumerate(labels)])
    tallies = []
    for noise in (0.0, 0.35):
        scores = np.exp(logits + noise * random.normal(0, 1, logits.shape))
        scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
        predictions = {i: ClassScores(row) for i, row in enumerate(scores)}
        tallies.append(metric.tally(split, predictions, classes))
    a, b = (_only(metric, tally, "top1") for tally in tallies)
    return Population("top1", a, b)


def segmentation(name: str) -> Callable[[], Population]:
    """Return a population of two segmenters of 6 classes on small images, scored by *name*."""

    def build() -> Population:
        metric = SemanticMetrics()
        random = np.random.default_rng(4)
        maps = list(_label_maps(random))
        annotations = [
            _annotation(i, k, truth == k)
            for i, (truth, _, _) in enumerate(maps)
            for k in range(1, 6)
            if (truth == k).any()
        ]
        split, classes = _split(6, annotations)
        tallies = [
            metric.tally(split, {i: LabelMap(row[m]) for i, row in enumerate(maps)}, classes)
            for m in (1, 2)
        ]
        a, b = (_only(metric, tally, name) for tally in tallies)
        return Population(name, a, b)

    return build


def _label_maps(random: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield truth and two models' maps (16, 16): rectangles, shifted the more the harder."""
    odds = 1 / np.arange(1, 6)
    for _ in range(IMAGES):
        truth, a, b = (np.zeros((16, 16), np.uint8) for _ in range(3))
        hard = random.gamma(2, 0.6)
        for _ in range(random.integers(1, 4)):
            k, (y, x) = random.choice(5, p=odds / odds.sum()) + 1, random.integers(0, 10, 2)
            h, w = random.integers(3, 8, 2)
            truth[y : y + h, x : x + w] = k
            off, more = min(int(random.poisson(hard)), 6), int(random.random() < 0.04)
            shown = k if random.random() > 0.06 * hard else random.integers(0, 6)
            a[y : y + h, x + off : x + off + w] = shown
            b[y : y + h, x + off + more : x + off + more + w] = shown
        yield truth, a, b


def _only(metric: Any, tally: Any, name: str) -> Callable[[Any], Estimate]:
    def of_images(images: Any) -> Estimate:
        def estimate(weights: Any) -> dict[str, Any]:
            whole = np.zeros((len(weights), IMAGES), np.int64)
            whole[:, images] = weights
            return {"all": metric.estimates(tally, whole)[name]}

        return estimate

    return of_images


def _split(count: int, annotations: list[Annotation]) -> tuple[DatasetSplit, ClassMap]:
    images = tuple(Image(i, f"{i}", Path(f"{i}"), 16, 16) for i in range(IMAGES))
    names = ("background", *(f"class {k}" for k in range(1, count)))
    categories = tuple(Category(k, name) for k, name in enumerate(names))
    split = DatasetSplit("study", "all", images, categories, tuple(annotations))
    return split, ClassMap(names, tuple(range(count)))


def _annotation(image: int, category: int, mask: Any = None) -> Annotation:
    """Return an annotation with the mask as COCO's uncompressed RLE, column by column."""
    number = image * 100 + category + 1
    if mask is None:
        return Annotation(number, image, category)
    flat = np.concatenate([[0], mask.ravel(order="F"), [2]])
    ends = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], ends])).tolist()
    rle = {"size": list(mask.shape), "counts": runs}
    return Annotation(number, image, category, None, float(mask.sum()), segmentation=rle)


POPULATIONS = (detection, segmentation("miou"), segmentation("dice"), classification)


# --- output ------------------------------------------------------------------------------


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the coverage of each kind of interval, metric by metric."""
    kinds = {
        "difference normal, expected": ("paired difference ± z·SE", "o", "#1b7837"),
        "single normal, expected": ("single value ± z·SE, at this n", "s", "#2166ac"),
        "single percentile, expected": ("single value, percentile (never shown)", "x", "#b2182b"),
        "single percentile, population": (
            "single value, percentile, of all images (never shown)",
            "+",
            "#ef8a62",
        ),
    }
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "coverage"  # the same file from the same figures
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    for key, (label, marker, colour) in kinds.items():
        values = [100 * row["coverage"][key] for row in rows]
        axes.plot(places, values, marker, color=colour, label=label)
    axes.axhline(95, color="#888888", linewidth=1)
    axes.set_xticks(places, [f"{row['metric']}\nn = {row['images']}" for row in rows])
    axes.set(ylabel="intervals that hold the truth, %", ylim=(45, 101))
    axes.legend(fontsize="small", loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Run the study and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=150)
    options = parser.parse_args()
    rows = [
        study(population, n, options.trials, options.replicates)
        for population in (build() for build in POPULATIONS)
        for n in SIZES
    ]
    setting = {"level": 0.95, "population_images": IMAGES, **vars(options)}
    text = json.dumps({"setting": setting, "results": rows}, indent=1)
    (FOLDER / "interval_coverage.json").write_text(text + "\n", encoding="utf-8")
    draw(rows, FOLDER / "interval_coverage.svg")


if __name__ == "__main__":
    main()
