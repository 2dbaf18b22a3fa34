"""The constant predictions at which mean losses are least, of NumPy arrays of targets: the minimisers of records."""

from collections.abc import Callable

import numpy as np

BISECTIONS = 200


def mean(target: np.ndarray, **options: float) -> float:
    return float(np.mean(target))


def median(target: np.ndarray, **options: float) -> float:
    return float(np.median(target))


def balance(pull: Callable[[np.ndarray], np.ndarray], target: np.ndarray) -> float:
    """Where the pulls of all targets cancel: pull, of the errors, does not fall."""
    low, high = float(np.min(target)), float(np.max(target))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if np.sum(pull(middle - target)) > 0 else (middle, high)
    return (low + high) / 2
