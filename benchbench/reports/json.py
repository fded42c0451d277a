"""The run as one JSON object: ``show --json`` plus what figures are drawn from."""

from __future__ import annotations

import json
import math
import re
from typing import Any, ClassVar

from benchbench.types import Record
from benchbench.view import CellView, RunView

_NUMBER = r"(?:-?\d[\d.eE+-]*|null)"
_NUMBERS = re.compile(rf"\[\n\s+({_NUMBER}(?:,\n\s+{_NUMBER})*)\n\s+\]")
"""An indented list of numbers; no string holds a line feed that is not escaped."""


class Json(Record):
    """Writes ``report.json``: everything the other reports show, for programs."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "report.json"

    def render(self, run: RunView) -> bytes:
        """Return the object in UTF-8; what is absent, NaN or infinite is null.

        Lists of numbers stand on a line of their own. ``drawing`` maps cell ids to sample
        quantiles and the trace, in milliseconds; ``suite_text`` is the suite as it was run.
        """
        body = {**run.document(), "suite_text": run.suite_text}
        text = _NUMBERS.sub(_on_one_line, _dump(_finite(body), indent=2)).removesuffix("\n}")
        drawing = ",\n".join(_line(cell) for cell in run.cells if cell.latency)
        inner = f"\n{drawing}\n  " if drawing else ""
        return f'{text},\n  "drawing": {{{inner}}}\n}}\n'.encode("utf-8", "backslashreplace")


def _on_one_line(match: re.Match[str]) -> str:
    return f"[{' '.join(match[1].split())}]"


def _line(cell: CellView) -> str:
    assert cell.latency is not None, "the caller asks only for timed cells"
    arrays = {
        "quantiles_ms": list(cell.latency.quantiles_ms),
        "trace_ms": list(cell.latency.trace_ms),
    }
    lines = ",\n".join(f"      {_dump(key)}: {_dump(_finite(v))}" for key, v in arrays.items())
    return f"    {_dump(cell.id)}: {{\n{lines}\n    }}"


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON has not, by null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
