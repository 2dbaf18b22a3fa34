"""Overlap of masks: what kernels/cpu/overlap.h computes, in its words, and the ratios of bind_overlap.cpp.

Shapes: scores, masks, gradient (N, C, M); class indices, pixel weights (N, M); row weights, values (L, C), where L is
N, or 1 of a batch that is one; partial sums (N, units, C, 3); slopes (L, C, 2). A program has a block of pixels of a
sample with all of their classes; the gradient reads the scores again, once the sums of all blocks are known.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import INFINITY, below, excess_of_probability, exp_of_nonpositive
from lossary.kernels.triton.sums import scale_of

SLACK = tl.constexpr(4 * 2.0**-23)
SOFTMAX, SIGMOID = map(tl.constexpr, range(2))
SQUARED, MINIMUM, PRODUCT = map(tl.constexpr, range(3))
"""What is added up of p and t."""


@triton.jit
def _error(p, q, t):
    """t - p, of the smaller two of t, p, 1 - t and 1 - p."""
    return tl.where(t > 0.5, q - (1.0 - t), t - p)


@triton.jit
def _side(t, d):
    """How much of the derivative is that of p < t: between equals a half, at the ends of [0, 1] one side alone."""
    inside = tl.where(d > 0, 1.0, tl.where(d < 0, 0.0, 0.5))
    return tl.where(t >= 1, 1.0, tl.where(t <= 0, 0.0, inside))


@triton.jit
def _pixels(
    input,
    target,
    pixel_weight,
    row_weight,
    sample,
    row,
    start,
    classes,
    inner,
    ignore_index,
    ACTIVATION: tl.constexpr,
    BY_INDEX: tl.constexpr,
    CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of a block of pixels their weights, p, 1 - p and t of each class, and where these stand.

    A weight is 0 where a pixel does not count, whatever it holds, and NaN where its class does not exist.
    """
    c, lane = tl.arange(0, CLASSES), start + tl.arange(0, BLOCK)
    exists = lane < inner
    within = (c < classes)[:, None] & exists[None, :]
    place = sample * classes * inner + c[:, None] * inner + lane[None, :]
    pixel = sample * inner + lane
    w = tl.where(exists, 1.0, 0.0)
    if pixel_weight is not None:
        w = tl.load(pixel_weight + pixel, exists, 0.0).to(tl.float32)
    if row_weight is not None:
        of_row = tl.load(row_weight + row * classes + c, c < classes, 0.0)
        w = tl.where(tl.max(tl.where(of_row != 0, 1, 0)) > 0, w, 0.0)
    if BY_INDEX:
        y = tl.load(target + pixel, exists, ignore_index)
        w = tl.where(y == ignore_index, 0.0, w)
        w = tl.where((w != 0) & ((y < 0) | (y >= classes)), float("nan"), w)
        t = tl.where(c[:, None] == tl.where(w == 0, -1, y)[None, :], 1.0, 0.0)
    else:
        t = tl.load(target + place, within, 0.0).to(tl.float32)
        t = tl.where((w == 0)[None, :], 0.0, t)
        t = tl.where(excess_of_probability(t, SLACK) > 0, float("nan"), t)
    x = tl.load(input + place, within, 0.0).to(tl.float32)
    x = tl.where((w == 0)[None, :], 0.0, x)
    if ACTIVATION == SOFTMAX:
        x = tl.where((c < classes)[:, None], x, -INFINITY)
        largest = tl.max(x, 0)
        largest = tl.where(largest == -INFINITY, 0.0, largest)[None, :]
        e = exp_of_nonpositive(below(x, largest))
        one = tl.sum(tl.where(e == 1, 1.0, 0.0), 0)  # the sum without a largest term keeps the digits of the others
        small = tl.sum(tl.where(e == 1, 0.0, e), 0)
        total, rest = small + one, small + (one - 1.0)
        inverse = tl.where(total > 0, 1.0 / total, float("nan"))[None, :]
        p, q = e * inverse, tl.where(e == 1, rest[None, :], total[None, :] - e) * inverse
    elif ACTIVATION == SIGMOID:
        e = exp_of_nonpositive(-tl.abs(x))
        larger = 1.0 / (1.0 + e)
        smaller = e * larger
        p, q = tl.where(x < 0, smaller, larger), tl.where(x < 0, larger, smaller)
    else:
        p = tl.where(excess_of_probability(x, SLACK) > 0, float("nan"), x)
        q = 1.0 - p
    return w[None, :], p, q, t, place, within


