"""What tests do with a page in a browser."""

from __future__ import annotations

import json

SHOWN = """
return [...document.querySelectorAll(arguments[0])]
  .filter(element => element.getClientRects().length && !element.hidden)
  .map(element => element.dataset.c)
"""


def resize(browser, width: int) -> None:
    """Give the window another width."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def go(browser, address: str) -> None:
    """Load *address* anew, even where only what follows ``#`` differs."""
    browser.get("about:blank")
    browser.get(address)


def requests(browser) -> list[str]:
    """Return the addresses that were asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


def shown(browser, selector: str) -> list[str]:
    """Return the numbers of the cells whose elements are seen."""
    return browser.execute_script(SHOWN, selector)


def rows(browser, section: str = "cells") -> list[str]:
    """Return the numbers of the cells of the first table of *section* that are seen."""
    return shown(browser, f"#{section} .scroll:first-of-type tbody > tr[data-c]")


def points(browser) -> list[str]:
    """Return the numbers of the cells whose points are seen, in no order."""
    return sorted(shown(browser, ".canvas .pt"))


def choose(browser, facet: str, *names: str) -> None:
    """Tick the choices *names* of *facet*, with the keyboard."""
    part = browser.find_element("css selector", f'.facet[data-facet="{facet}"]')
    summary = part.find_element("tag name", "summary")
    summary.send_keys("\n")
    for label in part.find_elements("tag name", "label"):
        if label.text in names:
            label.find_element("tag name", "input").send_keys(" ")
    summary.send_keys("\n")


def find(browser, text: str) -> None:
    """Write *text* into the field that finds cells."""
    browser.find_element("id", "find").send_keys(text)


def count(browser) -> str:
    """Return what is said of how many cells are shown."""
    return browser.find_element("id", "count").text


def select(browser, label: str, option: str) -> None:
    """Choose *option* of the list that *label* names in the first plot."""
    for part in browser.find_elements("css selector", ".axes label"):
        if part.text.startswith(label):
            chosen = next(o for o in part.find_elements("tag name", "option") if o.text == option)
            chosen.click()
            return
    raise AssertionError(f"no list named {label}")
