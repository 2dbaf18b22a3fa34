"""How an array of predictions and an array of targets lie over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from lossary.reports.formats.stored import Stored

MOST_SCORES = 2**25  # of a sample, which is held in float64: 256 MB
BLOCK = 2**17  # scores held at a time: 1 MB in float64, which stays in a core's cache
NARROW = 64  # columns, up to which they are laid out one after the other: statistics of short rows would be slow
LARGEST = float(np.finfo(np.float32).max)


class Block(NamedTuple):
    """Rows of some samples: the number of the first, how many, and scores and targets as `Frame` lays them out."""

    first: int
    samples: int
    scores: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Frame:
    """Turns a block of samples of each array into rows: one row of `columns` scores for each target row.

    elementwise: the targets have the shape of the predictions (probabilities, 0/1 matrices, real values);
    otherwise each row of scores, along `class_axis`, has one class index. shifted: the scores at a position belong to
    the target of the next.
    """

    columns: int
    elementwise: bool
    class_axis: int
    target_shape: tuple[int, ...]
    ambiguous: bool = False
    shifted: bool = False

    @property
    def is_sequence(self) -> bool:
        """One class index for each position of a sequence."""
        return not self.elementwise and len(self.target_shape) == 2

    @property
    def rows_per_sample(self) -> int:
        return prod(self.target_shape[1:]) // (self.columns if self.elementwise else 1)

    def scores(self, block: np.ndarray) -> np.ndarray:
        """(rows, columns), float64"""
        block = block[:, : self.target_shape[1]] if self.shifted else block
        if self.columns > NARROW:
            return np.moveaxis(block, self.class_axis, -1).reshape(-1, self.columns).astype(np.float64)
        return np.moveaxis(block, self.class_axis, 0).reshape(self.columns, -1).astype(np.float64).T

    def blocks(self, predictions: Stored, targets: Stored) -> Iterator[Block]:
        """Rows of both arrays side by side, some samples at a time."""
        samples = max(1, BLOCK // max(1, predictions.row_size))
        first = 0
        for scores, labels in zip(predictions.blocks(samples), targets.blocks(samples), strict=True):
            yield Block(first, len(scores), self.scores(scores), self.targets(labels))
            first += len(scores)

    def targets(self, block: np.ndarray) -> np.ndarray:
        """(rows,) class indices, or (rows, columns)"""
        block = block[:, 1:] if self.shifted else block
        return block.reshape(-1, self.columns) if self.elementwise else block.reshape(-1)

    def kept(self, scores: np.ndarray, targets: np.ndarray, ignore_index: int | None) -> np.ndarray:
        """Which targets count. A real value that happens to equal `ignore_index` is not ignored."""
        return self.counted(targets, ignore_index) & self.usable(scores, targets)

    def counted(self, targets: np.ndarray, ignore_index: int | None) -> np.ndarray:
        may_be_ignored = targets.dtype.kind in "iub" or not self.elementwise
        return targets != ignore_index if may_be_ignored and ignore_index is not None else np.ones(targets.shape, bool)

    def usable(self, scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Where scores and target are numbers; -inf rules a class out."""
        if scores.size and scores.min() >= -LARGEST and scores.max() <= LARGEST:  # both are NaN where one is
            usable: np.ndarray = np.ones(targets.shape, bool)
        else:
            usable = (np.abs(scores) <= LARGEST) | np.isneginf(scores)
            usable = usable if self.elementwise else np.asarray(usable.all(axis=1))
        return np.logical_and(usable, np.abs(targets) <= LARGEST) if targets.dtype.kind == "f" else usable

    def position(self, row: int, column: int | None = None) -> str:
        index = self.index(row, column)
        return f"row {index[0]}" if len(index) == 1 else f"row {index[0]}, position {index}"

    def index(self, row: int, column: int | None = None) -> tuple[int, ...]:
        """Where in the file's array a row (and column) of the frame is."""
        flat = row * self.columns + (column or 0) if self.elementwise else row
        index = [int(i) for i in np.unravel_index(flat, self.target_shape)]
        if column is not None and not self.elementwise:
            index.insert(self.class_axis if self.class_axis >= 0 else len(index), column)
        return tuple(index)


def frame(predictions: Stored, targets: Stored, shift_labels: bool = False) -> Frame:
    """The frame of two arrays, from their shapes; `BadInput` when they do not fit each other."""
    p, t = predictions.shape, targets.shape
    if not p or not t:
        raise predictions.error("a single number, not an array of samples", fix="save one row per sample")
    if p[0] == 0 or t[0] == 0:
        empty = predictions if p[0] == 0 else targets
        raise empty.error("has no rows", fix="save at least one sample")
    if 0 in (*p, *t):
        empty = predictions if 0 in p else targets
        raise empty.error(f"has no columns: {empty.shape}", fix="save at least one score for each sample")
    if predictions.row_size > MOST_SCORES:
        raise predictions.error(
            f"{predictions.row_size:,} scores for one sample, and at most {MOST_SCORES:,} are read",
            fix="save positions as rows: logits.reshape(-1, classes), labels.reshape(-1)",
        )
    if shift_labels:
        if len(p) != 3 or len(t) != 2 or t[1] < 2 or p[0] != t[0] or p[1] not in (t[1], t[1] - 1):
            raise predictions.error(f"--shift-labels is for predictions (B, L, V) with labels (B, L), not {p} with {t}",
                                    fix="leave it out")  # fmt: skip
        return Frame(p[2], False, -1, (t[0], t[1] - 1), shifted=True)
    if p == t or p == (*t, 1) or (*p, 1) == t:
        return Frame(p[-1] if len(p) > 1 else 1, True, -1, p)
    without_last, without_second = p[:-1], p[:1] + p[2:]
    squeezed = t[:-1] if len(t) > 1 and t[-1] == 1 and len(t) == len(p) else t
    if squeezed == without_last:
        return Frame(p[-1], False, -1, squeezed, ambiguous=len(p) > 2 and squeezed == without_second)
    if squeezed == without_second:
        return Frame(p[1], False, 1, squeezed)
    if len(p) == 3 and len(t) == 2 and p[:2] == (t[0], t[1] - 1):
        raise predictions.error(f"predictions {p} are one position shorter than targets {t}", fix="--shift-labels")
    rows = f"{prod(p[:1]):,} and {prod(t[:1]):,} rows" if p[:1] != t[:1] else "their shapes"
    place = f" (key {targets.key!r} of {targets.file})" if targets.key else ""
    raise predictions.error(
        f"predictions {p} and targets {t}{place} do not fit: {rows} differ",
        fix="save a target for each row of scores: (N, C) with (N,) or (N, C), (B, L, V) with (B, L), or equal shapes",
    )
