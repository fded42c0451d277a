"""TensorRT-RTX engines: built ahead of time, on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from benchbench.conversions.tensorrt_build import Recipe, batches, build, targets
from benchbench.errors import MissingDependency
from benchbench.protocols import Packages
from benchbench.types import ConversionJob, ModelFile, Record, Variant


class TensorRtRtxEngine(Record):
    """Builds ``model.engine`` with TensorRT for RTX, without a GPU; kernels are compiled later.

    Another product than TensorRT: its engines run in its own runtime only.
    """

    packages: ClassVar[Packages] = (("tensorrt-rtx",),)
    extra: ClassVar[str] = "tensorrt-rtx"
    calibrates: ClassVar[bool] = False

    compute_capabilities: tuple[str, ...] = Field((), max_length=8)
    """Chips to build for, e.g. ``8.9``; none for all that the product serves."""
    min_batch: int | None = Field(None, ge=1)
    """Smallest batch that the engine serves, for models with an open batch."""
    opt_batch: int | None = Field(None, ge=1)
    """Batch that it is tuned for; None for the suite's."""
    max_batch: int | None = Field(None, ge=1)
    """Largest batch that it serves."""

    def targets(self, source: Variant) -> Sequence[Variant]:
        """Return the engines that can be made of an onnx file that TensorRT takes."""
        return targets(source, "tensorrt-rtx-engine")

    def convert(self, model: ModelFile, job: ConversionJob) -> Path:
        """Write ``model.engine`` and ``network.json``; raise ConversionError if refused."""
        assert job.target
        try:
            import tensorrt_rtx
        except ImportError as error:
            raise MissingDependency(error.name or "tensorrt-rtx", "tensorrt-rtx") from error
        recipe = Recipe(
            product="tensorrt-rtx",
            precision=job.target.precision,
            input=job.input,
            batches=batches(job.input.shape[0], self.min_batch, self.opt_batch, self.max_batch),
            chips=self.compute_capabilities,
        )
        target = job.folder / "model.engine"
        facts = build(tensorrt_rtx, model, recipe, target, job.log)
        job.record("network", {key: facts[key] for key in facts.keys() - {"layers"}})
        return target
