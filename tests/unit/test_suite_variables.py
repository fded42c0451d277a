"""Variables come from the suite's declarations, the command line and the environment; no further."""

from __future__ import annotations

import pytest

from benchbench.errors import SuiteError, UsageError
from benchbench.suite.document import parse
from benchbench.suite.variables import parse_settings, resolve

TEXT = """\
variables: {data: null, size: 320}
a: ${data}/x
b: ${size}
c: [{d: "$${data}"}]
"""


def resolved(settings: list[str], text: str = TEXT, env: dict[str, str] | None = None) -> object:
    return resolve(parse(text, "f.yaml"), parse_settings(settings), env or {}).data


def test_variables_are_filled_in_and_keep_their_type_where_they_stand_alone() -> None:
    assert resolved(["data=/d"]) == {"a": "/d/x", "b": 320, "c": [{"d": "${data}"}]}


def test_a_variable_without_value_names_the_option_and_the_place() -> None:
    with pytest.raises(
        SuiteError, match=r"f\.yaml:2:1: the variable 'data' has no value"
    ) as caught:
        resolved([])
    assert caught.value.hint == "--set data=VALUE"


def test_an_unknown_variable_gets_a_suggestion() -> None:
    with pytest.raises(SuiteError, match="did you mean 'size'"):
        resolved(["data=x"], TEXT + "e: ${siez}\n")


def test_environment_variables_are_named_as_such() -> None:
    text = "a: ${env:PLACE}\n"
    assert resolved([], text, {"PLACE": "here"}) == {"a": "here"}
    with pytest.raises(SuiteError, match="'PLACE' is not set"):
        resolved([], text)


def test_a_path_sets_a_key_deep_in_the_suite() -> None:
    text = "models: [{name: a, path: x}, {name: b, path: y}]\n"
    data = resolved(["models.1.path=z"], text)
    assert data == {"models": [{"name": "a", "path": "x"}, {"name": "b", "path": "z"}]}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("novalue", "not KEY=VALUE"),
        ("model.1.path=z", "no key 'model'|did you mean 'models'"),
        ("models.7.path=z", "no item '7'"),
        ("modles=3", "did you mean 'models'"),
        ("models.0.name.deeper=3", "below a plain value"),
    ],
)
def test_a_setting_that_fits_nothing_is_an_error(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolved([setting], "models: [{name: a}]\n")


def test_values_of_settings_are_yaml() -> None:
    assert parse_settings(["a=[1, 2]", "b=", "c=x=y", "d=null"]) == {
        "a": [1, 2],
        "b": "",
        "c": "x=y",
        "d": None,
    }


def test_the_folder_of_the_suite_is_a_variable() -> None:
    data = resolve(parse("a: ${suite_dir}/m.onnx\n", "/some/where/f.yaml"), {}, {}).data
    assert data == {"a": "/some/where/m.onnx"}


def test_a_variable_may_use_the_suites_folder_and_earlier_variables() -> None:
    text = "variables: {data: '${suite_dir}/d', model: '${data}/m.onnx'}\na: ${model}\n"
    data = resolve(parse(text, "/some/f.yaml"), {}, {}).data
    assert data == {"a": "/some/d/m.onnx"}
    with pytest.raises(SuiteError, match="no variable named 'later'"):
        resolved([], "variables: {a: '${later}', later: 1}\n")
