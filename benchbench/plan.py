"""From a suite to cells: everything is checked here, before anything runs.

A cell's id digests what its result depends on: content of model and dataset, conversion chain,
options, versions. Folders do not enter, so data that moved costs nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

from benchbench import plugins
from benchbench.chains import Route, find_route
from benchbench.classes import check_classes, class_map
from benchbench.contents import (
    Contents,
    HashCache,
    check_disjoint,
    check_unlike,
    contents,
    drawn,
    limited,
)
from benchbench.errors import BenchbenchError, MissingDependency, SuiteError
from benchbench.likeness import PrintCache
from benchbench.measure.cpus import one_each, physical_cores
from benchbench.protocols import Bound, Probing
from benchbench.slicing import cut
from benchbench.store import PlannedCell
from benchbench.suite.document import Trail
from benchbench.suite.load import LoadedSuite
from benchbench.suite.model import GivenEntry
from benchbench.suite.validate import combine
from benchbench.types import (
    RESULT_SCHEMA,
    AskedPrecision,
    Cell,
    DatasetCard,
    DatasetSplit,
    Failure,
    Precision,
    Reference,
    Step,
    Variant,
    digest,
)

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
BASE = ("benchbench", "hotcoco", "numpy", "pillow")
"""Packages whose version every result depends on: they read images and compute scores."""
PARITY_IMAGES = 8
"""How many images of the evaluation split an artifact is compared with its source on."""
_MEASURED = ("accuracy", "latency", "parity")
LABELLING = ("semantic-segmentation", "classification")
"""Tasks whose classes cannot be merged: each pixel or image has one label of the model's."""
REFERENCE_DEVICE = "cpu"
"""Where sources are run to compare artifacts with: fp32 means fp32 there."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a suite, in the order in which they run."""

    loaded: LoadedSuite
    cells: tuple[PlannedCell, ...]
    cards: tuple[DatasetCard, ...]
    images: dict[str, int]
    """How many images each cell (by id) is evaluated on."""

    @property
    def digest(self) -> str:
        """Digest of the set of cells."""
        return digest(sorted(planned.cell.id for planned in self.cells))


@dataclass(frozen=True, slots=True)
class _Data:
    """One dataset entry for one task, read."""

    entry: Any
    plugin: Any
    split: DatasetSplit
    contents: Contents


@dataclass(frozen=True, slots=True)
class _Combination:
    """One point of the matrix, with the place in the file to blame."""

    model: Any
    runtime: Any
    precision: AskedPrecision
    device: str
    batch: int
    dataset: Any
    trail: Trail

    @property
    def names(self) -> dict[str, str]:
        return {
            "model": self.model.name,
            "runtime": runtime_name(self.runtime),
            "precision": self.precision,
            "device": self.device,
            "dataset": self.dataset.name,
        }


def _exported(declared: Any, batch: int, classes: Sequence[str]) -> list[Any]:
    """Return what a conversion sees of the input: tensors, and what is fed beside the image."""
    found: list[Any] = [list(declared.shape(batch)), declared.dtype, declared.name]
    asked = [one for one in (declared.prompts, declared.texts) if one is not None]
    found += [_content(one.model_dump(mode="json")) for one in asked]
    return [*found, *(classes if declared.texts is not None else ())]


def _content(beside: dict[str, Any]) -> dict[str, Any]:
    """Return what is fed beside the image by content: the tokenizer's digest, not its place."""
    return {key: value for key, value in beside.items() if key != "tokenizer"}


def _label_map(dataset: Any) -> Mapping[str, str | None]:
    """Return how models call the classes of a dataset whose card says so."""
    found: Mapping[str, str | None] = getattr(dataset, "label_map", {})
    return found


def runtime_name(runtime: Any) -> str:
    """Return a runtime entry's label; that of None, where predictions are given."""
    return "predictions" if runtime is None else str(runtime.name or runtime.kind)


def _builtin_first(family: str) -> list[str]:
    return sorted(plugins.names(family), key=lambda name: not plugins.is_builtin(family, name))


