"""Losses of pairs of boxes: what kernels/cpu/boxes.h computes, in its words.

Shapes: boxes and gradients (N, 4); row weights, values (N). A program has some pairs, as tiles of a pair's two axes.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.sums import answer, scale_of

IOU, GIOU, DIOU, CIOU, EIOU = map(tl.constexpr, range(5))
XYXY, XYWH = map(tl.constexpr, range(2))
SMALLEST_NORMAL = tl.constexpr(2.0**-126)
HALF_PI = tl.constexpr(1.5707963267948966)


@triton.jit
def _positive(x):
    return tl.where(x < 0, 0.0, x)


@triton.jit
def _step(x):
    """1 above 0, and at 0, where two ends are one, a half."""
    return 0.5 * (tl.where(x > 0, 1.0, 0.0) + tl.where(x >= 0, 1.0, 0.0))


@triton.jit
def _inverse_size(x):
    return 1.0 / tl.where(x < SMALLEST_NORMAL, SMALLEST_NORMAL, x)


@triton.jit
def _across(x):
    """Of the other axis."""
    of_x, of_y = tl.split(x)
    return tl.join(of_y, of_x)


@triton.jit
def _sum(x):
    of_x, of_y = tl.split(x)
    return of_x + of_y


@triton.jit
def _product(x):
    of_x, of_y = tl.split(x)
    return of_x * of_y


@triton.jit
def _larger(x):
    of_x, of_y = tl.split(x)
    return tl.where(of_x < of_y, of_y, of_x)


@triton.jit
def _smaller(x):
    of_x, of_y = tl.split(x)
    return tl.where(of_y < of_x, of_y, of_x)


@triton.jit
def _atan_of_unit(r):
    """arctan of r in [0, 1]: r + r^3 q(r^2), as kernels/cpu/elementary.h has it."""
    z = r * r
    q = 2.920691037e-3
    q = q * z - 1.636792316e-2
    q = q * z + 4.321185283e-2
    q = q * z - 7.552213597e-2
    q = q * z + 1.066600431e-1
    q = q * z - 1.421105522e-1
    q = q * z + 1.999377282e-1
    q = q * z - 3.333315274e-1
    return r + r * (z * q)


@triton.jit
def _read(boxes, place, within, BLOCK: tl.constexpr):
    """The first two and the last two numbers of each."""
    numbers = tl.load(boxes + place, within, 0.0).to(tl.float32)
    return tl.split(numbers.reshape(BLOCK, 2, 2).permute(0, 2, 1))


@triton.jit
def _slope_of_iou(grows, width, common, common_part, rest_part):
    """By an end that moves `common` by `grows`; common_part and rest_part: I / U^2 and (U - I) / U^2."""
    of_all = _across(width) - 2.0 * grows * _across(common)
    return common_part[:, None] * of_all - rest_part[:, None] * grows * _across(common)


@triton.jit
def _slope_of_gap(grows, moves, width, common, span, covered, over_area):
    """Of (C - U) / C, by an end that moves the hull by `grows` and what is common by `moves`."""
    left = covered[:, None] * _across(span) * grows - (_across(width) - moves * _across(common))
    return left * over_area[:, None]


@triton.jit(do_not_specialize=["pairs"])
def boxes(
    input,
    target,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    sums,
    d_input,
    pairs,
    free_alpha,
    KIND: tl.constexpr,
    CORNERS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """free_alpha: 0 where alpha of the complete loss is a constant in derivatives, else 1."""
    pair = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    exists = pair < pairs
    place = tl.program_id(0).to(tl.int64) * (4 * BLOCK) + tl.arange(0, 4 * BLOCK)
    within = place < 4 * pairs
    # The four numbers of a box, f and l, as what the formula takes.
    f, l = _read(input, place, within, BLOCK)
    tf, tl_ = _read(target, place, within, BLOCK)
    d, e = f - tf, l - tl_
    if CORNERS == XYXY:
        low, high, size, target_size = d, e, l - f, tl_ - tf
    elif CORNERS == XYWH:
        low, high, size, target_size = d, d + e, l, tl_
    else:
        low, high, size, target_size = d - 0.5 * e, d + 0.5 * e, l, tl_

    # Both boxes along each axis, in units of their hull.
    hull = size + _positive(low) + _positive(-high)
    unit = _inverse_size(hull)
    width, target_width, span = size * unit, target_size * unit, hull * unit
    over = _positive(-low * unit) + _positive(high * unit)
    under = _positive(low * unit) + _positive(-high * unit)
    shared = tl.where(width <= target_width, width - over, target_width - under)
    meets, common = shared > 0, _positive(shared)
    rest = tl.where(meets, over, width - common)
    target_rest = tl.where(meets, under, target_width - common)
    begins, ends = _step(shared) * _step(low), _step(shared) * _step(-high)

    rest_x, rest_y = tl.split(rest)
    target_rest_x, target_rest_y = tl.split(target_rest)
    width_x, _y = tl.split(width)
    target_width_x, _y = tl.split(target_width)
    _x, common_y = tl.split(common)
    inside = _product(common)
    excess = (width_x * rest_y + common_y * rest_x) + (target_width_x * target_rest_y + common_y * target_rest_x)
    union = excess + inside
    empty = union < SMALLEST_NORMAL
    apart = tl.where(_sum(tl.abs(low) + tl.abs(high)) == 0, 0.0, 1.0)
    whole = tl.where(empty, 1.0, union)
    loss = tl.where(empty, apart, excess / whole)
    over_union = tl.where(empty, 0.0, 1.0 / whole)
    value, of_overlap = loss, 1.0
    first, last = tl.zeros([BLOCK, 2], tl.float32), tl.zeros([BLOCK, 2], tl.float32)

    if KIND == GIOU:
        area = _product(span)
        flat = area < SMALLEST_NORMAL
        over_area = tl.where(flat, 0.0, 1.0 / tl.where(flat, 1.0, area))
        gap = tl.where(_smaller(shared) > 0, 0.0, inside - _product(shared))
        over_x, over_y = tl.split(over)
        under_x, under_y = tl.split(under)
        open = tl.where(flat, apart, (over_x * under_y + under_x * over_y + gap) * over_area)
        value = loss + open
        first = -_slope_of_gap(_step(-low), begins, width, common, span, 1.0 - open, over_area) * unit
        last = _slope_of_gap(_step(high), ends, width, common, span, 1.0 - open, over_area) * unit
    if (KIND == DIOU) | (KIND == CIOU) | (KIND == EIOU):
        longest = _inverse_size(_larger(hull))[:, None]
        between, side = 0.5 * (low + high) * longest, hull * longest
        diagonal = _sum(side * side)
        over_diagonal = 1.0 / tl.where(diagonal == 0, 1.0, diagonal)
        distance = _sum(between * between) * over_diagonal
        value = loss + distance
        k, turn = longest * over_diagonal[:, None], 2.0 * distance[:, None] * side
        first = k * (between + turn * _step(-low))
        last = k * (between - turn * _step(high))
    if KIND == CIOU:
        longest, target_longest = _larger(size), _larger(target_size)
        point = tl.where(longest < target_longest, longest, target_longest) == 0
        own_unit = _inverse_size(longest)
        own, theirs = size * own_unit[:, None], target_size * _inverse_size(target_longest)[:, None]
        w, h = tl.split(own)
        tw, th = tl.split(theirs)
        cross = tl.where(point, 0.0, (w - tw) * th - tw * (h - th))
        dot, sine = h * th + w * tw, tl.abs(cross)
        steep = sine > dot
        less, most = tl.where(steep, dot, sine), tl.where(steep, sine, dot)
        part = _atan_of_unit(less / tl.where(most == 0, 1.0, most))
        angle = tl.where(steep, HALF_PI - part, part) * tl.where(cross < 0, -1.0, 1.0)
        v = 0.40528473456935109 * angle * angle
        alpha = v / tl.where(v == 0, 1.0, loss + v)
        factor, squares = alpha + free_alpha * alpha * (1.0 - alpha), w * w + h * h
        k = 0.81056946913870218 * angle * factor * own_unit / tl.where(squares == 0, 1.0, squares)
        value += alpha * v
        of_overlap = 1.0 - free_alpha * alpha * alpha
        turned = tl.join(k * h, -k * w)
        first -= turned
        last += turned
    if KIND == EIOU:
        over_span = 1.0 / tl.where(span == 0, 1.0, span)
        ratio = (width - target_width) * over_span
        k = 2.0 * ratio * over_span * unit
        value += _sum(ratio * ratio)
        first -= k * (1.0 - ratio * _step(-low))
        last += k * (1.0 - ratio * _step(high))

    # What is not a box is NaN, where the CPU raises.
    value = tl.where(_smaller(tl.where(size < target_size, size, target_size)) < 0, float("nan"), value)
    w = tl.load(row_weight + pair, exists, 0.0).to(tl.float32) if row_weight is not None else tl.where(exists, 1.0, 0.0)
    hidden = w == 0
    if d_input is not None:
        common_part, rest_part = of_overlap * inside * over_union * over_union, of_overlap * loss * over_union
        first -= _slope_of_iou(begins, width, common, common_part, rest_part) * unit
        last += _slope_of_iou(ends, width, common, common_part, rest_part) * unit
        if CORNERS == XYXY:
            d_first, d_last = first, last
        elif CORNERS == XYWH:
            d_first, d_last = first + last, last
        else:
            d_first, d_last = first + last, 0.5 * last - 0.5 * first
        k = (w * scale_of(normalizer, known, None, upstream))[:, None]
        lost = (value != value)[:, None]
        d_first = tl.where(hidden[:, None], 0.0, tl.where(lost, float("nan"), k * d_first))
        d_last = tl.where(hidden[:, None], 0.0, tl.where(lost, float("nan"), k * d_last))
        tl.store(d_input + place, tl.join(d_first, d_last).permute(0, 2, 1).reshape(4 * BLOCK), within)
    answer(values, sums, tl.where(hidden, 0.0, w * value), pair, exists, normalizer, known, None)


BLOCK = 256


def box_losses(
    input: Tensor,
    target: Tensor,
    kind: int,
    corners: int,
    held_alpha: bool,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    pairs = input.numel() // 4
    divisor = sums.divisor(pairs, reduction, normalizer)
    d_input = torch.empty_like(input) if gradients else None
    programs = -(-pairs // BLOCK)
    values, partial = sums.room(input, input.shape[:-1], programs, reduction)
    if programs:
        launch(
            boxes,
            (programs,),
            *(input, target, row_weight, *divisor[:2], upstream, values, partial, d_input),
            pairs,
            0.0 if held_alpha else 1.0,
            KIND=kind,
            CORNERS=corners,
            BLOCK=BLOCK,
        )
    return sums.reduced(values, partial, divisor), [] if d_input is None else [d_input]
