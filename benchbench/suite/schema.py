"""The JSON Schema of a suite, with the fields' docstrings as descriptions.

Docstrings are read here and not by pydantic, which would read the source of every record each
time a process starts (0.2 s).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from benchbench.suite.model import suite_type
from benchbench.suite.validate import record_types


def json_schema() -> dict[str, Any]:
    """Return the schema of a suite over the plug-ins that are installed now, for editors."""
    schema = suite_type().model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = [schema, *schema.get("$defs", {}).values()]
    for model in _reachable(suite_type(), set()):
        texts = _docstrings(model)
        for definition in definitions:
            if definition.get("title") == model.__name__:
                _describe(definition, texts, set(model.model_fields))
    schema["title"] = "benchbench suite"
    return schema


def _describe(definition: dict[str, Any], texts: dict[str, str], fields: set[str]) -> None:
    properties = definition.get("properties", {})
    if set(properties) != fields:
        return
    for name, text in texts.items():
        if name in properties:
            properties[name].setdefault("description", text)


def _reachable(model: type[BaseModel], seen: set[type]) -> Iterator[type[BaseModel]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for below in record_types(field.annotation):
            yield from _reachable(below, seen)


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the string that stands under each field, in *model* and the classes it is made of."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _under_fields(base)
    return found


def _under_fields(base: type) -> dict[str, str]:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return {}  # made at run time: its bases have the source
    statements = getattr(body, "body", [])
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
