"""The gate as JUnit XML: one test case a limit and cell.

Written as testmoapp/junitxml describes the format that CI systems read. GitLab shows the text of a
failure and not its attributes, so that the text says everything.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from benchbench.gate_view import GateView, LimitView
from benchbench.reports import naming, verdicts, wording
from benchbench.types import Record
from benchbench.view import CellView, RunView

_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_KINDS = {"failure": "failures", "error": "errors", "skipped": "skipped"}


class JUnit(Record):
    """Writes ``junit.xml``: a case a limit of the gate; without a gate, a case a cell."""

    packages: ClassVar[tuple[tuple[str, ...], ...]] = ()
    extra: ClassVar[str] = ""
    file_name: ClassVar[str] = "junit.xml"
    usual: ClassVar[bool] = False

    def render(self, run: RunView) -> bytes:
        """Return the XML in UTF-8.

        A broken limit is a ``failure``; an undecided one is a ``failure`` too where it stops the
        gate, else ``skipped``: it never passes. Without a gate a failed cell is an ``error`` and
        one that was not run ``skipped``.
        """
        suite = _suite(run)
        cases = _limits(run, run.gate) if run.gate else _cells(run)
        suite.extend(cases)
        found = Counter(_KINDS[part.tag] for case in cases for part in case if part.tag in _KINDS)
        counts = {"tests": str(len(cases)), **{k: str(found[k]) for k in _KINDS.values()}}
        root = ET.Element("testsuites", {"name": "benchbench"} | counts)
        suite.attrib.update(counts)
        root.append(suite)
        ET.indent(root)
        return f"{_HEAD}\n{ET.tostring(root, 'unicode')}\n".encode()


def _suite(run: RunView) -> ET.Element:
    suite = ET.Element("testsuite", {"name": _text(run.suite), "timestamp": _text(run.created)})
    told = {"run": run.run, "suite_sha256": run.suite_sha256}
    if run.gate:
        gate = run.gate
        told |= {
            "verdict": gate.outcome,
            "exit_code": str(gate.exit_code),
            "on_inconclusive": gate.on_inconclusive,
            "alpha": f"{gate.alpha:g}",
            "baseline": gate.baseline or "",
            "admitted": ", ".join(gate.admitted),
        }
    _properties(suite, told)
    return suite


def _properties(element: ET.Element, told: Mapping[str, str]) -> None:
    inner = ET.SubElement(element, "properties")
    for name, value in told.items():
        if value:
            ET.SubElement(inner, "property", {"name": name, "value": _text(value)})


def _text(text: object, limit: int = 400) -> str:
    """Return *text* on one line, with only characters that XML 1.0 knows."""
    return _NO_XML.sub("\ufffd", wording.short(text, limit))


def _class_name(*parts: str) -> str:
    """Return *parts* with one dot between: a dot starts a new package in some viewers."""
    return ".".join(re.sub(r"[.\s]+", "_", _text(part, naming.LONGEST)) for part in parts)


# --- limits ------------------------------------------------------------------------------


def _limits(run: RunView, gate: GateView) -> list[ET.Element]:
    labels = naming.cell_names(run)
    places = [_class_name(run.suite, labels.get(limit.cell, limit.label)) for limit in gate.limits]
    names = [_text(verdicts.called(one)) for one in gate.limits]
    keys = [f"{place}\0{name}" for place, name in zip(places, names, strict=True)]
    return [
        _limit(gate, limit, *key.split("\0"))
        for limit, key in zip(gate.limits, naming.unique(keys), strict=True)
    ]


def _limit(gate: GateView, limit: LimitView, place: str, name: str) -> ET.Element:
    attributes = {"classname": place, "name": name}
    if limit.file:
        attributes["file"] = _text(limit.file)
    if limit.line:
        attributes["line"] = str(limit.line)
    case = ET.Element("testcase", attributes)
    _properties(case, _facts(limit))
    if limit.outcome != "pass":
        kind = "failure" if verdicts.stops(gate, limit) else "skipped"
        _outcome(case, kind, f"limit.{limit.outcome}", _told(limit))
    return case


def _told(limit: LimitView) -> str:
    asked = "" if verdicts.called(limit) == limit.text else f"{wording.short(limit.text, 400)}: "
    return f"{verdicts.WORDS[limit.outcome]}: {asked}{verdicts.sentence(limit)}"


def _outcome(case: ET.Element, kind: str, type_: str, message: str) -> None:
    said = {"message": _text(message, 1000)}
    element = ET.SubElement(case, kind, said if kind == "skipped" else said | {"type": type_})
    element.text = said["message"]


def _facts(limit: LimitView) -> dict[str, str]:
    numbers = (
        "value", "low", "high", "level", "limit", "against_value", "change", "change_low",
        "change_high", "p_holds", "p_broken", "p_broken_adjusted",
    )  # fmt: skip
    told = {
        name: f"{found:.10g}" for name in numbers if (found := getattr(limit, name)) is not None
    }
    words = ("text", "quantity", "unit", "sense", "basis", "cell")
    told |= {name: getattr(limit, name) for name in words}
    more = {"against": limit.against or "", "caveats": ", ".join(limit.caveats)}
    return told | more | ({"retried": "true"} if limit.retried else {})


# --- cells -------------------------------------------------------------------------------


def _cells(run: RunView) -> list[ET.Element]:
    labels = naming.cell_names(run)
    return [_cell(run, cell, labels[cell.id]) for cell in run.cells]


def _cell(run: RunView, cell: CellView, label: str) -> ET.Element:
    attributes = {"classname": _class_name(run.suite), "name": _text(label)}
    if cell.wall_s is not None:
        attributes["time"] = f"{cell.wall_s:.3f}"
    case = ET.Element("testcase", attributes)
    _properties(case, {_text(found.name): f"{found.value:.10g}" for found in naming.figures(cell)})
    if cell.status == "failed":
        code = cell.failure.code if cell.failure else "unknown"
        _outcome(case, "error", f"cell.{wording.short(code)}", wording.absence(cell))
    elif cell.status != "measured":
        _outcome(case, "skipped", "", wording.absence(cell))
    return case
