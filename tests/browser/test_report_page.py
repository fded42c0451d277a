"""The report page in a real browser: Debian's chromium, driven by selenium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.report_findings import hostile_findings, knowing
from tests.report_fixture import hostile, varied

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from benchbench.reports.html import Html  # noqa: E402 - after the skips

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.skipif(
        shutil.which("chromedriver") is None, reason="chromedriver is not installed"
    ),
]
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


EVERY = ["run", "hostile", "findings", "hostile findings"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    views = {"run": varied(), "hostile": hostile()}
    views |= {"findings": knowing(), "hostile findings": hostile_findings()}
    for name, view in views.items():
        path = folder / f"{name.replace(' ', '-')}.html"
        path.write_bytes(Html().render(view))
        found[name] = path.as_uri()
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, pages):
    """Return a browser that shows the page afresh, wide and light."""
    _resize(browser, 1280)
    browser.get(pages["run"])
    browser.execute_script("try { localStorage.clear() } catch { }")
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(pages["run"])
    return browser


def _resize(browser, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _requests(browser) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


@pytest.mark.parametrize("name", EVERY)
def test_the_page_loads_without_console_message_or_request(page, pages, name: str) -> None:
    page.get_log("performance")
    page.get(pages[name])
    assert page.get_log("browser") == []
    assert {url for url in _requests(page) if not url.startswith("data:")} == {pages[name]}


def test_the_policy_really_stops_a_script_that_is_not_the_page_s(page) -> None:
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s)"
    )
    assert page.execute_script("return window.broken ?? null") is None
    assert any("Content Security Policy" in entry["message"] for entry in page.get_log("browser"))


COLUMN = """
const table = document.querySelector('#cells table');
return [...table.tBodies[0].rows].map(row => row.cells[arguments[0]].dataset.v);
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
        page.get(pages["run"])
        assert page.execute_script(GROUND) != light
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("width", [320, 400, 768, 1280])
def test_the_page_never_scrolls_sideways(page, pages, name: str, width: int) -> None:
    _resize(page, width)
    page.get(pages[name])
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_narrow_screens_get_the_narrow_plot_and_wide_ones_the_wide(page) -> None:
    shown = (
        "return ['wide', 'narrow'].filter(n => document.querySelector('.plot .' + n).offsetHeight)"
    )
    assert page.execute_script(shown) == ["wide"]
    _resize(page, 400)
    assert page.execute_script(shown) == ["narrow"]


def test_the_main_table_fits_a_wide_screen(page) -> None:
    spare = (
        "const e = document.querySelector('#cells .scroll'); return e.scrollWidth - e.clientWidth"
    )
    assert page.execute_script(spare) == 0


def test_without_scripts_the_page_shows_all_and_no_dead_button(page, pages) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get(pages["run"])
        assert not page.find_element("id", "theme").is_displayed()
        assert page.find_elements("css selector", "th button") == []
        assert len(page.find_elements("css selector", "#cells tbody tr")) == 19
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_table_of_slices_sorts_by_difference_and_keeps_absent_ones_last(page, pages) -> None:
    page.get(pages["findings"])
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
    page.get(pages["findings"])
    assert page.execute_script(tops) == 3
    _resize(page, 400)
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
    page.get(pages["findings"])
    page.execute_script(OPEN, theme)
    found = axe.Axe().run(page, context=f"#{section}")
    assert len(found["passes"]) > 5
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
