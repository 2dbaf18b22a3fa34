"""What a section hands back: findings, numbers, tables and figures, without saying how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from lossary.misuse.finding import SEVERITIES as SEVERITIES
from lossary.misuse.finding import Severity
from lossary.translations import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Cell = str | int | float | None


def width(text: str) -> int:
    """In columns of a terminal: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


@dataclass(frozen=True)
class Finding:
    """One sentence that somebody may want to act on.

    "error": the numbers mean nothing until this is fixed. "warning": probably a mistake. "note": worth knowing.
    cause: a lasting name of what is wrong, where the finding names a cause.
    """

    severity: Severity
    text: str
    fix: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Column:
    """A table column: its title in English and the format of its numbers (a format specification such as ".4f")."""

    title: str
    format: str = ""

    @property
    def heading(self) -> str:
        """The title in the language that is spoken."""
        return say(self.title)

    @property
    def numeric(self) -> bool:
        return bool(self.format)

    def show(self, cell: Cell) -> str:
        if cell is None or (isinstance(cell, float) and cell != cell):
            return "–"
        if isinstance(cell, str) or not self.format:
            return str(cell)
        shown = format(cell, self.format).removesuffix(".")
        return shown.replace("inf%", "inf").replace("inf", "∞").replace("-", "\u2212")


@dataclass(frozen=True)
class Table:
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    folded: bool = False  # a detail: the page shows it when asked, the terminal does not

    @property
    def explains(self) -> bool:
        """Whether a column beside the first holds sentences."""
        return any(isinstance(cell, str) and width(cell) > 24 for row in self.rows for cell in row[1:])

    @property
    def wide(self) -> bool:
        """Whether it needs the whole width of a page."""
        return len(self.columns) > 9


@dataclass(frozen=True)
class Figure:
    """`draw` is called with matplotlib axes by those who show figures; `text` says the same in words."""

    title: str
    text: str
    draw: Callable[[Axes], None]
    height: float = 2.9


@dataclass
class Result:
    id: str
    title: str
    text: str = ""
    findings: list[Finding] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    method: str = ""
    highlights: list[tuple[str, str, str]] = field(default_factory=list)  # name, value, hint: shown large
