"""Filters, selection, plots and copies of the report page, in a real browser."""

from __future__ import annotations

import csv
import io

import pytest

from tests.browser import driving
from tests.browser.driving import choose, count, find, points, rows, select
from tests.report_fixture import HOSTILE, varied

pytestmark = pytest.mark.browser
CELLS = varied().cells


def numbers(**wanted: str) -> list[str]:
    """Return the numbers of the cells with these names."""
    return [
        str(at)
        for at, cell in enumerate(CELLS)
        if all(getattr(cell, name) == value for name, value in wanted.items())
    ]


def _keys():
    return pytest.importorskip("selenium.webdriver").Keys


def _press(page, *keys: str) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    webdriver.ActionChains(page).send_keys(*keys).perform()


# --- filters -----------------------------------------------------------------------------


def test_a_filter_reaches_every_table_and_plot_together(page) -> None:
    choose(page, "model", "nanodet-plus-m")
    wanted = numbers(model="nanodet-plus-m")
    assert rows(page) == wanted
    assert count(page) == f"{len(wanted)} of 19 cells"
    assert set(points(page)) == {c for c in wanted if CELLS[int(c)].latency}
    for section in ("evidence", "accuracy", "latency", "stages", "precision"):
        assert rows(page, section)
        assert set(rows(page, section)) <= set(wanted), section
    shown = driving.shown(page, "[data-c]:not(option)")
    assert set(shown) <= set(wanted)


def test_filters_of_two_kinds_both_hold_and_two_choices_of_one_kind_either(page) -> None:
    choose(page, "runtime", "torch", "openvino")
    choose(page, "precision", "int8")
    assert rows(page) == numbers(runtime="openvino", precision="int8")


def test_words_are_sought_in_names_and_caveats(page) -> None:
    find(page, "contended nanodet")
    found = [int(number) for number in rows(page)]
    assert found
    for number in found:
        assert CELLS[number].model == "nanodet-plus-m"
        assert "contended" in {caveat.code for caveat in CELLS[number].caveats}


def test_columns_of_a_table_by_class_are_filtered_with_their_heads(page) -> None:
    choose(page, "model", "fcos-r50")
    heat = "document.querySelector('table.by-cell')"
    seen = page.execute_script(
        f"return [...{heat}.tHead.rows].map(row => [...row.cells].slice(1)"
        ".filter(c => !c.hidden).reduce((sum, c) => sum + c.colSpan, 0))"
    )
    squares = page.execute_script(
        f"return [...{heat}.tBodies[0].rows[0].cells].slice(1).filter(c => !c.hidden).length"
    )
    measured = [c for c in CELLS if c.model == "fcos-r50" and c.per_class]
    assert seen == [len(measured)] * 3
    assert squares == len(measured)


def test_a_table_without_a_cell_that_passes_says_so(page) -> None:
    find(page, "there is no such cell")
    assert count(page) == "0 of 19 cells"
    tools = page.find_element("css selector", "#cells .tools")
    assert "No cell of this table passes the filter." in tools.text
    page.find_element("id", "reset").click()
    assert len(rows(page)) == 19
    assert "No cell" not in tools.text


def test_the_count_is_announced_politely_and_facets_have_names(page) -> None:
    assert page.find_element("id", "count").get_attribute("role") == "status"
    bar = page.find_element("id", "filters")
    assert bar.get_attribute("role") == "search"
    legends = [e.get_attribute("textContent") for e in bar.find_elements("tag name", "legend")]
    assert legends == ["Model", "Runtime", "Precision", "Status"]


