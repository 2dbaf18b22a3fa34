"""The few elementary functions that the formulas share, right at 0 and at infinity in value and in every derivative."""

import math

from lossary.core.arrays import Array, detach, is_array, is_jax, is_torch, namespace
from lossary.core.contract import Range

SOFTCAP = Range(
    0.0, math.inf, low_open=True, none_means=math.inf, voids_properties=("convex", "shift_invariant", "proper")
)
TEMPERATURE = Range(0.0, math.inf, low_open=True, high_open=True, voids_properties=("proper",))


def is_number(option: Array | float, number: float) -> bool:
    """Whether an option is that number. An array is not: its value may not be readable, and has a derivative."""
    return not is_array(option) and option == number


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), to the last digits in both tails."""
    xp = namespace(x)
    negative = x < 0
    e = xp.exp(xp.where(negative, x, -x))
    return xp.where(negative, e, 1.0) / (1 + e)


def softplus(x: Array) -> Array:
    """log(1 + e^x), exact to the last digits in both tails."""
    xp = namespace(x)
    if not is_torch(x):
        return xp.logaddexp(x, xp.zeros_like(x))
    # torch.logaddexp has NaN second derivatives below -89 in fp32, and the last bit of its softplus depends on where in
    # the batch an element lies. At 0 the terms have derivatives 0 and 1/2, and not those of |x|.
    positive = x > 0
    return xp.where(positive, x, 0.0) + xp.log1p(xp.exp(xp.where(positive, -x, x)))


def logsumexp(x: Array, axis: int, keepdims: bool = False) -> Array:
    """log Σ e^x along `axis`; -inf, with gradient 0, for a sum of nothing."""
    xp = namespace(x)
    largest, shifted = shifted_by_maximum(x, axis)
    result = log_of_sum(xp.sum(xp.exp(shifted), axis=axis, keepdims=True)) + largest
    return result if keepdims else xp.squeeze(result, axis=axis)


def log_of_sum(total: Array) -> Array:
    """log of a sum of exponentials against their maximum; 0, with derivative 0, of nothing, whose maximum is -inf."""
    xp = namespace(total)
    return xp.log(xp.where(total == 0, 1.0, total))


def log_softmax(x: Array, axis: int) -> Array:
    """log of e^x / Σ e^x along `axis`; a single +inf is the limit, log 1; nothing but -inf is NaN."""
    if x.shape[axis] == 0:
        return x
    xp = namespace(x)
    largest, shifted = shifted_by_maximum(x, axis)
    # Before the logarithm is added, not after: at 10,000 in fp32 the sum of both would keep three digits of it.
    log_sum_exp = xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))
    return xp.where(largest == -xp.inf, xp.nan, shifted - log_sum_exp)


def transformed(x: Array, softcap: Array | float | None, temperature: Array | float) -> Array:
    """Logits softcap · tanh(x / softcap), of which inf leaves x, divided by the temperature."""
    if is_array(softcap):
        xp = namespace(x)
        none = xp.isinf(softcap)
        bound = xp.where(none, 1.0, softcap)
        x = xp.where(none, x, bound * tanh(quotient(x, bound)))
    elif softcap is not None and softcap < math.inf:
        x = softcap * tanh(x / softcap)
    return x if is_number(temperature, 1) else quotient(x, temperature)


def quotient(x: Array, divisor: Array | float) -> Array:
    """x / divisor, of a positive one; by an array of which the derivative is 0 at infinite x, which stay infinite."""
    if not is_array(divisor):
        return x / divisor
    xp = namespace(x)
    infinite = xp.isinf(x)
    return xp.where(infinite, x, xp.where(infinite, 0.0, x) / divisor)


def tanh(x: Array) -> Array:
    """tanh x with the derivative 4e / (1 + e)^2 of e = exp(-2|x|); that of libraries, 1 - tanh^2, ends at |x| = 9."""
    xp = namespace(x)
    negative = x < 0
    twice = -2 * xp.where(negative, -x, x)
    e = xp.exp(twice)
    # Of expm1 libraries take the derivative expm1 + 1, which is 0 where expm1 is -1.
    size = xp.where(twice > -1, -xp.expm1(twice), 1 - e) / (1 + e)
    return xp.where(negative, -size, size)


def shifted_by_maximum(x: Array, axis: int) -> tuple[Array, Array]:
    """The maximum, -inf of nothing, and x less the maximum: e^x overflows at 88.7 in fp32."""
    xp = namespace(x)
    if x.shape[axis] == 0:
        return xp.sum(x, axis=axis, keepdims=True) - xp.inf, x
    largest = detach(xp.max(x, axis=axis, keepdims=True))
    return largest, below(x, largest)


def below(x: Array, maximum: Array) -> Array:
    """x - maximum, where inf - inf is 0; a maximum of -inf is taken for 0, or what it bounds would be NaN.

    The maximum is a constant, so that it adds nothing to the derivatives.
    """
    xp = namespace(x)
    return xp.where(x == xp.inf, 0.0, x - xp.where(maximum == -xp.inf, 0.0, maximum))


def without_infinity(x: Array, weight: Array | None) -> Array:
    """`x`, but 0 where it is infinite and its weight exactly 0."""
    xp = namespace(x)
    return x if weight is None else xp.where((weight == 0) & xp.isinf(x), 0.0, x)


def times(a: Array, b: Array) -> Array:
    """a · b where 0 · inf = 0: a weight or a target of exactly 0 removes an infinite term, derivatives included."""
    return a * without_infinity(b, a)


def scaled(values: Array, weight: Array | None) -> Array:
    """Values times a weight, if there is one."""
    return values if weight is None else times(weight, values)


def xlogx(x: Array) -> Array:
    """x log x, with 0 log 0 = 0 and derivative 0 there."""
    xp = namespace(x)
    return x * xp.log(xp.where(x == 0, 1.0, x))


def generalised_kl(log_p: Array, log_q: Array) -> Array:
    """p log(p / q) - p + q: not negative, and of full digits where p and q nearly agree; inf where only q is 0."""
    xp = namespace(log_p)
    p, q = xp.exp(log_p), xp.exp(log_q)
    gone = (log_p < 0) & xp.isinf(log_p)
    d = xp.where(gone, 0.0, log_p) - xp.where(gone, 0.0, log_q)
    near, apart = ~gone & (xp.abs(d) < 1), xp.isinf(d)
    small, finite = xp.where(near, d, 0.0), xp.where(apart, 0.0, d)
    far = q - p + p * finite
    return xp.where(near, p * (xp.expm1(-small) + small), xp.where(apart, d, far))


def absolute(x: Array) -> Array:
    """|x|, with the derivative 0 at 0: what costs nothing rests. That of JAX is 1 there."""
    xp = namespace(x)
    return xp.where(x == 0, 0.0, xp.abs(x)) if is_jax(x) else xp.abs(x)


def hinge(x: Array) -> Array:
    """max(0, x); NaN stays, and at 0 the derivative is 0: what costs nothing rests."""
    return namespace(x).where(x <= 0, 0.0, x)


def modulated(nll: Array, log_rest: Array, gamma: Array | float, held: bool = False) -> Array:
    """(1 - p)^gamma · nll, given log(1 - p); the power a constant where it is held.

    An infinite nll stays as it is: there p is 0.
    """
    if is_number(gamma, 0):
        return nll
    xp = namespace(nll)
    infinite, certain = xp.isinf(nll), xp.isinf(log_rest)
    # 0^gamma by itself, or the derivative of gamma · -inf would be NaN.
    at_certain = xp.where(gamma == 0, 1.0, 0.0) if is_array(gamma) else 0.0
    factor = xp.where(certain, at_certain, xp.exp(gamma * xp.where(certain, 0.0, log_rest)))
    factor = detach(factor) if held else factor
    return xp.where(infinite, nll, factor * xp.where(infinite, 0.0, nll))
