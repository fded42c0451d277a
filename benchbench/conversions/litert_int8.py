"""Int8 LiteRT files, by the AI Edge Quantizer: calibrated, or quantized while running."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchbench.conversions.quiet import quiet
from benchbench.errors import CalibrationError, ConversionError, MissingDependency, ModelError
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant

_FLOAT = Variant(format="tflite")
_INT8 = Variant(format="tflite", precision="int8")
_DYNAMIC = Variant(format="tflite", precision="int8-dynamic")
_PACKAGES: Packages = (("ai-edge-quantizer",), ("ai-edge-litert",))
_HEAVY = re.compile(r"CONV|FULLY_CONNECTED|BATCH_MATMUL")
_KEY = "serving_default"
_FAULTS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError)


class LitertInt8(Record):
    """Static quantization: asymmetric activations by tensor, symmetric weights by channel."""

    packages: ClassVar[Packages] = _PACKAGES
    extra: ClassVar[str] = "litert"
    calibrates: ClassVar[bool] = True

    method: Literal["minmax", "moving-average"] = "minmax"
    """How activation ranges come from the calibration images; the moving average depends on
    their order."""
    float_io: bool = True
    """Leave inputs and outputs in float32; otherwise they are int8 in the file too."""
    float_tail: bool = True
    """Leave what follows the output convolutions (activations, concatenations) in float."""
    exclude: tuple[str, ...] = ()
    """Globs of output tensors whose operations stay in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8 tflite, of fp32 tflite."""
        return (_INT8,) if source == _FLOAT else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.tflite``.

        Raises ConversionError, ModelError for an unreadable file, or CalibrationError without
        images.
        """
        with _ready(model, job) as graph:
            left = graph.left_in_float(self.exclude, tail=self.float_tail)
            feeds = _Feeds(job, graph)
            with _faults(model.path):
                quantizer = _static(graph, left, float_io=self.float_io)
                ranges = _ranges(quantizer, graph, feeds, self.method, job.threads)
                path = _written(quantizer, ranges, job)
        job.record("calibration", {"method": self.method, "images": feeds.images, "seed": job.seed})
        _verify(path, {"int8"}, left, job)
        return path


class LitertDynamic(Record):
    """Weights in int8 by channel; activations are quantized while running, without calibration."""

    packages: ClassVar[Packages] = _PACKAGES
    extra: ClassVar[str] = "litert"
    calibrates: ClassVar[bool] = False

    exclude: tuple[str, ...] = ()
    """Globs of output tensors whose operations stay in float."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return int8-dynamic tflite, of fp32 tflite."""
        return (_DYNAMIC,) if source == _FLOAT else ()

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.tflite``; raise ConversionError, or ModelError for an unreadable file."""
        with _ready(model, job) as graph:
            left = graph.left_in_float(self.exclude, tail=False)
            with _faults(model.path):
                path = _written(_dynamic(graph, left), None, job)
        _verify(path, {"float32", "int8"}, left, job)
        return path


# --- the model's graph -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Graph:
    """A float model with a signature, and its operations with the tensors that they make."""

    content: bytes
    key: str
    input: str
    batch: int
    operations: tuple[dict[str, Any], ...]
    names: dict[int, str]
    outputs: tuple[int, ...]

    def scope(self, operation: dict[str, Any]) -> str:
        """Return the name that the quantizer knows an operation by: its output tensors."""
        return "".join(f"{self.names[int(one)]};" for one in operation["outputs"])

    def left_in_float(self, globs: Sequence[str], *, tail: bool) -> list[str]:
        """Return the scopes of operations to leave; raise ConversionError for an idle glob."""
        made = {self.names[int(t)]: self.scope(o) for o in self.operations for t in o["outputs"]}
        hits = {glob: fnmatch.filter(made, glob) for glob in globs}
        if idle := [glob for glob, found in hits.items() if not found]:
            raise ConversionError(
                f"'exclude' matches no tensor: {', '.join(idle)}",
                hint=f"operations are named by their output, like '{next(iter(made), '')}'",
            )
        named = {made[name] for found in hits.values() for name in found}
        return sorted(named | (self._tail() if tail else set()))

    def _tail(self) -> set[str]:
        """Return what lies behind the last convolutions or products of each output.

        Cheap, and harmful to quantize: a concatenation gives scores and boxes one scale.
        """
        makers = {int(tensor): one for one in self.operations for tensor in one["outputs"]}
        found: set[str] = set()
        waiting = list(self.outputs)
        while waiting:
            maker = makers.get(int(waiting.pop()))
            if maker is None or _HEAVY.search(maker["op_name"]) or self.scope(maker) in found:
                continue
            found.add(self.scope(maker))
            waiting += list(maker["inputs"])
        return found


@contextlib.contextmanager
def _ready(model: ModelFile, job: ConversionJob) -> Iterator[_Graph]:
    """Read *model*, and keep what the libraries say in the job's log."""
    with quiet(job.log, "", "absl"):
        try:
            import ai_edge_quantizer.quantizer  # noqa: F401 - told before any work is done
        except ImportError as error:
            raise MissingDependency("ai-edge-quantizer", "litert") from error
        try:
            content = Path(str(model.path)).read_bytes()
            _interpreter(content)
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(
                f"{model.path}: not a readable LiteRT model: {_head(error)}",
                hint="it may be truncated; convert or download it again",
            ) from error
        with _faults(model.path):
            graph = _graph(_signed(content))
        yield graph


