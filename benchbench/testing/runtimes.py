"""What every runtime owes."""

from __future__ import annotations

import os
import shutil
import tempfile
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchbench.errors import CompiledOnly, ModelError, PlacementError
from benchbench.protocols import Runtime, Session
from benchbench.testing.check import (
    Check,
    claim,
    described,
    imports_lightly,
    make_checks,
    options_round_trip,
    refusal,
)
from benchbench.types import InputShape, ModelFile, Placement, Precision, Request, Share, Variant

_MOST = 0.9
"""Share of the work in one precision from which on the effective precision is that one."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an output may be from its reference."""

    sigma: float = 1e-3
    """Largest error over the reference's standard deviation; 0.2 or so for int8."""
    cosine: float = 0.9999
    """Least cosine similarity; 0.99 or so for int8."""


@dataclass(frozen=True, slots=True)
class RuntimeCase:
    """A runtime with one model in one precision. Nothing is loaded until a check is called."""

    runtime: Runtime
    """The plug-in with its options."""
    request: Request
    """What is asked of it; ``request.input`` is what the model takes."""
    model: Callable[[], ModelFile]
    """Returns the model, always the same; called by every check."""
    reference: Callable[[NDArray[Any]], Sequence[NDArray[Any]]]
    """Returns the outputs for one input, in the model's order, computed by something else."""
    tolerance: Tolerance = Tolerance()
    effective: tuple[str, ...] = ()
    """Effective precisions to expect where they are not the requested one: what this machine
    makes of it."""
    impossible: tuple[Precision, ...] = ()
    """Precisions that the runtime must refuse on the requested device."""
    wrong: tuple[tuple[int, ...], ...] = ()
    """Input shapes that the model does not take; by default two are derived from the right one."""
    name: str = ""
    """Stands before each check's name; by default the class, the variant is up to you."""


def runtime_checks(*cases: RuntimeCase) -> list[Check]:
    """Return the checks of all *cases*, named ``case: what must be true``."""
    return [check for case in cases for check in _of(case)]


def _of(case: RuntimeCase) -> list[Check]:
    facts: dict[str, Callable[[RuntimeCase], None]] = {
        "what is opened was announced by accepts": _announced,
        "accepts returns variants or says why not": _accepts,
        "a precision that it cannot run is refused": _impossible,
        "outputs have the right number, shapes and dtypes": _outputs,
        "outputs agree with the reference": _agrees,
        "downloaded arrays survive the next run": _survives,
        "an array that may not be written is accepted and left alone": _read_only,
        "the placement is consistent": _placement,
        "opening twice in a row gives the same outputs": _twice,
        "an unknown device is an error that lists the known": _unknown_device,
        "a wrong shape is an error that names it": _wrong_shape,
        "a truncated file is an error that names it": _truncated,
        "options survive JSON": lambda one: options_round_trip(one.runtime),
        "its module imports no heavy library": lambda one: imports_lightly(one.runtime),
        "packages and extra are declared": lambda one: described(
            one.runtime.packages, one.runtime.extra
        ),
    }
    prefix = case.name or f"{type(case.runtime).__name__} {case.request.precision}"
    return make_checks(prefix, {name: partial(run, case) for name, run in facts.items()})


# --- announcements -----------------------------------------------------------------------


def _announced(case: RuntimeCase) -> None:
    asked, stored = case.request, case.model().variant
    told = case.runtime.accepts(asked.precision, asked.device)
    claim(
        stored in told,
        f"open is given {stored}, but accepts({asked.precision!r}, {asked.device!r}) announces "
        f"{', '.join(map(str, told)) or 'nothing'}",
    )


def _accepts(case: RuntimeCase) -> None:
    known = list(case.runtime.known_devices())
    claim(known, "known_devices() is empty")
    for device in [name for name in known if "*" not in name]:
        for precision in get_args(Precision):
            told = _told(case.runtime, precision, device)
            claim(
                all(isinstance(one, Variant) for one in told) and len(set(told)) == len(told),
                f"accepts({precision!r}, {device!r}) must return different Variants, not {told!r}",
            )


def _told(runtime: Runtime, precision: Precision, device: str) -> Sequence[Variant]:
    """Return what accepts announces, nothing where it raises a PlacementError with a hint."""
    try:
        return runtime.accepts(precision, device)
    except PlacementError as error:
        claim(error.hint, f"the PlacementError of accepts({precision!r}) has no hint: {error}")
        return ()


