"""What rules measure of rows of numbers."""

import numpy as np

ONE_ROW = 30.0
"""Nats by which a score counts below the highest of its row at the most: no row decides alone."""
FEW = 8
"""Rows below which two numbers may sum to 1 by chance."""


def finite(rows: np.ndarray) -> np.ndarray:
    """The rows without NaN and infinities."""
    return rows[np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))]


def tolerance(rows: int) -> float:
    """How far a sum may be from 1: half precision and printed decimals are off by a percent."""
    return 0.01 if rows >= FEW else 1e-4


def sum_errors(rows: np.ndarray) -> np.ndarray:
    """How far each row is from summing to 1."""
    return np.abs(rows.sum(axis=-1) - 1)


def are_distributions(rows: np.ndarray) -> bool:
    """Whether every row holds probabilities that sum to 1."""
    if rows.size == 0 or rows.shape[-1] < 2 or rows.min() < 0 or rows.max() > 1.001:
        return False
    return bool(sum_errors(rows).max() <= tolerance(len(rows)))


def logsumexp(rows: np.ndarray) -> np.ndarray:
    """log Σ exp of each row; -inf of a row of -inf."""
    highest = rows.max(axis=-1)
    shift = np.where(np.isfinite(highest), highest, 0.0)
    return np.log(np.exp(rows - shift[..., None]).sum(axis=-1)) + shift


def log_softmax(rows: np.ndarray) -> np.ndarray:
    return rows - logsumexp(rows)[..., None]


def are_whole(x: np.ndarray) -> bool:
    return bool(np.all(x == np.rint(x)))


def association(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """What each row's own score adds beyond a score of its row and a class of other rows, and the variance of the sum
    of these where labels are shuffled (Hoeffding 1951): how much better rows of scores (R, C) fit their own labels."""
    share = np.bincount(labels, minlength=scores.shape[1]) / labels.size
    centred = np.maximum(scores, scores.max(axis=1, keepdims=True) - ONE_ROW)
    centred = centred - (centred @ share)[:, None]
    centred -= centred.mean(axis=0)
    variance = float(np.sum(centred**2 @ share)) * labels.size / max(1, labels.size - 1)
    return centred[np.arange(labels.size), labels], variance
