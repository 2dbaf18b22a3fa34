"""A column of a table: what its cells hold, and the cells as numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lossary.reports.bad_input import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

MOST_VALUES = 2000  # different ones of a column that are remembered
NUMBER = r"(?i)^[+-]?(\d+\.?\d*(e[+-]?\d+)?|\.\d+(e[+-]?\d+)?|inf(inity)?)$"
WHOLE = r"^[+-]?\d{1,18}$"
MISSING = ("", "nan", "na", "n/a", "null", "none", "<na>", "#n/a")

Kind = Literal["number", "whole", "bool", "text", "list", "other"]


@dataclass
class Column:
    """What a pass over the rows shows of a column."""

    file: str
    name: str
    kind: Kind = "other"
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.float64))
    width: int | None = None
    comma: bool = False
    missing: int = 0
    rows: int = 0
    numbers: int = 0
    whole: int = 0
    with_comma: int = 0
    lists: int = 0
    values: set[str] | None = field(default_factory=set)

    def see(self, array: pa.Array) -> None:
        import pyarrow as pa

        pc = _compute()

        self.rows += len(array)
        self.missing += array.null_count
        kind = array.type
        if _is_text(kind):
            self._see_text(array)
        elif _is_list(kind) and not _is_number(kind.value_type):
            self.values = None
        elif _is_list(kind):
            self.kind = "list"
            if self.width is None and len(array) > array.null_count:
                self.width = pc.list_value_length(array.drop_null())[0].as_py()
        elif pa.types.is_boolean(kind):
            self.kind, self.dtype = "bool", np.dtype(bool)
            self._remember(array)
        elif pa.types.is_integer(kind) and self.kind in ("other", "whole"):
            self.kind, self.dtype = "whole", np.dtype(str(kind))
            self._remember(array)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            half = pa.types.is_float16(kind) or pa.types.is_float32(kind)
            self.kind, self.dtype = "number", np.dtype({"halffloat": "f2", "float": "f4"}[str(kind)] if half else "f8")
            self.values = None
        elif pa.types.is_null(kind):
            pass
        else:
            self.values = None

    def _see_text(self, cells: pa.Array) -> None:
        pc = _compute()

        def count(mask: Any) -> int:
            return pc.sum(mask).as_py() or 0

        self.kind = "text"
        if (numbers := _cast(cells, "float64")) is not None:
            self.missing += count(pc.is_nan(numbers))
            self.numbers += len(cells) - count(pc.is_nan(numbers))
            if self.whole + len(cells) == self.rows and _cast(cells, "int64") is not None:
                self.whole += len(cells)
        else:
            cells = pc.ascii_trim_whitespace(cells)
            self.missing += count(pc.is_in(pc.utf8_lower(cells), value_set=_missing()))
            self.numbers += (found := count(pc.match_substring_regex(cells, NUMBER)))
            self.with_comma += count(pc.match_substring_regex(pc.replace_substring(cells, ",", "."), NUMBER)) - found
            self.whole += count(pc.match_substring_regex(cells, WHOLE))
            self.lists += count(pc.match_substring_regex(cells, r"(?s)^\W*(array|tensor)?\W*\[.*\]"))
            if self.width is None and self.lists:
                first = next(cell for cell in cells.to_pylist() if cell and "[" in cell)
                self.width = len(_numbers_of(first))
        self._remember(cells)

    def _remember(self, array: pa.Array) -> None:
        pc = _compute()

        if self.values is not None:
            self.values |= {str(value) for value in pc.unique(array).to_pylist() if value is not None}
            if len(self.values) > MOST_VALUES:
                self.values = None

    def decide(self) -> None:
        """Text that is numbers, or lists of them, is taken as that; a few cells that are not, are refused when read."""
        if self.kind == "text":
            present = self.rows - self.missing
            if present and self.lists > present / 2:
                self.kind = "list"
            elif self.numbers + self.with_comma > present / 2 or not present:
                self.comma = self.with_comma > self.numbers or (self.with_comma > 0 and self.numbers == self.whole)
                self.kind = "whole" if self.whole == present and not self.comma else "number"
                self.dtype = np.dtype(np.int64 if self.kind == "whole" else np.float64)
            else:
                self.dtype = np.dtype(str)
        if self.kind == "whole" and self.missing:
            self.kind, self.dtype = "number", np.dtype(np.float64)
        if self.kind == "bool" and self.missing:
            self.kind, self.dtype = "text", np.dtype(str)
        if self.kind == "number":
            self.values = None

    def block(self, array: pa.Array, start: int) -> np.ndarray:
        """Cells as NumPy has them; `start` is the row of the first."""
        pc = _compute()

        array = decoded(array)
        if self.kind == "list":
            return self._lists(array, start)
        if self.kind == "text":
            cells = pc.fill_null(pc.cast(array, "string"), "")
            return np.array(pc.ascii_trim_whitespace(cells).to_pylist(), dtype=str)
        if _is_text(array.type):
            array = self._parsed(array, start)
        if self.kind == "other":
            raise BadInput(f"a column of {array.type}, not of numbers", file=self.file, key=self.name,
                           fix="name another column")  # fmt: skip
        if array.null_count:
            array = pc.cast(array, "float64")
        return array.to_numpy(zero_copy_only=False).astype(self.dtype, copy=False)

    def _parsed(self, array: pa.Array, start: int) -> pa.Array:
        """Numbers of cells; null where there is none."""
        import pyarrow as pa

        pc = _compute()

        kind = "int64" if self.kind == "whole" else "float64"
        if not self.comma and (numbers := _cast(array, kind)) is not None:
            return numbers
        cells = pc.fill_null(pc.ascii_trim_whitespace(array), "")
        if self.comma:
            cells = pc.replace_substring(cells, ",", ".")
        good = pc.match_substring_regex(cells, NUMBER)
        bad = pc.invert(pc.or_(good, pc.is_in(pc.utf8_lower(cells), value_set=_missing())))
        if (place := pc.index(bad, True).as_py()) >= 0:
            raise BadInput(
                f"{cells[place].as_py()[:40]!r} is not a number",
                file=self.file,
                key=self.name,
                position=f"row {start + place} after the header, counted from 0",
                fix="write a number in every row",
            )
        cells = pc.utf8_ltrim(cells, "+")
        return pc.cast(pc.if_else(good, cells, pa.scalar(None, cells.type)), kind)

    def _lists(self, array: pa.Array, start: int) -> np.ndarray:
        pc = _compute()

        if _is_text(array.type):
            lists = [_numbers_of(cell or "") for cell in array.to_pylist()]
            lengths = np.array([len(cells) for cells in lists])
        else:
            if array.null_count:
                row = start + pc.index(array.is_null(), True).as_py()
                raise BadInput("no value", file=self.file, key=self.name, position=f"row {row}", fix="drop the row")
            lists, lengths = [], pc.list_value_length(array).to_numpy(zero_copy_only=False)
        if np.any(wrong := lengths != self.width):
            row = int(np.argmax(wrong))
            raise BadInput(
                f"a list of {lengths[row]} values where the first row has {self.width}",
                file=self.file,
                key=self.name,
                position=f"row {start + row}",
                fix="give every row as many values as there are classes",
            )
        if _is_text(array.type):
            return np.array(lists, dtype=np.float64).reshape(len(lists), self.width or 0)
        return array.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.width or 0)


def _compute() -> Any:
    import pyarrow.compute

    return pyarrow.compute


def _cast(cells: pa.Array, kind: str) -> pa.Array | None:
    """The numbers of cells; None where one of them is none."""
    try:
        return _compute().cast(cells, kind)
    except ValueError:
        return None


def decoded(array: pa.Array) -> pa.Array:
    """Without a dictionary; of a vector of Spark, its values."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_struct(array.type) and array.type.get_field_index("values") >= 0:
        return array.field("values")
    return array


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    return any(is_it(kind) for is_it in numbers)


def _missing() -> pa.Array:
    import pyarrow as pa

    return pa.array(MISSING)


def _numbers_of(cell: str) -> list[float]:
    """The numbers of "[0.1, 0.9]", as Python, NumPy or torch prints them."""
    if "..." in cell:
        raise ValueError("cells are shortened with '...'; write them with tolist()")
    inner = cell[cell.find("[") + 1 : cell.rfind("]")]
    return [float(number) for number in inner.replace(",", " ").replace("[", " ").replace("]", " ").split()]
