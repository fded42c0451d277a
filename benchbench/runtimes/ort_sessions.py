"""Sessions of ONNX Runtime: how they are made on each provider, and how they are fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchbench import cuda
from benchbench.errors import BenchbenchError, MissingDependency, PlacementError
from benchbench.runtimes import ort_install, ort_placement
from benchbench.runtimes.contract import unreadable
from benchbench.types import Feed, ModelFile, Request, TensorSpec, digest

_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a session is made of: a model, a provider and its options."""

    model: ModelFile
    request: Request
    provider: str
    """``cpu``, ``cuda``, ``tensorrt`` or ``openvino``."""
    cpu_fallback: bool = False
    allow_spinning: bool = True
    optimization: str = "all"

    @property
    def name(self) -> str:
        """ONNX Runtime's name of the provider."""
        return ort_install.NAMES[self.provider]

    @property
    def strict(self) -> bool:
        """Whether every node must be on the provider."""
        return self.provider != "cpu" and not self.cpu_fallback


class Maker:
    """Makes sessions of one model with the same options, plain or profiled."""

    def __init__(self, wish: Wish) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependency("onnxruntime", "ort") from error
        self.wish = wish
        self._library = onnxruntime
        if wish.provider in ("cuda", "tensorrt"):
            ort_install.preload(onnxruntime)

    def __call__(self, profile: Path | None = None) -> Any:
        """Return a new session, which writes a profile where *profile* gives a path to begin with.

        Raises ModelError for a file that cannot be loaded, else PlacementError.
        """
        try:
            session = self._session(self._providers(), profile)
        except ort_install.errors() as error:
            raise self._explained(error) from error
        # A missing provider is replaced by the CPU with no more than a warning.
        if session.get_providers()[0] != self.wish.name:
            raise self._not_loaded(session.get_providers()[0])
        return session

    def _session(
        self, providers: list[Any], profile: Path | None = None, *, strict: bool = True
    ) -> Any:
        options = self._session_options(profile)
        if strict and self.wish.strict:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return self._library.InferenceSession(
            str(self.wish.model.path), options, providers=providers, enable_fallback=0
        )

    def _providers(self) -> list[Any]:
        asked = (self.wish.name, provider_options(self.wish))
        if self.wish.strict or self.wish.provider == "cpu":
            return [asked]
        spare = [ort_install.NAMES["cuda"]] if self.wish.provider == "tensorrt" else []
        return [asked, *spare, ort_install.NAMES["cpu"]]

    def _explained(self, error: Exception) -> BenchbenchError:
        """Tell a bad file from a provider that is not there or does not take every node."""
        if self.wish.provider == "cpu":
            return unreadable(self.wish.model, "ONNX Runtime", error)
        try:
            self._session([ort_install.NAMES["cpu"]], strict=False)
        except ort_install.errors() as second:
            return unreadable(self.wish.model, "ONNX Runtime", second)
        try:
            loose = self._session(self._providers(), strict=False)
        except ort_install.errors():
            return self._not_loaded(str(error).strip().splitlines()[-1][-300:])
        if loose.get_providers()[0] != self.wish.name:
            return self._not_loaded(loose.get_providers()[0])
        return PlacementError(
            f"{self.wish.model.path}: {self.wish.name} does not take every node; left out: "
            f"{ort_placement.left_out(loose, self.wish.name)}",
            hint="cpu_fallback: true lets them run elsewhere, and the coverage tells the share",
        )

    def _not_loaded(self, instead: str) -> PlacementError:
        return PlacementError(
            f"asked ONNX Runtime for {self.wish.name}, got: {instead}",
            hint=ort_install.remedy(self.wish.provider),
        )

    def _session_options(self, profile: Path | None) -> Any:
        ort = self._library
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.wish.request.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        level = getattr(ort.GraphOptimizationLevel, _LEVELS[self.wish.optimization])
        options.graph_optimization_level = level
        options.log_severity_level = 3
        spinning = "1" if self.wish.allow_spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        return options


def provider_options(wish: Wish) -> dict[str, str]:
    """Return what the provider is told: device, precision, threads, cache folders."""
    request = wish.request
    number = str(cuda.ordinal(request.device) or 0)
    if wish.provider == "cuda":
        return {"device_id": number, "use_tf32": str(int(request.precision == "tf32"))}
    if wish.provider == "tensorrt":
        flags = {f"trt_{request.precision}_enable": "1"}
        kept = flags if request.precision in ("fp16", "int8") else {}
        return {"device_id": number, **kept, **_tensorrt_cache(wish.model, request)}
    return _openvino_options(request) if wish.provider == "openvino" else {}


def _openvino_options(request: Request) -> dict[str, str]:
    # Untold, the provider takes its cue from the chip.
    precision = "FP16" if request.precision == "fp16" else "FP32"
    threads = {"num_of_threads": str(request.threads)} if request.device == "cpu" else {}
    cache = {"cache_dir": str(request.cache)} if request.cache else {}
    return {"device_type": request.device.upper(), "precision": precision, **threads, **cache}


def _tensorrt_cache(model: ModelFile, request: Request) -> dict[str, str]:
    """Return the cache options; engines lie in a folder a model.

    The provider's own file names do not depend on the weights, so that another model of the same
    graph would get this one's engine.
    """
    if request.cache is None:
        return {}
    identity = [model.sha256 or str(model.path), request.precision, list(request.input.shape)]
    engines = request.cache / digest(identity)[:16]
    engines.mkdir(parents=True, exist_ok=True)
    return {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(request.cache),
    }


class InPlace:
    """Binds inputs where they lie; ONNX Runtime allocates the outputs, which download copies."""

    def __init__(self, session: Any, spec: TensorSpec, request: Request) -> None:  # noqa: ARG002
        self.outputs = session.get_outputs()
        self._binding = session.io_binding()
        for output in self.outputs:
            self._binding.bind_output(output.name)
        self.infer: Callable[[Any], None] = session.run_with_iobinding

    def upload(self, feed: Feed) -> Any:
        """Bind the arrays, without a copy."""
        for name, array in feed.items():
            self._binding.bind_cpu_input(name, array)
        return self._binding


class OnDevice:
    """Holds the input tensors on the device, and lets outputs be allocated there."""

    def __init__(
        self, session: Any, spec: TensorSpec, request: Request, kind: str = "cuda"
    ) -> None:
        from onnxruntime import OrtValue

        number = cuda.ordinal(request.device) or 0
        image = TensorSpec(name=spec.name, shape=request.input.shape, dtype=request.input.dtype)
        fed = [image, *(one.spec for one in request.input.companions)]
        self.outputs = session.get_outputs()
        self._inputs = {
            one.name: OrtValue.ortvalue_from_shape_and_type(
                list(one.shape), np.dtype(one.dtype), kind, number
            )
            for one in fed
        }
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for output in self.outputs:
            self._binding.bind_output(output.name, kind, number)
        self._run = session.run_with_iobinding

    def upload(self, feed: Feed) -> Any:
        """Copy the inputs to the device, and wait for them."""
        for name, array in feed.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._binding.synchronize_inputs()
        return self._binding

    def infer(self, handle: Any) -> None:
        """Run, and wait for the outputs on the device."""
        self._run(handle)
        handle.synchronize_outputs()
