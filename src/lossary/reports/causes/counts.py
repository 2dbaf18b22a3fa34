"""Targets that are counts: Poisson or negative binomial, and no noise of real values."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from lossary.reports.accumulate import NORMAL_95
from lossary.translations import say

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
        if self._more_spread:
            return say(
                "The targets are counts, more spread than Poisson counts: negative binomial (dispersion (variance / "
                "mean) {x:.2f} ± {error:.2f}).",
                x=self.dispersion,
                error=self.error,
            )
        return say(
            "The targets are counts: Poisson (dispersion (variance / mean) {x:.2f} ± {error:.2f}).",
            x=self.dispersion,
            error=self.error,
        )

    @property
    def fix(self) -> str:
        if self._more_spread:
            return say(
                "a negative binomial likelihood, on the logarithm of the rate, rather than a loss of real values"
            )
        return say("poisson_nll_loss, on the logarithm of the rate, rather than a loss of real values")

    @property
    def _more_spread(self) -> bool:
        return self.dispersion - self.error > 1


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
