"""What ``report`` writes: the files of a format, and the brand where one is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench import api
from benchbench.errors import SuiteError, UsageError
from tests.report_fixture import small


def test_a_format_of_several_files_is_written_whole_and_its_main_file_is_told(tmp_path: Path):
    pytest.importorskip("matplotlib")
    (main,) = api.write_reports(small(), ["md"], out=tmp_path)
    assert main == tmp_path / "report-document.md"
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn
    text = main.read_text(encoding="utf-8")
    assert all(f"figures/{name}" in text for name in drawn)


def test_the_brand_of_a_file_stands_in_formats_that_take_one_and_disturbs_no_other(tmp_path: Path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "brand.yaml"
    file.write_text("client: ACME Vision GmbH\nnotice: Confidential\n")
    brand = api.brand_of(file)
    plain, branded = tmp_path / "plain", tmp_path / "branded"
    run = small()
    api.write_reports(run, ["md", "csv"], out=plain)
    api.write_reports(run, ["md", "csv"], out=branded, brand=brand)
    document = (branded / "report-document.md").read_text(encoding="utf-8")
    assert "ACME Vision GmbH" in document
    assert "Confidential" in document
    assert "ACME" not in (plain / "report-document.md").read_text(encoding="utf-8")
    assert (plain / "cells.csv").read_bytes() == (branded / "cells.csv").read_bytes()


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("clinet: ACME\n", UsageError, "clinet"),
        ("logo: ../../secret.png\n", UsageError, "logo"),
        ("colour: '#ffffff'\n", UsageError, "colour"),
        ("client: [\n", SuiteError, "brand.yaml:"),
        ("client: !!python/object:os.system x\n", SuiteError, "brand.yaml:1"),
    ],
)
def test_a_wrong_brand_file_is_told_with_its_key_or_place(tmp_path: Path, text, error, told):
    file = tmp_path / "brand.yaml"
    file.write_text(text)
    with pytest.raises(error, match=told):
        api.brand_of(file)


def test_formats_that_nobody_named_are_those_for_reading():
    usual = set(api.usual_formats())
    assert {"html", "markdown", "json", "csv"} <= usual
    assert usual.isdisjoint({"junit", "bencher", "docx", "pdf", "gallery"})
