"""Losses of single elements: a function each, of value and slopes, and the one kernel that serves them all.

The functions have the names of kernels/functions.inc, and answer what elementwise.h does: the value, its derivatives
by x and by the third argument u, and what is positive outside of the documented domain. a to d: their parameters.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import FUNCTIONS, REDUCTIONS
from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import (
    INFINITY,
    excess_of_probability,
    exp,
    expm1_of_nonpositive,
    log,
    log1p_of_unit,
    log_cosh_of_small,
    log_of_positive,
    logistic,
    logistic_cost,
    sign,
    times,
)
from lossary.kernels.triton.sums import keep_sum, scale_of

SLACK = tl.constexpr(4 * 2.0**-23)


@triton.jit
def L1(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    return tl.abs(error), sign(error), 0.0, 0.0


@triton.jit
def MSE(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    return error * error, 2.0 * error, 0.0, 0.0


@triton.jit
def SmoothL1(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    size, slope = tl.abs(error), error / a
    small = size < a
    return tl.where(small, 0.5 * error * slope, size - 0.5 * a), tl.where(small, slope, sign(error)), 0.0, 0.0


@triton.jit
def Huber(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    size = tl.abs(error)
    small = size <= a
    value = tl.where(small, 0.5 * error * error, a * (size - 0.5 * a))
    return value, tl.where(small, error, a * sign(error)), 0.0, 0.0


@triton.jit
def LogCosh(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    size = tl.abs(error)
    m = expm1_of_nonpositive(-2.0 * size)
    e = 1.0 + m
    far = (size - 0.6931471805599453) + log1p_of_unit(e / (2.0 + e))
    slope = m / (2.0 + m)
    return tl.where(size < 0.75, log_cosh_of_small(error), far), tl.where(error < 0, slope, -slope), 0.0, 0.0


@triton.jit
def BinaryCrossEntropy(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    """Logarithms end at -100, as torch's; the derivatives are those of the clamped ones."""
    low, high = x <= 3.720075976020836e-44, x == 1.0
    rest, other = 1.0 - x, 1.0 - t
    over_p, over_rest = 1.0 / x, 1.0 / rest
    lost = (1.0 - rest) - x  # what rounding took of 1 - x
    log_p = tl.where(low, -100.0, log_of_positive(x))
    log_1mp = tl.where(high, -100.0, log_of_positive(rest) + lost * over_rest)
    slope = other * tl.where(high, 0.0, over_rest) - t * tl.where(low, 0.0, over_p)
    excess = tl.maximum(excess_of_probability(x, 0.0), excess_of_probability(t, SLACK))
    return -(t * log_p + other * log_1mp), slope, 0.0, excess


