"""Every text that is translated, and the catalogue that has it."""

import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files

import polib
from babel.messages.extract import extract_from_dir

from lossary import information
from lossary.cli.names import functions, members
from lossary.cli.page import summary, texts
from lossary.cli.words import WORDS
from lossary.core.record import PROPERTIES, catalogue
from lossary.identities import IDENTITIES, family_of
from lossary.misuse import RULES
from lossary.misuse.finding import SEVERITIES
from lossary.reports.comparison.engine import PARTS
from lossary.reports.sections import OF_RECORDS, OF_TOKENS, SECTIONS
from lossary.translations import Language, translations
from lossary.which import texts as which

SHARED = "shared"
"""The catalogue of what several would have."""
WIDTH = 110
OF_REPORTS = {"say": None, "deferred": None, "Column": None}
"""Calls in `reports/` whose first argument, a literal, is a text."""
WORD = re.compile(r"[A-Za-z]{2,}")


def by_catalogue() -> dict[str, list[str]]:
    """The texts of each catalogue, each text once."""
    found: dict[str, dict[str, None]] = {}
    for name, text in _texts():
        if WORD.search(text):  # what has none is a formula or a number, the same in every language
            found.setdefault(name, {})[text] = None
    times = Counter(text for texts in found.values() for text in texts)
    shared = [text for text, count in times.items() if count > 1]
    return {SHARED: shared} | {name: [t for t in texts if times[t] == 1] for name, texts in found.items()}


def written(texts: list[str], language: Language) -> str:
    """A catalogue of these texts, in gettext's format; what has no translation yet waits for one."""
    file = polib.POFile(wrapwidth=WIDTH)
    file.metadata = {"Language": language, "Content-Type": "text/plain; charset=UTF-8"}
    known = translations(language)
    file.extend(polib.POEntry(msgid=text, msgstr=known.get(text, "")) for text in texts)
    return f"{file}\n"


def _texts() -> Iterator[tuple[str, str]]:
    for record in catalogue():
        yield from ((record.family, text) for text in texts(record))
    for identity in IDENTITIES:
        yield from ((family_of(identity), text) for text in (identity.statement, identity.domain))
    for rule in RULES:
        yield from (("misuse", text) for text in (rule.title, rule.why, rule.fix))
    yield from (("which", text) for text in which.texts())
    yield from (("reports", text) for text in _of_reports())
    yield from (("cli", text) for text in WORDS.values())
    yield from (("cli", summary(function.object)) for function in functions())
    yield from (("cli", summary(function)) for _, function in members(information))
    yield from (("cli", name.replace("_", " ")) for name in (*PROPERTIES, "rows_coupled"))


def _of_reports() -> Iterator[str]:
    methods = [("**.py", "python"), ("**.j2", "jinja2.ext:babel_extract")]
    for *_, text, _, _ in extract_from_dir(
        str(files("lossary.reports")), methods, keywords=OF_REPORTS, comment_tags=()
    ):
        yield text if isinstance(text, str) else text[0]
    for section in (*SECTIONS, *OF_TOKENS, *OF_RECORDS, *PARTS):
        yield from (section.title, section.needs)
    yield from SEVERITIES
