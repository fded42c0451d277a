"""Where it all comes from: run, machine, versions, hashes, command."""

from __future__ import annotations

import shlex

from benchbench.folding import kept
from benchbench.reports.document.choice import MOST_LISTED
from benchbench.reports.document.grids import facts, said
from benchbench.reports.document.model import Block, Column, Grid, Line, Paragraph, Part, Span, text
from benchbench.reports.document.opening import version
from benchbench.reports.wording import ABSENT, leaves, seconds, short, unfiled
from benchbench.view import CellView, RunView

_MOST_VERSIONS = 60


def provenance(run: RunView) -> Part:
    """Return the section."""
    command = shlex.join(short(part, 200) for part in run.command_line)
    blocks: list[Block] = [facts("The run", _run(run), "table-run", ("Fact", "Value"))]
    if command:
        blocks.append(Paragraph((Span(short(command, 1200), "code"),)))
    blocks += [Paragraph(text(_UNCITED), "small")]
    found = [(short(path, 100), short(told, 200)) for path, told in leaves(run.environment)]
    machine = facts("The machine and its software", [(p, t) for p, t in found if p],
                    "table-environment", ("Fact", "Value"))  # fmt: skip
    blocks += [machine, _versions(run), _files(run)]
    return Part("Provenance", "provenance", tuple(blocks), slide=False)


_UNCITED = (
    "Datasets are cited under References as their cards say, models by what their sources give; "
    "each artifact is identified by its SHA-256 below."
)


def _run(run: RunView) -> list[tuple[str, str]]:
    return [
        ("Run", short(run.run, 120)),
        ("Suite", short(run.suite, 120)),
        ("Suite SHA-256", short(run.suite_sha256, 80)),
        ("Begun", short(run.created, 40)),
        ("Last changed", short(run.updated, 40)),
        ("Cells", f"{len(run.cells):,}"),
        ("benchbench", version(run)),
        ("Git commit", commit(run) or ABSENT),
    ]


def commit(run: RunView) -> str:
    """Return the commit of the folder that it was measured in, and if it had changes."""
    git = run.environment.get("git")
    if not isinstance(git, dict):
        return ""
    told = next((git[name] for name in ("commit", "sha", "revision") if git.get(name)), "")
    dirty = " with uncommitted changes" if git.get("dirty") else ""
    return f"{short(told, 60)}{dirty}" if told else ""


def _versions(run: RunView) -> Grid:
    found: dict[str, dict[str, None]] = {}
    for cell in run.cells:
        for name, told in cell.versions.items():
            found.setdefault(name, {})[told] = None
    rows = [(short(name, 60), ", ".join(short(one, 40) for one in told)) for name, told in
            sorted(found.items())]  # fmt: skip
    return facts("Versions that the cells ran with", rows, "table-versions", ("Package", "Version"))


def _files(run: RunView) -> Grid:
    own = kept(run.cells)
    columns = (Column("Artifact SHA-256", "left", 2.2), Column("Cell id", "left", 2.2),
               Column("Begun", "left", 1.2), Column("Took", unit="s"))  # fmt: skip
    lines = tuple(_file(cell) for cell in own[:MOST_LISTED])
    more = max(len(own) - MOST_LISTED, 0)
    return Grid("Cells and their files", "Cell", columns, lines, "table-files", more)


def _file(cell: CellView) -> Line:
    sha = cell.artifact.sha256 if cell.artifact else ""
    return Line(
        short(cell.label),
        (
            said(short(sha, 80), reason=unfiled(cell)),
            said(short(cell.id, 80)),
            said(short(cell.started or "", 40), reason="it was not begun"),
            said(seconds(cell.wall_s), reason="it took no recorded time"),
        ),
    )
