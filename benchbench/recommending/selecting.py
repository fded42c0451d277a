"""Which cells are chosen among: of one dataset and task, as accuracies of others do not compare."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from benchbench.errors import UsageError
from benchbench.folding import kept
from benchbench.quantities import Named, knows
from benchbench.recommend_view import LeftOut
from benchbench.view import CellView

KEYS = ("label", "model", "runtime", "precision", "device", "batch", "dataset", "split", "task")
_GROUP = ("dataset", "split", "task")


def selected(
    cells: Sequence[CellView],
    where: Iterable[str],
    without: Iterable[str],
    figures: Sequence[Named] = (),
) -> tuple[list[CellView], list[LeftOut]]:
    """Return the cells to choose among, and those that a caveat keeps out.

    *where*: ``key=pattern``; patterns of one key are alternatives, keys add up. Cells on damaged
    images are left out unless a dataset is named. Of several datasets or tasks, the one is chosen
    among whose cells alone know all *figures*. Raises :class:`~benchbench.errors.UsageError` for an
    unknown key, where nothing matches, and where what matches is of several datasets or tasks.
    """
    asked = _asked(where)
    known = cells if "dataset" in asked else kept(cells)
    found = [cell for cell in known if _matches(cell, asked)]
    if not found:
        raise _nothing(known, asked)
    found = _of_one_kind(found, figures)
    out = [(cell, code) for cell in found for code in without if _doubted(cell, code)]
    dropped = {cell.id: LeftOut(label=cell.label, reason=f"--without {c}") for cell, c in out}
    remaining = [cell for cell in found if cell.id not in dropped]
    if not remaining:
        raise UsageError(
            "no cell is left to choose among", hint="every one has a caveat that --without names"
        )
    return remaining, list(dropped.values())


def _asked(where: Iterable[str]) -> dict[str, list[str]]:
    asked: dict[str, list[str]] = {}
    for text in where:
        key, sign, pattern = text.partition("=")
        if not sign or key.strip() not in KEYS:
            close = difflib.get_close_matches(key.strip(), KEYS, 1, 0.5)
            hint = f"did you mean '{close[0]}=…'?" if close else f"keys: {', '.join(KEYS)}"
            raise UsageError(f"--where {text} is not KEY=PATTERN", hint=hint)
        asked.setdefault(key.strip(), []).append(pattern.strip())
    return asked


def _matches(cell: CellView, asked: Mapping[str, Sequence[str]]) -> bool:
    return all(
        any(fnmatchcase(str(getattr(cell, key)), pattern) for pattern in patterns)
        for key, patterns in asked.items()
    )


def _nothing(cells: Sequence[CellView], asked: Mapping[str, Sequence[str]]) -> UsageError:
    told = " ".join(f"--where {key}={one}" for key, found in asked.items() for one in found)
    if not told:
        return UsageError("the run has no cells", hint="benchbench run SUITE measures some")
    values = {key: dict.fromkeys(str(getattr(cell, key)) for cell in cells) for key in asked}
    known = "; ".join(f"{key}: {', '.join(found)}" for key, found in values.items())
    return UsageError(f"no cell matches {told}", hint=f"there are {known[:500]}")


def _of_one_kind(cells: Sequence[CellView], figures: Sequence[Named]) -> list[CellView]:
    """Return the cells of the one dataset and task that all *figures* can be of."""
    kinds: dict[tuple[str, ...], list[CellView]] = {}
    for cell in cells:
        kinds.setdefault(tuple(getattr(cell, key) for key in _GROUP), []).append(cell)
    telling = [one for one in figures if any(knows(cell, one) for cell in cells)]
    able = {
        kind: alike
        for kind, alike in kinds.items()
        if any(all(knows(cell, one) for one in telling) for cell in alike)
    } or kinds
    if len(able) == 1:
        return next(iter(able.values()))
    told = [f"{', '.join(kind)} ({len(alike)} cells)" for kind, alike in able.items()]
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    differing = next(key for i, key in enumerate(_GROUP) if len({kind[i] for kind in able}) > 1)
    value = next(iter(able))[_GROUP.index(differing)]
    raise UsageError(
        f"accuracies of different datasets or tasks do not compare: {'; '.join(told[:5])}{more}",
        hint=f"choose one, for example --where '{differing}={value}'",
    )


def _doubted(cell: CellView, code: str) -> bool:
    codes = {caveat.code for caveat in cell.caveats}
    return code in codes or code in cell.admitted
