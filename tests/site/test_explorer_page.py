"""The explorer in a browser: sliders move curves, the address keeps the state, and every view fits and can be read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

import lossary.functional as F
from lossary.explorer import page
from lossary.reports import report
from tests.site.visit import asked_elsewhere, complaints, forget, low_contrasts

VIEWS = ("curves", "expect", "outlier", "entropy", "floats", "lattice")
POINTS = np.linspace(-2.9, 2.9, 20)
Open = Callable[..., Path]


@pytest.fixture(scope="session")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(page(), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Chrome, explorer: Path) -> Open:
    """Opens the page at a state; after the test nothing may have been asked of the network or complained of."""

    def at(fragment: str = "", width: int = 1280, query: str = "", path: Path = explorer) -> Path:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        forget(browser)
        browser.get(f"{path.as_uri()}{query}#{fragment}")
        return path

    return at


@pytest.fixture(autouse=True)
def quiet(browser: Chrome) -> Any:
    yield
    assert (asked_elsewhere(browser), complaints(browser)) == ([], [])


def evaluated(browser: Chrome, name: str, options: dict[str, Any]) -> np.ndarray:
    """Value and gradient at the points, as the page computes them."""
    script = (
        "const [name, options, xs] = arguments;"
        "return xs.map((x) => [lossaryExplorer.value(name, options, x), lossaryExplorer.gradient(name, options, x)])"
    )
    return np.array(browser.execute_script(script, name, options, POINTS.tolist()), dtype=np.float64)


def lines(browser: Chrome) -> list[str]:
    found = browser.find_elements(By.CSS_SELECTOR, ".panels path.line")
    return [path.get_attribute("d") or "" for path in found]


def fragment(browser: Chrome) -> str:
    return browser.current_url.partition("#")[2]


def test_a_slider_moves_the_curves_as_python_has_them(browser: Chrome, opened: Open) -> None:
    opened("losses=huber_loss+l1_loss&probe=2.5")
    before = lines(browser)
    slider = browser.find_element(By.ID, "option-0-delta")
    slider.send_keys(Keys.ARROW_RIGHT * 40)
    delta = float(browser.find_element(By.ID, "option-0-delta-field").get_attribute("value") or "")
    assert delta != 1 and f"delta={delta:g}" in fragment(browser)
    moved = [old != new for old, new in zip(before, lines(browser), strict=True)]
    assert moved[0] and moved[2], "the value and the gradient of the Huber loss"
    np.testing.assert_allclose(
        evaluated(browser, "huber_loss", {"delta": delta}),
        np.stack([F.huber_loss(POINTS, 0 * POINTS, delta=delta, reduction="none"), np.clip(POINTS, -delta, delta)], -1),
        rtol=1e-6,
        atol=1e-6,
    )
    read = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, ".readout tbody tr:first-child td")]
    wanted = F.huber_loss(np.array([2.5]), np.zeros(1), delta=delta)
    assert [float(text) for text in read] == pytest.approx([2.5, wanted, min(2.5, delta)], rel=1e-5)


def test_a_field_refuses_what_the_contract_does_not_allow(browser: Chrome, opened: Open) -> None:
    opened("losses=huber_loss&lang=en")
    field = browser.find_element(By.ID, "option-0-delta-field")
    for given, refused in (("-1", "Allowed: (0, ∞)"), ("30", "")):
        field.clear()
        field.send_keys(given, Keys.TAB)
        assert browser.find_element(By.CSS_SELECTOR, ".card .refused").text == refused
    assert "delta=30" in fragment(browser)


STATES = [
    "losses=huber_loss;delta=2.5+smooth_l1_loss;beta=2.5+dpo_loss;kind=robust;label_smoothing=0.2",
    "losses=cross_entropy;softcap=3+mse_loss&axis=margin&range=-4,9&probe=1.25&lang=zh",
    "losses=mse_loss&points=0.5,-1.25,3*7&lang=en",
    "view=expect&classes=1000&smoothing=0.1&temperature=0.07&gamma=1&prior=0.2&seen=6.9078&lang=en",
    "view=outlier&outlier=-7.5&delta=0.5&lang=zh",
    "view=entropy&p=0.7,0.1,0.1,0.1&q=0.1,0.2,0.3,0.4&lang=en",
    "view=floats&program=log(cosh(x))&lang=en",
    "view=lattice&word=aba&frames=7&frame=4&path=3&sharpness=2&lang=zh",
]


@pytest.mark.parametrize("state", STATES)
def test_the_address_restores_the_state(browser: Chrome, opened: Open, state: str) -> None:
    opened(state)
    shown = browser.find_element(By.TAG_NAME, "main").get_attribute("innerHTML")
    kept = fragment(browser)
    assert sorted(kept.replace("%20", " ").split("&")) == sorted(state.split("&"))
    opened("view=curves&losses=l1_loss")
    opened(kept)
    main = browser.find_element(By.TAG_NAME, "main")
    numbered = r"control-\d+|clip-\d+"
    script = "return arguments[0].replace(new RegExp(arguments[1], 'g'), '')"
    same = [browser.execute_script(script, text, numbered) for text in (shown, main.get_attribute("innerHTML"))]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    "state", ["view=nothing&classes=-3&p=1,2", "losses=&axis=&range=a,b", "losses=none;x=1", "%E0%A4%A"]
)
def test_an_address_that_makes_no_sense_is_left_out(browser: Chrome, opened: Open, state: str) -> None:
    opened(state)
    assert len(lines(browser)) == 6


def test_unlike_axes_warn_and_are_drawn_apart(browser: Chrome, opened: Open) -> None:
    opened("losses=mse_loss+dice_loss&lang=en")
    warning = browser.find_element(By.CSS_SELECTOR, ".notice .warning").text
    assert "Unlike axes" in warning and "dice_loss: logit of one pixel" in warning
    assert len(browser.find_elements(By.CSS_SELECTOR, ".panels .pair")) == 2
    opened("losses=mse_loss+cross_entropy&lang=en")
    assert not browser.find_elements(By.CSS_SELECTOR, ".notice .warning")
    assert "probability of the true class" in browser.find_element(By.CSS_SELECTOR, ".notice .mapped").text
    assert len(browser.find_elements(By.CSS_SELECTOR, ".panels .pair")) == 1


def test_losses_that_are_the_same_say_so(browser: Chrome, opened: Open) -> None:
    opened("losses=huber_loss;delta=2&lang=en")
    offer = browser.find_element(By.XPATH, "//div[@class='offers']//li[contains(., 'smooth_l1_loss')]")
    offer.find_element(By.TAG_NAME, "button").click()
    said = browser.find_element(By.CSS_SELECTOR, ".badge").text
    assert said.endswith("huber_loss (delta = 2) = 2 × smooth_l1_loss (beta = 2)")
    assert fragment(browser) == "lang=en&losses=huber_loss;delta=2+smooth_l1_loss;beta=2"


def test_a_loss_is_added_and_taken_away(browser: Chrome, opened: Open) -> None:
    opened("losses=mse_loss&lang=en")
    Select(browser.find_element(By.ID, "add")).select_by_value("l1_loss")
    assert "losses=mse_loss+l1_loss" in fragment(browser) and len(lines(browser)) == 4
    browser.find_element(By.CSS_SELECTOR, "[aria-label='Remove mse_loss']").click()
    assert "losses=l1_loss" in fragment(browser) and len(lines(browser)) == 2


def test_a_report_is_drawn_under_the_curve(browser: Chrome, opened: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target, residual = rng.normal(size=(2, 500))
    np.savez(tmp_path / "saved.npz", predictions=target + residual, targets=target)
    (tmp_path / "saved.json").write_text(report([tmp_path / "saved.npz"]).to_json(), encoding="utf-8")
    opened("losses=mse_loss+l1_loss&lang=en")
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "saved.json"))
    WebDriverWait(browser, 10).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".chart .data"))
    assert browser.find_element(By.CSS_SELECTOR, ".verdict p").text.startswith("500 residuals.")
    means = [row.text for row in browser.find_elements(By.CSS_SELECTOR, ".verdict tbody td:nth-child(2)")]
    wanted = [np.mean(residual**2), np.mean(np.abs(residual))]
    assert [float(text) for text in means] == pytest.approx(wanted, rel=2e-3)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("residuals", "none", "There are no numbers in it."),
        ("probabilities of the true class", "0.5 1.5", "Probabilities lie"),
    ],
)
def test_numbers_that_are_none_are_refused(browser: Chrome, opened: Open, kind: str, text: str, said: str) -> None:
    opened("lang=en")
    Select(browser.find_element(By.ID, "kind")).select_by_visible_text(kind)
    browser.find_element(By.ID, "numbers").send_keys(text)
    browser.find_element(By.CSS_SELECTOR, ".buttons .primary").click()
    assert said in browser.find_element(By.CSS_SELECTOR, ".drop > .refused").text


@pytest.mark.parametrize(
    ("view", "handle", "key"),
    [
        ("curves", "probe", "probe"),
        ("outlier", "outlier-handle", "outlier"),
        ("entropy", "p-1", "p"),
        ("lattice", "paths", "path"),
    ],
)
def test_what_is_dragged_has_arrow_keys(browser: Chrome, opened: Open, view: str, handle: str, key: str) -> None:
    opened(f"view={view}")
    browser.execute_script("document.getElementById(arguments[0]).focus({ focusVisible: true })", handle)
    for _ in range(2):
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == handle, "the focus is lost"
    assert f"{key}=" in fragment(browser)


def test_the_marker_follows_the_pointer(browser: Chrome, opened: Open) -> None:
    opened("losses=mse_loss")
    script = """
      const chart = document.querySelector(".panels svg");
      const { left, top, width, height } = chart.getBoundingClientRect();
      const at = (share) => ({ clientX: left + share * width, clientY: top + height / 2, bubbles: true, button: 0 });
      chart.dispatchEvent(new PointerEvent("pointerdown", at(0.4)));
      dispatchEvent(new PointerEvent("pointermove", at(0.7)));
      dispatchEvent(new PointerEvent("pointerup", at(0.7)));
      dispatchEvent(new PointerEvent("pointermove", at(0.1)));
    """
    browser.execute_script(script)
    marker = float(browser.find_element(By.ID, "probe").get_attribute("aria-valuenow") or "")
    assert 0.8 < marker < 1.6


def test_tabs_are_walked_with_arrow_keys(browser: Chrome, opened: Open) -> None:
    opened("lang=en")
    browser.find_element(By.ID, "tab-curves").send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.get_attribute("id") == "tab-expect"
    assert fragment(browser) == "view=expect&lang=en"


def test_the_language_is_the_readers(browser: Chrome, opened: Open, tmp_path: Path) -> None:
    script = "return [document.documentElement.lang, document.title, document.querySelector('h1').textContent]"
    languages = {}
    for place in ("en", "zh"):
        (tmp_path / place).mkdir()
        inside = tmp_path / place / "explorer.html"
        inside.write_text(page(), encoding="utf-8")
        opened(path=inside)
        languages[place] = browser.execute_script(script)
        links = [
            link.get_attribute("href") or "" for link in browser.find_elements(By.CSS_SELECTOR, ".about a, #handbook")
        ]
        assert links[0].endswith(f"/{place}/index.html") and links[1].endswith(f"/{place}/losses/mse_loss.html")
        opened(query=f"?lang={place}")
        assert browser.execute_script(script) == languages[place]
        assert not browser.find_element(By.ID, "handbook").is_displayed()
    assert [languages[place][0] for place in languages] == ["en", "zh-CN"]
    browser.find_element(By.ID, "lang-en").click()
    assert browser.execute_script(script) == languages["en"] and "lang=en" in fragment(browser)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_is_wider_than_the_window(browser: Chrome, opened: Open, view: str, language: str) -> None:
    for width in (390, 768, 1280):
        opened(f"view={view}&lang={language}&losses=cross_entropy+dpo_loss+dice_loss&kind=margin&points=1,2,3", width)
        script = "return document.documentElement.scrollWidth - innerWidth"
        assert browser.execute_script(script) <= 0, width


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_texts_stand_out(browser: Chrome, opened: Open, themed: Callable[[str], None], view: str, theme: str) -> None:
    themed(theme)
    opened(f"view={view}&lang=zh")
    assert low_contrasts(browser) == []


def test_the_page_knows_each_loss_of_the_catalogue(browser: Chrome, opened: Open) -> None:
    """Chosen one after the other, each is drawn in both panels, with finite numbers."""
    opened("losses=mse_loss")
    names = browser.execute_script("return [...document.querySelectorAll('#loss-0 option')].map(({ value }) => value)")
    assert len(names) > 30
    for name in names:
        opened(f"losses={name}")
        assert len(lines(browser)) == 2 and all(line.count("L") > 300 for line in lines(browser)), name
        data = json.dumps(lines(browser))
        assert "NaN" not in data and "Infinity" not in data, name
