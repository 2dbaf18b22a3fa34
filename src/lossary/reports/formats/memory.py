"""Arrays in memory: of torch, JAX and all that NumPy reads, of pandas and polars. They are looked at, not copied,
where NumPy can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lossary.core.arrays import is_array, is_torch
from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import Stored
from lossary.reports.formats.torch_file import stored_tensor
from lossary.translations import say

MISSING = ("NAType", "NoneType")


def in_memory(given: Any, name: str, key: str = "") -> Stored:
    """name: of the argument; errors speak of it. key: of an array among several."""
    if is_torch(given):
        import torch

        if given.device.type == "meta":
            raise BadInput("a tensor on the meta device, which holds no numbers", file=name, key=key,
                           fix="run the model on a device")  # fmt: skip
        return stored_tensor(name, key, given.to_dense() if given.layout != torch.strided else given)
    columns = _columns(given)
    array = _numbers(given, name, key, columns)
    is_foreign = array.dtype.kind == "V" and array.dtype.names is None  # bfloat16 and other small floats of ml_dtypes

    def read(rows: int) -> Iterator[np.ndarray]:
        for start in range(0, len(array), rows):
            block = array[start : start + rows]
            yield block.astype(np.float32) if is_foreign else block

    return Stored(
        name,
        key,
        array.shape,
        np.dtype(np.float32) if is_foreign else array.dtype,
        read,
        columns=() if len(columns) == 1 or columns == tuple(map(str, range(len(columns)))) else columns,
        remark=say("{name}: {dtype}, widened to float32", name=key or name, dtype=array.dtype) if is_foreign else "",
    )


def index_of(given: Any, name: str) -> Stored | None:
    """The index of a pandas object as ids, where it is more than a range."""
    index: Any = getattr(given, "index", None)
    if not hasattr(index, "to_numpy") or hasattr(index, "step"):
        return None
    values: np.ndarray = index.to_numpy()
    if values.dtype.kind in "iu" and np.array_equal(values, np.arange(len(values))):
        return None
    if values.dtype.kind not in "iu":
        values = np.array([str(value) for value in values.tolist()], dtype=str)
    return Stored(name, "index", values.shape, values.dtype, lambda rows: iter([values]))


def _columns(given: Any) -> tuple[str, ...]:
    """The names of the columns of a data frame."""
    return tuple(map(str, given.columns)) if hasattr(given, "columns") and hasattr(given, "to_numpy") else ()


def _numbers(given: Any, name: str, key: str, columns: Sequence[str]) -> np.ndarray:
    if isinstance(given, list | tuple) and given and is_array(given[0]) and getattr(given[0], "ndim", 0):
        raise BadInput(
            f"{len(given):,} arrays in a {type(given).__name__}",
            file=name,
            key=key,
            fix="join them: numpy.concatenate or torch.cat of batches, numpy.stack or torch.stack of rows",
        )
    if np.ma.is_masked(given):
        raise BadInput("a masked array", file=name, key=key, fix="fill it with -100, or leave these rows out")
    try:
        to_numpy: Any = getattr(given, "to_numpy", None)
        array = to_numpy() if to_numpy else np.asarray(given)
    except Exception as error:  # what libraries say of arrays on other devices, of tracers, of ragged lists
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"NumPy cannot read this {type(given).__name__} ({reason})", file=name, key=key,
                       fix="numpy.asarray of it must work") from None  # fmt: skip
    if not array.ndim:
        fix = ".toarray()" if hasattr(given, "toarray") else "an array with a row for each sample"
        raise BadInput(f"of type {type(given).__name__}, not an array of samples", file=name, key=key, fix=fix)
    if array.dtype.kind == "T":
        return array.astype(str)
    return _of_objects(array, name, key, columns) if array.dtype.hasobject else array


def _of_objects(array: np.ndarray, name: str, key: str, columns: Sequence[str]) -> np.ndarray:
    """Words, or numbers of which some are missing, or rows of numbers."""
    cells = array.ravel().tolist()
    if all(isinstance(cell, str) for cell in cells):
        return np.array(cells, dtype=str).reshape(array.shape)
    try:
        if all(isinstance(cell, bool) for cell in cells):
            return np.array(cells, dtype=bool).reshape(array.shape)
        numbers = np.array([np.nan if type(cell).__name__ in MISSING else cell for cell in cells])
        if numbers.dtype.kind not in "biuf":
            numbers = numbers.astype(np.float64)
        return numbers.reshape(array.shape + numbers.shape[1:])
    except (TypeError, ValueError):
        strange = next(type(cell).__name__ for cell in cells if not isinstance(cell, int | float))
        fix = f"keep the columns of the scores, of {', '.join(columns[:6])}" if columns else "an array of numbers"
        raise BadInput(f"holds {strange} beside numbers", file=name, key=key, fix=fix) from None
