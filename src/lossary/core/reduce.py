"""Weights, denominators, sums and means: where unreduced losses become numbers, and what a reduction means.

Kernels reduce by themselves, to save a pass over data: decision 0009 says who computes which part.
"""

import math
from typing import Any, NamedTuple

from lossary.core.arrays import Array, cast, is_jax, is_torch, namespace, pairwise_sum, size

FEW, MANY = 2**8, 2**16
"""Elements up to which XLA's own sum will do, and up to which a copy of them in fp64 costs nothing."""


class Unreduced(NamedTuple):
    """What a formula answers when its mean is not the plain mean of its values.

    values: the loss of each row or element.
    denominator: what each of them adds to the denominator of the mean; 1 if None.
    mean_of: what the mean averages, where that differs from `values`.
    """

    values: Array
    denominator: Array | None = None
    mean_of: Array | None = None


def weighted(values: Array, weight: Array | None) -> Array:
    """weight · values, where a weight of 0 leaves exactly 0 of inf and NaN.

    Finite values stay in the product: the derivative with respect to a weight of 0 is the loss of its row.
    """
    if weight is None:
        return values
    xp = namespace(values)
    return weight * xp.where((weight == 0) & ~xp.isfinite(values), 0.0, values)


def total(x: Array) -> Array:
    """The sum of all elements, in fp64 for fp32: the mean of 10^8 equal values is right to 1 ulp."""
    return _sums(x, None)


def row_sums(x: Array) -> Array:
    """The sums along the last axis, in fp64 for fp32."""
    return _sums(x, -1)


def _sums(x: Array, axis: int | None) -> Array:
    xp = namespace(x)
    if not str(x.dtype).endswith("float32") or (is_torch(x) and x.device.type == "mps"):
        return xp.sum(x, axis=axis)
    few = FEW if is_jax(x) else MANY if is_torch(x) else math.inf
    if size(x) <= few:
        return xp.sum(x, axis=axis, dtype=None if is_jax(x) else xp.float64)
    x = xp.reshape(x, (-1,)) if axis is None else x
    if is_jax(x):  # has no fp64 as a rule
        return pairwise_sum(x)
    # torch would copy all of x to fp64: sum blocks of 32 first, whose rounding does not add up.
    whole = x.shape[-1] - x.shape[-1] % 32
    blocks, rest = xp.sum(xp.reshape(x[..., :whole], (*x.shape[:-1], whole // 32, 32)), axis=-1), x[..., whole:]
    return xp.sum(blocks, axis=-1, dtype=xp.float64) + xp.sum(rest, axis=-1, dtype=xp.float64)


def mean(values: Array, denominator: Array) -> Array:
    """Σ values / denominator; 0 for nothing over nothing (an empty batch, all targets ignored, all weights 0)."""
    xp = namespace(values)
    numerator = total(values)
    return numerator / xp.where((denominator == 0) & (numerator == 0), 1.0, denominator)


def reduce(loss: Unreduced, reduction: str, sample_weight: Array | None, normalizer: Array | None) -> Array:
    """One number, or each row's own, from an unreduced loss.

    With s the sample weight and w the loss's own denominator, "mean" is Σ s·l / Σ s·w, or Σ s·l / normalizer.
    """
    if reduction == "none":
        return weighted(loss.values, sample_weight)
    if reduction == "sum":
        return total(weighted(loss.values, sample_weight))
    values = weighted(loss.values if loss.mean_of is None else loss.mean_of, sample_weight)
    if normalizer is None and sample_weight is None and loss.denominator is None and reduction == "mean":
        return total(values) / max(size(values), 1)
    if normalizer is None:
        ones = namespace(values).ones_like(values)
        counts = ones if loss.denominator is None else ones * loss.denominator
        normalizer = total(weighted(counts, sample_weight))
        if reduction == "batchmean" and values.ndim:
            # One row of the batch counts once, however many elements it has.
            normalizer = normalizer * (values.shape[0] / max(size(values), 1))
    return mean(values, normalizer)


# Denominators that kernels do not count by themselves: decision 0009.


def sum_of_weights(*weights: Array, dtype: Any, share: float) -> Array:
    """The sum of their product, times how often each stands for an element."""
    product = cast(weights[0], dtype)
    for weight in weights[1:]:
        product = product * cast(weight, dtype)
    made = cast(total(product), dtype)
    return made if share == 1 else made * share


def sum_of_shares(
    shares: Array, target: Array, weight: Array | None, rows: Array | None, *, ignore_index: int, is_mixed: bool
) -> Array:
    """Of sparse targets: their class weights, mixed as they are, or the rows that count."""
    xp, counted = namespace(shares), target != ignore_index
    if is_mixed:
        of_row = shares * counted if weight is None else shares * counted * weight[target * counted]
        of_row = xp.sum(of_row, axis=1)
    else:
        of_row = cast(xp.any(counted, axis=1), shares.dtype)
    return cast(total(of_row if rows is None else of_row * rows), shares.dtype)
