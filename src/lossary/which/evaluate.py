"""The small calls that hold the claims of the table: values, slopes and minimisers of losses, on NumPy.

>>> evaluate("best(mse_loss, [0, 0, 0, 10])")
2.5
"""

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

import lossary

GOLDEN = (5**0.5 - 1) / 2
STEP = 1e-6


def value(loss: Callable[..., Any], *data: Any, **options: Any) -> float:
    """The mean loss of these numbers and lists."""
    arrays, options = _arrays(data), {name: _array(x) for name, x in options.items()}
    return float(loss(*arrays, **{"reduction": "mean"} | options))


def slope(loss: Callable[..., Any], input: Any, *data: Any, **options: Any) -> float:
    """The derivative of the loss of one prediction; by its first number, where that is a row of several."""
    batch = [np.asarray(part)[None] for part in data]

    def moved(step: float) -> float:
        x = np.asarray(input, np.float64)[None].copy()
        x.flat[0] += step
        return value(loss, x, *batch, **options)

    return (moved(STEP) - moved(-STEP)) / (2 * STEP)


def least(f: Callable[[float], float], low: float = -20.0, high: float = 20.0) -> float:
    """Where a function with one valley is least, by golden section."""
    while high - low > 1e-10:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, right) if f(left) <= f(right) else (left, high)
    return (low + high) / 2


def best(loss: Callable[..., Any], targets: Sequence[float], **options: Any) -> float:
    """The one prediction for all these targets that costs least."""
    ends = min(-20.0, *targets), max(20.0, *targets)
    found = least(lambda x: value(loss, [x] * len(targets), list(map(float, targets)), **options), *ends)
    return round(found, 6)


def efficiency(delta: float) -> float:
    """Of Huber's estimate under Gaussian noise of deviation 1: the variance of the mean over its own, asymptotically.

    (E psi')² / E psi² of psi(x) = clip(x, -delta, delta): Huber 1964.
    """
    normal = NormalDist()
    inside, beyond = 2 * normal.cdf(delta) - 1, 2 * normal.cdf(-delta)
    return inside**2 / (inside - 2 * delta * normal.pdf(delta) + delta**2 * beyond)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def evaluate(expression: str) -> float:
    """The value of a claim's expression: calls of the functions above, of the losses, and of exp and log."""
    names = {record.name: record.public for record in lossary.catalogue()}
    names |= {f.__name__: f for f in (value, slope, least, best, efficiency, sigmoid, lossary.class_weights)}
    return float(eval(expression, {"np": np, "exp": np.exp, "log": np.log, "NormalDist": NormalDist, **names}))


def _arrays(data: Sequence[Any]) -> list[np.ndarray]:
    return [np.atleast_1d(np.asarray(part)) for part in data]


def _array(option: Any) -> Any:
    return np.asarray(option) if isinstance(option, list) else option
