"""Gradients that an algorithm computes rather than a formula, in NumPy, each beside the LaTeX that it transcribes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Transcribed:
    """compute: of the arguments of a call, the derivative of the sum of its values by the first of them."""

    latex: str
    compute: Callable[..., np.ndarray]


TRANSCRIBED: dict[str, Transcribed] = {}
