"""Look at one installed runtime, in a process of its own: an import may kill it.

``python -m benchbench.worker.checkup KIND FILE`` appends what it finds to FILE, a JSON line each,
as soon as it is known: a death loses only what would have come after it.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from benchbench import cuda, plugins
from benchbench.distributions import altered, modules
from benchbench.errors import BenchbenchError, MissingDependency
from benchbench.plan import precisions
from benchbench.protocols import Checkup, Probing
from benchbench.types import Finding, Precision, Record

_MOST_DEVICES = 16
CHECKUP = "the runtime's own checkup"


class Device(Record):
    """A device that a runtime knows."""

    name: str
    """A device, or a pattern where the runtime does not say which there are."""
    chip: str | None = None
    """Product name of a CUDA device."""
    precisions: tuple[Precision, ...] = ()
    """What the runtime's default options run there."""
    absent: str | None = None
    """Why it cannot be used; None if nothing speaks against it."""


class Line(Record):
    """One thing that a checkup tells, or the stage that it enters."""

    stage: str | None = None
    """What happens from now on, so that a death can be put down to it."""
    missing: Finding | None = None
    """The package that is not installed."""
    versions: dict[str, str] = {}
    devices: tuple[Device, ...] = ()
    findings: tuple[Finding, ...] = ()
    damage: tuple[Finding, ...] = ()
    """Files that are gone or another's: told last, for a runtime may know the reason."""


Tell = Callable[[Line], None]


def main(arguments: Sequence[str]) -> None:
    """Look at the runtime ``arguments[0]``, telling the file ``arguments[1]``."""
    faulthandler.enable()
    with Path(arguments[1]).open("a", encoding="utf-8") as file:

        def tell(line: Line) -> None:
            file.write(line.model_dump_json(exclude_defaults=True) + "\n")
            file.flush()

        _guarded(arguments[0], tell)
        tell(Line(stage="leaving the process"))


def _guarded(kind: str, tell: Tell) -> None:
    """Tell what :func:`look` finds; what a plug-in raises is a finding."""
    try:
        look(kind, tell)
    except MissingDependency as error:
        tell(Line(missing=Finding(level="warning", message=error.message, hint=error.hint)))
    except BenchbenchError as error:
        tell(Line(findings=(Finding(level="error", message=error.message, hint=error.hint),)))
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises
        tell(Line(findings=(Finding(level="error", message=_told(error)),)))


def look(kind: str, tell: Tell) -> None:
    """Tell the devices, versions and findings of the runtime *kind*.

    A runtime without a checkup of its own has its libraries imported. Raises
    :class:`~benchbench.errors.MissingDependency` if one of its packages is not installed, and what
    the plug-in raises.
    """
    tell(Line(stage="loading the plug-in"))
    runtime = plugins.build("runtimes", {"kind": kind})
    tell(Line(stage="listing the devices"))
    tell(Line(devices=tuple(_devices(runtime))))
    tell(Line(versions=plugins.versions(runtime)))
    packages = {name: modules(name) for name in _packages(runtime)}
    sys.meta_path.insert(0, _Announcer(itertools.chain.from_iterable(packages.values()), tell))
    tell(Line(stage=CHECKUP, damage=tuple(f for name in packages for f in _altered(name))))
    if isinstance(runtime, Checkup):
        # It alone knows how to import its library: some do harm without a driver, some call home.
        tell(Line(findings=tuple(runtime.checkup())))
    else:
        pairs = [(name, module) for name, found in packages.items() for module in found]
        tell(Line(findings=tuple(f for name, module in pairs for f in _import(module, name))))


class _Announcer(MetaPathFinder):
    """Tells when the import of certain modules begins and ends."""

    def __init__(self, names: Iterable[str], tell: Tell) -> None:
        self._names, self._tell = set(names), tell

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system gives it
        target: ModuleType | None = None,  # noqa: ARG002 - the import system gives it
    ) -> ModuleSpec | None:
        """Return what the other finders find, with an announcement around its execution."""
        if name not in self._names:
            return None
        self._names.discard(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            self._wrap(name, spec.loader)
        return spec

    def _wrap(self, name: str, loader: Any) -> None:
        execute: Callable[[ModuleType], None] = loader.exec_module

        def announced(module: ModuleType) -> None:
            self._tell(Line(stage=f"importing {name}"))
            try:
                execute(module)
            finally:
                self._tell(Line(stage=CHECKUP))

        loader.exec_module = announced


def _devices(runtime: Any) -> Iterator[Device]:
    known = list(runtime.known_devices())
    for pattern in known:
        for name in _concrete(runtime, pattern, known):
            yield Device(
                name=name,
                chip=cuda.name(name) if name.partition(":")[0] == "cuda" else None,
                precisions=tuple(precisions(runtime, name)),
                absent=runtime.absent(name) if isinstance(runtime, Probing) else None,
            )


def _concrete(runtime: Any, pattern: str, known: Sequence[str]) -> Iterator[str]:
    """Yield the devices that *pattern* stands for, beside the one without a number."""
    if "*" not in pattern or not isinstance(runtime, Probing):
        yield pattern
        return
    first = 1 if pattern[:-2] in known else 0
    for number in itertools.islice(itertools.count(first), _MOST_DEVICES):
        name = pattern.replace("*", str(number))
        if runtime.absent(name):
            return
        yield name


def _packages(runtime: Any) -> list[str]:
    """Return the installed distributions that the runtime needs, all alternatives included."""
    every = itertools.chain.from_iterable(runtime.packages)
    return [name for name in every if plugins.installed_version(name)]


def _altered(name: str) -> list[Finding]:
    wrong = altered(name)
    if not wrong:
        return []
    version = plugins.installed_version(name)
    return [
        Finding(
            level="error",
            message=f"{len(wrong)} files of {name} {version} are missing or not its own, "
            f"e.g. {wrong[0]}",
            hint=f"pip install --force-reinstall --no-deps {name}=={version}",
        )
    ]


def _import(module: str, distribution: str) -> list[Finding]:
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a library raises
        version = plugins.installed_version(distribution)
        return [
            Finding(
                level="error",
                message=f"importing {module} ({distribution} {version}) failed: {_told(error)}",
                hint=f"pip install --force-reinstall {distribution}",
            )
        ]
    return []


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


if __name__ == "__main__":
    main(sys.argv[1:])
