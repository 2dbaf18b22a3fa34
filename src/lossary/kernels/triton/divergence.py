"""KL(softmax(t / T) || softmax(x / T)) of rows of logits t and x: value and gradients.

Shapes: logits x and t and their gradients (N, C); row weights, values (N).

1. Both maxima, and the sums of the exponentials against them.
2. KL = E[d] + log E[e^-d] with d = (t - x) / T, under the target's probabilities.
3. Where that is small both parts cancel: then d less its mean is v, and KL = E[v] + log(1 + E[e^-v - 1]) is a sum of
   positive terms e^-v - 1 + v.
4. The gradients.
Rows that fit into registers are read once. Of longer ones each thread keeps a maximum and sums of its own, and step 3,
where it is needed, and step 4 read them again.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import INFINITY, below, exp, exp_of_nonpositive, exp_of_row, log
from lossary.kernels.triton.sums import answer, keep_sum, scale_of


@triton.jit
def _reference(largest):
    return tl.where(largest == -INFINITY, 0.0, largest)


@triton.jit
def _exponents(x, t, x_reference, t_reference, sharp, CAREFUL: tl.constexpr):
    if CAREFUL:
        down_x, down_t = below(x, x_reference), below(t, t_reference)
    else:
        down_x, down_t = x - x_reference, t - t_reference
    return down_x * sharp, down_t * sharp


@triton.jit
def _terms(x, t, within, x_reference, t_reference, sharp, COARSE: tl.constexpr, CAREFUL: tl.constexpr):
    """Exponents and exponentials of both, and p d. Without regard to infinities, or with it where one shows."""
    down_x, down_t = _exponents(x, t, x_reference, t_reference, sharp, CAREFUL)
    e, p = exp_of_row(down_x, COARSE), exp_of_row(down_t, COARSE)
    product = p * (down_t - down_x)
    if CAREFUL:
        apart = tl.where(down_x == -INFINITY, INFINITY, product)  # however small p is, if it is not 0
        product = tl.where(down_t == -INFINITY, 0.0, apart)
    return down_x, down_t, e, p, tl.where(within, product, 0.0)


@triton.jit
def _rescale(largest, new, sharp):
    """What makes exponentials against a maximum those against a larger one."""
    return tl.where(largest == new, 1.0, exp_of_nonpositive((largest - new) * sharp))


@triton.jit
def _moved(distance, sum_t, keep_t, shift):
    """Σ p d against larger maxima, which move d by shift; what is infinite stays so."""
    moved = tl.where((sum_t == 0) | (keep_t == 0), 0.0, (distance + sum_t * shift) * keep_t)
    return tl.where(distance == INFINITY, distance, moved)


@triton.jit
def _bregman(v):
    """e^-v - 1 + v for |v| < 1/2."""
    q = 1.0 / 40320 - v * (1.0 / 362880)
    q = 1.0 / 5040 - v * q
    q = 1.0 / 720 - v * q
    q = 1.0 / 120 - v * q
    q = 1.0 / 24 - v * q
    q = 1.0 / 6 - v * q
    return v * v * (0.5 - v * q)


@triton.jit
def _small(x, t, e, p, shift, sharp):
    """p (e^-v - 1 + v) and p v, where e is p e^-v."""
    v = (t - x - shift) * sharp
    term = tl.where(tl.abs(v) < 0.5, p * _bregman(v), p * (v - 1.0) + e)
    nothing = p == 0
    return tl.where(nothing, e, term), tl.where(nothing, 0.0, p * v)


@triton.jit
def _of_small(positive, left, sum_t):
    positive, left = positive / sum_t, left / sum_t
    y = positive - left
    total = 1.0 + y
    return left + (log(total) + (y - (total - 1.0)) / total)


@triton.jit
def _d_target(down_x, down_t, p, factor, log_ratio, value):
    ratio = down_t - down_x + log_ratio
    return tl.where((p == 0) | (ratio == value), 0.0, p * factor * (ratio - value))


@triton.jit
def _weigh(row_weight, row, exists):
    weight = tl.where(exists, 1.0, 0.0)
    if row_weight is not None:
        weight = tl.load(row_weight + row, exists, 0.0)
    return weight


@triton.jit(do_not_specialize=["rows"])
def whole(
    input,
    target,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    sums,
    d_input,
    d_target,
    rows,
    classes,
    sharp,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """sharp: 1 / temperature."""
    coarse: tl.constexpr = input.dtype.element_ty != tl.float32
    program = tl.program_id(0).to(tl.int64)
    row = program * ROWS + tl.arange(0, ROWS)
    exists = row < rows
    column = tl.arange(0, BLOCK)[None, :]
    place, within = (row * classes)[:, None] + column, exists[:, None] & (column < classes)
    x = tl.load(input + place, within, -INFINITY).to(tl.float32)
    t = tl.load(target + place, within, -INFINITY).to(tl.float32)
    x_largest, t_largest = _reference(tl.max(x, 1)), _reference(tl.max(t, 1))
    x_below, t_below = x_largest[:, None], t_largest[:, None]
    down_x, down_t, e, p, product = _terms(x, t, within, x_below, t_below, sharp, coarse, False)
    distance = tl.sum(product, 1)
    odd = exists & ~(tl.abs(distance) < INFINITY)
    if tl.max(tl.where(odd, 1, 0)) > 0:
        careful_x, careful_t, careful_e, careful_p, product = _terms(
            x, t, within, x_below, t_below, sharp, coarse, True
        )
        here = odd[:, None]
        down_x, down_t = tl.where(here, careful_x, down_x), tl.where(here, careful_t, down_t)
        e, p = tl.where(here, careful_e, e), tl.where(here, careful_p, p)
        distance = tl.where(odd, tl.sum(product, 1), distance)
    sum_x, sum_t = tl.sum(e, 1), tl.sum(p, 1)
    sum_t = tl.where((sum_x > 0) & (sum_t > 0), sum_t, float("nan"))  # nothing but -inf, or a NaN
    mean, log_ratio = distance / sum_t, log(sum_x / sum_t)
    value = mean + log_ratio
    near = (value < 0.125) & (x_largest < INFINITY) & (t_largest < INFINITY)
    if tl.max(tl.where(near & exists, 1, 0)) > 0:
        center = (t_largest - x_largest) + mean / sharp
        positive, left = _small(x, t, e * exp(mean)[:, None], p, center[:, None], sharp)
        value = tl.where(near, _of_small(tl.sum(positive, 1), tl.sum(left, 1), sum_t), value)
    weight = _weigh(row_weight, row, exists)
    hidden = weight == 0
    if d_input is not None or d_target is not None:
        factor = weight * scale_of(normalizer, known, None, upstream) * sharp
        of_x, of_t, nothing = (factor / sum_x)[:, None], (factor / sum_t)[:, None], hidden[:, None]
        if d_input is not None:
            tl.store(d_input + place, tl.where(nothing, 0.0, e * of_x - p * of_t), within)
        if d_target is not None:
            g = _d_target(down_x, down_t, p, of_t, log_ratio[:, None], value[:, None])
            tl.store(d_target + place, tl.where(nothing, 0.0, g), within)
    value = tl.where(hidden, 0.0, weight * value)
    answer(values, sums, value, row, exists, normalizer, known, None)


@triton.jit
def _statistics(
    input,
    target,
    classes,
    sharp,
    COARSE: tl.constexpr,
    CAREFUL: tl.constexpr,
    LANES: tl.constexpr,
    VECTOR: tl.constexpr,
):
    """Of a row: the maxima to refer to, both sums, and Σ p d, from a maximum and sums for each lane."""
    column = tl.arange(0, LANES)[:, None] * VECTOR + tl.arange(0, VECTOR)[None, :]
    x_largest, t_largest = tl.full([LANES], -INFINITY, tl.float32), tl.full([LANES], -INFINITY, tl.float32)
    sum_x, sum_t = tl.zeros([LANES], tl.float32), tl.zeros([LANES], tl.float32)
    distance = tl.zeros([LANES], tl.float32)
    for begin in range(0, classes, LANES * VECTOR):
        within = column + begin < classes
        x = tl.load(input + begin + column, within, -INFINITY, eviction_policy="evict_last").to(tl.float32)
        t = tl.load(target + begin + column, within, -INFINITY, eviction_policy="evict_last").to(tl.float32)
        x_new, t_new = tl.maximum(x_largest, tl.max(x, 1)), tl.maximum(t_largest, tl.max(t, 1))
        x_reference, t_reference = _reference(x_new), _reference(t_new)
        _, _, e, p, product = _terms(x, t, within, x_reference[:, None], t_reference[:, None], sharp, COARSE, CAREFUL)
        keep_t = _rescale(t_largest, t_new, sharp)
        shift = (below(_reference(t_largest), t_reference) - below(_reference(x_largest), x_reference)) * sharp
        distance = _moved(distance, sum_t, keep_t, shift) + tl.sum(product, 1)
        sum_x = sum_x * _rescale(x_largest, x_new, sharp) + tl.sum(e, 1)
        sum_t = sum_t * keep_t + tl.sum(p, 1)
        x_largest, t_largest = x_new, t_new
    x_new, t_new = tl.max(x_largest, 0), tl.max(t_largest, 0)
    x_reference, t_reference = _reference(x_new), _reference(t_new)
    keep_t = _rescale(t_largest, t_new, sharp)
    shift = (below(_reference(t_largest), t_reference) - below(_reference(x_largest), x_reference)) * sharp
    distance = tl.sum(_moved(distance, sum_t, keep_t, shift))
    return x_reference, t_reference, tl.sum(sum_x * _rescale(x_largest, x_new, sharp)), tl.sum(sum_t * keep_t), distance


@triton.jit
def _write_gradients(
    input,
    target,
    d_input,
    d_target,
    first,
    classes,
    reading,
    x_reference,
    t_reference,
    sharp,
    of_x,
    of_t,
    log_ratio,
    value,
    COARSE: tl.constexpr,
    CAREFUL: tl.constexpr,
    LANES: tl.constexpr,
    VECTOR: tl.constexpr,
):
    column = tl.arange(0, LANES)[:, None] * VECTOR + tl.arange(0, VECTOR)[None, :]
    for begin in range(0, classes, LANES * VECTOR):
        place = begin + column
        x = tl.load(input + place, place < reading, -INFINITY, eviction_policy="evict_first").to(tl.float32)
        t = tl.load(target + place, place < reading, -INFINITY, eviction_policy="evict_first").to(tl.float32)
        down_x, down_t = _exponents(x, t, x_reference, t_reference, sharp, CAREFUL)
        p = exp_of_row(down_t, COARSE)
        if d_input is not None:
            g = exp_of_row(down_x, COARSE) * of_x - p * of_t
            tl.store(d_input + first + place, g, place < classes, eviction_policy="evict_first")
        if d_target is not None:
            g = _d_target(down_x, down_t, p, of_t, log_ratio, value)
            tl.store(d_target + first + place, g, place < classes, eviction_policy="evict_first")


@triton.jit
def loop(
    input,
    target,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    sums,
    d_input,
    d_target,
    classes,
    sharp,
    LANES: tl.constexpr,
    VECTOR: tl.constexpr,
):
    """A row for each program, in tiles (LANES, VECTOR): a vector of each tile for each thread."""
    coarse: tl.constexpr = input.dtype.element_ty != tl.float32
    row = tl.program_id(0).to(tl.int64)
    weight = tl.load(row_weight + row) if row_weight is not None else 1.0
    hidden = weight == 0
    reading = tl.where(hidden, 0, classes)
    input += row * classes
    target += row * classes
    x_reference, t_reference, sum_x, sum_t, distance = _statistics(
        input, target, reading, sharp, coarse, False, LANES, VECTOR
    )
    odd = ~(tl.abs(distance) < INFINITY)
    if odd:
        x_reference, t_reference, sum_x, sum_t, distance = _statistics(
            input, target, reading, sharp, coarse, True, LANES, VECTOR
        )
    sum_t = tl.where((sum_x > 0) & (sum_t > 0), sum_t, float("nan"))  # nothing but -inf, or a NaN
    mean, log_ratio = distance / sum_t, log(sum_x / sum_t)
    value = mean + log_ratio
    if (value < 0.125) & (x_reference < INFINITY) & (t_reference < INFINITY):
        center, up = (t_reference - x_reference) + mean / sharp, exp(mean)
        column = tl.arange(0, LANES)[:, None] * VECTOR + tl.arange(0, VECTOR)[None, :]
        positive, left = tl.zeros([LANES], tl.float32), tl.zeros([LANES], tl.float32)
        for begin in range(0, reading, LANES * VECTOR):
            within = column + begin < reading
            x = tl.load(input + begin + column, within, -INFINITY, eviction_policy="evict_last").to(tl.float32)
            t = tl.load(target + begin + column, within, -INFINITY, eviction_policy="evict_last").to(tl.float32)
            e = exp_of_row((x - x_reference) * sharp, coarse)
            p = exp_of_row((t - t_reference) * sharp, coarse)
            here, first = _small(x, t, e * up, p, center, sharp)
            positive += tl.sum(here, 1)
            left += tl.sum(first, 1)
        value = _of_small(tl.sum(positive), tl.sum(left), sum_t)
    if d_input is not None or d_target is not None:
        factor = weight * scale_of(normalizer, known, None, upstream) * sharp
        of_x, of_t = tl.where(hidden, 0.0, factor / sum_x), tl.where(hidden, 0.0, factor / sum_t)
        for careful in tl.static_range(2):
            if odd == (careful == 1):
                _write_gradients(
                    input,
                    target,
                    d_input,
                    d_target,
                    row * classes,
                    classes,
                    reading,
                    x_reference,
                    t_reference,
                    sharp,
                    of_x,
                    of_t,
                    log_ratio,
                    value,
                    coarse,
                    careful == 1,
                    LANES,
                    VECTOR,
                )
    value = tl.where(hidden, 0.0, weight * value)
    if values is not None:
        tl.store(values + row, value)
    else:
        keep_sum(sums, value, normalizer, known, None)


LONGEST = 4096
"""Of a row in registers."""
LANES = 512


def kl_rows(
    input_logits: Tensor,
    target_logits: Tensor,
    temperature: float,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    inputs = input_logits, target_logits
    classes = input_logits.shape[-1]
    rows = input_logits.numel() // max(classes, 1)
    fits = classes <= LONGEST
    block = triton.next_power_of_2(classes)
    # Of each row a thread has 16 numbers in registers, and 8 of several short ones that share a warp.
    rows_of_program = max(min(256 // block, 64), 1) if fits else 1
    programs = -(-rows // rows_of_program)
    made = [torch.empty_like(x) if gradients >> i & 1 else None for i, x in enumerate(inputs)]
    divisor = sums.divisor(rows, reduction, normalizer)
    values, partial = sums.room(input_logits, input_logits.shape[:-1], programs, reduction)
    given = *inputs, row_weight, *divisor[:2], upstream, values, partial, *made
    if programs and fits:
        sizes = {"ROWS": rows_of_program, "BLOCK": block, "num_warps": max(block // 512, 1)}
        launch(whole, (programs,), *given, rows, classes, 1 / temperature, **sizes)
    elif programs:
        sizes = {"LANES": LANES, "VECTOR": 16 // input_logits.itemsize, "num_warps": LANES // 32}
        launch(loop, (programs,), *given, classes, 1 / temperature, **sizes)
    return sums.reduced(values, partial, divisor), [g for g in made if g is not None]
