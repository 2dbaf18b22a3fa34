"""Norms, unit vectors and distances along the last axis, right for vectors of any length, and for the zero vector."""

import math

from lossary.core.arrays import Array, detach, is_array, namespace
from lossary.core.elementary import absolute


def norm(x: Array, p: Array | float) -> Array:
    """The p-norm along the last axis; gradient 0 at the zero vector and at infinite ones."""
    xp = namespace(x)
    if x.shape[-1] == 0:
        return xp.sum(x, axis=-1)
    # Scaled before powers are taken: in fp32, squares overflow at norms of 1e19 and vanish at 1e-23.
    largest = detach(xp.max(xp.abs(x), axis=-1, keepdims=True))
    constant = (largest == 0) | xp.isinf(largest)
    scaled = xp.where(constant, 1.0, x / xp.where(constant, 1.0, largest))
    if is_array(p):
        infinite = xp.isinf(p)
        length = xp.where(infinite, xp.max(xp.abs(scaled), axis=-1), _length(scaled, xp.where(infinite, 1.0, p)))
    elif math.isinf(p):
        length = xp.max(xp.abs(scaled), axis=-1)
    elif p == 1:
        length = xp.sum(absolute(scaled), axis=-1)
    elif p == 2:
        length = xp.sqrt(xp.sum(scaled * scaled, axis=-1))
    else:
        length = _length(scaled, p)
    return xp.squeeze(largest, axis=-1) * length


def _length(x: Array, p: Array | float) -> Array:
    """(Σ |x|^p)^(1/p). Not by **: the last bit of torch's pow depends on where in the batch an element lies."""
    xp = namespace(x)
    logs = xp.log(xp.where(x == 0, 1.0, xp.abs(x)))
    powers = xp.where(x == 0, 0.0, xp.exp(p * logs))
    return xp.exp(xp.log(xp.sum(powers, axis=-1)) / p)


def unit(x: Array) -> Array:
    """`x` divided by its norm along the last axis; a zero vector stays zero, with gradient 0."""
    xp = namespace(x)
    if x.shape[-1] == 0:
        return x
    # Scaled before it is squared: in fp32, squares overflow at norms of 1e19 and vanish at 1e-23.
    largest = detach(xp.max(xp.abs(x), axis=-1, keepdims=True))
    zero = largest == 0
    scaled = xp.where(zero, 0.0, x / xp.where(zero, 1.0, largest))
    squares = xp.sum(scaled * scaled, axis=-1, keepdims=True)
    return scaled / xp.sqrt(xp.where(zero, 1.0, squares))


def pairwise_distance(x: Array, y: Array, p: Array | float = 2.0, eps: Array | float = 1e-6) -> Array:
    """The p-norm of x - y + eps along the last axis: torch.pairwise_distance, with its defaults."""
    return norm(x - y + eps, p)
