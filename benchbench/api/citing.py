"""Claims that may be quoted, and proposals that quote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.api.stored import default_store, find_run
from benchbench.store import Store

if TYPE_CHECKING:
    from benchbench.claims_view import Claim, Linted, Verification


def claim(
    name: str, text: str, settings: Iterable[str] = (), *, store: Path | None = None
) -> Claim:
    """Return the sentence that may be quoted of a run, and keep it there.

    *text*: ``<quantity> of <cell> [vs <cell>]``. Raises :class:`~benchbench.errors.UsageError` for
    what it does not know, and for what may not be claimed.
    """
    from benchbench.claims import keep, make, read_asked
    from benchbench.comparing import of_run

    current = find_run(name, settings, store=store)
    source = of_run(current)
    return keep(current, make(source, read_asked(text, source.view)))


def claims(
    name: str = "latest", settings: Iterable[str] = (), *, store: Path | None = None
) -> list[Claim]:
    """Return every claim that a run supports, and keep them there."""
    from benchbench.claims import keep, supported
    from benchbench.comparing import of_run

    current = find_run(name, settings, store=store)
    return [keep(current, one) for one in supported(of_run(current))]


def verify_claim(name: str, *, store: Path | None = None) -> Verification:
    """Return whether a claim follows from raw samples; *name* is its id, or a file ``*.json``.

    Raises :class:`~benchbench.errors.UsageError` for an id that no run has,
    :class:`~benchbench.errors.StoreError` for a file that is no claim.
    """
    from benchbench.claims import find, read_claim, verify

    where = Store(store or default_store())
    kept = read_claim(Path(name)) if name.endswith(".json") else find(where, name)
    return verify(where, kept)


def lint_claims(
    path: Path, *, run: str | None = None, check: bool = True, store: Path | None = None
) -> Linted:
    """Return the sentences of a proposal that cite a figure wrongly.

    *run* is where alone a figure without a claim is looked for; with *check* each cited claim is
    derived anew. Raises :class:`~benchbench.errors.UsageError` for a file that cannot be used.
    """
    from benchbench.claims import lint

    where = Store(store or default_store())
    return lint(path, where, run=where.run(run) if run else None, check=check)
