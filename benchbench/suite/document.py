"""Load YAML safely, bounded, with the position of every node.

PyYAML's C composer gives marks on each node; scalars follow the YAML 1.2 core schema (``no`` stays
a string). Tags, duplicate keys, recursive aliases and alias bombs are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from benchbench.errors import Place, SuiteError

MAX_BYTES = 4 << 20
MAX_NODES = 200_000
MAX_DEPTH = 64
MAX_DIGITS = 100

Trail = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"
_CORE = (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789"),
    (
        "float",
        (
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+.0123456789",
    ),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", "<"),
)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the C loader is present or not at run time
    """Composes nodes only; nothing is constructed by PyYAML."""


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_first))


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain data, and where each part stands."""

    file: str
    data: Any
    text: str
    marks: dict[Trail, Place] = field(default_factory=dict)
    """Position of each value; of the key, for a mapping's item."""

    def place(self, trail: Trail) -> Place:
        """Return the position of *trail*, or of its nearest known ancestor."""
        for end in range(len(trail), -1, -1):
            if (mark := self.marks.get(trail[:end])) is not None:
                return mark
        return Place(self.file)


def load(path: Path) -> Document:
    """Read and compose *path*; raise :class:`~benchbench.errors.SuiteError`."""
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SuiteError(f"cannot read {path}: {reason}", hint="check the path") from None
    if len(raw) > MAX_BYTES:
        raise SuiteError(f"larger than {MAX_BYTES >> 20} MiB", place=Place(str(path)))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SuiteError(f"not UTF-8 at byte {error.start}", place=Place(str(path))) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Document:
    """Compose *text*; raise :class:`~benchbench.errors.SuiteError` naming line and column."""
    try:
        _check_depth(text, file)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except UnicodeEncodeError as error:
        shown = ascii(text[error.start : error.start + 20])
        raise SuiteError(f"not text in UTF-8: {shown}", place=Place(file)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SuiteError(f"not YAML: {error.problem}", place=_place(file, mark)) from None
    except yaml.YAMLError as error:
        raise SuiteError(f"not YAML: {error}", place=Place(file)) from None
    except RecursionError:
        raise SuiteError("nested too deeply", place=Place(file)) from None
    if node is None:
        raise SuiteError("the file is empty", place=Place(file))
    reader = _Reader(file)
    return Document(file, reader.value(node, (), frozenset()), text, reader.marks)


def _check_depth(text: str, file: str) -> None:
    """Refuse what is nested too deeply: the C composer recurses until its stack overflows."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            place = _place(file, event.start_mark)
            raise SuiteError(f"nested too deeply: more than {MAX_DEPTH} levels", place=place)


def _place(file: str, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


class _Reader:
    """Turns nodes into data, counting *expanded* nodes so that aliases cannot explode."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.marks: dict[Trail, Place] = {}
        self._budget = count(1)

    def value(self, node: Any, trail: Trail, above: frozenset[int]) -> Any:
        """Return *node* as plain data."""
        place = _place(self.file, node.start_mark)
        self.marks.setdefault(trail, place)
        if next(self._budget) > MAX_NODES:
            raise SuiteError(f"more than {MAX_NODES} nodes after aliases", place=place)
        if len(above) > MAX_DEPTH or id(node) in above:
            raise SuiteError("nested too deeply, or an alias contains itself", place=place)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        self._check_tag(node, place, ("map", "seq"))
        below = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(n, (*trail, i), below) for i, n in enumerate(node.value)]
        return dict(self._items(node, trail, below))

    def _items(self, node: Any, trail: Trail, above: frozenset[int]) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(self.file, key_node.start_mark)
            if key_node.tag == _TAG + "merge":
                merged |= self._merged(value_node, trail, above, place)
                continue
            key = self._key(key_node, place)
            if key in seen:
                raise SuiteError(f"the key '{key}' occurs twice", place=place)
            seen.add(key)
            self.marks[(*trail, key)] = place
            yield key, self.value(value_node, (*trail, key), above)
        yield from ((key, value) for key, value in merged.items() if key not in seen)

    def _merged(
        self, node: Any, trail: Trail, above: frozenset[int], place: Place
    ) -> dict[str, Any]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for item in reversed(nodes):
            value = self.value(item, (*trail, "<<"), above)
            if not isinstance(value, dict):
                raise SuiteError("'<<' takes a mapping or a list of mappings", place=place)
            found |= value
        return found

    def _key(self, node: Any, place: Place) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise SuiteError("a key must be a plain word", place=place)
        self._check_tag(node, place, ("str", "int", "float", "bool", "null"))
        return str(node.value)

    def _scalar(self, node: Any, place: Place) -> Any:
        self._check_tag(node, place, ("str", "int", "float", "bool", "null", "merge"))
        kind, text = node.tag.removeprefix(_TAG), node.value
        if "\0" in text:
            raise SuiteError("a text with a NUL character", place=place)
        if kind == "int":
            return _integer(text, place)
        if kind == "float":
            return float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if kind == "bool":
            return text.lower() == "true"
        return None if kind == "null" else text

    @staticmethod
    def _check_tag(node: Any, place: Place, allowed: tuple[str, ...]) -> None:
        if node.tag.removeprefix(_TAG) not in allowed:
            raise SuiteError(f"the tag '{node.tag}' is not allowed", place=place)


def _integer(text: str, place: Place) -> int:
    if len(text) > MAX_DIGITS:
        raise SuiteError(
            f"a number of {len(text)} digits; the limit is {MAX_DIGITS}",
            hint="quote it if it is meant as text",
            place=place,
        )
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