@triton.jit
def overlap_sums(
    input,
    target,
    pixel_weight,
    row_weight,
    partial,
    classes,
    inner,
    units,
    ignore_index,
    OVERLAP: tl.constexpr,
    ACTIVATION: tl.constexpr,
    BY_INDEX: tl.constexpr,
    BATCH: tl.constexpr,
    CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """units: of a sample, each of some blocks."""
    program = tl.program_id(0).to(tl.int64)
    sample = program // units
    given = input, target, pixel_weight, row_weight
    first = tl.zeros([CLASSES, BLOCK], tl.float32)
    second, third = first, first
    for step in range(BLOCKS):
        start = (program % units * BLOCKS + step) * BLOCK
        at = sample, sample * (not BATCH), start, classes, inner, ignore_index
        w, p, q, t, _place, _within = _pixels(*given, *at, ACTIVATION, BY_INDEX, CLASSES, BLOCK)
        if OVERLAP == SQUARED:
            d = _error(p, q, t)
            first += w * (d * d)
            second += w * (p * p + t * t)
            third += w * t
        elif OVERLAP == MINIMUM:
            d = _error(p, q, t)
            under = _side(t, d)
            first += w * (under * p + (1.0 - under) * t)
            second += (under - 1.0) * w * d
            third += w * under * d
        else:
            first += w * p * t
            second += w * p * (1.0 - t)
            third += w * q * t
    c = tl.arange(0, CLASSES)
    to, within = partial + (program * classes + c) * 3, c < classes
    tl.store(to, tl.sum(first, 1), within)
    tl.store(to + 1, tl.sum(second, 1), within)
    tl.store(to + 2, tl.sum(third, 1), within)


@triton.jit
def overlap_ratios(
    partial,
    class_weight,
    row_weight,
    values,
    slopes,
    counted,
    classes,
    units,
    smooth,
    alpha,
    beta,
    gamma,
    SQUARES: tl.constexpr,
    PRESENT: tl.constexpr,
    POWER: tl.constexpr,
    CLASSES: tl.constexpr,
    UNITS: tl.constexpr,
):
    """Of each loss its classes' values, derivatives by p where t is 0 and where it is 1, or of squares as a p + b t,
    and what they count for in a mean; all weighted. units: of a loss. PRESENT: others are left out.
    """
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, CLASSES)
    has = c < classes
    first = tl.zeros([UNITS, CLASSES], tl.float64)
    second, third = first, first
    for begin in range(0, units, UNITS):
        unit = begin + tl.arange(0, UNITS)
        within = (unit < units)[:, None] & has[None, :]
        part = partial + ((row * units + unit)[:, None] * classes + c[None, :]) * 3
        first += tl.load(part, within, 0.0).to(tl.float64)
        second += tl.load(part + 1, within, 0.0).to(tl.float64)
        third += tl.load(part + 2, within, 0.0).to(tl.float64)
    a, b, d = tl.sum(first, 0), tl.sum(second, 0), tl.sum(third, 0)
    if SQUARES:
        above, below_, present = a, b + 2 * smooth, d > 0
    else:
        above = alpha * b + beta * d
        below_, present = a + above + smooth, a + d > 0
    nothing = below_ == 0
    over = 1.0 / tl.where(nothing, 1.0, below_)
    ratio = above * over
    loss, of_power = ratio, tl.where(nothing, 0.0, 1.0)
    if POWER:
        some = ratio > 0
        loss = tl.where(ratio == 0, 0.0, tl.exp(gamma * tl.log(tl.where(some, ratio, 1.0))))
        loss = tl.where(some | (ratio == 0), loss, ratio)
        of_power = tl.where(some & ~nothing, gamma * loss / tl.where(some, ratio, 1.0), 0.0)
    if SQUARES:
        here, there = 2 * (1 - ratio) * over, -2 * over
    else:
        kept = (below_ - above) * over * over * of_power
        here, there = alpha * kept, -beta * kept - ratio * over * of_power
    left_out = nothing
    weight = tl.where(has, 1.0, 0.0)
    if PRESENT:
        absent = ~present & (loss == loss)
        left_out = nothing | absent
    loss, here, there = tl.where(left_out, 0.0, loss), tl.where(left_out, 0.0, here), tl.where(left_out, 0.0, there)
    if class_weight is not None:
        weight *= tl.load(class_weight + c, has, 0.0)
    if row_weight is not None:
        weight *= tl.load(row_weight + row * classes + c, has, 0.0)
    off = weight == 0
    place = row * classes + c
    tl.store(values + place, tl.where(off, 0.0, weight * loss), has)
    if slopes is not None:
        tl.store(slopes + 2 * place, tl.where(off, 0.0, weight * here), has)
        tl.store(slopes + 2 * place + 1, tl.where(off, 0.0, weight * there), has)
    if counted is not None:
        counts = weight
        if PRESENT:
            counts = tl.where(absent, 0.0, weight)
        tl.store(counted + row, tl.sum(counts))


