"""The few elementary functions that the formulas share, right at 0 and at infinity in value and in every derivative."""

import sys

from lossary.core.arrays import Array, detach, is_torch, namespace


def softplus(x: Array) -> Array:
    """log(1 + e^x), exact to the last digits in both tails."""
    if is_torch(x):
        # torch.logaddexp has NaN second derivatives below -89 in fp32; logsigmoid has none.
        return -sys.modules["torch"].nn.functional.logsigmoid(-x)
    xp = namespace(x)
    return xp.logaddexp(x, xp.zeros_like(x))


def logsumexp(x: Array, axis: int, keepdims: bool = False) -> Array:
    """log Σ e^x along `axis`; -inf, with gradient 0, for a sum of nothing."""
    xp = namespace(x)
    if x.shape[axis] == 0:
        return xp.sum(x, axis=axis, keepdims=keepdims) - xp.inf
    # The maximum first: e^x overflows at 88.7 in fp32. A constant, so that it adds nothing to the derivatives.
    largest = detach(xp.max(x, axis=axis, keepdims=True))
    largest = xp.where(xp.isinf(largest), 0.0, largest)
    total = xp.sum(xp.exp(x - largest), axis=axis, keepdims=True)
    nothing = total == 0
    result = xp.where(nothing, -xp.inf, xp.log(xp.where(nothing, 1.0, total)) + largest)
    return result if keepdims else xp.squeeze(result, axis=axis)


def log_softmax(x: Array, axis: int) -> Array:
    return x - logsumexp(x, axis, keepdims=True)


def times(a: Array, b: Array) -> Array:
    """a · b where 0 · inf = 0: a weight or a target of exactly 0 removes an infinite term, derivatives included."""
    xp = namespace(b)
    return a * xp.where((a == 0) & xp.isinf(b), 0.0, b)


def xlogx(x: Array) -> Array:
    """x log x, with 0 log 0 = 0 and derivative 0 there."""
    xp = namespace(x)
    return x * xp.log(xp.where(x == 0, 1.0, x))


def xlogy(x: Array, y: Array) -> Array:
    """x log y, with 0 log 0 = 0."""
    return times(x, namespace(y).log(y))
