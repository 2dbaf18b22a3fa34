"""Cross-entropy, focal loss and negative log-likelihood where classes are strided: dimension 1 of images and sequences.

Shapes: logits, probabilities, gradient (N, C, S); class indices, row weights, values (N, S); class weights (C).

A program has a block of positions of an image, each thread some of them with all of their classes: nothing is shared
but the sum of the values. Few classes are in registers and read once; of more a maximum and a sum are kept, and the
gradient reads them again. The sum over the other classes is kept apart from the target's: 1 - p and log(1 + small) keep
their digits.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import (
    INFINITY,
    excess_of_probability,
    exp,
    exp_of_nonpositive,
    exp_of_row,
    log,
    times,
)
from lossary.kernels.triton.sums import answer, scale_of

LARGEST = tl.constexpr(3.4028234663852886e38)
SLACK = tl.constexpr(4 * 2.0**-23)


@triton.jit
def _reference(largest):
    """What logits are taken against: a finite number."""
    return tl.where(largest == -INFINITY, 0.0, tl.minimum(largest, LARGEST))


@triton.jit
def _below(x, reference):
    """x - largest, where inf - inf is 0."""
    return tl.minimum(x - reference, 0.0, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _focal(nll, rest, gamma):
    """(1 - p)^gamma * nll, and its derivative with respect to nll. rest = 1 - p of the target class."""
    some = rest > 0
    power = tl.where(some, exp(gamma * log(rest)), 0.0)
    ratio = tl.where(some & (nll < INFINITY), nll / tl.where(some, rest, 1.0), 1.0)
    return times(power, nll), power * (1.0 + gamma * ratio * (1.0 - rest))


@triton.jit
def _weigh(target, class_weight, row_weight, row, exists, classes, ignore_index):
    """The weight of each row, 0 where it does not count, that of its class, its class or -1, and whether that is wrong.

    target: class indices, or None where targets are probabilities, and rows have no class.
    """
    weight = tl.where(exists, 1.0, 0.0)
    if row_weight is not None:
        weight = tl.load(row_weight + row, exists, 0.0)
    of_class, mine = tl.zeros_like(weight) + 1.0, tl.zeros_like(weight).to(tl.int32)
    wrong = of_class == 0
    if target is not None:
        y = tl.load(target + row, exists, ignore_index)
        weight = tl.where(y == ignore_index, 0.0, weight)
        wrong = ((y < 0) | (y >= classes)) & (weight != 0)
        mine = tl.where(wrong | (weight == 0), -1, y).to(tl.int32)
        if class_weight is not None:
            of_class = tl.load(class_weight + mine, mine >= 0, 0.0)
    return weight, of_class, mine, wrong


@triton.jit
def _target(target, class_weight, first, lane, within, c, has, kept, share):
    """The weight of a class in a target that has probabilities, and how far that lies outside of its range."""
    plain = tl.load(target + first + lane, within, 0.0).to(tl.float32)
    weight = plain * kept + share
    if class_weight is not None:
        weight *= tl.load(class_weight + c, has, 0.0)
    return weight, excess_of_probability(plain, SLACK)


@triton.jit(do_not_specialize=["ignore_index"])
def softmax(
    logits,
    target,
    class_weight,
    row_weight,
    normalizer,
    known,
    parts,
    upstream,
    values,
    sums,
    gradient,
    classes,
    inner,
    blocks,
    ignore_index,
    smoothing,
    gamma,
    BY_INDEX: tl.constexpr,
    SMOOTH: tl.constexpr,
    FOCAL: tl.constexpr,
    TILE: tl.constexpr,
    WHOLE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """blocks: of an image. TILE: how many classes are read together, all where WHOLE."""
    coarse: tl.constexpr = logits.dtype.element_ty != tl.float32
    SPREADS: tl.constexpr = SMOOTH or not BY_INDEX
    program = tl.program_id(0).to(tl.int64)
    image, start = program // blocks, program % blocks * BLOCK
    lane = tl.arange(0, BLOCK)
    exists = lane < inner - start
    row = image * inner + start + lane
    first, stride = image * inner * classes + start, tl.zeros([], tl.int64) + inner
    end = TILE if WHOLE else classes
    kept, share = 1.0 - smoothing, smoothing / classes

    weight, of_class, mine, wrong = _weigh(
        target if BY_INDEX else None, class_weight, row_weight, row, exists, classes, ignore_index
    )
    hidden = weight == 0

    largest, own = tl.full([BLOCK], -INFINITY, tl.float32), tl.full([BLOCK], -INFINITY, tl.float32)
    others = tl.zeros([BLOCK], tl.float32)  # Σ e^(x - m) over the other classes
    distance, mass = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
    for begin in range(0, end, TILE):
        new = largest
        for k in tl.static_range(TILE):
            within = exists if WHOLE else tl.where(begin + k < classes, exists, False)
            x = tl.load(logits + first + (begin + k) * stride + lane, within, -INFINITY).to(tl.float32)
            new = tl.maximum(new, x)
            if BY_INDEX:
                own = tl.where(mine == begin + k, x, own)
        reference = _reference(new)
        if not WHOLE:
            others *= tl.where(largest == new, 1.0, exp_of_nonpositive(largest - new))
            if SPREADS:
                distance += times(mass, reference - _reference(largest))
        for k in tl.static_range(TILE):
            has = WHOLE or begin + k < classes
            within = exists if WHOLE else tl.where(begin + k < classes, exists, False)
            x = tl.load(logits + first + (begin + k) * stride + lane, within, -INFINITY).to(tl.float32)
            down = _below(x, reference)
            e = exp_of_row(down, coarse)
            if BY_INDEX:
                e = tl.where(mine == begin + k, 0.0, e)
            others += e
            if not BY_INDEX:
                w, excess = _target(
                    target, class_weight, first + (begin + k) * stride, lane, within, begin + k, has, kept, share
                )
                wrong |= excess > 0
                w = tl.where(has, w, 0.0)
                distance -= tl.where(w == 0, 0.0, w * down)
                mass += w
            elif SMOOTH:
                w = tl.where(has, 1.0, 0.0)
                if class_weight is not None:
                    w = tl.load(class_weight + begin + k, has, 0.0)
                distance -= tl.where(w == 0, 0.0, w * down)
                mass += w
        largest = new
    reference = _reference(largest)
    if SPREADS:
        distance = tl.where((largest == INFINITY) & (distance > 0), INFINITY, distance)

    scale = scale_of(normalizer, known, parts, upstream)
    wrong &= ~hidden  # which may hold anything
    of_own = others
    if BY_INDEX:
        own_e = exp_of_nonpositive(_below(own, reference))
        total = others + own_e
        total = tl.where((total > 0) & ~wrong, total, float("nan"))  # nothing but -inf, or a NaN
        log_total, inverse = log(total), 1.0 / total
        rest = others * inverse
        lost = others - (total - 1.0)  # in the rounding of 1 + others
        nll = log_total + tl.where(own == largest, lost * inverse, largest - own)
        cost, dcost = nll, 1.0
        if FOCAL:
            cost, dcost = _focal(nll, rest, gamma)
        own_weight = weight * of_class * kept
        value = times(own_weight, cost) + 0.0 * total
        own_slope = own_weight * dcost * scale
        factor = own_slope * inverse
        of_own = -own_slope * rest
        flat = weight * share
        if SMOOTH:
            soft = flat * (tl.where(mass == 0, 0.0, mass * log_total) + distance)
            value += tl.where(flat == 0, 0.0, soft)
            all = flat * scale * mass
            factor += all * inverse
            of_own += all * own_e * inverse
    else:
        total = tl.where((others > 0) & ~wrong, others, float("nan"))
        flat = weight
        value = flat * (tl.where(mass == 0, 0.0, mass * log(total)) + distance) + 0.0 * total
        factor = flat * scale * mass / total
    flat *= scale
    value = tl.where(hidden, 0.0, value)
    factor = tl.where(hidden, 0.0, factor)

    if gradient is not None:
        for begin in range(0, end, TILE):
            slopes = ()
            for k in tl.static_range(TILE):
                has = WHOLE or begin + k < classes
                within = exists if WHOLE else tl.where(begin + k < classes, exists, False)
                x = tl.load(logits + first + (begin + k) * stride + lane, within, -INFINITY).to(tl.float32)
                g = exp_of_row(_below(x, reference), coarse) * factor
                if BY_INDEX:
                    g = tl.where(mine == begin + k, of_own, g)
                    if SMOOTH:
                        w = flat
                        if class_weight is not None:
                            w = flat * tl.load(class_weight + begin + k, has, 0.0)
                        g -= w
                else:
                    w, _ = _target(
                        target, class_weight, first + (begin + k) * stride, lane, within, begin + k, has, kept, share
                    )
                    g -= flat * w
                slopes = slopes + (tl.where(hidden, 0.0, g),)  # noqa: RUF005  # Triton has no other way
            for k in tl.static_range(TILE):
                within = exists if WHOLE else tl.where(begin + k < classes, exists, False)
                tl.store(gradient + first + (begin + k) * stride + lane, slopes[k], within)
    answer(values, sums, value, row, exists, normalizer, known, parts)


@triton.jit(do_not_specialize=["ignore_index"])
def gather(
    log_probabilities,
    target,
    class_weight,
    row_weight,
    normalizer,
    known,
    parts,
    upstream,
    values,
    sums,
    gradient,
    classes,
    inner,
    blocks,
    ignore_index,
    BLOCK: tl.constexpr,
):
    """The gradient is 0 but at the target class."""
    program = tl.program_id(0).to(tl.int64)
    image, start = program // blocks, program % blocks * BLOCK
    lane = tl.arange(0, BLOCK)
    exists = lane < inner - start
    row = image * inner + start + lane
    first = image * inner * classes + start
    weight, of_class, mine, wrong = _weigh(target, class_weight, row_weight, row, exists, classes, ignore_index)
    stride = tl.zeros([], tl.int64) + inner
    weight = tl.where(wrong, float("nan"), weight * of_class)
    x = tl.load(log_probabilities + first + lane + mine * stride, mine >= 0, 0.0).to(tl.float32)
    value = times(weight, -x)
    if gradient is not None:
        slope = -weight * scale_of(normalizer, known, parts, upstream)
        for c in range(classes):
            tl.store(gradient + first + c * stride + lane, tl.where((mine == c) | wrong, slope, 0.0), exists)
    answer(values, sums, value, row, exists, normalizer, known, parts)


MOST_CLASSES = 32
"""Of rows in registers."""


def _segments(x: Tensor) -> tuple[int, int, int]:
    """Images, classes, and positions of an image."""
    axis = min(x.dim() - 1, 1)
    return x.shape[0] if axis else 1, x.shape[axis], math.prod(x.shape[axis + 1 :])


def _unreduced(x: Tensor) -> list[int]:
    return [n for d, n in enumerate(x.shape) if d != min(x.dim() - 1, 1)]


def _block(inner: int, together: int) -> tuple[int, int]:
    """Positions of a program, of which each thread has some together, and its warps."""
    block = min(128 * together, max(triton.next_power_of_2(inner), 32))
    return block, max(block // (32 * together), 1)


def softmax_rows(
    gradient: Tensor | None,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    gamma: float,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
) -> Tensor:
    images, classes, inner = _segments(logits)
    by_index = target.dtype == torch.long
    given = target if by_index else None, weight, row_weight, classes, ignore_index
    divisor = sums.divisor(images * inner, reduction, normalizer, *given)
    whole = classes <= MOST_CLASSES
    vector = 16 // logits.itemsize
    # Numbers of a thread: 64 logits, 32 where targets stand beside them; 32 of a tile.
    together = min(1 << (max((64 if by_index else 32) // classes, 1).bit_length() - 1), vector) if whole else vector
    block, warps = _block(inner, together)
    blocks = -(-inner // block)
    values, partial = sums.room(logits, _unreduced(logits), images * blocks, reduction)
    if images * blocks:
        launch(
            softmax,
            (images * blocks,),
            *(logits, target, weight, row_weight, *divisor, upstream, values, partial, gradient),
            *(classes, inner, blocks, ignore_index, label_smoothing, gamma),
            BY_INDEX=by_index,
            SMOOTH=label_smoothing > 0,
            FOCAL=by_index and gamma != 0,
            TILE=classes if whole else 32 // vector,
            WHOLE=whole,
            BLOCK=block,
            num_warps=warps,
        )
    return sums.reduced(values, partial, divisor)


def nll(
    log_probabilities: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    x = log_probabilities
    images, classes, inner = _segments(x)
    given = target, weight, row_weight, classes, ignore_index
    divisor = sums.divisor(images * inner, reduction, normalizer, *given)
    block, warps = _block(inner, 16 // x.itemsize)
    blocks = -(-inner // block)
    made = [torch.empty_like(x)] if gradients else []
    values, partial = sums.room(x, _unreduced(x), images * blocks, reduction)
    if images * blocks:
        launch(
            gather,
            (images * blocks,),
            *(x, target, weight, row_weight, *divisor, upstream, values, partial, made[0] if made else None),
            *(classes, inner, blocks, ignore_index),
            BLOCK=block,
            num_warps=warps,
        )
    return sums.reduced(values, partial, divisor), made
