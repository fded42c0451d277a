"""OpenCV's DNN module."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import MissingDependency, ModelError, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    Work,
    check_device,
    check_input,
    cpus,
    effective,
    probe,
    share_in,
    shares,
    unreadable,
)
from benchbench.types import (
    Feed,
    Finding,
    ModelFile,
    Placement,
    Precision,
    Record,
    Request,
    Share,
    TensorSpec,
    Variant,
)

_HEAVY = re.compile(r"Conv|InnerProduct|Gemm|MatMul|Attention|Einsum|LSTM|GRU")
_CLASSIC_ONLY = "__NetInputLayer__"
"""A layer that the classic engine makes and the new one does not."""
_OPERATION = re.compile(r"^\s*// op #\d+$", re.MULTILINE)
_OPERAND = re.compile(r"inputs: \[[^]]*?CV_(\w+?)C\d")
_PRECISIONS = {
    "32F": "fp32",
    "16F": "fp16",
    "16BF": "bf16",
    "8S": "int8",
    "8U": "int8",
    "float32": "fp32",
    "float16": "fp16",
    "int8": "int8",
}


class OpenCv(Record):
    """Runs ``.onnx`` files in fp32 on the CPU; nothing else is right there."""

    packages: ClassVar[Packages] = (
        ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless"),
        ("onnx",),
    )
    extra: ClassVar[str] = "opencv"

    engine: Literal["auto", "classic", "new"] = "auto"
    """Which of OpenCV 5's engines: ``auto`` takes the new one where it can read the model."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return onnx at fp32; raise PlacementError for int8 and fp16, saying why."""
        if precision == "int8":
            raise PlacementError(
                "OpenCV's import of Q/DQ models is wrong: OpenCV 5.0 computed a ResNet18 with an "
                "error of 124 % of the output's standard deviation, where ONNX Runtime has 14 %",
                hint="take int8 in onnxruntime or openvino; leave opencv at fp32",
            )
        if precision == "fp16":
            raise PlacementError(
                "OpenCV has no fp16 on this kind of CPU: DNN_TARGET_CPU_FP16 only warns, and the "
                "outputs are those of fp32",
                hint="leave opencv at fp32",
            )
        return (Variant(format="onnx"),) if precision == "fp32" else ()

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    def checkup(self) -> Sequence[Finding]:
        """Tell OpenCV's version and engines, or that it is missing."""
        try:
            import cv2
        except ImportError:
            missing = MissingDependency("opencv-python-headless", self.extra)
            return (Finding(level="error", message=missing.message, hint=missing.hint),)
        engines = "classic and new engine" if hasattr(cv2.dnn, "ENGINE_NEW") else "classic engine"
        return (Finding(level="ok", message=f"OpenCV {cv2.__version__}: {engines}, fp32 on cpu"),)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input."""
        try:
            import cv2
            import onnx  # noqa: F401 - tells the order of the outputs, which OpenCV may change
        except ImportError as error:
            package = {"cv2": "opencv-python-headless"}.get(str(error.name), str(error.name))
            raise MissingDependency(package, self.extra) from error
        check_device("opencv", request.device, self.known_devices())
        inputs, outputs = _ends(model)
        spec = check_input(model.path, inputs, request.input)
        with ExitStack() as stack:
            stack.callback(cv2.setNumThreads, cv2.getNumThreads())
            cv2.setNumThreads(request.threads)
            session = _Session(*self._read(cv2, model), spec, outputs, request)
            try:
                session.try_out()
            except cv2.error as error:
                raise unreadable(model, "OpenCV", error) from error
            yield session

    def _read(self, cv2: Any, model: ModelFile) -> tuple[Any, str]:
        chosen = getattr(cv2.dnn, f"ENGINE_{self.engine.upper()}", None)
        if chosen is None and self.engine == "new":
            raise PlacementError(
                f"OpenCV {cv2.__version__} has no new engine", hint="pip install -U to OpenCV 5"
            )
        extra = {} if chosen is None else {"engine": chosen}
        try:
            net = cv2.dnn.readNetFromONNX(str(model.path), **extra)
        except cv2.error as error:
            raise unreadable(model, "OpenCV", error) from error
        engine = self._engine(net)
        if engine == "classic":
            # Its default is whatever this build was given; the new engine has but the CPU.
            net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
            net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
        return net, engine

    def _engine(self, net: Any) -> str:
        """Return which engine runs; the variable OPENCV_FORCE_DNN_ENGINE overrules the option."""
        got = "classic" if _CLASSIC_ONLY in net.getLayerTypes() else "new"
        if self.engine not in {"auto", got}:
            raise PlacementError(
                f"asked OpenCV for its {self.engine} engine, got the {got} one",
                hint="unset OPENCV_FORCE_DNN_ENGINE, or set 'engine: auto'",
            )
        return got


class _Session:
    """One net; ``upload`` copies the input into it, ``forward`` copies the outputs out of it."""

    def __init__(
        self, net: Any, engine: str, spec: TensorSpec, outputs: list[TensorSpec], request: Request
    ) -> None:
        self.inputs: Sequence[TensorSpec] = (spec,)
        self._net, self._engine = net, engine
        self._request = request
        self._names = [one.name for one in outputs]
        # OpenCV 4 computes integers as floats, and halves come out as such.
        self._dtypes = ["float32" if "float" in one.dtype else one.dtype for one in outputs]
        self._blobs: Sequence[NDArray[Any]] = ()

    def upload(self, feed: Feed) -> Any:
        ((name, array),) = feed.items()
        self._net.setInput(array, name)
        return self._names

    def run(self, handle: Any) -> None:
        self._blobs = self._net.forward(handle)

    def download(self, handle: Any) -> Feed:
        blobs = zip(self._blobs, self._dtypes, strict=True)
        arrays = (blob.astype(dtype, copy=False) for blob, dtype in blobs)
        return dict(zip(handle, arrays, strict=True))

    def try_out(self) -> None:
        """Run once: OpenCV checks shapes only while it runs."""
        self.run(self.upload({self.inputs[0].name: probe(self._request.input)}))

    def placement(self) -> Placement:
        ticks = self._profile()
        layers = list(zip(self._layers(), ticks, strict=True))
        work: list[Work] = [(kind, time) for (type_, kind), time in layers if _HEAVY.search(type_)]
        coverage = shares(work)
        return Placement(
            requested_provider="opencv",
            provider="opencv",
            requested_device=self._request.device,
            device="cpu",
            requested_precision=self._request.precision,
            precision=effective(coverage),
            threads=_threads(),
            affinity=cpus(),
            coverage=coverage,
            on_device=Share(nodes=1.0, time=1.0) if ticks else Share(),
            in_precision=share_in(work, self._request.precision, timed=True),
            evidence="measured" if coverage else "proxy",
            source=f"OpenCV's layer profile, types of the {self._origin}",
            copies_inside_run=True,
            details={
                "engine": self._engine,
                "layers": _counted([one for one, _ in self._layers()]),
            },
        )

    @property
    def _origin(self) -> str:
        return "weights" if self._engine == "classic" else "inputs of each operation"

    def _profile(self) -> list[float]:
        """Return the fastest of a few untimed runs of each layer, in ticks; 0 where it is fused."""
        detailed = hasattr(self._net, "setProfilingMode")
        if detailed:
            import cv2

            self._net.setProfilingMode(cv2.dnn.DNN_PROFILE_DETAILED)
        runs = []
        for _ in range(PROBE_RUNS):
            self.try_out()
            runs.append(np.asarray(self._net.getPerfProfile()[1], np.float64).ravel())
        if detailed:
            self._net.setProfilingMode(cv2.dnn.DNN_PROFILE_NONE)
        return [float(one) for one in np.min(runs, axis=0)]

    def _layers(self) -> list[tuple[str, str]]:
        """Return (type, precision) of each layer, in the order of the profile."""
        layers = [
            self._net.getLayer(self._net.getLayerId(name)) for name in self._net.getLayerNames()
        ]
        if self._engine == "classic":
            kinds = [next((blob.dtype.name for blob in one.blobs), "") for one in layers]
        else:
            operations = _OPERATION.split(self._net.dump())[1:]
            found = [_OPERAND.search(one) for one in operations]
            kinds = [match[1] if match else "" for match in found]
        if len(kinds) != len(layers):
            # Subgraphs are listed in one place and not in the other.
            kinds = [""] * len(layers)
        return [
            (layer.type, _PRECISIONS.get(kind, "unknown"))
            for layer, kind in zip(layers, kinds, strict=True)
        ]


def _ends(model: ModelFile) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Return the inputs and outputs as the file orders them.

    The classic engine sorts its outputs, and leaves out one that another layer reads.
    """
    import onnx
    from google.protobuf.message import (  # type: ignore[import-untyped] # ships no types
        DecodeError,
    )

    try:
        graph = onnx.load(str(model.path), load_external_data=False).graph
    except (DecodeError, OSError) as error:
        raise unreadable(model, "onnx", error) from error
    if not graph.output:
        raise ModelError(
            f"{model.path}: not an ONNX model: it has no outputs", hint="export it again"
        )
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [_spec(one) for one in graph.input if one.name not in stored]
    return inputs, [_spec(one) for one in graph.output]


def _spec(value: Any) -> TensorSpec:
    import onnx

    kind = value.type.tensor_type
    shape = tuple(int(dim.dim_value) or None for dim in kind.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
    return TensorSpec(name=value.name, shape=shape, dtype=dtype)


def _threads() -> int:
    import cv2

    return int(cv2.getNumThreads())


def _counted(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names)))
