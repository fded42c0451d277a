"""The fp32 outputs that an artifact is compared with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from benchbench import plugins
from benchbench.errors import BenchbenchError
from benchbench.plan.chain import by_content
from benchbench.plan.known import Known
from benchbench.plan.parts import Parts
from benchbench.plan.versions import Versions
from benchbench.types import Reference, Variant, digest

PARITY_IMAGES = 8
"""How many images of the evaluation split an artifact is compared with its source on."""
REFERENCE_DEVICE = "cpu"
"""Where sources are run to compare artifacts with: fp32 means fp32 there."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a reference comes from: the source's own file, in its own runtime."""

    start: Variant
    runtime: dict[str, Any]
    """The plug-in's kind and options."""
    installed: dict[str, str]


def reference(
    known: Known, parts: Parts, spec: dict[str, Any], versions: Versions
) -> tuple[Reference | None, Reference | None]:
    """Return the fp32 outputs to compare with: the source's own, run in its own runtime.

    Of the cell that is the source itself None, and the reference that its run gives.
    """
    variants = parts.source.variants
    origin = known.once(("reference", variants), lambda: _origin(known, variants))
    if origin is None or not spec["measure"]["parity"]:
        return None, None
    images = min(PARITY_IMAGES, len(parts.data.split.images))
    key = _key(known, parts, origin, versions)
    made = Reference(key=key, start=origin.start, runtime=origin.runtime, images=images)
    if not _is_source(parts, origin):
        return made, None
    same = parts.at.device == REFERENCE_DEVICE and spec["runtime"] == origin.runtime
    return None, made if same else None


def _origin(known: Known, offered: tuple[Variant, ...]) -> _Origin | None:
    """Return the first fp32 variant that can be run here, with a built-in runtime if one can."""
    names = sorted(
        plugins.names("runtimes"), key=lambda name: not plugins.is_builtin("runtimes", name)
    )
    for start in (variant for variant in offered if variant.precision == "fp32"):
        for name in names:
            with contextlib.suppress(BenchbenchError):
                runtime = plugins.build("runtimes", {"kind": name})
                if start in runtime.accepts("fp32", REFERENCE_DEVICE):
                    options = known.options("runtimes", runtime)
                    return _Origin(start, options, plugins.versions(runtime))
    return None


def _key(known: Known, parts: Parts, origin: _Origin, versions: Versions) -> str:
    """Return the digest of all that the outputs depend on."""
    at, model = parts.at, parts.model
    named = [list(model.classes or ())] if model.input.texts is not None else []
    return digest(
        [
            parts.source.fingerprint,
            str(origin.start),
            origin.runtime,
            origin.installed,
            versions.source,
            by_content(known.dumped(model.input)),
            parts.data.contents.digest,
            at.dataset.images,
            at.batch,
            *named,
            PARITY_IMAGES,
        ]
    )


def _is_source(parts: Parts, origin: _Origin) -> bool:
    """Return whether the cell runs the source's own file in the runtime that references have."""
    at = parts.at
    return (
        at.runtime.kind == origin.runtime["kind"]
        and at.precision == "fp32"
        and parts.route.end == origin.start
    )
