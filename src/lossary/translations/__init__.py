"""The texts of Lossary in other languages: gettext's catalogues, whose ids are the English texts.

>>> translate("nonnegative", "en")
'nonnegative'
"""

from functools import cache
from pathlib import Path
from typing import Literal

from lossary.report.bad_input import MissingExtra

Language = Literal["en", "zh"]
FOLDER = Path(__file__).parent


def translate(text: str, language: Language) -> str:
    """The text in a language; in English where there is no translation."""
    return text if language == "en" else translations(language).get(text, text)


@cache
def translations(language: Language) -> dict[str, str]:
    """Of all catalogues of a language; MissingExtra where there is nothing to read them with."""
    try:
        import polib
    except ImportError:
        raise MissingExtra("polib", "cli", f"a text in {language!r}") from None
    files = sorted((FOLDER / language).glob("*.po"))
    return {entry.msgid: entry.msgstr for path in files for entry in polib.pofile(str(path)) if entry.msgstr}
