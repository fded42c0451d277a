"""Build one artifact of a chain in the job's folder."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from benchbench import plugins
from benchbench.errors import ConversionError, StoreError
from benchbench.files import make_folder, write_json
from benchbench.inputs import InputContract
from benchbench.types import ConversionJob, Job
from benchbench.worker.inputs import calibration_split, contract, feeds, input_shape, model_file


def _cache(job: Job, kind: str) -> Path | None:
    with contextlib.suppress(StoreError):  # a read-only cache: the conversion does without
        return make_folder(job.cache / "conversions" / kind)
    return None


def check_inputs(conversion: Any, declared: InputContract) -> None:
    """Raise ConversionError if the model takes several inputs and *conversion* knows but one.

    A conversion that takes several says so: ``several_inputs: ClassVar[bool] = True``.
    """
    names = declared.companion_names
    if not names or getattr(conversion, "several_inputs", False):
        return
    why = "calibrates with images alone" if conversion.calibrates else "knows models of one input"
    raise ConversionError(
        f"the conversion '{conversion.kind}' {why}; this model also takes {', '.join(names)}",
        hint="exclude these cells; torch, onnxruntime and openvino run such models at fp32",
    )


def build(job: Job, reporter: Any) -> None:
    """Run the step ``job.step``; leaves ``artifact/`` and ``result.json`` in the job's folder."""
    assert job.step is not None
    step = job.cell.chain[job.step]
    reporter.enter("load")
    model = model_file(job, job.step)
    conversion = plugins.build("conversions", step.conversion)
    check_inputs(conversion, contract(job.cell))
    folder = make_folder(job.folder / "artifact")
    log: list[str] = []
    recorded: dict[str, Any] = {}
    calibration = None
    if step.calibrated:
        split = calibration_split(job.cell, job.cache)
        declared = contract(job.cell)
        calibration = lambda: feeds(declared, split)  # noqa: E731
    reporter.enter("build")
    started = time.perf_counter()
    main = conversion.convert(
        model,
        ConversionJob(
            folder=folder,
            input=input_shape(job.cell),
            feeds=calibration,
            seed=(job.cell.spec["calibration"] or {}).get("seed", 0),
            log=log.append,
            target=step.target,
            device=job.cell.device,
            threads=job.cell.spec["threads"],
            cache=_cache(job, str(step.conversion["kind"])),
            record=recorded.__setitem__,
        ),
    )
    if step.calibrated and isinstance(recorded.get("calibration"), dict):
        recorded["calibration"] |= {"split": job.cell.spec["calibration"]["split"]}
    facts = {
        "conversion": step.conversion,
        "model": job.cell.model,
        "source": step.source.model_dump(),
        "target": step.target.model_dump(),
        "seconds": time.perf_counter() - started,
        "recorded": recorded,
        "log": "\n".join(log)[-20_000:],
    }
    write_json(job.folder / "result.json", {"main": str(main.relative_to(folder)), "facts": facts})
