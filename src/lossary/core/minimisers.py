"""The constant predictions at which mean losses are least, of NumPy arrays of targets: the minimisers of records."""

from collections.abc import Callable

import numpy as np

from lossary.core.arrays import Array

BISECTIONS = 200
LARGEST_LOGIT = 40.0
"""Of it the sigmoid differs from 1 by 4e-18."""


def mean(target: np.ndarray, **options: float) -> float:
    return float(np.mean(target))


def median(target: np.ndarray, **options: float) -> float:
    return float(np.median(target))


def quantile(target: np.ndarray, level: float | tuple[float, ...]) -> np.ndarray:
    """The least target that as large a share of the targets does not exceed; of several levels, each."""
    return np.quantile(target, level, method="inverted_cdf")


def huber(target: np.ndarray, width: float) -> float:
    """Huber's M-estimator: errors count up to the width; 0 is the median's limit."""
    return median(target) if width == 0 else balance(lambda error: np.clip(error, -width, width), target)


def log_mean(target: np.ndarray) -> np.ndarray:
    """Of each column of rows; -inf where it is 0."""
    with np.errstate(divide="ignore"):
        return np.log(np.mean(target, axis=0))


def log_odds(target: np.ndarray, pos_weight: Array | float | None = None) -> float:
    """The logit of the share of positives, each of which counts pos_weight times."""
    positives = target if pos_weight is None else pos_weight * target
    with np.errstate(divide="ignore"):
        return float(np.log(np.sum(positives)) - np.log(np.sum(1 - target)))


def balance(pull: Callable[[np.ndarray], np.ndarray], target: np.ndarray) -> float:
    """Where the pulls of all targets cancel: pull, of the errors, does not fall."""
    return crossing(lambda x: float(np.sum(pull(x - target))), float(np.min(target)), float(np.max(target)))


def crossing(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where a slope turns from negative to positive."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return (low + high) / 2
