"""Copies of an image are known again, other images are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchbench.contents import HashCache, check_unlike, contents
from benchbench.errors import CalibrationError
from benchbench.likeness import PrintCache, lookalikes
from benchbench.types import DatasetSplit, Image

ALTERED = {
    "jpeg": lambda image, path: image.save(path, "JPEG", quality=30),
    "half": lambda image, path: image.resize((image.width // 2, image.height // 2)).save(path),
    "bright": lambda image, path: image.point(lambda v: min(255, v + 25)).save(path),
    "grey": lambda image, path: image.convert("L").save(path),
}


def record(number: int, path: Path) -> Image:
    with PIL.Image.open(path) as opened:
        return Image(number, path.name, path, *opened.size)


def found(ours: list[Image], theirs: list[Image], cache: Path) -> list[tuple[str, str]]:
    prints = PrintCache(cache)
    hashes = {i.id: f"{i.path}" for i in (*ours, *theirs)}
    pairs = lookalikes(ours, prints.prints(ours, hashes), theirs, prints.prints(theirs, hashes))
    return [(a.file_name, b.file_name) for a, b in pairs]


@pytest.fixture(scope="module")
def photos(data_dir) -> list[Path]:
    return sorted((data_dir / "coco_val2017_68/images").iterdir())[:12]


@pytest.mark.parametrize("how", ALTERED)
def test_a_copy_is_found_and_nothing_else(how, photos, tmp_path) -> None:
    originals = [record(100 + n, path) for n, path in enumerate(photos)]
    chosen = photos[5]
    copy = tmp_path / f"copy-{how}.{'jpg' if how == 'jpeg' else 'png'}"
    with PIL.Image.open(chosen) as opened:
        ALTERED[how](opened.convert("RGB"), copy)
    assert found([record(1, copy)], originals, tmp_path) == [(copy.name, chosen.name)]


def test_no_calibration_photo_looks_like_an_evaluated_one(data_dir, tmp_path) -> None:
    folders = [data_dir / name / "images" for name in ("coco_train2017_calib", "coco_val2017_68")]
    ours, theirs = (
        [record(1000 * k + n, path) for n, path in enumerate(sorted(folder.iterdir()))]
        for k, folder in enumerate(folders)
    )
    assert found(ours, theirs, tmp_path) == []


def test_flat_images_are_not_taken_for_each_other(tmp_path) -> None:
    paths = [tmp_path / f"{level}.png" for level in (10, 200)]
    for path, level in zip(paths, (10, 200), strict=True):
        PIL.Image.fromarray(np.full((20, 20), level, np.uint8)).save(path)
    one, other = (record(n, path) for n, path in enumerate(paths))
    assert found([one], [other], tmp_path) == []


def test_prints_are_remembered_and_a_damaged_memory_is_only_made_again(tmp_path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(path)
    image = record(1, path)
    first = PrintCache(tmp_path).prints([image], {1: "sha"})
    path.unlink()
    np.testing.assert_array_equal(PrintCache(tmp_path).prints([image], {1: "sha"})[1], first[1])
    memory = tmp_path / "hashes/perceptual.json"
    assert list(json.loads(memory.read_text())) == ["sha"]
    for damage in ('{"sha": "zz"}', '{"sha": 3}', "[]", "{"):
        memory.write_text(damage)
        PIL.Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
        assert list(PrintCache(tmp_path).prints([record(1, path)], {1: "sha"})) == [1]


def test_an_image_that_cannot_be_decoded_looks_like_nothing(tmp_path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    broken = Image(1, path.name, path, 8, 8)
    assert found([broken], [broken], tmp_path) == []


def test_a_leak_names_both_files_and_the_key_that_admits_it(photos, tmp_path) -> None:
    copy = tmp_path / "again.jpg"
    with PIL.Image.open(photos[0]) as opened:
        opened.save(copy, "JPEG", quality=60)
    truth = tmp_path / "truth.json"
    truth.write_text("{}")
    ours = DatasetSplit("d", "calibration", (record(1, copy),), (), ())
    theirs = DatasetSplit(
        "d", "validation", tuple(record(2 + n, p) for n, p in enumerate(photos)), (), ()
    )
    known = [contents(split, truth, HashCache(tmp_path)) for split in (ours, theirs)]
    with pytest.raises(CalibrationError, match=rf"again\.jpg = {photos[0].name}") as caught:
        check_unlike(ours, known[0], theirs, known[1], PrintCache(tmp_path))
    assert "near_duplicates: allow" in str(caught.value.hint)
