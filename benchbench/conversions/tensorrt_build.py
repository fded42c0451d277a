"""Build engines with TensorRT or TensorRT-RTX: the same calls, on TensorRT 10, 11 and RTX.

The network is strongly typed, so that precision lives in the ONNX file and no precision flag is
ever set: TensorRT 11 has none. The module to build with is an argument.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbench.conversions.bfloat import to_bfloat16
from benchbench.conversions.tensorrt_log import LOGS, Log
from benchbench.conversions.tensorrt_network import (
    QUANTIZED,
    check,
    ends,
    last,
    layer_precisions,
    parse,
    shares,
)
from benchbench.errors import ConversionError
from benchbench.files import write_atomic, write_json
from benchbench.types import InputShape, ModelFile, Precision, Variant

SIDECAR = "network.json"
"""Beside each engine: what was built, of what, for what; the runtimes read it."""
FROM: dict[str, tuple[Precision, ...]] = {
    "fp32": ("fp32", "tf32", "bf16"),
    "fp16": ("fp16",),
    "bf16": ("bf16",),
}
"""Precision of an onnx file → precisions of engines made of it; int8 and fp8 as they are."""


def targets(source: Variant, form: str) -> tuple[Variant, ...]:
    """Return the engines of format *form* that can be made of *source*, most exact first."""
    if source.format != "onnx" or source.target not in ("", "tensorrt"):
        return ()
    own: tuple[Precision, ...] = (source.precision,) if source.precision in QUANTIZED else ()
    return tuple(
        Variant(format=form, precision=precision) for precision in FROM.get(source.precision, own)
    )


def batches(
    wanted: int, smallest: int | None, usual: int | None, largest: int | None
) -> tuple[int, int, int]:
    """Return (min, opt, max) batch: *wanted* where nothing is given.

    Raises ConversionError if they are out of order or leave *wanted* out.
    """
    found = (smallest or wanted, usual or wanted, largest or wanted)
    if not found[0] <= found[1] <= found[2] or not found[0] <= wanted <= found[2]:
        raise ConversionError(
            f"an engine for the batches {found[0]} to {found[2]}, best at {found[1]}, does not "
            f"serve the batch {wanted}",
            hint="keep min_batch <= opt_batch <= max_batch, with the suite's batch among them",
        )
    return found


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to build one engine."""

    product: str
    """``tensorrt`` or ``tensorrt-rtx``."""
    precision: Precision
    input: InputShape
    batches: tuple[int, int, int]
    """Smallest, most usual and largest batch of an open batch dimension."""
    workspace_mb: int | None = None
    """Scratch memory that tactics may use; None for all there is."""
    level: int | None = None
    """Builder optimization level; None for the builder's default."""
    timing_cache: Path | None = None
    chips: tuple[str, ...] = ()
    """Compute capabilities to build for, where the builder can choose (``8.6``)."""
    built_on: str = ""
    """Compute capability of the GPU that it is built on and for."""


def build(
    trt: Any, model: ModelFile, recipe: Recipe, target: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Write the engine to *target* and its sidecar beside it; return what the sidecar says.

    Raises ModelError for a file that cannot be read, and ConversionError if the builder refuses
    it or the network is not in the precision asked for.
    """
    log = LOGS.setdefault(trt.__name__, Log())
    started = time.perf_counter()
    with log.to(tell), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source = _prepared(model, recipe.precision, Path(scratch))
        plan, facts = _built(trt, source, model.path, recipe, log)
    write_atomic(target, plan)
    facts = {
        "product": recipe.product,
        "engine_sha256": hashlib.sha256(plan).hexdigest(),
        "version": str(trt.__version__),
        "precision": recipe.precision,
        **facts,
        "batches": list(recipe.batches),
        "compute_capabilities": [recipe.built_on] if recipe.built_on else list(recipe.chips),
        "build_s": round(time.perf_counter() - started, 3),
    }
    write_json(target.with_name(SIDECAR), facts)
    return facts


def _built(
    trt: Any, source: Path, named: Path | None, recipe: Recipe, log: Log
) -> tuple[bytes, dict[str, Any]]:
    """Return the engine and what its network is."""
    builder = trt.Builder(log.attach(trt))
    trt.init_libnvinfer_plugins(log.logger, "")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    # The weights belong to the parser until the engine is built.
    parser = trt.OnnxParser(network, log.logger)
    parse(parser, network, source, named)
    layers = list(layer_precisions(trt, network, tf32=recipe.precision == "tf32"))
    coverage = shares(layers)
    check(coverage, recipe.precision, named)
    config = _config(trt, builder, network, recipe)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ConversionError(
            f"{named}: {recipe.product} built no engine: {last(log.errors)}",
            hint="the build's log tells more; 'workspace_mb' may be too small",
        )
    if recipe.timing_cache:
        write_atomic(recipe.timing_cache, bytes(config.get_timing_cache().serialize()))
    told = [{"name": name, "kind": kind, "precision": found} for name, kind, found in layers]
    return bytes(plan), {"coverage": coverage, "layers": told, **ends(network)}


def _prepared(model: ModelFile, precision: Precision, scratch: Path) -> Path:
    """Return the file to parse: the model's own, or a copy cast to bfloat16."""
    assert model.path
    if precision != "bf16" or model.variant.precision == "bf16":
        return model.path
    import onnx

    path = scratch / "model.onnx"
    onnx.save(to_bfloat16(onnx.load(str(model.path))), str(path))
    return path


def _config(trt: Any, builder: Any, network: Any, recipe: Recipe) -> Any:
    config = builder.create_builder_config()
    # Without it the inspector cannot name the kernels that run.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    # TensorRT computes float in tf32 unless it is told not to.
    (config.set_flag if recipe.precision == "tf32" else config.clear_flag)(trt.BuilderFlag.TF32)
    if recipe.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace_mb << 20)
    if recipe.level is not None:
        config.builder_optimization_level = recipe.level
    if recipe.timing_cache:
        _use_timing_cache(config, recipe.timing_cache)
    if recipe.chips:
        _use_chips(trt, config, recipe.chips)
    _open_dimensions(builder, network, config, recipe)
    return config


def _use_timing_cache(config: Any, path: Path) -> None:
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        # One of another chip or version, or damaged: begin anew.
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def _use_chips(trt: Any, config: Any, chips: tuple[str, ...]) -> None:
    config.num_compute_capabilities = len(chips)
    for index, chip in enumerate(chips):
        capability = getattr(trt.ComputeCapability, f"SM{chip.replace('.', '')}", None)
        if capability is None or not config.set_compute_capability(capability, index):
            known = [name[2:] for name in dir(trt.ComputeCapability) if name.startswith("SM")]
            raise ConversionError(
                f"cannot build for the compute capability {chip}",
                hint="known: " + ", ".join(f"{name[:-1]}.{name[-1]}" for name in known),
            )


def _open_dimensions(builder: Any, network: Any, config: Any, recipe: Recipe) -> None:
    """Give each input with open dimensions a range: the batch as asked, the rest as fed."""
    profile = builder.create_optimization_profile()
    wanted = recipe.input.shape
    opened = False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if -1 in shape and len(shape) == len(wanted):
            batches = recipe.batches if shape[0] == -1 else (shape[0],) * 3
            rest = tuple(
                size if dim == -1 else dim for dim, size in zip(shape[1:], wanted[1:], strict=True)
            )
            profile.set_shape(tensor.name, *((batch, *rest) for batch in batches))
            opened = True
    if opened:
        config.add_optimization_profile(profile)
