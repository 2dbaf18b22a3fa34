"""Noise models of residuals: the densities whose negative log-likelihoods are MSE, L1 and Huber."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, exp, log, pi, sqrt

import numpy as np

from lossary.translations import deferred

HUBER_K = 1.345  # 95 % efficiency on Gaussian data (Huber 1981)


@dataclass(frozen=True)
class Fit:
    """A fitted density; `log_likelihood` holds its logarithm at each residual."""

    name: str
    loss: str
    location: float
    scale: float
    log_density: Callable[[np.ndarray], np.ndarray]
    log_likelihood: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.log_likelihood.mean())


def fit_all(residual: np.ndarray) -> list[Fit]:
    """The models that can be fitted, the likeliest first."""
    fits = [fit(residual) for fit in (gaussian, laplace, huber)]
    return sorted((fit for fit in fits if fit is not None), key=lambda fit: -fit.mean)


def gaussian(residual: np.ndarray) -> Fit | None:
    """-log p = (r - m)² / 2s² + log(s sqrt(2 pi))"""
    m, s = float(residual.mean()), float(residual.std())
    return _fit(deferred("Gaussian"), "mse_loss", residual, m, s, lambda u: u**2 / 2, log(sqrt(2 * pi)))


def laplace(residual: np.ndarray) -> Fit | None:
    """-log p = |r - m| / s + log(2s)"""
    m = float(np.median(residual))
    s = float(np.abs(residual - m).mean())
    return _fit(deferred("Laplace"), "l1_loss", residual, m, s, np.abs, log(2))


def huber(residual: np.ndarray, k: float = HUBER_K) -> Fit | None:
    """-log p = rho((r - m) / s) + log(s Z), rho(u) = u²/2 up to k, then k|u| - k²/2.

    The likelihood is stationary where m is the mean weighted by w = min(1, k/|u|) and s² = mean(w (r - m)²).
    """
    m = float(np.median(residual))
    s = 1.4826 * float(np.median(np.abs(residual - m))) or float(residual.std())
    for _ in range(200):
        if s == 0:
            return None
        w = np.minimum(1, k / np.maximum(np.abs(residual - m) / s, 1e-300))
        previous, m = s, float(np.sum(w * residual) / np.sum(w))
        s = sqrt(float(np.mean(w * (residual - m) ** 2)))
        if abs(s - previous) <= 1e-10 * s:
            break
    normaliser = sqrt(2 * pi) * erf(k / sqrt(2)) + 2 / k * exp(-(k**2) / 2)
    return _fit(deferred("Huber"), "huber_loss", residual, m, s, lambda u: _huber_rho(u, k), log(normaliser))


def _huber_rho(u: np.ndarray, k: float) -> np.ndarray:
    size = np.abs(u)
    return np.where(size <= k, u**2 / 2, k * size - k**2 / 2)


def _fit(
    name: str,
    loss: str,
    residual: np.ndarray,
    location: float,
    scale: float,
    rho: Callable[[np.ndarray], np.ndarray],
    log_normaliser: float,
) -> Fit | None:
    if scale == 0:
        return None

    def log_density(r: np.ndarray) -> np.ndarray:
        return -rho((r - location) / scale) - log(scale) - log_normaliser

    return Fit(name, loss, location, scale, log_density, log_density(residual))


def preference(one: Fit, other: Fit) -> float:
    """Vuong's z (1989): how many standard errors `one` is ahead of `other` in log-likelihood."""
    difference = one.log_likelihood - other.log_likelihood
    deviation = float(difference.std())
    return sqrt(difference.size) * float(difference.mean()) / deviation if deviation else 0.0
