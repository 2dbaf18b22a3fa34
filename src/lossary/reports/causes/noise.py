"""Labels of which some were drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np

from lossary.reports.temperature import log_softmax


@dataclass(frozen=True)
class Noise:
    """share: of the labels that were drawn at random, ε. temperature: of the predictions beside them, T."""

    share: float
    temperature: float


def likeliest(log_probs: np.ndarray, label: np.ndarray) -> Noise:
    """The share and the temperature with which (1 - ε) softmax(z / T) + ε / C fits best."""
    from scipy.optimize import minimize

    z, each, classes = log_probs, np.arange(label.size), log_probs.shape[1]

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        """Of the logarithm of 1/T and the log-odds of ε, with its slopes."""
        beta, share = exp(point[0]), 1 / (1 + exp(-point[1]))
        q = np.exp(log_softmax(beta * z))
        p = q[each, label]
        mixed = (1 - share) * p + share / classes
        by_beta = (1 - share) * p * (z[each, label] - np.sum(q * z, axis=1)) / mixed
        by_share = (1 / classes - p) / mixed
        slopes = -beta * by_beta.mean(), -share * (1 - share) * by_share.mean()
        return float(-np.log(mixed).mean()), np.array(slopes)

    best = minimize(loss, (0.0, -3.0), jac=True, method="L-BFGS-B", bounds=((-4, 4), (-14, 0)))
    return Noise(1 / (1 + exp(-best.x[1])), exp(-best.x[0]))
