"""Names never command the runner that reads what is printed."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from benchbench.cli.measured import plain
from benchbench.inert import inert

COMMANDS = st.sampled_from(["::error::", "##[error]", "##[", "::", ":", "#", "a", " ", "\n", "é"])


@given(st.lists(COMMANDS, max_size=12).map("".join))
def test_no_line_that_begins_with_a_name_is_a_command(text: str):
    for told in (inert(text.replace("\n", "")), plain(text)):
        assert not re.match(r"::[a-z]", told)
        assert "##[" not in told


def test_other_names_stay_as_they_are():
    for name in ("detector · openvino · int8", "a::b", "# heading", "#[x]"):
        assert inert(name) == name
        assert plain(name) == name
