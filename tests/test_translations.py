"""What is said in English is said in Chinese: each text has a translation, and each translation its text."""

import re

import polib
import pytest

from lossary.translations import FOLDER, translate, translations
from lossary.translations.texts import by_catalogue, written

CATALOGUES = by_catalogue()
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"`[^`]+`")


def test_the_catalogues_hold_the_texts_of_today():
    """What `make docs` writes: a text that has changed waits for its translation, one that is gone takes it along."""
    for name, texts in CATALOGUES.items():
        path = FOLDER / "zh" / f"{name}.po"
        assert path.read_text(encoding="utf-8") == written(texts, "zh"), f"{path.name}: run `make docs`"
    assert {path.stem for path in (FOLDER / "zh").glob("*.po")} == set(CATALOGUES)


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_text_has_a_translation(name: str):
    missing = [text for text in CATALOGUES[name] if text not in translations("zh")]
    assert not missing, f"translate them in src/lossary/translations/zh/{name}.po: {missing}"


def test_what_is_code_stays_as_it_is():
    for text, chinese in translations("zh").items():
        assert sorted(CODE.findall(text)) == sorted(CODE.findall(chinese)), chinese


def test_sentences_are_chinese():
    """A text of several words; formulas and numbers are the same in both."""
    for text, chinese in translations("zh").items():
        words = re.findall(r"[a-z]{3,} [a-z]{3,}", CODE.sub("", text))
        assert not words or CHINESE.search(chinese), chinese


def test_an_unknown_text_stays_english():
    assert translate("no such text", "zh") == "no such text" == translate("no such text", "en")


def test_a_changed_text_loses_its_translation():
    text = CATALOGUES["misuse"][0]
    found = {entry.msgid: entry.msgstr for entry in polib.pofile(written([text, f"{text}!"], "zh"))}
    assert found == {text: translate(text, "zh"), f"{text}!": ""}
