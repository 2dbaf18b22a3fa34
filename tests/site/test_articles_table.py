"""The four articles, item by item: where the handbook has the formula, the code and its output of each, in both
languages."""

import pytest
from selenium.webdriver import Chrome

from tests.site.conftest import SITE

ITEMS = {
    1: ("entropy; of a one-hot vector it is 0", "entropy/index.html#entropy-of-a-distribution"),
    2: ("self-information and its three properties", "entropy/index.html#self-information"),
    3: ("KL: not symmetric, never negative, 0 only for equals", "entropy/index.html#relative-entropy"),
    4: ("cross-entropy of hard and soft labels", "entropy/index.html#hard-and-soft"),
    5: ("CE or NLL", "entropy/index.html#nll"),
    6: ("KL in code, its mean", "why/kl.html#the-mean"),
    7: ("CE = entropy + KL of each sample, the same gradient", "entropy/index.html#entropy-plus-kl"),
    8: ("CE is at least H; the least KL is the least CE", "entropy/index.html#entropy-plus-kl"),
    9: ("BCE is NLL over two classes; with logits", "entropy/index.html#bce"),
    10: ("the saturation of BCE, and its cure", "entropy/saturation.html"),
    11: ("cross-entropy of several labels", "why/binary.html#several-labels"),
    12: ("NumPy in five steps, the same in torch", "entropy/numpy.html"),
    13: ("the parameters", "entropy/numpy.html#parameters"),
    14: ("log(softmax + 1e-7)", "entropy/corrections.html#a-small-number-in-the-logarithm"),
    15: ("the cosine loss and where it is used", "articles/index.html#cosine"),
    16: ("all losses in one script", "articles/index.html#one-script"),
    17: ("why L1 and MSE are hardly used for classes", "why/classes.html"),
    18: ("L1, smooth L1 and its picture, outliers", "why/regression.html#smooth-l1"),
    19: ("MSE and RMSE", "entropy/corrections.html#mse-and-rmse"),
    20: ("NLL weights from class frequencies", "why/imbalance.html#class-weights"),
    21: ("CE = LogSoftmax + NLL; BCE a special case", "entropy/index.html#nll"),
    22: ("pos_weight: recall or precision", "why/imbalance.html#recall-and-precision"),
    23: ("CTC", "ctc.html"),
    24: ("so many losses, why this one?", "why/index.html"),
}
PARTS = """
const anchor = decodeURIComponent(location.hash.slice(1));
const part = anchor ? document.getElementById(anchor)?.closest("section") : document.querySelector("article");
return part && {
  formulas: part.querySelectorAll(".katex").length,
  code: part.querySelectorAll(".highlight-pycon pre").length,
  outputs: part.querySelectorAll(".highlight-pycon .go").length,
};
"""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("item", ITEMS)
def test_formula_code_and_output_stand_there(browser: Chrome, item: int, language: str) -> None:
    what, place = ITEMS[item]
    page, _, anchor = place.partition("#")
    assert (SITE / language / page).exists()
    browser.get(f"{(SITE / language / page).as_uri()}#{anchor}")
    found = browser.execute_script(PARTS)
    assert found, f"{what}: {place} has no such section"
    assert min(found.values()) >= 1, f"{what}: {place} has {found}"


def test_every_item_of_the_articles_is_there() -> None:
    assert list(ITEMS) == list(range(1, 25))
