"""A user's expression over the properties of an image or object; nothing else can be reached.

By simpleeval, without attribute access, powers and all functions but ``count``: a suite may come
from a stranger.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from benchbench.errors import DatasetError

MAX_LENGTH = 500
_ALLOWED: tuple[type[ast.AST], ...] = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt,
    ast.GtE, ast.In, ast.NotIn, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List, ast.Call,
)  # fmt: skip
FUNCTIONS = ("attribute", "count")


def check(text: str) -> None:
    """Raise ValueError, naming what is wrong, if *text* is not an expression of the language."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the expression has {len(text)} characters, at most {MAX_LENGTH}")
    try:
        tree = _parsed(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"not an expression: {text!r}: {told}") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ValueError(  # noqa: TRY004 - of the text, not of a type
                f"{type(node).__name__} has no place in the expression {text!r}"
            )
        if isinstance(node, ast.Call) and not _known(node):
            raise ValueError(
                f"the only functions are {' and '.join(FUNCTIONS)}, each of one text: {text!r}"
            )


@cache
def _parsed(text: str) -> ast.Expression:
    return ast.parse(text.strip(), mode="eval")


def _known(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS
    one = len(call.args) == 1 and not call.keywords
    return named and one and isinstance(call.args[0], ast.Constant)


def names(text: str) -> set[str]:
    """Return the names that *text* uses, functions left out."""
    found = {node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name)}
    return found - set(FUNCTIONS)


def compiled(text: str) -> Callable[[Mapping[str, Any], Mapping[str, int]], bool]:
    """Return a function of properties by name, and of objects by class, that says what is in.

    What lacks a property that the expression compares is not in, whatever is asked of it.
    """
    from simpleeval import DEFAULT_OPERATORS, EvalWithCompoundTypes, InvalidExpression

    check(text)
    evaluator = EvalWithCompoundTypes(operators=DEFAULT_OPERATORS, functions={})
    tree = evaluator.parse(text.strip())

    def holds(properties: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
        evaluator.names = dict(properties)
        evaluator.functions = {
            "attribute": lambda key: _present(properties, key),
            "count": lambda name: counts.get(str(name), 0),
        }
        try:
            return bool(evaluator.eval(text, previously_parsed=tree))
        except (_Absent, TypeError, ZeroDivisionError, OverflowError):
            return False
        except InvalidExpression as error:
            if any(name not in properties for name in names(text)):
                return False
            raise DatasetError(f"the expression {text!r}: {error}") from None

    return holds


class _Absent(Exception):
    """A property that this image or object does not have."""


def _present(properties: Mapping[str, Any], key: Any) -> Any:
    if key not in properties:
        raise _Absent
    return properties[key]
