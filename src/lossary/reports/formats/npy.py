"""`.npy` and `.npz`: plain reads in order, never memory-mapped (mapped pages count as memory), never unpickled."""

from __future__ import annotations

import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import prod
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import (
    MOST_ARRAYS,
    Stored,
    bfloat16_to_float32,
    refuse_bomb,
    require_complete,
    require_rows,
)
from lossary.translations import say

Open = Callable[[], AbstractContextManager[IO[bytes]]]

FORTRAN_LIMIT = 256 * 2**20  # a column-ordered array has no contiguous rows: it is loaded whole, up to this many bytes
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError)


def open_npy(path: str) -> list[Stored]:
    return [_stored(path, "", lambda: open(path, "rb"), os.path.getsize(path))]


def open_npz(path: str) -> list[Stored]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except DAMAGED as error:
        raise BadInput(
            f"not a complete zip archive ({error})", file=path, fix="save it again with numpy.savez"
        ) from None
    if any(member.filename.endswith(".pkl") for member in members):
        raise BadInput(
            "a PyTorch file under another name",
            file=path,
            fix="call it .pt, which is read without running what it holds",
        )
    if len(members) > MOST_ARRAYS:
        raise BadInput(f"{len(members):,} arrays", file=path, fix=f"concatenate them; at most {MOST_ARRAYS:,} are read")
    refuse_bomb(path, sum(member.file_size for member in members), os.path.getsize(path))
    return [
        _stored(path, name.removesuffix(".npy"), lambda name=name: _member(path, name), member.file_size)
        for member in members
        if (name := member.filename).endswith(".npy")
    ]


@contextmanager
def _member(path: str, name: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
        yield stream


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy_format.read_magic(stream)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a header written by Python 2 is read, with a warning that concerns nobody here
        if version == (1, 0):
            return npy_format.read_array_header_1_0(stream)
        return npy_format.read_array_header_2_0(stream)


def _stored(file: str, key: str, open_stream: Open, size: int) -> Stored:
    try:
        with open_stream() as stream:
            shape, fortran, dtype = _header(stream)
            available = size - stream.tell()
            if min(shape, default=0) < 0:
                raise ValueError(f"shape {shape}")
    except Exception as error:  # NumPy's header parser lets the errors of Python's tokenizer and parser through
        raise BadInput(f"not a readable .npy array ({error})", file=file, key=key, fix="save it again") from None
    if not dtype.hasobject:
        require_complete(file, key, shape, dtype.itemsize, available)
    column_ordered = fortran and len(shape) > 1
    length = prod(shape[:1])
    is_bfloat16 = dtype == np.dtype("V2")

    def read(rows: int) -> Iterator[np.ndarray]:
        require_rows(file, key, shape)
        if column_ordered and prod(shape) * dtype.itemsize > FORTRAN_LIMIT:
            raise BadInput(
                "stored column by column (Fortran order), so its rows cannot be streamed",
                file=file,
                key=key,
                fix="numpy.save(path, numpy.ascontiguousarray(array))",
            )
        step = max(1, length) if column_ordered else rows
        try:
            with open_stream() as stream:
                _header(stream)
                for start in range(0, length, step):
                    count = min(step, length - start)
                    data = stream.read(count * prod(shape[1:]) * dtype.itemsize)
                    require_complete(file, key, (count, *shape[1:]), dtype.itemsize, len(data))
                    order = "F" if column_ordered else "C"
                    block = np.frombuffer(data, dtype).reshape((count, *shape[1:]), order=order)
                    yield bfloat16_to_float32(np.ascontiguousarray(block)) if is_bfloat16 else block
        except DAMAGED as error:
            raise BadInput(f"the data cannot be read ({error})", file=file, key=key, fix="save it again") from None

    said = say("{name}: 2-byte void, which is how NumPy stores bfloat16; read as such", name=key or file)
    remark = said if is_bfloat16 else ""
    return Stored(file, key, shape, np.dtype(np.float32) if is_bfloat16 else dtype, read, remark=remark)
