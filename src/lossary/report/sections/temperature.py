"""The temperature that minimises the negative log-likelihood (Guo et al. 2017, temperature scaling)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LIMIT = 1e3  # a temperature beyond [1/LIMIT, LIMIT] means that the loss has no minimum


class Fit(NamedTuple):
    temperature: float
    nll_before: float
    nll_after: float
    rows: int

    @property
    def exists(self) -> bool:
        return 1 / LIMIT < self.temperature < LIMIT


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def nll(logits: np.ndarray, label: np.ndarray, beta: float) -> float:
    """Mean of -log softmax(beta * logits)[label]."""
    return float(-log_softmax(beta * logits)[np.arange(len(label)), label].mean())


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> Fit:
    """Newton's method on beta = 1/T.

    With q = softmax(beta z), the loss has slope mean(E_q z - z_y) and curvature mean(Var_q z).
    """
    possible = np.isfinite(logits[np.arange(len(label)), label])
    logits, label = logits[possible], label[possible]
    if not label.size:
        return Fit(np.nan, np.nan, np.nan, 0)
    z = np.where(np.isfinite(logits), logits, 0.0)  # a class ruled out by -inf has q = 0
    z_label = z[np.arange(len(label)), label]
    beta = 1.0
    for _ in range(100):
        q = np.exp(log_softmax(beta * logits))
        mean = np.sum(q * z, axis=1)
        slope = float(np.mean(mean - z_label))
        curvature = float(np.mean(np.sum(q * z**2, axis=1) - mean**2))
        newton = beta - slope / curvature if curvature > 0 else beta
        previous, beta = beta, float(np.clip(newton, beta / 2, 2 * beta))
        if abs(beta - previous) <= 1e-12 * beta or not 1 / LIMIT < beta < LIMIT:
            break
    before = nll(logits, label, 1.0)
    return Fit(1 / beta, before, min(before, nll(logits, label, beta)), len(label))