def _impossible(case: RuntimeCase) -> None:
    if not case.impossible:
        raise unittest.SkipTest("the case names no impossible precision")
    for precision in case.impossible:
        told = _told(case.runtime, precision, case.request.device)
        claim(not told, f"accepts({precision!r}) announces {', '.join(map(str, told))}")


# --- outputs -----------------------------------------------------------------------------


@contextmanager
def _opened(case: RuntimeCase) -> Iterator[Session]:
    """Open the case's model; skip where nothing here can run it."""
    with _or_skip(), case.runtime.open(case.model(), case.request) as session:
        yield session


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except CompiledOnly as error:
        raise unittest.SkipTest(f"compiled only: {error.message}") from error


def _image(shape: InputShape, seed: int = 0) -> NDArray[Any]:
    """Return noise: 0..255 for integers, normal for floats."""
    random = np.random.default_rng(seed)
    if np.issubdtype(np.dtype(shape.dtype), np.integer):
        return random.integers(0, 256, shape.shape).astype(shape.dtype)
    return random.standard_normal(shape.shape).astype(shape.dtype)


def _infer(session: Session, image: NDArray[Any]) -> dict[str, NDArray[Any]]:
    claim(len(session.inputs) == 1, f"the session has {len(session.inputs)} inputs, not one")
    handle = session.upload({session.inputs[0].name: image})
    session.run(handle)
    return dict(session.download(handle))


def _outputs(case: RuntimeCase) -> None:
    image = _image(case.request.input)
    with _opened(case) as session:
        found = _infer(session, image)
    wanted = case.reference(image)
    shapes, right = [one.shape for one in found.values()], [one.shape for one in wanted]
    claim(shapes == right, f"outputs {', '.join(found)} have shapes {shapes}, wanted {right}")
    for name, one in found.items():
        claim(isinstance(one, np.ndarray), f"the output '{name}' is a {type(one).__name__}")
        plain = one.dtype == np.float32 or one.dtype.kind in "iub"
        claim(plain, f"the output '{name}' is {one.dtype}, neither float32 nor an integer")


def _agrees(case: RuntimeCase) -> None:
    image = _image(case.request.input)
    with _opened(case) as session:
        found = _infer(session, image)
    _compare(found, case.reference(image), case.tolerance, "the reference")


def _compare(
    found: dict[str, NDArray[Any]], wanted: Sequence[NDArray[Any]], limit: Tolerance, what: str
) -> None:
    claim(len(found) == len(wanted), f"{len(found)} outputs, {len(wanted)} in {what}")
    for (name, one), other in zip(found.items(), wanted, strict=True):
        claim(one.shape == other.shape, f"'{name}' has shape {one.shape}, {what} {other.shape}")
        a, b = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
        claim(np.isfinite(a).all(), f"the output '{name}' holds values that are not finite")
        # A constant reference has no deviation: then its size is the measure.
        sigma = float(b.std() or np.abs(b).max() or 1.0)
        worst = float(np.abs(a - b).max(initial=0)) / sigma
        told = f"the output '{name}' differs from {what}"
        claim(worst <= limit.sigma, f"{told} by {worst:.3g} sigma, more than {limit.sigma:g}")
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        cosine = float(a @ b) / norms if norms else float(np.array_equal(a, b))
        claim(cosine >= limit.cosine, f"{told}: cosine {cosine:.5f}, less than {limit.cosine:g}")


def _survives(case: RuntimeCase) -> None:
    with _opened(case) as session:
        first = _infer(session, _image(case.request.input, 1))
        kept = {name: one.copy() for name, one in first.items()}
        second = _infer(session, _image(case.request.input, 2))
    for name, one in first.items():
        same = np.array_equal(one, kept[name])
        claim(same, f"the next run changed the downloaded output '{name}'")
    differ = any(not np.array_equal(first[name], second[name]) for name in first)
    claim(differ, "another input gives the same outputs: is it read at all?")


def _read_only(case: RuntimeCase) -> None:
    image = _image(case.request.input)
    image.flags.writeable = False
    with _opened(case) as session:
        try:
            _infer(session, image)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise AssertionError(f"an array that may not be written was refused: {told}") from error
    claim(np.array_equal(image, _image(case.request.input)), "the runtime wrote into its input")


def _twice(case: RuntimeCase) -> None:
    image = _image(case.request.input)
    found = []
    for _ in range(2):
        with _opened(case) as session:
            found.append(_infer(session, image))
    _compare(found[1], list(found[0].values()), case.tolerance, "the first time")


