"""The example reports of the quickstart are what the tool makes of the run packed beside them.

``BENCHBENCH_UPDATE_GOLDEN=1 pytest tests/integration/test_examples.py`` renders them again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import chdir
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path

import pytest

from benchbench import api, bundles
from benchbench.view import RunView

EXAMPLES = Path(__file__).parents[2] / "reports" / "examples" / "quickstart"
BUNDLE = EXAMPLES / "quickstart.bundle.zip"
pytestmark = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the source distribution leaves the examples out"
)
FORMATS = {
    "html": "report.html",
    "markdown": "report.md",
    "csv": "cells.csv",
    "pdf": "report.pdf",
    "docx": "report.docx",
    "pptx": "report.pptx",
    "xlsx": "report.xlsx",
}
GATED = {"junit": "junit.xml", "github-summary": "github-summary.md"}
NEEDS = {
    "pdf": ("typst", "pypdf", "matplotlib"),
    "docx": ("docx", "matplotlib"),
    "pptx": ("pptx", "matplotlib"),
    "xlsx": ("openpyxl",),
}
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with the run that the bundle holds."""
    folder = tmp_path_factory.mktemp("examples") / "store"
    _, manifest = bundles.check(BUNDLE)
    assert manifest
    return bundles.unpacked(BUNDLE, manifest, folder).folder


@pytest.fixture(scope="module")
def view(store: Path) -> RunView:
    return api.show("quickstart", store=store)


@pytest.fixture(scope="module")
def gated(store: Path) -> RunView:
    with chdir(EXAMPLES):
        return api.gate("quickstart", limits=Path("limits.yaml"), store=store)


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what there is to read in a report: its one text, or that of each page or part."""
    if path.suffix == ".pdf":
        import pypdf

        pages = pypdf.PdfReader(path).pages
        yield from ((f"page {number}", page.extract_text()) for number, page in enumerate(pages, 1))
    elif path.suffix in (".docx", ".pptx", ".xlsx"):
        yield from _parts(path.read_bytes(), "")
    else:
        yield "", path.read_text(encoding="utf-8")


def _parts(data: bytes, inside: str) -> Iterator[tuple[str, str]]:
    """Yield the XML of an Office file, and of the workbooks that its charts hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        for name in sorted(packed.namelist()):
            if name.endswith((".xml", ".rels")):
                yield inside + name, packed.read(name).decode("utf-8")
            elif name.endswith(".xlsx"):
                yield from _parts(packed.read(name), f"{inside}{name}/")
            else:
                yield inside + name, ""


def agree(made: Path, kept: Path) -> None:
    """Assert that both say the same; a number may differ by rounding, as processors differ."""
    for (part, new), (other, old) in zip_longest(texts(made), texts(kept), fillvalue=("none", "")):
        assert part == other
        assert _NUMBER.split(new) == _NUMBER.split(old), part
        numbers = [[float(one) for one in _NUMBER.findall(text)] for text in (new, old)]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=0.011), part


def check(made: Path, kept: Path) -> None:
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        shutil.copyfile(made, kept)
    agree(made, kept)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_report_of_the_quickstart_is_as_the_tool_renders_it(
    kind: str, view: RunView, tmp_path: Path
) -> None:
    for name in NEEDS.get(kind, ()):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    branded = api.brand_of(EXAMPLES / "brand.yaml")
    (made,) = api.write_reports(view, [kind], out=tmp_path, brand=branded)
    check(made, EXAMPLES / FORMATS[kind])


@pytest.mark.parametrize("kind", GATED)
def test_the_gate_of_the_quickstart_says_what_the_examples_show(
    kind: str, gated: RunView, tmp_path: Path
) -> None:
    path = tmp_path / GATED[kind]
    api.write_report(gated, kind, path)
    check(path, EXAMPLES / GATED[kind])


def test_the_figures_of_the_packed_run_follow_from_its_raw_samples() -> None:
    found = api.reproduce(BUNDLE, until="rederived").derived
    assert found
    assert not found.differing
    assert found.figures > 1000
