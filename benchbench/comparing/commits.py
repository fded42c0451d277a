"""The run that was made of a git commit."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

from benchbench.errors import StoreError, UsageError
from benchbench.store import Run, Store

_SHORT = 10
_TOLD = 6
_WAIT_S = 10


def run_of_commit(store: Store, ref: str, suite: str | None) -> Run:
    """Return the newest run of *suite* whose recorded commit is that of *ref* in this folder.

    A run that was made with local changes is of no commit. Raises
    :class:`~benchbench.errors.UsageError` where git does not know *ref*, or no run is of it.
    """
    commit = commit_of(ref)
    known = list(_commits(store))
    for run, made in known:
        if made == commit and suite in (None, run.manifest().suite):
            return run
    of = f" of the suite {suite}" if suite else ""
    raise UsageError(
        f"no run{of} was made of {ref}, commit {commit[:_SHORT]}, without local changes",
        hint=_hint([made for run, made in known if suite in (None, run.manifest().suite)]),
    )


def _hint(known: list[str]) -> str:
    told = [one[:_SHORT] for one in dict.fromkeys(known)][:_TOLD]
    if told:
        return f"commits that have runs: {', '.join(told)}"
    return "no run was made of a commit: run the suite in a folder that git knows, all committed"


def commit_of(ref: str) -> str:
    """Return the commit that git knows as *ref* here; raise UsageError if it knows none."""
    asked = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_WAIT_S, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise UsageError(
            f"git cannot be asked for '{ref[:80]}'", hint="name the run by its id instead"
        ) from None
    if done.returncode or not done.stdout.strip():
        raise UsageError(
            f"git knows no commit '{ref[:80]}' here",
            hint="call it inside the repository, or name the run by its id",
        )
    return done.stdout.strip()


def _commits(store: Store) -> Iterator[tuple[Run, str]]:
    """Yield the runs of a commit, the newest first; one that is damaged is of none."""
    for run in store.runs():
        try:
            git: Any = run.last_invocation().environment.get("git")
        except StoreError:
            continue
        if isinstance(git, dict) and git.get("commit") and not git.get("dirty"):
            yield run, str(git["commit"])
