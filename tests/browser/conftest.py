"""Pages of every kind in Debian's chromium, driven by selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from benchbench.reports.html import Html
from tests import report_dressed
from tests.browser import driving
from tests.gate_fixture import gated
from tests.report_findings import hostile_findings, knowing
from tests.report_fixture import hostile, many, varied
from tests.report_measured import hostile_measured, measured
from tests.trend_fixture import hostile_trends, trending

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the addresses of the pages, by name."""
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    views = {"run": varied(), "hostile": hostile(), "gate": gated(), "many": many(1000)}
    views |= {"findings": knowing(), "hostile findings": hostile_findings()}
    views |= {"measured": measured(), "hostile measured": hostile_measured()}
    views |= {"trends": trending(), "hostile trends": hostile_trends()}
    views |= {"dressed": report_dressed.pictured(), "hostile dressed": report_dressed.hostile()}
    brands = {"dressed": report_dressed.brand(), "hostile dressed": report_dressed.hostile_brand()}
    for name, view in views.items():
        path = folder / f"{name.replace(' ', '-')}.html"
        path.write_bytes(Html(brand=brands.get(name)).render(view))
        found[name] = path.as_uri()
    return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return the browser; skips where it or its driver is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    for name in ("chromium", "chromedriver"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
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
    driving.resize(browser, 1280)
    driving.go(browser, pages["run"])
    browser.execute_script("try { localStorage.clear() } catch { }")
    browser.get_log("browser"), browser.get_log("performance")
    driving.go(browser, pages["run"])
    return browser
