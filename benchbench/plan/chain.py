"""A cell's conversions, each with the digest of all that its artifact depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchbench.plan.data import calibration_digest
from benchbench.plan.known import Known
from benchbench.plan.parts import Parts
from benchbench.plan.versions import Versions
from benchbench.protocols import Bound
from benchbench.types import Step, digest


def chain(known: Known, parts: Parts, spec: dict[str, Any], versions: Versions) -> tuple[Step, ...]:
    """Return the steps with their cache keys, each depending on the one before.

    Raises SuiteError if one needs calibration images that cannot be had.
    """
    at, model = parts.at, parts.model
    start = parts.route.start.model_dump()
    above = digest([parts.source.fingerprint, start, versions.source])
    steps = []
    for (conversion, reads, writes), installed in zip(
        parts.route.steps, versions.steps, strict=True
    ):
        options = known.options("conversions", conversion)
        depends: dict[str, Any] = {
            "above": above,
            "conversion": options,
            "target": str(writes),
            "chip": _chip(conversion, at.device),
            "versions": installed,
            "input": _exported(model.input, at.batch, spec["classes"]["names"]),
        }
        if conversion.calibrates:
            images = calibration_digest(known, at, parts.data)
            depends["calibration"] = [images, spec["calibration"]]
            depends["preprocessing"] = spec["input"]
        above = digest(depends)
        steps.append(
            Step(
                conversion=options,
                source=reads,
                target=writes,
                key=above,
                calibrated=conversion.calibrates,
            )
        )
    return tuple(steps)


def _chip(conversion: Any, device: str) -> dict[str, str]:
    return dict(conversion.chip(device)) if isinstance(conversion, Bound) else {}


def _exported(declared: Any, batch: int, classes: Sequence[str]) -> list[Any]:
    """Return what a conversion sees of the input: tensors, and what is fed beside the image."""
    found: list[Any] = [list(declared.shape(batch)), declared.dtype, declared.name]
    asked = [one for one in (declared.prompts, declared.texts) if one is not None]
    found += [beside(one.model_dump(mode="json")) for one in asked]
    return [*found, *(classes if declared.texts is not None else ())]


def by_content(declared: dict[str, Any]) -> dict[str, Any]:
    """Return a model's input, as JSON has it, without the folder that its tokenizer lies in."""
    texts = declared.get("texts")
    return declared if texts is None else {**declared, "texts": beside(texts)}


def beside(fed: dict[str, Any]) -> dict[str, Any]:
    """Return what is fed beside the image by content: the tokenizer's digest, not its place."""
    return {key: value for key, value in fed.items() if key != "tokenizer"}
