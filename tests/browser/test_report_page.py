"""The report page in a real browser: Debian's chromium, driven by selenium."""

from __future__ import annotations

import pytest

from tests.browser import driving

pytestmark = pytest.mark.browser
EVERY = [
    "run", "hostile", "findings", "hostile findings", "measured", "hostile measured", "gate",
    "dressed", "hostile dressed", "trends", "hostile trends",
]  # fmt: skip
TAKEN = [
    "turns", "processes", "load", "energy", "soak", "definitions", "conditions", "model", "left",
]  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_the_page_loads_without_console_message_or_request(page, pages, name: str) -> None:
    page.get_log("performance")
    driving.go(page, pages[name])
    assert page.get_log("browser") == []
    asked = {url for url in driving.requests(page) if not url.startswith(("data:", "about:"))}
    assert asked == {pages[name]}


def test_the_policy_really_stops_a_script_that_is_not_the_page_s(page) -> None:
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s)"
    )
    assert page.execute_script("return window.broken ?? null") is None
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


COLUMN = """
const table = document.querySelector('#cells table');
return [...table.tBodies[0].rows].map(row => row.cells[arguments[0]].dataset.v ?? row.cells[arguments[0]].title);
"""


def _press(page, column: int) -> str | None:
    head = page.find_element("css selector", f'#cells th[data-column="{column}"]')
    head.find_element("css selector", "button").send_keys("\n")
    return head.get_attribute("aria-sort")


def test_a_head_sorts_its_column_by_number_and_absent_figures_stay_last(page) -> None:
    assert _press(page, 3) == "ascending"
    values = page.execute_script(COLUMN, 3)
    assert values[-4:] == [""] * 4
    assert [float(v) for v in values[:-4]] == sorted(float(v) for v in values[:-4])
    assert _press(page, 3) == "descending"
    down = page.execute_script(COLUMN, 3)
    assert down[-4:] == [""] * 4
    assert [float(v) for v in down[:-4]] == sorted((float(v) for v in down[:-4]), reverse=True)


def test_only_the_sorted_column_says_so(page) -> None:
    _press(page, 3)
    _press(page, 0)
    sorted_heads = page.find_elements("css selector", "#cells th[aria-sort]")
    assert [head.get_attribute("data-column") for head in sorted_heads] == ["0"]
    names = page.execute_script(COLUMN, 0)
    assert names == sorted(names)


GROUND = "return getComputedStyle(document.body).backgroundColor"


def test_the_theme_button_turns_the_page_dark_and_back(page) -> None:
    button = page.find_element("id", "theme")
    assert button.is_displayed()
    light = page.execute_script(GROUND)
    button.click()
    assert page.execute_script(GROUND) != light
    assert button.text == "Light theme"
    button.click()
    assert page.execute_script(GROUND) == light


def test_the_page_follows_the_system_s_dark_theme(page, pages) -> None:
    light = page.execute_script(GROUND)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    try:
        driving.go(page, pages["run"])
        assert page.execute_script(GROUND) != light
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_the_page_never_scrolls_sideways(page, pages, name: str, width: int) -> None:
    driving.resize(page, width)
    driving.go(page, pages[name])
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_narrow_screens_get_the_narrow_plot_and_wide_ones_the_wide(page) -> None:
    shown = (
        "return ['wide', 'narrow'].filter(n => document.querySelector('.plot .' + n).clientHeight)"
    )
    assert page.execute_script(shown) == ["wide"]
    driving.resize(page, 400)
    assert page.execute_script(shown) == ["narrow"]


@pytest.mark.parametrize("name", ["run", "measured"])
def test_the_main_table_fits_a_wide_screen(page, pages, name: str) -> None:
    driving.go(page, pages[name])
    spare = (
        "const e = document.querySelector('#cells .scroll'); return e.scrollWidth - e.clientWidth"
    )
    assert page.execute_script(spare) == 0


def test_without_scripts_the_page_shows_all_and_no_dead_control(page, pages) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driving.go(page, pages["run"])
        assert not page.find_element("id", "theme").is_displayed()
        assert page.find_elements("css selector", "th button") == []
        for control in page.find_elements("css selector", ".filters, .axes, .tools, .scripted"):
            assert control.size["height"] == 0
        assert len(page.find_elements("css selector", "#cells tbody tr")) == 19
        assert len(page.find_elements("css selector", ".canvas .wide .pt")) == 15
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_table_of_slices_sorts_by_difference_and_keeps_absent_ones_last(page, pages) -> None:
    driving.go(page, pages["findings"])
    head = page.find_element("css selector", '#parts th[data-column="4"]')
    head.find_element("css selector", "button").send_keys("\n")
    told = page.execute_script(
        "const table = document.querySelector('#parts table');"
        "return [...table.tBodies[0].rows].map(row => Number(row.cells[4].dataset.v))"
    )
    assert told == sorted(told)
    assert told[0] == -0.09


def test_panels_stand_side_by_side_where_there_is_room_and_below_one_another_where_not(
    page, pages
) -> None:
    tops = (
        "return new Set([...document.querySelectorAll('#curves .panel')]"
        ".map(panel => Math.round(panel.getBoundingClientRect().left))).size"
    )
    driving.go(page, pages["findings"])
    assert page.execute_script(tops) == 3
    driving.resize(page, 400)
    assert page.execute_script(tops) == 1


OPEN = (
    "document.documentElement.dataset.theme = arguments[0];"
    "document.querySelectorAll('details').forEach(part => part.open = true)"
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(page, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
    page.execute_script(OPEN, theme)
    found = axe.Axe().run(page)
    assert len(found["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("section", ["parts", "severity", "curves", "confusion"])
def test_axe_finds_no_violation_in_a_section_of_findings(page, pages, section, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
    driving.go(page, pages["findings"])
    page.execute_script(OPEN, theme)
    found = axe.Axe().run(page, context=f"#{section}")
    assert len(found["passes"]) > 5
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["measured", "hostile measured"])
def test_axe_finds_no_violation_in_what_was_taken(page, pages, name: str, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
    driving.go(page, pages[name])
    page.execute_script(OPEN, theme)
    found = axe.Axe().run(page, context={"include": [[f"#{anchor}"] for anchor in TAKEN]})
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_what_was_taken_is_drawn_within_its_place(page, pages) -> None:
    driving.go(page, pages["measured"])
    outside = (
        "return [...document.querySelectorAll('.taken td svg path, .taken td svg line')].filter(mark => {"
        " const a = mark.getBoundingClientRect(), b = mark.closest('td').getBoundingClientRect();"
        " return a.left < b.left - 6 || a.right > b.right + 6 }).length"
    )
    drawn = "return document.querySelectorAll('.taken td svg path, .taken td svg line').length"
    assert page.execute_script(drawn) > 40
    assert page.execute_script(outside) == 0


def test_a_table_of_verdicts_sorts_by_ratio_and_keeps_the_absent_one_last(page, pages) -> None:
    driving.go(page, pages["measured"])
    head = page.find_element("css selector", '#turns th[data-column="2"]')
    head.find_element("css selector", "button").send_keys("\n")
    told = page.execute_script(
        "const table = document.querySelector('#turns table');"
        "return [...table.tBodies[0].rows].map(row => row.cells[2].dataset.v)"
    )
    assert told[-1] == ""
    assert [float(one) for one in told[:-1]] == [0.4551, 1.183]
