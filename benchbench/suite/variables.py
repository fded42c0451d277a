"""``${name}`` and ``${env:NAME}`` in strings, and ``--set key=value`` from the command line.

A suite declares its variables; nothing else is substituted, so that a suite says what it takes
from outside. ``${suite_dir}`` is always there: the folder of the suite. Other relative paths count
from the current directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchbench.errors import SuiteError, UsageError
from benchbench.plugins import suggest
from benchbench.suite.document import Document, Trail, parse

_REFERENCE = re.compile(r"\$\{([^}]*)\}|\$\$")


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Turn ``key=value`` strings into a mapping; values are YAML."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise UsageError(f"--set {setting}: not KEY=VALUE", hint="for example --set data=DIR")
        found[key] = parse(value, f"--set {key}").data if value.strip() else ""
    return found


def resolve(document: Document, settings: Mapping[str, Any], env: Mapping[str, str]) -> Document:
    """Apply *settings* and substitute variables; raise on what is unknown or missing."""
    if not isinstance(document.data, dict):
        raise SuiteError("a suite is a mapping of keys", place=document.place(()))
    declared = document.data.get("variables") or {}
    if not isinstance(declared, dict):
        raise SuiteError("'variables' is a mapping of names", place=document.place(("variables",)))
    own = {key: value for key, value in settings.items() if key in declared}
    paths = {key: value for key, value in settings.items() if key not in declared}
    data = document.data
    for key, value in paths.items():
        data = _assign(data, key, value, declared)
    filler = _Filler(document, _filled({**declared, **own}, document, env), env)
    filled = {k: filler.fill(v, (k,)) for k, v in data.items() if k != "variables"}
    return replace(document, data=filled)


def _filled(
    variables: Mapping[str, Any], document: Document, env: Mapping[str, str]
) -> dict[str, Any]:
    """Return *variables* with references to ``suite_dir`` and to earlier ones substituted."""
    found: dict[str, Any] = {"suite_dir": str(Path(document.file).resolve().parent)}
    for name, value in variables.items():
        found[name] = _Filler(document, found, env).fill(value, ("variables", name))
    return found


def _assign(data: Any, key: str, value: Any, declared: Mapping[str, Any]) -> Any:
    """Return *data* with the dotted path *key* set to *value*."""
    parts = key.split(".")
    if isinstance(data, dict) and len(parts) == 1 and parts[0] not in data:
        known = [*declared, *data]
        if parts[0] not in _TOP_LEVEL:
            raise UsageError(f"--set {key}: no such variable or key", hint=suggest(parts[0], known))
    return _put(data, parts, value, key)


_TOP_LEVEL = frozenset(
    "title description threads devices batch_sizes measure calibration conversions include "
    "exclude".split()
)
"""Keys of a suite that ``--set`` may add where the file does not have them."""


def _put(node: Any, parts: list[str], value: Any, key: str) -> Any:
    if not parts:
        return value
    head, *rest = parts
    if isinstance(node, list):
        if not head.isdecimal() or len(head) > 6 or int(head) >= len(node):
            raise UsageError(f"--set {key}: no item '{head}'", hint=f"0 to {len(node) - 1}")
        return [_put(n, rest, value, key) if i == int(head) else n for i, n in enumerate(node)]
    if isinstance(node, dict):
        if rest and head not in node:
            if head in _TOP_LEVEL:
                return {**node, head: _put({}, rest, value, key)}
            raise UsageError(f"--set {key}: no key '{head}'", hint=suggest(head, node))
        return {**node, head: _put(node.get(head), rest, value, key)}
    if node is None:
        return {head: _put(None, rest, value, key)}
    raise UsageError(f"--set {key}: '{head}' is below a plain value")


class _Filler:
    def __init__(
        self, document: Document, variables: Mapping[str, Any], env: Mapping[str, str]
    ) -> None:
        self._document, self._variables, self._env = document, variables, env

    def fill(self, value: Any, trail: Trail) -> Any:
        """Substitute in every string below *value*."""
        if isinstance(value, dict):
            return {k: self.fill(v, (*trail, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self.fill(v, (*trail, i)) for i, v in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole and whole.group(1) is not None:
            return self._lookup(whole.group(1), trail)
        return _REFERENCE.sub(lambda match: self._text(match, trail), value)

    def _text(self, match: re.Match[str], trail: Trail) -> str:
        return "$" if match.group(0) == "$$" else str(self._lookup(match.group(1), trail))

    def _lookup(self, name: str, trail: Trail) -> Any:
        place = self._document.place(trail)
        if name.startswith("env:"):
            if (value := self._env.get(name[4:])) is None:
                raise SuiteError(
                    f"the environment variable '{name[4:]}' is not set",
                    hint=f"export {name[4:]}=…",
                    place=place,
                )
            return value
        if name not in self._variables:
            raise SuiteError(
                f"no variable named '{name}'", hint=suggest(name, self._variables), place=place
            )
        if (value := self._variables[name]) is None:
            raise SuiteError(
                f"the variable '{name}' has no value", hint=f"--set {name}=VALUE", place=place
            )
        return value
