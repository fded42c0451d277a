"""The overlaps of turned boxes, cell by cell; import this inside functions only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbench.metrics.coco_kernels import Cells
from benchbench.oriented_kernels import compiled, overlap


@compiled
def turned_overlaps(
    cells: Cells,
    found: NDArray[np.float64],
    truth: NDArray[np.float64],
    crowd: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the IoUs of each cell, of (D, 5) and (M, 5) turned boxes.

    On a crowd the union is the detection's own area.
    """
    out, room = np.empty(cells.pair_start[-1]), np.empty((3, 12, 2))
    for cell in range(len(cells.truth_start)):
        at = cells.pair_start[cell]
        for i in range(cells.found_start[cell], cells.found_start[cell + 1]):
            box = found[cells.found_row[i]]
            for j in range(cells.truth_start[cell], cells.truth_stop[cell]):
                row = cells.truth_row[j]
                out[at] = overlap(box, truth[row], crowd[row], room)
                at += 1
    return out
