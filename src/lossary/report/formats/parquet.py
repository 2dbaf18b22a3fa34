"""`.parquet`, through pyarrow, in record batches. A column of equally long lists is a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from lossary.report.bad_input import BadInput, MissingExtra
from lossary.report.formats.stored import Stored
from lossary.report.formats.table import class_names, groups


def open_parquet(path: str) -> list[Stored]:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow", "files", "reading a .parquet file") from None
    with _refusing(path), pq.ParquetFile(path) as file:
        schema, count = file.schema_arrow, file.metadata.num_rows
        first = next(file.iter_batches(batch_size=1), None)
    lists = {name for name in schema.names if _is_list(schema.field(name).type)}
    widths = {name: len(first.column(name)[0].as_py() or ()) if first is not None else 0 for name in lists}
    plain = [name for name in schema.names if name not in lists]
    arrays = {**{name: [name] for name in lists}, **groups(plain)}
    return [_stored(path, key, arrays[key], schema, count, widths) for key in arrays]


@contextmanager
def _refusing(path: str, key: str = "") -> Iterator[None]:
    """What pyarrow says about a damaged file, as `BadInput`."""
    try:
        yield
    except BadInput:
        raise
    except (OSError, ValueError, KeyError, NotImplementedError) as error:  # most of pyarrow's errors are ValueErrors
        reason = str(error).splitlines()[0]
        raise BadInput(f"not a readable .parquet file ({reason})", file=path, key=key, fix="save it again") from None


def _is_list(kind: Any) -> bool:
    import pyarrow.types as types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _stored(path: str, key: str, members: list[str], schema: Any, count: int, widths: dict[str, int]) -> Stored:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = widths.get(key)
    kind = schema.field(members[0]).type
    kind = kind.value_type if width is not None else kind
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)

    def read(rows: int) -> Iterator[np.ndarray]:
        with _refusing(path, key), pq.ParquetFile(path, pre_buffer=False) as file:
            start = 0
            for batch in file.iter_batches(batch_size=rows, columns=members):
                yield _block(batch, start)
                start += batch.num_rows

    def _block(batch: Any, start: int) -> np.ndarray:
        columns = [batch.column(name) for name in members]
        for name, column in zip(members, columns, strict=True):
            if column.null_count:
                row = start + column.is_null().index(True).as_py()
                raise BadInput("no value", file=path, key=name, position=f"row {row}", fix="fill or drop the row")
        if width is not None:
            lengths = columns[0].value_lengths().to_numpy(zero_copy_only=False)
            if np.any(wrong := lengths != width):
                row = int(np.argmax(wrong))
                raise BadInput(
                    f"a list of {lengths[row]} values where the first row has {width}",
                    file=path,
                    key=key,
                    position=f"row {start + row}",
                    fix="give every row as many values as there are classes",
                )
            return columns[0].flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
        arrays = [column.to_numpy(zero_copy_only=False) for column in columns]
        if is_text:
            arrays = [array.astype(str) for array in arrays]
        return arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)

    # Not kind.to_pandas_dtype(), for which most releases of pyarrow import pandas.
    dtype = np.dtype(str) if is_text else pa.nulls(0, kind).to_numpy(zero_copy_only=False).dtype
    shape = (count,) if len(members) == 1 and width is None else (count, width or len(members))
    return Stored(path, key, shape, dtype, read, columns=class_names(members))
