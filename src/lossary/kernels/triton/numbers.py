"""Elementary functions of fp32 to some 2 ulp, by the polynomials of kernels/cpu/elementary.h; in a coarse form, for
what is stored in half precision (decision 0007), by a GPU's own instructions.
"""

import triton
import triton.language as tl

INFINITY = tl.constexpr(float("inf"))
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
"""Triton's interpreter has no inline PTX."""
SHIFT = tl.constexpr(12582912.0)  # 1.5 * 2^23: the mantissa's end holds the rounded integer


@triton.jit
def _exp2(x):
    if INTERPRETED:
        return tl.exp2(x)
    return tl.inline_asm_elementwise("ex2.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=True, pack=1)


@triton.jit
def _log2(x):
    if INTERPRETED:
        return tl.log2(x)
    return tl.inline_asm_elementwise("lg2.approx.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=True, pack=1)


@triton.jit
def _reciprocal(x):
    if INTERPRETED:
        return 1.0 / x
    return tl.inline_asm_elementwise("rcp.approx.ftz.f32 $0, $1;", "=f,f", [x], tl.float32, is_pure=True, pack=1)


@triton.jit
def times(weight, x):
    """0 * inf = 0"""
    return tl.where(weight == 0, tl.where(x == x, 0.0, x), weight * x)


@triton.jit
def sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x))


@triton.jit
def _parts(x):
    """x = n log(2) + r with |r| <= log(2) / 2; n also as it stands in the bits of a sum."""
    shifted = x * 1.44269504 + SHIFT
    n = shifted - SHIFT
    return (x - n * 0.693359375) + n * 2.12194440e-4, shifted.to(tl.int32, bitcast=True)


@triton.jit
def _expm1_of_part(r):
    q = 1.381459838e-3 * r + 8.368716898e-3
    q = q * r + 4.166838805e-2
    q = q * r + 1.666652063e-1
    q = q * r + 4.999999345e-1
    return r + r * r * q


@triton.jit
def _power_of_two(n):
    return ((n + 127) << 23).to(tl.float32, bitcast=True)


@triton.jit
def exp(x):
    """2^n in two factors: subnormal answers come out right."""
    bounded = tl.where(x < -104.0, -104.0, x)
    bounded = tl.where(bounded > 89.0, 89.0, bounded)
    r, shifted = _parts(bounded)
    n = shifted - 0x4B400000
    half = n >> 1
    return (1.0 + _expm1_of_part(r)) * _power_of_two(half) * _power_of_two(n - half)


@triton.jit
def exp_of_nonpositive(x):
    """0 below the normal numbers."""
    r, shifted = _parts(tl.maximum(x, -88.0, propagate_nan=tl.PropagateNan.ALL))
    return (1.0 + _expm1_of_part(r)) * ((shifted << 23) + 0x3F800000).to(tl.float32, bitcast=True)


@triton.jit
def exp_of_row(x, COARSE: tl.constexpr):
    """e^x for x <= 0, to the digits that storage keeps."""
    return _exp2(x * 1.44269504) if COARSE else exp_of_nonpositive(x)


@triton.jit
def below(x, largest):
    """x - largest, where inf - inf is 0: a limit, all of the mass."""
    return tl.where(x == largest, 0.0, x - largest)


@triton.jit
def expm1_of_nonpositive(x):
    """Of full digits near 0: 2^n (1 + p) - 1 = (2^n - 1) + 2^n p."""
    r, shifted = _parts(tl.where(x < -88.0, -88.0, x))
    power = ((shifted << 23) + 0x3F800000).to(tl.float32, bitcast=True)
    return (power - 1.0) + power * _expm1_of_part(r)


@triton.jit
def log_of_positive(x):
    """Of finite x > 0: log x = n log(2) + log(1 + f) with 1 + f in [sqrt(1/2), sqrt(2))."""
    tiny = x < 1.17549435e-38
    i = tl.where(tiny, x * 8388608.0, x).to(tl.int32, bitcast=True) - 0x3F3504F3
    n = (i >> 23).to(tl.float32) - tl.where(tiny, 23.0, 0.0)
    f = ((i & 0x007FFFFF) + 0x3F3504F3).to(tl.float32, bitcast=True) - 1.0
    q = 6.915160942e-2 * f - 1.178970270e-1
    q = q * f + 1.187301376e-1
    q = q * f - 1.238436891e-1
    q = q * f + 1.421865560e-1
    q = q * f - 1.666924955e-1
    q = q * f + 2.000222670e-1
    q = q * f - 2.499998662e-1
    q = q * f + 3.333331044e-1
    return n * 0.693359375 + (f + (f * f * (q * f - 0.5) - n * 2.12194440e-4))


