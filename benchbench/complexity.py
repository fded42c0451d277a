"""Parameters and multiplications of a model: from the file that is measured, where it can be read.

Counters are plug-ins of the family ``counters``, named for the format that they read; the core
hands them in, so that it names no heavy library. An engine or a program of which only a compiler
knows the insides is counted in the file that it was made from, and the record says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from benchbench.definitions_view import Complexity
from benchbench.errors import BenchbenchError
from benchbench.protocols import Counter
from benchbench.types import InputShape, ModelFile


def count(
    models: Sequence[ModelFile], shape: InputShape, counters: Mapping[str, Counter]
) -> Complexity:
    """Return the complexity by the first of *models* whose format *counters* know.

    *models*: the measured artifact first, then what it was made from, step by step back to the
    model's source. A counter that fails passes on to the next model; without any success, the
    figures are None and the reason is that of the measured artifact.
    """
    reasons: list[str] = []
    for place, model in enumerate(models):
        counter = counters.get(model.variant.format)
        if counter is None:
            reasons.append(f"nothing here counts the operations of a {model.variant} file")
            continue
        try:
            found = counter.count(model, shape)
        except BenchbenchError as error:
            reasons.append(error.message)
            continue
        if found.macs is not None:
            return found.model_copy(update={"counted_in": told(model, place)})
        reasons.append(found.reason or f"{model.variant}: not counted")
    return Complexity(reason=reasons[0] if reasons else "the cell has no model file")


def told(model: ModelFile, place: int) -> str:
    """Return what ``counted_in`` says of the *place*-th file, the measured artifact being 0."""
    if place == 0:
        return f"the measured artifact ({model.variant})"
    return f"what the measured artifact was made from ({model.variant})"


def per_image(
    total_macs: int, batch: int, parameters: int, counted_by: str, uncounted: Collection[str] = ()
) -> Complexity:
    """Return the record of *total_macs* multiply-accumulates that serve *batch* images."""
    macs = total_macs // batch
    return Complexity(
        parameters=parameters,
        macs=macs,
        flops=2 * macs,
        counted_by=counted_by,
        uncounted=tuple(sorted(set(uncounted))),
    )


def without_shapes(found: Complexity, unknown: Sequence[str]) -> Complexity:
    """Return *found*, without its sums where the shapes of the nodes *unknown* are not known."""
    if not unknown:
        return found
    told = f"{len(unknown)} convolutions or products have no shape before the run"
    lacking = {"macs": None, "flops": None, "reason": f"{told}, first '{unknown[0]}'"}
    return found.model_copy(update=lacking)