# --- placement ---------------------------------------------------------------------------


def _placement(case: RuntimeCase) -> None:
    try:
        with case.runtime.open(case.model(), case.request) as session:
            placement = session.placement()
    except CompiledOnly as error:
        found = error.placement
        claim(isinstance(found, Placement), f"CompiledOnly carries {found!r}, no Placement")
        assert isinstance(found, Placement)
        claim(found.evidence == "compiled_only", f"CompiledOnly with evidence {found.evidence!r}")
        _fields(found, case.request)
        return
    told = f"a session that runs cannot have the evidence {placement.evidence!r}"
    claim(placement.evidence in ("measured", "proxy"), told)
    _fields(placement, case.request)
    _precision(placement, case)


def _fields(found: Placement, asked: Request) -> None:
    pairs = {
        "requested_device": (found.requested_device, asked.device),
        "requested_precision": (found.requested_precision, asked.precision),
        "threads": (found.threads, asked.threads),
    }
    for name, (have, want) in pairs.items():
        claim(have == want, f"placement.{name} is {have!r}, the request says {want!r}")
    for name in ("provider", "requested_provider", "device", "source"):
        claim(getattr(found, name), f"placement.{name} is empty")
    outside = set(found.affinity) - os.sched_getaffinity(0)
    claim(not outside, f"placement.affinity names CPUs that this process may not use: {outside}")
    _share("on_device", found.on_device)
    _share("in_precision", found.in_precision)
    total = sum(found.coverage.values())
    fine = not found.coverage or abs(total - 1) < 1e-2
    claim(fine, f"placement.coverage sums to {total:g}, not 1: {found.coverage}")


def _share(name: str, share: Share) -> None:
    for part in (share.nodes, share.time):
        fine = part is None or 0 <= part <= 1
        claim(fine, f"placement.{name} has the share {part}, outside 0..1")


def _precision(found: Placement, case: RuntimeCase) -> None:
    """Claim that the effective precision follows from the coverage and is the one expected."""
    if found.coverage:
        name, share = max(found.coverage.items(), key=lambda item: item[1])
        follows = name if share >= _MOST else "mixed"
        told = f"placement.precision is {found.precision!r}, but the coverage is {found.coverage}"
        claim(found.precision == follows, told)
    wanted = case.effective or (case.request.precision,)
    told = f"the effective precision is {found.precision!r}, expected {' or '.join(wanted)}"
    claim(found.precision in wanted, f"{told} ({found.source})")


# --- what must be refused ----------------------------------------------------------------


def _unknown_device(case: RuntimeCase) -> None:
    request = replace(case.request, device="no-such-device")
    known = [name for name in case.runtime.known_devices() if "*" not in name]
    with (
        refusal(PlacementError, "no-such-device", *known, of="an unknown device"),
        case.runtime.open(case.model(), request),
    ):
        pass


def _wrong_shape(case: RuntimeCase) -> None:
    for shape in case.wrong or _others(case.request.input.shape):
        request = replace(case.request, input=replace(case.request.input, shape=shape))
        named = ", ".join(map(str, shape))
        with (
            refusal(ModelError, named, of=f"an input of shape ({named})"),
            case.runtime.open(case.model(), request),
        ):
            pass


def _others(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shape with its smallest axis (the channels) grown, and with axes in turn."""
    batch, rest = shape[0], list(shape[1:])
    grown = rest.copy()
    grown[rest.index(min(rest))] += 1
    turned = rest[1:] + rest[:1]
    return [(batch, *other) for other in (grown, turned) if other != rest]


def _truncated(case: RuntimeCase) -> None:
    whole = case.model()
    if whole.path is None:
        raise unittest.SkipTest("the model is made by code, not read from a file")
    size = whole.path.stat().st_size
    for keep in (0, size // 2):
        with tempfile.TemporaryDirectory() as folder:
            path = _cut(whole.path, Path(folder), keep)
            told = f"a file of which {keep} of {size} bytes are left"
            with (
                refusal(ModelError, str(path), of=told),
                case.runtime.open(replace(whole, path=path, sha256=None), case.request),
            ):
                pass


def _cut(whole: Path, folder: Path, keep: int) -> Path:
    """Copy the first *keep* bytes of *whole*, and the files of the same stem beside it."""
    for other in whole.parent.glob(f"{whole.stem}.*"):
        if other.is_file():
            shutil.copy(other, folder)
    cut = folder / whole.name
    cut.write_bytes(whole.read_bytes()[:keep])
    return cut
