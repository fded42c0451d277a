"""ExecuTorch, with XNNPACK."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from benchbench.errors import MissingDependency, PlacementError
from benchbench.protocols import Packages
from benchbench.runtimes.contract import (
    PROBE_RUNS,
    Work,
    check_device,
    check_input,
    cpus,
    dominant,
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

_BACKEND = "XnnpackBackend"
_PORTABLE = "portable kernels"
_OWN = "native_call_"
"""What a profile calls an operation of ExecuTorch's own kernels, outside XNNPACK."""
_HEAVY = re.compile(r"onvolution|Fully Connected|Matrix Multiply|native_call_\w*(linear|mm|conv)")
_KINDS = re.compile(r"\(([^)]*)\)")
_NAMES = (
    ("int8-dynamic", ("QD8",)),
    ("int8", ("QS8", "QC8", "QU8")),
    ("bf16", ("BF16",)),
    ("fp16", ("F16",)),
    ("fp32", ("F32",)),
)
_DTYPES = {0: "uint8", 1: "int8", 3: "int32", 4: "int64", 5: "float16", 6: "float32"}
"""Torch's number of a scalar type → numpy's name."""

_OPEN: list[int] = []
"""Threads of the programs that are open in this process."""

Event = tuple[str, float]
"""Name and milliseconds of one operation in a profile."""


class ExecuTorch(Record):
    """Runs ``.pte`` programs: XNNPACK's subgraphs, and portable kernels for what it lacks."""

    packages: ClassVar[Packages] = (("executorch",),)
    extra: ClassVar[str] = "executorch"

    def accepts(self, precision: Precision, device: str) -> Sequence[Variant]:  # noqa: ARG002
        """Return executorch at fp32 or int8: a program computes in what is written in it."""
        if precision not in {"fp32", "int8"}:
            return ()
        return (Variant(format="executorch", precision=precision),)

    def known_devices(self) -> Sequence[str]:
        """Return ``cpu``."""
        return ("cpu",)

    def checkup(self) -> Sequence[Finding]:
        """Tell ExecuTorch's version, or that it or XNNPACK is missing."""
        try:
            library = _library()
        except MissingDependency as error:
            return (Finding(level="error", message=error.message, hint=error.hint),)
        from importlib.metadata import version

        found = f"ExecuTorch {version('executorch')}"
        if _BACKEND in library._get_registered_backend_names():  # noqa: SLF001 - no public way
            return (Finding(level="ok", message=f"{found} with XNNPACK: fp32 and int8 on cpu"),)
        hint = "pip install --force-reinstall executorch"
        return (Finding(level="error", message=f"{found} lacks XNNPACK", hint=hint),)

    @contextmanager
    def open(self, model: ModelFile, request: Request) -> Iterator[_Session]:
        """Load *model*; raise ModelError if it cannot be, or does not take the input."""
        library = _library()
        check_device("executorch", request.device, self.known_devices())
        with _pool_of(library, request.threads):
            yield _Session(library, model, request)


