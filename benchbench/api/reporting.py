"""To show a run, and to write and hand out its reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbench import plugins
from benchbench.api.stored import default_store, find_run
from benchbench.assemble import run_view
from benchbench.brand import Brand, read_brand
from benchbench.errors import MissingDependency, SuiteError, UsageError
from benchbench.files import make_folder, user_cache, write_atomic
from benchbench.protocols import Foldered
from benchbench.store import Run, Store
from benchbench.suite.document import load as load_yaml
from benchbench.suite.load import reload_suite
from benchbench.view import RunView

if TYPE_CHECKING:
    import pandas as pd

    from benchbench.history_view import HistoryView


def show(
    name: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    gallery: int = 0,
    disagree: Sequence[tuple[str, str]] = (),
    trends: Sequence[str] = (),
    cache: Path | None = None,
) -> RunView:
    """Return a run with its derived statistics, and the history of each figure of *trends*.

    With *gallery* it has so many pictures of each cell, and of each pair of cells that are
    compared (or of the pairs *disagree*, named as in :func:`diagnose`). Then *settings* do not
    narrow the runs: they say where the data lie now. Data that are not there cost the pictures
    and nothing else; ``gallery_notes`` tells why. Raises
    :class:`~benchbench.errors.UsageError` for cells of *disagree* that no picture can compare.
    """
    from benchbench.gallery.making import Request as GalleryRequest
    from benchbench.gallery.making import make as make_gallery

    current = find_run(name, () if gallery else settings, store=store)
    found = [history(one, current.id, store=store) for one in dict.fromkeys(trends)]
    view = run_view(current).model_copy(update={"trends": tuple(found)})
    if not gallery:
        return view
    manifest = current.manifest()
    asked = GalleryRequest(gallery, tuple(_both(current, *names) for names in disagree))
    try:
        text, file = manifest.suite_text, manifest.suite_file
        datasets = reload_suite(text, file, manifest.settings, settings).datasets
    except SuiteError as error:
        return view.model_copy(update={"gallery_notes": (f"no pictures: {error}",)})
    made = make_gallery(current, view, datasets, cache or user_cache(), asked)
    return view.model_copy(update={"gallery": made.items, "gallery_notes": made.notes})


def _both(run: Run, first: str, second: str) -> tuple[str, str]:
    from benchbench.diagnosis.attribute import find_cell
    from benchbench.gallery.choosing import alike

    one, other = (find_cell(run, name).cell for name in (first, second))
    if not alike(one, other):
        raise UsageError(
            f"'{first}' and '{second}' were not scored on the same images of one task",
            hint="name two cells of one dataset and split",
        )
    return one.id, other.id


def frame(name: str, *, store: Path | None = None) -> pd.DataFrame:
    """Return a run as a pandas frame: one row a cell, flat columns with units in their names.

    Absent values are missing (NaN in numeric columns is pandas' own way to say so). Raises
    :class:`~benchbench.errors.MissingDependency` without pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependency("pandas", "pandas") from error
    from benchbench.flat import rows

    return pd.DataFrame(rows(show(name, store=store)))


def report(  # noqa: PLR0913 - a public verb: every option by keyword
    name: str,
    formats: Sequence[str],
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    out: Path | None = None,
    gallery: int = 0,
    trends: Sequence[str] = (),
    brand: Brand | None = None,
) -> list[Path]:
    """Write a run's reports to ``reports/<run>/`` (or *out*); return the files.

    *gallery* and *trends* are those of :func:`show`; *brand* goes to the formats that take one.
    Raises :class:`~benchbench.errors.PluginError` for an unknown format.
    """
    view = show(name, settings, store=store, gallery=gallery, trends=trends)
    return write_reports(view, formats, out=out, brand=brand)


def brand_of(path: Path) -> Brand:
    """Return the brand that a YAML file gives; its logo lies in the file's folder.

    Raises :class:`~benchbench.errors.SuiteError` for YAML that cannot be read,
    :class:`~benchbench.errors.UsageError` for a wrong key or value.
    """
    return read_brand(load_yaml(path).data, path.parent, path.name)


def usual_formats() -> list[str]:
    """Return the formats that are written where none is named: not those made for one CI system."""
    every = plugins.names("reports")
    return [name for name in every if getattr(plugins.load("reports", name), "usual", True)]


def write_reports(
    view: RunView,
    formats: Sequence[str],
    *,
    out: Path | None = None,
    brand: Brand | None = None,
) -> list[Path]:
    """Write reports of a run that is already read; see :func:`report`."""
    makers = [_maker(kind, brand) for kind in formats]
    folder = make_folder(out or Path("reports") / view.run)
    return [_write_files(maker, view, folder) for maker in makers]


def _maker(kind: str, brand: Brand | None) -> Any:
    """Return the report plug-in *kind*, with the brand if it takes one."""
    branded = brand is not None and "brand" in plugins.load("reports", kind).model_fields
    return plugins.build("reports", {"kind": kind, **({"brand": brand} if branded else {})})


def _write_files(maker: Any, view: RunView, folder: Path) -> Path:
    """Write a report, and what lies beside it; return the path of the report."""
    several = isinstance(maker, Foldered)
    files = maker.files(view) if several else {maker.file_name: maker.render(view)}
    for name, data in files.items():
        path = folder / name
        make_folder(path.parent)
        write_atomic(path, data)
    return folder / str(maker.file_name)


def write_report(view: RunView, kind: str, path: Path) -> None:
    """Write one report of a run that is already read to *path*; see :func:`report`."""
    make_folder(path.parent)
    write_atomic(path, rendered(view, kind))


def rendered(view: RunView, kind: str) -> bytes:
    """Return one report of a run; raise PluginError for an unknown format."""
    made: bytes = plugins.build("reports", {"kind": kind}).render(view)
    return made


def export(
    name: str,
    to: str,
    options: Mapping[str, Any] | None = None,
    *,
    formats: Sequence[str] = (),
    settings: Iterable[str] = (),
    store: Path | None = None,
    out: Path | None = None,
) -> str:
    """Hand a run and the reports *formats* to another system; return where it went.

    *to* names an exporter, *options* are its own. Reports are written to ``reports/<run>/`` (or
    *out*). Raises :class:`~benchbench.errors.PluginError` for an unknown exporter, format or
    option, the exporter's own error for what the other system refuses.
    """
    exporter = plugins.build("exporters", {"kind": to, **(options or {})})
    view = show(name, settings, store=store)
    files = write_reports(view, formats, out=out) if formats else []
    where: str = exporter.export(view, files)
    return where


def history(
    quantity: str,
    suite: str | None = None,
    *,
    where: Sequence[str] = (),
    cell: str | None = None,
    since: str | None = None,
    store: Path | None = None,
) -> HistoryView:
    """Return a figure of each cell over the runs of a suite, and where it changed.

    *suite*: its name or a run of it, the one used last by default. *where*: ``key=glob``; *cell*: a
    pattern of labels; *since*: an ISO date. Raises :class:`~benchbench.errors.UsageError` for names
    that nothing has.
    """
    from benchbench.history import Wanted
    from benchbench.history import history as history_of

    wanted = Wanted(quantity=quantity, suite=suite, where=tuple(where), cell=cell, since=since)
    return history_of(Store(store or default_store()), wanted)


def history_page(view: HistoryView) -> bytes:
    """Return a history as a self-contained HTML page."""
    from benchbench.history import page as page_of_history

    return page_of_history(view)
