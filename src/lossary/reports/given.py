"""What `report` is given: files, arrays, arrays by name, or batches; the input that they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from lossary.core.arrays import is_array, is_torch
from lossary.reports.bad_input import BadInput
from lossary.reports.comparison import both
from lossary.reports.formats.batches import spooled
from lossary.reports.formats.files import open_arrays
from lossary.reports.formats.memory import in_memory, index_of
from lossary.reports.formats.record import is_record, open_record
from lossary.reports.formats.stored import Stored
from lossary.reports.formats.table import Table
from lossary.reports.read import Input, input_of, input_of_record, paired

File = str | Path

BOTH = "lossary.report(predictions, targets)"
DEMONSTRATION = files("lossary.reports") / "data" / "digits.npz"


def files_of(predictions: Any, targets: Any) -> list[File]:
    """The files that are given; none where arrays are."""
    if predictions is None and targets is None:
        return [str(DEMONSTRATION)]
    if _is_file(predictions):
        if targets is not None and not _is_file(targets):
            raise BadInput("predictions in a file and targets in memory", fix="load the file, or give two files")
        return [predictions] if targets is None else [predictions, targets]
    if isinstance(predictions, list | tuple) and targets is None and all(map(_is_file, predictions)):
        return list(predictions)
    return []


@contextmanager
def opened(
    predictions: Any,
    targets: Any,
    *,
    prediction_key: str | Sequence[str] | None = None,
    target_key: str | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[Input | tuple[Input, Input]]:
    """The input, which can be read within; two where two sets of predictions are given."""
    keys = [prediction_key] if isinstance(prediction_key, str) else list(prediction_key or ())
    options: dict[str, Any] = {"target_key": target_key, "names": names}
    paths = files_of(predictions, targets)
    if records := [path for path in paths if is_record(path)]:
        yield _of_records(records, paths)
    elif paths:
        arrays, where = open_arrays(paths), tuple(map(str, paths))
        yield both(arrays, where, keys, **options) or _one_or_two(arrays, where, keys, options)
    elif targets is not None:
        _refuse_model(predictions)
        yield _of_arrays(predictions, targets, names)
    elif (named := _named(predictions)) is not None:
        yield _one_or_two(named, (), keys, options)
    else:
        _refuse_alone(predictions)
        with spooled(predictions) as (stored, stored_targets):
            yield paired(stored, stored_targets, names=names)


def _of_records(records: list[File], paths: list[File]) -> Input | tuple[Input, Input]:
    if len(paths) > 2 or len(records) < len(paths):
        raise BadInput("a record beside other files", file=", ".join(map(str, paths)),
                       fix="one record, or two to compare")  # fmt: skip
    found = [input_of_record(open_record(record)) for record in records]
    return (found[0], found[1]) if len(found) == 2 else found[0]


def _one_or_two(
    arrays: list[Stored], files: tuple[str, ...], keys: Sequence[str], options: dict[str, Any]
) -> Input | tuple[Input, Input]:
    """The input of one key of predictions, or of two."""
    if len(keys) > 2:
        raise BadInput(f"{len(keys)} arrays of predictions", file=", ".join(files), fix="--pred-key once or twice")
    found = [input_of(arrays, files, prediction_key=key, **options) for key in keys or [None]]
    return (found[0], found[1]) if len(found) == 2 else found[0]


@contextmanager
def opened_both(
    a: Any,
    b: Any,
    targets: Any,
    *,
    prediction_key: str | Sequence[str] | None = None,
    target_key: str | None = None,
    names: Sequence[str] | None = None,
) -> Iterator[tuple[Input, Input]]:
    """The inputs A and B, which can be read within; each with its targets, or both with the same."""
    keys = [prediction_key] if isinstance(prediction_key, str) else list(prediction_key or [None])
    options: dict[str, Any] = {"target_key": target_key, "names": names}
    if targets is None and _is_file(a) and _is_file(b) and not (is_record(a) or is_record(b)):
        arrays = open_arrays([a, b])
        if (found := both(arrays, (str(a), str(b)), [key for key in keys if key], **options)) is not None:
            yield found
            return
    with (
        opened(a, targets, prediction_key=keys[0], **options) as first,
        opened(b, targets, prediction_key=keys[-1], **options) as second,
    ):
        if isinstance(first, tuple) or isinstance(second, tuple):
            raise BadInput("more than two sets of predictions", fix="compare two at a time")
        yield first, second


def _is_file(given: object) -> TypeGuard[File]:
    return isinstance(given, str | Path)


def _of_arrays(predictions: Any, targets: Any, names: Sequence[str] | None) -> Input:
    for argument, given in (("predictions", predictions), ("targets", targets)):
        if isinstance(given, Iterator):
            fix = "lossary.report(zip(predictions, targets)), or lossary.report(batches) of pairs"
            raise BadInput("an iterator", file=argument, fix=fix)
    stored, stored_targets = in_memory(predictions, "predictions"), in_memory(targets, "targets")
    if stored_targets.columns and set(stored_targets.columns) == set(stored.columns) != set():
        if stored_targets.columns != stored.columns:
            raise stored_targets.error("its columns are in another order", fix="targets[predictions.columns]")
    elif len(stored_targets.shape) == 2 and stored_targets.shape[1] == 1 and stored_targets.is_text:
        stored_targets = in_memory(np.asarray(targets)[:, 0], "targets")
    if stored.columns and stored_targets.is_integer and len(stored_targets.shape) == 1:
        values = np.unique(stored_targets.whole())
        stored_targets = replace(stored_targets, values=tuple(str(value) for value in values))
    ids = index_of(predictions, "predictions"), index_of(targets, "targets")
    if None not in ids:
        return paired(stored, stored_targets, ids=ids, names=names)
    return replace(paired(stored, stored_targets, names=names), ids=ids[0] or ids[1])


def _named(given: Any) -> list[Stored] | None:
    """The arrays of a dict, an open npz or a named tuple, by name; the columns of a data frame."""
    if hasattr(given, "columns") and hasattr(given, "__arrow_c_stream__"):
        return Table.of_frame(given).arrays()
    where = type(given).__name__
    given = given._asdict() if hasattr(given, "_asdict") else given
    if not isinstance(given, Mapping):
        return None
    arrays = [in_memory(x, where, str(key)) for key, x in given.items() if is_array(x) or isinstance(x, list | tuple)]
    if not arrays:
        raise BadInput("holds no arrays", file=where, fix='lossary.report({"logits": logits, "labels": labels})')
    return arrays


def _refuse_model(given: Any) -> None:
    if callable(given) and not is_array(given):
        is_module = hasattr(given, "parameters")
        fix = "model(inputs), with model.eval() and torch.no_grad()" if is_module else "call it"
        what = "a model, not what it predicts" if is_module else "a function, not what it answers"
        raise BadInput(what, file="predictions", fix=fix)
    if hasattr(given, "predict") and not is_array(given):
        raise BadInput("a model, not what it predicts", file="predictions",
                       fix="lossary.report(model.predict_proba(X), y)")  # fmt: skip


def _refuse_alone(given: Any) -> None:
    """What is neither files nor arrays by name nor batches."""
    _refuse_model(given)
    of_rows = isinstance(given, list | tuple) and (not given or not isinstance(given[0], tuple | list))
    if is_torch(given) or is_array(given) or hasattr(given, "to_numpy") or of_rows:
        raise BadInput("there are no targets beside the predictions", file="predictions", fix=BOTH)
    if not isinstance(given, Iterable):
        raise BadInput(
            f"of type {type(given).__name__}, neither arrays nor files nor batches", file="predictions", fix=BOTH
        )
