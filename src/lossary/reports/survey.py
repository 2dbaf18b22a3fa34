"""One pass over the input that finds out what the arrays can be, and whether every number in them can be used."""

from __future__ import annotations

from math import inf

import numpy as np

from lossary.reports.formats.stored import Stored
from lossary.reports.frame import LARGEST, Frame

ROUNDING = 0.01  # how far a row of probabilities may be from summing to 1: half precision, or two printed decimals
PADDING = -100.0  # what Trainer.predict fills the logits of shorter sequences with


class Survey:
    """What is true of all rows that are not ignored; each property holds until its first exception."""

    def __init__(self, frame: Frame, predictions: Stored, targets: Stored, ignore_index: int | None) -> None:
        self.frame, self.predictions, self.targets, self.ignore_index = frame, predictions, targets, ignore_index
        self.rows = self.ignored = self.unusable = self.unusable_rows = 0
        self.lowest, self.highest = inf, -inf
        self.first_places: dict[str, tuple[int, ...]] = {}
        self.row_sum_error = self.exp_sum_error = 0.0
        self.row_sums_lowest, self.row_sums_highest = inf, -inf
        self.scores_are_whole = self.scores_are_rounded = self.targets_are_rounded = True
        self.padding_rows, self.padding_labels = 0, set[int]()
        self.scores_are_constant, self._first_row = True, None
        self.target_lowest, self.target_highest = inf, -inf
        self.target_row_sum_error = 0.0
        self.targets_are_01 = self.targets_are_signs = self.targets_are_mask = True
        self.counts = np.zeros(0 if frame.elementwise else frame.columns, np.int64)

    def update(self, scores: np.ndarray, targets: np.ndarray) -> None:
        """`scores` and `targets` as the frame lays them out."""
        rows = len(targets)
        counted, usable = self.frame.counted(targets, self.ignore_index), self.frame.usable(scores, targets)
        kept = counted & usable
        self.ignored += int(counted.size - counted.sum())
        if not usable.all():
            lost = counted & ~usable
            self.unusable += int(lost.sum())
            self.unusable_rows += int(lost.reshape(len(lost), -1).any(axis=1).sum())
            self._note("not a number", lost)
        self._check_numbers(scores, kept)
        if not self.frame.elementwise:
            targets = self._class_indices(targets, kept)
            self.counts += np.bincount(targets[kept], minlength=self.frame.columns)
            self._padding(scores, targets, kept)
            if not kept.all():
                scores, targets = scores[kept], targets[kept]
            kept = np.ones(len(targets), bool)
        self.rows += rows
        if kept.any():
            self._scores(scores, kept)
            if self.frame.elementwise:
                self._targets(targets.astype(np.float64), kept)

    def _check_numbers(self, scores: np.ndarray, kept: np.ndarray) -> None:
        """Remember what only some kinds of predictions forbid."""
        rows = kept if self.frame.elementwise else kept[:, None]
        if scores.size and not scores.min() >= -LARGEST:
            excluded = np.asarray(np.isneginf(scores) & rows)
            self._note("-inf", excluded)
            self._note("a row of -inf, every class ruled out", np.all(excluded, axis=1))
        if "a row of zeros" not in self.first_places and not scores[:, 0].all():
            self._note("a row of zeros", np.all((scores == 0) & rows, axis=1))

    def _padding(self, scores: np.ndarray, targets: np.ndarray, kept: np.ndarray) -> None:
        if (suspects := np.flatnonzero(kept & (scores[:, 0] == PADDING))).size:
            filled = suspects[(scores[suspects] == PADDING).all(axis=1)]
            self.padding_rows += filled.size
            self.padding_labels |= {int(label) for label in np.unique(targets[filled])}

    def _note(self, what: str, where: np.ndarray) -> None:
        """Remember the first place of something that only some kinds of predictions forbid."""
        if what not in self.first_places and where.any():
            self.first_places[what] = self._first(where)

    def _first(self, where: np.ndarray) -> tuple[int, ...]:
        row, *column = (int(i) for i in np.argwhere(where)[0])
        return self.rows + row, *column

    def _class_indices(self, targets: np.ndarray, kept: np.ndarray) -> np.ndarray:
        classes = self.frame.columns
        with np.errstate(invalid="ignore"):  # of what is not kept
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
            present, strange = indices[kept], set(indices[outside].tolist())
            hint = f"predictions have {classes} columns; is --pred-key right, is a class missing?"
            if present.min() == 1 and present.max() == classes:
                listed = ",".join(str(k) for k in range(1, min(classes, 6) + 1)) + (",..." if classes > 6 else "")
                hint = f"labels seem to start from 1: subtract 1, or --names {listed}"
            elif classes == 2 and strange == {255} and set(present.tolist()) <= {0, 255}:
                hint = "a mask of 0 and 255: --names 0,255; if 255 marks ignored positions, --ignore-index 255"
            elif len(strange) == 1 and (strange & {255} or min(strange) < 0):
                hint = f"if {min(strange)} marks ignored rows, --ignore-index {min(strange)}"
            raise self.targets.error(
                f"label {indices[row]} is not one of the {classes} classes (0 to {classes - 1})",
                position=self.frame.position(self.rows + row),
                fix=hint,
            )
        return indices

    def _scores(self, scores: np.ndarray, kept: np.ndarray) -> None:
        chosen = scores if kept.all() else scores[kept]
        self.lowest, self.highest = min(self.lowest, chosen.min()), max(self.highest, chosen.max())
        if self.scores_are_whole:
            self.scores_are_whole = bool(np.all(chosen == np.rint(chosen)))
        if self.scores_are_rounded:
            self.scores_are_rounded = _is_rounded(chosen)
        if self.scores_are_constant:
            self._first_row = scores[0] if self._first_row is None else self._first_row
            self.scores_are_constant = bool(np.all(scores == self._first_row))
        with np.errstate(invalid="ignore"):
            sums = scores.sum(axis=1)
        self.row_sum_error = max(self.row_sum_error, float(np.nanmax(np.abs(sums - 1), initial=0)))
        self.row_sums_lowest = min(self.row_sums_lowest, float(np.nanmin(sums, initial=inf)))
        self.row_sums_highest = max(self.row_sums_highest, float(np.nanmax(sums, initial=-inf)))
        if self.exp_sum_error <= ROUNDING:
            with np.errstate(over="ignore"):
                sums = np.exp(scores).sum(axis=1)
            self.exp_sum_error = max(self.exp_sum_error, float(np.abs(sums - 1).max()))

    def _targets(self, targets: np.ndarray, kept: np.ndarray) -> None:
        chosen = targets[kept]
        self.target_lowest = min(self.target_lowest, chosen.min())
        self.target_highest = max(self.target_highest, chosen.max())
        self.targets_are_01 = self.targets_are_01 and bool(np.all((chosen == 0) | (chosen == 1)))
        self.targets_are_mask = self.targets_are_mask and bool(np.all((chosen == 0) | (chosen == 255)))
        self.targets_are_signs = self.targets_are_signs and bool(np.all(np.abs(chosen) == 1))
        self.targets_are_rounded = self.targets_are_rounded and _is_rounded(chosen)
        whole_rows = kept.all(axis=1)
        if self.ignored or not whole_rows.any():
            self.target_row_sum_error = inf
        else:
            error = np.abs(targets[whole_rows].sum(axis=1) - 1).max()
            self.target_row_sum_error = max(self.target_row_sum_error, float(error))

    @property
    def scores_are_shares(self) -> bool:
        """Every score is in [0, 1]."""
        return self.lowest >= 0 and self.highest <= 1 + 1e-6

    @property
    def rows_are_probabilities(self) -> bool:
        enough = self.row_sum_error <= self.rounding(self.scores_are_rounded)
        return self.frame.columns > 1 and self.scores_are_shares and enough

    @property
    def scores_are_percent(self) -> bool:
        """From 0 to 100, and rows of several sum to 100."""
        in_range = self.lowest >= 0 and 1 < self.highest <= 100 + 1e-4
        single = self.frame.columns == 1
        return in_range and (single or (self.row_sums_lowest >= 99 and self.row_sums_highest <= 101))

    def rounding(self, rounded: bool) -> float:
        """How far a row may be from 1: two printed decimals are off by 0.005 each, and seldom all to one side."""
        return max(ROUNDING, min(0.1, 0.005 * self.frame.columns)) if rounded else ROUNDING

    @property
    def rows_are_log_probabilities(self) -> bool:
        return self.frame.columns > 1 and self.highest <= ROUNDING and self.exp_sum_error <= ROUNDING

    @property
    def target_rows_are_probabilities(self) -> bool:
        complete = self.frame.columns > 1 and not self.ignored
        return (
            complete
            and self.targets_are_shares
            and self.target_row_sum_error <= self.rounding(self.targets_are_rounded)
        )

    @property
    def targets_are_shares(self) -> bool:
        return self.target_lowest >= 0 and self.target_highest <= 1 + 1e-6


def _is_rounded(values: np.ndarray) -> bool:
    """Whether all have at most two decimals, as far as half precision can tell."""
    hundredths = values * 100
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(hundredths - np.rint(hundredths)) <= 0.05))
