"""To how many digits probabilities were rounded before they were saved."""

from __future__ import annotations

import numpy as np

MOST = 6  # digits; more than float32 can tell apart
RARE = 1e-3
CLOSE = 0.03  # half precision moves 0.99 by a fortieth of its last digit
FEWEST = 100  # probabilities between 0 and 1, which would not all end after a few digits by chance


class Resolution:
    """Built up chunk by chunk. `digits` is None where the probabilities are not rounded."""

    def __init__(self) -> None:
        self._possible = list(range(1, MOST + 1))
        self.zeros = self.between = 0

    def add(self, probs: np.ndarray) -> None:
        single = probs.ndim == 1
        self.zeros += int(np.count_nonzero(probs == 0)) + (int(np.count_nonzero(probs == 1)) if single else 0)
        self.between += int(np.count_nonzero((probs > 0) & (probs < 1)))
        for digits in list(self._possible):
            scaled = probs * 10**digits
            if np.any(np.abs(scaled - np.rint(scaled)) > CLOSE * np.minimum(1, scaled)):
                self._possible.remove(digits)

    @property
    def digits(self) -> int | None:
        return self._possible[0] if self._possible and self.between >= FEWEST else None

    @property
    def least(self) -> float:
        """The smallest probability that is not rounded to 0; 0 where nothing is rounded."""
        return 0.0 if self.digits is None else 0.5 * 10.0**-self.digits

    def explains(self, zeros_of_targets: int) -> bool:
        """Whether so many targets of probability 0 come from rounding: zeros that stand for `least` at the most."""
        from scipy.stats import poisson

        expected = self.zeros * self.least
        return expected > 0 and float(poisson.sf(zeros_of_targets - 1, expected)) > RARE
