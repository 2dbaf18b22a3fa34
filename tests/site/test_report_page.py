"""The page of `lossary report` in a browser: every width, both themes, on paper, by keyboard."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys

from lossary.reports import compare, report
from tests.site.visit import complaints, forget, low_contrasts

FACTS = (Path(__file__).parent / "report_facts.js").read_text(encoding="utf-8")
TASKS = ("classification", "regression", "segmentation", "multilabel")
PAGES = (*TASKS, "comparison")
PAPER = {"width": 688, "height": 1017}  # A4 without its margins, in CSS pixels
NAMES = ["小型汽车", "非机动车和行人混合", "a class of long name", "卡车", "道路"]


def arrays(task: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    if task == "regression":
        y = rng.normal(20, 4, 3000)
        return {"y_true": y, "y_pred": 0.7 * y + rng.standard_t(3, 3000)}
    shape = {"classification": (3000, 5), "segmentation": (6, 16, 16, 4), "multilabel": (800, 5)}[task]
    logits = 2 * rng.normal(size=shape)
    if task == "multilabel":
        return {"logits": logits, "labels": (rng.random(shape) < 1 / (1 + np.exp(-logits))).astype(int)}
    labels = (logits / 1.5 + rng.gumbel(size=shape)).argmax(axis=-1)
    return {"logits": logits, "labels": labels} | ({"names": np.array(NAMES)} if task == "classification" else {})


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[tuple[str, str], Path]:
    folder = tmp_path_factory.mktemp("reports")
    for task in TASKS:
        np.savez(folder / f"{task}.npz", **arrays(task))
    found = {}
    for task in TASKS:
        for language in ("en", "zh"):
            found[task, language] = folder / f"{task}.{language}.html"
            report(folder / f"{task}.npz", language=language, out=found[task, language])
    of = arrays("classification")
    other = of["logits"] + np.random.default_rng(6).normal(size=of["logits"].shape)
    for language in ("en", "zh"):
        found["comparison", language] = folder / f"comparison.{language}.html"
        compare(other, of["logits"], of["labels"], names=NAMES, language=language, out=found["comparison", language])
    return found


def opened(browser: Chrome, page: Path, width: int, media: str = "screen", theme: str = "light"):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    forget(browser)
    browser.get(page.as_uri())
    return browser.execute_script(FACTS)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("task", PAGES)
class TestPage:
    @pytest.mark.parametrize("width", [390, 400, 768, 1600])
    def test_it_fits(self, browser, pages, task, language, width):
        facts = opened(browser, pages[task, language], width)
        assert facts["lang"] == {"en": "en", "zh": "zh-Hans"}[language]
        assert facts["wider"] <= 0
        assert not facts["cut"]
        assert facts["smallest"] >= 8
        assert not complaints(browser)
        if width == 1600:
            assert facts["room"] >= 1200
            assert facts["beside"]

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_it_can_be_read(self, browser, pages, task, language, theme):
        opened(browser, pages[task, language], 1000, theme=theme)
        on_paper = [low for low in low_contrasts(browser) if not low["text"].replace(",", "").isdigit()]
        assert not on_paper  # numbers in cells of a heat map stand on the cells

    def test_nothing_is_lost_on_paper(self, browser, pages, task, language):
        facts = opened(browser, pages[task, language], PAPER["width"], media="print", theme="dark")
        assert facts["wider"] <= 0
        assert facts["scrolled"] == facts["clipped"] == facts["hidden"] == 0
        assert not facts["cut"]
        assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(252, 251, 248)"
        height = browser.execute_script("return document.documentElement.scrollHeight")
        printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": False, "paperWidth": 8.27,
                                                              "paperHeight": 11.69})  # fmt: skip
        sheets = len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"])))
        assert 1 <= sheets <= 1.35 * height / PAPER["height"] + 1

    def test_what_is_folded_opens_by_keyboard(self, browser, pages, task, language):
        facts = opened(browser, pages[task, language], 1000)
        summaries = browser.find_elements("css selector", "summary")
        assert facts["folded"] == facts["hidden"] == len(summaries)
        reached = []
        for _ in range(200):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            focused = browser.switch_to.active_element
            if focused.tag_name == "body":
                break
            assert browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused) != "none"
            if focused.tag_name == "summary":
                ActionChains(browser).send_keys(Keys.ENTER).perform()
                reached.append(focused)
        assert reached == summaries
        assert browser.execute_script(FACTS)["hidden"] == 0
