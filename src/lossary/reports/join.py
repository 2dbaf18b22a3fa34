"""Rows of two files that belong together by their ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from lossary.reports.formats.stored import Stored, text_of
from lossary.translations import join, say

MOST = 2**27  # numbers that are put in another order: 1 GB in float64


def joined(predictions: Stored, targets: Stored, of_predictions: Stored | None, of_targets: Stored | None) -> Stored:
    """The targets in the order of the predictions, where both have ids in files of their own."""
    if predictions.file == targets.file:
        return targets
    if of_predictions is None or of_targets is None:
        return targets if of_predictions is of_targets else _remarked(targets, say("rows are paired by their position"))
    return ordered(targets, of_predictions, of_targets)


def ordered(array: Stored, wanted: Stored, ids: Stored, lack: str = "have no target") -> Stored:
    """The rows of an array, which have `ids`, in the order that is wanted. lack: what an id does that is not there."""
    chosen = places(wanted, ids, array.file, lack)
    if chosen is None:
        return _remarked(array, say("ids {key!r} agree", key=ids.label))
    if prod(array.shape) > MOST:
        raise array.error("too large to be sorted by its ids", fix="sort both files by id")
    rest = ids.shape[0] - chosen.size
    said = say("rows joined by {key!r}", key=ids.label)
    if rest:
        said = say("rows joined by {key!r}, {n:,} of them without a prediction", key=ids.label, n=rest)

    def read(rows: int) -> Iterator[np.ndarray]:
        whole = array.whole()[chosen]
        yield from (whole[start : start + rows] for start in range(0, len(whole), rows))

    return replace(_remarked(array, said), shape=(chosen.size, *array.shape[1:]), read=read)


def places(wanted: Stored, ids: Stored, file: str, lack: str) -> np.ndarray | None:
    """Where the ids that are wanted are among those of a file; None where they are the same."""
    left, right = (text_of(of.whole()) for of in (wanted, ids))
    if left.dtype.kind != right.dtype.kind:
        left, right = left.astype(str), right.astype(str)
    if np.array_equal(left, right):
        return None
    for of, values in ((wanted, left), (ids, right)):
        _refuse_repeats(of, values)
    order = np.argsort(right, kind="stable")
    place = np.minimum(np.searchsorted(right[order], left), max(0, right.size - 1))
    unknown = right[order][place] != left if right.size else np.ones(left.shape, bool)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise wanted.error(
            f"{unknown.sum():,} of {left.size:,} ids {lack} in {file}, {str(left[row])[:40]!r} first",
            position=f"row {row}",
            fix="save predictions and targets of the same samples",
        )
    return order[place]


def _refuse_repeats(ids: Stored, values: np.ndarray) -> None:
    found, first, counts = np.unique(values, return_index=True, return_counts=True)
    if (counts > 1).any():
        at = int(np.argmax(counts > 1))
        raise ids.error(f"the id {str(found[at])[:40]!r} is there {counts[at]:,} times", position=f"row {first[at]}",
                        fix="give every sample an id of its own")  # fmt: skip


def _remarked(array: Stored, said: str) -> Stored:
    return replace(array, remark=join("; ", [array.remark, said]))
