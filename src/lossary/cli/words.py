"""The words of the commands that print prose, for translation."""

from lossary.translations import Language, translate

WORDS = {
    "what": "What is predicted? Ask again with --task, and with what holds:",
    "read": "Read",
    "seen": "Seen",
    "links": "What links them",
}


def word(name: str, language: Language) -> str:
    return translate(WORDS[name], language)
