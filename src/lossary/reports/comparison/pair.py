"""The chunks of two inputs, unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.chunk import Chunk, chunks
from lossary.reports.understand import Understanding
from lossary.reports.unit_names import names_of

NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Pair:
    """The same units as A and as B predict them; `sample` says whose values may depend on each other."""

    a: Chunk
    b: Chunk
    sample: np.ndarray

    @cached_property
    def gain(self) -> np.ndarray:
        """(n,): how much lower B's loss is; NaN where both are infinite."""
        with np.errstate(invalid="ignore"):
            return self.a.loss - self.b.loss


class Pairs:
    """Both inputs side by side, once. `alone` counts the units that only A, and that only B has numbers for.

    Raises `BadInput` at the end where targets differ, or count in one of them only.
    """

    def __init__(self, a: Understanding, b: Understanding) -> None:
        self.a, self.b = a, b
        self.alone, self.shared = [0, 0], 0
        self.different, self.first = 0, -1
        records = a.input.ids if a.task == "tokens" else None
        self.records = None if records is None else records.whole()

    def __call__(self, advance: Callable[[int], None] = lambda samples: None) -> Iterator[Pair]:
        left, right = chunks(self.a, advance), chunks(self.b)
        a, b = next(left, None), next(right, None)
        while a is not None or b is not None:
            end = min(chunk.unit[-1] for chunk in (a, b) if chunk is not None)
            here, a = _split(a, end)
            there, b = _split(b, end)
            if (pair := self._common(here, there)) is not None:
                yield pair
            a = next(left, None) if a is None else a
            b = next(right, None) if b is None else b
        self._refuse()

    def _common(self, a: Chunk | None, b: Chunk | None) -> Pair | None:
        """What both have, of parts of the same place."""
        units = [NOTHING if chunk is None else chunk.unit for chunk in (a, b)]
        shared, here, there = np.intersect1d(*units, assume_unique=True, return_indices=True)
        self.alone[0] += units[0].size - shared.size
        self.alone[1] += units[1].size - shared.size
        self.shared += shared.size
        if a is None or b is None or not shared.size:
            return None
        a, b = _chosen(a, here), _chosen(b, there)
        differ = _differ(a.target, b.target)
        if differ.any():
            self.first = int(a.unit[np.argmax(differ)]) if self.first < 0 else self.first
            self.different += int(differ.sum())
        return Pair(a, b, a.sample if self.records is None else self.records[a.unit])

    def _refuse(self) -> None:
        where = " and ".join(", ".join(u.input.files) for u in (self.a, self.b))
        for own, other, name in ((0, self.b, "A"), (1, self.a, "B")):
            if self.alone[own] > other.survey.unusable:
                raise BadInput(
                    f"{self.alone[own]:,} targets count in {name} and are ignored in the other",
                    file=where,
                    fix="ignore the same targets in both: --ignore-index, or save the same labels",
                )
        if self.different:
            named = names_of(self.a, np.array([self.first]))[0]
            raise BadInput(
                f"{self.different:,} of {self.a.units:,} targets differ, the first at sample {named}",
                file=where,
                fix="save the same samples in the same order, or an id for each sample in both",
            )


def _split(chunk: Chunk | None, end: int) -> tuple[Chunk | None, Chunk | None]:
    """Units up to `end`, and those after it."""
    if chunk is None or chunk.unit[0] > end:
        return None, chunk
    cut = int(np.searchsorted(chunk.unit, end, "right"))
    if cut == chunk.unit.size:
        return chunk, None
    return _chosen(chunk, np.arange(cut)), _chosen(chunk, np.arange(cut, chunk.unit.size))


def _chosen(chunk: Chunk, at: np.ndarray) -> Chunk:
    if at.size == chunk.unit.size:
        return chunk
    columns = {field.name: getattr(chunk, field.name) for field in fields(chunk)}
    return replace(chunk, **{name: x[at] for name, x in columns.items() if isinstance(x, np.ndarray)})


def _differ(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,): where targets are not the same, but for how a file rounds them."""
    if a.dtype.kind == "i":
        return a != b
    differ: np.ndarray = np.logical_not(np.isclose(a, b, rtol=1e-5, atol=1e-7))
    return np.logical_or.reduce(differ, axis=1) if differ.ndim == 2 else differ
