"""TensorRT engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from benchbench import cuda
from benchbench.conversions.tensorrt_build import Recipe, batches, build, targets
from benchbench.errors import ConversionError, MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant


class TensorRtEngine(Record):
    """Builds ``model.engine`` for the GPU at hand, with TensorRT 10 or 11.

    Of fp32 onnx: fp32 (tf32 off), tf32 and bf16; of fp16, int8 and fp8 onnx: what the file says.
    """

    packages: ClassVar[Packages] = (("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),)
    extra: ClassVar[str] = "tensorrt"
    calibrates: ClassVar[bool] = False

    workspace_mb: int | None = Field(None, ge=1)
    """Scratch memory that kernels may use, in MiB; None for all of the GPU's."""
    optimization_level: int = Field(3, ge=0, le=5)
    """How long to look for fast kernels: 0 builds fastest, 5 may run fastest."""
    timing_cache: bool = True
    """Keep kernel timings between builds: the next build is much shorter."""
    min_batch: int | None = Field(None, ge=1)
    """Smallest batch that the engine serves, for models with an open batch."""
    opt_batch: int | None = Field(None, ge=1)
    """Batch that it is tuned for; None for the suite's."""
    max_batch: int | None = Field(None, ge=1)
    """Largest batch that it serves."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return the engines that can be made of an onnx file that TensorRT takes."""
        return targets(source, "tensorrt-engine")

    def chip(self, device: str) -> Mapping[str, str]:
        """Return the GPU's name and compute capability: an engine serves no other."""
        known = {"compute_capability": cuda.compute_capability(device), "gpu": cuda.name(device)}
        return {key: value for key, value in known.items() if value is not None}

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.engine`` and ``network.json``; raise ConversionError without a GPU."""
        assert job.target
        trt = _library(job.device)
        capability = cuda.compute_capability(job.device) or ""
        recipe = Recipe(
            product="tensorrt",
            precision=job.target.precision,
            input=job.input,
            batches=batches(job.input.shape[0], self.min_batch, self.opt_batch, self.max_batch),
            workspace_mb=self.workspace_mb,
            level=self.optimization_level,
            timing_cache=self._cache(job, f"{trt.__version__}-{capability}"),
            built_on=capability,
        )
        target = job.folder / "model.engine"
        facts = build(trt, model, recipe, target, job.log)
        job.record("network", {key: facts[key] for key in facts.keys() - {"layers"}})
        return target

    def _cache(self, job: ConversionJob, name: str) -> Path | None:
        return job.cache / f"timing-{name}.cache" if self.timing_cache and job.cache else None


def _library(device: str) -> Any:
    """Import TensorRT with *device* current; never without a driver, which it does not survive."""
    reason = cuda.absent(device)
    if reason:
        raise ConversionError(
            f"TensorRT builds engines on the GPU that they are for: {reason}",
            hint="run it on a machine with an NVIDIA GPU; tensorrt-rtx builds without one",
        )
    try:
        import tensorrt
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingDependency(error.name or "tensorrt", "tensorrt") from error
    (code,) = runtime.cudaSetDevice(cuda.ordinal(device))
    if code != runtime.cudaError_t.cudaSuccess:
        raise ConversionError(f"cannot use {device}: {code.name}")
    return tensorrt
