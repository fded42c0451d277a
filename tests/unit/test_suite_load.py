"""Every fault in a suite names its place, the value and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.errors import SuiteError, UsageError
from benchbench.suite import document
from benchbench.suite.load import find, load_suite
from benchbench.suite.schema import json_schema

GOOD = """\
benchbench: 1
name: s
datasets:
  - name: d
    source: {kind: coco, root: x, files: {validation: {images: i, annotations: a}}}
models:
  - name: m
    source: {kind: file, path: m.onnx}
    input: {size: [320, 320], color: RGB, resize: letterbox}
    decoder: {kind: fcos, strides: [8, 16, 32]}
runtimes:
  - kind: onnxruntime
    precisions: [fp32, int8]
"""


def fault(tmp_path: Path, old: str, new: str) -> SuiteError:
    assert old in GOOD
    path = tmp_path / "s.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    return caught.value


def test_a_good_suite_loads(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(GOOD)
    suite = load_suite(str(path)).suite
    assert suite.runtimes[0].precisions == ("fp32", "int8")
    assert (suite.threads, suite.affinity) == (None, "none")


@pytest.mark.parametrize(
    ("old", "new", "place", "message", "hint"),
    [
        (
            "kind: onnxruntime",
            "kind: onnxruntme",
            "12:5",
            "no runtime named 'onnxruntme'",
            "onnxruntime",
        ),
        (
            "    precisions: [fp32, int8]",
            "    precision: [fp32]",
            "13:5",
            "unknown key 'precision'",
            "precisions",
        ),
        ("[fp32, int8]", "[fp32, int9]", "13:24", "'int9' is not allowed", "int8"),
        ("kind: fcos", "kind: fcso", "10:15", "no decoder named 'fcso'", "fcos"),
        ("name: s\n", "name: s\nmodel: 3\n", "3:1", "unknown key 'model'", "models"),
        ("size: [320, 320]", "size: [320, -1]", "9:25", "not -1", None),
        ("resize: letterbox", "resize: letterbx", "9:43", "letterbx", "letterbox"),
        ("kind: coco", "kind: cocoo", "5:14", "no dataset named 'cocoo'", "coco"),
        ("name: m\n", "nmae: m\n", "7:5", "name", None),
        ("benchbench: 1", "benchbench: 2", "1:1", "benchbench", None),
        ("kind: file, path", "path", "8:5", "the key 'kind' is missing", "kind"),
        ("color: RGB", "color: rgb", "9:31", "'rgb' is not allowed", "RGB"),
    ],
)
def test_a_fault_names_line_column_value_and_what_was_meant(
    tmp_path: Path, old: str, new: str, place: str, message: str, hint: str | None
) -> None:
    problems = fault(tmp_path, old, new).problems
    told = "\n".join(map(str, problems))
    assert f"s.yaml:{place}: " in told, told
    assert message in told
    if hint:
        assert hint in (" ".join(p.hint or "" for p in problems))


def test_all_faults_are_told_at_once_in_file_order(tmp_path: Path) -> None:
    error = fault(tmp_path, "models:", "modles: 1\nmodels:")
    assert len(error.problems) == 1
    path = tmp_path / "s.yaml"
    path.write_text(GOOD.replace("[fp32, int8]", "[fp33, int9]").replace("fcos", "fcso"))
    with pytest.raises(SuiteError) as caught:
        load_suite(str(path))
    lines = [p.place.line for p in caught.value.problems if p.place]
    assert lines == sorted(lines)
    assert len(lines) == 3


def test_a_name_used_twice_is_an_error(tmp_path: Path) -> None:
    two = "  - kind: onnxruntime\n  - kind: onnxruntime\n"
    error = fault(tmp_path, "  - kind: onnxruntime\n", two)
    assert "the name 'onnxruntime' is used twice" in str(error)


def test_an_unknown_suite_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean 'quickstart'"):
        find("quikstart")


def test_an_unknown_card_gets_a_suggestion(tmp_path: Path) -> None:
    source = "source: {kind: coco, root: x, files: {validation: {images: i, annotations: a}}}"
    error = fault(tmp_path, source, "card: inspection-lien")
    assert "s.yaml:5:5: no dataset card named 'inspection-lien'" in str(error)
    assert "did you mean 'inspection-line'" in str(error)


def test_a_dataset_needs_a_card_or_a_source(tmp_path: Path) -> None:
    source = "    source: {kind: coco, root: x, files: {validation: {images: i, annotations: a}}}\n"
    assert "needs either 'card' or 'source'" in str(fault(tmp_path, source, ""))


def test_the_schema_names_every_plug_in_and_its_options() -> None:
    text = str(json_schema())
    for name in ("onnxruntime", "openvino", "fcos", "letterbox", "score_floor", "inspection-line"):
        assert name in text


def test_the_schema_explains_keys_and_options_in_the_words_of_the_code() -> None:
    definitions = json_schema()["$defs"]
    entry = definitions["DatasetEntry"]["properties"]
    assert entry["split"]["description"] == "The split that is scored and timed."
    described = [
        definition
        for definition in definitions.values()
        if "allow_spinning" in definition.get("properties", {})
    ]
    assert described[0]["properties"]["allow_spinning"]["description"]
    assert described[0]["properties"]["threads"]["description"].startswith("Intra-operator")


def test_the_schema_accepts_the_shipped_suites_and_refuses_a_typo() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    data = document.load(find("quickstart")).data
    jsonschema.validate(data, json_schema())
    one = {"baseline": {"precision": "fp32"}, "candidate": {"precision": ["int8", "fp16"]}}
    jsonschema.validate(data | {"comparisons": [one], "devices": "cpu"}, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"modles": []}, json_schema())


@pytest.mark.usefixtures("plugins_path")
def test_a_plug_in_that_does_not_import_is_named_with_the_reason(tmp_path: Path) -> None:
    error = fault(tmp_path, "kind: onnxruntime", "kind: bbtest-broken")
    assert "the runtime 'bbtest-broken'" in str(error)
    assert "No module named 'bbtest.does_not_exist'" in str(error)


def test_the_shipped_suites_load() -> None:
    assert load_suite("quickstart").suite.name == "quickstart"
    assert load_suite("coco-detectors", ["data=x"]).suite.name == "coco-detectors"
    assert load_suite("nuclei", ["data=x"]).suite.name == "nuclei"
