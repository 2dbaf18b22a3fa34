"""The built handbook, as a browser shows it: nothing is asked of the network, each page has its other language, fits a
phone, can be read in both themes, and is found."""

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import lossary
from tests.site.conftest import SITE, pages
from tests.site.visit import Visit, asked_elsewhere, complaints, forget, low_contrasts

LANGUAGES = {"en": "en", "zh": "zh-CN"}
EXPLORER = "explorer.html"
LOSSES = [f"losses/{record.name}.html" for record in lossary.catalogue()]
KINDS = (
    "index.html",
    "losses/index.html",
    "losses/cross_entropy.html",
    "losses/huber_loss.html",
    "stuck/LS101.html",
    "reference/identities.html",
    "reference/api.html",
    "reference/misuse.html",
    "search.html",
)
BUDGET = 15 * 2**20
SHARE_OF_CHINESE = 0.6


def of_sphinx(visited: dict[str, Visit]) -> dict[str, Visit]:
    return {page: found for page, found in visited.items() if not page.endswith(EXPLORER)}


def test_both_languages_have_the_same_pages() -> None:
    assert pages("en") == pages("zh")
    assert {*LOSSES, "index.html", "search.html"} <= {*pages("en")}


def test_no_page_asks_for_anything_outside(visited: dict[str, Visit]) -> None:
    assert {page: found.elsewhere for page, found in visited.items() if found.elsewhere} == {}


def test_no_page_complains(visited: dict[str, Visit]) -> None:
    assert {page: found.complaints for page, found in visited.items() if found.complaints} == {}


def test_pages_say_their_language(visited: dict[str, Visit]) -> None:
    wrong = {p: found.language for p, found in of_sphinx(visited).items() if found.language != LANGUAGES[p[:2]]}
    assert wrong == {}


def test_the_language_link_keeps_the_page(visited: dict[str, Visit]) -> None:
    for page, found in of_sphinx(visited).items():
        language, _, place = page.partition("/")
        other = "zh" if language == "en" else "en"
        assert unquote(urlparse(found.other).path) == str(SITE / other / place)


def test_links_lead_to_files(visited: dict[str, Visit]) -> None:
    missing = {
        (page, link)
        for page, found in visited.items()
        for link in found.links
        if not Path(unquote(urlparse(link).path)).is_file()
    }
    assert missing == set()


def test_no_page_scrolls_sideways_on_a_phone(visited: dict[str, Visit]) -> None:
    assert {page: found.wider for page, found in visited.items() if found.wider > 0} == {}


def test_chinese_pages_are_in_chinese(visited: dict[str, Visit]) -> None:
    """Of the letters of the prose; code, formulas and sources aside."""
    shares = {
        page: round(found.chinese / max(found.chinese + found.latin, 1), 2)
        for page, found in of_sphinx(visited).items()
        if page.startswith("zh/") and not page.endswith("search.html")
    }
    assert {page: share for page, share in shares.items() if share < SHARE_OF_CHINESE} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_loss_pages_have_all_that_is_asked(visited: dict[str, Visit], language: str) -> None:
    formula, curves, gradient, when, example = {
        "en": ("Formula", "Curves", "Gradient", "When to use it", "Example"),
        "zh": ("公式", "曲线", "梯度", "何时使用", "示例"),
    }[language]
    lacking = {}
    for page in LOSSES:
        found = visited[f"{language}/{page}"].headings
        has = {
            formula: found.get(formula, {}).get("formulas", 0) >= 1,
            curves: found.get(curves, {}).get("panels", 0) == 2,
            gradient: found.get(gradient, {}).get("formulas", 0) >= 1,
            when: found.get(when, {}).get("items", 0) >= 2,
            example: found.get(example, {}).get("code", 0) >= 1,
        }
        if not all(has.values()):
            lacking[page] = [part for part, there in has.items() if not there]
    assert lacking == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_texts_stand_out(browser: Chrome, themed: Callable[[str], None], language: str, kind: str, theme: str) -> None:
    themed(theme)
    browser.get((SITE / language / kind).as_uri())
    assert low_contrasts(browser) == []


SEARCHES = [
    ("zh", "交叉熵", "losses/cross_entropy.html"),
    ("zh", "平滑", "losses/smooth_l1_loss.html"),
    ("zh", "0.693", "stuck/index.html"),
    ("zh", "CrossEntropyLoss", "losses/cross_entropy.html"),
    ("en", "smooth", "losses/smooth_l1_loss.html"),
    ("en", "0.693", "stuck/index.html"),
    ("en", "LS101", "stuck/LS101.html"),
    ("en", "CrossEntropyLoss", "losses/cross_entropy.html"),
    ("en", "cross entropy", "losses/cross_entropy.html"),
]


@pytest.mark.parametrize(("language", "words", "page"), SEARCHES)
def test_search_finds(browser: Chrome, language: str, words: str, page: str) -> None:
    forget(browser)
    browser.get(f"{(SITE / language / 'search.html').as_uri()}?q={quote(words)}")
    ended = {"en": "Search Results", "zh": "搜索结果"}[language]
    WebDriverWait(browser, 20).until(lambda b: b.find_element(By.CSS_SELECTOR, "#search-results h2").text == ended)
    links = browser.find_elements(By.CSS_SELECTOR, "#search-results li a")
    found = [unquote(urlparse(link.get_attribute("href")).path) for link in links]
    assert str(SITE / language / page) in found[:8]
    assert (asked_elsewhere(browser), complaints(browser)) == ([], [])


@pytest.mark.parametrize(("preferred", "language"), [("zh-CN", "zh"), ("en-GB", "en"), ("de", "en")])
def test_the_first_page_follows_the_browser(browser: Chrome, preferred: str, language: str) -> None:
    agent = browser.execute_script("return navigator.userAgent")
    browser.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": preferred})
    browser.get((SITE / "index.html").as_uri())
    WebDriverWait(browser, 20).until(lambda b: b.current_url == (SITE / language / "index.html").as_uri())


def test_the_keyboard_shows_where_it_is(browser: Chrome) -> None:
    browser.get((SITE / "en" / "losses" / "huber_loss.html").as_uri())
    browser.execute_script("document.querySelector('article a').focus({focusVisible: true})")
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
    assert outline != "0px"


def test_notebooks_are_ones_of_jupyter() -> None:
    books = sorted(SITE.rglob("*.ipynb"))
    assert len(books) >= 2 * len(LOSSES)
    for path in books:
        book = json.loads(path.read_text(encoding="utf-8"))
        code = [cell["source"] for cell in book["cells"] if cell["cell_type"] == "code"]
        assert code and book["nbformat"] == 4
        assert not any(line.startswith((">>>", "...")) for source in code for line in source.splitlines())


def test_the_site_is_small() -> None:
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) <= BUDGET
