"""An array in a file, read in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np

from lossary.reports.bad_input import BadInput

MOST_ARRAYS = 1000  # in a file
MOST_LETTERS = 10_000  # of a name
BOMB_SIZE, BOMB_RATIO = 2**28, 200  # bytes that unpack to more than both are refused; weights do not shrink 200 times


class OfColumns(Protocol):
    """The table that an array is part of."""

    has_header: bool
    names: tuple[str, ...]

    def array(self, members: Sequence[str], key: str, names: tuple[str, ...] = ()) -> Stored: ...


@dataclass(frozen=True)
class Stored:
    """An array that stays in its file until its rows are asked for.

    `read(rows)` yields consecutive blocks of rows, of about `rows` each. `columns` holds the names of the classes that
    columns of a table are named after, `values` the different values of a column, where they are few.
    """

    file: str
    key: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[int], Iterator[np.ndarray]]
    columns: tuple[str, ...] = ()
    remark: str = ""
    values: tuple[str, ...] = ()
    table: OfColumns | None = None

    @property
    def label(self) -> str:
        """Its key; of an array alone in its file, the name of that."""
        return self.key or Path(self.file).name.partition(".")[0]

    @property
    def is_text(self) -> bool:
        return self.dtype.kind in "US"

    def require_numbers(self) -> None:
        if self.dtype.hasobject:
            problem = (
                "an array of Python objects is a pickle, and unpickling runs whatever code it holds; it is not read"
            )
            raise self.error(problem, fix="numpy.stack the rows, or .astype(numpy.float32), before saving")
        if self.dtype.kind not in "biuf":
            raise self.error(f"holds {self.dtype}, not numbers", fix="save numbers, or name another key")

    @property
    def is_integer(self) -> bool:
        return self.dtype.kind in "iub"

    @property
    def row_size(self) -> int:
        return prod(self.shape[1:])

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        """Blocks of exactly `rows` rows (fewer in the last), so that two arrays advance together."""
        pending: list[np.ndarray] = []
        count = total = 0
        for block in self.read(rows):
            pending.append(block)
            count += len(block)
            total += len(block)
            while count >= rows:
                joined = pending[0] if len(pending) == 1 else np.concatenate(pending)
                yield joined[:rows]
                pending = [joined[rows:]] if len(joined) > rows else []
                count -= rows
        if total != self.shape[0]:
            raise self.error(f"{self.shape[0]:,} rows promised, {total:,} read", fix="copy or save the file again")
        if count:
            yield pending[0] if len(pending) == 1 else np.concatenate(pending)

    def whole(self) -> np.ndarray:
        return np.concatenate(list(self.blocks(max(1, self.shape[0]))))

    def error(self, problem: str, *, position: str = "", fix: str = "") -> BadInput:
        return BadInput(problem, file=self.file, key=self.key, position=position, fix=fix)


def require_complete(file: str, key: str, shape: tuple[int, ...], itemsize: int, available: int) -> None:
    """Raise `BadInput` when fewer than the promised bytes are there."""
    row_bytes = prod(shape[1:]) * itemsize
    if available < prod(shape) * itemsize:
        complete = available // row_bytes
        raise BadInput(
            f"truncated: {prod(shape[:1]):,} rows promised, {complete:,} are there",
            file=file,
            key=key,
            position=f"after row {complete - 1}" if complete else "in row 0",
            fix="copy or save the file again",
        )


def require_rows(file: str, key: str, shape: tuple[int, ...]) -> None:
    """Raise `BadInput` for a number where an array of samples is needed."""
    if not shape:
        raise BadInput("a single number, not an array of samples", file=file, key=key, fix="save one row per sample")


def text_of(block: np.ndarray) -> np.ndarray:
    """Bytes decoded; anything else unchanged."""
    return np.char.decode(block, "utf-8", "replace") if block.dtype.kind == "S" else block


def bfloat16_to_float32(bits: np.ndarray) -> np.ndarray:
    """bfloat16 is the upper half of a float32."""
    return (bits.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


def refuse_bomb(file: str, promised: int, size: int) -> None:
    """Raise `BadInput` for a file that unpacks to incomparably more than it has."""
    if promised > BOMB_SIZE and promised > BOMB_RATIO * size:
        raise BadInput(
            f"{size:,} bytes unpack to {promised:,}", file=file, fix="save it uncompressed if it is not a zip bomb"
        )
