"""The language of what a command prints."""

import os
from typing import Annotated, get_args

import typer

from lossary.cli.terminal import Refusal, prints
from lossary.translations import Language

Lang = Annotated[
    str | None, typer.Option("--lang", metavar="en|zh", help="The language of texts.", show_default="by the locale")
]


def language_of(given: str | None) -> Language:
    """The one that was asked for, or that of the locale: Chinese where it is zh_* and can be printed, else English."""
    if given is None:
        return "zh" if _locale().startswith("zh") and prints("中文") else "en"
    for language in get_args(Language):
        if given == language:
            return language
    raise Refusal(f"--lang {given}: it must be one of {', '.join(get_args(Language))}")


def _locale() -> str:
    """As POSIX has it: the first that is set says the locale of messages."""
    return next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