@triton.jit
def overlap_gradients(
    input,
    target,
    pixel_weight,
    row_weight,
    slopes,
    normalizer,
    known,
    upstream,
    gradient,
    classes,
    inner,
    blocks,
    ignore_index,
    OVERLAP: tl.constexpr,
    ACTIVATION: tl.constexpr,
    BY_INDEX: tl.constexpr,
    BATCH: tl.constexpr,
    CLASSES: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """blocks: of a sample."""
    program = tl.program_id(0).to(tl.int64)
    sample = program // blocks
    row = sample * (not BATCH)
    given = input, target, pixel_weight, row_weight
    at = sample, row, program % blocks * BLOCK, classes, inner, ignore_index
    w, p, q, t, place, within = _pixels(*given, *at, ACTIVATION, BY_INDEX, CLASSES, BLOCK)
    c = tl.arange(0, CLASSES)
    scale = scale_of(normalizer, known, None, upstream)
    of_class = slopes + (row * classes + c) * 2
    first = (tl.load(of_class, c < classes, 0.0) * scale)[:, None]
    second = (tl.load(of_class + 1, c < classes, 0.0) * scale)[:, None]
    if OVERLAP == SQUARED:
        slope = w * (first * p + second * t)
    elif OVERLAP == MINIMUM:
        slope = w * (first + _side(t, _error(p, q, t)) * (second - first))
    else:
        slope = w * (first + t * (second - first))
    if ACTIVATION == SOFTMAX:
        product = p * slope
        made = product - p * tl.sum(tl.where((c < classes)[:, None], product, 0.0), 0)[None, :]
    elif ACTIVATION == SIGMOID:
        made = p * q * slope
    else:
        made = slope
    tl.store(gradient + place, tl.where(w == 0, 0.0, made), within)


TILE = 2048
"""Numbers of a block: 16 for each thread of four warps, of p, 1 - p, t and the exponentials."""
BLOCKS = 4
"""That are added up before their sums are written."""


def overlap(
    input: Tensor,
    target: Tensor,
    pixel_weight: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    activation: int,
    overlap: int,
    squared: bool,
    batch: bool,
    classes: int,
    smooth: float,
    alpha: float,
    beta: float,
    gamma: float,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    samples, count = (input.shape[0] if input.dim() > 1 else 1), input.shape[min(1, input.dim() - 1)]
    inner = input.numel() // max(samples * count, 1)
    losses = 1 if batch else samples
    by_index, present = target.dtype == torch.long, classes == 1
    made = [torch.empty_like(input)] if gradients else []
    values = input.new_empty((losses, count), dtype=torch.float32)
    slopes = input.new_empty((losses, count, 2), dtype=torch.float32) if gradients else None
    means = reduction in sums.MEANS and normalizer is None
    counted = values.new_empty(losses) if means and (present or weight is not None or row_weight is not None) else None

    padded = triton.next_power_of_2(count)
    block = max(TILE // padded, 16)
    blocks = -(-inner // block)
    units = -(-blocks // BLOCKS)
    partial = input.new_empty((samples * units, count, 3), dtype=torch.float32)
    of_data = input, target, pixel_weight, row_weight
    options = {
        "OVERLAP": (SQUARED if squared else MINIMUM if overlap == 0 and not by_index else PRODUCT).value,
        "ACTIVATION": activation,
        "BY_INDEX": by_index,
        "BATCH": batch,
        "CLASSES": padded,
        "BLOCK": block,
        "num_warps": max(padded * block // 512, 1),
    }
    if samples * units:
        numbers = partial, count, inner, units, ignore_index
        launch(overlap_sums, (samples * units,), *of_data, *numbers, BLOCKS=BLOCKS, **options)
    if losses * count:
        launch(
            overlap_ratios,
            (losses,),
            *(partial, weight, row_weight, values, slopes, counted, count, samples * units // losses),
            *(smooth, alpha, beta, gamma),
            SQUARES=squared,
            PRESENT=present,
            POWER=gamma != 1,
            CLASSES=padded,
            UNITS=max(512 // padded, 1),
        )
    divisor = sums.Divisor(known=float(losses * count if means else 1))
    if counted is not None:
        divisor = sums.Divisor(counted.sum())
    elif normalizer is not None and reduction in sums.MEANS:
        divisor = sums.Divisor(normalizer)
    if made and samples * blocks:
        numbers = slopes, *divisor[:2], upstream, made[0], count, inner, blocks, ignore_index
        launch(overlap_gradients, (samples * blocks,), *of_data, *numbers, **options)
    if reduction == REDUCTIONS["none"]:
        return (values if input.dim() > 1 and not batch else values[0]), made
    return sums.total_of(values, *divisor), made
