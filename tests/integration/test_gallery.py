"""Galleries of whole runs: the pictures come from the store and the data, or a note says why not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchbench import api
from benchbench.cli import main
from benchbench.errors import UsageError
from benchbench.reports.gallery import Gallery
from tests import tiny

pytestmark = pytest.mark.usefixtures("plugins_path")


def _classified(tmp_path: Path, *runtimes: str) -> api.RunOutcome:
    """Return a run of runtimes that take every image for class ``a``."""
    folder = tiny.write_dataset(tmp_path / "data")
    data = tiny.suite(folder, runtimes=[tiny.faulty(name) for name in runtimes])
    path = tiny.write_suite(tmp_path / "suite.yaml", data)
    return api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache")


def show(tmp_path: Path, run: str, *settings: str, **options: Any) -> Any:
    where = {"store": tmp_path / "store", "cache": tmp_path / "cache"}
    return api.show(run, settings, **where, **{"gallery": 3, **options})


def test_a_gallery_holds_the_wrong_images_and_says_where_cells_agree(
    tmp_path: Path,
) -> None:
    run = _classified(tmp_path, "one", "two").run
    view = show(tmp_path, run)
    assert [(item.kind, item.image_id) for item in view.gallery] == [("worst", 4)] * 2
    item = view.gallery[0]
    assert (item.file_name, item.values, item.metric) == ("4.png", (0.0,), "top1")
    assert "a with" in item.alt
    assert "truly b" in item.alt
    assert len(view.gallery_notes) == 1
    assert "they differ on no image" in view.gallery_notes[0]
    assert show(tmp_path, run).gallery == view.gallery
    assert Gallery().render(view).count(b"<img ") == 2


def test_data_that_are_gone_cost_the_pictures_and_not_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _classified(tmp_path, "one").run
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    view = show(tmp_path, run)
    assert not view.gallery
    assert "--set" in view.gallery_notes[0]
    assert "no pictures of tiny" in view.gallery_notes[0]
    command = ["report", run, "--store", str(tmp_path / "store")]
    command += ["--format", "json", "--gallery", "2", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    assert (tmp_path / "out" / "report.json").is_file()
    assert "gallery: no pictures of tiny" in capsys.readouterr().err
    moved = f"datasets.0.source.root={tmp_path / 'elsewhere'}"
    assert len(show(tmp_path, run, moved).gallery) == 1
    Image.new("RGB", (8, 8)).save(tmp_path / "elsewhere" / "validation" / "4.png")
    changed = show(tmp_path, run, moved)
    assert not changed.gallery
    assert "its images or annotations changed" in changed.gallery_notes[0]


def _given(tmp_path: Path, task: str) -> str:
    """Run two models' predictions of two images with a part each; the second finds one."""
    folder = tmp_path / "data"
    folder.mkdir()
    images = [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in (1, 2)]
    square = [2, 2, 32, 2, 32, 42, 2, 42]
    truth = [
        {"id": n, "image_id": n, "category_id": 5, "bbox": [2, 2, 30, 40], "area": 1200,
         "segmentation": [square]}
        for n in (1, 2)
    ]  # fmt: skip
    categories = [{"id": 5, "name": "part"}]
    document = {"images": images, "annotations": truth, "categories": categories}
    (folder / "truth.json").write_text(json.dumps(document))
    for image in images:
        Image.new("RGB", (64, 64), (80, 80, 80)).save(folder / image["file_name"])
    from hotcoco import mask

    rle = mask.frPyObjects([square], 64, 64)[0]
    coded = {"size": [64, 64], "counts": rle["counts"].decode()}
    shape = {"bbox": [2, 2, 30, 40]} if task == "detection" else {"segmentation": coded}
    results = [{"image_id": n, "category_id": 5, "score": 0.5, **shape} for n in (1, 2)]
    models = []
    for name, found in (("ours", results), ("theirs", results[:1])):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(found))
        predictions = {"kind": "coco-results", "path": str(path)}
        models.append({"name": name, "task": task, "predictions": predictions})
    files = {"validation": {"images": ".", "annotations": "truth.json"}}
    source = {"kind": "coco", "root": str(folder), "files": files}
    data = {"benchbench": 1, "name": "given", "datasets": [{"name": "parts", "source": source}]}
    path = tiny.write_suite(tmp_path / "suite.yaml", {**data, "models": models})
    return api.run(str(path), store=tmp_path / "store", cache=tmp_path / "cache").run


@pytest.mark.parametrize("task", ["detection", "instance-segmentation"])
def test_two_models_are_shown_where_they_disagree_if_they_are_named(
    tmp_path: Path, task: str
) -> None:
    run = _given(tmp_path, task)
    names = "ours/predictions/given", "theirs/predictions/given"
    view = show(tmp_path, run, disagree=[names])
    kinds = [(item.kind, item.image_id, item.labels[0].split()[0]) for item in view.gallery]
    assert kinds == [("worst", 2, "theirs"), ("disagreement", 2, "ours")]
    both = view.gallery[1]
    assert [counts.missed for counts in both.counts if counts] == [0, 1]
    assert both.thresholds == (0.5, 0.5)
    assert both.credit.startswith("parts; licence not stated")
    assert view.gallery_notes == ("ours · predictions · given: no image has an error",)
    with pytest.raises(UsageError, match="no cell 'nobody'"):
        show(tmp_path, run, disagree=[(names[0], "nobody")])
