"""The constant predictions at which mean losses are least, of NumPy arrays of targets: the minimisers of records."""

from collections.abc import Callable

import numpy as np

from lossary.core.arrays import Array
from lossary.core.elementary import xlogx

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


def shares(target: np.ndarray, weight: np.ndarray | None = None, label_smoothing: float = 0.0) -> np.ndarray:
    """Of the classes, among class indices or rows of probabilities: smoothed, and weighted, as cross_entropy does."""
    of_indices = np.issubdtype(target.dtype, np.integer)
    share = np.bincount(target.ravel()) / target.size if of_indices else np.mean(target, axis=0)
    share = (1 - label_smoothing) * share + label_smoothing / share.size
    weighted = share if weight is None else weight * share
    return weighted / np.sum(weighted)


def log_shares(target: np.ndarray, weight: np.ndarray | None = None, label_smoothing: float = 0.0) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(shares(target, weight, label_smoothing))


def log_focal(share: np.ndarray, gamma: float) -> np.ndarray:
    """The logarithms of the probabilities p at which Σ -share (1 - p)^gamma log p is least.

    There p is in proportion to share · f(p), with the f of the gradient. The steps towards it are damped, since f falls
    by up to gamma in its logarithm where the log-odds of p rise by 1.
    """
    p = share
    for _ in range(BISECTIONS):
        rest = np.maximum(1 - p, np.finfo(float).eps)
        pull = rest**gamma - gamma * rest ** (gamma - 1) * xlogx(p)
        p = p ** (gamma / (1 + gamma)) * (share * pull) ** (1 / (1 + gamma))
        p = p / np.sum(p)
    with np.errstate(divide="ignore"):
        return np.log(p)


def steps(pairs: np.ndarray, margin: float) -> np.ndarray:
    """The scores x at which Σ pairs[c, j] max(0, margin - x_c + x_j) is least, as a linear program."""
    from scipy.optimize import linprog

    ahead, behind = np.nonzero(pairs)
    one_hot, lacks = np.eye(len(pairs)), np.eye(len(ahead))
    found = linprog(
        np.concatenate([np.zeros(len(pairs)), pairs[ahead, behind]]),
        np.hstack([one_hot[behind] - one_hot[ahead], -lacks]),
        np.full(len(ahead), -margin),
        bounds=[(None, None)] * len(pairs) + [(0, None)] * len(ahead),
    )
    return found.x[: len(pairs)]
