"""Modules compiled by torch's inductor, with their weights folded in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchbench.errors import MissingDependency
from benchbench.types import Request

_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_SETTINGS = {
    # Without it weights are laid out anew in every call, and compiled bf16 gains nothing.
    "freezing": True,
    # Otherwise a pool of processes stays and disturbs what is timed.
    "compile_threads": 1,
    # Compiling the headers ahead takes most of a minute, and saves seconds a model.
    "cpp_cache_precompile_headers": False,
    # Products then stay operations of torch, which can be watched.
    "max_autotune": False,
    "max_autotune_gemm": False,
}


class Compiled:
    """A compiled module, and a way to look into it: a call within :meth:`watched` is observed."""

    def __init__(self, module: Any) -> None:
        import torch

        self.graphs = 0
        self._mode: AbstractContextManager[Any] | None = None
        self.module = torch.compile(module, backend=self._backend, dynamic=False)

    @contextmanager
    def watched(self, mode: AbstractContextManager[Any]) -> Iterator[None]:
        """Enter *mode* inside the compiled code: around it, torch would run the module eagerly."""
        self._mode = mode
        try:
            yield
        finally:
            self._mode = None

    def _backend(self, graph: Any, inputs: Any) -> Callable[..., Any]:
        from torch._inductor.compile_fx import compile_fx

        self.graphs += 1
        inner = compile_fx(graph, inputs)

        def call(*arguments: Any) -> Any:
            if self._mode is None:
                return inner(*arguments)
            with self._mode:
                return inner(*arguments)

        return call


@contextmanager
def compiler(request: Request) -> Iterator[None]:
    """Let modules be compiled in this block, with kernels kept in the request's cache.

    Raises MissingDependency without a C++ compiler, or without torchao at int8.
    """
    from torch._inductor import config

    if request.device == "cpu":
        _check_compiler()
    if request.precision == "int8":
        fuse_quantized()
    known = {key: value for key, value in _SETTINGS.items() if hasattr(config, key)}
    with ExitStack() as stack:
        stack.enter_context(config.patch(known))
        stack.enter_context(_cache(request.cache))
        yield


def fuse_quantized() -> None:
    """Teach inductor to compute quantized graphs in int8; raise MissingDependency if it cannot."""
    try:
        from torchao.quantization.pt2e.quantizer import (  # noqa: F401 # registers its patterns
            x86_inductor_quantizer,
        )
    except ImportError as error:
        raise MissingDependency("torchao", "torchao") from error


def cxx() -> str | None:
    """Return the C++ compiler that inductor calls; None if there is none."""
    return shutil.which(os.environ.get("CXX") or "g++")


def _check_compiler() -> None:
    if cxx() is None:
        error = MissingDependency(os.environ.get("CXX") or "g++", "")
        error.hint = (
            "'mode: compile' needs a C++ compiler: install one (on Debian: apt-get install g++) "
            "or name it in CXX; or use 'mode: eager'"
        )
        raise error


@contextmanager
def _cache(folder: Path | None) -> Iterator[None]:
    """Have inductor keep its files in *folder*; torch reads no other setting than this."""
    if folder is None:
        yield
        return
    before = os.environ.get(_CACHE)
    os.environ[_CACHE] = str(folder / "inductor")
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CACHE]
        else:
            os.environ[_CACHE] = before
