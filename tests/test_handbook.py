"""The guides in English and Chinese: the same pages, code, sections, figures and links. Their code is run by
`pytest handbook`."""

import importlib.util
import re
from pathlib import Path

import pytest

import lossary
from lossary.misuse.rules import RULES

HANDBOOK = Path(__file__).parents[1] / "handbook"
CODE = re.compile(r"^```(.*?)^```$", re.DOTALL | re.MULTILINE)
FORMULAS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`", re.DOTALL)
CJK = re.compile(r"[\u3400-\u9fff]")
WORDS = re.compile(r"[A-Za-z]+")
SHARE_OF_CHINESE = 0.6
ANSWERED = {
    1: "entropy/index",  # entropy, and that of a one-hot vector
    2: "entropy/index",  # self-information
    3: "entropy/index",  # KL: not symmetric, never negative
    4: "entropy/index",  # cross-entropy of hard and soft labels
    5: "entropy/index",  # CE or NLL
    6: "why/kl",  # KL and its mean
    7: "entropy/index",  # CE = H + KL
    8: "entropy/index",  # the least KL is the least CE
    9: "entropy/index",  # BCE as NLL
    10: "entropy/saturation",
    11: "why/binary",  # several labels
    12: "entropy/numpy",  # in five steps
    13: "entropy/numpy",  # the parameters
    14: "entropy/corrections",  # log(softmax + 1e-7)
    15: "articles/index",  # the cosine loss
    16: "articles/index",  # all losses in one script
    17: "why/classes",  # L1 and MSE for classes
    18: "why/regression",  # L1, smooth L1, outliers
    19: "entropy/corrections",  # MSE is no root
    20: "why/imbalance",  # weights from frequencies
    21: "why/binary",  # CE = LogSoftmax + NLL, BCE a special case
    22: "why/imbalance",  # recall or precision
    23: "ctc",
    24: "why/index",  # so many losses, why this one?
}
"""The items of the four articles, by the numbers that articles/index.md gives them, and the page that answers each."""


def pages(language: str) -> list[str]:
    folder = HANDBOOK / language
    return sorted(page.relative_to(folder).as_posix() for page in folder.rglob("*.md"))


PAGES = pages("en")
GENERATED = {Path(f"losses/{name}.md") for name in ("index", *(loss.name for loss in lossary.catalogue()))} | {
    Path(f"stuck/{rule.code}.md") for rule in RULES
}
each = pytest.mark.parametrize("page", PAGES)


def read(language: str, page: str) -> str:
    text = (HANDBOOK / language / page).read_text(encoding="utf-8")
    return re.sub(r"\A---\n.*?^---\n", "", text, flags=re.DOTALL | re.MULTILINE)


def code(language: str, page: str) -> list[str]:
    """Each block, without its comments: those are translated."""
    return [re.sub(r"(^|\s+)# .*", "", block) for block in CODE.findall(read(language, page))]


def prose(text: str) -> str:
    return CODE.sub("", text)


def headings(language: str, page: str) -> list[str]:
    return re.findall(r"^(#+) ", prose(read(language, page)), re.MULTILINE)


def figures(language: str, page: str) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\(([^)]+)\)", prose(read(language, page)))


def links(language: str, page: str) -> list[str]:
    found = re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", prose(read(language, page)))
    return sorted(link.partition("#")[0] for link in found)  # sections are named in each language


def share_of_chinese(text: str) -> float:
    """Of the prose: each Chinese character against each word in Latin letters."""
    plain = re.sub(r"\]\([^)]*\)", "]", FORMULAS.sub("", prose(text)))
    chinese, words = len(CJK.findall(plain)), len(WORDS.findall(plain))
    return chinese / max(chinese + words, 1)


def load_translated():
    spec = importlib.util.spec_from_file_location("translated", HANDBOOK / "translated.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_page_is_there_in_both_languages() -> None:
    assert PAGES
    assert pages("zh") == PAGES


@each
def test_code_and_output_are_the_same(page: str) -> None:
    assert code("zh", page) == code("en", page)


@each
@pytest.mark.parametrize("part", [headings, figures, links], ids=lambda part: part.__name__)
def test_sections_figures_and_links_are_the_same(page: str, part) -> None:
    assert part("zh", page) == part("en", page)


@each
def test_the_english_has_not_changed_since_it_was_translated(page: str) -> None:
    translated, chinese = load_translated(), HANDBOOK / "zh" / page
    assert translated.translated_from(chinese) == translated.digest(HANDBOOK / "en" / page), (
        f"bring handbook/zh/{page} up to date, then: python handbook/translated.py handbook/zh/{page}"
    )


@each
def test_chinese_pages_are_in_chinese(page: str) -> None:
    assert share_of_chinese(read("zh", page)) >= SHARE_OF_CHINESE
    assert share_of_chinese(read("en", page)) < SHARE_OF_CHINESE


@each
@pytest.mark.parametrize("language", ["en", "zh"])
def test_links_between_guides_lead_to_pages(language: str, page: str) -> None:
    """The reference and the explorer are generated: the build looks for those."""
    folder = (HANDBOOK / language).resolve()
    for link in links(language, page):
        place = (folder / page).parent.joinpath(link).resolve().relative_to(folder) if "://" not in link else None
        if place and link and not place.as_posix().startswith(("reference/", "explorer")):
            known = place in GENERATED or (folder / place).exists()
            assert known, f"{page} links to {link}"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("item", ANSWERED)
def test_an_item_of_the_articles_is_answered_with_formula_code_and_output(item: int, language: str) -> None:
    (row,) = re.findall(rf"^\| {item} \|.*$", read(language, "articles/index.md"), re.MULTILINE)
    place = ANSWERED[item]
    link = r"\(#" if place == "articles/index" else rf"\(\.\./{place}\.md"
    assert re.search(link, row), row
    answer = read(language, f"{place}.md")
    assert re.search(r"\$.+\$", answer), f"{place}: no formula"
    assert re.search(r"^>>> .*\n(?:\.\.\. .*\n)*(?!>>>|\.\.\.|\n)", answer, re.MULTILINE), f"{place}: no output"


@each
def test_code_begins_with_prompts(page: str) -> None:
    """A block of Python without prompts would not be run."""
    for block in CODE.findall(read("en", page)):
        language, _, body = block.partition("\n")
        assert language != "python", f"{page}: write it as pycon"
        if language == "pycon":
            assert body.startswith(">>> ") and body.endswith("\n\n"), f"{page}: a blank line ends what is expected"
