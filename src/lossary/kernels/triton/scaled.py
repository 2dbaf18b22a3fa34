"""Probabilities and hazards of any size: mantissa 2^exponent in fp64, the exponent a whole number; what
kernels/cpu/scaled_double.h computes, in its words.
"""

import triton
import triton.language as tl

HUGE_EXPONENT = tl.constexpr(1e300)
"""In place of infinity; its negative, with a mantissa of 1, in place of 0."""
SHIFT = tl.constexpr(6755399441055744.0)  # 1.5 * 2^52: the mantissa's end holds the rounded integer


@triton.jit
def power_of_2(n):
    """Of a whole n <= 1023; 0 below the normal numbers."""
    kept = tl.where(n < -1023.0, -1023.0, n)
    return ((kept + (SHIFT + 1023.0)).to(tl.int64, bitcast=True) << 52).to(tl.float64, bitcast=True)


@triton.jit
def normalised(mantissa, exponent):
    """Of a normal mantissa > 0 one from 1 to 2."""
    bits = mantissa.to(tl.int64, bitcast=True)
    more = ((bits >> 52) - 1023).to(tl.float64)
    return ((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).to(tl.float64, bitcast=True), exponent + more


@triton.jit
def sum_of(a, a_exponent, b, b_exponent):
    """Against the larger exponent."""
    exponent = tl.where(a_exponent > b_exponent, a_exponent, b_exponent)
    return a * power_of_2(a_exponent - exponent) + b * power_of_2(b_exponent - exponent), exponent


@triton.jit
def as_number(mantissa, exponent, most: tl.constexpr):
    """In fp64, of an exponent that is no larger than `most`, but for rounding."""
    return mantissa * power_of_2(tl.where(exponent > most, most, exponent))


@triton.jit
def scaled_exp(x):
    """e^x = 2^n e^r, by the Taylor series of e^r."""
    y = tl.where(x < -HUGE_EXPONENT, -HUGE_EXPONENT, x)
    y = tl.where(y > HUGE_EXPONENT, HUGE_EXPONENT, y)
    n = (y * 1.4426950408889634 + SHIFT) - SHIFT
    r = (y - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    r = tl.where(r < -0.4, -0.4, r)  # where x has fewer digits than its whole part
    r = tl.where(r > 0.4, 0.4, r)
    q = r * (1.0 / 6227020800) + 1.0 / 479001600
    q = q * r + 1.0 / 39916800
    q = q * r + 1.0 / 3628800
    q = q * r + 1.0 / 362880
    q = q * r + 1.0 / 40320
    q = q * r + 1.0 / 5040
    q = q * r + 1.0 / 720
    q = q * r + 1.0 / 120
    q = q * r + 1.0 / 24
    q = q * r + 1.0 / 6
    q = q * r + 0.5
    return 1.0 + (r + r * r * q), n


@triton.jit
def log1p(x):
    """Of fp64: the logarithm of the rounded sum, and what the rounding took."""
    rounded = 1.0 + x
    lost = (x - (rounded - 1.0)) / rounded
    return tl.log(rounded) + tl.where(lost == lost, lost, 0.0)


@triton.jit
def scaled_log(mantissa, exponent):
    """Of a mantissa from 1 to 2; of full digits near 1."""
    under = exponent == -1.0
    less = tl.where(under, 0.5 * mantissa, mantissa) - 1.0
    finite = log1p(less) + tl.where(under, 0.0, exponent) * 0.69314718055994531
    infinite = tl.where(exponent > 0, float("inf"), float("-inf"))
    return tl.where(tl.abs(exponent) > 0.9 * HUGE_EXPONENT, infinite, finite)
