"""Runs ONNX files with ONNX's own reference evaluator: slow, but nothing is fused or rounded."""

from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchbench import types
from benchbench.errors import MissingDependency
from benchbench.runtimes import contract

HEAVY = ("Conv", "Gemm", "MatMul")
PRECISIONS = {"float32": "fp32", "float64": "fp64", "float16": "fp16"}


class OnnxReference(types.Record):
    """``onnx.reference.ReferenceEvaluator``: every operation in numpy, one after another."""

    packages: ClassVar = (("onnx",), ("onnx-reference-bench",))
    extra: ClassVar = ""

    verbose: int = Field(0, ge=0, le=10)
    """How much of each operation to write into the worker's log."""

    def accepts(self, precision, device):
        fits = precision == "fp32" and device == "cpu"
        return (types.Variant(format="onnx"),) if fits else ()

    def known_devices(self):
        return ("cpu",)

    @contextmanager
    def open(self, model, request):
        contract.check_device("onnx-reference", request.device, self.known_devices())
        try:
            import onnx
            from google.protobuf.message import DecodeError
            from onnx.reference import ReferenceEvaluator
        except ImportError as error:
            raise MissingDependency("onnx", self.extra) from error
        try:
            evaluator = ReferenceEvaluator(onnx.load(str(model.path)), verbose=self.verbose)
        except (DecodeError, OSError, RuntimeError, ValueError) as error:
            raise contract.unreadable(model, "onnx.reference", error) from error
        inputs = [spec(one) for one in evaluator.proto_.graph.input]
        yield Session(evaluator, contract.check_input(model.path, inputs, request.input), request)


class Session:
    def __init__(self, evaluator, taken, request):
        self._evaluator, self._request, self._outputs = evaluator, request, []
        self.inputs = (taken,)

    def upload(self, feed):
        return dict(feed)

    def run(self, handle):
        self._outputs = self._evaluator.run(None, handle)  # new arrays each time

    def download(self, handle):
        return dict(zip(self._evaluator.output_names, self._outputs, strict=True))

    def placement(self):
        """Run once, keep every tensor, and look in which type the heavy ones were computed."""
        asked, nodes = self._request, self._evaluator.proto_.graph.node
        zeros = {self.inputs[0].name: np.zeros(asked.input.shape, asked.input.dtype)}
        tensors = self._evaluator.run(None, zeros, intermediate=True)
        computed = [tensors[node.output[0]].dtype.name for node in nodes if node.op_type in HEAVY]
        work = [(PRECISIONS.get(dtype, dtype), 1.0) for dtype in computed]
        return types.Placement(
            requested_provider="onnx.reference",
            provider="onnx.reference",
            requested_device=asked.device,
            device="cpu",
            requested_precision=asked.precision,
            precision=contract.effective(contract.shares(work)),
            coverage=contract.shares(work),
            on_device=types.Share(nodes=1.0),
            in_precision=contract.share_in(work, asked.precision, timed=False),
            threads=asked.threads,  # benchbench limits numpy's threads to these
            affinity=contract.cpus(),
            source="dtypes of the computed tensors",
        )


def spec(one):
    from onnx.helper import tensor_dtype_to_np_dtype

    kind = one.type.tensor_type
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    dtype = tensor_dtype_to_np_dtype(kind.elem_type).name
    return types.TensorSpec(name=one.name, shape=dims, dtype=dtype)
