"""What every section of a comparison is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from lossary.reports.comparison.pair import Pair
from lossary.reports.result import Result
from lossary.reports.understand import Task, Understanding
from lossary.translations import say


class Part(ABC):
    """Sees every pair of chunks once, in bounded memory, and hands back a `Result`. `needs` as in `Section`."""

    id: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[str] = ""

    def __init__(self, a: Understanding, b: Understanding, seed: int) -> None:
        self.a, self.b, self.seed = a, b, seed

    @classmethod
    def applies(cls, a: Understanding, b: Understanding) -> bool:
        return True

    @abstractmethod
    def update(self, pair: Pair) -> None: ...

    @abstractmethod
    def finish(self) -> Result: ...

    def result(self, **parts: object) -> Result:
        return Result(id=self.id, title=say(self.title), **parts)  # pyright: ignore[reportArgumentType]


def decides(task: Task) -> bool:
    """Whether a prediction is right or wrong."""
    return task not in ("regression", "tokens")


def is_clustered(u: Understanding) -> bool:
    """Whether several losses belong to a sample, and may depend on each other."""
    return u.units_per_sample > 1 or u.task == "tokens"


def nats(u: Understanding) -> str:
    """The unit of a mean loss."""
    if u.task == "regression":
        return say("squared units of the target")
    words = {
        "sample": say("nats a sample"),
        "token": say("nats a token"),
        "label": say("nats a label"),
        "position": say("nats a position"),
    }
    return words[u.unit]
