"""Accuracy from stored predictions, and the data that it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbench import plugins
from benchbench.api.stored import find_run, predicted, reloaded
from benchbench.assemble import run_view
from benchbench.confidence import PowerOf, powers
from benchbench.errors import UsageError
from benchbench.files import make_folder, user_cache, write_atomic
from benchbench.scoring import Scorer
from benchbench.stats.power import Question
from benchbench.suite.load import find_datasets, reload_suite
from benchbench.types import TaskName
from benchbench.view import RunView

if TYPE_CHECKING:
    from benchbench.cases import Case
    from benchbench.inspecting import Inspection
    from benchbench.rescoring.account import Rescoring


def score(
    name: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> RunView:
    """Compute the accuracy figures of a run again from its stored predictions; needs no device.

    *settings* replace those of the run, for example where the dataset lies now. Raises
    :class:`~benchbench.errors.DatasetError` if the dataset is not the one that was predicted on.
    """
    current = find_run(name, store=store)
    loaded = reloaded(current, settings)
    scorer = Scorer(current, loaded.datasets, cache or user_cache(), loaded.slices)
    scored = [scorer.again(result) for result in predicted(current)]
    for result in scored:
        current.put(result)
    return run_view(current)


def rescore(
    name: str,
    tool: str,
    settings: Iterable[str] = (),
    *,
    store: Path | None = None,
    cache: Path | None = None,
) -> Rescoring:
    """Return what *tool*'s published rules make of a run's stored predictions, and why.

    Nothing that is stored changes. *settings* as for :func:`score`. Raises
    :class:`~benchbench.errors.UsageError` for a tool that is not known or has no rules for the
    run's tasks, :class:`~benchbench.errors.MissingDependency` for a package that it needs.
    """
    from benchbench.rescoring.account import Rescorer, Rescoring, skipped
    from benchbench.rescoring.tools import rules_of

    current = find_run(name, store=store)
    results = [result for result in predicted(current) if result.scores]
    loaded = reloaded(current, settings)
    rules = rules_of(tool, [result.cell.task for result in results])
    scorer = Rescorer(current, loaded.datasets, cache or user_cache())
    known = [result for result in results if result.cell.task in rules]
    return Rescoring(
        run=current.id,
        tool=tool,
        cells=tuple(scorer.rescored(one, tool, rules[one.cell.task]) for one in known),
        skipped=tuple(skipped(one.cell) for one in results if one not in known),
    )


def cases(
    name: str,
    settings: Iterable[str] = (),
    *,
    metrics: Sequence[str] = (),
    by_class: bool = False,
    store: Path | None = None,
    cache: Path | None = None,
) -> list[Case]:
    """Return the accuracy of a run image by image; *metrics* picks some by name.

    *settings* replace those of the run, for example where the dataset lies now: it gives the file
    names. Raises :class:`~benchbench.errors.UsageError` if the run has no such values.
    """
    from benchbench.cases import cases as by_image

    current = find_run(name, store=store)
    manifest = current.manifest()
    loaded = reload_suite(manifest.suite_text, manifest.suite_file, manifest.settings, settings)
    scorer = Scorer(current, loaded.datasets, cache or user_cache())
    options: dict[str, Any] = {"metrics": metrics, "by_class": by_class}
    found = [
        case
        for result in current.results()
        for case in by_image(current, result, scorer.file_names(result.cell), **options)
    ]
    if not found:
        told = f"the metric {' or '.join(metrics)}" if metrics else "a metric"
        raise UsageError(
            f"no cell of the run {current.id} has {told} that can be formed of single images",
            hint="benchbench show RUN --json names the metrics, under 'intervals'",
        )
    return found


def power(
    name: str,
    settings: Iterable[str] = (),
    *,
    points: float = 0.5,
    store: Path | None = None,
) -> list[PowerOf]:
    """Return how many images it takes to tell the cells of an earlier run from fp32.

    *points* is the difference of the primary metric to be shown, in hundredths, at 80 % power and
    95 % confidence. Raises :class:`~benchbench.errors.UsageError` if no run tells.
    """
    current = find_run(name, settings, store=store)
    results = {result.cell.id: result for result in current.results()}
    found = powers(current, run_view(current).cells, results, Question(difference=points / 100))
    if not found:
        raise UsageError(
            f"the run {current.id} compares nothing with fp32",
            hint="run a suite with fp32 and another precision of one model first",
        )
    return found


def inspect(
    name: str,
    dataset: str | None = None,
    splits: Sequence[str] = (),
    *,
    task: TaskName = "detection",
    sheet: Path | None = None,
    settings: Iterable[str] = (),
    cache: Path | None = None,
) -> list[Inspection]:
    """Return what spoils a benchmark on the datasets of *name*, a card or a suite.

    *sheet* is a folder for a contact sheet of each split. Raises
    :class:`~benchbench.errors.UsageError` for names that are not there.
    """
    from benchbench.inspecting import inspect as inspect_dataset
    from benchbench.inspecting.sheet import contact_sheet

    found = find_datasets(name, settings)
    if dataset is not None and dataset not in found:
        hint = plugins.suggest(dataset, found)
        raise UsageError(f"'{name}' has no dataset named '{dataset}'", hint=hint)
    wanted = found if dataset is None else {dataset: found[dataset]}
    inspections = []
    for label, plugin in wanted.items():
        made, loaded = inspect_dataset(label, plugin, splits, task, cache or user_cache())
        inspections.append(made)
        for split, one in loaded.items() if sheet else ():
            folder = make_folder(sheet) if sheet else Path()
            write_atomic(folder / f"{label}-{split}.png", contact_sheet(one, made.troubles))
    return inspections
