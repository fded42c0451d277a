"""TensorRT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from benchbench import cuda
from benchbench.errors import MissingDependency, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes import engines
from benchbench.runtimes.engine_session import EngineSession, session
from benchbench.types import Finding, ModelFile, Precision, Record, Request, Variant

_PRODUCT = "tensorrt"
_DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")


class TensorRt(Record):
    """Runs engines of TensorRT 10 and 11, on the GPU and with the version that built them."""

    packages: ClassVar[Packages] = (_DISTRIBUTIONS, ("cuda-bindings",))
    extra: ClassVar[str] = "tensorrt"

    cuda_graph: bool = False
    """Record the run once as a CUDA graph and launch that: less work for the CPU."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:
        """Return the engine of *precision*; fp8 only on a chip that has it (8.9 and later)."""
        return engines.accepted(_PRODUCT, precision, device)

    def known_devices(self) -> Sequence[str]:
        """Return the patterns of CUDA devices."""
        return engines.DEVICES

    def absent(self, device: str) -> str | None:
        """Return why there is no such GPU."""
        return cuda.absent(device)

    def checkup(self) -> Sequence[Finding]:
        """Tell the version, the driver and the GPU, without loading TensorRT."""
        found = engines.installed(_DISTRIBUTIONS)
        major = 12 if found and found[0].endswith("cu12") else 13
        return list(engines.checkup(_PRODUCT, _DISTRIBUTIONS, major))

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[EngineSession]:
        """Load an engine; raise PlacementError without its GPU, ModelError if it does not fit."""
        engines.check_name(_PRODUCT, request.device)
        if reason := cuda.absent(request.device):
            raise PlacementError(
                f"TensorRT cannot run: {reason}", hint="run it on a machine with an NVIDIA GPU"
            )
        trt = _library()
        engine = engines.read(model, _PRODUCT, request, str(trt.__version__))
        with session(trt, engine, request, _context, graph=self.cuda_graph) as opened:
            yield opened


def _context(engine: Any) -> Any:
    return engine.create_execution_context()


def _library() -> Any:
    """Import TensorRT; only after a driver was found, without which it dies on deletion."""
    try:
        import tensorrt
    except ImportError as error:
        raise MissingDependency("tensorrt", "tensorrt") from error
    return tensorrt
