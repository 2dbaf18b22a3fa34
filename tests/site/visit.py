"""What a browser finds on a page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

FACTS = (Path(__file__).parent / "facts.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Visit:
    """elsewhere: addresses outside of the site that were asked for. missing: files of the site that are not there.

    wider: by how much the page is wider than the window. headings: with the number of panels, formulas and outputs
    below each.
    """

    language: str
    other: str
    wider: int
    chinese: int
    latin: int
    headings: dict[str, dict[str, int]]
    elsewhere: list[str]
    complaints: list[str]
    links: list[str]


def visit(browser: Chrome, page: Path) -> Visit:
    forget(browser)
    browser.get(page.as_uri())
    facts = browser.execute_script(FACTS)
    return Visit(**facts, elsewhere=asked_elsewhere(browser), complaints=complaints(browser))


def forget(browser: Chrome) -> None:
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")


def asked_elsewhere(browser: Chrome) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith(("file:", "data:", "about:", "blob:"))]


def complaints(browser: Chrome) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def low_contrasts(browser: Chrome) -> list[dict[str, Any]]:
    """Texts that stand out from what is behind them by less than 4.5."""
    script = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
    return browser.execute_script(script)