def precisions(runtime: Any, device: str) -> list[Precision]:
    """Return the precisions that *runtime* runs on *device* with its options."""
    found = []
    for precision in PRECISIONS:
        with contextlib.suppress(BenchbenchError):
            found += [precision] if runtime.accepts(precision, device) else []
    return found


def make_plan(loaded: LoadedSuite, cache: Path) -> Plan:
    """Expand, check and identify the cells of *loaded*; raise one error that lists all faults."""
    planner = _Planner(loaded, cache)
    cells: list[PlannedCell] = []
    problems: list[SuiteError] = []
    for combination in planner.combinations():
        try:
            cells.append(planner.cell(combination))
        except SuiteError as error:
            problems += error.problems
    if problems:
        raise combine(problems)
    if not cells:
        raise loaded.error("the suite has no cells: every combination is excluded", ("exclude",))
    unique = {planned.cell.id: planned for planned in cells}
    cards = tuple(
        plugin.card().model_copy(update={"name": name}) for name, plugin in loaded.datasets.items()
    )
    return Plan(loaded, tuple(unique.values()), cards, planner.images)


@dataclass(slots=True)
class _Planner:
    """Holds what is read once and used by many cells."""

    loaded: LoadedSuite
    cache: Path
    _data: dict[tuple[Any, ...], _Data | SuiteError] = field(default_factory=dict)
    _sources: dict[str, Any] = field(default_factory=dict)
    _memo: dict[Any, Any] = field(default_factory=dict)
    _versions: dict[int, Any] = field(default_factory=dict)
    _conversions: tuple[Any, ...] = ()
    images: dict[str, int] = field(default_factory=dict)

    # --- the matrix ----------------------------------------------------------------------

    def combinations(self) -> Iterator[_Combination]:
        """Yield what is left of the matrix after the rules, then the extra cells."""
        suite = self.loaded.suite
        used = [False] * len(suite.exclude)
        self._check_rules()
        for combination in self._matrix():
            hits = [_matches(rule, combination) for rule in suite.exclude]
            used = [a or b for a, b in zip(used, hits, strict=True)]
            if not any(hits):
                yield combination
        idle = next((i for i, was_used in enumerate(used) if not was_used), None)
        if idle is not None:
            raise self.loaded.error("this rule excludes no cell", ("exclude", idle))
        yield from self._extras()

    def _matrix(self) -> Iterator[_Combination]:
        suite = self.loaded.suite
        for model, dataset in self._pairs():
            if isinstance(model, GivenEntry):
                trail: Trail = ("models", suite.models.index(model))
                yield _Combination(model, None, "given", "cpu", 1, dataset, trail)
                continue
            self._check_runtimes(model)
            for index, runtime in enumerate(suite.runtimes):
                for precision in runtime.precisions:
                    for device in runtime.devices or suite.devices:
                        for batch in runtime.batch_sizes or suite.batch_sizes:
                            trail = ("runtimes", index)
                            yield _Combination(
                                model, runtime, precision, device, batch, dataset, trail
                            )

    def _check_runtimes(self, model: Any) -> None:
        if not self.loaded.suite.runtimes:
            raise self.loaded.error(
                f"nothing runs the model '{model.name}': the suite has no 'runtimes'",
                ("models", self.loaded.suite.models.index(model)),
                "for example: runtimes: [onnxruntime]",
            )

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        for index, model in enumerate(self.loaded.suite.models):
            for name in model.datasets or ():
                self._named("dataset", name, ("models", index, "datasets"))
            for dataset in self.loaded.suite.datasets:
                base = self.loaded.bases.get(dataset.name)
                if base and isinstance(model, GivenEntry):
                    continue  # nothing can be done to images that were predicted on elsewhere
                if model.datasets is None or {dataset.name, base} & set(model.datasets):
                    yield model, dataset

    def _extras(self) -> Iterator[_Combination]:
        for index, extra in enumerate(self.loaded.suite.include):
            trail = ("include", index)
            model = self._named("model", extra.model, trail)
            if isinstance(model, GivenEntry):
                raise self.loaded.error(
                    f"the model '{model.name}' is given by its predictions: no runtime runs it",
                    (*trail, "model"),
                )
            yield _Combination(
                model,
                self._named("runtime", extra.runtime, trail),
                extra.precision,
                extra.device,
                extra.batch,
                self._named("dataset", extra.dataset, trail),
                trail,
            )

    def _named(self, what: str, name: str, trail: Trail) -> Any:
        entries = {e.name or e.kind: e for e in getattr(self.loaded.suite, f"{what}s")}
        if name not in entries:
            raise self.loaded.error(
                f"no {what} named '{name}' in this suite",
                (*trail, what),
                plugins.suggest(name, entries),
            )
        return entries[name]

    def _check_rules(self) -> None:
        for index, rule in enumerate(self.loaded.suite.exclude):
            for what in ("model", "runtime", "dataset"):
                for name in getattr(rule, what):
                    if not any(c in name for c in "*?["):
                        self._named(what, name, ("exclude", index))

    # --- one cell ------------------------------------------------------------------------

    def cell(self, at: _Combination) -> PlannedCell:
        """Return the cell of one combination, or raise SuiteError."""
        if isinstance(at.model, GivenEntry):
            return self._given(at)
        model_trail = ("models", self.loaded.suite.models.index(at.model))
        task = at.model.decoder.task
        source = self._source(at.model, model_trail)
        route = self._route(at, source["variants"])
        data = self._dataset(at.dataset, task)
        calibrated = any(conversion.calibrates for conversion, _, _ in route.steps)
        metric = self._metric(at.model, task, model_trail)
        spec = self._spec(at, data, metric, calibrated=calibrated)
        missing, versions = self._installed(at, route, metric)
        chain = self._chain(at, route, source, data, spec, versions)
        reference, provides = self._reference(at, route, source, data, versions)
        identity = self._identity(at, spec, source, data, chain, versions)
        identity["reference"] = reference.key if reference else None
        cell = Cell(
            id=digest(identity)[:16],
            model=at.model.name,
            runtime=runtime_name(at.runtime),
            precision=at.precision,
            device=at.device,
            batch=at.batch,
            dataset=at.dataset.name,
            split=at.dataset.split,
            task=task,
            spec=spec,
            start=route.start,
            chain=chain,
            reference=reference,
            provides=provides,
            protocol=self._protocol(at, metric, source, data),
            versions=versions["cell"],
        )
        self.images[cell.id] = len(data.split.images)
        return PlannedCell(cell=cell, not_run=missing)

    def _given(self, at: _Combination) -> PlannedCell:
        """Return the cell of a model that is given by its predictions."""
        model, trail = at.model, ("models", self.loaded.suite.models.index(at.model))
        task = model.task or model.predictions.tasks[0]
        if task not in model.predictions.tasks:
            known = ", ".join(model.predictions.tasks)
            told = f"'{model.predictions.kind}' holds no predictions of {task}"
            raise self.loaded.error(told, (*trail, "task"), f"it can hold: {known}")
        if at.dataset.corrupt:
            raise self.loaded.error(
                f"the model '{model.name}' is given by its predictions: no image of"
                f" '{at.dataset.name}' can be corrupted for it",
                trail,
                "say under 'datasets' of the model on which its predictions were made",
            )
        data = self._dataset(at.dataset, task, pixels=False)
        metric = self._metric(model, task, trail)
        try:
            content = dict(model.predictions.fingerprint())
        except BenchbenchError as error:
            raise self.loaded.error(_told(error), (*trail, "predictions"), error.hint) from None
        missing, versions = self._versions_for(("cell", model.predictions), ("cell", metric))
        spec = self._given_spec(at, data, metric)
        parts = {k: v for k, v in spec.items() if k not in ("dataset", "measure", "images")}
        identity = [RESULT_SCHEMA, at.names, parts, content, data.contents.digest, versions["cell"]]
        cell = Cell(
            id=digest(identity)[:16],
            model=model.name,
            runtime=at.names["runtime"],
            precision=at.precision,
            device=at.device,
            batch=at.batch,
            dataset=at.dataset.name,
            split=at.dataset.split,
            task=task,
            spec=spec,
            start=None,
            protocol={
                "predictions": {"kind": model.predictions.kind, **model.predictions.describe()},
                "dataset": self._dataset_card(at, data),
                "model": {"kind": model.predictions.kind, **content},
            },
            versions=versions["cell"],
        )
        self.images[cell.id] = len(data.split.images)
        return PlannedCell(cell=cell, not_run=missing)

    def _given_spec(self, at: _Combination, data: _Data, metric: Any) -> dict[str, Any]:
        measure = self._first_pass()
        return {
            "predictions": self._dump("predictions", at.model.predictions),
            "metric": self._dump("metrics", metric),
            "classes": self._classes(at, data, metric.task),
            **self._evaluated(at, data),
            "threads": 1,
            "affinity": [],
            "measure": {**measure, "accuracy": True, "latency": None, "parity": False},
        }

    def _route(self, at: _Combination, offered: Sequence[Variant]) -> Route:
        runtime, label = at.runtime, runtime_name(at.runtime)
        patterns = runtime.known_devices()
        if not any(fnmatchcase(at.device, pattern) for pattern in patterns):
            raise self.loaded.error(
                f"the runtime '{label}' does not know the device '{at.device}'",
                at.trail,
                f"it knows: {', '.join(patterns)}",
            )
        try:
            wanted = runtime.accepts(at.precision, at.device)
        except BenchbenchError as error:
            raise self.loaded.error(error.message, (*at.trail, "precisions"), error.hint) from None
        if not wanted:
            raise self.loaded.error(
                f"the runtime '{label}' has no {at.precision} on {at.device}",
                (*at.trail, "precisions"),
                f"it has: {', '.join(precisions(runtime, at.device))}",
            )
        key = ("route", tuple(offered), tuple(wanted))
        if key not in self._memo:
            self._memo[key] = find_route(offered, wanted, self._all_conversions())
        route: Route | None = self._memo[key]
        if route is None:
            raise self.loaded.error(
                f"no way from {at.model.name} ({', '.join(map(str, offered))}) to what "
                f"'{label}' takes at {at.precision} ({', '.join(map(str, wanted))})",
                at.trail,
                f"exclude it: {{model: {at.model.name}, runtime: {label}, "
                f"precision: {at.precision}}}",
            )
        return route

    def _all_conversions(self) -> tuple[Any, ...]:
        if not self._conversions:
            given = {conversion.kind: conversion for conversion in self.loaded.suite.conversions}
            self._conversions = tuple(
                given.get(name) or plugins.build("conversions", {"kind": name})
                for name in plugins.names("conversions")
            )
        return self._conversions

    def _source(self, model: Any, trail: Trail) -> dict[str, Any]:
        if model.name not in self._sources:
            try:
                self._sources[model.name] = {
                    "variants": tuple(model.source.variants()),
                    "fingerprint": dict(model.source.fingerprint()),
                }
            except BenchbenchError as error:
                raise self.loaded.error(_told(error), (*trail, "source"), error.hint) from None
        found: dict[str, Any] = self._sources[model.name]
        return found

    def _metric(self, model: Any, task: str, trail: Trail) -> Any:
        """Return the model's metric, or the built-in one of its decoder's task."""
        if model.metric is None:
            return self._default_metric(task, trail)
        if model.metric.task != task:
            raise self.loaded.error(
                f"the metric '{model.metric.kind}' scores {model.metric.task}, but the decoder "
                f"'{model.decoder.kind}' gives {task}",
                (*trail, "metric"),
                "leave 'metric' out to take the task's own",
            )
        return model.metric

    def _default_metric(self, task: str, trail: Trail) -> Any:
        found = [
            name
            for name in plugins.names("metrics")
            if getattr(plugins.load("metrics", name), "task", None) == task
        ]
        own = [name for name in found if plugins.is_builtin("metrics", name)] or found
        # Of several evaluators of a task one says that it is the usual one.
        own.sort(key=lambda name: not getattr(plugins.load("metrics", name), "usual", False))
        if not own:
            raise self.loaded.error(f"no metric for the task '{task}' is installed", trail)
        key = ("metric", own[0])
        if key not in self._memo:
            self._memo[key] = plugins.build("metrics", {"kind": own[0]})
        return self._memo[key]

    # --- data ----------------------------------------------------------------------------

    def _dataset(self, entry: Any, task: Any, *, pixels: bool = True) -> _Data:
        key = (entry.name, task, pixels)
        if key not in self._data:
            trail = self.loaded.dataset_trail(entry)
            try:
                self._data[key] = self._read(entry, task, trail, pixels=pixels)
            except SuiteError as error:
                self._data[key] = error
        found = self._data[key]
        if isinstance(found, SuiteError):  # many cells ask; one that is broken is read once
            raise found
        return found

    def _read(self, entry: Any, task: Any, trail: Trail, *, pixels: bool) -> _Data:
        plugin = self.loaded.datasets[entry.name]
        if entry.split not in plugin.splits():
            raise self.loaded.error(
                f"the dataset '{entry.name}' has no split '{entry.split}'",
                (*trail, "split"),
                plugins.suggest(entry.split, plugin.splits()),
            )
        try:
            split = limited(plugin.load(entry.split, task, self.cache), entry.images)
            check_classes(split.categories, getattr(plugin, "categories", ()))
            found = self._contents(plugin, split, task, pixels=pixels)
        except BenchbenchError as error:
            raise self.loaded.error(_told(error), trail, error.hint) from None
        try:
            cut(split, entry.slices, {})  # names that nothing has are told before anything runs
        except BenchbenchError as error:
            raise self.loaded.error(_told(error), (*trail, "slices"), error.hint) from None
        return _Data(entry, plugin, split, found)

    def _contents(
        self, plugin: Any, split: DatasetSplit, task: Any, *, pixels: bool = True
    ) -> Contents:
        files = plugin.locate(split.split, task, self.cache)
        return contents(split, files.annotations, HashCache(self.cache), pixels=pixels)

    def _calibration(self, at: _Combination, data: _Data) -> tuple[DatasetSplit, Contents]:
        """Return the images that int8 is calibrated on; read only if a cell needs them."""
        key = ("calibration", at.dataset.name, at.model.decoder.task)
        if key not in self._memo:
            trail = self.loaded.dataset_trail(at.dataset)
            try:
                self._memo[key] = self._disjoint(at, data, trail)
            except SuiteError as error:
                self._memo[key] = error
            except BenchbenchError as error:
                self._memo[key] = self.loaded.error(_told(error), trail, error.hint)
        found = self._memo[key]
        if isinstance(found, SuiteError):
            raise found
        return found[0], found[1]

    def _disjoint(
        self, at: _Combination, data: _Data, trail: Trail
    ) -> tuple[DatasetSplit, Contents]:
        name, plugin = at.dataset.calibration, data.plugin
        if name is None or name not in plugin.splits():
            raise self.loaded.error(
                f"{at.precision} of {at.model.name} needs calibration images, but the dataset "
                f"'{at.dataset.name}' has no split '{name}'",
                (*trail, "calibration"),
                f"its splits: {', '.join(plugin.splits())}",
            )
        settings, task = self.loaded.suite.calibration, at.model.decoder.task
        split = drawn(plugin.load(name, task, self.cache), settings.images, settings.seed)
        found = self._contents(plugin, split, task)
        unique = getattr(plugin, "ids", "global") == "global"
        check_disjoint(split, found, data.split, data.contents, global_ids=unique)
        if settings.near_duplicates == "refuse":
            check_unlike(split, found, data.split, data.contents, PrintCache(self.cache))
        return split, found

    # --- identity ------------------------------------------------------------------------

    def _dump(self, family: str, plugin: Any) -> dict[str, Any]:
        if id(plugin) not in self._memo:
            self._memo[id(plugin)] = plugins.own_fields(plugin, family)
        found: dict[str, Any] = self._memo[id(plugin)]
        return found

    def _spec(
        self, at: _Combination, data: _Data, metric: Any, *, calibrated: bool
    ) -> dict[str, Any]:
        model = at.model
        classes = self._classes(at, data, metric.task)
        return {
            "source": self._dump("sources", model.source),
            "input": self._model_dump(model.input),
            "decoder": self._dump("decoders", model.decoder),
            "metric": self._dump("metrics", metric),
            "classes": classes,
            "runtime": self._dump("runtimes", at.runtime),
            "threads": self._threads(at),
            "affinity": self._affinity(),
            "admit": {k: list(v) for k, v in at.runtime.admit.items()},
            **self._evaluated(at, data),
            "calibration": self._calibration_spec(at) if calibrated else None,
            "measure": self._measure(at),
        }

    def _measure(self, at: _Combination) -> dict[str, Any]:
        """Return what is measured: of a dataset that ``corruptions`` made, accuracy alone."""
        found = self._first_pass()
        if at.dataset.name in self.loaded.bases:
            return {**found, "latency": None, "parity": False}
        return found

    def _first_pass(self) -> dict[str, Any]:
        """Return how a cell is measured, without what is taken of it later."""
        whole = self._model_dump(self.loaded.suite.measure)
        return {name: whole[name] for name in (*_MEASURED, "timeout_s", "memory_limit_mb")}

    def _evaluated(self, at: _Combination, data: _Data) -> dict[str, Any]:
        return {
            "dataset": self._dump("datasets", data.plugin),
            "dataset_name": at.dataset.name,
            "dataset_digest": data.contents.digest,
            "split": at.dataset.split,
            "images": at.dataset.images,
            **({"corrupt": self._model_dump(corrupt)} if (corrupt := at.dataset.corrupt) else {}),
        }

    def _calibration_spec(self, at: _Combination) -> dict[str, Any]:
        settings = self.loaded.suite.calibration
        return {
            "split": at.dataset.calibration,
            "images": settings.images,
            "seed": settings.seed,
        }

    def _model_dump(self, record: Any) -> dict[str, Any]:
        if id(record) not in self._memo:
            self._memo[id(record)] = record.model_dump(mode="json")
        found: dict[str, Any] = self._memo[id(record)]
        return found

    def _classes(self, at: _Combination, data: _Data, task: str) -> dict[str, Any]:
        model, renamed = at.model, _label_map(data.plugin)
        try:
            found = class_map(
                data.split.categories,
                model.classes,
                model.background,
                renamed,
                merging=task not in LABELLING,
            )
        except BenchbenchError as error:
            trail = ("models", self.loaded.suite.models.index(model))
            raise self.loaded.error(_told(error), (*trail, "classes"), error.hint) from None
        return {
            "names": list(found.names),
            "category_ids": list(found.category_ids),
            "background": found.background,
        }

    def _installed(
        self, at: _Combination, route: Route, metric: Any
    ) -> tuple[Failure | None, dict[str, Any]]:
        """Return why the cell cannot run here (None if it can) and the versions in play."""
        parts = [("cell", p) for p in (at.runtime, at.model.decoder, metric, at.model.input)]
        parts += [("source", at.model.source)] if route.start.format == "torch-module" else []
        parts += [("steps", conversion) for conversion, _, _ in route.steps]
        parts += [("cell", at.dataset.corrupt)] if at.dataset.corrupt else []
        failure, found = self._versions_for(*parts)
        return failure or _missing_device(at), found

    def _versions_for(self, *parts: tuple[str, Any]) -> tuple[Failure | None, dict[str, Any]]:
        """Return what the plug-ins lack, if anything, and their versions by the part they play."""
        base = {name: plugins.installed_version(name) for name in BASE}
        found: dict[str, Any] = {"cell": {k: v for k, v in base.items() if v}, "steps": []}
        failure: Failure | None = None
        source_versions: dict[str, str] = {}
        for where, plugin in parts:
            try:
                versions = self._versions_of(plugin)
            except MissingDependency as error:
                failure = failure or Failure(
                    code=error.code, stage="plan", message=error.message, hint=error.hint
                )
                versions = {}
            if where == "steps":
                found["steps"].append(versions)
            elif where == "source":
                source_versions = versions
            else:
                found["cell"] |= versions
        found["source"] = source_versions
        return failure, found

    def _versions_of(self, plugin: Any) -> dict[str, str]:
        if id(plugin) not in self._versions:
            try:
                self._versions[id(plugin)] = plugins.versions(plugin)
            except MissingDependency as error:
                self._versions[id(plugin)] = error
        found = self._versions[id(plugin)]
        if isinstance(found, MissingDependency):
            raise found
        return dict(found)

    def _chain(
        self,
        at: _Combination,
        route: Route,
        source: dict[str, Any],
        data: _Data,
        spec: dict[str, Any],
        versions: dict[str, Any],
    ) -> tuple[Step, ...]:
        """Return the steps with their cache keys, each depending on the one before."""
        above = digest([source["fingerprint"], route.start.model_dump(), versions["source"]])
        steps = []
        for (conversion, reads, writes), installed in zip(
            route.steps, versions["steps"], strict=True
        ):
            options = self._dump("conversions", conversion)
            parts: dict[str, Any] = {
                "above": above,
                "conversion": options,
                "target": str(writes),
                "chip": _chip(conversion, at.device),
                "versions": installed,
                "input": _exported(at.model.input, at.batch, spec["classes"]["names"]),
            }
            if conversion.calibrates:
                images = self._calibration(at, data)[1].digest
                parts["calibration"] = [images, spec["calibration"]]
                parts["preprocessing"] = spec["input"]
            above = digest(parts)
            steps.append(
                Step(
                    conversion=options,
                    source=reads,
                    target=writes,
                    key=above,
                    calibrated=conversion.calibrates,
                )
            )
        return tuple(steps)

    def _reference(
        self,
        at: _Combination,
        route: Route,
        source: dict[str, Any],
        data: _Data,
        versions: dict[str, Any],
    ) -> tuple[Reference | None, Reference | None]:
        """Return the fp32 outputs to compare with: the source's own, run in its own runtime.

        Of the cell that is the source itself None, and the reference that its run gives.
        """
        key = ("reference", at.model.name, at.dataset.name)
        if key not in self._memo:
            self._memo[key] = self._find_reference(source["variants"])
        found = self._memo[key]
        if found is None or not self._measure(at)["parity"]:
            return None, None
        start, runtime, installed = found
        parts = [
            source["fingerprint"],
            str(start),
            runtime,
            installed,
            versions["source"],
            self._model_dump(at.model.input),
            data.contents.digest,
            at.dataset.images,
            at.batch,
            *([list(at.model.classes or ())] if at.model.input.texts is not None else ()),
            PARITY_IMAGES,
        ]
        images = min(PARITY_IMAGES, len(data.split.images))
        made = Reference(key=digest(parts), start=start, runtime=runtime, images=images)
        if at.runtime.kind != runtime["kind"] or at.precision != "fp32" or route.end != start:
            return made, None
        same = at.device == REFERENCE_DEVICE and self._dump("runtimes", at.runtime) == runtime
        return None, made if same else None

    def _find_reference(
        self, offered: Sequence[Variant]
    ) -> tuple[Variant, dict[str, Any], dict[str, str]] | None:
        """Return (variant, runtime, versions): the first fp32 variant that can be run here."""
        for start in (variant for variant in offered if variant.precision == "fp32"):
            for name in _builtin_first("runtimes"):
                with contextlib.suppress(BenchbenchError):
                    runtime = plugins.build("runtimes", {"kind": name})
                    if start in runtime.accepts("fp32", REFERENCE_DEVICE):
                        return start, self._dump("runtimes", runtime), self._versions_of(runtime)
        return None

    def _identity(
        self,
        at: _Combination,
        spec: dict[str, Any],
        source: dict[str, Any],
        data: _Data,
        chain: tuple[Step, ...],
        versions: dict[str, Any],
    ) -> dict[str, Any]:
        measure = {k: v for k, v in spec["measure"].items() if k in _MEASURED}
        kept = {
            k: v for k, v in spec.items() if k not in ("source", "dataset", "measure", "images")
        }
        if at.model.input.texts is not None:
            kept["input"] = {**spec["input"], "texts": _content(spec["input"]["texts"])}
        return {
            **kept,
            "schema": RESULT_SCHEMA,
            "names": at.names,
            "batch": at.batch,
            "measure": measure,
            "source": source["fingerprint"],
            "start": str(at.model.source.variants()[0]) if not chain else chain[0].key,
            "dataset": data.contents.digest,
            "chain": [step.key for step in chain],
            "versions": {**versions["cell"], **versions["source"]},
        }

    def _protocol(
        self, at: _Combination, metric: Any, source: dict[str, Any], data: _Data
    ) -> dict[str, Any]:
        key = ("protocol", id(at.model), id(metric))
        if key not in self._memo:
            self._memo[key] = {
                "preprocessing": dict(at.model.input.describe()),
                "decoder": {"kind": at.model.decoder.kind, **at.model.decoder.describe()},
            }
        corrupt, timed = at.dataset.corrupt, self._measure(at)["latency"]
        return {
            **self._memo[key],
            **({"corruption": dict(corrupt.describe())} if corrupt else {}),
            "dataset": self._dataset_card(at, data),
            "model": {"kind": at.model.source.kind, **source["fingerprint"]},
            "latency": {"scenario": "single stream"} | timed if timed else {},
            "threads": self._threads(at),
            "affinity": self._affinity(),
        }

    def _dataset_card(self, at: _Combination, data: _Data) -> dict[str, Any]:
        return {
            "name": at.dataset.name,
            "split": at.dataset.split,
            "images": len(data.split.images),
            "content_sha256": data.contents.digest,
            **({"label_map": dict(renamed)} if (renamed := _label_map(data.plugin)) else {}),
        }

    # --- the machine ---------------------------------------------------------------------

    def _threads(self, at: _Combination) -> int:
        return int(at.runtime.threads or self.loaded.suite.threads or physical_cores())

    def _affinity(self) -> list[int]:
        """Return the CPUs to pin workers to; empty for any that are allowed."""
        wanted = self.loaded.suite.affinity
        if wanted == "none":
            return []
        allowed = os.sched_getaffinity(0)
        chosen = one_each(allowed) if wanted == "physical" else wanted
        foreign = sorted(set(chosen) - allowed)
        if foreign:
            raise self.loaded.error(
                f"affinity: this process may not use CPU {foreign[0]}",
                ("affinity",),
                f"it may use: {', '.join(map(str, sorted(allowed)))}",
            )
        return sorted(chosen)


def _chip(conversion: Any, device: str) -> dict[str, str]:
    return dict(conversion.chip(device)) if isinstance(conversion, Bound) else {}


def _missing_device(at: _Combination) -> Failure | None:
    reason = at.runtime.absent(at.device) if isinstance(at.runtime, Probing) else None
    if reason is None:
        return None
    hint = "benchbench doctor tells what is missing"
    return Failure(code="missing_device", stage="plan", message=reason, hint=hint)


def _matches(rule: Any, at: _Combination) -> bool:
    if rule.batch is not None and at.batch not in rule.batch:
        return False
    return all(
        any(fnmatchcase(value, pattern) for pattern in getattr(rule, what))
        for what, value in at.names.items()
    )


def _told(error: BenchbenchError) -> str:
    """Return the message with the place in the file that is wrong, beside the suite's own."""
    return f"{error.place}: {error.message}" if error.place else error.message
