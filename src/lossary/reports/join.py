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
    left, right = (text_of(ids.whole()) for ids in (of_predictions, of_targets))
    if left.dtype.kind != right.dtype.kind:
        left, right = left.astype(str), right.astype(str)
    if np.array_equal(left, right):
        return _remarked(targets, say("ids {key!r} agree", key=of_targets.label))
    for ids, values in ((of_predictions, left), (of_targets, right)):
        _refuse_repeats(ids, values)
    order = np.argsort(right, kind="stable")
    place = np.minimum(np.searchsorted(right[order], left), max(0, right.size - 1))
    unknown = right[order][place] != left if right.size else np.ones(left.shape, bool)
    if unknown.any():
        row = int(np.argmax(unknown))
        raise of_predictions.error(
            f"{unknown.sum():,} of {left.size:,} ids have no target in {targets.file}, {str(left[row])[:40]!r} first",
            position=f"row {row}",
            fix="save predictions and targets of the same samples",
        )
    if prod(targets.shape) > MOST:
        raise targets.error("too large to be sorted by its ids", fix="sort both files by id")
    rest = right.size - left.size
    said = say("rows joined by {key!r}", key=of_targets.label)
    if rest:
        said = say("rows joined by {key!r}, {n:,} of them without a prediction", key=of_targets.label, n=rest)
    chosen = order[place]

    def read(rows: int) -> Iterator[np.ndarray]:
        whole = targets.whole()[chosen]
        yield from (whole[start : start + rows] for start in range(0, len(whole), rows))

    return replace(_remarked(targets, said), shape=(left.size, *targets.shape[1:]), read=read)


def _refuse_repeats(ids: Stored, values: np.ndarray) -> None:
    found, first, counts = np.unique(values, return_index=True, return_counts=True)
    if (counts > 1).any():
        at = int(np.argmax(counts > 1))
        raise ids.error(f"the id {str(found[at])[:40]!r} is there {counts[at]:,} times", position=f"row {first[at]}",
                        fix="give every sample an id of its own")  # fmt: skip


def _remarked(array: Stored, said: str) -> Stored:
    return replace(array, remark=join("; ", [array.remark, said]))
