"""Tables: what their columns hold, and columns that belong together as one array.

A table is read once to learn what is in it, and again for its numbers; it is never held whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.column import Column, decoded
from lossary.reports.formats.groups import groups
from lossary.reports.formats.rows import Rows, open_rows, refuse_duplicates, refusing, rows_of_frame
from lossary.reports.formats.stored import MOST_ARRAYS, Stored, refuse_bomb
from lossary.translations import join, say


class Table:
    """A file of rows whose columns are known."""

    def __init__(self, path: str, rows: Rows | None = None) -> None:
        self.path, self.rows, self.count = path, rows or open_rows(path), 0
        self.has_header = self.rows.has_header
        self.names = self.rows.names
        refuse_duplicates(path, self.names)
        self.columns = {name: Column(path, name) for name in self.names}
        self._survey(self.rows)

    @classmethod
    def of_frame(cls, frame: Any) -> Table:
        """Of a data frame of pandas, polars or any library that hands its columns to Arrow."""
        name = type(frame).__name__
        return cls(name, rows_of_frame(frame, name))

    def _survey(self, rows: Rows) -> None:
        seen, size = 0, os.path.getsize(self.path) if os.path.exists(self.path) else sys.maxsize
        with refusing(self.path):
            for batch in rows.batches(rows.names):
                self.count += batch.num_rows
                for name, column in self.columns.items():
                    array = decoded(batch.column(name))
                    seen += array.nbytes
                    refuse_bomb(self.path, seen, size)
                    column.see(array)
        for column in self.columns.values():
            column.decide()

    def arrays(self) -> list[Stored]:
        if not self.count:
            raise BadInput("has no rows", file=self.path, fix="save at least one sample")
        if not self.has_header:
            return [self.array(list(self.columns), "")]
        found = groups(list(self.columns.values()))
        if len(found) > MOST_ARRAYS:
            raise BadInput(f"{len(found):,} columns that do not belong together", file=self.path,
                           fix="name columns of scores alike: p_0, p_1, ...")  # fmt: skip
        return [self.array(members, key, names) for key, (members, names) in found.items()]

    def array(self, members: Sequence[str], key: str, names: tuple[str, ...] = ()) -> Stored:
        """Columns side by side; one alone has no second axis, but where its cells are lists."""
        columns = [self.columns[name] for name in members]
        width = columns[0].width if columns[0].kind == "list" else None

        def read(rows: int) -> Iterator[np.ndarray]:
            start = 0
            with refusing(self.path, key):
                for batch in self.rows.batches(members):
                    blocks = [column.block(batch.column(column.name), start) for column in columns]
                    yield blocks[0] if len(blocks) == 1 else np.stack(blocks, axis=1)
                    start += batch.num_rows

        second = width if width is not None else len(columns) if len(columns) > 1 else None
        values = columns[0].values if len(columns) == 1 and columns[0].kind != "list" else None
        remark = self.rows.remark
        if any(column.comma for column in columns):
            remark = join("; ", [remark, say("decimal commas")])
        return Stored(
            self.path,
            key,
            (self.count,) if second is None else (self.count, second),
            np.result_type(*(column.dtype for column in columns)),
            read,
            columns=names,
            remark=say("{name}: {said}", name=key or self.path, said=remark) if remark else "",
            values=tuple(sorted(values)) if values else (),
            table=self,
        )
