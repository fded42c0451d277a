"""Hold the names that our sources use against a library's real bindings.

``python -m tests.nvidia.names MODULE`` prints what MODULE lacks, as JSON. Needs nothing but MODULE.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2] / "benchbench"
OBJECTS = {
    "conversions/tensorrt_build.py": {
        "builder": "Builder",
        "network": "INetworkDefinition",
        "config": "IBuilderConfig",
        "profile": "IOptimizationProfile",
        "tensor": "ITensor",
    },
    "conversions/tensorrt_network.py": {
        "network": "INetworkDefinition",
        "parser": "OnnxParser",
        "error": "ParserError",
        "layer": "ILayer",
        "tensor": "ITensor",
    },
    "conversions/tensorrt_log.py": {},
    "runtimes/engine_library.py": {
        "engine": "ICudaEngine",
        "self.engine": "ICudaEngine",
        "self._runtime": "Runtime",
        "context": "IExecutionContext",
        "inspector": "EngineInspector",
    },
    "runtimes/engine_session.py": {
        "context": "IExecutionContext",
        "self._context": "IExecutionContext",
    },
    "runtimes/tensorrt.py": {"engine": "ICudaEngine"},
    "runtimes/tensorrt_rtx.py": {
        "engine": "ICudaEngine",
        "config": "IRuntimeConfig",
        "self._cache": "IRuntimeCache",
    },
}
"""Source → what its variables hold; of tensorrt.py and tensorrt_rtx.py, in ``_context`` and
``_Kernels`` alone is ``engine`` the library's."""
RESULTS = {
    "get_layer": "ILayer",
    "get_input": "ITensor",
    "get_output": "ITensor",
    "get_timing_cache": "ITimingCache",
}
"""Method → class of what it returns, where a name is asked of the result at once."""
OURS = {"_context", "_Kernels"}
ONLY_RTX = {
    "conversions/tensorrt_build.py": {
        "trt.ComputeCapability",
        "IBuilderConfig.num_compute_capabilities",
        "IBuilderConfig.set_compute_capability",
    },
    "runtimes/tensorrt_rtx.py": {
        "IRuntimeConfig.create_runtime_cache",
        "IRuntimeConfig.set_runtime_cache",
        "trt.IRuntimeCache",
    },
}
"""What TensorRT itself does not have, and is reached through TensorRT-RTX only."""


def missing(trt: Any) -> dict[str, list[str]]:
    """Return source → names, arguments and keywords that *trt* lacks."""
    return {name: sorted(set(_missing(trt, name))) for name in OBJECTS}


def used() -> int:
    """Return how many uses of the library's names are held against it."""
    return sum(1 for name in OBJECTS for _ in _uses(name))


def _missing(trt: Any, name: str) -> Iterator[str]:
    for owner, path, call in _uses(name):
        at = trt if owner is None else getattr(trt, owner, None)
        if at is None:
            yield f"trt.{owner}"
            continue
        for part in path:
            if not hasattr(at, part):
                yield f"{owner or 'trt'}.{'.'.join(path)}"
                break
            at = getattr(at, part)
        else:
            if call is not None and owner is not None and not _fits(at.__doc__ or "", call):
                yield f"{owner}.{'.'.join(path)}: {ast.unparse(call)}"


def _uses(name: str) -> Iterator[tuple[str | None, list[str], ast.Call | None]]:
    """Yield (class, attributes, call): a None class is the module itself."""
    tree = ast.parse((ROOT / name).read_text())
    parts = [tree]
    if name in ("runtimes/tensorrt.py", "runtimes/tensorrt_rtx.py"):
        parts = [node for node in tree.body if getattr(node, "name", "") in OURS]  # type: ignore[misc]
        assert parts
    for part in parts:
        calls = {id(node.func): node for node in ast.walk(part) if isinstance(node, ast.Call)}
        for node in ast.walk(part):
            if isinstance(node, ast.Attribute):
                found = _owner(node, OBJECTS[name])
                if found:
                    yield *found, calls.get(id(node))


def _owner(node: ast.Attribute, known: dict[str, str]) -> tuple[str | None, list[str]] | None:
    path = [node.attr]
    at: ast.expr = node.value
    while True:
        if ast.unparse(at) in known:
            return known[ast.unparse(at)], path[:1]
        if isinstance(at, ast.Name) and at.id == "trt":
            return None, path
        if isinstance(at, ast.Call) and isinstance(at.func, ast.Attribute):
            owner = RESULTS.get(at.func.attr)
            return (owner, path[:1]) if owner else None
        if not isinstance(at, ast.Attribute):
            return None
        path.insert(0, at.attr)
        at = at.value


def _fits(text: str, call: ast.Call) -> bool:
    """Return whether a signature in pybind's docstring takes the call's arguments."""
    signatures = re.findall(r"^(?:\d+\. )?\w+\((self[^\n]*)\) -> ", text, re.MULTILINE)
    if not signatures:  # a property that is called, or no text
        return not text
    given = len(call.args)
    starred = any(isinstance(one, ast.Starred) for one in call.args)
    for signature in signatures:
        names = re.findall(r"(?:^|, )(\w+): ", signature)[1:]
        needed = len(re.findall(r"(?:^|, )\w+: [^,=]+(?=,|$)", signature)) - 1
        keywords = {one.arg for one in call.keywords}
        enough = starred or needed <= given + len(keywords) <= len(names)
        if keywords <= set(names) and enough:
            return True
    return False


if __name__ == "__main__":
    module = importlib.import_module(sys.argv[1])
    print(json.dumps({"version": module.__version__, "missing": missing(module)}))