def test_the_page_stands_still_while_its_controls_come(page, pages) -> None:
    page.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": "window.moved = 0; new PerformanceObserver(list => { for (const e of "
                   "list.getEntries()) window.moved += e.value; })"
                   ".observe({type: 'layout-shift', buffered: true});"},
    )  # fmt: skip
    driving.go(page, pages["measured"])
    page.execute_script("return new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert page.execute_script("return window.moved") < 0.01


# --- selection ---------------------------------------------------------------------------


def _on(page) -> set[str]:
    return set(driving.shown(page, "[data-c].on"))


def test_a_row_that_is_clicked_stands_out_in_every_table_and_plot(page) -> None:
    row = page.find_element("id", "cell-4")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", row)
    row.find_elements("tag name", "td")[2].click()
    assert _on(page) == {"3"}
    kinds = page.execute_script(
        "return [...document.querySelectorAll('[data-c=\"3\"].on')].map(e => e.tagName)"
    )
    assert {"TR", "g", "TH"} <= set(kinds)
    assert kinds.count("TR") >= 5
    assert count(page) == "19 of 19 cells, 1 selected"


def test_boxes_are_reached_by_one_tab_and_the_arrow_keys_and_pressed_by_space(page) -> None:
    keys = _keys()
    boxes = page.find_elements("css selector", "#cells .pick")
    assert [box.get_attribute("tabindex") for box in boxes].count("0") == 1
    boxes[0].send_keys(keys.ARROW_DOWN)
    _press(page, keys.ARROW_DOWN, " ")
    assert _on(page) == {"2"}
    focused = page.switch_to.active_element
    assert focused.get_attribute("aria-label").startswith("Select fcos-r50 · onnxruntime · int8")
    _press(page, keys.END)
    assert page.switch_to.active_element == boxes[-1]


def test_escape_clears_the_selection_and_closes_an_open_facet_first(page) -> None:
    keys = _keys()
    page.find_element("css selector", "#cells .pick").send_keys(" ")
    summary = page.find_element("css selector", ".facet summary")
    summary.send_keys("\n")
    _press(page, keys.ESCAPE)
    assert page.find_elements("css selector", ".facet[open]") == []
    assert page.switch_to.active_element == summary
    assert _on(page)
    _press(page, keys.ESCAPE)
    assert _on(page) == set()


def test_only_what_is_selected_is_shown_on_demand(page) -> None:
    only = page.find_element("id", "only")
    assert not only.is_enabled()
    for box in page.find_elements("css selector", "#cells .pick")[:2]:
        page.execute_script("arguments[0].click()", box)
    only.click()
    assert rows(page) == ["0", "1"]
    _press(page, _keys().ESCAPE)
    assert len(rows(page)) == 19


def test_a_link_in_a_row_leads_on_and_selects_nothing(page) -> None:
    link = page.find_element("css selector", "#cells tr a")
    page.execute_script("arguments[0].click()", link)
    assert _on(page) == set()
    assert page.execute_script("return location.hash").startswith("#why-")


# --- the address -------------------------------------------------------------------------


def test_a_view_is_kept_in_the_address_and_comes_back_from_it(page, pages) -> None:
    choose(page, "model", "nanodet-plus-m")
    choose(page, "precision", "int8", "fp32")
    page.find_elements("css selector", "#cells .pick")[7].send_keys(" ")
    select(page, "x-axis", "size of the artifact, MB")
    select(page, "y-axis", "AP50")
    fragment = page.execute_script("return location.hash")
    before = (rows(page), points(page), _on(page), count(page))
    driving.go(page, pages["run"] + fragment)
    assert (rows(page), points(page), _on(page), count(page)) == before
    assert "size of the artifact, MB (log scale" in _words(page)
    assert page.execute_script("return location.hash") == fragment


def test_names_that_the_page_does_not_have_are_passed_over(page, pages) -> None:
    driving.go(page, pages["run"] + "#model=gone&sel=zzz,&x0=nothing&y0=%3Cimg%3E&only=1&lin0=1")
    assert page.get_log("browser") == []
    assert len(rows(page)) == 19


def test_an_anchor_changes_no_filter(page) -> None:
    choose(page, "model", "nanodet-plus-m")
    before = rows(page)
    page.find_element("css selector", 'nav a[href="#limits"]').click()
    assert rows(page) == before
    assert page.execute_script("return location.hash") == "#limits"


# --- plots -------------------------------------------------------------------------------


def _words(page) -> str:
    drawing = page.find_element("css selector", ".canvas .wide")
    return " ".join(e.text for e in drawing.find_elements("css selector", ".name"))


def _focus_first(page) -> None:
    page.execute_script("document.querySelector('.canvas .wide .pt[tabindex=\"0\"]').focus()")


def test_points_are_reached_by_arrow_keys_from_left_to_right_and_tell_their_figures(page) -> None:
    keys = _keys()
    _focus_first(page)
    told = []
    for _ in range(4):
        told.append(page.switch_to.active_element.get_attribute("aria-label"))
        _press(page, keys.ARROW_RIGHT)
    speeds = [float(text.split("p50 latency ")[1].split(" ms")[0]) for text in told]
    assert speeds == sorted(speeds)
    assert told[0].startswith("nanodet-plus-m · openvino · int8; mAP 0.401; p50 latency 3.81 ms")
    tip = page.find_element("id", "tip")
    assert tip.is_displayed()
    assert tip.text.startswith("nanodet-plus-m")
    _press(page, keys.ESCAPE)
    assert not tip.is_displayed()


def test_a_point_is_selected_by_keyboard_and_says_that_it_is_pressed(page) -> None:
    _focus_first(page)
    point = page.switch_to.active_element
    assert point.get_attribute("aria-pressed") == "false"
    _press(page, " ")
    assert point.get_attribute("aria-pressed") == "true"
    assert _on(page) == {point.get_attribute("data-c")}


def test_a_tooltip_tells_intervals_and_caveats_where_the_pointer_is(page, pages) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    driving.go(page, pages["measured"])
    point = page.find_element("css selector", '.canvas .wide .pt[data-c="1"]')
    page.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", point
    )
    webdriver.ActionChains(page).move_to_element(point).perform()
    text = page.find_element("id", "tip").text
    assert "p50 latency 3.78 ms (95 % interval 3.73 ms to 3.83 ms, 6 processes)" in text
    assert "on the Pareto front" in text
    assert "latency drifted during the pass" in text


def test_an_axis_is_logarithmic_or_begins_at_0(page) -> None:
    log = page.find_element("css selector", ".axes input[type=checkbox]")
    log.send_keys(" ")
    assert "p50 latency, ms (from 0; less is better)" in _words(page)
    places = page.execute_script(
        "const chart = JSON.parse(document.getElementById('data').textContent).plots[0];"
        "const x = chart.x[0].points; return [...document.querySelectorAll('.wide .pt')]"
        ".map(p => [x[chart.cells.indexOf(Number(p.dataset.c))][1], p.transform.baseVal[0].matrix.e])"
    )
    shares = [place / value for value, place in places]
    assert max(shares) / min(shares) == pytest.approx(1, abs=1e-3)
    log.send_keys(" ")
    assert "(log scale" in _words(page)


def test_over_throughput_the_front_is_at_the_right(page) -> None:
    select(page, "x-axis", "throughput, single stream, images/s")
    assert "more is better" in _words(page)
    best = page.execute_script(
        "return [...document.querySelectorAll('.wide .pt.best')].map(p => p.transform.baseVal[0].matrix)"
        ".map(m => [m.e, m.f]).sort((a, b) => b[0] - a[0])"
    )
    heights = [y for _, y in best]
    assert len(best) > 2
    assert heights == sorted(heights, reverse=True)
    figure = page.find_element("css selector", ".plot figcaption").text
    assert "Pareto front of mAP and throughput" in figure


def test_the_drawing_that_came_with_the_page_and_one_over_the_same_axes_agree(page) -> None:
    read = (
        "return [...document.querySelectorAll('.wide .pt')].map(p => [p.dataset.c, "
        "p.classList.contains('best'), p.transform.baseVal[0].matrix.e, p.transform.baseVal[0].matrix.f])"
        ".sort((a, b) => a[0] - b[0])"
    )
    came = page.execute_script(read)
    for _ in range(2):
        page.find_element("css selector", ".axes input[type=checkbox]").send_keys(" ")
    drawn = page.execute_script(read)
    assert [one[:2] for one in drawn] == [one[:2] for one in came]
    for one, other in zip(drawn, came, strict=True):
        assert one[2:] == pytest.approx(other[2:], abs=0.11)


def test_a_filter_and_a_selection_outlive_another_axis(page) -> None:
    choose(page, "runtime", "openvino")
    page.find_elements("css selector", "#cells .pick")[3].send_keys(" ")
    before, on = points(page), _on(page)
    select(page, "x-axis", "peak resident memory, MB")
    assert points(page) == before
    assert _on(page) == on


# --- tables ------------------------------------------------------------------------------


def _column(page, column: int, data: str) -> list[str]:
    return page.execute_script(
        "return [...document.querySelector('#cells table').tBodies[0].rows]"
        ".map(row => row.cells[arguments[0]].dataset[arguments[1]])",
        column,
        data,
    )


def test_a_table_is_sorted_by_an_end_of_the_interval(page, pages) -> None:
    driving.go(page, pages["measured"])
    by = page.find_element("css selector", "#cells .tools select")
    next(o for o in by.find_elements("tag name", "option") if o.text == "high end").click()
    page.find_element("css selector", '#cells th[data-column="3"] button').send_keys("\n")
    ends = zip(_column(page, 3, "h"), _column(page, 3, "v"), strict=True)
    values = [float(high or value) for high, value in ends]
    assert values == sorted(values)


def _copied(page, name: str) -> str:
    """Return what the buttons of this name copy from the tables of all cells together."""
    page.execute_script(
        "window.got = ''; Object.defineProperty(navigator, 'clipboard', {configurable: true, "
        "value: {writeText: async text => { window.got += text; }}})"
    )
    page.execute_script(
        "for (const b of document.querySelectorAll('#cells .tools button'))"
        " if (b.textContent === arguments[0]) b.click()",
        name,
    )
    return page.execute_script("return window.got")


def test_what_is_shown_of_a_table_is_copied_for_spreadsheets_and_documents(page) -> None:
    choose(page, "model", "nanodet-plus-m")
    choose(page, "runtime", "openvino")
    lines = list(csv.reader(io.StringIO(_copied(page, "Copy CSV"))))
    assert lines[0][:4] == ["Cell", "Status", "mAP", "p50, ms"]
    assert [float(line[3]) for line in lines[1:3]] == [8.47, 3.81]
    assert lines[3][3] == ""
    marked = _copied(page, "Copy Markdown").splitlines()
    assert len(marked) == 5
    assert marked[1] == "| " + " | ".join(["---"] * len(lines[0])) + " |"


def test_no_copied_field_is_a_formula(page, pages) -> None:
    driving.go(page, pages["hostile"])
    texts = [field for line in csv.reader(io.StringIO(_copied(page, "Copy CSV"))) for field in line]
    assert any(text.startswith("'=HYPERLINK") for text in texts)
    assert not [text for text in texts if text[:1] in "=+@" and text]


# --- robustness --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hostile", "hostile findings", "hostile measured"])
def test_hostile_names_stay_text_while_the_page_is_used(page, pages, name: str) -> None:
    driving.go(page, pages[name])
    find(page, "script")
    page.find_element("id", "reset").click()
    for log in page.find_elements("css selector", ".axes input[type=checkbox]"):
        page.execute_script("arguments[0].click()", log)
    for box in page.find_elements("css selector", "#cells .pick")[:2]:
        page.execute_script("arguments[0].click()", box)
    assert page.execute_script("return document.images.length") == 0
    assert page.execute_script("return document.scripts.length") == 2
    assert page.get_log("browser") == []


def test_a_hostile_name_in_the_address_is_text(page, pages) -> None:
    driving.go(page, pages["run"] + "#find=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert page.find_element("id", "find").get_attribute("value").startswith("<img")
    assert page.execute_script("return document.images.length") == 0
    assert count(page) == "0 of 19 cells"


def test_hostile_choices_of_a_facet_work(page, pages) -> None:
    driving.go(page, pages["hostile"])
    choose(page, "model", " ".join(HOSTILE[0].split()))
    assert count(page).startswith("2 of 7")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_while_filters_are_active(page, pages, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="axe-core-python is not installed")
    driving.go(page, pages["gate"])
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    choose(page, "model", "nanodet-plus-m")
    page.find_elements("css selector", "#cells .pick")[7].send_keys(" ")
    select(page, "x-axis", "size of the artifact, MB")
    page.find_element("css selector", ".facet summary").send_keys("\n")
    _focus_first(page)
    found = axe.Axe().run(page)
    assert len(found["passes"]) > 20
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_print_hides_the_controls_and_tells_what_is_filtered(page) -> None:
    wanted = len(numbers(precision="int8"))
    choose(page, "precision", "int8")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for selector in (".filters", ".axes", ".tools", ".pick", "#theme"):
            for element in page.find_elements("css selector", selector):
                assert not element.is_displayed(), selector
        told = page.find_element("id", "printed")
        assert told.is_displayed()
        assert told.text.startswith(f"Filtered: {wanted} of 19 cells; precision int8.")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert not page.find_element("id", "printed").is_displayed()


def test_what_was_folded_is_printed_open_and_folded_again(page) -> None:
    closed = "return document.querySelectorAll('main details:not([open])').length"
    before = page.execute_script(closed)
    assert before
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(closed) == 0
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(closed) == before


def test_a_thousand_cells_are_filtered_and_sorted(page, pages) -> None:
    driving.go(page, pages["many"])
    took = page.execute_script(
        "const find = document.getElementById('find'); const began = performance.now();"
        "find.value = 'model-07'; find.dispatchEvent(new Event('input'));"
        "document.querySelector('#cells th[data-column=\"3\"] button').click();"
        "return performance.now() - began"
    )
    print(f"1,000 cells filtered and sorted in {took:.0f} ms")
    assert count(page) == "20 of 1000 cells"


def test_the_head_of_a_long_table_stays_in_sight(page, pages) -> None:
    driving.go(page, pages["many"])
    head = page.execute_script(
        "const box = document.querySelector('#cells .scroll'); box.scrollTop = 5000;"
        "return box.querySelector('thead').getBoundingClientRect().top - box.getBoundingClientRect().top"
    )
    assert abs(head) < 2
