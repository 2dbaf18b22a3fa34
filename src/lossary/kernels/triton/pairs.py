"""Losses of rows of vectors: cosine embedding, triplet margin with the 2-norm.

Shapes: vectors and their gradients (N, D); targets, row weights, values (N). A program has some rows: whole in
registers where they fit; longer ones are read anew for norms, for the value and for the gradient.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import INFINITY, INTERPRETED, times
from lossary.kernels.triton.sums import answer, scale_of

LOW, HIGH = tl.constexpr(1e-20), tl.constexpr(1e30)
UP, DOWN = tl.constexpr(2.0**90), tl.constexpr(2.0**-96)


@triton.jit
def _factor(squares):
    """What makes their sum exact: squares overflow at norms of 1e19, and vanish at 1e-23."""
    return tl.where(squares <= LOW, UP, tl.where(squares >= HIGH, DOWN, 1.0))


@triton.jit
def _rounded_product(x, y):
    """Never fused with what is added to it: of equal vectors the difference is 0."""
    if INTERPRETED:
        return x * y
    return tl.inline_asm_elementwise("mul.rn.f32 $0, $1, $2;", "=f,f,f", [x, y], tl.float32, is_pure=True, pack=1)


@triton.jit
def _slope(factor, root):
    """d length / d x is this times x: 0 at the zero vector and at infinite ones."""
    flat = (root == 0) | (root == INFINITY)
    return tl.where(flat, 0.0, factor / tl.where(flat, 1.0, root))


@triton.jit
def _inverse(root):
    """0 at the zero vector."""
    return tl.where(root > 0, 1.0 / tl.where(root > 0, root, 1.0), root)


@triton.jit
def _read(x, place, within):
    return tl.load(x + place, within, 0.0).to(tl.float32)


@triton.jit(do_not_specialize=["rows"])
def cosine(
    x1,
    x2,
    target,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    sums,
    d_x1,
    d_x2,
    rows,
    width,
    margin,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    """1 - cos is half the squared distance of the unit vectors: near 0 it keeps the digits that cos has lost."""
    program = tl.program_id(0).to(tl.int64)
    row = program * ROWS + tl.arange(0, ROWS)
    exists = row < rows
    column = tl.arange(0, BLOCK)[None, :]
    place = (row * width)[:, None] + column
    end = BLOCK if WHOLE else width

    a_squares, b_squares = tl.zeros([ROWS, BLOCK], tl.float32), tl.zeros([ROWS, BLOCK], tl.float32)
    for begin in range(0, end, BLOCK):
        within = exists[:, None] & (column + begin < width)
        a, b = _read(x1, place + begin, within), _read(x2, place + begin, within)
        a_squares += a * a
        b_squares += b * b
    a_sum, b_sum = tl.sum(a_squares, 1), tl.sum(b_squares, 1)
    a_factor, b_factor = _factor(a_sum), _factor(b_sum)
    if tl.max(tl.where((a_factor == 1.0) & (b_factor == 1.0), 0, 1)) > 0:
        a_squares, b_squares = tl.zeros([ROWS, BLOCK], tl.float32), tl.zeros([ROWS, BLOCK], tl.float32)
        for begin in range(0, end, BLOCK):
            within = exists[:, None] & (column + begin < width)
            a = _read(x1, place + begin, within) * a_factor[:, None]
            b = _read(x2, place + begin, within) * b_factor[:, None]
            a_squares += a * a
            b_squares += b * b
        a_sum = tl.where(a_factor == 1.0, a_sum, tl.sum(a_squares, 1))
        b_sum = tl.where(b_factor == 1.0, b_sum, tl.sum(b_squares, 1))
    a_root, b_root = tl.sqrt_rn(a_sum), tl.sqrt_rn(b_sum)
    a_inverse, b_inverse = _inverse(a_root), _inverse(b_root)

    squares, products = tl.zeros([ROWS, BLOCK], tl.float32), tl.zeros([ROWS, BLOCK], tl.float32)
    for begin in range(0, end, BLOCK):
        within = exists[:, None] & (column + begin < width)
        u = _rounded_product(_read(x1, place + begin, within) * a_factor[:, None], a_inverse[:, None])
        v = _rounded_product(_read(x2, place + begin, within) * b_factor[:, None], b_inverse[:, None])
        squares += (u - v) * (u - v)
        products += u * v
    square, dot = tl.sum(squares, 1), tl.sum(products, 1)
    t = tl.load(target + row, exists, 0.0)
    weight = tl.load(row_weight + row, exists, 0.0) if row_weight is not None else tl.where(exists, 1.0, 0.0)
    zero = (a_root == 0) | (b_root == 0)
    distance = tl.where(zero, 1.0 + 0.0 * square, 0.5 * square)
    above = tl.where(dot > 1, 1.0, dot) - margin
    apart = tl.where(above <= 0, 0.0, above)
    value = weight * tl.where(t == 1, distance, tl.where(t == -1, apart, 0.0 * t))
    value = tl.where(weight == 0, 0.0, value)

    if d_x1 is not None or d_x2 is not None:
        slope = weight * scale_of(normalizer, known, None, upstream)
        active = (t == 1) | ((t == -1) & ~(above <= 0))
        k = tl.where(active & ~zero & (weight != 0), tl.where(t == 1, -slope, slope), 0.0)
        still = (k == 0)[:, None]
        rest = tl.where(t == 1, distance, 1.0 - dot)[:, None]  # b - cos a = (b - a) + (1 - cos) a
        for begin in range(0, end, BLOCK):
            within = exists[:, None] & (column + begin < width)
            u = _rounded_product(_read(x1, place + begin, within) * a_factor[:, None], a_inverse[:, None])
            v = _rounded_product(_read(x2, place + begin, within) * b_factor[:, None], b_inverse[:, None])
            if d_x1 is not None:
                g = (k * a_inverse)[:, None] * ((v - u) + rest * u) * a_factor[:, None]
                tl.store(d_x1 + place + begin, tl.where(still, 0.0, g), within)
            if d_x2 is not None:
                g = (k * b_inverse)[:, None] * ((u - v) + rest * v) * b_factor[:, None]
                tl.store(d_x2 + place + begin, tl.where(still, 0.0, g), within)
    answer(values, sums, value, row, exists, normalizer, known, None)


@triton.jit(do_not_specialize=["rows"])
def triplet(
    anchor,
    positive,
    negative,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    sums,
    d_anchor,
    d_positive,
    d_negative,
    rows,
    width,
    margin,
    eps,
    SWAP: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    WHOLE: tl.constexpr,
):
    program = tl.program_id(0).to(tl.int64)
    row = program * ROWS + tl.arange(0, ROWS)
    exists = row < rows
    column = tl.arange(0, BLOCK)[None, :]
    place = (row * width)[:, None] + column
    end = BLOCK if WHOLE else width

    near_sum, far_sum, between_sum = _distances(
        anchor, positive, negative, place, column, exists, width, end, eps, 1.0, 1.0, 1.0, SWAP, ROWS, BLOCK
    )
    near_factor, far_factor, between_factor = _factor(near_sum), _factor(far_sum), _factor(between_sum)
    ordinary = (near_factor == 1.0) & (far_factor == 1.0)
    if SWAP:
        ordinary &= between_factor == 1.0
    if tl.max(tl.where(ordinary, 0, 1)) > 0:
        near_sum, far_sum, between_sum = _distances(
            anchor,
            positive,
            negative,
            place,
            column,
            exists,
            width,
            end,
            eps,
            near_factor[:, None],
            far_factor[:, None],
            between_factor[:, None],
            SWAP,
            ROWS,
            BLOCK,
        )
    near, far = tl.sqrt_rn(near_sum), tl.sqrt_rn(far_sum)
    swapped = far != far
    if SWAP:
        between = tl.sqrt_rn(between_sum)
        swapped = tl.div_rn(between, between_factor) < tl.div_rn(far, far_factor)
        nearer = swapped | (between != between)
        far, far_factor = tl.where(nearer, between, far), tl.where(nearer, between_factor, far_factor)
    lead = tl.div_rn(near, near_factor) - tl.div_rn(far, far_factor) + margin
    enough = lead <= 0
    weight = tl.load(row_weight + row, exists, 0.0) if row_weight is not None else tl.where(exists, 1.0, 0.0)
    hidden = weight == 0
    value = tl.where(enough | hidden, 0.0, weight * lead)

    if d_anchor is not None or d_positive is not None or d_negative is not None:
        slope = weight * scale_of(normalizer, known, None, upstream)
        k = tl.where(enough | hidden, 0.0, slope)
        of_near, of_far = (k * _slope(near_factor, near))[:, None], (k * _slope(far_factor, far))[:, None]
        hidden = hidden[:, None]
        for begin in range(0, end, BLOCK):
            within = exists[:, None] & (column + begin < width)
            a, p = _read(anchor, place + begin, within), _read(positive, place + begin, within)
            n = _read(negative, place + begin, within)
            closer = times(of_near, a - p + eps)
            farther = times(of_far, a - n + eps)
            # d lead / d (a, p, n): of the near distance (1, -1, 0), of the far one (1, 0, -1), swapped (0, 1, -1).
            d_a, d_p = closer - farther, -closer
            if SWAP:
                across = swapped[:, None]
                farther = tl.where(across, times(of_far, p - n + eps), farther)
                d_a, d_p = closer - tl.where(across, 0.0, farther), -closer - tl.where(across, farther, 0.0)
            if d_anchor is not None:
                tl.store(d_anchor + place + begin, tl.where(hidden, 0.0, d_a), within)
            if d_positive is not None:
                tl.store(d_positive + place + begin, tl.where(hidden, 0.0, d_p), within)
            if d_negative is not None:
                tl.store(d_negative + place + begin, tl.where(hidden, 0.0, farther), within)
    answer(values, sums, value, row, exists, normalizer, known, None)


@triton.jit
def _distances(
    anchor,
    positive,
    negative,
    place,
    column,
    exists,
    width,
    end,
    eps,
    near_factor,
    far_factor,
    between_factor,
    SWAP: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The squared distances of anchor to positive, anchor to negative and positive to negative, times their factors."""
    near, far = tl.zeros([ROWS, BLOCK], tl.float32), tl.zeros([ROWS, BLOCK], tl.float32)
    between = tl.zeros([ROWS, BLOCK], tl.float32)
    for begin in range(0, end, BLOCK):
        within = exists[:, None] & (column + begin < width)
        a, p = _read(anchor, place + begin, within), _read(positive, place + begin, within)
        n = _read(negative, place + begin, within)
        to_p = tl.where(within, (a - p + eps) * near_factor, 0.0)
        to_n = tl.where(within, (a - n + eps) * far_factor, 0.0)
        near += to_p * to_p
        far += to_n * to_n
        if SWAP:
            across = tl.where(within, (p - n + eps) * between_factor, 0.0)
            between += across * across
    return tl.sum(near, 1), tl.sum(far, 1), tl.sum(between, 1)


