"""A browser on the built handbook; `make test-site` builds it first. Pages are opened as files, as a reader without a
server does: what needs one fails."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.site.visit import Visit, visit

SITE = Path(__file__).parents[2] / "build" / "site"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
)


def pages(language: str) -> list[str]:
    return sorted(p.relative_to(SITE / language).as_posix() for p in (SITE / language).rglob("*.html"))


@pytest.fixture(scope="session")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    options.binary_location = shutil.which("chromium") or ""
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def visited(browser: webdriver.Chrome) -> dict[str, Visit]:
    """Every page of both languages, as wide as a phone. Emulating one would widen the window to what does not fit."""
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    return {
        f"{language}/{page}": visit(browser, SITE / language / page)
        for language in ("en", "zh")
        for page in pages(language)
    }


@pytest.fixture
def themed(browser: webdriver.Chrome) -> Iterator[Callable[[str], None]]:
    """What sets the theme that the reader's system prefers."""

    def choose(theme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    yield choose
    choose("light")
