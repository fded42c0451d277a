"""A tiny dataset and a suite over the test plug-ins: whole runs in about a second a cell."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from benchbench import plugins
from benchbench.suite import model as suite_model

PLUGINS = Path(__file__).parent / "plugins"


@contextmanager
def installed(folder: Path = PLUGINS) -> Iterator[None]:
    """Make the distributions of *folder* known here and in worker processes, as if installed."""

    def forget() -> None:
        importlib.invalidate_caches()
        for cached in (
            plugins._every_point,
            plugins._points,
            plugins.load,
            plugins.tagged,
            plugins.union,
            suite_model.suite_type,
            suite_model.card_type,
        ):
            cached.cache_clear()

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        forget()
        try:
            yield
        finally:
            patch.undo()
            forget()


def write_dataset(folder: Path, images: int = 4, calibration: int = 3) -> Path:
    """Write *images* 8×8 images of two classes, three quarters of them of class ``a``."""
    first = 1
    for split, count in (("validation", images), ("calibration", calibration)):
        write_split(folder, split, count, first)
        first += count
    return folder


def write_split(folder: Path, split: str, count: int, first: int) -> None:
    """Write one split with ids from *first*."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / split / f"{number}.png")
        records.append({"id": number, "file_name": f"{number}.png", "width": 8, "height": 8})
    truth = [
        {"id": r["id"], "image_id": r["id"], "category_id": 2 if r["id"] % 4 == 0 else 1}
        for r in records
    ]
    document = {
        "images": records,
        "annotations": truth,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    (folder / f"{split}.json").write_text(json.dumps(document))


def suite(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a suite as data; *changes* replace top-level keys."""
    files = {
        split: {"images": split, "annotations": f"{split}.json"}
        for split in ("validation", "calibration")
    }
    made: dict[str, Any] = {
        "benchbench": 1,
        "name": "tiny",
        "datasets": [
            {"name": "tiny", "source": {"kind": "coco", "root": str(folder), "files": files}}
        ],
        "models": [
            {
                "name": "m",
                "source": {"kind": "bbtest-inline"},
                "input": {"size": [8, 8], "color": "RGB", "resize": "stretch"},
                "decoder": {"kind": "classification", "activation": "none"},
            }
        ],
        "runtimes": [{"kind": "bbtest-faulty", "precisions": ["fp32"]}],
        "threads": 1,
        "measure": {
            "latency": {"warmup": 1, "warmup_s": 0, "queries": 20, "seconds": 0, "inputs": 2}
        },
    }
    return made | changes


def write_suite(path: Path, data: dict[str, Any]) -> Path:
    """Write *data* as YAML."""
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def faulty(name: str, **options: Any) -> dict[str, Any]:
    """Return a runtime entry of the faulty runtime."""
    return {"kind": "bbtest-faulty", "name": name, **options}