LONGEST = 8192
"""Of a row in registers."""
PART = 1024
"""Of a longer one."""


def pairs(
    x1: Tensor,
    x2: Tensor,
    x3: Tensor | None,
    target: Tensor | None,
    margin: float,
    eps: float,
    swap: bool,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    width = x1.shape[-1]
    rows = x1.numel() // max(width, 1)
    whole = width <= LONGEST
    block = triton.next_power_of_2(width) if whole else PART
    # Of each vector a thread has 16 numbers in registers, 8 of a longer one, 32 of two in half precision. Rows share
    # a warp where they are short.
    of_thread = (32 if x3 is None and x1.itemsize == 2 else 16) if whole else 8
    rows_of_program = max(min(32 * of_thread // block, 64), 1)
    programs = -(-rows // rows_of_program)
    inputs = (x1, x2) if x3 is None else (x1, x2, x3)
    made = [torch.empty_like(x) if gradients >> i & 1 else None for i, x in enumerate(inputs)]
    divisor = sums.divisor(rows, reduction, normalizer)
    values, partial = sums.room(x1, x1.shape[:-1], programs, reduction)
    if programs:
        launch(
            cosine if x3 is None else triplet,
            (programs,),
            *(*inputs, *([target] if x3 is None else []), row_weight, *divisor[:2], upstream, values, partial, *made),
            *(rows, width, margin, *([] if x3 is None else [eps])),
            **({} if x3 is None else {"SWAP": swap}),
            ROWS=rows_of_program,
            BLOCK=block,
            WHOLE=whole,
            num_warps=max(block // (32 * of_thread), 1),
        )
    return sums.reduced(values, partial, divisor), [g for g in made if g is not None]
