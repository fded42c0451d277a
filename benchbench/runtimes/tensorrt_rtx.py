"""TensorRT for RTX: another product than TensorRT, with engines and rows of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from benchbench import cuda
from benchbench.errors import CompiledOnly, MissingDependency
from benchbench.files import write_atomic
from benchbench.protocols import Packages
from benchbench.runtimes import engines
from benchbench.runtimes.engine_session import EngineSession, session
from benchbench.types import Finding, ModelFile, Precision, Record, Request, Variant

_PRODUCT = "tensorrt-rtx"
_CHIPS = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")


class TensorRtRtx(Record):
    """Runs engines of TensorRT-RTX on a GPU; without one their build alone is told."""

    packages: ClassVar[Packages] = (("tensorrt-rtx",), ("cuda-bindings",))
    extra: ClassVar[str] = "tensorrt-rtx"

    cuda_graph: bool = False
    """Record the run once as a CUDA graph and launch that: less work for the CPU."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return the engine of *precision*; fp8 only on a chip that has it (8.9 and later)."""
        return engines.accepted(_PRODUCT, precision, device)

    def known_devices(self) -> Sequence[str]:
        """Return the patterns of CUDA devices."""
        return engines.DEVICES

    def absent(self, device: str) -> str | None:
        """Return None for ``cuda``: engines are built and checked without a GPU too.

        A numbered device must be there.
        """
        return None if cuda.ordinal(device) == 0 else cuda.absent(device)

    def checkup(self) -> Sequence[Finding]:
        """Tell the version, the driver and the GPU, without loading TensorRT-RTX."""
        return list(engines.checkup(_PRODUCT, ("tensorrt-rtx",), 13))

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[EngineSession]:
        """Load an engine; raise ModelError if it does not fit.

        Raises CompiledOnly, after the engine is checked, where no GPU here can run it.
        """
        engines.check_name(_PRODUCT, request.device)
        known = engines.installed(("tensorrt-rtx",))
        engine = engines.read(model, _PRODUCT, request, known[1] if known else None)
        if reason := _idle(request.device):
            raise CompiledOnly(
                f"the engine is built, and nothing here can run it: {reason}",
                engines.compiled(engine, request),
                hint="run it on a machine with an NVIDIA RTX GPU",
            )
        kept = _Kernels(request.cache / "kernels.cache" if request.cache else None)
        with session(_library(), engine, request, kept.context, graph=self.cuda_graph) as opened:
            yield opened
            kept.save()


class _Kernels:
    """Keeps the kernels that are compiled on this machine, so that they are compiled once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._cache: Any = None

    def context(self, engine: Any) -> Any:
        """Return a context that takes its kernels from the cache."""
        if self._path is None:
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            if self._path.is_file():
                # One of another chip or version is refused, and filled anew.
                self._cache.deserialize(self._path.read_bytes())
        config.set_runtime_cache(self._cache)
        return engine.create_execution_context(config)

    def save(self) -> None:
        """Write what was compiled."""
        if self._path is not None and self._cache is not None:
            write_atomic(self._path, bytes(self._cache.serialize()))


def _idle(device: str) -> str | None:
    """Return why *device* cannot run engines of this product; None if it can."""
    chip = cuda.compute_capability(device)
    if chip and chip not in _CHIPS:
        return f"TensorRT-RTX does not serve {cuda.name(device)} (compute capability {chip})"
    return cuda.absent(device)


def _library() -> Any:
    try:
        import tensorrt_rtx
    except ImportError as error:
        raise MissingDependency("tensorrt-rtx", "tensorrt-rtx") from error
    return tensorrt_rtx
