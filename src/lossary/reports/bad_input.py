"""The one exception of the report: what was wrong with the input, where, and what to do about it."""

from __future__ import annotations

from lossary.reports.options import spelled

NAME_LENGTH, PART_LENGTH = 80, 400


def printable(text: object, most: int = NAME_LENGTH) -> str:
    """Text from a file, cut, and without what would steer a terminal or break a page."""
    shown = "".join(character if character.isprintable() else "�" for character in str(text)[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class BadInput(ValueError):
    """The input cannot be reported on. The message is one line: file, key, position, problem, fix, each cut."""

    def __init__(self, problem: str, *, file: str = "", key: str = "", position: str = "", fix: str = "") -> None:
        problem, fix = spelled(problem), spelled(fix)
        self.problem, self.file, self.key, self.position, self.fix = problem, file, key, position, fix
        where = [_shown(file), f"key {_shown(key)!r}" if key else "", position]
        place = ", ".join(part for part in where if part)
        message = f"{place}: {_shown(problem)}" if place else _shown(problem)
        super().__init__(f"{message}. Fix: {_shown(fix)}." if fix else f"{message}.")


def _shown(part: str) -> str:
    return printable(" ".join(part[: 10 * PART_LENGTH].split()), PART_LENGTH)
