"""From a run to its gallery: choose, draw, and say what could not be shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchbench.errors import BenchbenchError
from benchbench.gallery.choosing import Choice, Chosen, disagreements, pairs, worst
from benchbench.gallery.panels import Panels, panels
from benchbench.gallery.reading import Reader, Subject
from benchbench.gallery.sheet import encoded, side_by_side
from benchbench.gallery.style import shown
from benchbench.gallery_view import GalleryItem
from benchbench.store import Run
from benchbench.types import DatasetCard, Image, Result
from benchbench.view import RunView

MOST_BYTES = 48 * 2**20
"""Of all pictures together."""
MOST_PICTURES = 600


@dataclass(frozen=True, slots=True)
class Gallery:
    """The pictures, and why others are not among them."""

    items: tuple[GalleryItem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    images: int
    """Pictures a cell, and a pair of cells."""
    disagree: tuple[tuple[str, str], ...] = ()
    """Pairs of cells by id, in place of the usual ones."""


@dataclass(slots=True)
class _Show:
    """The chosen images of one cell or pair."""

    subjects: tuple[Subject, ...]
    chosen: Chosen
    items: dict[int, GalleryItem] = field(default_factory=dict)
    """By rank."""


def make(
    run: Run, view: RunView, datasets: Mapping[str, Any], cache: Path, asked: Request
) -> Gallery:
    """Return the gallery of *run*: the same run and images give the same bytes.

    *datasets* are the plug-ins by the suite's names. Nothing is raised for data that are not here
    any more, or for an image that cannot be read: the notes say what is missing and what mends it.
    """
    notes: dict[str, None] = {}
    reader = Reader(run, datasets, cache)
    results = {result.cell.id: result for result in run.results()}
    subjects = _subjects(reader, view, results, notes)
    shows = [*_worst(subjects, asked, notes), *_apart(view, subjects, asked, notes)]
    left = _draw(shows, {card.name: card for card in view.datasets}, notes)
    if left:
        notes[f"{left} pictures left out: a gallery holds {MOST_BYTES >> 20} MiB"] = None
    items = [show.items[rank] for show in shows for rank in sorted(show.items)]
    return Gallery(tuple(items), tuple(notes))


def _subjects(
    reader: Reader, view: RunView, results: Mapping[str, Result], notes: dict[str, None]
) -> dict[str, Subject]:
    """Return the scored cells whose data are here, in the order of the plan."""
    found = {}
    for cell in view.cells:
        result = results.get(cell.id)
        if result is None or result.scores is None or "predictions" not in result.arrays:
            continue
        subject = Subject(reader, result)
        try:
            assert subject.split is not None
        except BenchbenchError as error:
            notes[_gone(cell.dataset, error)] = None
        else:
            found[cell.id] = subject
    return found


def _gone(dataset: str, error: BenchbenchError) -> str:
    """Return why there are no pictures of *dataset*, with what mends it."""
    return (
        f"no pictures of {shown(dataset, 80)}: {error.message}; --set says where the data lie now:"
        " a variable of the suite, or a key such as datasets.0.source.root=FOLDER"
    )


def _worst(
    subjects: Mapping[str, Subject], asked: Request, notes: dict[str, None]
) -> Iterable[_Show]:
    for subject in subjects.values():
        try:
            chosen = worst(subject, asked.images)
        except BenchbenchError as error:
            notes[f"{subject.cell.label}: {error.message}"] = None
            continue
        yield _shown((subject,), chosen, notes)


def _apart(
    view: RunView, subjects: Mapping[str, Subject], asked: Request, notes: dict[str, None]
) -> Iterable[_Show]:
    compared = [(one.a, one.b) for cell in view.cells if (one := cell.comparison)]
    for names in asked.disagree or pairs(compared, subjects):
        two = tuple(subjects[name] for name in names if name in subjects)
        if len(two) < 2:
            continue
        try:
            chosen = disagreements(two[0], two[1], asked.images)
        except BenchbenchError as error:
            notes[f"{two[0].cell.label} and {two[1].cell.label}: {error.message}"] = None
        else:
            yield _shown(two, chosen, notes)


def _shown(subjects: tuple[Subject, ...], chosen: Chosen, notes: dict[str, None]) -> _Show:
    names = " and ".join(one.cell.label for one in subjects)
    notes.update((f"{names}: {note}", None) for note in chosen.notes)
    for one in subjects:
        one.keep([choice.image for choice in chosen.choices])
    return _Show(subjects, chosen)


def _draw(shows: Sequence[_Show], cards: Mapping[str, DatasetCard], notes: dict[str, None]) -> int:
    """Draw rank after rank, so that a bound costs every cell its least telling pictures."""
    spent, drawn, left = 0, 0, 0
    for rank in range(max((len(show.chosen.choices) for show in shows), default=0)):
        for show in shows:
            if rank >= len(show.chosen.choices):
                continue
            if spent >= MOST_BYTES or drawn >= MOST_PICTURES:
                left += 1
                continue
            try:
                item = _item(show, rank, cards)
            except BenchbenchError as error:
                notes[error.message] = None
                continue
            if spent + len(item.picture) > MOST_BYTES:
                left += 1
                continue
            show.items[rank] = item
            spent, drawn = spent + len(item.picture), drawn + 1
    return left


def _item(show: _Show, rank: int, cards: Mapping[str, DatasetCard]) -> GalleryItem:
    choice, first = show.chosen.choices[rank], show.subjects[0]
    image, cells = first.images[choice.image], [one.cell for one in show.subjects]
    made = panels(show.subjects, image)
    sheet = side_by_side(made.panels, made.states, made.classes, striped=made.striped)
    media, picture = encoded(sheet)
    judged = [one.judged.get(image.id) for one in show.subjects]
    return GalleryItem(
        kind=choice.kind,
        rank=rank + 1,
        cells=tuple(cell.id for cell in cells),
        labels=tuple(cell.label for cell in cells),
        dataset=cells[0].dataset,
        split=cells[0].split,
        task=cells[0].task,
        image_id=image.id,
        file_name=image.file_name,
        metric=first.primary,
        values=tuple(one.value(image.id) for one in show.subjects),
        counts=tuple(one and one.counts for one in judged),
        thresholds=tuple(one.threshold for one in show.subjects),
        reason=choice.reason,
        alt=_alt(image, show.subjects, made, choice),
        credit=_credit(cells[0].dataset, cards),
        width=sheet.width,
        height=sheet.height,
        media=media,
        picture=picture,
    )


def _alt(image: Image, subjects: Sequence[Subject], made: Panels, choice: Choice) -> str:
    told = "; ".join(
        f"{shown(subject.cell.label, 80)}: {words}"
        for subject, words in zip(subjects, made.words, strict=True)
    )
    name = shown(image.file_name, 80)
    return f"Image {image.id} ({name}) with its truth and predictions. {told}. {choice.reason}."


def _credit(dataset: str, cards: Mapping[str, DatasetCard]) -> str:
    card = cards.get(dataset)
    if card is None:
        return shown(dataset, 80)
    licence = f"licence {shown(card.licence, 80)}" if card.licence else "licence not stated"
    parts = [shown(card.title or card.name, 120), licence, shown(card.source, 200)]
    return "; ".join(part for part in parts if part)
