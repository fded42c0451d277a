"""The document for LaTeX: golden file, escaping, and what real engines make of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchbench.brand import Brand
from benchbench.protocols import Foldered, Report
from benchbench.reports.document import tex
from benchbench.reports.document.build import build
from benchbench.reports.document.model import Picture
from benchbench.reports.latex import Latex
from tests.report_findings import hostile_findings
from tests.report_fixture import HOSTILE, hostile, small
from tests.report_measured import hostile_measured
from tests.report_measured import measured as measured_run
from tests.trend_fixture import hostile_trends

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "document"
HOSTILES = [hostile(), hostile_findings(), hostile_measured(), hostile_trends()]
_COMMANDS = {
    "textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar",
    "textquotedbl", "textasciigrave", "textquotesingle", "ensuremath", "times", "pm", "leq", "geq",
    "textperiodcentered", "textbullet", "dots", "dag", "ddag", "S", "textdegree", "textmu",
    "rightarrow", "leftarrow", "downarrow", "uparrow", "guilsinglright", "guilsinglleft",
    "textquotedblleft", "textquotedblright", "textquoteleft", "textquoteright", "Delta", "sigma",
    "alpha", "approx", "infty", "textsuperscript", "texteuro", "pounds", "copyright",
    "textregistered", "ss", "o", "O", "l", "L", "ae", "AE", "oe", "OE", "i", "bbchar", "allowbreak",
    "u", "r", "H", "v", "c", "k", "`", "'", "^", "~", "=", ".", '"', ",", "{", "}", "$", "&", "#",
    "%", "_",
}  # fmt: skip


def balanced(source: str) -> bool:
    """Return whether the braces of *source* close, none before it opens."""
    depth = 0
    for char in re.sub(r"\\.", "", source, flags=re.DOTALL):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def test_the_small_run_renders_as_its_golden_file() -> None:
    made, path = Latex().render(small()), GOLDEN / "report.tex"
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        path.write_bytes(made)
    assert made.decode() == path.read_text(encoding="utf-8")


@given(st.text(max_size=60) | st.sampled_from(HOSTILE))
@example("\\input{/etc/passwd} %$#_&~^ ?` --- [x] <<>> ''\"")
@example("Gönen, Łukáš, ﬁ, е, 𝛼, x\u0301\u0302, ñ́")
def test_any_text_is_ascii_balanced_and_without_commands_of_its_own(words: str) -> None:
    made = tex.escape(words)
    assert made.isascii()
    assert "\n" not in made
    assert balanced(made)
    assert set(re.findall(r"\\([A-Za-z]+|.)", made)) <= _COMMANDS
    assert not re.search(r"(?<!\\)[%$#&_^]", re.sub(r"\\[\^]", "", made))


@given(st.text(st.characters(codec="latin-1", categories=["L", "N"]), max_size=40))
def test_letters_of_western_europe_are_printed_by_any_engine(words: str) -> None:
    known = "".join(char for char in words if char not in "ªºÐðÞþ²³¹¼½¾µ")
    assert "bbchar" not in tex.escape(known)


@pytest.mark.parametrize("view", HOSTILES, ids=["names", "found", "measured", "trends"])
def test_a_hostile_run_gives_a_source_that_only_names_its_own_files(view) -> None:
    source = Latex().render(view).decode("ascii")
    assert balanced(source)
    body = source[source.index(r"\begin{document}") :]
    figures = re.findall(r"\\includegraphics\[.*?\]\{([^{}]*)\}\n", body)
    assert figures
    assert all(re.fullmatch(r"figures/[a-z0-9-]+\.pdf", name) for name in figures)
    assert not re.search(r"\\(input|include|write|openout|immediate|def|catcode)\b", body)
    assert set(re.findall(r"\\cite\{([^}]*)\}", body)) <= {
        one.key for one in build(view).references
    }


def test_the_bibliography_is_ascii_with_accents_as_commands() -> None:
    entries = (one.bibtex for one in build(measured_run()).references)
    made = tex.bib(entries).decode("ascii")
    assert r"Hork\'{y}, Vojt\v{e}ch and T\r{u}ma, Petr" in made
    assert re.findall(r"^@\w+\{([\w-]+),$", made, re.MULTILINE) == [
        "dataset-inspection-line", "bulej2020", "lin2014", "reddi2020", "clopper1934",
    ]  # fmt: skip


def test_it_is_a_report_of_several_files() -> None:
    report = Latex(
        brand=Brand(author="A. N. Other", notice="50 % & confidential", colour="#203040")
    )
    checked: Report = report
    assert isinstance(checked, Foldered)
    source = report.render(small()).decode()
    assert r"\definecolor{accent}{HTML}{203040}" in source
    assert r"pdfauthor={A. N. Other}" in source
    assert r"50 \% \& confidential" in source


PAGE = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]"
    b"/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 460 259]/Resources<<>>>>"
    b"endobj\nxref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
    b"0000000101 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n178\n%%EOF\n"
)
"""An empty page in place of each figure."""


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
@pytest.mark.parametrize("view", [measured_run(), HOSTILES[0]], ids=["measured", "hostile"])
def test_a_plain_tex_live_compiles_it(engine: str, view, tmp_path: Path) -> None:
    if not shutil.which(engine):
        pytest.skip(f"{engine} is not installed")
    document = build(view)
    (tmp_path / "figures").mkdir()
    for block in document.blocks():
        if isinstance(block, Picture):
            (tmp_path / "figures" / f"{block.anchor}.pdf").write_bytes(PAGE)
    (tmp_path / "report.tex").write_bytes(Latex().render(view))
    (tmp_path / "references.bib").write_bytes(tex.bib(r.bibtex for r in document.references))
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    made = subprocess.run([*command, "report.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert made.returncode == 0, made.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
    log = (tmp_path / "report.log").read_text(errors="replace")
    assert "Missing character" not in log
    if engine == "pdflatex":
        bibtex = subprocess.run(
            ["bibtex", "report"], cwd=tmp_path, capture_output=True, check=False
        )
        assert bibtex.returncode == 0, bibtex.stdout.decode()
