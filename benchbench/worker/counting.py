"""What the cell's model costs on paper; counted once for each artifact, and kept in the cache."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from benchbench import __version__, complexity, plugins
from benchbench.definitions_view import Complexity
from benchbench.errors import BenchbenchError, MissingDependency, PluginError, StoreError
from benchbench.files import make_folder, write_json
from benchbench.protocols import Counter
from benchbench.types import Job, digest
from benchbench.worker.inputs import input_shape, model_file


def counted(job: Job) -> Complexity:
    """Return the complexity of ``job``'s artifact, or of the nearest file that it was made from."""
    cell = job.cell
    chain = [step.key for step in cell.chain]
    content = [cell.protocol["model"], cell.spec["input"], str(cell.start), cell.batch]
    key = digest([content, chain, __version__])
    path = job.cache / "complexity" / f"{key}.json"
    with contextlib.suppress(OSError, ValidationError):
        return Complexity.model_validate_json(path.read_bytes())
    found = _count(job)
    with contextlib.suppress(StoreError):  # a read-only cache: it is counted again
        make_folder(path.parent)
        write_json(path, found.model_dump(mode="json"))
    return found


def _count(job: Job) -> Complexity:
    counters = _counters()
    models = [model_file(job, step) for step in range(len(job.cell.chain), 0, -1)]
    if not any(model.variant.format in counters for model in models):
        models.append(model_file(job, 0))  # not opened without need: it may be a heavy library's
    try:
        return complexity.count(models, input_shape(job.cell), counters)
    except Exception as error:  # noqa: BLE001 - a figure on paper never costs a measured cell
        return Complexity(reason=f"not counted: {type(error).__name__}: {str(error)[:200]}")


def _counters() -> Mapping[str, Counter]:
    """Return the counters whose libraries are installed, by the format that they read."""
    found: dict[str, Any] = {}
    for name in plugins.names("counters"):
        with contextlib.suppress(PluginError, MissingDependency, BenchbenchError):
            counter = plugins.build("counters", {"kind": name})
            plugins.versions(counter)
            found[name] = counter
    return found
