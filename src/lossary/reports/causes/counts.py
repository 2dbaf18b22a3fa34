"""Targets that are counts: Poisson or negative binomial, and no noise of real values."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from lossary.reports.accumulate import NORMAL_95

LARGEST_MEAN = 100.0
FEWEST = 100


@dataclass(frozen=True)
class Counts:
    """The dispersion mean((y - m)² / m), which is 1 of Poisson counts, and its 95 % interval."""

    dispersion: float
    error: float
    mean: float

    @property
    def text(self) -> str:
        shown = f"dispersion (variance / mean) {self.dispersion:.2f} ± {self.error:.2f}"
        if self.dispersion - self.error > 1:
            return f"The targets are counts, more spread than Poisson counts: negative binomial ({shown})."
        return f"The targets are counts: Poisson ({shown})."

    @property
    def fix(self) -> str:
        loss = "poisson_nll_loss" if self.dispersion - self.error <= 1 else "a negative binomial likelihood"
        return f"{loss}, on the logarithm of the rate, rather than a loss of real values"


def counts(x: np.ndarray, y: np.ndarray, correlated: bool) -> Counts | None:
    """Whether targets are counts of few, whose variance is about the mean or above."""
    if y.size < FEWEST or y.min() < 0 or np.any(y != np.rint(y)) or y.max() < 2:
        return None
    mean = float(y.mean())
    whole = bool(np.all(x == np.rint(x)))
    if mean > LARGEST_MEAN or whole or np.unique(y).size > max(50, y.size / 5):
        return None
    rate = np.maximum(x, mean / 100) if correlated and x.min() >= 0 else np.full_like(x, mean)
    rate = rate * mean / rate.mean()
    terms = (y - rate) ** 2 / rate
    dispersion, error = float(terms.mean()), NORMAL_95 * float(terms.std()) / sqrt(y.size)
    if dispersion + 3 * error < 0.8:
        return None
    return Counts(dispersion, error, mean)
