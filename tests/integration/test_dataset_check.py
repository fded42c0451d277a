"""What spoils a benchmark is found: one planted fault after the other, and none in a clean set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from benchbench import api
from benchbench.errors import UsageError

CLASSES = [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]


def picture(seed: int) -> Image.Image:
    """Return 64 × 48 smooth noise: unlike any other by look."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BILINEAR)


def write_split(root: Path, split: str, first: int, count: int = 4) -> dict[str, Any]:
    """Write pictures and return their annotations as a document: a bolt and a nut on each."""
    (root / split).mkdir(parents=True)
    ids = range(first, first + count)
    for number in ids:
        picture(number).save(root / split / f"{number}.png")
    boxes = [(n, c, [4.0 * c, 5.0, 20.0, 10.0]) for n in ids for c in (1, 2)]
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in ids],
        "annotations": [
            {"id": place, "image_id": n, "category_id": c, "bbox": box, "area": 200.0}
            for place, (n, c, box) in enumerate(boxes, 1)
        ],
        "categories": [dict(one) for one in CLASSES],
    }


class Set:
    """A dataset of two splits, clean until a test plants a fault."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.val, self.cal = write_split(root, "val", 1), write_split(root, "cal", 11)

    def card(self) -> Path:
        files = {}
        for split, document in (("val", self.val), ("cal", self.cal)):
            (self.root / f"{split}.json").write_text(json.dumps(document))
            files[split] = {"images": split, "annotations": f"{split}.json"}
        path = self.root / "line.yaml"
        path.write_text(
            yaml.safe_dump({"kind": "coco", "root": ".", "files": files}, sort_keys=False)
        )
        return path

    def found(self, **options: Any) -> dict[str, Any]:
        (made,) = api.inspect(str(self.card()), cache=self.root / "cache", **options)
        return {f"{one.split or 'both'}:{one.code}": one for one in made.troubles}


@pytest.fixture
def line(tmp_path: Path) -> Set:
    return Set(tmp_path / "line")


def test_a_clean_dataset_has_nothing_to_tell(line: Set) -> None:
    assert not line.found()
    (made,) = api.inspect(str(line.card()), cache=line.root / "cache")
    assert [(one.split, one.images, one.per_class) for one in made.splits] == [
        (split, 4, {"bolt": 4, "nut": 4}) for split in ("val", "cal")
    ]
    assert not made.faulty


def box(line: Set, values: list[float]) -> None:
    line.val["annotations"][0]["bbox"] = values


def twice(line: Set) -> None:
    line.val["annotations"].append({**line.val["annotations"][2], "id": 99})


def no_nuts(line: Set) -> None:
    line.cal["annotations"] = [a for a in line.cal["annotations"] if a["category_id"] == 1]


def bare(line: Set) -> None:
    line.val["annotations"] = [a for a in line.val["annotations"] if a["image_id"] != 2]


def copied(line: Set, split: str, name: str) -> None:
    picture(1).save(line.root / split / name)


def brighter(line: Set) -> None:
    """The first picture of val, a little brighter, as one of the calibration's."""
    pixels = np.asarray(picture(1), np.float64) * 0.92 + 8
    Image.fromarray(pixels.astype(np.uint8)).save(line.root / "cal" / "12.png")


def cut_off(line: Set) -> None:
    path = line.root / "val" / "3.png"
    path.write_bytes(path.read_bytes()[:60])


def same_ids(line: Set) -> None:
    line.cal["images"][0]["id"] = 2
    for one in line.cal["annotations"][:2]:
        one["image_id"] = 2


@pytest.mark.parametrize(
    ("plant", "key", "level", "count"),
    [
        (lambda s: box(s, [50, 5, 20, 10]), "val:outside", "error", 1),
        (lambda s: box(s, [-3, 5, 20, 10]), "val:outside", "error", 1),
        (lambda s: box(s, [4, 5, 0, 10]), "val:without_size", "warning", 1),
        (lambda s: box(s, [4, 5, 1.5, 1.5]), "val:tiny", "warning", 1),
        (lambda s: box(s, [1, 5, 60, 1]), "val:stretched", "warning", 1),
        (lambda s: box(s, [0, 0, 64, 48]), "val:whole", "note", 1),
        (twice, "val:repeated", "error", 1),
        (bare, "val:bare", "note", 1),
        (no_nuts, "cal:unseen", "warning", 1),
        (lambda s: copied(s, "val", "2.png"), "val:duplicates", "warning", 1),
        (lambda s: copied(s, "cal", "12.png"), "both:leak", "error", 1),
        (brighter, "both:near_leak", "warning", 1),
        (cut_off, "val:unreadable", "error", 1),
        (same_ids, "both:shared_ids", "error", 1),
        (lambda s: s.cal["categories"].append({"id": 3, "name": "rivet"}), "both:classes_differ",
         "warning", 1),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found_and_counted(plant, key, level, count, line):
    plant(line)
    found = line.found()
    assert (found[key].level, found[key].count) == (level, count)
    assert found[key].examples


def test_a_box_that_rounding_puts_a_pixel_outside_is_fine(line: Set) -> None:
    box(line, [44.5, 5, 20, 10])
    assert not line.found()


def test_a_split_that_cannot_be_read_is_an_error_and_the_others_are_looked_at(line: Set) -> None:
    line.cal["annotations"][0]["category_id"] = 77
    twice(line)
    found = line.found()
    assert "77" in found["cal:split"].message
    assert found["val:repeated"].count == 1


def test_what_was_found_stands_first_on_the_sheet(line: Set, tmp_path: Path) -> None:
    bare(line)
    sheets = [tmp_path / name for name in ("one", "two")]
    for folder in sheets:
        line.found(sheet=folder)
    first, second = (sorted(folder.iterdir()) for folder in sheets)
    assert [path.name for path in first] == ["line-cal.png", "line-val.png"]
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]
    with Image.open(first[1]) as sheet:
        tile = np.asarray(sheet.crop((20, 60, 220, 180)), np.float64)
    want = np.asarray(picture(2).resize((200, 120)), np.float64)
    assert abs(tile.mean() - want.mean()) < 12


def test_a_suites_datasets_are_found_by_name(line: Set, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dataset named 'lin'"):
        api.inspect("quickstart", "lin", cache=tmp_path)
    with pytest.raises(UsageError, match="no split 'tes'"):
        api.inspect(str(line.card()), splits=["tes"], cache=tmp_path)


def command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "benchbench", "dataset", "check", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def test_the_command_tells_names_and_ends_with_3_for_errors(line: Set, tmp_path: Path) -> None:
    assert command(line.card(), cwd=tmp_path).returncode == 0
    twice(line)
    done = command(line.card(), "--split", "val", cwd=tmp_path)
    assert done.returncode == 3
    assert "1 annotations repeat another" in " ".join(done.stdout.split())
    assert "2.png" in done.stdout
    document = json.loads(command(line.card(), "--json", cwd=tmp_path).stdout)
    assert document["datasets"][0]["troubles"][0]["code"] == "repeated"
    assert command("no-such-card", cwd=tmp_path).returncode == 2
