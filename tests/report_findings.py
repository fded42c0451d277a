"""A made-up run that knows more: slices, classes, curves, confusion, severities.

Like that of :mod:`tests.report_fixture` its numbers are invented: they exist to be rendered.
"""

from __future__ import annotations

import math
from typing import Any

from benchbench.types import Curve, Matrix
from benchbench.view import CellView, Comparison, Interval, RunView, SliceView
from tests.report_fixture import CLASSES, CRASH, FCOS, HOSTILE, NANO, broken, measured, run

SLICES = (
    ("brightness: dark", "brightness", "mean luma below 61.5", "images", 80, 431),
    ("brightness: bright", "brightness", "mean luma of 143.2 or more", "images", 80, 452),
    ("size: small", "size", "area below 1,024 px²", "objects", 122, 301),
    ("camera: 7", "camera", "attribute camera equals 7", "images", 3, 9),
)
HARMED, UNDECIDED, SILENT = SLICES[0][0], SLICES[2][0], SLICES[3][0]
WITHHELD = "undefined on 4.1 % of the draws: too few images of some class"


def interval(value: float | None, half: float | None, reason: str | None = None) -> Interval:
    """Return value ± half, or only the value where *half* is None."""
    bound = value is not None and half is not None
    return Interval(
        value=value, se=half / 1.96 if bound else None, low=value - half if bound else None,
        high=value + half if bound else None, level=0.95, images=240, replicates=1000, seed=0,
        reason=reason,
    )  # fmt: skip


def compared(
    base: CellView, cell: CellView, change: float, half: float | None, subject: str | None = None,
    family: int = 3,
) -> Comparison:  # fmt: skip
    """Return *cell* against *base*: worse or better where 1.3 times the interval excludes 0."""
    far = half is not None and abs(change) > 1.3 * half
    p = None if half is None else math.exp(-(((change / half) * 1.4) ** 2))
    return Comparison(
        a=base.id, b=cell.id, metric=cell.primary or "", subject=subject, difference=change,
        se=None if half is None else half / 1.96, low=None if half is None else change - half,
        high=None if half is None else change + half, level=0.95, method="normal", p=p,
        p_adjusted=None if p is None else min(1.0, p * family), family=family,
        verdict=("worse" if change < 0 else "better") if far else "inconclusive",
        images=240, replicates=1000, reason=WITHHELD if half is None else None,
    )  # fmt: skip


def slices(base: CellView | None, cell: CellView) -> tuple[SliceView, ...]:
    """Return four slices: harmed, unchanged, undecided, and one without an interval."""
    figures = ((-0.041, 0.02), (-0.001, 0.018), (-0.018, 0.024), (-0.09, None))
    score = cell.metrics[cell.primary or ""] or 0.0
    return tuple(
        SliceView(
            name=name, group=group, definition=rule, of=of, images=images, objects=objects,
            interval=interval(score - 0.06 * at, half and half * 1.6, None if half else WITHHELD),
            comparison=compared(base, cell, change, half, name) if base else None,
        )
        for at, ((name, group, rule, of, images, objects), (change, half)) in enumerate(
            zip(SLICES, figures, strict=True)
        )
    )  # fmt: skip


def curves(ap: float, drop: float) -> dict[str, Curve]:
    """Return precision over recall, and calibration with an empty bin."""
    recall = [at / 100 for at in range(101)]
    falls = [max(0.0, 1 - (r / (ap + 0.35)) ** 4 - drop * r) for r in recall]
    bins = [(at + 0.5) / 10 for at in range(10)]
    return {
        "precision_recall": Curve(
            x_name="recall", y_name="precision", x=tuple(recall), y=tuple(falls)
        ),
        "calibration": Curve(
            x_name="score", y_name="precision", x=tuple(bins),
            y=tuple(None if at == 1 else min(1.0, b * (0.8 + ap / 3)) for at, b in enumerate(bins)),
        ),
    }  # fmt: skip


def confusion(names: tuple[str, ...], drop: float = 0.0) -> Matrix:
    """Return a matrix whose second row is empty and whose third class is taken for the first."""
    size = len(names)
    values = [[2.0 * ((r + 2 * c) % 5 == 0) for c in range(size)] for r in range(size)]
    for at in range(size):
        values[at][at] = 60.0 - at % 7 - 40 * drop
    values[1] = [0.0] * size
    values[2][0] = 25.0
    return Matrix(
        row_name="truth", column_name="prediction", rows=names, columns=names,
        values=tuple(tuple(row) for row in values),
    )  # fmt: skip


def known(cell: CellView, base: CellView | None = None) -> CellView:
    """Return *cell* with all that scoring can tell of it, against *base* where that is given."""
    ap = cell.metrics["AP"] or 0.0
    drop = 0.05 if cell.precision == "int8" else 0.0
    told = {
        "intervals": {"AP": interval(ap, 0.024)},
        "slices": slices(base, cell),
        "curves": curves(ap, drop),
        "matrices": {"confusion": confusion((*CLASSES, "background"), drop)},
    }
    if base:
        changes = [(-0.034 if at == 3 else 0.004 * math.sin(at), 0.015) for at in range(12)]
        told["comparison"] = compared(base, cell, ap - (base.metrics["AP"] or 0.0), 0.012)
        told["class_comparisons"] = tuple(
            compared(base, cell, change, None if name == "stain" else half, name, 11)
            for name, (change, half) in zip(CLASSES, changes, strict=True)
        )
    return cell.model_copy(update=told)


