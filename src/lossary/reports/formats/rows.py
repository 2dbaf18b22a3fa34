"""Files of rows, through pyarrow: CSV, parquet, Arrow, JSON and Excel, as record batches of named columns."""

from __future__ import annotations

import codecs
import csv as csv_rows
import io
import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossary.core.extras import MissingExtra
from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import MOST_LETTERS, refuse_bomb
from lossary.reports.formats.token_log_probs import choices
from lossary.translations import say

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 4 * 2**20  # bytes of text parsed at a time; a row must fit
SNIFFED = 2**20  # bytes that decide the encoding
MOST_COLUMNS = 20_000
RECORDS = 4096  # of JSON or Excel in a batch
SPARSE = 10**6  # cells, from which tables that are nearly empty are refused
WHOLE = 128 * 2**20  # bytes of a JSON document, which is read whole
COMPRESSED = {".gz", ".zst", ".bz2", ".lz4"}
COMMON_HAN = re.compile(rb"[\xb0-\xd7][\xa1-\xfe]")  # the 3,755 frequent characters of GB 2312
DAMAGED = (OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, SyntaxError,
           NotImplementedError, MemoryError, csv_rows.Error, zipfile.BadZipFile, zlib.error)  # fmt: skip
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Rows:
    """A file of rows. `batches(names)` reads it from the beginning, these columns of it."""

    names: tuple[str, ...]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    remark: str = ""
    has_header: bool = True


def open_rows(path: str) -> Rows:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtra("pyarrow", "files", f"reading {Path(path).name}") from None
    return SOURCES[row_suffix(path)](path)


def rows_of_frame(frame: Any, name: str) -> Rows:
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtra("pyarrow", "files", f"reading a {name}") from None
    with refusing(name):
        table = pa.table(frame)
    # The index of pandas, where it is more than a range, is the column of ids that it is in its files, too.
    names = ["" if column.startswith("__index_level_") else column for column in map(str, table.column_names)]
    views = pa.types.is_string_view  # of polars, which little of Arrow computes with
    schema = [
        (name, pa.string() if views(kind) else kind) for name, kind in zip(names, table.schema.types, strict=True)
    ]
    table = table.rename_columns(names).cast(pa.schema(schema))
    return Rows(tuple(names), lambda wanted: iter(table.select(list(wanted)).to_batches(RECORDS)))


def row_suffix(path: str) -> str:
    """The suffix that says what the rows are written as; of `a.csv.gz`, that is `.csv`."""
    suffixes = Path(path).suffixes
    return (suffixes[-2] if len(suffixes) > 1 and suffixes[-1].lower() in COMPRESSED else Path(path).suffix).lower()


@contextmanager
def refusing(path: str, key: str = "") -> Iterator[None]:
    """What pyarrow and others say about a damaged file, as `BadInput`."""
    try:
        yield
    except (BadInput, MissingExtra):
        raise
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInput(f"not a readable table ({reason})", file=path, key=key, fix="save it again") from None
    except RecursionError:
        raise BadInput("nested too deeply", file=path, key=key, fix="save one record for each sample") from None


@contextmanager
def _stream(path: str) -> Iterator[Any]:
    import pyarrow as pa

    with refusing(path), pa.input_stream(path, buffer_size=2**16) as stream:
        yield stream


# Delimited text ------------------------------------------------------------------------------------------------------


