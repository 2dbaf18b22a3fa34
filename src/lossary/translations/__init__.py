"""The texts of Lossary in other languages: gettext's catalogues, whose ids are the English texts.

>>> translate("nonnegative", "en")
'nonnegative'
>>> say("{n:,} rows", n=12000)
'12,000 rows'
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lossary.core.extras import MissingExtra

Language = Literal["en", "zh"]
FOLDER = Path(__file__).parent

_SEPARATORS: dict[Language, dict[str, str]] = {"en": {}, "zh": {" ": "", ", ": "，", "; ": "；"}}
_spoken: ContextVar[Language] = ContextVar("_spoken", default="en")


def translate(text: str, language: Language) -> str:
    """The text in a language; in English where there is no translation."""
    return text if language == "en" else translations(language).get(text, text)


def say(text: str, **values: Any) -> str:
    """A text in the language that is spoken (`speaking`), with its values in place: `say("{n:,} rows", n=5)`.

    The text is a literal, so that the catalogues find it.
    """
    text = translate(text, _spoken.get())
    return text.format(**values) if values else text


def deferred(text: str) -> str:
    """The text as it is: one that is defined before a language is spoken, for `say(text)` later."""
    return text


def join(separator: str, parts: Iterable[str]) -> str:
    """Parts with a separator between them, as the language that is spoken writes it; empty ones are left out."""
    return _SEPARATORS[_spoken.get()].get(separator, separator).join(filter(None, parts))


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Within, `say` answers in this language."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


@cache
def translations(language: Language) -> dict[str, str]:
    """Of all catalogues of a language; MissingExtra where there is nothing to read them with."""
    try:
        import polib
    except ImportError:
        raise MissingExtra("polib", "cli", f"a text in {language!r}") from None
    files = sorted((FOLDER / language).glob("*.po"))
    return {entry.msgid: entry.msgstr for path in files for entry in polib.pofile(str(path)) if entry.msgstr}
