"""The outputs of a torch module, flat and named: the same way eager and exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, tensor) depth first; a path holds dict keys, field names and positions."""
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, tuple | list):
        pairs = zip(getattr(value, "_fields", range(len(value))), value, strict=True)
    else:
        yield path, value
        return
    for key, part in pairs:
        yield from leaves(part, (*path, str(key)))


def output_names(outputs: Any) -> list[str]:
    """Name the outputs by their keys, as ``a.0``; by number where they have none."""
    return [
        f"output_{index}" if all(map(str.isdigit, path)) else ".".join(path)
        for index, (path, _) in enumerate(leaves(outputs))
    ]