def _interpreter(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )


def _graph(content: bytes) -> _Graph:
    interpreter = _interpreter(content)
    key, signature = next(iter(interpreter.get_signature_list().items()))
    detail = interpreter.get_input_details()[0]
    return _Graph(
        content=content,
        key=key,
        input=signature["inputs"][0],
        batch=int(detail["shape"][0]),
        operations=tuple(interpreter._get_ops_details()),  # noqa: SLF001 - there is no other way
        names={one["index"]: one["name"] for one in interpreter.get_tensor_details()},
        outputs=tuple(int(one["index"]) for one in interpreter.get_output_details()),
    )


def _signed(content: bytes) -> bytes:
    """Return the model with a signature, which old files lack and the quantizer needs."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    if _interpreter(content).get_signature_list():
        return content
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = model.subgraphs[0]

    def named(tensor: int) -> Any:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = graph.tensors[tensor].name, int(tensor)
        return entry

    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = _KEY, 0
    signature.inputs = [named(one) for one in graph.inputs]
    signature.outputs = [named(one) for one in graph.outputs]
    model.signatureDefs = [signature]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


# --- quantization ------------------------------------------------------------------------


def _static(graph: _Graph, left: list[str], *, float_io: bool) -> Any:
    from ai_edge_quantizer import quantizer, recipe

    made = quantizer.Quantizer(graph.content, recipe.static_wi8_ai8())
    for side in ("INPUT", "OUTPUT") if float_io else ():
        _leave(made, ".*", side)
    return _without(made, left)


def _dynamic(graph: _Graph, left: list[str]) -> Any:
    from ai_edge_quantizer import quantizer, recipe

    return _without(quantizer.Quantizer(graph.content, recipe.dynamic_wi8_afp32()), left)


def _without(quantizer: Any, left: list[str]) -> Any:
    for scope in left:
        _leave(quantizer, f"^{re.escape(scope)}$", "ALL_SUPPORTED")
    return quantizer


def _leave(quantizer: Any, scope: str, operation: str) -> None:
    from ai_edge_quantizer import algorithm_manager, qtyping

    quantizer.update_quantization_recipe(
        regex=scope,
        operation_name=qtyping.TFLOperationName[operation],
        algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
    )


def _ranges(quantizer: Any, graph: _Graph, feeds: _Feeds, method: str, threads: int) -> Any:
    from ai_edge_quantizer import calibrator, recipe_manager
    from ai_edge_quantizer.utils import qsv_utils

    recipes = recipe_manager.RecipeManager()
    recipes.load_quantization_recipe(quantizer.get_quantization_recipe())
    update = {"minmax": "min_max_update", "moving-average": "moving_average_update"}[method]
    observer = calibrator.Calibrator(
        graph.content, num_threads=threads, qsv_update_func=getattr(qsv_utils, update)
    )
    observer.calibrate({graph.key: feeds}, recipes)
    return observer.get_model_qsvs()


def _written(quantizer: Any, ranges: Any, job: ConversionJob) -> Path:
    result = quantizer.quantize(ranges, enable_progress_report=False)
    path = job.folder / "model.tflite"
    result.export_model(str(path))
    return path


class _Feeds:
    """The calibration images at the model's batch; can be read again, as the quantizer does."""

    def __init__(self, job: ConversionJob, graph: _Graph) -> None:
        images = job.feeds
        self.images = sum(1 for _ in images()) if images else 0
        if not images or not self.images:
            raise CalibrationError(
                "no calibration images", hint="give the suite a calibration set with images"
            )
        self._read, self._graph = images, graph

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for image in self._read():
            yield {self._graph.input: np.repeat(image, self._graph.batch, axis=0)}


def _verify(path: Path, kinds: set[str], left: list[str], job: ConversionJob) -> None:
    """Count the convolutions and products whose operands are of *kinds*; none is an error."""
    operations = _interpreter(path.read_bytes())._get_ops_details()  # noqa: SLF001 - as above
    heavy = [one for one in operations if _HEAVY.search(one["op_name"])]
    done = sum(_operands(one) == kinds for one in heavy)
    job.log(f"{done} of {len(heavy)} convolutions and products are quantized")
    facts = {"convolutions_and_products": len(heavy), "quantized": done, "in_float": left}
    job.record("int8", facts)
    if not done:
        raise ConversionError(
            f"none of the {len(heavy)} convolutions and products of the model was quantized",
            hint="check 'exclude'; a model of other operations gains nothing from int8",
        )


def _operands(operation: dict[str, Any]) -> set[str]:
    """Return the types of activations and weights, without shapes and biases."""
    kinds = [np.dtype(kind).name for kind in operation["operand_types"]]
    return set([kind for kind in kinds if kind not in ("int32", "int64")][:2])


@contextlib.contextmanager
def _faults(path: Path | None) -> Iterator[None]:
    """Turn what the quantizer raises into an error that names the file."""
    try:
        yield
    except _FAULTS as error:
        raise ConversionError(
            f"{path}: quantization failed: {type(error).__name__}: {_head(error)}",
            hint="check that the calibration images fit the model's input and that it is a float "
            "model; 'exclude' leaves an operation in float",
        ) from error


def _head(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "")[:300]
