"""Derivatives of an oracle: differences of answers that have many more digits than the step takes away."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def central_differences(oracle: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> np.ndarray:
    """The gradient of a scalar oracle with respect to one argument, right to 1e-15 or so of its third derivative."""
    point = np.asarray(arguments[name], dtype=np.float64)
    slopes = np.empty(point.shape)
    for i in np.ndindex(point.shape):
        step = 2.0**-24 * max(1.0, abs(point[i])) if abs(point[i]) > 2.0**-20 else 2.0**-44
        ahead, behind = point.copy(), point.copy()
        ahead[i], behind[i] = point[i] + step, point[i] - step
        rise = oracle(**{**arguments, name: ahead}) - oracle(**{**arguments, name: behind})
        slopes[i] = float(rise / (ahead[i] - behind[i]))
    return slopes
