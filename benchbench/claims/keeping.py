"""Claims on disk: ``<run>/claims/<id>.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from benchbench.claims_view import Claim
from benchbench.errors import StoreError, UsageError
from benchbench.files import make_folder, write_json
from benchbench.plugins import suggest
from benchbench.store import Run, Store

FOLDER = "claims"
_LARGEST = 2_000_000
_PREFIX = re.compile(r"(?:bb-)?[0-9a-f]{1,8}", re.ASCII)


def keep(run: Run, claim: Claim) -> Claim:
    """Store *claim* in its run; one that is there with the same words stays. Return what is."""
    path = run.folder / FOLDER / f"{claim.id}.json"
    before = read(path) if path.is_file() else None
    if before and before.model_copy(update={"created": claim.created}) == claim:
        return before
    make_folder(path.parent)
    write_json(path, claim.model_dump(mode="json"))
    return claim


def read(path: Path) -> Claim:
    """Return the claim in a file; raise StoreError for a file that holds none."""
    hint = "benchbench claim RUN '<quantity> of <cell>' makes it again"
    try:
        if path.stat().st_size > _LARGEST:
            raise StoreError(f"{path} is too large for a claim", hint=hint)
        return Claim.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", hint=hint) from None
    except (ValueError, ValidationError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise StoreError(f"{path} is not a claim: {first}", hint=hint) from None


def paths(store: Store) -> Iterator[tuple[Run, Path]]:
    """Yield where every claim of the store lies, of the run used last first."""
    for run in store.runs():
        yield from ((run, path) for path in sorted((run.folder / FOLDER).glob("bb-*.json")))


def find(store: Store, name: str) -> Claim:
    """Return the claim whose id begins with *name*, with or without ``bb-``.

    Raises :class:`~benchbench.errors.UsageError` where none or several do.
    """
    wanted = name.strip().lower()
    known = {path.stem: path for _, path in paths(store)}
    if not _PREFIX.fullmatch(wanted):
        hint = "an id is bb- and eight hexadecimal digits; a file ends in .json"
        raise UsageError(f"'{name[:60]}' is no claim's id", hint=hint)
    head = wanted if wanted.startswith("bb-") else f"bb-{wanted}"
    found = [one for one in known if one.startswith(head)]
    if not found:
        hint = suggest(head, [*known][:200]) if known else "benchbench claim RUN --all makes some"
        raise UsageError(f"no run of {store.folder} has the claim '{head}'", hint=hint)
    if len(found) > 1:
        raise UsageError(
            f"'{name}' may be {len(found)} claims", hint=f"write more of it: {', '.join(found[:6])}"
        )
    return read(known[found[0]])
