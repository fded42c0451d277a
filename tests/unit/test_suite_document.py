"""YAML is loaded safely, bounded, and knows where everything stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbench.errors import SuiteError
from benchbench.suite.document import MAX_DEPTH, load, parse


def test_scalars_follow_the_yaml_1_2_core_schema() -> None:
    text = "a: no\nb: 1e3\nc: 1.10\nd: 0o17\ne: true\nf: 12:30\ng: ~\nh: 2026-01-01\ni: 0x1f\nj:\n"
    expected = {
        "a": "no",
        "b": 1000.0,
        "c": 1.1,
        "d": 15,
        "e": True,
        "f": "12:30",
        "g": None,
        "h": "2026-01-01",
        "i": 31,
        "j": None,
    }
    assert parse(text, "x").data == expected


def test_every_node_has_its_line_and_column() -> None:
    document = parse("a:\n  - b: 1\n    c: 2\n", "f.yaml")
    assert str(document.place(("a", 0, "c"))) == "f.yaml:3:5"
    assert str(document.place(("a", 0, "unknown"))) == "f.yaml:2:5"


def test_a_duplicate_key_is_an_error_at_the_second() -> None:
    with pytest.raises(SuiteError, match="f:2:1: the key 'a' occurs twice"):
        parse("a: 1\na: 2\n", "f")


@pytest.mark.parametrize(
    "text", ["a: !!python/object:os.system x", "!foo {a: 1}", "a: !!binary eA==", "a: !!set {b}"]
)
def test_tags_are_refused(text: str) -> None:
    with pytest.raises(SuiteError, match="tag"):
        parse(text, "f")


def test_an_alias_bomb_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(SuiteError, match="nodes after aliases"):
        parse("\n".join(lines), "f")


def test_an_alias_that_contains_itself_is_refused() -> None:
    with pytest.raises(SuiteError, match="contains itself"):
        parse("a: &a [*a]", "f")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(SuiteError, match="nested too deeply"):
        parse("[" * (MAX_DEPTH + 5) + "]" * (MAX_DEPTH + 5), "f")


def test_merge_keys_lose_to_keys_written_out() -> None:
    document = parse("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n", "f")
    assert document.data["use"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\xff\xfea", "not UTF-8"), (b"", "empty"), (b"a: [1", "not YAML"), (b"a: b: c", "not YAML")],
)
def test_what_is_no_yaml_says_so(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    with pytest.raises(SuiteError, match=message) as caught:
        load(path)
    assert caught.value.place is not None


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SuiteError, match="larger than"):
        load(path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="ascii", categories=["L"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_json_reads_as_itself(value: object) -> None:
    import json

    assert parse(json.dumps({"v": value}), "f").data == {"v": value}
