"""Batches of predictions and targets as they come: gone through once, and written to temporary files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.memory import in_memory
from lossary.reports.formats.stored import Stored

EXPECTED = "give pairs of a batch of predictions and one of targets: (B, C) and (B,)"


@contextmanager
def spooled(batches: Iterable[object]) -> Iterator[tuple[Stored, Stored]]:
    """The predictions and the targets of all batches; they can be read within, the files are gone after it.

    Of the batches only one is in memory at a time.
    """
    with TemporaryFile() as first, TemporaryFile() as second:
        spools = _Spool("predictions", first), _Spool("targets", second)
        for number, batch in enumerate(batches):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                what = f"{len(batch)} things" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
                raise BadInput(f"{what} instead of two", file="batches", position=f"batch {number}", fix=EXPECTED)
            lengths = [spool.add(part, number) for spool, part in zip(spools, batch, strict=True)]
            if lengths[0] != lengths[1]:
                raise BadInput(f"{lengths[0]:,} predictions and {lengths[1]:,} targets", file="batches",
                               position=f"batch {number}", fix=EXPECTED)  # fmt: skip
        if not spools[0].rows:
            raise BadInput("no batch came: the iterator is empty, or was gone through before", file="batches",
                           fix="make it anew; a generator yields once")  # fmt: skip
        yield spools[0].stored(), spools[1].stored()


class _Spool:
    """A file of blocks, one after another in NumPy's format."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name, self.file = name, file
        self.rows = self.blocks = 0
        self.first: Stored | None = None
        self.dtype = np.dtype(np.bool_)

    def add(self, part: object, number: int) -> int:
        """Write one batch; how many rows it has."""
        stored = in_memory(part, self.name)
        self.first = self.first or stored
        if not stored.shape or stored.shape[1:] != self.first.shape[1:]:
            shapes = f"{stored.shape} after {self.first.shape}" if number else f"{stored.shape}"
            fix = f"{EXPECTED}; of sequences, flatten the positions: reshape(-1, V) and reshape(-1)"
            raise BadInput(f"of shape {shapes}", file=self.name, position=f"batch {number}", fix=fix)
        if not stored.is_text:
            stored.require_numbers()
        if stored.is_text != self.first.is_text:
            raise BadInput("words and numbers", file=self.name, position=f"batch {number}", fix="give one of them")
        self.dtype = np.result_type(self.dtype, stored.dtype) if self.rows else stored.dtype
        try:
            for block in stored.read(max(1, stored.shape[0])):
                np.save(self.file, np.ascontiguousarray(block), allow_pickle=False)
                self.blocks += 1
        except OSError as error:
            raise BadInput(f"cannot be written to a temporary file ({error.strerror})", file=self.name,
                           position=f"batch {number}", fix="set TMPDIR to a folder with room") from None  # fmt: skip
        self.rows += stored.shape[0]
        return stored.shape[0]

    def stored(self) -> Stored:
        assert self.first is not None

        def read(rows: int) -> Iterator[np.ndarray]:
            self.file.seek(0)
            yield from (np.load(self.file, allow_pickle=False) for _ in range(self.blocks))

        shape = self.rows, *self.first.shape[1:]
        return Stored(self.name, "", shape, self.dtype, read, self.first.columns, self.first.remark)
