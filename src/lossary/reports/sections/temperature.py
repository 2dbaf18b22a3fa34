"""The temperature that minimises the negative log-likelihood (Guo et al. 2017, temperature scaling)."""

from __future__ import annotations

from math import inf, nan
from typing import NamedTuple

import numpy as np


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
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def nll(logits: np.ndarray, label: np.ndarray, beta: float) -> float:
    """Mean of -log softmax(beta * logits)[label]."""
    return float(-log_softmax(beta * logits)[np.arange(len(label)), label].mean())


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
        q = np.exp(log_softmax(beta * logits))
        mean = np.sum(q * z, axis=1)
        slope = float(np.mean(mean - z_label))
        curvature = float(np.mean(np.sum(q * z**2, axis=1) - mean**2))
        newton = beta - slope / curvature if curvature > 0 else beta
        previous, beta = beta, float(np.clip(newton, beta / 2, 2 * beta))
        if abs(beta - previous) <= 1e-12 * beta:
            break
    return Fit(1 / beta, before, min(before, nll(logits, label, beta)), len(label))
