"""`.csv` and `.tsv`, through the standard library, in blocks of rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np

from lossary.report.bad_input import BadInput
from lossary.report.formats.stored import Stored
from lossary.report.formats.table import class_names, groups

PROBE = 1000  # rows that decide whether a column holds numbers or text


def open_csv(path: str) -> list[Stored]:
    with _rows(path) as (header, rows):
        if all(_is_number(name) for name in header):
            raise BadInput(
                "the first line holds numbers, not column names",
                file=path,
                position="line 1",
                fix="add a header such as p_0,p_1,p_2,label",
            )
        probe = list(islice(rows, PROBE))
        count = len(probe) + sum(1 for _ in rows)
    words = {name for i, name in enumerate(header) if sum(not _is_number(row[i]) for row in probe) > len(probe) / 2}
    return [
        _stored(path, key, members, header, count, is_text=len(members) == 1 and members[0] in words)
        for key, members in groups(header).items()
    ]


@contextmanager
def _rows(path: str) -> Iterator[tuple[list[str], Iterator[list[str]]]]:
    """The header and the rows that follow it, each as long as the header."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            delimiter = max(",;\t", key=first.count)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            yield header, _of_equal_length(path, reader, len(header))
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 text ({error.reason})", file=path, fix="save it as UTF-8") from None
    except csv.Error as error:
        raise BadInput(f"not a readable table ({error})", file=path, fix="write it with a CSV library") from None


def _of_equal_length(path: str, reader: Iterator[list[str]], length: int) -> Iterator[list[str]]:
    for row in reader:
        if len(row) == length:
            yield row
        elif row:
            raise BadInput(
                f"{len(row)} fields where the header has {length}",
                file=path,
                position=f"line {reader.line_num}",  # pyright: ignore[reportAttributeAccessIssue] a csv reader
                fix="write one field per column; is the file truncated?",
            )


def _stored(path: str, key: str, members: list[str], header: list[str], count: int, is_text: bool) -> Stored:
    columns = [header.index(name) for name in members]
    convert = _texts if is_text else _numbers

    def read(rows: int) -> Iterator[np.ndarray]:
        with _rows(path) as (_, records):
            start = 0
            while chunk := list(islice(records, rows)):
                cells = [[record[i] for i in columns] for record in chunk]
                block = convert(cells, path, members, start)
                yield block if len(members) > 1 else block[:, 0]
                start += len(chunk)

    shape = (count,) if len(members) == 1 else (count, len(members))
    dtype = np.dtype(str) if is_text else np.dtype(np.float64)
    return Stored(path, key, shape, dtype, read, columns=class_names(members))


Convert = Callable[[list[list[str]], str, list[str], int], np.ndarray]


def _texts(cells: list[list[str]], path: str, members: list[str], start: int) -> np.ndarray:
    return np.array(cells, dtype=str)


def _numbers(cells: list[list[str]], path: str, members: list[str], start: int) -> np.ndarray:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        row, column = next((r, c) for r, row in enumerate(cells) for c, cell in enumerate(row) if not _is_number(cell))
        raise BadInput(
            f"{cells[row][column][:40]!r} is not a number",
            file=path,
            key=members[column],
            position=f"row {start + row} after the header, counted from 0",
            fix="write a number in every row",
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
