"""The generated inspection line: deterministic pixels, and truth that agrees with its masks."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbench.datasets import inspection_line as line

COUNTS = {"train": 12, "calibration": 6, "validation": 48}

# pycocotools 2.0 implements NumPy 1's __array__ for uncompressed run lengths.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("inspection-line")
    for split, count in COUNTS.items():
        line.write_split(target, split, count=count)
    return target


def truth(folder: Path, split: str) -> dict:
    return json.loads((folder / "annotations" / f"{split}.json").read_text(encoding="utf-8"))


def rasterised(annotation: dict, image: dict) -> np.ndarray:
    mask = pytest.importorskip("pycocotools.mask")
    stored, size = annotation["segmentation"], (image["height"], image["width"])
    if isinstance(stored, list):
        return mask.decode(mask.frPyObjects(stored, *size)).any(axis=2)
    if isinstance(stored["counts"], list):
        stored = mask.frPyObjects(stored, *size)
    return mask.decode(stored).astype(bool)


def annotated(folder: Path, split: str) -> Iterator[tuple[dict, np.ndarray]]:
    document = truth(folder, split)
    images = {image["id"]: image for image in document["images"]}
    for annotation in document["annotations"]:
        yield annotation, rasterised(annotation, images[annotation["image_id"]])


def pixel_hashes(folder: Path, split: str) -> list[str]:
    files = sorted((folder / "images" / split).glob("*.png"))
    return [hashlib.sha256(np.asarray(Image.open(file)).tobytes()).hexdigest() for file in files]


def test_the_same_arguments_give_the_same_scene() -> None:
    first, second = line.render("validation", 7), line.render("validation", 7)
    assert first.image.tobytes() == second.image.tobytes()
    assert [i.category for i in first.instances] == [i.category for i in second.instances]
    assert all(
        np.array_equal(a.mask, b.mask)
        for a, b in zip(first.instances, second.instances, strict=True)
    )


def test_writing_a_split_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    line.write_split(tmp_path, "calibration", count=COUNTS["calibration"])
    written = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert len(written) == COUNTS["calibration"] + 2
    for path in written:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


def test_an_image_does_not_depend_on_how_many_are_written(folder: Path, tmp_path: Path) -> None:
    line.write_split(tmp_path, "train", count=2)
    assert pixel_hashes(tmp_path, "train") == pixel_hashes(folder, "train")[:2]


@pytest.mark.parametrize(("split", "index", "seed"), [("train", 0, 0), ("validation", 0, 1)])
def test_split_index_and_seed_each_change_the_image(split: str, index: int, seed: int) -> None:
    other = line.render(split, index, seed=seed).image
    base = line.render("validation", 0).image
    assert other.shape != base.shape or not np.array_equal(other, base)


def test_no_image_appears_twice_within_or_across_splits(folder: Path) -> None:
    hashes = [value for split in COUNTS for value in pixel_hashes(folder, split)]
    assert len(set(hashes)) == len(hashes) == sum(COUNTS.values())


@pytest.mark.parametrize("kind", ["images", "annotations"])
def test_ids_are_positive_and_unique_across_splits(folder: Path, kind: str) -> None:
    ids = [entry["id"] for split in COUNTS for entry in truth(folder, split)[kind]]
    assert len(set(ids)) == len(ids)
    assert min(ids) > 0


def test_every_image_entry_matches_its_file(folder: Path) -> None:
    for split in COUNTS:
        for entry in truth(folder, split)["images"]:
            with Image.open(folder / "images" / split / entry["file_name"]) as image:
                assert (image.size, image.mode) == ((entry["width"], entry["height"]), "RGB")


def test_sizes_vary_and_some_are_not_square() -> None:
    shapes = {line.render("train", index).image.shape for index in range(12)}
    assert len(shapes) > 2
    assert any(shape[0] != shape[1] for shape in shapes)


def test_every_mask_gives_its_annotations_area_and_box(folder: Path) -> None:
    for split in COUNTS:
        for annotation, mask in annotated(folder, split):
            rows, columns = np.nonzero(mask)
            x, y = int(columns.min()), int(rows.min())
            box = [x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1]
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == box


def test_a_polygon_and_the_run_lengths_tell_the_mask_exactly() -> None:
    mask = pytest.importorskip("pycocotools.mask")
    for index in range(12):
        for instance in line.render("validation", index).instances:
            counts = line.mask_to_counts(instance.mask)
            size = list(instance.mask.shape)
            reference = mask.frPyObjects({"size": size, "counts": counts}, *size)
            assert reference["counts"].decode() == line.counts_to_string(counts)
            assert np.array_equal(mask.decode(reference), instance.mask)
            if instance.polygon is not None:
                drawn = mask.decode(mask.frPyObjects([list(instance.polygon)], *size))
                assert np.array_equal(drawn[..., 0], instance.mask)


@pytest.mark.parametrize(
    "rows",
    [
        ["111", "101", "111"],
        ["110", "110", "001"],
        ["11011", "11011", "00000"],
    ],
)
def test_a_mask_with_holes_or_pieces_has_no_outline(rows: list[str]) -> None:
    assert line.outline(np.array([[cell == "1" for cell in row] for row in rows])) is None


def test_the_outline_of_a_square_is_its_corners() -> None:
    mask = np.zeros((6, 7), bool)
    mask[2:4, 3:5] = True
    assert line.outline(mask) == (3, 2, 5, 2, 5, 4, 3, 4)


def test_polygons_compressed_and_plain_run_lengths_all_occur(folder: Path) -> None:
    kinds = set()
    for annotation in truth(folder, "validation")["annotations"]:
        stored = annotation["segmentation"]
        kind = "polygon" if isinstance(stored, list) else type(stored["counts"]).__name__
        kinds.add((kind, annotation["iscrowd"]))
    assert kinds == {("polygon", 0), ("str", 0), ("list", 1)}


def test_crowds_are_areas_of_pits(folder: Path) -> None:
    crowds = [a for a in truth(folder, "validation")["annotations"] if a["iscrowd"]]
    assert crowds
    assert {a["category_id"] for a in crowds} == {line.CATEGORIES.index("pit") + 1}


def test_every_category_and_some_clean_images_are_in_validation(folder: Path) -> None:
    document = truth(folder, "validation")
    assert {a["category_id"] for a in document["annotations"]} == {1, 2, 3, 4, 5}
    assert [c["name"] for c in document["categories"]] == list(line.CATEGORIES)
    damaged = {a["image_id"] for a in document["annotations"]}
    assert 0.05 < 1 - len(damaged) / len(document["images"]) < 0.35


def test_defects_are_small_and_large(folder: Path) -> None:
    areas = [a["area"] for a in truth(folder, "validation")["annotations"] if not a["iscrowd"]]
    assert min(areas) < 100
    assert max(areas) > 32 * 32


def test_a_condition_is_the_category_of_the_largest_defect(folder: Path) -> None:
    for split in COUNTS:
        document, conditions = truth(folder, split), truth(folder, f"{split}-condition")
        assert [c["name"] for c in conditions["categories"]] == list(line.CONDITIONS)
        assert conditions["images"] == document["images"]
        areas: dict[int, dict[int, int]] = {image["id"]: {1: 0} for image in document["images"]}
        for note in document["annotations"]:
            found = areas[note["image_id"]]
            category = note["category_id"] + 1
            found[category] = max(found.get(category, 0), note["area"])
        told = {note["image_id"]: note["category_id"] for note in conditions["annotations"]}
        assert len(told) == len(conditions["annotations"]) == len(document["images"])
        for image_id, found in areas.items():
            assert found[told[image_id]] == max(found.values())


def test_near_misses_alter_the_surface_and_claim_no_pixel() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    spot = line._Spot(100.0, 90.0, (200, 220), 0.1)
    for draw in line._NEAR_MISSES:
        patch = draw(rng, spot)
        tinted = patch.tint is not None and np.ptp(patch.tint[1]) > 0
        assert np.ptp(patch.relief) > 0 or np.ptp(patch.albedo) > 0 or tinted, draw.__name__
        assert not patch.mask.any(), draw.__name__


def test_an_unknown_split_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown split 'test'; choose one of train, calib"):
        line.write_split(tmp_path, "test", count=1)
    assert not list(tmp_path.iterdir())


def test_several_processes_draw_the_same_bytes_and_a_dead_one_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_WORTH_A_PROCESS", 2)
    monkeypatch.setattr(line.os, "sched_getaffinity", lambda _: {0})
    line.write_split(tmp_path / "alone", "calibration", count=5)
    monkeypatch.setattr(line.os, "sched_getaffinity", lambda _: {0, 1})
    line.write_split(tmp_path / "both", "calibration", count=5)
    monkeypatch.setattr(line.sys, "executable", "/bin/false")
    line.write_split(tmp_path / "dead", "calibration", count=5)
    written = [
        {path.name: path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))}
        for name in ("alone", "both", "dead")
    ]
    assert len(written[0]) == 7
    assert written[0] == written[1] == written[2]
