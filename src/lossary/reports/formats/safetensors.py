"""`.safetensors`: an 8-byte length, a JSON header, the bytes of the tensors in row order.

Read with plain reads rather than through the safetensors package, which maps the file into memory (mapped pages
count as memory). Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import MOST_ARRAYS, Stored, bfloat16_to_float32, require_complete, require_rows
from lossary.translations import say

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip
HEADER_LIMIT = 2**20  # bytes: far more than MOST_ARRAYS need


def open_safetensors(path: str) -> list[Stored]:
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(HEADER_LIMIT, size - 8):
            raise _damaged(path)
        header_bytes = stream.read(length)
    try:
        header = json.loads(header_bytes)
        parsed = [_entry(key, entry) for key, entry in header.items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise _damaged(path) from None
    if len(parsed) > MOST_ARRAYS:
        raise BadInput(
            f"{len(parsed):,} arrays", file=path, fix=f"save predictions and targets; at most {MOST_ARRAYS:,}"
        )
    return [_stored(path, *entry, 8 + length, size) for entry in parsed]


def _damaged(path: str) -> BadInput:
    return BadInput("not a readable .safetensors file", file=path, fix="copy or save the file again")


def _entry(key: str, entry: dict[str, Any]) -> tuple[str, str, tuple[int, ...], int, int]:
    start, end = (int(offset) for offset in entry["data_offsets"])
    return key, str(entry["dtype"]), tuple(int(n) for n in entry["shape"]), start, end


def _stored(
    path: str, key: str, type_name: str, shape: tuple[int, ...], start: int, end: int, data: int, size: int
) -> Stored:
    if type_name not in DTYPES:
        raise BadInput(f"dtype {type_name} is not read", file=path, key=key, fix="save it as F32, F16 or BF16")
    dtype = np.dtype(DTYPES[type_name])
    if start < 0 or min(shape, default=0) < 0 or end - start != prod(shape) * dtype.itemsize:
        raise BadInput("its offsets do not fit its shape", file=path, key=key, fix="copy or save the file again")
    require_complete(path, key, shape, dtype.itemsize, max(0, size - data - start))
    is_bfloat16 = type_name == "BF16"

    def read(rows: int) -> Iterator[np.ndarray]:
        require_rows(path, key, shape)
        with open(path, "rb") as stream:
            stream.seek(data + start)
            for first in range(0, shape[0], rows):
                count = min(rows, shape[0] - first)
                block_bytes = stream.read(count * prod(shape[1:]) * dtype.itemsize)
                require_complete(path, key, (count, *shape[1:]), dtype.itemsize, len(block_bytes))
                block = np.frombuffer(block_bytes, dtype).reshape(count, *shape[1:])
                yield bfloat16_to_float32(block) if is_bfloat16 else block

    remark = say("{name}: {dtype}, widened to float32", name=key, dtype="bfloat16") if is_bfloat16 else ""
    return Stored(path, key, shape, np.dtype(np.float32) if is_bfloat16 else dtype, read, remark=remark)
