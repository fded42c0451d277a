"""A check, and what checks of both families share."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchbench.distributions import modules
from benchbench.errors import BenchbenchError
from benchbench.types import Record

BASE = frozenset({"numpy", "pydantic", "PIL", "yaml", "click", "jinja2", "rich", "benchbench"})
"""Modules of the base install, which a plug-in may import where it likes."""


@dataclass(frozen=True, slots=True)
class Check:
    """A fact that could be false. Call it; ``str`` gives its name."""

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Raise AssertionError if it is false, ``unittest.SkipTest`` if it does not apply."""
        self.run()

    def __str__(self) -> str:
        return self.name


def claim(truth: object, message: str) -> None:
    """Raise AssertionError with *message* unless *truth*; also under ``python -O``."""
    if not truth:
        raise AssertionError(message)


@contextmanager
def refusal(kind: type[BenchbenchError], *words: str, of: str) -> Iterator[None]:
    """Expect an error of *kind* whose text holds all *words*; *of* says what is refused."""
    try:
        yield
    except kind as error:
        for word in words:
            claim(word in str(error), f"the {kind.__name__} for {of} does not name {word}: {error}")
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
        raise AssertionError(f"{of} gave {found} instead of {kind.__name__}") from error
    else:
        raise AssertionError(f"{of} was taken; expected {kind.__name__}")


def options_round_trip(plugin: Any) -> None:
    """Claim that the options survive JSON, as they must to reach a worker process."""
    claim(isinstance(plugin, Record), f"{type(plugin).__name__} is no benchbench.types.Record")
    again = type(plugin).model_validate_json(plugin.model_dump_json())
    claim(again == plugin, f"options changed on their way through JSON: {plugin} became {again}")


def imports_lightly(plugin: Any) -> None:
    """Claim that importing the plug-in's module imports none of the libraries it declares."""
    module = _home(plugin)
    heavy = _declared(plugin.packages) - BASE - {module.partition(".")[0]}
    found = _imported_by(module)
    claim(
        not heavy & found,
        f"importing {module} imports {', '.join(sorted(heavy & found))}: a plan imports every "
        "plug-in, so import heavy libraries inside methods",
    )


def _home(plugin: Any) -> str:
    """Return the module of the class that declares the packages: a suite derives from it."""
    return next(one.__module__ for one in type(plugin).__mro__ if "packages" in vars(one))


def _declared(packages: Any) -> set[str]:
    """Return the top-level modules of the distributions that are installed."""
    return {top for name in itertools.chain.from_iterable(packages) for top in modules(name)}


@cache
def _imported_by(module: str) -> set[str]:
    script = f"import sys, {module}\nprint(*{{m.partition('.')[0] for m in sys.modules}})"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    claim(done.returncode == 0, f"importing {module} failed:\n{done.stderr[-2000:]}")
    return set(done.stdout.split())


def described(packages: Any, extra: Any) -> None:
    """Claim that the class variables have the form that installers and ids rely on."""
    right = isinstance(packages, tuple) and all(
        isinstance(one, tuple) and one and all(isinstance(name, str) for name in one)
        for one in packages
    )
    claim(right, f"packages must be a tuple of tuples of distribution names, not {packages!r}")
    claim(isinstance(extra, str), f"extra must be a string, not {extra!r}")


def make_checks(prefix: str, facts: Mapping[str, Callable[[], None]]) -> list[Check]:
    """Return a check for each of *facts*, named ``prefix: fact``."""
    return [Check(f"{prefix}: {name}", run) for name, run in facts.items()]