def on(cell: CellView, dataset: str, corruption: dict[str, Any] | None, number: int) -> CellView:
    """Return *cell* as measured on a dataset of the same images, damaged by *corruption*."""
    card = {"name": dataset, "split": "test", "images": 240, "content_sha256": "ab" * 32}
    damage = {"corruption": corruption} if corruption else {}
    return cell.model_copy(
        update={"dataset": dataset, "id": f"{number:016x}",
                "protocol": cell.protocol | {"dataset": card} | damage}
    )  # fmt: skip


def told(name: str, severity: int, seed: int = 0) -> dict[str, Any]:
    """Return how the protocol describes a corruption."""
    how = "before resizing, by made-up 1.0"
    return {"name": name, "severity": severity, "seed": seed, "done": how}


def damaged(cells: tuple[CellView, ...]) -> tuple[CellView, ...]:
    """Return *cells* under fog of five severities and noise of two; one of them crashed.

    Those under fog were only scored, those under noise were timed as well.
    """
    made = []
    for at, (name, severity) in enumerate(
        [*(("fog", s) for s in range(1, 6)), ("gaussian_noise", 1), ("gaussian_noise", 3)]
    ):
        for index, cell in enumerate(cells):
            ap = (cell.metrics["AP"] or 0.0) * (1 - 0.09 * severity - 0.02 * index * severity)
            fallen = measured(40 + index, cell.model, cell.runtime, cell.precision, ap=ap, p50=9.0)
            if (at, index) == (3, 1):
                fallen = broken(41, cell.model, cell.runtime, cell.precision, CRASH)
            fallen = fallen.model_copy(update={"intervals": {"AP": interval(ap, 0.025)}})
            if name == "fog":
                fallen = fallen.model_copy(update={"latency": None})
            text = told(name, severity)
            made.append(
                on(fallen, f"inspection-line-{name}-{severity}", text, 100 + 9 * at + index)
            )
    return tuple(made)


def classified() -> CellView:
    """Return a classification cell: a metric of which less is better, forty classes, ROC."""
    grid = tuple(at / 20 for at in range(21))
    cell = measured(90, "resnet-18", "onnxruntime", "fp32", ap=0.91, p50=3.0)
    names = tuple(f"species {at:02d}" for at in range(40))
    return cell.model_copy(update={
        "dataset": "beetles", "task": "classification", "primary": "top1", "per_class": {},
        "metrics": {"top1": 0.91, "ece": 0.043, "auc": None}, "lower_is_better": ("ece",),
        "reasons": {"auc": "one class has no image"},
        "matrices": {"confusion": confusion(names)},
        "curves": {"roc": Curve(x_name="false positive rate", y_name="true positive rate",
                                x=grid, y=tuple(x**0.2 for x in grid))},
    })  # fmt: skip


def knowing() -> RunView:
    """Return a run of two models with everything, their severities, and a classifier."""
    rows = [
        (20, FCOS, "onnxruntime", "fp32", 0.512, 104.6),
        (21, FCOS, "onnxruntime", "int8", 0.498, 58.1),
        (22, NANO, "onnxruntime", "fp32", 0.413, 9.94),
        (23, NANO, "onnxruntime", "int8", 0.377, 6.02),
    ]
    plain = [
        on(measured(i, m, r, p, ap=ap, p50=ms), "inspection-line", None, i)
        for i, m, r, p, ap, ms in rows
    ]
    full = (known(plain[0]), known(plain[1], plain[0]), known(plain[2]), known(plain[3], plain[2]))
    return run((*full, *damaged(full), classified()))


def many_known(count: int, classes: int, sliced: int) -> RunView:
    """Return *count* int8 cells with *classes* classes and *sliced* slices each."""
    base = measured(0, "model", "onnxruntime", "fp32", ap=0.4, p50=5.0)
    names = tuple(f"class {at}" for at in range(classes))
    made = []
    for index in range(count):
        cell = measured(index, f"model-{index}", "onnxruntime", "int8", ap=0.39, p50=4.0)
        four = slices(base, cell)
        update = {
            "class_comparisons": tuple(
                compared(base, cell, -0.002 * (at % 9), 0.01, name, classes)
                for at, name in enumerate(names)
            ),
            "slices": tuple(
                four[at % 4].model_copy(update={"name": f"slice {at}"}) for at in range(sliced)
            ),
            "curves": curves(0.4, 0.0),
            "matrices": {"confusion": confusion(names)},
        }
        made.append(cell.model_copy(update=update))
    return run(tuple(made))


def hostile_findings() -> RunView:
    """Return a run whose slices, classes, curves and matrices have names that try to break out."""
    made = []
    for index, name in enumerate(HOSTILE):
        base = measured(index, "m", "r", "fp32", ap=0.4, p50=5.0)
        cell = known(measured(index + 30, "m", "r", "int8", ap=0.38, p50=4.0), base)
        text = told("fog", 1 + index)
        cell = on(cell, name, text, 200 + index)
        matrix = confusion((name, "b", "c"))
        words = {"name": name, "group": name, "definition": name}
        one = cell.slices[0].model_copy(
            update=words | {"interval": interval(0.3, None, name),
                            "comparison": compared(base, cell, -0.2, 0.01, name)}
        )  # fmt: skip
        curve = Curve(x_name=name, y_name=name, x=(0.0, 1.0), y=(1.0, 0.5))
        other = compared(base, cell, -0.2, None, name).model_copy(update={"reason": name})
        made.append(cell.model_copy(update={
            "slices": (one,), "curves": {name: curve}, "class_comparisons": (other,),
            "matrices": {name: matrix.model_copy(update={"row_name": name, "column_name": name})},
            "lower_is_better": (name,),
        }))  # fmt: skip
    return run(tuple(made))
