"""ncnn, on the CPU."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchbench.errors import MissingDependency, ModelError, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
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

_HEAVY = re.compile(r"Convolution|InnerProduct|Gemm|MatMul|Attention|SDPA|LSTM|GRU|RNN|Einsum")
_FLAGS = {
    "fp32": (),
    "bf16": ("use_bf16_storage", "use_bf16_packed"),
    "fp16": ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
}
_REDUCED = (
    *_FLAGS["bf16"],
    *_FLAGS["fp16"],
    "use_int8_inference",
    "use_int8_packed",
    "use_int8_storage",
    "use_int8_arithmetic",
)
_MAGIC = "7767517"
_ARM = {"aarch64", "arm64"}
_NUMBERED = re.compile(r"^out\d+$")
_WEIGHTS = {"InnerProduct": "2"}
"""Layer → key of its count of weights; of all convolutions it is 6."""


class Ncnn(Record):
    """Runs ``.param`` files with the ``.bin`` beside them; only what is asked is reduced."""

    packages: ClassVar[Packages] = (("ncnn",),)
    extra: ClassVar[str] = "ncnn"

    winograd: bool = True
    """Compute 3 × 3 convolutions by Winograd's algorithm: faster, last digits differ."""

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return fp32 ncnn for fp32 and bf16, on ARM for fp16; raise PlacementError elsewhere."""
        if precision == "fp16" and platform.machine() not in _ARM:
            raise PlacementError(
                f"ncnn has no fp16 on {platform.machine()}: with its fp16 options the outputs are "
                "those of fp32, bit for bit",
                hint="take fp32 or bf16",
            )
        return (Variant(format="ncnn"),) if precision in _FLAGS else ()

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    def checkup(self) -> Sequence[Finding]:
        """Tell ncnn's version, or that it is missing or too old."""
        try:
            library = _library()
        except MissingDependency as error:
            return (Finding(level="error", message=error.message, hint=error.hint),)
        return (Finding(level="ok", message=f"ncnn {library.__version__}, fp32 and bf16 on cpu"),)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input."""
        library = _library()
        check_device("ncnn", request.device, self.known_devices())
        layers = _layers(model)
        inputs = [_spec(one, request) for one in layers if one[0] == "Input"]
        spec = check_input(model.path, inputs, request.input)
        _check_stored(model, layers)
        net = self._load(library, model, request.precision, request.threads)
        session = _Session(library, net, spec, request)
        session.try_out(model)
        session.reload = lambda: self._load(library, model, "fp32", request.threads)
        yield session

    def _load(self, library: Any, model: ModelFile, precision: str, threads: int) -> Any:
        net = library.Net()
        for flag in _REDUCED:
            setattr(net.opt, flag, flag in _FLAGS[precision])
        net.opt.use_vulkan_compute = False
        net.opt.use_winograd_convolution = self.winograd
        net.opt.num_threads = threads
        if net.load_param(str(model.path)) or net.load_model(str(_weights(model))):
            raise unreadable(model, "ncnn", ValueError("see what it wrote above"))
        return net


class _Session:
    """One net. ``upload`` copies the input; every run has an extractor of its own, as it must."""

    reload: Any

    def __init__(self, library: Any, net: Any, spec: TensorSpec, request: Request) -> None:
        self.inputs: Sequence[TensorSpec] = (spec,)
        self._library, self._net, self._request = library, net, request
        self._mat = library.Mat
        self._name, self._names = spec.name, _ordered(net.output_names())
        self._found: list[tuple[int, Any]] = []

    def upload(self, feed: Feed) -> Any:
        (array,) = feed.values()
        return self._mat(np.ascontiguousarray(array), batch_index=0)

    def run(self, handle: Any) -> None:
        extractor = self._net.create_extractor()
        extractor.input(self._name, handle)
        self._found = [extractor.extract(name) for name in self._names]

    def download(self, handle: Any) -> Feed:
        del handle
        failed = [code for code, _ in self._found if code]
        if failed:
            raise ModelError(
                f"ncnn gave the code {failed[0]} instead of an output",
                hint="-100 is want of memory; else the input's size does not fit the model",
            )
        mats = zip(self._names, self._found, strict=True)
        return {name: mat.numpy(batch_index=0) for name, (_, mat) in mats}

    def try_out(self, model: ModelFile) -> None:
        """Run once: ncnn finds only then what does not fit."""
        self.run(self.upload({self._name: probe(self._request.input)}))
        if any(code for code, _ in self._found):
            raise unreadable(model, "ncnn", ValueError("it fails on an input of this size"))

    def placement(self) -> Placement:
        precision = self._request.precision
        error = self._signature() if precision != "fp32" else None
        heavy = [layer for layer in self._net.layers() if _HEAVY.search(layer.type)]
        reduced = [
            bool(error) and getattr(layer, f"support_{precision}_storage") for layer in heavy
        ]
        work: list[Work] = [(precision if one else "fp32", 1.0) for one in reduced]
        coverage = shares(work)
        return Placement(
            requested_provider="ncnn",
            provider="ncnn",
            requested_device=self._request.device,
            device="cpu",
            requested_precision=precision,
            precision=effective(coverage),
            threads=self._net.opt.num_threads,
            affinity=cpus(),
            coverage=coverage,
            on_device=Share(nodes=1.0),
            in_precision=share_in(work, precision, timed=False),
            evidence="proxy",
            source="ncnn's options, and what each layer says that it supports",
            details=self._details(heavy, error),
        )

    def _details(self, heavy: Sequence[Any], error: float | None) -> dict[str, str]:
        flags = [flag for flag in _REDUCED if getattr(self._net.opt, flag)]
        kinds = [layer.type for layer in heavy]
        said = {
            "options": ", ".join(flags) or "none that reduces precision",
            "layers": ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds))),
        }
        if error is not None:
            said["difference from fp32"] = f"{error:.2g} of the standard deviation"
        return said

    def _signature(self) -> float:
        """Return the RMS difference from fp32 on one input, in standard deviations."""
        handle = self.upload({self._name: probe(self._request.input)})
        self.run(handle)
        ours = self.download(handle)
        plain = _Session(self._library, self.reload(), self.inputs[0], self._request)
        plain.run(handle)
        theirs = plain.download(handle)
        return max(_rms(ours[name], theirs[name]) for name in ours)


def _rms(ours: Any, theirs: Any) -> float:
    spread = float(theirs.std()) or 1.0
    return float(np.sqrt(np.mean(np.square(ours.astype(np.float64) - theirs)))) / spread


def _library() -> Any:
    try:
        import ncnn
    except ImportError as error:
        raise MissingDependency("ncnn", "ncnn") from error
    if not hasattr(ncnn.Mat, "batch"):
        # Older ones have no batch axis, and drop it from what goes in and comes out.
        raise MissingDependency("ncnn>=1.0.20261020", "ncnn")
    return ncnn


def _weights(model: ModelFile) -> Path:
    assert model.path is not None
    return model.path.with_suffix(".bin")


def _layers(model: ModelFile) -> list[tuple[str, str, dict[str, str]]]:
    """Return (type, name of the first output, parameters) of each layer of the ``.param`` file."""
    assert model.path is not None
    try:
        magic, _, *lines = model.path.read_text().splitlines()
        layers = [_layer(line.split()) for line in lines if line.strip()]
    except (OSError, ValueError, IndexError) as error:
        raise unreadable(model, "ncnn", error) from error
    if magic.strip() != _MAGIC:
        fault = ValueError(f"the first line is '{magic[:20]}' instead of {_MAGIC}")
        raise unreadable(model, "ncnn", fault)
    return layers


def _layer(words: list[str]) -> tuple[str, str, dict[str, str]]:
    bottoms, tops = int(words[2]), int(words[3])
    first = words[4 + bottoms] if tops else ""
    pairs = (word.split("=", 1) for word in words[4 + bottoms + tops :])
    return words[0], first, {pair[0]: pair[-1] for pair in pairs}


def _spec(layer: tuple[str, str, dict[str, str]], request: Request) -> TensorSpec:
    """Return the input as the file tells it; a size that it leaves out is open."""
    _, name, said = layer
    sides = [int(said.get(key, 0)) or None for key in ("2", "1", "0")]
    known = sides if any(sides) else [None] * (len(request.input.shape) - 1)
    return TensorSpec(name=name, shape=(None, *known), dtype="float32")


def _check_stored(model: ModelFile, layers: Sequence[tuple[str, str, dict[str, str]]]) -> None:
    """Raise ModelError unless the weights can be fp32: pnnx's own default is fp16."""
    path = _weights(model)
    counts = [
        int(said.get(_WEIGHTS.get(kind, "6"), 0))
        for kind, _, said in layers
        if "Convolution" in kind or kind in _WEIGHTS
    ]
    if not path.is_file():
        raise ModelError(f"{path}: the weights of the model are missing", hint="copy both files")
    if path.stat().st_size < 4 * sum(counts):
        raise ModelError(
            f"{path}: {path.stat().st_size} bytes are too few for {sum(counts)} fp32 weights",
            hint="the file is truncated, or holds fp16 or int8: write it with 'pnnx … fp16=0'",
        )


def _ordered(names: Sequence[str]) -> list[str]:
    """Return the outputs in the module's order, which pnnx's numbers tell, not the graph."""
    if all(_NUMBERED.match(name) for name in names):
        return sorted(names, key=lambda name: int(name[3:]))
    return list(names)
