"""Match a model's class list to a dataset's categories."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchbench.errors import DatasetError
from benchbench.types import Category, ClassMap

LabelMap = Mapping[str, str | None]


def class_map(
    categories: Sequence[Category],
    names: Sequence[str] | None,
    background: str | None,
    label_map: LabelMap | None = None,
    *,
    merging: bool = False,
) -> ClassMap:
    """Return the model's classes in terms of *categories*.

    Without *names* the model's classes are taken to be the categories by ascending id, after
    *background* if there is one (semantic segmentation). With *names* each is matched to a category
    exactly, then regardless of case; names that the dataset lacks map to None. *label_map* says
    what a model's name is called here, or None for no category; *merging* allows that several
    names become one category by it.

    Raises :class:`~benchbench.errors.DatasetError` if no name matches, *background* is not among
    the names, a match is ambiguous, or *label_map* names a category that is not there.
    """
    if names is None:
        ordered = sorted(categories, key=lambda category: category.id)
        head = () if background is None else (background,)
        return ClassMap(
            names=(*head, *(category.name for category in ordered)),
            category_ids=(*(None for _ in head), *(category.id for category in ordered)),
            background=None if background is None else 0,
        )
    _check_background(names, background)
    index, renamed = _Index(categories), label_map or {}
    _check_label_map(renamed, index, categories)
    called = [renamed.get(name, name) for name in names]
    ids = tuple(None if name is None else index.find(name) for name in called)
    _check_some(names, ids, categories)
    own = [i for i, name in enumerate(names) if not (merging and renamed.get(name) is not None)]
    _check_unique(names, ids, own)
    return ClassMap(
        names=tuple(names),
        category_ids=ids,
        background=None if background is None else names.index(background),
    )


def _check_label_map(label_map: LabelMap, index: _Index, categories: Sequence[Category]) -> None:
    for name, meant in label_map.items():
        if meant is not None and index.find(meant) is None:
            known = [category.name for category in categories]
            raise DatasetError(
                f"label_map calls the model's '{name}' '{meant}', which is no class of the dataset",
                hint=_nearest(meant, known) or f"the dataset has: {_listed(known)}",
            )


def check_classes(categories: Sequence[Category], names: Sequence[str]) -> None:
    """Raise DatasetError unless *categories* are exactly those that a card names, if it does."""
    if not names:
        return
    found = {category.name for category in categories}
    lacking, more = [n for n in names if n not in found], sorted(found - set(names))
    if lacking or more:
        told = [f"lacks {_listed(lacking)}"] * bool(lacking) + [f"has {_listed(more)}"] * bool(more)
        raise DatasetError(
            f"the dataset {' and '.join(told)}, against the 'categories' of its card",
            hint=(_nearest(lacking[0], more) if lacking else None)
            or "mend the card's 'categories', or leave them out",
        )


class _Index:
    def __init__(self, categories: Sequence[Category]) -> None:
        self.exact = _grouped((category.name, category.id) for category in categories)
        self.folded = _grouped((_fold(category.name), category.id) for category in categories)

    def find(self, name: str) -> int | None:
        found = self.exact.get(name) or self.folded.get(_fold(name)) or []
        if len(found) > 1:
            raise DatasetError(
                f"the class '{name}' fits the categories with ids {', '.join(map(str, found))}",
                hint="give the dataset's categories different names",
            )
        return found[0] if found else None


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _fold(name: str) -> str:
    return name.strip().casefold()


def _check_background(names: Sequence[str], background: str | None) -> None:
    if background is not None and background not in names:
        raise DatasetError(
            f"the background '{background}' is not in the model's class list",
            hint=_nearest(background, names) or "leave it out if the model has no such class",
        )


def _check_some(
    names: Sequence[str], ids: Sequence[int | None], categories: Sequence[Category]
) -> None:
    if any(found is not None for found in ids):
        return
    known = [category.name for category in categories]
    hints = [hint for name in names if (hint := _nearest(name, known))]
    raise DatasetError(
        f"none of the model's {len(names)} classes ({_listed(names)}) is a category of the dataset",
        hint=hints[0] if hints else f"the dataset has: {_listed(known)}",
    )


def _check_unique(names: Sequence[str], ids: Sequence[int | None], own: Sequence[int]) -> None:
    """Raise DatasetError if two names are one category, unless a label map merges all but one."""
    repeated = [
        found
        for found, count in Counter(ids[i] for i in own).items()
        if found is not None and count > 1
    ]
    if repeated:
        where = [i for i in own if ids[i] == repeated[0]]
        raise DatasetError(
            f"the model's classes {', '.join(f'{i} ({names[i]!r})' for i in where)} are the same"
            f" category (id {repeated[0]})",
            hint="name each class once; classes are merged by the dataset's 'label_map' where"
            " objects are detected, not where pixels or images are labelled",
        )


def _nearest(wrong: str, known: Iterable[str]) -> str | None:
    folded = {_fold(name): name for name in known}
    close = difflib.get_close_matches(_fold(wrong), folded, 1, 0.6)
    return f"did you mean '{folded[close[0]]}' instead of '{wrong}'?" if close else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
