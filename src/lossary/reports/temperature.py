"""The temperature that minimises the negative log-likelihood (Guo et al. 2017, temperature scaling)."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from typing import NamedTuple

import numpy as np

from lossary.reports.frame import BLOCK


class Fit(NamedTuple):
    """The loss without and with the temperature, in nats. A temperature of 0 or infinity: the loss has no minimum."""

    temperature: float
    nll_before: float
    nll_after: float
    rows: int

    @property
    def exists(self) -> bool:
        return 0 < self.temperature < inf


def log_softmax(logits: np.ndarray) -> np.ndarray:
    answer = np.empty_like(logits)
    for part in _parts(logits):
        answer[part] = _log_softmax(logits[part])
    return answer


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _parts(rows: np.ndarray) -> Iterator[slice]:
    """Of so many rows that what is computed of them stays in a core's cache."""
    step = max(1, BLOCK // max(1, rows.shape[1]))
    return (slice(start, start + step) for start in range(0, len(rows), step))


def nll(logits: np.ndarray, label: np.ndarray, beta: float) -> float:
    """Mean of -log softmax(beta * logits)[label]."""
    losses = np.empty(len(label))
    for part in _parts(logits):
        of_label = np.take_along_axis(_log_softmax(beta * logits[part]), label[part, None], axis=1)
        losses[part] = -of_label[:, 0]
    return float(losses.mean())


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> Fit:
    """Newton's method on beta = 1/T.

    With q = softmax(beta z), the loss has slope mean(E_q z - z_y) and curvature mean(Var_q z). It is convex: no minimum
    if it still falls at beta = 0, or if every label has the largest logit and it falls for ever.
    """
    possible = np.isfinite(logits[np.arange(len(label)), label])
    logits, label = logits[possible], label[possible]
    if not label.size:
        return Fit(nan, nan, nan, 0)
    before = nll(logits, label, 1.0)
    z = np.where(np.isfinite(logits), logits, 0.0)  # a class ruled out by -inf has q = 0
    z_label = z[np.arange(len(label)), label]
    classes = np.isfinite(logits).sum(axis=1)
    if np.mean(z.sum(axis=1) / classes - z_label) >= 0:
        return Fit(inf, before, float(np.mean(np.log(classes))), len(label))
    largest = logits == logits.max(axis=1, keepdims=True)
    if np.all(largest[np.arange(len(label)), label]):
        return Fit(0.0, before, float(np.mean(np.log(largest.sum(axis=1)))), len(label))
    beta = 1.0
    for _ in range(100):
        mean, variance = np.empty(len(label)), np.empty(len(label))
        for part in _parts(logits):
            q = np.exp(_log_softmax(beta * logits[part]))
            mean[part] = np.sum(q * z[part], axis=1)
            variance[part] = np.sum(q * z[part] ** 2, axis=1) - mean[part] ** 2
        slope, curvature = float(np.mean(mean - z_label)), float(np.mean(variance))
        newton = beta - slope / curvature if curvature > 0 else beta
        previous, beta = beta, float(np.clip(newton, beta / 2, 2 * beta))
        if abs(beta - previous) <= 1e-12 * beta:
            break
    return Fit(1 / beta, before, min(before, nll(logits, label, beta)), len(label))
