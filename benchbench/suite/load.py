"""Find a suite by name or path and load it with its dataset cards."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.corruptions import Corruption
from benchbench.errors import SuiteError, UsageError
from benchbench.files import is_file
from benchbench.suite import document as yaml_document
from benchbench.suite.document import Document, Trail
from benchbench.suite.model import Suite, card_folder, card_type, suite_folder, suite_type
from benchbench.suite.validate import combine, validate
from benchbench.suite.variables import parse_settings, resolve


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A validated suite, where it came from, and its datasets' plug-ins by entry name."""

    suite: Suite
    document: Document
    settings: Mapping[str, Any]
    datasets: Mapping[str, Any]
    bases: Mapping[str, str] = field(default_factory=dict)
    """Name of a dataset that ``corruptions`` made → the entry that it was made from."""

    def dataset_trail(self, entry: Any) -> Trail:
        """Return where *entry* stands in the file."""
        name = self.bases.get(entry.name, entry.name)
        names = [one.name for one in self.suite.datasets]
        return ("datasets", names.index(name))

    @property
    def slices(self) -> Mapping[str, Any]:
        """The slices that are asked for, by the dataset's entry name."""
        return {entry.name: entry.slices for entry in self.suite.datasets}

    @property
    def sha256(self) -> str:
        """Digest of the file's text."""
        return hashlib.sha256(self.document.text.encode()).hexdigest()

    def error(self, message: str, trail: Trail, hint: str | None = None) -> SuiteError:
        """Return an error that points at *trail*."""
        return SuiteError(message, hint=hint, place=self.document.place(trail))


def find(name: str) -> Path:
    """Return the path of a suite given by path or by name (``quickstart``)."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or os.sep in name:
        if not is_file(path):
            raise UsageError(f"no suite at {path}", hint="benchbench suites lists the ones by name")
        return path
    for folder in suite_folder():
        if is_file(found := folder / f"{name}.yaml"):
            return found
    known = [p.stem for folder in suite_folder() for p in folder.glob("*.yaml")]
    raise UsageError(f"no suite named '{name}'", hint=plugins.suggest(name, known))


def load_suite(name: str, settings: Iterable[str] = ()) -> LoadedSuite:
    """Load, substitute and validate the suite *name*; raise with file:line:column."""
    return _load(yaml_document.load(find(name)), parse_settings(settings))


def reload_suite(
    text: str, file: str, stored: Mapping[str, Any], settings: Iterable[str]
) -> LoadedSuite:
    """Load a suite again from the text that a run stored; *settings* go before the run's own."""
    return _load(yaml_document.parse(text, file), {**stored, **parse_settings(settings)})


def _load(raw: Document, values: Mapping[str, Any]) -> LoadedSuite:
    document = resolve(raw, values, os.environ)
    suite = validate(document, suite_type())
    datasets, problems = {}, []
    for index, entry in enumerate(suite.datasets):
        try:
            datasets[entry.name] = _dataset(entry, document, ("datasets", index))
        except SuiteError as error:
            problems.append(error)
    if problems:
        raise combine(problems)
    return _with_corrupted(LoadedSuite(suite, document, values, datasets))


def _with_corrupted(loaded: LoadedSuite) -> LoadedSuite:
    """Return *loaded* with a dataset entry for each corruption and severity that is asked for."""
    entries, datasets = list(loaded.suite.datasets), dict(loaded.datasets)
    bases: dict[str, str] = {}
    for index, entry in enumerate(loaded.suite.datasets):
        for made in _corrupted(entry):
            if made.name in datasets:
                trail = ("datasets", index, "corruptions")
                raise loaded.error(f"the name '{made.name}' is used twice", trail)
            datasets[made.name], bases[made.name] = datasets[entry.name], entry.name
            entries.append(made)
    suite = loaded.suite.model_copy(update={"datasets": tuple(entries)})
    return replace(loaded, suite=suite, datasets=datasets, bases=bases)


def _corrupted(entry: Any) -> Iterator[Any]:
    asked = entry.corruptions
    for name in asked.names if asked else ():
        for severity in asked.severities:
            corrupt = Corruption(name=name, severity=severity, seed=asked.seed)
            called = f"{entry.name} {name} {severity}"
            yield entry.model_copy(
                update={"name": called, "corrupt": corrupt, "corruptions": None, "slices": ()}
            )


def _dataset(entry: Any, document: Document, trail: Trail) -> Any:
    """Return the dataset plug-in that *entry* names."""
    if (entry.card is None) == (entry.source is None):
        raise SuiteError(
            f"dataset '{entry.name}' needs either 'card' or 'source'", place=document.place(trail)
        )
    if entry.source is not None:
        return entry.source
    return load_card(find_card(entry.card, document, (*trail, "card")))


def find_datasets(name: str, settings: Iterable[str] = ()) -> dict[str, Any]:
    """Return the dataset plug-ins that *name* stands for, by name.

    *name* is a card or a suite, by name or path; of a suite all datasets, with *settings* applied.
    Raises SuiteError for a file that is neither, UsageError for a name that is unknown.
    """
    path = _card_path(name)
    if path is None:
        return dict(load_suite(name, settings).datasets)
    return {path.stem: load_card(path)}


def _card_path(name: str) -> Path | None:
    """Return the card that *name* stands for; None if it is a suite, or nothing."""
    if not name.endswith((".yaml", ".yml")):
        found = (folder / f"{name}.yaml" for folder in card_folder())
        return next((path for path in found if is_file(path)), None)
    data = yaml_document.load(Path(name)).data
    return None if isinstance(data, dict) and "models" in data else Path(name)


def load_card(path: Path) -> Any:
    """Return the dataset plug-in that a card describes; paths in it count from the card."""
    card = yaml_document.load(path)
    plugin = validate(card, card_type())
    root = getattr(plugin, "root", None)
    if isinstance(root, Path) and not root.is_absolute():
        return plugin.model_copy(update={"root": path.parent / root})
    return plugin


def find_card(name: str, document: Document, trail: Trail) -> Path:
    """Return the path of a dataset card given by path (from the suite) or by name."""
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        path = Path(document.file).parent / name
        if is_file(path):
            return path
        raise SuiteError(
            f"no dataset card at {path}",
            hint="a relative path counts from the suite's folder",
            place=document.place(trail),
        )
    for folder in card_folder():
        if is_file(found := folder / f"{name}.yaml"):
            return found
    known = [p.stem for folder in card_folder() for p in folder.glob("*.yaml")]
    raise SuiteError(
        f"no dataset card named '{name}'",
        hint=plugins.suggest(name, known),
        place=document.place(trail),
    )
