"""The error gallery: which images it takes, and that what it draws lies where the truth is."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchbench.gallery import making
from benchbench.gallery.choosing import Choice, Chosen, disagreements, pairs, worst
from benchbench.gallery.drawing import Mark, bars, scale_of, scaled, with_classes, with_marks
from benchbench.gallery.matching import (
    CONFUSED,
    FALSE,
    FOUND,
    HIDDEN,
    IGNORED,
    MISSED,
    Sides,
    best_threshold,
    match,
)
from benchbench.gallery.objects import judge, overlaps, predicted_objects, true_objects
from benchbench.gallery.panels import panels
from benchbench.gallery.reading import Subject
from benchbench.gallery.sheet import encoded, side_by_side
from benchbench.gallery.style import INK, STROKES, lettered
from benchbench.masks import mask_runs
from benchbench.metrics.coco_boxes import CocoBoxes
from benchbench.reports.gallery import Gallery, pictures
from benchbench.types import (
    PREDICTION_TYPES,
    Annotation,
    ClassMap,
    ClassScores,
    DatasetCard,
    DatasetSplit,
    Detections,
    Image,
)
from tests.gallery_fixture import CATEGORIES, SIDE, box, boxes, of_task, split, subject
from tests.report_fixture import HOSTILE
from tests.report_fixture import small as example

IMAGE = Image(1, "1.png", Path("1.png"), SIDE, SIDE)


# --- matching ----------------------------------------------------------------------------


def test_each_object_and_prediction_of_an_image_ends_in_its_state() -> None:
    truth = [
        box(1, 1, (0, 0, 40, 40)),
        box(2, 1, (60, 0, 40, 40)),
        box(3, 1, (0, 60, 40, 40), category=2),
        box(4, 1, (100, 100, 60, 60), iscrowd=True),
    ]
    found = boxes(
        (0, 0, 40, 38, 0.9, 1),  # found
        (2, 0, 40, 40, 0.8, 1),  # again the same object: false
        (0, 60, 40, 40, 0.7, 1),  # a bolt where a nut is
        (110, 110, 30, 30, 0.7, 1),  # on the crowd
        (120, 0, 30, 30, 0.6, 2),  # on nothing
        (60, 0, 40, 40, 0.3, 1),  # right, but below the threshold
    )
    matched = judge(IMAGE, truth, found, "detection", 0.5)
    assert matched.objects.tolist() == [FOUND, MISSED, CONFUSED, IGNORED]
    assert matched.predictions.tolist() == [FOUND, FALSE, CONFUSED, IGNORED, FALSE, HIDDEN]
    assert matched.counts.model_dump() == {"found": 1, "missed": 1, "false": 2, "confused": 1}
    assert matched.wrong_score == pytest.approx(0.8 + 0.7 + 0.6)


def test_a_class_that_was_not_looked_for_in_an_image_counts_neither_way() -> None:
    image = replace(IMAGE, negatives=(1,))
    found = boxes((0, 0, 40, 40, 0.9, 1), (0, 60, 40, 40, 0.9, 2))
    matched = judge(image, [], found, "detection", 0.5)
    assert matched.predictions.tolist() == [FALSE, IGNORED]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlaps_of_boxes_are_those_of_coco(seed: int) -> None:
    from hotcoco import mask

    random = np.random.default_rng(seed)
    one, other = (random.integers(0, 50, (count, 4)) + 1.0 for count in (4, 3))
    crowd = random.random(3) < 0.4
    truth = [Annotation(i, 1, 1, tuple(row), iscrowd=bool(crowd[i])) for i, row in enumerate(other)]
    found = predicted_objects(Detections(one, np.ones(4), np.ones(4, np.int64)))
    assert found is not None
    ours = overlaps(found, true_objects("detection", IMAGE, truth), (SIDE, SIDE))
    assert ours == pytest.approx(np.asarray(mask.iou(one, other, crowd.tolist())))


def _random_split(seed: int) -> tuple[DatasetSplit, dict[int, Detections]]:
    random = np.random.default_rng(seed)
    truths, predictions = [], {}
    images = tuple(replace(IMAGE, id=i) for i in range(1, 9))
    for image in images:
        rows = random.integers(0, 100, (3, 4)) + np.array([0, 0, 10, 10])
        truths += [
            Annotation(image.id * 10 + i, image.id, 1 + i % 2, tuple(map(float, row)),
                       area=float(row[2] * row[3]))
            for i, row in enumerate(rows)
        ]  # fmt: skip
        near = np.concatenate([rows + random.integers(-8, 9, rows.shape), rows[:1] + 30.0])
        scores = np.sort(random.random(4))[::-1]
        predictions[image.id] = Detections(near.astype(float), scores, random.integers(1, 3, 4))
    return DatasetSplit("d", "t", images, CATEGORIES, tuple(truths)), predictions


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_is_the_one_of_greatest_f1_that_the_evaluator_names(seed: int) -> None:
    truth, predictions = _random_split(seed)
    scores = CocoBoxes().score(truth, predictions, ClassMap(("bolt", "nut"), (1, 2)))
    ours = subject(truth, predictions, metrics={"f1_threshold": None})
    assert ours.threshold == pytest.approx(scores.metrics["f1_threshold"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30))
def test_no_threshold_has_a_greater_f1(rows: list[tuple[int, bool]]) -> None:
    scores, right = np.array([r[0] / 10 for r in rows]), np.array([r[1] for r in rows])
    objects = int(right.sum()) + 2

    def f1(at: float) -> float:
        kept = scores >= at
        return float(2 * right[kept].sum() / (kept.sum() + objects))

    best = best_threshold(scores, right, objects)
    if right.any():
        assert f1(best) == pytest.approx(max(map(f1, scores)))


def test_a_prediction_takes_the_free_object_that_it_overlaps_most() -> None:
    sides = Sides(
        overlaps=np.array([[0.6, 0.9], [0.55, 0.8]]),
        classes=np.array([1, 1]),
        crowd=np.zeros(2, bool),
        labels=np.array([1, 1]),
        scores=np.array([0.5, 0.9]),
        looked_for=np.ones(2, bool),
    )
    assert match(sides, 0.0).counts.found == 2


# --- choosing ----------------------------------------------------------------------------


def test_images_of_a_detector_come_by_wrong_objects_then_confidence_then_id(
    tmp_path: Path,
) -> None:
    truth = split(tmp_path, [[box(i, i, (0, 0, 40, 40))] for i in range(1, 6)])
    predictions = {
        1: boxes((0, 0, 40, 40, 0.9, 1)),  # right: not in the gallery
        2: boxes(),  # 1 missed
        3: boxes((80, 80, 40, 40, 0.6, 1)),  # 1 missed, 1 false
        4: boxes((80, 80, 40, 40, 0.9, 1)),  # the same, surer
        5: boxes(),  # 1 missed, later id
    }
    chosen = worst(subject(truth, predictions), 10)
    assert [one.image for one in chosen.choices] == [4, 3, 2, 5]
    assert chosen.choices[0].reason == "2 objects or predictions are wrong"
    assert [one.image for one in worst(subject(truth, predictions), 2).choices] == [4, 3]


def test_images_of_other_tasks_come_by_the_metric_of_the_image_alone(tmp_path: Path) -> None:
    truth = split(tmp_path, [[] for _ in range(5)])
    values = {1: 0.4, 2: None, 3: 0.1, 4: 0.4, 5: 1.0}
    own = subject(truth, {}, values, task="semantic-segmentation")
    chosen = worst(own, 10)
    assert [one.image for one in chosen.choices] == [3, 1, 4]
    assert chosen.notes == ("1 image left out: m is not defined on them alone",)
    falling = subject(truth, {}, values, task="semantic-segmentation", lower=True)
    assert [one.image for one in worst(falling, 10).choices] == [5, 1, 4, 3]


def test_of_equally_wrong_classifications_the_surest_comes_first(tmp_path: Path) -> None:
    truth = split(tmp_path, [[box(i, i, (0, 0, 9, 9))] for i in (1, 2, 3)])
    shares = {1: 0.4, 2: 0.1, 3: 0.4}
    predictions = {i: ClassScores(np.array([p, 1 - p], np.float32)) for i, p in shares.items()}
    own = subject(truth, predictions, dict.fromkeys(shares, 0.0), task="classification")
    assert [one.image for one in worst(own, 9).choices] == [2, 1, 3]


def _two(tmp_path: Path) -> tuple[Subject, Subject]:
    truth = split(tmp_path, [[box(i, i, (0, 0, 40, 40))] for i in range(1, 5)])
    right = (0, 0, 40, 40, 0.9, 1)
    one = {1: boxes(right), 2: boxes(right), 3: boxes(), 4: boxes(right, (90, 90, 30, 30, 0.9, 1))}
    other = {
        1: boxes(right),
        2: boxes((80, 80, 40, 40, 0.9, 1)),  # misses, and is false: 2
        3: boxes(right),  # finds what the other misses: 1
        4: boxes(right, (91, 91, 30, 30, 0.8, 1)),  # false at the same place: 0
    }
    return subject(truth, one), subject(truth, other, name="b")


def test_two_cells_disagree_the_same_whichever_is_named_first(tmp_path: Path) -> None:
    a, b = _two(tmp_path)
    forth, back = disagreements(a, b, 9), disagreements(b, a, 9)
    assert forth == back
    assert [one.image for one in forth.choices] == [2, 3]
    assert forth.choices[0].reason == "2 objects or false predictions differ"
    assert disagreements(a, a, 9) == Chosen((), ("they differ on no image",))


def test_cells_are_paired_with_fp32_and_runtimes_of_one_model_with_the_first(
    tmp_path: Path,
) -> None:
    truth = split(tmp_path, [[]])
    cells = {name: subject(truth, {1: boxes()}, name=name) for name in ("a", "b", "c")}
    assert pairs([("a", "c"), ("a", "gone")], cells) == [("a", "c"), ("a", "b")]


# --- drawing -----------------------------------------------------------------------------


def _pixel(picture: PIL.Image.Image, x: float, y: float) -> tuple[int, ...]:
    found = picture.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


def _image(folder: Path) -> Image:
    return replace(IMAGE, path=folder / "1.png")


def test_a_box_is_drawn_where_the_truth_is_at_the_scale_of_the_panel(tmp_path: Path) -> None:
    made = panels([of_task("detection", tmp_path)], _image(tmp_path))
    (_, truth), (_, found) = made.panels
    assert truth.size == found.size == (640, 640)
    colour = STROKES[FOUND].colour
    # The object lies at x 40..100 and y 30..80, the prediction at 44..100 and 34..80; times four.
    for x, y in ((160, 220), (400, 220), (280, 320)):
        assert _pixel(truth, x, y) == colour
    assert _pixel(found, 176, 220) == colour
    assert _pixel(found, 160, 220) == (90, 90, 90)
    assert _pixel(truth, 280, 220) == (90, 90, 90)


@pytest.mark.parametrize(("side", "scale"), [(1280, 0.5), (640, 1.0), (320, 2.0), (8, 80.0)])
def test_a_picture_fills_its_panel_and_never_exceeds_it(side: int, scale: float) -> None:
    assert scale_of(side, side // 2) == scale
    assert scaled(np.zeros((side // 2, side, 3), np.uint8)).size == (640, 320)


def test_states_differ_in_colour_and_in_their_lines() -> None:
    base = PIL.Image.new("RGB", (200, 200), (90, 90, 90))
    corners = np.array([[20.0, 20], [180, 20], [180, 180], [20, 180]])
    seen = {}
    for state, stroke in STROKES.items():
        picture = with_marks(base, (200, 200), [Mark(stroke, corners)])
        side = [_pixel(picture, x, 180) for x in range(30, 170)]
        assert set(side) <= {stroke.colour, INK}, stroke.word
        assert (INK in side) == bool(stroke.dashes)
        seen[state] = tuple(colour == INK for colour in side)
    assert len({STROKES[state].colour for state in STROKES}) == len(STROKES)
    dashed = [state for state in STROKES if STROKES[state].dashes]
    assert len({seen[state] for state in dashed}) == len(dashed)


def test_a_mask_is_shaded_inside_and_drawn_at_its_edge() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:60, 30:80] = True
    base = PIL.Image.new("RGB", (200, 200), (90, 90, 90))
    stroke, nowhere = STROKES[FOUND], np.full((4, 2), np.nan)
    picture = with_marks(base, (100, 100), [Mark(stroke, nowhere, runs=mask_runs(mask))])
    assert _pixel(picture, 60, 80) == stroke.colour  # left edge
    inside = np.array(90) * 0.55 + np.array(stroke.colour) * 0.45
    assert _pixel(picture, 110, 80) == pytest.approx(inside, abs=1)
    assert _pixel(picture, 30, 80) == (90, 90, 90)


def test_wrong_pixels_of_a_map_are_striped_and_others_coloured() -> None:
    base = PIL.Image.new("RGB", (200, 200), (90, 90, 90))
    labels = np.zeros((50, 50), np.uint8)
    labels[:, 25:] = 1
    wrong = np.zeros((50, 50), bool)
    wrong[:25, 25:] = True
    colours = [(1, (200, 0, 0), "bolt")]
    array = np.array(with_classes(base, labels, colours, wrong))
    right = array[140:160, 180:195].reshape(-1, 3)  # beside the name
    assert (right == np.array([int(90 * 0.55 + 200 * 0.45), 49, 49])).all()
    assert {tuple(c) for c in array[20:60, 120:180].reshape(-1, 3).tolist()} >= {
        (255, 255, 255),
        INK,
    }
    assert (array[:, :90] == 90).all()


def test_a_bar_is_as_long_as_its_share() -> None:
    picture = bars((216, 100), [("bolt", 0.25, (1, 2, 3))])
    row = [_pixel(picture, x, 30) == (1, 2, 3) for x in range(216)]
    assert sum(row) == pytest.approx(50, abs=1)


@pytest.mark.parametrize("task", sorted(PREDICTION_TYPES))
def test_every_task_has_a_picture_and_the_same_bytes_again(task: str, tmp_path: Path) -> None:
    def file() -> tuple[str, bytes]:
        own = of_task(task, tmp_path)
        made = panels([own], own.images[1])
        assert len(made.panels) == 2
        assert len(made.words) == 1
        return encoded(side_by_side(made.panels, made.states, made.classes, striped=made.striped))

    media, data = file()
    assert (media, data) == file()
    with PIL.Image.open(io.BytesIO(data)) as opened:
        assert opened.get_format_mimetype() == media
        assert opened.width <= 2 * 640 + 8
    own = of_task(task, tmp_path)
    if own.judged:
        assert own.judged[1].counts.found == 1


def test_two_cells_stand_beside_the_truth_and_show_what_each_misses(tmp_path: Path) -> None:
    a, b = _two(tmp_path)
    made = panels([a, b], a.images[3])
    assert [title[0] for title, _ in made.panels] == ["truth", "a · fp32", "b · fp32"]
    assert "1 missed (bolt)" in made.words[0]
    left, right = (np.array(picture) for _, picture in made.panels[1:])
    missed, found = STROKES[MISSED].colour, STROKES[FOUND].colour
    assert (left == missed).all(axis=2).any()
    assert not (right == missed).all(axis=2).any()
    assert (right == found).all(axis=2).any()


def test_mad_boxes_and_names_cost_no_more_than_others() -> None:
    base = PIL.Image.new("RGB", (64, 64))
    mad = np.array([[-1e12, -1e12], [1e12, -1e12], [1e12, 1e12], [-1e12, 1e12]])
    marks = [
        Mark(STROKES[state], outline, label)
        for state in STROKES
        for outline in (mad, np.full((4, 2), np.inf))
        for label in HOSTILE
    ]
    assert with_marks(base, (64, 64), marks * 50).size == (64, 64)
    assert lettered("a\u202eb\x1b[0m\n" + "x" * 10_000).isprintable()
    assert len(lettered("x" * 10_000)) == 40


# --- making ------------------------------------------------------------------------------


def test_bounds_leave_out_the_least_telling_pictures_of_every_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = split(tmp_path, [[box(i, i, (0, 0, 40, 40))] for i in range(1, 4)])
    shows = []
    for name in ("a", "b"):
        own = subject(truth, {i: boxes() for i in range(1, 4)}, name=name)
        shows.append(making._Show((own,), worst(own, 3)))
    monkeypatch.setattr(making, "MOST_PICTURES", 4)
    card = DatasetCard(name="d", title="Parts", licence="CC0-1.0", source="a maker")
    assert making._draw(shows, {"d": card}, {}) == 2
    assert [sorted(show.items) for show in shows] == [[0, 1], [0, 1]]
    item = shows[0].items[0]
    assert item.credit == "Parts; licence CC0-1.0; a maker"
    assert "0 of 1 objects found, 1 missed (bolt)" in item.alt


def test_an_image_that_cannot_be_read_costs_its_picture_alone(tmp_path: Path) -> None:
    truth = split(tmp_path, [[box(i, i, (0, 0, 40, 40))] for i in (1, 2)])
    (tmp_path / "1.png").write_bytes(b"no image")
    own = subject(truth, {1: boxes(), 2: boxes()})
    show, notes = making._Show((own,), worst(own, 3)), {}
    assert making._draw([show], {}, notes) == 0
    assert [item.image_id for item in show.items.values()] == [2]
    assert "cannot decode image 1" in next(iter(notes))


def test_a_damaged_dataset_shows_the_damaged_image(tmp_path: Path) -> None:
    pytest.importorskip("imagecorruptions")
    truth = split(tmp_path, [[]])
    plain = subject(truth, {1: boxes()})
    damage = {"name": "brightness", "severity": 5}
    bright = subject(truth, {1: boxes()}, corrupt=damage)
    assert plain.pixels(truth.images[0]).mean() == 90
    assert bright.pixels(truth.images[0]).mean() > 120


# --- the page ----------------------------------------------------------------------------


def _item(tmp_path: Path) -> object:
    truth = split(tmp_path, [[box(1, 1, (0, 0, 40, 40))]])
    own = subject(truth, {1: boxes()})
    show = making._Show((own,), Chosen((Choice("worst", 1, "why"),)))
    making._draw([show], {}, {})
    return show.items[0]


def test_the_page_shows_each_picture_and_hostile_names_are_text(tmp_path: Path) -> None:
    item = _item(tmp_path)
    items = tuple(
        item.model_copy(
            update={"rank": i + 1, "file_name": name, "labels": (name,), "alt": name,
                    "dataset": name, "credit": name, "reason": name}
        )
        for i, name in enumerate(HOSTILE)
    )  # fmt: skip
    run = example().model_copy(
        update={"gallery": items, "gallery_notes": HOSTILE, "title": HOSTILE[0]}
    )
    page = Gallery().render(run).decode()
    assert page.count("<img ") == len(HOSTILE)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page
    assert not re.search(r"(?:href|src)=\"(?!#|data:)", page)
    assert Gallery().render(run) == Gallery().render(run)


def test_documents_take_the_pictures_as_their_own(tmp_path: Path) -> None:
    run = example().model_copy(update={"gallery": (_item(tmp_path),)})
    (picture,) = pictures(run)
    assert picture.alt.startswith("Image 1 (1.png)")
    assert "licence" not in picture.caption
    assert picture.drawn.aspect == pytest.approx(run.gallery[0].width / run.gallery[0].height)
    drawn = {form: picture.drawn.image(form) for form in ("png", "svg", "pdf")}
    assert drawn == {form: picture.drawn.image(form) for form in ("png", "svg", "pdf")}
    with PIL.Image.open(io.BytesIO(drawn["png"])) as opened:
        assert opened.size == (run.gallery[0].width, run.gallery[0].height)
    assert drawn["svg"].startswith(b"<svg ")
    assert drawn["pdf"].startswith(b"%PDF")


def test_a_page_without_pictures_says_how_to_have_them() -> None:
    page = Gallery().render(example()).decode()
    assert "--gallery 6" in page


def test_pictures_stay_out_of_the_json(tmp_path: Path) -> None:
    run = example().model_copy(update={"gallery": (_item(tmp_path),)})
    assert not {"gallery", "gallery_notes"} & run.document().keys()
    assert "picture" not in run.gallery[0].model_dump()
