"""What every section of the report is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from lossary.reports.chunk import Chunk
from lossary.reports.result import Result
from lossary.reports.understand import Understanding
from lossary.translations import say


class Section(ABC):
    """A section sees every chunk once, in order, keeps what it needs in bounded memory, and hands back a `Result`.

    `title` and `needs` are said in the language of the report; `needs` completes the sentence "this section needs ..."
    where the section does not apply.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[str] = "at least one target"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        self.u, self.seed = understanding, seed

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return True

    @abstractmethod
    def update(self, chunk: Chunk) -> None: ...

    @abstractmethod
    def finish(self) -> Result: ...

    def result(self, **parts: object) -> Result:
        return Result(id=self.id, title=say(self.title), **parts)  # pyright: ignore[reportArgumentType]
