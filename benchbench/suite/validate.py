"""From a document to a model; pydantic's complaints become places in the file."""

from __future__ import annotations

import difflib
import math
import re
import types
import typing
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from benchbench import plugins
from benchbench.errors import PluginError, SuiteError
from benchbench.suite.document import Document, Trail

_FAMILY_OF_KEY = {
    "source": ("sources", "datasets"),
    "decoder": ("decoders",),
    "predictions": ("predictions",),
    "metric": ("metrics",),
    "meter": ("meters",),
    "runtimes": ("runtimes",),
    "conversions": ("conversions",),
}


def validate(document: Document, model: Any) -> Any:
    """Return *document* as *model*; raise one SuiteError that lists every fault in file order."""
    try:
        found = TypeAdapter(model).validate_python(document.data)
    except ValidationError as error:
        items = [item for item in error.errors(include_url=False) if not _echo(item)]
        raise combine([_explain(document, model, item) for item in items]) from None
    _check_finite(document, found.model_dump(), ())
    return found


def _check_finite(document: Document, value: Any, trail: Trail) -> None:
    """Refuse infinities and NaN, which no option takes and no JSON file can hold."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(document, item, (*trail, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_finite(document, item, (*trail, index))
    elif isinstance(value, float) and not math.isfinite(value):
        raise SuiteError(
            f"{_dotted(trail)}: {value} is not a finite number",
            hint="write a number",
            place=document.place(trail),
        )


def _echo(item: Any) -> bool:
    """Return whether *item* only repeats that a list's items were wrong: it is 'too short' then."""
    return item["type"] == "too_short" and bool(item["input"])


def combine(problems: list[SuiteError]) -> SuiteError:
    """Return one error that stands for all *problems*, in file order."""
    ordered = sorted(
        problems, key=lambda p: (p.place.line or 0, p.place.column or 0) if p.place else (0, 0)
    )
    unique = tuple({str(p): p for p in ordered}.values())
    first = unique[0]
    return SuiteError(first.message, hint=first.hint, place=first.place, problems=unique)


def _explain(document: Document, model: Any, item: Any) -> SuiteError:
    trail, node = _locate(document.data, item["loc"])
    handler = _HANDLERS.get(item["type"], _plain)
    return handler(document, model, item, trail, node)


def _locate(data: Any, loc: tuple[str | int, ...]) -> tuple[Trail, Any]:
    """Follow *loc* in *data*; parts that are no keys (union tags) are passed over."""
    trail: Trail = ()
    node = data
    for part in loc:
        inside = (isinstance(node, dict) and part in node) or (
            isinstance(node, list) and isinstance(part, int) and part < len(node)
        )
        if inside:
            node, trail = node[part], (*trail, part)
    return trail, node


def _dotted(trail: Trail) -> str:
    return ".".join(map(str, trail)) or "the suite"


def _plain(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    shown = "" if isinstance(node, dict | list) else f", not {_shortened(repr(node))}"
    return SuiteError(
        f"{_dotted(trail)}: {message[:1].lower()}{message[1:]}{shown}", place=document.place(trail)
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}…"


def _missing(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:
    key = item["loc"][-1]
    written = list(node) if isinstance(node, dict) else []
    allowed = _fields(model, item["loc"][:-1])
    typo = [w for w in written if w not in allowed and difflib.get_close_matches(w, [key], 1, 0.6)]
    hint = f"'{typo[0]}' looks like it" if typo else None
    return SuiteError(
        f"{_dotted(trail)}: the key '{key}' is missing", hint=hint, place=document.place(trail)
    )


def _extra(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    key = str(item["loc"][-1])
    allowed = _fields(model, item["loc"][:-1])
    return SuiteError(
        f"unknown key '{key}'", hint=plugins.suggest(key, allowed), place=document.place(trail)
    )


def _choice(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    known = re.findall(r"'([^']*)'", str(item["ctx"].get("expected", "")))
    known = known or [str(item["ctx"].get("expected"))]
    return SuiteError(
        f"{_dotted(trail)}: '{node}' is not allowed",
        hint=plugins.suggest(str(node), known),
        place=document.place(trail),
    )


def _tag(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    wrong = str(item["ctx"]["tag"])
    known = re.findall(r"'([^']*)'", item["ctx"]["expected_tags"])
    place = document.place((*trail, "kind") if isinstance(node, dict) else trail)
    family = _family(trail, known)
    if family is None:
        return SuiteError(
            f"'{wrong}' is not allowed", hint=plugins.suggest(wrong, known), place=place
        )
    try:
        plugins.load(family, wrong)
    except PluginError as error:
        return SuiteError(error.message, hint=error.hint, place=place)
    return SuiteError(f"no {plugins.singular(family)} '{wrong}'", place=place)


def _no_tag(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    return SuiteError(
        f"{_dotted(trail)}: the key 'kind' is missing",
        hint="it names the plug-in, for example 'kind: onnxruntime'",
        place=document.place(trail),
    )


def _by_field(document: Document, model: Any, item: Any, trail: Trail, node: Any) -> SuiteError:  # noqa: ARG001
    """Return what the field's own check told, hint included."""
    told = item["ctx"]
    return SuiteError(told["message"], hint=told["hint"], place=document.place(trail))


_HANDLERS = {
    "missing": _missing,
    "extra_forbidden": _extra,
    "literal_error": _choice,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _no_tag,
    "told": _by_field,
}


def _family(trail: Trail, known: list[str]) -> str | None:
    """Return the plug-in family that is chosen at *trail*."""
    key = next((part for part in reversed(trail) if isinstance(part, str)), "")
    candidates = _FAMILY_OF_KEY.get(key, ("datasets",) if not key else ())
    return next((f for f in candidates if set(known) <= set(plugins.names(f))), None)


def _fields(model: Any, loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that *model* allows at *loc*; tags in *loc* choose among members."""
    current = record_types(model)
    for part in loc:
        below = [
            m
            for c in current
            if (f := c.model_fields.get(str(part)))
            for m in record_types(f.annotation)
        ]
        tagged = [c for c in current if _kind(c) == part]
        current = below or tagged or current
    return sorted({name for c in current for name in c.model_fields})


def _kind(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    choices = typing.get_args(field.annotation) if field else ()
    return choices[0] if choices else None


def record_types(annotation: Any) -> list[type[BaseModel]]:
    """Return the record types that *annotation* mentions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [m for argument in typing.get_args(annotation) for m in record_types(argument)]
