"""To check a bundle, to derive its figures again and to measure it again."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchbench.api.measuring import run
from benchbench.api.stored import default_store, find_run
from benchbench.api.watching import RunOutcome
from benchbench.errors import BenchbenchError, SuiteError
from benchbench.files import user_cache
from benchbench.plan import make_plan
from benchbench.running import Interrupts, Watcher
from benchbench.suite.load import LoadedSuite

if TYPE_CHECKING:
    from benchbench import bundles
    from benchbench.bundles import BundleManifest, Reproduction, Unpacked


def reproduce(  # noqa: PLR0913 - a public verb: every option by keyword
    path: Path,
    settings: Iterable[str] = (),
    *,
    until: Literal["checked", "rederived", "measured"] = "measured",
    rebuild: bool = False,
    store: Path | None = None,
    cache: Path | None = None,
    watcher: Watcher | None = None,
    interrupts: Interrupts | None = None,
    command_line: Sequence[str] = (),
) -> Reproduction:
    """Check the bundle at *path*, derive its figures again, measure its suite again and compare.

    *until* says where to stop; nothing of the bundle is run before ``measured``. *settings* say
    where models and data lie that it does not hold. The new run goes to the store, the bundle's own
    to ``<store>/bundles/<sha256>``. With *rebuild* artifacts are built here even if the bundle has
    them. Raises :class:`~benchbench.errors.StoreError` for what is no archive.
    """
    from benchbench import bundles
    from benchbench.bundles import Reproduction

    checked, manifest = bundles.check(path)
    found = Reproduction(checked=checked)
    if manifest is None or checked.problems or until == "checked":
        return found
    where, wanted = store or default_store(), tuple(settings)
    with contextlib.ExitStack() as stack:
        folder = where / "bundles" / checked.sha256[:12]
        if until == "rederived":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "bundle"
        unpacked = bundles.unpacked(path, manifest, folder)
        cache = _bundle_cache(unpacked, manifest, cache, rebuild=rebuild)
        loaded, obstacle = _bundled_suite(unpacked, manifest, wanted)
        derived = bundles.rederive(unpacked.run, unpacked.view, manifest, loaded, cache)
    found = found.model_copy(update={"derived": derived})
    if until == "rederived":
        return found
    obstacle = obstacle or _unplannable(loaded, cache)
    if loaded is None or obstacle is not None:
        hint = bundles.missing(manifest.left_out)
        return found.model_copy(update={"obstacle": obstacle, "hint": hint})
    outcome = run(
        loaded,
        store=where,
        cache=cache,
        fresh=True,
        watcher=watcher,
        interrupts=interrupts,
        command_line=command_line,
    )
    packed = () if rebuild else manifest.artifacts
    return found.model_copy(update={"again": _judged(unpacked, outcome, where, packed)})


def _judged(
    unpacked: Unpacked, outcome: RunOutcome, store: Path, packed: Sequence[str]
) -> bundles.Again:
    """Return what a new run says of the bundle's own."""
    from benchbench import bundles
    from benchbench.comparing import of_run

    old = of_run(unpacked.run, "bundle")
    new = of_run(find_run(outcome.run, store=store), view=outcome.view)
    return bundles.judge(old, new, finished=outcome.finished, packed=packed)


def _bundle_cache(
    unpacked: Unpacked, manifest: BundleManifest, cache: Path | None, *, rebuild: bool
) -> Path:
    """Return where artifacts are: the bundle's own, none at all, or this machine's."""
    if rebuild:
        return unpacked.empty_cache
    return unpacked.cache if manifest.artifacts else cache or user_cache()


def _bundled_suite(
    unpacked: Unpacked, manifest: BundleManifest, settings: tuple[str, ...]
) -> tuple[LoadedSuite | None, str | None]:
    """Return the bundle's suite, or why it cannot be loaded here."""
    from benchbench import bundles

    plan = unpacked.run.manifest()
    try:
        return bundles.suite_of(plan, manifest, unpacked.files, settings), None
    except BenchbenchError as error:
        return None, _in_words(error)


def _unplannable(loaded: LoadedSuite | None, cache: Path) -> str | None:
    """Return why the cells of a suite cannot be planned here; None where they can."""
    try:
        _ = loaded and make_plan(loaded, cache)
    except BenchbenchError as error:
        return _in_words(error)
    return None


def _in_words(error: BenchbenchError) -> str:
    """Return every problem with its place, without the hints."""
    told = error.problems if isinstance(error, SuiteError) else (error,)
    return "; ".join(f"{one.place}: {one.message}" if one.place else one.message for one in told)