def _text(path: str) -> Rows:
    from pyarrow import csv

    with _stream(path) as stream:
        start = stream.read(SNIFFED)
    encoding = _encoding(start)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start).lstrip("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    delimiter = " " if delimiter not in first and len(first.split()) > 1 else delimiter
    cells = [cell.strip().strip('"').strip() for cell in first.split(delimiter)]
    _refuse_columns(path, cells)
    numbered = len(cells) > 1 and cells == [str(k) for k in range(len(cells))]
    has_header = numbered or not all(NUMBER.fullmatch(cell) for cell in cells)

    @contextmanager
    def reader(**convert: Any) -> Iterator[Any]:
        invalid: list[Any] = []

        def refuse(row: Any) -> str:
            invalid.append(row)
            return "error"

        read = csv.ReadOptions(
            use_threads=False, block_size=BLOCK, encoding=encoding, autogenerate_column_names=not has_header
        )
        parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse)
        options = csv.ConvertOptions(strings_can_be_null=False, **convert)
        with _stream(path) as stream:
            try:
                with csv.open_csv(stream, read, parse, options) as opened:
                    yield opened
            except ValueError as error:
                if invalid:
                    raise BadInput(
                        f"{invalid[0].actual_columns} fields where the header has {invalid[0].expected_columns}",
                        file=path,
                        position=f"line {invalid[0].number}",
                        fix="write one field per column; is the file truncated?",
                    ) from None
                raise error

    # Not by pyarrow, whose reader goes on reading ahead when it is closed (apache/arrow#43604).
    rows = csv_rows.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    with refusing(path):
        raw = next(filter(None, rows), []) if has_header else [f"f{k}" for k in range(len(cells))]
    names = tuple(name.strip() for name in raw)
    raw_of = dict(zip(names, raw, strict=True))

    def batches(wanted: Sequence[str]) -> Iterator[Any]:
        import pyarrow as pa

        chosen = [raw_of[name] for name in wanted]
        with reader(include_columns=chosen, column_types=dict.fromkeys(chosen, pa.string())) as opened:
            yield from (batch.rename_columns(list(wanted)) for batch in opened)

    said = say("read as {encoding}; save it as UTF-8 if names look wrong", encoding=encoding)
    said = "" if encoding in ("utf-8", "utf-16") else said
    return Rows(names, batches, said, has_header)


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
        return "utf-8"
    except UnicodeDecodeError:
        pass
    foreign = re.findall(rb"[\x80-\xff][\x40-\xff]", start)
    common = sum(COMMON_HAN.fullmatch(pair) is not None for pair in foreign)
    return "gb18030" if foreign and common > len(foreign) / 2 else "cp1252"


# Columns of their own ------------------------------------------------------------------------------------------------


def _parquet(path: str) -> Rows:
    import pyarrow.parquet as pq

    with refusing(path), pq.ParquetFile(path) as file:
        names, promised = file.schema_arrow.names, 0
        _refuse_columns(path, names)
        for k in range(file.metadata.num_row_groups):
            promised += file.metadata.row_group(k).total_byte_size
        refuse_bomb(path, max(promised, file.metadata.num_rows), os.path.getsize(path))

    def batches(wanted: Sequence[str]) -> Iterator[Any]:
        with refusing(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=RECORDS, columns=list(wanted))

    return Rows(tuple(names), batches)


def _arrow(path: str) -> Rows:
    import pyarrow as pa

    @contextmanager
    def opened() -> Iterator[Any]:
        with refusing(path), pa.OSFile(path) as source:
            start = source.read(8)
            source.seek(0)
            if start.startswith(b"ARROW1"):
                yield pa.ipc.open_file(source)
            elif int.from_bytes(start[4:], "little") > source.size():
                raise BadInput("cut, or not an Arrow file", file=path, fix="save it again")
            else:
                yield pa.ipc.open_stream(source)

    def all_batches(reader: Any) -> Iterator[Any]:
        if isinstance(reader, pa.ipc.RecordBatchFileReader):
            return (reader.get_batch(k) for k in range(reader.num_record_batches))
        return iter(reader)

    with opened() as reader:
        names = reader.schema.names
    _refuse_columns(path, names)

    def batches(wanted: Sequence[str]) -> Iterator[Any]:
        with opened() as reader:
            yield from (batch.select(list(wanted)) for batch in all_batches(reader))

    return Rows(tuple(names), batches)


# Records -------------------------------------------------------------------------------------------------------------


def _json_lines(path: str) -> Rows:
    return _of_records(path, lambda: (_flat(choices(record)) for record in json_records(path)))


def json_records(path: str) -> Iterator[dict[str, Any]]:
    with _stream(path) as stream:
        lines = iter(partial(io.BufferedReader(stream).readline, BLOCK + 1), b"")
        for number, line in enumerate(lines, 1):
            if len(line) > BLOCK:
                raise BadInput(f"a line of more than {BLOCK:,} bytes", file=path, fix="one record on each line")
            if line.strip():
                yield _record(path, line.removeprefix(codecs.BOM_UTF8), f"line {number}")


