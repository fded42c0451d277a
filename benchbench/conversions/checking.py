"""Whether what a converter wrote gives what its source gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INTEGER_AGREEMENT = 0.99
"""Share of equal integers: ties and top-k may turn on the last bit of a float."""
ROUNDING = 1e-5
"""What float32 may lose, as a share of the largest value: outputs may hug a large constant."""


def difference(want: NDArray[Any], got: NDArray[Any], tolerance: float) -> str | None:
    """Return how *got* differs from *want*, None if it does not.

    *tolerance* is the largest difference admitted beside rounding, as a share of the standard
    deviation of *want*.
    """
    if want.shape != got.shape:
        return f"shape {list(got.shape)} instead of {list(want.shape)}"
    if not want.size:
        return None
    if not np.issubdtype(want.dtype, np.floating):
        share = float(np.mean(want == got))
        return None if share >= INTEGER_AGREEMENT else f"only {share:.1%} of the integers agree"
    spread, size = float(want.std()), float(np.abs(want).max())
    worst = float(np.abs(want.astype(np.float64) - got).max())
    if worst <= tolerance * spread + ROUNDING * size:
        return None
    return f"by up to {worst:.2e}, where its standard deviation is {spread:.2e}"
