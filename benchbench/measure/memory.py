"""Peak resident memory of this process, by phase.

``ru_maxrss`` survives exec and reports the parent's peak; ``VmHWM`` does not, and can be reset.
"""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int | None:
    """Return the peak resident set since the last reset; None where the kernel does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found.group(1)) * 1024 if found else None


def reset_peak() -> bool:
    """Start a new phase; return whether the kernel allowed it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