def _record(path: str, line: bytes, position: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BadInput(f"not JSON ({error})", file=path, position=position, fix="one record on each line") from None
    if not isinstance(record, dict):
        raise BadInput("not a record", file=path, position=position, fix='write {"probs": [...], "label": 1}')
    return record


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """{"scores": {"ham": 0.2}} as {"scores.ham": 0.2}"""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= {f"{name}.{inner}": x for inner, x in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _json(path: str) -> Rows:
    """A document as `DataFrame.to_json` or `json.dump` writes it: records, or columns."""
    with _stream(path) as stream:
        text = stream.read(WHOLE + 1)
        if len(text) > WHOLE:
            raise BadInput(
                f"more than {WHOLE >> 20} MB of JSON", file=path, fix="write one record on each line (.jsonl)"
            )
        try:
            document = json.loads(text)
        except ValueError:
            return _json_lines(path)
    if isinstance(document, dict):
        columns = {k: list(v.values()) if isinstance(v, dict) else v for k, v in document.items()}
        arrays = {k: v for k, v in columns.items() if isinstance(v, list)}
        if len({len(v) for v in arrays.values()}) > 1 or not arrays:
            raise BadInput("no columns of one length", file=path, fix='write {"probs": [[...]], "labels": [...]}')
        document = [dict(zip(arrays, row, strict=True)) for row in zip(*arrays.values(), strict=True)]
    if not isinstance(document, list) or not all(isinstance(record, dict) for record in document):
        raise BadInput("no records and no columns", file=path, fix='write [{"probs": [...], "label": 1}, ...]')
    return _of_records(path, lambda: map(_flat, document))


def _excel(path: str) -> Rows:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtra("openpyxl", "excel", "reading an .xlsx file") from None
    with refusing(path), zipfile.ZipFile(path) as archive:
        refuse_bomb(path, sum(member.file_size for member in archive.infolist()), os.path.getsize(path))

    def records() -> Iterator[dict[str, Any]]:
        with refusing(path), open(path, "rb") as stream:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
            rows = book.worksheets[0].iter_rows(values_only=True)
            header = ["" if cell is None else str(cell) for cell in next(rows, ())]
            refuse_duplicates(path, header)
            yield from (dict(zip(header, row, strict=True)) for row in rows if any(x is not None for x in row))

    return _of_records(path, records)


def _of_records(path: str, records: Callable[[], Iterable[dict[str, Any]]]) -> Rows:
    import pyarrow as pa

    with refusing(path):
        first = list(islice(records(), RECORDS))
    names = tuple(dict.fromkeys(name for record in first for name in record))
    _refuse_columns(path, names)
    if len(names) * len(first) > max(SPARSE, 100 * sum(map(len, first))):
        raise BadInput(f"{len(names):,} names in {len(first):,} records that share few of them", file=path,
                       fix="give every record the same names")  # fmt: skip

    def batches(wanted: Sequence[str]) -> Iterator[Any]:
        with refusing(path):
            stream = iter(records())
            while chunk := list(islice(stream, RECORDS)):
                columns = [_array([record.get(name) for record in chunk]) for name in wanted]
                yield pa.RecordBatch.from_arrays(columns, names=list(wanted))

    return Rows(names, batches)


def _array(values: list[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # of several types, which Python's own words tell apart
        return pa.array([None if value is None else str(value) for value in values])


def _refuse_columns(path: str, names: Sequence[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise BadInput(f"{len(names):,} columns", file=path, fix=f"at most {MOST_COLUMNS:,} are read; save an .npz")
    if (longest := max(map(len, names), default=0)) > MOST_LETTERS:
        raise BadInput(f"a column whose name has {longest:,} letters", file=path, fix=f"at most {MOST_LETTERS:,}")


def refuse_duplicates(path: str, names: Sequence[str]) -> None:
    twice, times = max(Counter(names).items(), key=lambda item: item[1], default=("", 0))
    if times > 1:
        raise BadInput(f"the header has {twice!r} twice", file=path, fix="give every column a name of its own")


SOURCES: dict[str, Callable[[str], Rows]] = {
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".xlsx": _excel,
}
