"""To pack a run into one archive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench import plugins
from benchbench.api.stored import find_run, reloaded
from benchbench.assemble import run_view
from benchbench.errors import BenchbenchError
from benchbench.files import sha256_file, user_cache
from benchbench.protocols import Foldered
from benchbench.view import RunView

if TYPE_CHECKING:
    from benchbench import bundles
    from benchbench.bundles import Content


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was just written."""

    path: Path
    bytes: int
    sha256: str
    content: Content


BUNDLED_REPORTS = ("html", "markdown", "json", "csv")


def bundle(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str = "latest",
    settings: Iterable[str] = (),
    *,
    out: Path | None = None,
    formats: Sequence[str] | None = None,
    with_models: bool = False,
    with_data: bool = False,
    logs: bool = True,
    store: Path | None = None,
    cache: Path | None = None,
    tell: Callable[[Content], None] | None = None,
) -> Bundled:
    """Pack a run into one archive (``<run>.bundle.zip`` or *out*); equal runs give equal bytes.

    *formats*: reports that it holds; by default the usual ones that can be rendered here. *tell* is
    given what will be packed, with its sizes, before anything is written. Raises
    :class:`~benchbench.errors.UsageError` for a run without results,
    :class:`~benchbench.errors.StoreError` for one that was damaged.
    """
    from benchbench import bundles

    current = find_run(name, settings, store=store)
    inputs = bundles.Inputs()
    view = run_view(current)
    reports = _bundled_reports(view, formats, inputs)
    try:
        loaded = reloaded(current, ())
    except BenchbenchError:
        loaded = None
    cache = cache or user_cache()
    bundles.add_models(inputs, current, loaded, wanted=with_models)
    if with_models:
        bundles.add_artifacts(inputs, current, cache)
    bundles.add_data(inputs, current, loaded, cache, wanted=with_data)
    content = bundles.collect(current, view, reports, inputs, logs=logs)
    if tell is not None:
        tell(content)
    path = out or Path(bundles.default_name(current))
    bundles.write_bundle(path, content.members, content.manifest)
    return Bundled(path, path.stat().st_size, sha256_file(path), content)


def _bundled_reports(
    view: RunView, formats: Sequence[str] | None, inputs: bundles.Inputs
) -> dict[str, bytes]:
    """Return reports by file name; of the usual ones, what cannot be rendered is said."""
    from benchbench.bundles import LeftOut

    found: dict[str, bytes] = {}
    for kind in formats or BUNDLED_REPORTS:
        try:
            maker = plugins.build("reports", {"kind": kind})
            several = isinstance(maker, Foldered)
            found |= maker.files(view) if several else {maker.file_name: maker.render(view)}
        except BenchbenchError as error:
            if formats:
                raise
            inputs.left_out.append(LeftOut(what=f"report {kind}", why=error.message))
    return found
