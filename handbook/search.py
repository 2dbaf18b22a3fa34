"""Search in English and Chinese.

The page cuts what a reader looks for as the index was cut, so the cut must be one that a browser can make: numbers
whole ("0.693"), Latin words, and Chinese in pairs of neighbouring characters, which find every phrase without a
dictionary.
"""

import re

from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish

HAN = r"\u3400-\u9fff"
WORD = re.compile(rf"\d+(?:\.\d+)+|[{HAN}]+|(?:(?![{HAN}])\w)+")
IS_HAN = re.compile(f"[{HAN}]")
CUT = r"""
function splitQuery(query) {
  const words = query.match(/\d+(?:\.\d+)+|[HAN]+|(?:(?![HAN])[\p{Letter}\p{Number}_])+/gu) || [];
  return words.flatMap((word) =>
    /[HAN]{2}/.test(word) ? [...word.slice(1)].map((last, place) => word[place] + last) : [word]);
}
""".replace("HAN", HAN)


def pairs(word: str) -> list[str]:
    return [word[i : i + 2] for i in range(len(word) - 1)]


class English(SearchEnglish):
    js_splitter_code = CUT

    def split(self, input: str) -> list[str]:
        return [part for word in WORD.findall(input) for part in self.parts(word)]

    def parts(self, word: str) -> list[str]:
        """A Chinese word is found by its characters as well as by its pairs."""
        return [*word, *pairs(word)] if IS_HAN.match(word) else [word]


class Chinese(English):
    """Its Latin words are English."""

    lang = "zh"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(English)
    app.add_search_language(Chinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