class _Session:
    """One program; its outputs lie in its own memory until ``download`` copies them."""

    def __init__(self, library: Any, model: ModelFile, request: Request) -> None:
        import torch

        self._library, self._model, self._request = library, model, request
        self._tensor = torch.from_numpy
        self._program = self._load()
        meta = self._program.method_meta("forward")
        tensors = [meta.input_tensor_meta(index) for index in range(meta.num_inputs())]
        specs = [_spec(one, request, index) for index, one in enumerate(tensors)]
        self.inputs: Sequence[TensorSpec] = (check_input(model.path, specs, request.input),)
        self._copies = tensors[0].is_memory_planned()
        self._outputs: Sequence[Any] = ()
        self._names = [f"output_{index}" for index in range(meta.num_outputs())]
        self._try_out(self._program)

    def upload(self, feed: Feed) -> Any:
        (array,) = feed.values()
        return (self._tensor(array),)

    def run(self, handle: Any) -> None:
        self._outputs = self._program.forward(handle, clone_outputs=False)

    def download(self, handle: Any) -> Feed:
        del handle
        pairs = zip(self._names, self._outputs, strict=True)
        return {name: _array(tensor) for name, tensor in pairs}

    def placement(self) -> Placement:
        events = list(self._profile())
        providers = shares((_provider(name), time) for name, time in events)
        work: list[Work] = [
            (_precision(name), max(time, 1e-6)) for name, time in events if _HEAVY.search(name)
        ]
        coverage = shares(work)
        ours = [(_provider(name), max(time, 1e-6)) for name, time in events]
        return Placement(
            requested_provider=_BACKEND,
            provider=dominant(providers),
            requested_device=self._request.device,
            device="cpu",
            requested_precision=self._request.precision,
            precision=effective(coverage),
            threads=self._library._threadpool_get_thread_count(),  # noqa: SLF001 - the only way
            affinity=cpus(),
            coverage=coverage,
            on_device=share_in(ours, _BACKEND, timed=True) if ours else Share(),
            in_precision=share_in(work, self._request.precision, timed=True),
            evidence="measured" if coverage else "proxy",
            source="ExecuTorch's event dump, names of XNNPACK's operations",
            copies_inside_run=self._copies,
            details=_details(events),
        )

    def _load(self, *, profiled: bool = False) -> Any:
        try:
            program = self._library._load_for_executorch(  # noqa: SLF001 - the only way
                str(self._model.path), enable_etdump=profiled
            )
            # A truncated file is noticed no earlier.
            program.method_meta("forward")
        except RuntimeError as error:
            raise unreadable(self._model, "ExecuTorch", error) from error
        return program

    def _try_out(self, program: Any) -> None:
        """Run once: what a program lacks shows only then."""
        try:
            program.forward(self.upload({"": probe(self._request.input)}))
        except RuntimeError as error:
            raise unreadable(self._model, "ExecuTorch", error) from error

    def _profile(self) -> Iterator[Event]:
        """Yield the fastest of a few untimed runs of each operation."""
        program = self._load(profiled=True)
        for _ in range(PROBE_RUNS):
            self._try_out(program)
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # It warns of its own imports, and that a profile holds no tensors.
            warnings.simplefilter("ignore")
            from executorch.devtools import Inspector

            dump = str(Path(folder) / "profile.etdump")
            program.write_etdump_result_to_file(dump, f"{dump}.debug")
            blocks = Inspector(etdump_path=dump).event_blocks
        for block in blocks:
            for event in block.events if block.name == "Execute" else ():
                if event.is_delegated_op or event.name.startswith(_OWN):
                    yield event.name, float(min(event.perf_data.raw))


@contextmanager
def _pool_of(library: Any, threads: int) -> Iterator[None]:
    """Give the process's one pool *threads* threads; it keeps them when the program is closed.

    A loaded program holds on to the pool that it was loaded with, and crashes once that is gone.
    """
    if library._threadpool_get_thread_count() != threads:  # noqa: SLF001 - no public way
        if _OPEN:
            raise PlacementError(
                f"ExecuTorch has one pool a process; a program with {_OPEN[0]} threads is open",
                hint=f"close it before one with {threads} threads is opened",
            )
        library._unsafe_reset_threadpool(threads)  # noqa: SLF001 - no public way
    _OPEN.append(threads)
    try:
        yield
    finally:
        _OPEN.remove(threads)


def _library() -> Any:
    try:
        from executorch.extension.pybindings import portable_lib
    except ImportError as error:
        raise MissingDependency("executorch", "executorch") from error
    return portable_lib


def _spec(tensor: Any, request: Request, index: int) -> TensorSpec:
    """Return an input; programs keep no names, so that the suite's is taken."""
    dtype = _DTYPES.get(tensor.dtype(), f"scalar type {tensor.dtype()}")
    name = request.input.name or "images"
    return TensorSpec(
        name=name if index == 0 else f"{name}_{index}", shape=tensor.sizes(), dtype=dtype
    )


def _array(tensor: Any) -> Any:
    single = tensor.float() if tensor.is_floating_point() else tensor
    return single.numpy().copy()


def _provider(name: str) -> str:
    return _PORTABLE if name.startswith(_OWN) else _BACKEND


def _precision(name: str) -> str:
    """Return the precision of ``Convolution (NHWC, QC8) IGEMM #1``; a portable kernel's is fp32."""
    if name.startswith(_OWN):
        return "fp32"
    said = _KINDS.search(name)
    kinds = [kind.strip() for kind in said[1].split(",")] if said else []
    found = (one for one, marks in _NAMES if any(kind.startswith(marks) for kind in kinds))
    return next(found, "unknown")


def _details(events: Sequence[Event]) -> dict[str, str]:
    own = sorted({name.removeprefix(_OWN) for name, _ in events if name.startswith(_OWN)})
    kernels = [name.partition(" #")[0] for name, _ in events if not name.startswith(_OWN)]
    counts = (f"{name} {kernels.count(name)}" for name in sorted(set(kernels)))
    return {"xnnpack": ", ".join(counts) or "none", "left out of xnnpack": ", ".join(own) or "none"}
