"""Counts of (target, prediction) pairs."""

from __future__ import annotations

import numpy as np

LARGEST = 1_000  # classes; the counts of more would not be read by anybody and take 8 MB per million pairs


class Confusion:
    """`counts[k, j]`: how often class k was predicted as class j. Not counted for more than 1,000 classes."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counted = 0 < classes <= LARGEST
        self.counts = np.zeros((classes, classes) if self.counted else (0, 0), np.int64)

    def add(self, label: np.ndarray, predicted: np.ndarray) -> None:
        if self.counted:
            np.add.at(self.counts.reshape(-1), label * self.classes + predicted, 1)

    def taken_for(self, label: int) -> int | None:
        """The class that `label` is most often mistaken for."""
        if not self.counted:
            return None
        others = self.counts[label].copy()
        others[label] = 0
        return int(others.argmax()) if others.any() else None
