"""The one exception of the report: what was wrong with the input, where, and what to do about it."""

from __future__ import annotations

from lossary.reports.options import spelled


class BadInput(ValueError):
    """The input cannot be reported on. The message is one line: file, key, position, problem, fix."""

    def __init__(self, problem: str, *, file: str = "", key: str = "", position: str = "", fix: str = "") -> None:
        problem, fix = spelled(problem), spelled(fix)
        self.problem, self.file, self.key, self.position, self.fix = problem, file, key, position, fix
        where = [file, f"key {key!r}" if key else "", position]
        place = ", ".join(part for part in where if part)
        message = f"{place}: {problem}" if place else problem
        super().__init__(" ".join((f"{message}. Fix: {fix}." if fix else f"{message}.").split()))
