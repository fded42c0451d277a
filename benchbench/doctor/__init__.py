"""What is installed, what works, and what mends the rest: ``benchbench doctor``."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench import plugins
from benchbench.doctor import gpu, machine
from benchbench.doctor.runtimes import TIMEOUT_S, RuntimeReport, examine_each
from benchbench.errors import PluginError
from benchbench.types import Finding, Record

DOCTOR_SCHEMA = 1
"""Number of the ``doctor --json`` document."""


class Health(Record):
    """Everything that ``benchbench doctor`` tells."""

    schema_number: int = DOCTOR_SCHEMA
    runtimes: tuple[RuntimeReport, ...]
    machine: tuple[Finding, ...]

    @property
    def faulty(self) -> bool:
        """Whether an installed runtime, or the installation itself, is broken."""
        return any(one.state == "broken" for one in self.runtimes) or any(
            finding.level == "error" for finding in self.machine
        )


def examine(names: Sequence[str] = (), *, timeout_s: float = TIMEOUT_S) -> Health:
    """Look at the runtimes *names* (by default at all that are installed) and at the machine.

    Raises :class:`~benchbench.errors.PluginError` for a name that no plug-in has.
    """
    known = plugins.names("runtimes")
    for name in names:
        if name not in known:
            raise PluginError(f"no runtime named '{name}'", hint=plugins.suggest(name, known))
    return Health(
        runtimes=tuple(examine_each(names or known, timeout_s)),
        machine=(*machine.findings(), *gpu.findings()),
    )
