"""TensorRT or TensorRT-RTX with one engine loaded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from benchbench.errors import ModelError
from benchbench.runtimes.engines import DTYPES, Engine
from benchbench.types import TensorSpec

_LOG = logging.getLogger("benchbench.tensorrt")


class Messages:
    """What TensorRT said that matters."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def hear(self, severity: str, message: str) -> None:
        """Keep errors, and pass warnings and errors to the log."""
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(message)
        if severity in ("ERROR", "INTERNAL_ERROR", "WARNING"):
            _LOG.warning("%s", message)

    def last(self) -> str:
        """Return the last error's last line."""
        return self.errors[-1].strip().splitlines()[-1][:400] if self.errors else "no reason given"


def _logger(trt: Any, messages: Messages) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc] # the base comes with the argument
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            messages.hear(severity.name, msg)

    return Logger()


def profiler(trt: Any, times: dict[str, float]) -> Any:
    """Return a profiler that keeps the fastest time of each layer, in milliseconds."""

    class Profiler(trt.IProfiler):  # type: ignore[misc] # the base comes with the argument
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            times[layer_name] = min(times.get(layer_name, ms), ms)

    return Profiler()


class Loaded:
    """An engine with its library."""

    def __init__(self, trt: Any, file: Engine, make_context: Callable[[Any], Any]) -> None:
        self.trt, self.file = trt, file
        self._make, self._messages = make_context, Messages()
        self._logger = _logger(trt, self._messages)
        trt.init_libnvinfer_plugins(self._logger, "")
        self._runtime = trt.Runtime(self._logger)
        self.engine = self._runtime.deserialize_cuda_engine(file.data)
        if self.engine is None:
            raise ModelError(
                f"{file.model.path}: {file.name} {trt.__version__} cannot load the engine: "
                f"{self._messages.last()}",
                hint="an engine serves the version and the chip that it was built with: build it "
                "again from the onnx file",
            )

    def tensors(self) -> tuple[list[TensorSpec], list[TensorSpec]]:
        """Return the inputs and the outputs, in the model's order where it is known."""
        inputs: list[TensorSpec] = []
        outputs: list[TensorSpec] = []
        engine = self.engine
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            shape = tuple(None if dim == -1 else dim for dim in engine.get_tensor_shape(name))
            kind = engine.get_tensor_dtype(name).name
            spec = TensorSpec(name=name, shape=shape, dtype=DTYPES.get(kind, kind.lower()))
            taken = engine.get_tensor_mode(name) == self.trt.TensorIOMode.INPUT
            (inputs if taken else outputs).append(spec)
        beside = self.file.beside
        order = [one.name for one in beside.outputs] if beside else []
        if sorted(order) == sorted(one.name for one in outputs):
            outputs.sort(key=lambda one: order.index(one.name))
        return inputs, outputs

    def context(self, name: str, shape: tuple[int, ...]) -> Any:
        """Return a context for an input of *shape*; raise ModelError if it takes none."""
        context = self._make(self.engine)
        if context is None:
            raise ModelError(
                f"{self.file.model.path}: no execution context: {self._messages.last()}",
                hint="the GPU's memory may be used up",
            )
        if not context.set_input_shape(name, shape):
            low, _, high = self.engine.get_tensor_profile_shape(name, 0)
            raise ModelError(
                f"{self.file.model.path}: the engine takes shapes from {tuple(low)} to "
                f"{tuple(high)}, not {shape}",
                hint="build it for this batch and size",
            )
        return context

    def linear(self, name: str) -> bool:
        """Return whether the tensor lies on the device, in rows as numpy has it."""
        layout = self.engine.get_tensor_format(name)
        place = self.engine.get_tensor_location(name)
        rows = bool(layout == self.trt.TensorFormat.LINEAR)
        return rows and bool(place == self.trt.TensorLocation.DEVICE)

    def information(self, context: Any) -> dict[str, Any]:
        """Return what the inspector says of the engine, at the shapes of *context*."""
        inspector = self.engine.create_engine_inspector()
        inspector.execution_context = context
        try:
            found = json.loads(
                inspector.get_engine_information(self.trt.LayerInformationFormat.JSON)
            )
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