@triton.jit
def BinaryCrossEntropyWithLogits(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    """u: the weight of positive targets."""
    positive, negative = u * t, 1.0 - t
    size, tail, p, q = logistic(x, COARSE)
    value = logistic_cost(x, size, tail, positive, negative)
    return value, negative * p - positive * q, 0.0, excess_of_probability(t, SLACK)


@triton.jit
def PoissonOfLogRates(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    rate = exp(x)
    return rate - times(t, tl.where(x == INFINITY, 0.0, x)), rate - t, 0.0, 0.0


@triton.jit
def PoissonOfRates(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    infinite = x == INFINITY
    rate = tl.where(infinite, 1.0, x) + a
    nothing = tl.abs(rate) + tl.abs(t) == 0
    some = tl.where(nothing, 1.0, rate)
    return x - times(t, log(some)), 1.0 - tl.where(infinite, 0.0, t / some), 0.0, -x


@triton.jit
def Gaussian(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    """u: the variance."""
    error = x - t
    raised = tl.where(u < a, a, u)
    degenerate = raised == 0
    v = tl.where(degenerate, 1.0, raised)
    dx = error / v
    squares = error * dx
    at_zero = tl.where(error == 0, -INFINITY, INFINITY)
    value = tl.where(degenerate, at_zero, 0.5 * (log(v) + squares)) + b
    du = tl.where((u < a) | degenerate, 0.0, 0.5 * (1.0 - squares) / v)
    return value, tl.where(degenerate, 0.0, dx), du, -u


@triton.jit
def SoftMargin(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    z = times(t, x)
    size, tail, _p, q = logistic(z, COARSE)
    return tl.where(z < 0, size, 0.0) + tail, -t * q, 0.0, 0.0


@triton.jit
def HingeEmbedding(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    lack = a - x
    far = lack <= 0
    value = tl.where(t == -1, 0.0, x) + tl.where(t == 1, 0.0, tl.where(far, 0.0, lack))
    return value, tl.where(t == -1, 0.0, 1.0) - tl.where(t == 1, 0.0, tl.where(far, 0.0, 1.0)), 0.0, 0.0


@triton.jit
def Hinge(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    lack = a - times(t, x)
    enough = lack <= 0
    return tl.where(enough, 0.0, lack), tl.where(enough, 0.0, -t), 0.0, 0.0


@triton.jit
def SquaredHinge(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    lack = a - times(t, x)
    missing = tl.where(lack <= 0, 0.0, lack)
    return missing * missing, -2.0 * t * missing, 0.0, 0.0


@triton.jit
def MarginRanking(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    """u: the other score."""
    lack = a - times(t, x - u)
    enough = lack <= 0
    return tl.where(enough, 0.0, lack), tl.where(enough, 0.0, -t), tl.where(enough, 0.0, t), 0.0


@triton.jit
def _focal(x, t, alpha, gamma, COARSE: tl.constexpr, SQUARE: tl.constexpr):
    """(1 - p)^gamma of what a target has not; alpha: the share of positive targets, or -1."""
    size, tail, p, q = logistic(x, COARSE)
    other = 1.0 - t
    nll, dnll = logistic_cost(x, size, tail, t, other), other * p - t * q
    rest, drest = t * q + other * p, (1.0 - 2.0 * t) * p * q
    if SQUARE:
        factor, dfactor = rest * rest, 2.0 * rest * drest
    else:
        factor = exp(times(gamma, tl.where(rest == 0, -(size + tail), log(rest))))
        dfactor = gamma * factor * tl.where(rest > 0, drest / rest, tl.where(t < 0.5, q, -p))
    balance = tl.where(alpha == -1, 1.0, alpha * t + (1.0 - alpha) * other)
    infinite = nll == INFINITY
    value = tl.where(infinite, nll, factor * nll)
    slope = tl.where(infinite, dnll, factor * dnll + dfactor * nll)
    return times(balance, value), balance * slope, 0.0, excess_of_probability(t, SLACK)


@triton.jit
def SigmoidFocal(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    return _focal(x, t, a, b, COARSE, False)


@triton.jit
def SigmoidFocalOfSquares(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    return _focal(x, t, a, b, COARSE, True)


@triton.jit
def KLDiv(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    return t * log_of_positive(tl.where(t == 0, 1.0, t)) - times(t, x), -t, 0.0, excess_of_probability(t, SLACK)


@triton.jit
def KLDivOfLogTargets(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    p = exp(t)
    nothing = p == 0
    finite = tl.where(tl.abs(x) == INFINITY, 0.0, x)
    return p * (tl.where(nothing, 0.0, t) - tl.where(nothing, finite, x)), -p, 0.0, 0.0


@triton.jit
def Quantile(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    error = x - t
    slope = tl.where(error > 0, b, a)
    return slope * tl.abs(error), slope * sign(error), 0.0, 0.0


@triton.jit
def _asymmetric(x, t, u, gamma_pos, gamma_neg, clip, free, COARSE: tl.constexpr, FOURTHS: tl.constexpr):
    """Probabilities of negatives lowered by `clip`; free: 0 where the powers are constants in the derivative."""
    size, tail, p, q = logistic(x, COARSE)
    below, above = tl.where(x < 0, size, 0.0) + tail, tl.where(x < 0, 0.0, size) + tail
    over = p - clip
    kept = tl.where(over <= 0, 0.0, over)
    few = kept < 0.5
    # Of small kept the rest is 1 - kept with what the rounding takes; of others kept would take digits of it.
    rest = tl.where(few, 1.0 - kept, q + clip)
    lost = tl.where(few, (1.0 - rest) - kept, 0.0)
    unclipped = clip == 0
    cost = tl.where(unclipped, above, -lost / rest - log_of_positive(rest))
    dcost = tl.where(unclipped, p, tl.where(over <= 0, 0.0, p * q / rest))
    if FOURTHS:
        of_1, dof_1 = tl.where(gamma_pos == 0, 1.0, q), -gamma_pos * p * q
        of_0, dof_0 = kept * kept * kept * kept, 4.0 * kept * kept * kept * (p * q)
    else:
        of_1 = exp(times(gamma_pos, -above))
        dof_1 = -gamma_pos * of_1 * p
        none = kept == 0
        some = tl.where(none, 1.0, kept)
        of_0 = exp(times(gamma_neg, tl.where(unclipped, -below, log_of_positive(some))))
        dof_0 = gamma_neg * of_0 * tl.where(unclipped, q, tl.where(none, 0.0, p * q / some))
    found = tl.where(below == INFINITY, below, of_1 * below)
    dfound = tl.where(below == INFINITY, -q, free * dof_1 * below - of_1 * q)
    missed = tl.where(cost == INFINITY, cost, of_0 * cost)
    dmissed = tl.where(cost == INFINITY, dcost, of_0 * dcost + free * dof_0 * cost)
    positive, negative = u * t, 1.0 - t
    value = times(positive, found) + times(negative, missed)
    return value, positive * dfound + negative * dmissed, 0.0, excess_of_probability(t, SLACK)


@triton.jit
def Asymmetric(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    return _asymmetric(x, t, u, a, b, c, d, COARSE, False)


@triton.jit
def AsymmetricOfFourths(x, t, u, a, b, c, d, COARSE: tl.constexpr):
    return _asymmetric(x, t, u, a, b, c, d, COARSE, True)


@triton.jit
def elementwise(
    input,
    target,
    third,
    weight,
    row_weight,
    normalizer,
    upstream,
    values,
    sums,
    d_input,
    d_third,
    elements,
    third_cycle,
    weight_cycle,
    inner,
    counted,
    a,
    b,
    c,
    d,
    function: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """What is None is not there. values: unreduced; sums: of each program. counted: as `scale_of` takes it."""
    program = tl.program_id(0).to(tl.int64)
    place = program * BLOCK + tl.arange(0, BLOCK)
    scale = scale_of(normalizer, counted, None, upstream)
    of_data = input, target, third, weight, row_weight, third_cycle, weight_cycle, inner
    made = values, d_input, d_third
    if (program + 1) * BLOCK <= elements:  # a mask by element would split loads of 16 bytes
        total = _losses(*of_data, *made, place, None, scale, a, b, c, d, function)
    else:
        total = _losses(*of_data, *made, place, place < elements, scale, a, b, c, d, function)
    if values is None:
        keep_sum(sums, total, normalizer, counted, None)


@triton.jit
def _losses(
    input,
    target,
    third,
    weight,
    row_weight,
    third_cycle,
    weight_cycle,
    inner,
    values,
    d_input,
    d_third,
    place,
    within,
    scale,
    a,
    b,
    c,
    d,
    function: tl.constexpr,
):
    """Of a block of elements; their sum."""
    x = _load(input + place, within)
    t = _load(target + place, within)
    u = 1.0
    if third is not None:
        u = _load(third + (place if third_cycle == 0 else place % third_cycle), within)
    value, dx, du, excess = function(x, t, u, a, b, c, d, input.dtype.element_ty != tl.float32)
    outside = excess > 0
    value = tl.where(outside, float("nan"), value)
    dx = tl.where(outside, float("nan"), dx)
    du = tl.where(outside, float("nan"), du)
    if weight is not None:
        w = _load(weight + place % weight_cycle, within)
        value, dx, du = times(w, value), times(w, dx), times(w, du)
    if row_weight is not None:
        row = _load(row_weight + place // inner, within)
        hidden = row == 0
        value = tl.where(hidden, 0.0, row * value)
        dx = tl.where(hidden, 0.0, row * dx)
        du = tl.where(hidden, 0.0, row * du)
    if values is not None:
        tl.store(values + place, value, within)
    if d_input is not None:
        tl.store(d_input + place, dx * scale, within)
    if d_third is not None:
        tl.store(d_third + place, du * scale, within)
    if within is not None:
        value = tl.where(within, value, 0.0)
    return tl.sum(value)


@triton.jit
def _load(pointer, within):
    x = tl.load(pointer) if within is None else tl.load(pointer, within, 0.0)
    return x.to(tl.float32)


BLOCK = 1024
PLACES = list(FUNCTIONS)


def elementwise_losses(
    function: int,
    input: Tensor,
    target: Tensor,
    third: Tensor | None,
    third_is_cycle: bool,
    weight: Tensor | None,
    parameters: Sequence[float],
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    elements = input.numel()
    by_row = reduction == REDUCTIONS["batchmean"] and input.dim() > 0
    divisor = sums.divisor(input.shape[0] if by_row else elements, reduction, normalizer)
    made = [torch.empty_like(x) if x is not None and gradients >> i & 1 else None for i, x in enumerate((input, third))]
    programs = -(-elements // BLOCK)
    values, partial = sums.room(input, input.shape, programs, reduction)
    if programs:
        launch(
            elementwise,
            (programs,),
            *(input, target, third, weight, row_weight, divisor.normalizer, upstream, values, partial, *made),
            elements,
            third.numel() if third is not None and third_is_cycle else 0,
            1 if weight is None else weight.numel(),
            1 if row_weight is None else max(elements // max(row_weight.numel(), 1), 1),
            divisor.known,
            *(*parameters, 0.0, 0.0, 0.0, 0.0)[:4],
            function=globals()[PLACES[function]],
            BLOCK=BLOCK,
        )
    return sums.reduced(values, partial, divisor), [g for g in made if g is not None]


def elementwise_of_two(
    function: int,
    input: Tensor,
    target: Tensor,
    third: Tensor | None,
    third_is_cycle: bool,
    weight: Tensor | None,
    a: float,
    b: float,
    *rest: Any,
) -> tuple[Tensor, list[Tensor]]:
    return elementwise_losses(function, input, target, third, third_is_cycle, weight, (a, b), *rest)
