"""Read what earlier versions wrote.

History of the formats: ``Manifest`` 1, ``Result`` 1, ``Taken`` 1 (0.1.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchbench.errors import StoreError

CURRENT = {"Manifest": 1, "Result": 1, "Taken": 1}


def migrate(kind: str, data: Any, path: Path) -> Any:
    """Return *data* in the current format; refuse what a newer benchbench wrote."""
    current = CURRENT.get(kind)
    number = data.get("schema_number") if isinstance(data, dict) else None
    if current is not None and isinstance(number, int) and number > current:
        raise StoreError(
            f"{path} has format {number}; this benchbench reads up to {current}",
            hint="pip install --upgrade benchbench",
        )
    return data
