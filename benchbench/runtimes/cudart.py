"""CUDA's runtime library: one device, one stream, memory, copies, graphs and events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from benchbench import cuda
from benchbench.errors import MissingDependency, PlacementError


class Gpu:
    """CUDA's runtime library on one device, with one stream; errors become exceptions."""

    def __init__(self, device: str, extra: str) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise MissingDependency("cuda-bindings", extra) from error
        self._runtime = runtime
        self._success = runtime.cudaError_t.cudaSuccess
        self._in = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._out = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._wait = runtime.cudaStreamSynchronize
        self._record = runtime.cudaEventRecord
        self._events: list[Any] = []
        self._held: list[int] = []
        self._graph: Any = None
        self.call("cudaSetDevice", cuda.ordinal(device))
        self._stream = self.call("cudaStreamCreateWithFlags", runtime.cudaStreamNonBlocking)
        self.stream = int(self._stream)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of CUDA's; return what it gives beside its error code."""
        code, *values = getattr(self._runtime, name)(*arguments)
        if code == self._runtime.cudaError_t.cudaErrorMemoryAllocation:
            raise MemoryError(f"{name}: the GPU's memory is used up")
        if code != self._success:
            raise PlacementError(
                f"CUDA failed: {name}: {code.name}", hint="'nvidia-smi' tells the GPU's state"
            )
        return values[0] if values else None

    def allocate(self, size: int) -> int:
        """Return the address of *size* bytes on the device."""
        address = int(self.call("cudaMalloc", max(size, 1)))
        self._held.append(address)
        return address

    def copy_in(self, target: int, source: NDArray[Any]) -> None:
        """Start a copy of *source* to the device."""
        self.call(
            "cudaMemcpyAsync", target, source.ctypes.data, source.nbytes, self._in, self._stream
        )

    def copy_out(self, target: NDArray[Any], source: int) -> None:
        """Start a copy from the device into *target*."""
        self.call(
            "cudaMemcpyAsync", target.ctypes.data, source, target.nbytes, self._out, self._stream
        )

    def wait(self) -> None:
        """Wait for the stream."""
        (code,) = self._wait(self._stream)
        if code != self._success:
            raise PlacementError(f"CUDA failed while running: {code.name}")

    def event(self) -> Any:
        """Return an event that notes the device's time."""
        self._events.append(self.call("cudaEventCreate"))
        return self._events[-1]

    def mark(self, event: Any) -> None:
        """Have the stream note the time when it comes to here; the host does not wait."""
        (code,) = self._record(event, self._stream)
        if code != self._success:
            raise PlacementError(f"CUDA failed while running: {code.name}")

    def between_ns(self, start: Any, end: Any) -> int:
        """Return the device's nanoseconds between two events that have happened.

        CUDA tells them in milliseconds, in steps of about half a microsecond.
        """
        return round(float(self.call("cudaEventElapsedTime", start, end)) * 1e6)

    def captured(self, launch: Callable[[], None]) -> Callable[[], None]:
        """Record what *launch* starts as a CUDA graph; return a function that starts the graph."""
        mode = self._runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", self._stream, mode)
        launch()
        graph = self.call("cudaStreamEndCapture", self._stream)
        self._graph = self.call("cudaGraphInstantiate", graph, 0)
        self.call("cudaGraphDestroy", graph)
        return lambda: self.call("cudaGraphLaunch", self._graph, self._stream)

    def close(self) -> None:
        """Give everything back to the device; what fails here has failed before."""
        runtime = self._runtime
        self._wait(self._stream)
        if self._graph is not None:
            runtime.cudaGraphExecDestroy(self._graph)
        for event in self._events:
            runtime.cudaEventDestroy(event)
        self._events.clear()
        for address in self._held:
            runtime.cudaFree(address)
        self._held.clear()
        runtime.cudaStreamDestroy(self._stream)
