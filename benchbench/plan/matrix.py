"""Which combinations a suite asks for: the matrix, minus its rules, plus its extra cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from benchbench import plugins
from benchbench.suite.document import Trail
from benchbench.suite.load import LoadedSuite
from benchbench.suite.model import DatasetEntry, GivenEntry, ModelEntry, Rule
from benchbench.types import AskedPrecision


@dataclass(frozen=True, slots=True)
class Combination:
    """One point of the matrix, with the place in the file to blame."""

    model: ModelEntry | GivenEntry
    runtime: Any
    """The suite's entry, which is the plug-in too; None where predictions are given."""
    precision: AskedPrecision
    device: str
    batch: int
    dataset: DatasetEntry
    trail: Trail

    @property
    def runtime_name(self) -> str:
        """The runtime's label in tables; that of none, where predictions are given."""
        if self.runtime is None:
            return "predictions"
        return str(self.runtime.name or self.runtime.kind)

    @property
    def names(self) -> dict[str, str]:
        """What rules pick cells by, beside the batch."""
        return {
            "model": self.model.name,
            "runtime": self.runtime_name,
            "precision": self.precision,
            "device": self.device,
            "dataset": self.dataset.name,
        }


def combinations(loaded: LoadedSuite) -> Iterator[Combination]:
    """Yield what is left of the matrix after the rules, then the extra cells.

    Raises SuiteError for a name that the suite does not have, and for a rule that excludes nothing.
    """
    rules = loaded.suite.exclude
    used = [False] * len(rules)
    _check_rules(loaded)
    for combination in _matrix(loaded):
        hits = [_matches(rule, combination) for rule in rules]
        used = [a or b for a, b in zip(used, hits, strict=True)]
        if not any(hits):
            yield combination
    idle = next((i for i, was_used in enumerate(used) if not was_used), None)
    if idle is not None:
        raise loaded.error("this rule excludes no cell", ("exclude", idle))
    yield from _extras(loaded)


def _matrix(loaded: LoadedSuite) -> Iterator[Combination]:
    for index, model in enumerate(loaded.suite.models):
        for dataset in _datasets(loaded, index, model):
            if isinstance(model, GivenEntry):
                yield Combination(model, None, "given", "cpu", 1, dataset, ("models", index))
            else:
                yield from _runs(loaded, index, model, dataset)


def _datasets(
    loaded: LoadedSuite, index: int, model: ModelEntry | GivenEntry
) -> Iterator[DatasetEntry]:
    """Yield what the model is evaluated on, damaged images behind those they are made of."""
    for name in model.datasets or ():
        _named(loaded, "dataset", name, ("models", index, "datasets"))
    for dataset in loaded.suite.datasets:
        base = loaded.bases.get(dataset.name)
        if base and isinstance(model, GivenEntry):
            continue  # nothing can be done to images that were predicted on elsewhere
        if model.datasets is None or {dataset.name, base} & set(model.datasets):
            yield dataset


def _runs(
    loaded: LoadedSuite, index: int, model: ModelEntry, dataset: DatasetEntry
) -> Iterator[Combination]:
    suite = loaded.suite
    if not suite.runtimes:
        raise loaded.error(
            f"nothing runs the model '{model.name}': the suite has no 'runtimes'",
            ("models", index),
            "for example: runtimes: [onnxruntime]",
        )
    for number, runtime in enumerate(suite.runtimes):
        trail: Trail = ("runtimes", number)
        for precision in runtime.precisions:
            for device in runtime.devices or suite.devices:
                for batch in runtime.batch_sizes or suite.batch_sizes:
                    yield Combination(model, runtime, precision, device, batch, dataset, trail)


def _extras(loaded: LoadedSuite) -> Iterator[Combination]:
    for index, extra in enumerate(loaded.suite.include):
        trail: Trail = ("include", index)
        model = _named(loaded, "model", extra.model, trail)
        if isinstance(model, GivenEntry):
            raise loaded.error(
                f"the model '{model.name}' is given by its predictions: no runtime runs it",
                (*trail, "model"),
            )
        yield Combination(
            model,
            _named(loaded, "runtime", extra.runtime, trail),
            extra.precision,
            extra.device,
            extra.batch,
            _named(loaded, "dataset", extra.dataset, trail),
            trail,
        )


def _check_rules(loaded: LoadedSuite) -> None:
    for index, rule in enumerate(loaded.suite.exclude):
        for what in ("model", "runtime", "dataset"):
            for name in getattr(rule, what):
                if not any(c in name for c in "*?["):
                    _named(loaded, what, name, ("exclude", index))


def _named(loaded: LoadedSuite, what: str, name: str, trail: Trail) -> Any:
    """Return the suite's model, runtime or dataset of this name."""
    entries = {e.name or e.kind: e for e in getattr(loaded.suite, f"{what}s")}
    if name not in entries:
        raise loaded.error(
            f"no {what} named '{name}' in this suite",
            (*trail, what),
            plugins.suggest(name, entries),
        )
    return entries[name]


def _matches(rule: Rule, at: Combination) -> bool:
    if rule.batch is not None and at.batch not in rule.batch:
        return False
    return all(
        any(fnmatchcase(value, pattern) for pattern in getattr(rule, what))
        for what, value in at.names.items()
    )
