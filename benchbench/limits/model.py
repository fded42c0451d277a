"""A limit, absolute or relative, and how it is written."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from benchbench import units
from benchbench.errors import UsageError
from benchbench.quantities import Named, Quantity, quoted, short
from benchbench.types import Record
from benchbench.units import Unit

Sense = Literal["at least", "at most"]
Change = Literal["slower", "larger", "more", "less", "lost"]
"""How a figure may be worse; ``lost`` is worse whichever way the figure goes."""


class Absolute(Record):
    """What a figure has to be."""

    name: str
    """Of the figure, as written, blanks at its ends left out."""
    subject: str | None = None
    """``class=scratch``, ``slice=brightness: dark``, ``meter=rapl``."""
    sense: Sense
    strict: bool = False
    """Whether the value itself is out: ``>`` and ``<``."""
    value: float
    """In *unit*."""
    unit: Unit
    currency: str = ""
    """ISO 4217, where *unit* is ``currency`` and the limit names one."""
    on_these_images: bool = False
    """Whether only this very set of images is asked about, on which the figure is exact."""

    @property
    def figure(self) -> Named:
        """The figure that it is about."""
        return Named(self.name, self.subject)

    def __str__(self) -> str:
        sign = (">" if self.sense == "at least" else "<") + ("" if self.strict else "=")
        tail = " on these images" if self.on_these_images else ""
        return f"{self.figure} {sign} {units.write(self.value, self.unit, self.currency)}{tail}"

    def holds(self, value: float) -> bool:
        """Return whether *value*, in :attr:`unit`, keeps the limit."""
        if value == self.value:
            return not self.strict
        return (value > self.value) == (self.sense == "at least")


class Relative(Record):
    """How much worse than a baseline's a figure may be."""

    name: str
    """Of the figure, as written, blanks at its ends left out."""
    subject: str | None = None
    """``class=scratch``, ``slice=brightness: dark``, ``meter=rapl``."""
    change: Change
    margin: float
    """Largest change for the worse: a share of the baseline's value, or a difference in *unit*."""
    scale: Literal["difference", "ratio"]
    unit: Unit
    """Of the figure."""
    against: str | None = None
    """``fp32``, a baseline's name, a run or a path; None for the gate's own."""

    @property
    def figure(self) -> Named:
        """The figure that it is about."""
        return Named(self.name, self.subject)

    def bound(self, *, higher_is_better: bool) -> tuple[Sense, float]:
        """Return what the change has to be: at least 0.95 (a ratio), at least -0.005."""
        sign = -1.0 if higher_is_better else 1.0
        bound = (1.0 if self.scale == "ratio" else 0.0) + sign * self.margin
        return ("at least" if higher_is_better else "at most"), bound

    def __str__(self) -> str:
        return f"no more than {self._amount()} {self._form()}{self._tail()}"

    def _amount(self) -> str:
        if self.scale == "difference" and self.unit:
            return units.write(self.margin, self.unit)
        hundredths = units.plain(Decimal(repr(self.margin)).scaleb(2))
        return f"{hundredths} {'%' if self.scale == 'ratio' else 'points'}"

    def _form(self) -> str:
        if self.change in ("slower", "larger"):
            return f"{self.change} by {self.figure}"
        return f"of {self.figure} lost" if self.change == "lost" else f"{self.change} {self.figure}"

    def _tail(self) -> str:
        if self.against is None:
            return ""
        plain = self.against.isprintable() and self.against == self.against.strip()
        bare = plain and self.against and self.against[0] not in "\"'"
        link = "against" if self.change == "lost" else "than"
        return f" {link} {self.against if bare else quoted(self.against)}"


def fits(limit: Absolute | Relative, found: Quantity) -> None:
    """Raise UsageError if *limit* makes no sense for the figure that it turned out to be about.

    Only an evaluator knows of its own metrics which way they go and what they are measured in.
    """
    if limit.unit != found.unit:
        unit = found.unit or "a fraction"
        raise UsageError(
            f"{found.name} is in {unit}: {short(str(limit))}", hint="see docs/gates.md"
        )
    if isinstance(limit, Absolute):
        if limit.currency and found.currency and limit.currency != found.currency:
            told = f"the suite's price is in {found.currency}: {short(str(limit))}"
            raise UsageError(told, hint=f"write the limit in {found.currency}")
    elif fault := wrong_way(limit, higher_is_better=found.higher_is_better):
        raise fault


def wrong_way(limit: Relative, *, higher_is_better: bool) -> UsageError | None:
    """Return what is wrong with the word for worse in *limit*; None if nothing is."""
    if limit.change == "slower" and limit.unit not in ("ms", "s"):
        return _misworded(limit, "is no time", higher_is_better=higher_is_better)
    if limit.change == "larger" and limit.unit not in ("bytes", "parameters", "MACs"):
        return _misworded(limit, "is no size", higher_is_better=higher_is_better)
    if limit.change != "lost" and (limit.change == "less") != higher_is_better:
        told = "more is better" if higher_is_better else "less is better"
        return _misworded(limit, f"is a figure of which {told}", higher_is_better=higher_is_better)
    return None


def _misworded(limit: Relative, why: str, *, higher_is_better: bool) -> UsageError:
    meant = limit.model_copy(update={"change": "less" if higher_is_better else "more"})
    return UsageError(
        f"{short(limit.name)} {why}: '{limit.change}' of it is no loss", hint=f"write {meant}"
    )
