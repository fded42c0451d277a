"""The contract kit: what every runtime, conversion and meter owes, asked of yours.

::

    CASE = RuntimeCase(runtime=MyRuntime(), request=..., model=..., reference=...)

    @pytest.mark.parametrize("check", runtime_checks(CASE), ids=str)
    def test_contract(check):
        check()

A check raises AssertionError with what is wrong, or ``unittest.SkipTest`` where it does not apply;
any test runner understands both.
"""

from benchbench.testing.check import Check
from benchbench.testing.conversions import ConversionCase, conversion_checks
from benchbench.testing.meters import MeterCase, meter_checks
from benchbench.testing.runtimes import RuntimeCase, Tolerance, runtime_checks

__all__ = [
    "Check",
    "ConversionCase",
    "MeterCase",
    "RuntimeCase",
    "Tolerance",
    "conversion_checks",
    "meter_checks",
    "runtime_checks",
]
