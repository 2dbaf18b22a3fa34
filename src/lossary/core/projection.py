"""Logits as a linear layer makes them of features, and how many rows of them at a time."""

import math

from lossary.core.arrays import Array, linear, namespace
from lossary.core.contract import Bytes

LOGITS_AT_ONCE = Bytes(none_means=2**28)
FEWEST = 16
"""Rows at once, however many classes."""


def rows_at_once(linear_weight: Array, memory_budget: int | str | None) -> int:
    """The rows whose logits fit into so many bytes."""
    size = namespace(linear_weight).finfo(linear_weight.dtype).bits // 8
    row = math.prod(linear_weight.shape[:-1]) * size
    return max((LOGITS_AT_ONCE.parse(memory_budget) or 0) // max(row, 1), FEWEST)


def counted_logits(input: Array, linear_weight: Array, linear_bias: Array | None, counted: Array | None) -> Array:
    """linear(input, linear_weight, linear_bias) of rows (N, D), those that count nowhere taken as 0.

    0 · NaN: an ignored row that is not finite would reach linear_weight through the product's derivative.
    """
    xp = namespace(input)
    if counted is not None:
        positions = tuple(range(1, counted.ndim))
        used = xp.any(counted, axis=positions) if positions else counted
        input = xp.where(xp.expand_dims(used, axis=-1), input, 0.0)
    x = linear(input, linear_weight)
    return x if linear_bias is None else x + linear_bias
