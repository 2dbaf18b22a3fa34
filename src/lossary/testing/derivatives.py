"""Derivatives of an oracle: differences of answers that have many more digits than the step takes away."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def central_differences(oracle: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> np.ndarray:
    """The gradient of a scalar oracle with respect to one argument, right to the last digits of float64."""
    point = np.asarray(arguments[name], dtype=np.float64)
    slopes = np.empty(point.shape)
    for i in np.ndindex(point.shape):
        step = 2.0**-30 * max(abs(point[i]), 2.0**-20)
        ahead, behind = point.copy(), point.copy()
        ahead[i], behind[i] = point[i] + step, point[i] - step
        rise = oracle(**{**arguments, name: ahead}) - oracle(**{**arguments, name: behind})
        slopes[i] = float(rise / (ahead[i] - behind[i]))
    return slopes
