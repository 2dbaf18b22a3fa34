"""A record of `lossary.Recorder`: a folder in which each process wrote rows of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from lossary.recorder import DTYPES, FORMAT, META
from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import Stored

EXPECTED = "copy the whole folder that lossary.Recorder wrote"
MOST = 2**26  # rows that are put in another order: 2 GB


@dataclass(frozen=True)
class Part:
    """What a process wrote: rows, the number of the first sample, and the ids of its samples."""

    rows: np.ndarray
    first: int
    ids: list[Any] | None


@dataclass(frozen=True)
class Record:
    """All parts, those of a rank after another. `order` puts the rows in the order of another record."""

    folder: str
    task: str
    classes: int
    parts: tuple[Part, ...]
    order: np.ndarray | None = None

    @property
    def size(self) -> int:
        return sum(len(part.rows) for part in self.parts) if self.order is None else self.order.size

    @cached_property
    def has_places(self) -> bool:
        """Whether a sample has several targets."""
        return any(part.rows["place"].any() for part in self.parts)

    @cached_property
    def width(self) -> int:
        """Of real values how many each sample has, where all have as many; else 1."""
        most = max(int(part.rows["place"].max()) for part in self.parts) + 1
        samples = [int(part.rows["sample"].max()) + 1 for part in self.parts]
        regular = all(len(part.rows) == most * n for part, n in zip(self.parts, samples, strict=True))
        return most if self.task == "regression" and regular else 1

    @property
    def bytes(self) -> int:
        return sum(part.rows.nbytes for part in self.parts)

    @property
    def has_ids(self) -> bool:
        return all(part.ids is not None for part in self.parts)

    @property
    def repeated(self) -> int:
        """Ids that are there more than once."""
        ids = [name for part in self.parts for name in part.ids or ()]
        return len(ids) - len(set(ids))

    def blocks(self, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows as they were written, and the sample of each among all parts."""
        if self.order is None:
            for part in self.parts:
                for start in range(0, len(part.rows), rows):
                    block = np.asarray(part.rows[start : start + rows])
                    yield block, block["sample"].astype(np.int64) + part.first
            return
        whole, sample = (np.concatenate(column) for column in zip(*replace(self, order=None).blocks(MOST), strict=True))
        for start in range(0, self.order.size, rows):
            chosen = self.order[start : start + rows]
            yield whole[chosen], sample[chosen]

    def in_order(self, order: np.ndarray) -> Record:
        if self.size > MOST:
            raise BadInput("too large to be sorted by its ids", file=self.folder, fix="record both in the same order")
        return replace(self, order=order)

    def column(self, name: str, dtype: type) -> Stored:
        each = self.width
        shape = (self.size,) if each == 1 else (self.size // each, each)

        def read(rows: int) -> Iterator[np.ndarray]:
            for block, _ in self.blocks(rows * each):
                yield block[name].astype(dtype).reshape(-1, *shape[1:])

        return Stored(self.folder, name, shape, np.dtype(dtype), read)

    def ids(self) -> Stored | None:
        """What each row is called; None where its number says it all."""
        if not self.has_ids and (not self.has_places or self.width > 1):
            return None
        names = [str(name) for part in self.parts for name in part.ids or ()]

        def called(block: np.ndarray, sample: np.ndarray) -> np.ndarray:
            of = [names[k] for k in sample.tolist()] if self.has_ids else [str(k) for k in sample.tolist()]
            if self.has_places and self.width == 1:
                of = [f"{name}, {place}" for name, place in zip(of, block["place"].tolist(), strict=True)]
            return np.array(of, dtype=str)

        each = self.width

        def read(rows: int) -> Iterator[np.ndarray]:
            return (called(block[::each], sample[::each]) for block, sample in self.blocks(rows * each))

        return Stored(self.folder, "ids", (self.size // each,), np.dtype(str), read)


def is_record(path: str | Path) -> bool:
    return os.path.isfile(Path(path) / META)


def open_record(path: str | Path) -> Record:
    folder = Path(path)
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        version, task, classes = meta["lossary_record"], meta["task"], meta["classes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise BadInput("its description cannot be read", file=str(folder / META), fix=EXPECTED) from None
    if version != FORMAT or task not in (*DTYPES, "binary") or not isinstance(classes, int) or not 0 <= classes < 2**31:
        raise BadInput("not a record that this release knows", file=str(folder / META), fix=EXPECTED)
    parts, first = [], 0
    for file in sorted(folder.glob("rank-*.npy")):
        rows = _rows(file, DTYPES["regression" if task == "regression" else "classification"])
        if not len(rows):
            continue
        samples = int(rows["sample"].max()) + 1
        parts.append(Part(rows, first, _ids(file.with_suffix(".ids"), samples)))
        first += samples
    if not parts:
        raise BadInput("nothing was recorded", file=str(folder), fix="call the recorder with logits and targets")
    if len({part.ids is None for part in parts}) > 1:
        parts = [replace(part, ids=None) for part in parts]
    return Record(str(folder), task, classes, tuple(parts))


def _rows(file: Path, dtype: np.dtype) -> np.ndarray:
    """The rows that the header counts, still in the file."""
    try:
        with open(file, "rb") as stream:
            npy.read_magic(stream)
            (count,), _, found = npy.read_array_header_1_0(stream)
            offset = stream.tell()
        available = (file.stat().st_size - offset) // dtype.itemsize
    except (OSError, ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise BadInput("not rows of a record", file=str(file), fix=EXPECTED) from None
    if found != dtype:
        raise BadInput(f"rows of {found}, not of a record", file=str(file), fix=EXPECTED)
    if count > available:
        raise BadInput(f"truncated: {count:,} rows promised, {available:,} are there", file=str(file), fix=EXPECTED)
    return np.memmap(file, dtype, "r", offset, (count,)) if count else np.zeros(0, dtype)


def _ids(file: Path, samples: int) -> list[Any] | None:
    if not file.exists():
        return None
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
        names = [json.loads(line) for line in lines[:samples]]
    except (OSError, ValueError, RecursionError):
        raise BadInput("not ids of a record", file=str(file), fix=EXPECTED) from None
    if len(names) < samples or not all(isinstance(name, str | int) for name in names):
        raise BadInput(f"{len(names):,} ids for {samples:,} samples", file=str(file), fix=EXPECTED)
    return names
