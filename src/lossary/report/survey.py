"""One pass over the input that finds out what the arrays can be, and whether every number in them can be used."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import numpy as np

from lossary.report.formats.stored import Stored
from lossary.report.frame import Frame

BLOCK = 2**20  # scores held at a time: 8 MB in float64
ROUNDING = 0.01  # how far a row of probabilities may be from summing to 1: half precision, or two printed decimals
LARGEST = float(np.finfo(np.float32).max)


def blocks(predictions: Stored, targets: Stored) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both arrays side by side, some samples at a time."""
    samples = max(1, BLOCK // max(1, predictions.row_size))
    return zip(predictions.blocks(samples), targets.blocks(samples), strict=True)


class Survey:
    """What is true of all rows that are not ignored; each property holds until its first exception."""

    def __init__(self, frame: Frame, predictions: Stored, targets: Stored, ignore_index: int | None) -> None:
        self.frame, self.predictions, self.targets, self.ignore_index = frame, predictions, targets, ignore_index
        self.rows = self.ignored = 0
        self.lowest, self.highest = inf, -inf
        self.first_places: dict[str, str] = {}
        self.row_sum_error = self.exp_sum_error = 0.0
        self.scores_are_whole = True
        self.scores_are_constant, self._first_row = True, None
        self.target_lowest, self.target_highest = inf, -inf
        self.target_row_sum_error = 0.0
        self.targets_are_01 = self.targets_are_signs = True
        self.counts = np.zeros(0 if frame.elementwise else frame.columns, np.int64)

    def update(self, prediction_block: np.ndarray, target_block: np.ndarray) -> None:
        scores, targets = self.frame.scores(prediction_block), self.frame.targets(target_block)
        kept = self.frame.kept(targets, self.ignore_index)
        self.ignored += int((~kept).sum())
        self._check_numbers(scores, targets, kept)
        if not self.frame.elementwise:
            targets = self._class_indices(targets, kept)
            self.counts += np.bincount(targets[kept], minlength=self.frame.columns)
            scores, kept = scores[kept], kept[kept]
        self.rows += len(targets)
        if kept.any():
            self._scores(scores, kept)
            if self.frame.elementwise:
                self._targets(targets.astype(np.float64), kept)

    def _check_numbers(self, scores: np.ndarray, targets: np.ndarray, kept: np.ndarray) -> None:
        rows = kept if self.frame.elementwise else kept[:, None]
        self._refuse(
            np.isnan(scores) & rows, self.predictions, "NaN", "find out which sample makes the model return NaN"
        )
        fix = "save the logits in a wider type; only -inf (a class ruled out) is understood"
        self._refuse(np.isposinf(scores) & rows, self.predictions, "+inf", fix)
        absurd, fix = "a magnitude that float32 does not hold", "find out where it comes from; is the file damaged?"
        self._refuse((np.abs(scores) > LARGEST) & np.isfinite(scores) & rows, self.predictions, absurd, fix)
        excluded = np.asarray(np.isneginf(scores) & rows)
        self._note("-inf", excluded)
        self._note("a row of -inf, every class ruled out", np.all(excluded, axis=1))
        self._note("a row of zeros", np.all((scores == 0) & rows, axis=1))
        if targets.dtype.kind == "f":
            self._refuse(~np.isfinite(targets) & kept, self.targets, "not finite", "drop the row or give it a target")
            self._refuse((np.abs(targets) > LARGEST) & kept, self.targets, absurd, fix)

    def _refuse(self, wrong: np.ndarray, array: Stored, what: str, fix: str) -> None:
        if wrong.any():
            position = self.frame.position(*self._first(wrong))
            first = "" if wrong.sum() == 1 else ", here for the first time"
            raise array.error(f"{what}{first}", position=position, fix=fix)

    def _note(self, what: str, where: np.ndarray) -> None:
        """Remember the first place of something that only some kinds of predictions forbid."""
        if what not in self.first_places and where.any():
            self.first_places[what] = self.frame.position(*self._first(where))

    def _first(self, where: np.ndarray) -> tuple[int, ...]:
        row, *column = (int(i) for i in np.argwhere(where)[0])
        return self.rows + row, *column

    def _class_indices(self, targets: np.ndarray, kept: np.ndarray) -> np.ndarray:
        classes = self.frame.columns
        indices = targets.astype(np.int64)
        if targets.dtype.kind == "f" and (broken := kept & (indices != targets)).any():
            row = int(np.argmax(broken))
            raise self.targets.error(
                f"{targets[row]:g} is not a class index, and predictions have {classes} columns",
                position=self.frame.position(self.rows + row),
                fix="save class indices, or targets of the predictions' shape",
            )
        outside = kept & ((indices < 0) | (indices >= classes))
        if outside.any():
            row = int(np.argmax(outside))
            present = indices[kept]
            hint = f"if {indices[row]} marks ignored rows, --ignore-index {indices[row]}"
            if present.min() == 1 and present.max() == classes:
                hint = "labels seem to start from 1: subtract 1"
            elif indices[row] >= classes:
                hint = f"predictions have {classes} columns; is --pred-key right, is a class missing?"
            raise self.targets.error(
                f"label {indices[row]} is not one of the {classes} classes (0 to {classes - 1})",
                position=self.frame.position(self.rows + row),
                fix=hint,
            )
        return indices

    def _scores(self, scores: np.ndarray, kept: np.ndarray) -> None:
        chosen = scores[kept]
        self.lowest, self.highest = min(self.lowest, chosen.min()), max(self.highest, chosen.max())
        if self.scores_are_whole:
            self.scores_are_whole = bool(np.all(chosen == np.rint(chosen)))
        if self.scores_are_constant:
            self._first_row = scores[0] if self._first_row is None else self._first_row
            self.scores_are_constant = bool(np.all(scores == self._first_row))
        if self.row_sum_error <= ROUNDING:
            self.row_sum_error = max(self.row_sum_error, float(np.abs(scores.sum(axis=1) - 1).max()))
        if self.exp_sum_error <= ROUNDING:
            with np.errstate(over="ignore"):
                sums = np.exp(scores).sum(axis=1)
            self.exp_sum_error = max(self.exp_sum_error, float(np.abs(sums - 1).max()))

    def _targets(self, targets: np.ndarray, kept: np.ndarray) -> None:
        chosen = targets[kept]
        self.target_lowest = min(self.target_lowest, chosen.min())
        self.target_highest = max(self.target_highest, chosen.max())
        self.targets_are_01 = self.targets_are_01 and bool(np.all((chosen == 0) | (chosen == 1)))
        self.targets_are_signs = self.targets_are_signs and bool(np.all(np.abs(chosen) == 1))
        if self.target_row_sum_error <= ROUNDING:
            error = np.abs(targets.sum(axis=1) - 1).max() if kept.all() else inf
            self.target_row_sum_error = max(self.target_row_sum_error, float(error))

    @property
    def scores_are_shares(self) -> bool:
        """Every score is in [0, 1]."""
        return self.lowest >= 0 and self.highest <= 1 + 1e-6

    @property
    def rows_are_probabilities(self) -> bool:
        return self.frame.columns > 1 and self.scores_are_shares and self.row_sum_error <= ROUNDING

    @property
    def rows_are_log_probabilities(self) -> bool:
        return self.frame.columns > 1 and self.highest <= ROUNDING and self.exp_sum_error <= ROUNDING

    @property
    def target_rows_are_probabilities(self) -> bool:
        in_range = self.target_lowest >= 0 and self.target_highest <= 1 + 1e-6
        complete = self.frame.columns > 1 and not self.ignored
        return complete and in_range and self.target_row_sum_error <= ROUNDING