@triton.jit
def log(x):
    of_positive = tl.where(x < INFINITY, log_of_positive(x), x)
    return tl.where(x > 0, of_positive, tl.where(x == 0, -INFINITY, float("nan")))


@triton.jit
def log1p_of_unit(s):
    """log(1 + e) = 2 artanh(s) for e in [0, 1] and s = e / (2 + e)."""
    z = s * s
    q = 1.400599629e-1 * z + 1.400090158e-1
    q = q * z + 2.001076341e-1
    q = q * z + 3.333320916e-1
    return (s + s) + (s + s) * (z * q)


@triton.jit
def log1p(x, COARSE: tl.constexpr):
    """Of x >= 0: the logarithm of the rounded sum, and what the rounding took."""
    sum = 1.0 + x
    if COARSE:
        return tl.where(x <= 1.0, _log1p_coarse(x), _log2(sum) * 0.6931471805599453)
    lost = (x - (sum - 1.0)) / sum
    return log(sum) + tl.where(lost == lost, lost, 0.0)


@triton.jit
def log_cosh_of_small(x):
    """For |x| <= 3/4."""
    z = x * x
    q = -4.337849663e-4 * z + 2.020378797e-3
    q = q * z - 6.702145235e-3
    q = q * z + 2.221705048e-2
    q = q * z - 8.333313299e-2
    return z * (q * z + 0.5)


@triton.jit
def _log1p_coarse(e):
    """For e in [0, 1]."""
    q = -2.386915e-2 * e + 1.0122230e-1
    q = q * e - 2.1004871e-1
    q = q * e + 3.2520669e-1
    q = q * e - 4.9936137e-1
    q = q * e + 9.9999160e-1
    return q * e


@triton.jit
def exp_of_difference(x, reference, COARSE: tl.constexpr):
    """e^(x - reference) for x <= reference, which is finite. Coarse, in one fma: of the reference itself it is not 1,
    but as near as the product has digits.
    """
    if COARSE:
        return _exp2(tl.fma(x, 1.4426950408889634, reference * -1.4426950408889634))
    return exp_of_nonpositive(x - reference)


@triton.jit
def _exp_of_twice(size, COARSE: tl.constexpr):
    """e^(-2 size)"""
    return _exp2(size * -2.8853900817779268) if COARSE else exp_of_nonpositive(-2.0 * size)


@triton.jit
def tanh(x, COARSE: tl.constexpr):
    """Near 0 its series, where 1 - e^-2x would lose digits."""
    size, z = tl.abs(x), x * x
    t = _exp_of_twice(size, COARSE)
    q = -8.863235530e-3 * z + 2.186948854e-2
    q = q * z - 5.396825397e-2
    q = q * z + 1.333333333e-1
    q = q * z - 3.333333333e-1
    far = (1.0 - t) * _reciprocal(1.0 + t) if COARSE else (1.0 - t) / (1.0 + t)
    y = tl.where(size < 0.3, size + size * (z * q), far)
    return tl.where(x < 0, -y, y)


@triton.jit
def slope_of_tanh(x, COARSE: tl.constexpr):
    """1 - tanh^2 from an exponential: where tanh is nearly 1 nothing of it would be left of the difference."""
    t = _exp_of_twice(tl.abs(x), COARSE)
    inverse = _reciprocal(1.0 + t) if COARSE else 1.0 / (1.0 + t)
    return 4.0 * t * inverse * inverse


@triton.jit
def logistic(x, COARSE: tl.constexpr):
    """|x|, log(1 + e^-|x|), and 1 / (1 + e^-x) and 1 / (1 + e^x), from one exponential and one division."""
    size = tl.abs(x)
    if COARSE:
        e = _exp2(size * -1.44269504)
        tail = _log1p_coarse(e)
        major = _reciprocal(1.0 + e)
    else:
        e = exp_of_nonpositive(-size)
        one_more, two_more = 1.0 + e, 2.0 + e
        inverse = 1.0 / (one_more * two_more)
        tail = log1p_of_unit(e * (one_more * inverse))
        major = two_more * inverse
    minor = e * major
    negative = x < 0
    return size, tail, tl.where(negative, minor, major), tl.where(negative, major, minor)


@triton.jit
def logistic_cost(x, size, tail, yes, no):
    """yes * log(1 + e^-x) + no * log(1 + e^x), where 0 * inf = 0."""
    wrong = tl.where(x < 0, yes, no)
    return tl.where(wrong == 0, 0.0, wrong * size) + (yes + no) * tail


@triton.jit
def excess_of_probability(t, slack):
    """How far t lies outside of [0, 1], less what rounding needs: positive where it is no probability."""
    return tl.maximum(-t, t - 1.0) - slack
