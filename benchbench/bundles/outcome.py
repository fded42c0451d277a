"""What is said of a bundle: whether it is whole, whether its figures follow, whether they recur."""

from __future__ import annotations

from typing import Literal

from benchbench.bundles.format import LeftOut
from benchbench.compare_view import CompareView
from benchbench.types import Record, Status

Accuracy = Literal["equal", "no difference shown", "differs", "undecided", "not measured"]
"""``equal``: every accuracy figure to the last bit. ``undecided``: the values differ and nothing
says whether by chance, or they cannot be compared."""
_MEASURED = [
    "whether latency, energy and memory recur: they are set side by side, not judged",
    "whether there are differences smaller than the intervals show",
]
Answer = Literal["reproduced", "not reproduced"]


class Checked(Record):
    """Whether the files are what was packed."""

    bundle: str
    sha256: str
    """Of the archive itself: to be compared with the one that its author published."""
    bytes: int
    files: int
    run: str | None
    packed_by: str | None
    """Version of benchbench that packed it."""
    problems: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Derived(Record):
    """Whether the figures follow from the raw samples."""

    figures: int
    """Numbers in ``view.json`` that were derived again from raw samples and predictions."""
    recorded: int
    """Numbers in it that are records of the run itself: there is nothing to derive them from."""
    differing: tuple[str, ...] = ()
    """Figures that do not follow, each with both values."""
    scored: int = 0
    """Cells whose accuracy was computed again from predictions and annotations."""
    tallied: int = 0
    """Further cells whose accuracy follows from the stored per-image tally."""
    unscored: tuple[str, ...] = ()
    """Why the accuracy of the other cells, or of those with a tally only, was not computed."""
    versions: tuple[str, ...] = ()
    """Packages whose version here is another than where it was measured."""

    @property
    def follows(self) -> bool:
        """Whether every figure does."""
        return not self.differing


class CellAgain(Record):
    """A cell of the bundle, and the same cell here."""

    label: str
    before: Status
    here: Status | None
    """None where the plan here has no such cell."""
    accuracy: Accuracy
    metric: str | None = None
    told: str = ""
    """What the word rests on, or why there is no comparison."""


class Again(Record):
    """What measuring again gave."""

    run: str
    """Id of the new run."""
    finished: bool
    cells: tuple[CellAgain, ...]
    comparison: CompareView | None = None
    """Bundle (a) against the new run (b), figure by figure."""
    refused: str | None = None
    """Why nothing could be compared."""
    machine: tuple[str, ...] = ()
    """What differs between the two machines and their packages, in words."""
    packed_artifacts: int = 0
    """Built artifacts that were the bundle's own, and not built here."""

    @property
    def answer(self) -> Answer:
        """Reproduced: all that was measured was measured again, and no accuracy differs."""
        asked = [one for one in self.cells if one.before == "measured"]
        good = ("equal", "no difference shown")
        held = all(one.here == "measured" and one.accuracy in good for one in asked)
        return "reproduced" if asked and held and self.finished else "not reproduced"


class Reproduction(Record):
    """Everything that ``reproduce`` says."""

    checked: Checked
    derived: Derived | None = None
    again: Again | None = None
    obstacle: str | None = None
    """Why nothing could be measured again, where it was asked for."""
    hint: str | None = None
    """What would mend that."""

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What was not checked, in words; of a bundle that is not whole nothing more is said."""
        if self.checked.problems:
            return ()
        found = [] if self.derived else ["whether the figures follow from the raw samples"]
        found += [] if self.again else ["whether the same comes of measuring again"]
        found += _MEASURED if self.again else []
        if self.again and self.again.packed_artifacts:
            count = self.again.packed_artifacts
            found.append(f"whether building recurs: {count} artifacts are the bundle's (--rebuild)")
        return (*found, "who packed the bundle: hashes show damage, not an author")

    @property
    def exit_code(self) -> int:
        """0 all that was asked holds; 1 something differs; 2 the bundle is not whole."""
        if self.checked.problems or self.obstacle:
            return 2
        if self.again is not None and self.again.refused is not None:
            return 2
        if self.derived is not None and not self.derived.follows:
            return 1
        return 0 if self.again is None or self.again.answer == "reproduced" else 1

    def document(self) -> dict[str, object]:
        """Return the object that ``reproduce --json`` prints."""
        body = self.model_dump(mode="json", exclude={"again": {"comparison"}})
        if self.again is not None:
            body["again"]["answer"] = self.again.answer
            found = self.again.comparison
            body["again"]["comparison"] = found.document() if found else None
        told = {"unchecked": list(self.unchecked), "exit_code": self.exit_code}
        return {"schema": 1, **body, **told}
