"""Baselines on disk: in the store by name, or as a file of one's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from benchbench.baselines.format import FORMAT, MOST_BYTES, Baseline
from benchbench.errors import StoreError, UsageError
from benchbench.files import make_folder, store_errors, write_atomic
from benchbench.plugins import suggest
from benchbench.store import Store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)


def check_name(name: str) -> str:
    """Return *name* if a baseline may have it; raise UsageError if not."""
    if not _NAME.fullmatch(name) or name == "latest":
        raise UsageError(
            f"'{name[:80]}' cannot name a baseline",
            hint="letters, digits, '-', '_' and '.', at most 64; for example main or v1.2",
        )
    return name


def path_of(store: Store, name: str) -> Path:
    """Return where *store* keeps the baseline *name*."""
    return store.folder / "baselines" / f"{check_name(name)}.json"


def write(baseline: Baseline, path: Path) -> int:
    """Write *baseline* to *path*, making its folder; return its size in bytes."""
    body = baseline.model_dump(mode="json", exclude_defaults=True)
    body = {"schema": FORMAT, **body}
    data = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False).encode()
    make_folder(path.parent)
    write_atomic(path, data)
    return len(data)


def read(path: Path) -> Baseline:
    """Return the baseline at *path*.

    Raises :class:`~benchbench.errors.StoreError` for a file that is none, is damaged, too large or
    of a newer benchbench.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", hint=_HINT) from None
    if len(data) > MOST_BYTES:
        raise StoreError(f"{path} is larger than {MOST_BYTES // 10**6} MB", hint=_HINT)
    try:
        return Baseline.model_validate(_document(json.loads(data, parse_constant=_refuse), path))
    except (ValueError, ValidationError, RecursionError, OverflowError) as error:
        raise StoreError(f"{path} is no baseline: {_first(error)}", hint=_HINT) from None


_HINT = "benchbench baseline save NAME RUN --file PATH writes one"


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])[:120]
        return f"{where}: {found['msg']}" if where else str(found["msg"])
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _document(body: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("schema"), int):
        raise ValueError("it has no schema number")  # noqa: TRY004 - told as every other fault
    number = body.pop("schema")
    if number > FORMAT:
        raise StoreError(
            f"{path} has format {number}; this benchbench reads up to {FORMAT}",
            hint="pip install --upgrade benchbench",
        )
    return body


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that a baseline holds")


def names(store: Store) -> list[str]:
    """Return the names of the baselines that *store* keeps, sorted."""
    folder = store.folder / "baselines"
    if not folder.is_dir():
        return []
    return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))


def find(store: Store, name: str) -> Baseline:
    """Return the baseline *name* of *store*; raise UsageError if it has none of that name."""
    known = names(store)
    if name not in known:
        hint = suggest(name, known) if known else "benchbench baseline save NAME RUN makes one"
        raise UsageError(f"no baseline '{name[:80]}' in {store.folder}", hint=hint)
    return read(path_of(store, name))


def remove(store: Store, name: str) -> None:
    """Remove the baseline *name*; raise UsageError if there is none."""
    if name not in names(store):
        raise UsageError(
            f"no baseline '{name[:80]}' in {store.folder}", hint=suggest(name, names(store))
        )
    path = path_of(store, name)
    with store_errors(path):
        path.unlink()
