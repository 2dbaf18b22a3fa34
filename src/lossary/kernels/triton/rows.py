"""Losses of rows of logits with contiguous classes: cross-entropy and focal loss, value and gradient from one kernel;
negative log-likelihood; log-probabilities.

Rows have two forms (sizes.py): a program holds some whole ones in registers, or reads a longer one twice, in a loop.
Statistics of rows are (rows, 1) in both, and broadcast to the classes, to the classes of the targets (rows, picks), and
to a loop's lanes.

What is added up is read by groups that divide the classes, 16 bytes at most: a row's sums have the same order wherever
it lies. Where nothing is added up, in a loop's second reading, rows go by the whole groups of 16 bytes that they have,
and what lies before and behind these, their ends, goes apart.

One class of the largest logit is left out of the sum of exponentials: log(1 + others) and 1 - p keep their digits
(decision 0001). Where that class has no more than half of the sum, the others are the sum less it; where it has more,
they are summed again.
"""

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.triton import segments, sizes, sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import (
    INFINITY,
    excess_of_probability,
    exp,
    exp_of_difference,
    log,
    log1p,
    slope_of_tanh,
    tanh,
    times,
)
from lossary.kernels.triton.sums import answer, scale_of

SLACK = tl.constexpr(4 * 2.0**-23)


# Places


@triton.jit
def _rows_of_program(ROWS: tl.constexpr):
    return (tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS))[:, None]


@triton.jit
def _row(row, classes, GROUP: tl.constexpr):
    """Where rows of classes that GROUP divides begin: at a group."""
    return row * (classes // GROUP) * GROUP


@triton.jit
def _body(first, classes, BLOCK: tl.constexpr, GROUP: tl.constexpr):
    """The places of logits, their classes, and which of them there are: a group as a whole, or not."""
    i = tl.arange(0, BLOCK)[None, :]
    return first + i, i, i // GROUP < classes // GROUP


@triton.jit
def _lanes(first, classes, begin, STEPS: tl.constexpr, LANES: tl.constexpr, GROUP: tl.constexpr):
    """As `_body`, from the class `begin` on: (STEPS, LANES, GROUP), of which a thread has all but the lanes."""
    step = tl.arange(0, STEPS)[:, None, None]
    lane = tl.arange(0, LANES)[None, :, None]
    group = begin // GROUP + step * LANES + lane
    i = group * GROUP + tl.arange(0, GROUP)[None, None, :]
    return first + i, i, tl.broadcast_to(group < classes // GROUP, [STEPS, LANES, GROUP])


@triton.jit
def _aligned(first, classes, begin, BLOCK: tl.constexpr, GROUP: tl.constexpr):
    """As `_body`, from the place `begin` on, of the whole groups of 16 bytes in rows that begin anywhere."""
    start = (first + (GROUP - 1)) // GROUP * GROUP
    lead = (start - first).to(tl.int32)
    i = begin + tl.arange(0, BLOCK)[None, :]
    return start + i, lead + i, i // GROUP < (classes - lead) // GROUP


@triton.jit
def _ends(first, classes, GROUP: tl.constexpr):
    """As `_body`, of what lies before and behind these groups."""
    lead = ((first + (GROUP - 1)) // GROUP * GROUP - first).to(tl.int32)
    i = tl.arange(0, 2 * GROUP)[None, :]
    behind = lead + tl.maximum((classes - lead) // GROUP, 0) * GROUP + (i - GROUP)
    place = tl.where(i < GROUP, i, behind)
    return first + place, place, (place < classes) & ((i >= GROUP) | (i < lead))


# Logits


@triton.jit
def _read(logits, at, there, softcap, sharpness, KEEP: tl.constexpr = ""):
    """Logits, and what they are transformed to; -inf where there are none."""
    x = tl.load(logits + at, there, -INFINITY, eviction_policy=KEEP).to(tl.float32)
    y = x
    if softcap is not None:
        # The tanh of -inf is -1.
        y = tl.where(there, tanh(x * (1.0 / softcap), logits.dtype.element_ty != tl.float32) * softcap, x)
    if sharpness is not None:
        y *= sharpness
    return x, y


@triton.jit
def _through_transform(slope, x, softcap, sharpness, COARSE: tl.constexpr):
    """The gradient with respect to logits from that with respect to transformed ones."""
    if softcap is not None:
        slope *= slope_of_tanh(x * (1.0 / softcap), COARSE)
    if sharpness is not None:
        slope *= sharpness
    return slope


@triton.jit
def _is_far(largest, COARSE: tl.constexpr):
    """Where the difference to the largest logit takes no single fma: it is inf, or the product has too few digits."""
    return (tl.abs(largest) >= 1024.0) & (largest > -INFINITY) if COARSE else largest == INFINITY


@triton.jit
def _exponentials(y, largest, COARSE: tl.constexpr, FAR: tl.constexpr):
    """Against the largest logit. FAR: some may be far."""
    e = exp_of_difference(y, tl.where(largest == -INFINITY, 0.0, largest), COARSE)
    if FAR:
        careful = exp_of_difference(-_below(y, largest), 0.0, COARSE)
        e = tl.where(_is_far(largest, COARSE), careful, e)
    return e


@triton.jit
def _read_exponentials(logits, at, there, softcap, sharpness, largest, far):
    """As they were when the row was read first."""
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    y = _read(logits, at, there, softcap, sharpness, "evict_first")[1]
    e = _exponentials(y, largest, COARSE, False)
    if far:
        e = _exponentials(y, largest, COARSE, True)
    return e


@triton.jit
def _below(y, largest):
    """How far logits are below the largest; inf - inf is 0."""
    return tl.where(y == largest, 0.0, largest - y)


@triton.jit
def _largest(x):
    """Of each row, or of each lane."""
    return tl.max(tl.max(x, 2), 0) if len(x.shape) == 3 else tl.max(x, 1, keep_dims=True)


@triton.jit
def _sum(x):
    return tl.sum(tl.sum(x, 2), 0) if len(x.shape) == 3 else tl.sum(x, 1, keep_dims=True)


@triton.jit
def _of_lanes(x):
    """Of one row, what is one number."""
    return tl.full([1, 1], 0, x.dtype) + x


# Targets


@triton.jit
def _pick(target, shares, class_weight, row, k, inside, picks, classes, ignore_index, kept):
    """The classes of targets; which are listed, and not ignored; which exist; which are wrong; what they weigh."""
    at = row * picks + k
    index = tl.load(target + at, inside, ignore_index)
    listed = inside & (index != ignore_index)
    exists = listed & (index >= 0) & (index < classes)
    wrong = listed & (exists == 0)
    index = tl.where(exists, index, 0).to(tl.int32)
    q = tl.where(exists, 1.0, 0.0)
    if shares is not None:
        share = tl.load(shares + at, inside, 0.0)
        wrong = wrong | (excess_of_probability(share, SLACK) > 0)
        q = tl.where(exists, share, 0.0)
    if kept is not None:
        q *= kept
    if class_weight is not None:
        q *= tl.load(class_weight + index, exists, 0.0)
    return index, listed, exists, wrong, q


@triton.jit
def _targets(target, class_weight, at, place, there, kept, share):
    """Probabilities, and the weights of all classes that they give, smoothed and weighted by class; without
    probabilities the smoothing alone.
    """
    if target.dtype.element_ty == tl.int64:
        p = tl.where(there, share, 0.0)
        q = p
    else:
        p = tl.load(target + at, there, 0.0).to(tl.float32)
        q = p
        if share is not None:
            q = tl.where(there, p * kept + share, 0.0)
    if class_weight is not None:
        q *= tl.load(class_weight + place, there, 0.0)
    return p, q


@triton.jit
def _add_targets(mass, distance, excess, p, q, y, largest):
    """Σ q, Σ q (largest - y), where 0 * inf = 0, and the largest excess of a probability."""
    mass += _sum(q)
    distance += _sum(tl.where(q == 0, 0.0, q * _below(y, largest)))
    return mass, distance, tl.maximum(excess, _largest(excess_of_probability(p, SLACK)))


# Statistics of rows


@triton.jit
def _unit(largest, COARSE: tl.constexpr):
    """The exponential of the largest logit: 1, or near it."""
    return _exponentials(largest, largest, COARSE, True) if COARSE else tl.where(largest == 0, 1.0, 1.0)


@triton.jit
def _hold(
    logits,
    target,
    class_weight,
    first,
    classes,
    counts,
    kept,
    share,
    softcap,
    sharpness,
    ALL: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Whole rows, and their statistics: transformed logits and exponentials; the largest logit, the sums of all
    exponentials and of the others', the exponential of the class that these leave out, whether it is alone; and with
    ALL what `_add_targets` adds.
    """
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    at, place, there = _body(first, classes, BLOCK, GROUP)
    y = _read(logits, at, there & counts, softcap, sharpness)[1]
    largest = tl.max(y, 1, keep_dims=True)
    mass = tl.where(counts, 0.0, 0.0)
    distance, excess = mass, mass - 1.0
    if ALL:  # now: exponentials take the place of logits in registers
        p, q = _targets(target, class_weight, at, place, there & counts, kept, share)
        mass, distance, excess = _add_targets(mass, distance, excess, p, q, y, largest)

    e = _exponentials(y, largest, COARSE, False)
    total = tl.sum(e, 1, keep_dims=True)
    if tl.max(_is_far(largest, COARSE).to(tl.int32)) != 0:
        y_again = _read(logits, at, there & counts, softcap, sharpness)[1]
        e = _exponentials(y_again, largest, COARSE, True)
        total = tl.sum(e, 1, keep_dims=True)
    total = tl.where(total > 0, total, float("nan"))  # nothing but -inf, or a NaN

    unit = _unit(largest, COARSE)
    alone = total < 2.0 * unit
    others = total - unit
    if tl.max(alone.to(tl.int32)) != 0:
        others = tl.where(alone, tl.sum(tl.where(e == unit, 0.0, e), 1, keep_dims=True), others)
    return y, e, (largest, total, others, unit, alone), (mass, distance, excess)


@triton.jit
def _read_lanes(
    logits,
    target,
    class_weight,
    first,
    classes,
    counts,
    kept,
    share,
    softcap,
    sharpness,
    ALL: tl.constexpr,
    ENTROPY: tl.constexpr,
    FAR: tl.constexpr,
    STEPS: tl.constexpr,
    LANES: tl.constexpr,
    GROUP: tl.constexpr,
):
    """The largest logit of each lane, the first class of the step that found it, the sum of exponentials against it;
    with ALL what `_add_targets` adds, with ENTROPY Σ e (largest - y) in place of the distance.
    """
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    most = tl.full([LANES], -INFINITY, tl.float32)
    sum = tl.zeros([LANES], tl.float32)
    found = tl.zeros([LANES], tl.int32)
    mass, distance, excess = sum, sum, sum - 1.0
    for begin in range(0, classes, STEPS * LANES * GROUP):
        at, place, there = _lanes(first, classes, begin, STEPS, LANES, GROUP)
        y = _read(logits, at, there & counts, softcap, sharpness, "evict_last")[1]
        here = _largest(y)
        before, most = most, tl.maximum(most, here)
        most_of_lanes = most[None, :, None]
        found = tl.where(here > before, begin, found)
        e = _exponentials(y, most_of_lanes, COARSE, FAR)
        scale = _exponentials(before, most, COARSE, FAR)
        if ENTROPY:
            distance = tl.where(scale == 0, 0.0, scale * (distance + sum * _below(before, most)))
            distance += _sum(tl.where(e == 0, 0.0, e * _below(y, most_of_lanes)))
        sum = sum * scale + _sum(e)
        if ALL:
            p, q = _targets(target, class_weight, at, place, there & counts, kept, share)
            distance += times(mass, _below(before, most))
            mass, distance, excess = _add_targets(mass, distance, excess, p, q, y, most_of_lanes)
    return most, found, sum, mass, distance, excess


@triton.jit
def _read_row(
    logits,
    target,
    class_weight,
    first,
    classes,
    counts,
    kept,
    share,
    softcap,
    sharpness,
    ALL: tl.constexpr,
    ENTROPY: tl.constexpr,
    STEPS: tl.constexpr,
    LANES: tl.constexpr,
    GROUP: tl.constexpr,
):
    """As `_hold`, of a row that is not held; at first the step of its first largest logit."""
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    most, found, sum, mass, distance, excess = _read_lanes(
        logits,
        target,
        class_weight,
        first,
        classes,
        counts,
        kept,
        share,
        softcap,
        sharpness,
        ALL,
        ENTROPY,
        False,
        STEPS,
        LANES,
        GROUP,
    )
    if tl.max(_is_far(most, COARSE).to(tl.int32)) != 0:
        most, found, sum, mass, distance, excess = _read_lanes(
            logits,
            target,
            class_weight,
            first,
            classes,
            counts,
            kept,
            share,
            softcap,
            sharpness,
            ALL,
            ENTROPY,
            True,
            STEPS,
            LANES,
            GROUP,
        )
    peak = tl.max(most, 0)
    scale = _exponentials(most, peak, COARSE, True)
    total = _of_lanes(tl.sum(sum * scale, 0))
    total = tl.where(total > 0, total, float("nan"))  # nothing but -inf, or a NaN
    if ENTROPY:
        distance = tl.where(scale == 0, 0.0, scale * (distance + sum * _below(most, peak)))
    else:
        distance += times(mass, _below(most, peak))
    of_targets = _of_lanes(tl.sum(mass, 0)), _of_lanes(tl.sum(distance, 0)), _of_lanes(tl.max(excess, 0))

    largest = _of_lanes(peak)
    unit = _unit(largest, COARSE)
    alone = total < 2.0 * unit
    others = total - unit
    if tl.max(alone.to(tl.int32)) != 0:
        # The lane of the largest logit is added up again.
        lane = tl.arange(0, LANES)
        its = tl.max(tl.where(most == peak, lane, -1), 0)
        left = tl.sum(tl.where(lane == its, 0.0, sum * scale), 0)
        for begin in range(0, classes, 32 * LANES * GROUP):
            group = begin // GROUP + tl.arange(0, 32)[:, None] * LANES + its
            at = first + group * GROUP + tl.arange(0, GROUP)[None, :]
            there = tl.broadcast_to(group < classes // GROUP, [32, GROUP])
            e = _exponentials(_read(logits, at, there & counts, softcap, sharpness)[1], largest, COARSE, True)
            left += tl.sum(tl.where(e == unit, 0.0, e))
        others = tl.where(alone, left, others)
    found = _of_lanes(tl.min(tl.where(most == peak, found, classes), 0))
    return found, (largest, total, others, unit, alone), of_targets


# Cross-entropy


@triton.jit
def _counted(
    target, shares, class_weight, row_weight, row, rows, picks, classes, ignore_index, kept, PICKS: tl.constexpr
):
    """Which rows count, and what they weigh; of their classes what `_pick` says, with what is wrong by rows.

    Without class indices nothing is wrong yet, and there is one class, 0, of weight 0.
    """
    counts = row < rows
    weight = tl.where(counts, 1.0, 0.0)
    if row_weight is not None:
        weight = tl.load(row_weight + row, counts, 0.0)
        counts = counts & (weight != 0)
    if target.dtype.element_ty == tl.int64:
        k = tl.arange(0, PICKS)[None, :]
        index, listed, exists, wrong, own_weight = _pick(
            target, shares, class_weight, row, k, counts & (k < picks), picks, classes, ignore_index, kept
        )
        counts = tl.max(listed.to(tl.int32), 1, keep_dims=True) != 0
        exists = exists & counts
        wrong = tl.max(wrong.to(tl.int32), 1, keep_dims=True) != 0
    else:
        index, exists, wrong, own_weight = tl.where(counts, 0, 0), counts & (row < 0), row < 0, weight * 0.0
    return counts, weight, index, exists, wrong, own_weight


@triton.jit
def _focal(nll, rest, gamma):
    """(1 - p)^gamma * nll, and its derivative with respect to nll. rest = 1 - p."""
    power = tl.where(rest > 0, exp(gamma * log(rest)), 0.0)
    ratio = tl.where((rest > 0) & (nll < INFINITY), nll / rest, 1.0)
    return times(power, nll), power * (1.0 + gamma * ratio * (1.0 - rest))


@triton.jit
def _costs(
    largest,
    total,
    others,
    unit,
    alone,
    mass,
    distance,
    own,
    own_weight,
    gamma,
    z_loss,
    ALL: tl.constexpr,
    COARSE: tl.constexpr,
):
    """The losses of rows, and what their gradients are made of: the targets' weights as slopes of log-probabilities,
    the mass of all, 1 - p of the class that is left out, and what the z-loss adds to the mass.
    """
    missed = others / total
    log_total = log1p(others / unit, COARSE)
    cost = log_total + _below(own, largest)
    slope = own_weight
    if gamma is not None:
        own_e = _exponentials(own, largest, COARSE, True)
        rest = tl.where(alone & (own_e == unit), missed, (total - own_e) / total)
        cost, steeper = _focal(cost, rest, gamma)
        slope = own_weight * steeper
    value = tl.sum(times(own_weight, cost), 1, keep_dims=True)
    own_mass = tl.sum(slope, 1, keep_dims=True)
    if ALL:
        value += tl.where(mass == 0, 0.0, mass * log_total) + distance
        mass += own_mass
    else:
        mass = own_mass
    pull = tl.where(alone, 0.0, 0.0)
    if z_loss is not None:
        lse = log_total + largest
        value += z_loss * lse * lse
        pull = 2.0 * z_loss * lse
    return value, slope, mass, missed, pull


@triton.jit
def _store_gradient(
    gradient,
    logits,
    target,
    class_weight,
    at,
    place,
    there,
    counts,
    kept,
    share,
    softcap,
    sharpness,
    e,
    unit,
    alone,
    factor,
    flat,
    mass,
    missed,
    pull,
    ALL: tl.constexpr,
    KEEP: tl.constexpr = "",
):
    """flat * ((mass + pull) p - q), of the class that is left out from what it leaves to the others. What it takes
    beside the exponentials is read again: registers are dear, and caches have it.
    """
    slope = e * factor
    if ALL:
        q = _targets(target, class_weight, at, place, there & counts, kept, share)[1]
        slope -= flat * q
        if target.dtype.element_ty != tl.int64:
            slope = tl.where(alone & (e == unit), flat * ((mass - q) - mass * missed + pull * (1.0 - missed)), slope)
    if softcap is not None:
        x = tl.load(logits + at, there & counts, 0.0).to(tl.float32)
        slope = _through_transform(slope, x, softcap, sharpness, logits.dtype.element_ty != tl.float32)
    elif sharpness is not None:
        slope *= sharpness
    tl.store(gradient + at, slope, there, eviction_policy=KEEP)


@triton.jit
def _store_picks(
    gradient,
    target,
    shares,
    class_weight,
    row,
    counts,
    picks,
    classes,
    ignore_index,
    kept,
    share,
    index,
    exists,
    own_x,
    own,
    own_weight,
    largest,
    unit,
    alone,
    factor,
    flat,
    spread,
    mass,
    missed,
    pull,
    softcap,
    sharpness,
    COARSE: tl.constexpr,
):
    """The gradient at the classes of targets; where several are one class, each has that of all. spread: the mass
    that is not theirs.
    """
    same, rest = own_weight, tl.where(exists, 0.0, 0.0)
    if shares is not None:
        same = rest
        for j in range(picks):
            other, _, _, _, q = _pick(target, shares, class_weight, row, j, counts, picks, classes, ignore_index, kept)
            same += tl.where(other == index, q, 0.0)
            rest += tl.where(other == index, 0.0, q)
    if share is not None:
        uniform = tl.where(exists, share, 0.0)
        if class_weight is not None:
            uniform *= tl.load(class_weight + index)
        same += uniform
        rest += spread - uniform
    e = _exponentials(own, largest, COARSE, True)
    left_out = flat * (rest - mass * missed + pull * (1.0 - missed))
    slope = tl.where(alone & (e == unit), left_out, e * factor - flat * same)
    slope = _through_transform(slope, own_x, softcap, sharpness, COARSE)
    tl.debug_barrier()  # the row's gradient is written
    tl.store(gradient + row * classes + index, slope, exists)


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def cross_entropy_of_whole_rows(
    logits,
    target,
    shares,
    class_weight,
    row_weight,
    normalizer,
    known,
    parts,
    upstream,
    values,
    sums,
    gradient,
    rows,
    classes,
    picks,
    ignore_index,
    kept,
    share,
    gamma,
    softcap,
    sharpness,
    z_loss,
    PICKS: tl.constexpr,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """What is None is not there. target: class indices (rows, picks), or probabilities. shares: of these classes.
    kept, share: of a target's own weight, and of all classes' uniform one. values: unreduced; sums: of each program.
    """
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    INDEX: tl.constexpr = target.dtype.element_ty == tl.int64
    ALL: tl.constexpr = (share is not None) | (not INDEX)
    row = _rows_of_program(ROWS)
    first = _row(row, classes, GROUP)
    counts, weight, index, exists, wrong, own_weight = _counted(
        target, shares, class_weight, row_weight, row, rows, picks, classes, ignore_index, kept, PICKS
    )
    own_x, own = _read(logits, first + index, exists, softcap, sharpness)
    _y, e, statistics, of_targets = _hold(
        logits,
        target,
        class_weight,
        first,
        classes,
        counts,
        kept,
        share,
        softcap,
        sharpness,
        ALL,
        GROUP,
        BLOCK,
    )
    largest, total, others, unit, alone = statistics
    spread, distance, excess = of_targets
    if not INDEX:
        wrong = excess > 0

    value, own_weight, mass, missed, pull = _costs(
        largest, total, others, unit, alone, spread, distance, own, own_weight, gamma, z_loss, ALL, COARSE
    )
    right = (wrong == 0) & (total > 0)
    answer(
        values,
        sums,
        tl.where(counts, tl.where(right, weight * value, float("nan")), 0.0),
        row,
        row < rows,
        normalizer,
        known,
        parts,
    )
    if gradient is not None:
        flat = weight * scale_of(normalizer, known, parts, upstream)
        flat = tl.where(counts, tl.where(right, flat, float("nan")), 0.0)
        factor = tl.where(counts, flat * (mass + pull) / total, 0.0)
        at, place, there = _body(first, classes, BLOCK, GROUP)
        _store_gradient(
            gradient,
            logits,
            target,
            class_weight,
            at,
            place,
            there & (row < rows),
            counts,
            kept,
            share,
            softcap,
            sharpness,
            e,
            unit,
            alone,
            factor,
            flat,
            mass,
            missed,
            pull,
            ALL,
        )
        if INDEX:
            _store_picks(
                gradient,
                target,
                shares,
                class_weight,
                row,
                counts,
                picks,
                classes,
                ignore_index,
                kept,
                share,
                index,
                exists,
                own_x,
                own,
                own_weight,
                largest,
                unit,
                alone,
                factor,
                flat,
                spread,
                mass,
                missed,
                pull,
                softcap,
                sharpness,
                COARSE,
            )


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def cross_entropy_of_rows_in_loops(
    logits,
    target,
    shares,
    class_weight,
    row_weight,
    normalizer,
    known,
    parts,
    upstream,
    values,
    sums,
    gradient,
    rows,
    classes,
    picks,
    ignore_index,
    kept,
    share,
    gamma,
    softcap,
    sharpness,
    z_loss,
    PICKS: tl.constexpr,
    ENDS: tl.constexpr,
    STEPS: tl.constexpr,
    LANES: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDE: tl.constexpr,
):
    """As cross_entropy_of_whole_rows, a row in each program."""
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    INDEX: tl.constexpr = target.dtype.element_ty == tl.int64
    ALL: tl.constexpr = (share is not None) | (not INDEX)
    row = _rows_of_program(1)
    first = _row(row, classes, GROUP)
    counts, weight, index, exists, wrong, own_weight = _counted(
        target, shares, class_weight, row_weight, row, rows, picks, classes, ignore_index, kept, PICKS
    )
    own_x, own = _read(logits, first + index, exists, softcap, sharpness)
    _found, statistics, of_targets = _read_row(
        logits,
        target,
        class_weight,
        first,
        classes,
        counts,
        kept,
        share,
        softcap,
        sharpness,
        ALL,
        False,
        STEPS,
        LANES,
        GROUP,
    )
    largest, total, others, unit, alone = statistics
    spread, distance, excess = of_targets
    if not INDEX:
        wrong = excess > 0

    value, own_weight, mass, missed, pull = _costs(
        largest, total, others, unit, alone, spread, distance, own, own_weight, gamma, z_loss, ALL, COARSE
    )
    right = (wrong == 0) & (total > 0)
    answer(
        values,
        sums,
        tl.where(counts, tl.where(right, weight * value, float("nan")), 0.0),
        row,
        row < rows,
        normalizer,
        known,
        parts,
    )
    if gradient is not None:
        flat = weight * scale_of(normalizer, known, parts, upstream)
        flat = tl.where(counts, tl.where(right, flat, float("nan")), 0.0)
        factor = tl.where(counts, flat * (mass + pull) / total, 0.0)
        far = tl.max(_is_far(largest, COARSE).to(tl.int32)) != 0
        for begin in range(0, classes, BLOCK):
            at, place, there = _aligned(first, classes, begin, BLOCK, WIDE)
            e = _read_exponentials(logits, at, there & counts, softcap, sharpness, largest, far)
            _store_gradient(
                gradient,
                logits,
                target,
                class_weight,
                at,
                place,
                there,
                counts,
                kept,
                share,
                softcap,
                sharpness,
                e,
                unit,
                alone,
                factor,
                flat,
                mass,
                missed,
                pull,
                ALL,
                "evict_first",
            )
        if ENDS:
            at, place, there = _ends(first, classes, WIDE)
            e = _read_exponentials(logits, at, there & counts, softcap, sharpness, largest, far)
            _store_gradient(
                gradient,
                logits,
                target,
                class_weight,
                at,
                place,
                there,
                counts,
                kept,
                share,
                softcap,
                sharpness,
                e,
                unit,
                alone,
                factor,
                flat,
                mass,
                missed,
                pull,
                ALL,
            )
        if INDEX:
            _store_picks(
                gradient,
                target,
                shares,
                class_weight,
                row,
                counts,
                picks,
                classes,
                ignore_index,
                kept,
                share,
                index,
                exists,
                own_x,
                own,
                own_weight,
                largest,
                unit,
                alone,
                factor,
                flat,
                spread,
                mass,
                missed,
                pull,
                softcap,
                sharpness,
                COARSE,
            )


# Negative log-likelihood


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def nll_of_rows(
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
    rows,
    classes,
    ignore_index,
    ENDS: tl.constexpr,
    WIDE: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """A gather, whose gradient is 0 but at the target class."""
    row = _rows_of_program(ROWS)
    first = row * classes
    counts, weight, index, exists, wrong, own_weight = _counted(
        target, None, class_weight, row_weight, row, rows, 1, classes, ignore_index, None, 1
    )
    x = tl.load(log_probabilities + first + index, exists, 0.0).to(tl.float32)
    own_weight *= weight
    value = tl.where(wrong, float("nan"), times(own_weight, -x))
    answer(values, sums, tl.where(counts, value, 0.0), row, row < rows, normalizer, known, parts)
    if gradient is not None:
        slope = -own_weight * scale_of(normalizer, known, parts, upstream)
        elsewhere = tl.where(wrong, float("nan"), 0.0)
        for begin in range(0, classes, BLOCK):
            at, place, there = _aligned(first, classes, begin, BLOCK, WIDE)
            tl.store(gradient + at, tl.where(exists & (place == index), slope, elsewhere), there & (row < rows))
        if ENDS:
            at, place, there = _ends(first, classes, WIDE)
            tl.store(gradient + at, tl.where(exists & (place == index), slope, elsewhere), there & (row < rows))


# Log-probabilities


@triton.jit
def _incoming(d_log_prob, d_entropy, d_lse, row, inside):
    """What the gradients of the three are multiplied by; 0 of those that are not there."""
    a = tl.where(inside, 0.0, 0.0)
    b, c = a, a
    if d_log_prob is not None:
        a = tl.load(d_log_prob + row, inside, 0.0)
    if d_entropy is not None:
        b = tl.load(d_entropy + row, inside, 0.0)
    if d_lse is not None:
        c = tl.load(d_lse + row, inside, 0.0)
    return a, b, c


@triton.jit
def _answer_log_probs(
    log_prob, entropy, lse, predicted, row, rows, listed, wrong, of_class, of_row, log_total, largest, best
):
    inside = row < rows
    of_class, of_row = tl.where(wrong, float("nan"), of_class), tl.where(wrong, float("nan"), of_row)
    tl.store(log_prob + row, tl.where(listed, of_class, 0.0), inside)
    tl.store(entropy + row, tl.where(listed, of_row, 0.0), inside)
    tl.store(lse + row, tl.where(listed, tl.where(wrong, float("nan"), log_total + largest), 0.0), inside)
    best = tl.where(largest == -INFINITY, 0, best)
    tl.store(predicted + row, tl.where(listed, best, -1).to(tl.int64), inside)


@triton.jit
def _store_log_prob_gradient(
    gradient,
    logits,
    at,
    there,
    listed,
    softcap,
    sharpness,
    e,
    largest,
    factor,
    steepness,
    wrong,
    KEEP: tl.constexpr = "",
):
    """p (c - a - b (log p + H)) for the incoming a, b, c of log-probability, entropy and log-sum-exp. Logits are read
    again: registers are dear, and caches have them.
    """
    x, y = _read(logits, at, there & listed, softcap, sharpness)
    slope = tl.where((e == 0) & (wrong == 0), 0.0, e * (factor + steepness * _below(y, largest)))
    slope = _through_transform(slope, x, softcap, sharpness, logits.dtype.element_ty != tl.float32)
    tl.store(gradient + at, slope, there, eviction_policy=KEEP)


@triton.jit
def _factors(a, b, c, listed, wrong, of_row, log_total, total):
    """What exponentials are multiplied by, and that times their distance from the largest; the first without a."""
    held = c - b * (of_row - log_total)
    factor = tl.where(listed, tl.where(wrong, float("nan"), (held - a) / total), 0.0)
    return factor, tl.where(listed, b / total, 0.0), held


@triton.jit
def _store_own(
    place,
    exists,
    own_x,
    own,
    a,
    factor,
    steepness,
    held,
    largest,
    total,
    others,
    unit,
    alone,
    softcap,
    sharpness,
    COARSE: tl.constexpr,
):
    """At the class of the target: a (1 - p) from the others where it is left out."""
    e = _exponentials(own, largest, COARSE, True)
    slope = a + tl.where(e == 0, 0.0, e * (factor + steepness * _below(own, largest)))
    missed = others / total
    slope = tl.where(alone & (e == unit), a * missed + (1.0 - missed) * held, slope)
    slope = _through_transform(slope, own_x, softcap, sharpness, COARSE)
    tl.debug_barrier()  # the row's gradient is written
    tl.store(place, slope, exists)


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def log_probs_of_whole_rows(
    logits,
    target,
    log_prob,
    entropy,
    lse,
    predicted,
    d_log_prob,
    d_entropy,
    d_lse,
    gradient,
    rows,
    classes,
    ignore_index,
    softcap,
    sharpness,
    GROUP: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The four answers, or the gradient."""
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    row = _rows_of_program(ROWS)
    first = _row(row, classes, GROUP)
    listed, _weight, index, exists, wrong, _own_weight = _counted(
        target, None, None, None, row, rows, 1, classes, ignore_index, None, 1
    )
    own_x, own = _read(logits, first + index, exists, softcap, sharpness)
    y, e, statistics, _of_targets = _hold(
        logits,
        target,
        None,
        first,
        classes,
        listed,
        None,
        None,
        softcap,
        sharpness,
        False,
        GROUP,
        BLOCK,
    )
    largest, total, others, unit, alone = statistics
    log_total = log1p(others / unit, COARSE)
    gaps = tl.sum(tl.where(e == 0, 0.0, e * _below(y, largest)), 1, keep_dims=True)
    of_row = log_total + gaps / total
    if gradient is None:
        _at, place, there = _body(first, classes, BLOCK, GROUP)
        best = tl.min(tl.where(there & (y == largest), place, classes), 1, keep_dims=True)
        of_class = -_below(own, largest) - log_total
        _answer_log_probs(
            log_prob, entropy, lse, predicted, row, rows, listed, wrong, of_class, of_row, log_total, largest, best
        )
    else:
        a, b, c = _incoming(d_log_prob, d_entropy, d_lse, row, listed)
        factor, steepness, held = _factors(a, b, c, listed, wrong, of_row, log_total, total)
        at, _place, there = _body(first, classes, BLOCK, GROUP)
        _store_log_prob_gradient(
            gradient,
            logits,
            at,
            there & (row < rows),
            listed,
            softcap,
            sharpness,
            e,
            largest,
            factor,
            steepness,
            wrong,
        )
        _store_own(
            gradient + first + index,
            exists,
            own_x,
            own,
            a,
            factor,
            steepness,
            held,
            largest,
            total,
            others,
            unit,
            alone,
            softcap,
            sharpness,
            COARSE,
        )


@triton.jit(do_not_specialize=["rows", "ignore_index"])
def log_probs_of_rows_in_loops(
    logits,
    target,
    log_prob,
    entropy,
    lse,
    predicted,
    d_log_prob,
    d_entropy,
    d_lse,
    gradient,
    rows,
    classes,
    ignore_index,
    softcap,
    sharpness,
    ENDS: tl.constexpr,
    STEPS: tl.constexpr,
    LANES: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    WIDE: tl.constexpr,
):
    """As log_probs_of_whole_rows, a row in each program."""
    COARSE: tl.constexpr = logits.dtype.element_ty != tl.float32
    row = _rows_of_program(1)
    first = _row(row, classes, GROUP)
    listed, _weight, index, exists, wrong, _own_weight = _counted(
        target, None, None, None, row, rows, 1, classes, ignore_index, None, 1
    )
    own_x, own = _read(logits, first + index, exists, softcap, sharpness)
    found, statistics, of_targets = _read_row(
        logits,
        target,
        None,
        first,
        classes,
        listed,
        None,
        None,
        softcap,
        sharpness,
        False,
        True,
        STEPS,
        LANES,
        GROUP,
    )
    largest, total, others, unit, alone = statistics
    log_total = log1p(others / unit, COARSE)
    of_row = log_total + of_targets[1] / total
    if gradient is None:
        at, place, there = _lanes(first, classes, tl.max(found), STEPS, LANES, GROUP)
        y = _read(logits, at, there & listed, softcap, sharpness)[1]
        best = _of_lanes(tl.min(tl.where(there & (y == largest), place, classes)))
        of_class = -_below(own, largest) - log_total
        _answer_log_probs(
            log_prob, entropy, lse, predicted, row, rows, listed, wrong, of_class, of_row, log_total, largest, best
        )
    else:
        a, b, c = _incoming(d_log_prob, d_entropy, d_lse, row, listed)
        factor, steepness, held = _factors(a, b, c, listed, wrong, of_row, log_total, total)
        far = tl.max(_is_far(largest, COARSE).to(tl.int32)) != 0
        for begin in range(0, classes, BLOCK):
            at, _place, there = _aligned(first, classes, begin, BLOCK, WIDE)
            e = _read_exponentials(logits, at, there & listed, softcap, sharpness, largest, far)
            _store_log_prob_gradient(
                gradient,
                logits,
                at,
                there,
                listed,
                softcap,
                sharpness,
                e,
                largest,
                factor,
                steepness,
                wrong,
                "evict_first",
            )
        if ENDS:
            at, _place, there = _ends(first, classes, WIDE)
            e = _read_exponentials(logits, at, there & listed, softcap, sharpness, largest, far)
            _store_log_prob_gradient(
                gradient,
                logits,
                at,
                there,
                listed,
                softcap,
                sharpness,
                e,
                largest,
                factor,
                steepness,
                wrong,
            )
        _store_own(
            gradient + first + index,
            exists,
            own_x,
            own,
            a,
            factor,
            steepness,
            held,
            largest,
            total,
            others,
            unit,
            alone,
            softcap,
            sharpness,
            COARSE,
        )


# The operators


def _sizes_of(x: Tensor) -> tuple[int, int]:
    """Rows and classes."""
    classes = x.shape[-1]
    return x.numel() // classes if classes else x.shape[:-1].numel(), classes


def _cross_entropy(
    gradient: Tensor | None,
    logits: Tensor,
    target: Tensor,
    shares: Tensor | None,
    class_weight: Tensor | None,
    ignore_index: int,
    smoothing: float,
    gamma: float,
    softcap: float,
    temperature: float,
    z_loss: float,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
) -> Tensor:
    """gradient: where it is written, which may be over the logits."""
    rows, classes = _sizes_of(logits)
    picks = target.shape[1] if shares is not None else 1
    by_index = target.dtype == torch.int64
    heavy = smoothing > 0 or not by_index or softcap > 0
    cut = sizes.of_rows(logits, heavy)
    weights = (class_weight if by_index else None), (None if shares is not None else row_weight)
    counted = (target if by_index else None, *weights, classes, ignore_index)
    divisor = sums.divisor(rows, reduction, normalizer, *counted)
    programs = -(-rows // cut.rows) if isinstance(cut, sizes.Whole) else rows
    values, partial = sums.room(logits, logits.shape[:-1], programs, reduction)
    if programs:
        arguments = (
            *(logits, target, shares, class_weight, row_weight, *divisor, upstream, values, partial, gradient),
            *(rows, classes, picks, ignore_index),
            1.0 - smoothing if smoothing > 0 else None,
            smoothing / classes if smoothing > 0 else None,
            gamma if gamma != 0 else None,
            softcap if softcap > 0 else None,
            1.0 / temperature if temperature != 1 else None,
            z_loss if z_loss > 0 else None,
        )
        kernel = cross_entropy_of_whole_rows if isinstance(cut, sizes.Whole) else cross_entropy_of_rows_in_loops
        launch(kernel, (programs,), *arguments, PICKS=sizes.power_of_two(picks), **cut.options())
    return sums.reduced(values, partial, divisor)


def softmax_rows(
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
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    made = [torch.empty_like(logits)] if gradients else []
    options = (ignore_index, label_smoothing, gamma)
    tail = (row_weight, reduction, normalizer, upstream)
    return _softmax_rows(made[0] if made else None, logits, target, weight, options, tail), made


def softmax_rows_(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    gamma: float,
    *tail: Any,
) -> Tensor:
    return _softmax_rows(logits, logits, target, weight, (ignore_index, label_smoothing, gamma), tail)


def _softmax_rows(
    gradient: Tensor | None,
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    options: tuple[int, float, float],
    tail: Sequence[Any],
) -> Tensor:
    if logits.dim() > 2:
        return segments.softmax_rows(gradient, logits, target, weight, *options, *tail)
    return _cross_entropy(gradient, logits, target, None, weight, *options, 0.0, 1.0, 0.0, *tail)


def shaped_rows(
    logits: Tensor,
    target: Tensor,
    shares: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    softcap: float,
    temperature: float,
    z_loss: float,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    made = [torch.empty_like(logits)] if gradients else []
    options = (ignore_index, label_smoothing, 0.0, softcap, temperature, z_loss)
    tail = (row_weight, reduction, normalizer, upstream)
    return _cross_entropy(made[0] if made else None, logits, target, shares, weight, *options, *tail), made


def shaped_rows_(
    logits: Tensor,
    target: Tensor,
    shares: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    *rest: Any,
) -> Tensor:
    return _cross_entropy(logits, logits, target, shares, weight, ignore_index, label_smoothing, 0.0, *rest)


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
    if x.dim() > 2:
        tail = (row_weight, reduction, normalizer, upstream, gradients)
        return segments.nll(log_probabilities, target, weight, ignore_index, *tail)
    rows, classes = _sizes_of(x)
    cut = sizes.of_nll(x)
    divisor = sums.divisor(rows, reduction, normalizer, target, weight, row_weight, classes, ignore_index)
    made = [torch.empty_like(x)] if gradients else []
    programs = -(-rows // cut.rows)
    values, partial = sums.room(x, x.shape[:-1], programs, reduction)
    if programs:
        data = (x, target, weight, row_weight, *divisor, upstream, values, partial, made[0] if made else None)
        launch(nll_of_rows, (programs,), *data, rows, classes, ignore_index, **cut.options())
    return sums.reduced(values, partial, divisor), made


def _log_probs(logits: Tensor, target: Tensor, *given: Any) -> None:
    *data, ignore_index, softcap, temperature = given
    rows, classes = _sizes_of(logits)
    cut = sizes.of_rows(logits, True)
    programs = -(-rows // cut.rows) if isinstance(cut, sizes.Whole) else rows
    if programs:
        options = softcap if softcap > 0 else None, 1.0 / temperature if temperature != 1 else None
        kernel = log_probs_of_whole_rows if isinstance(cut, sizes.Whole) else log_probs_of_rows_in_loops
        launch(kernel, (programs,), logits, target, *data, rows, classes, ignore_index, *options, **cut.options())


def log_prob(
    logits: Tensor, target: Tensor, ignore_index: int, softcap: float, temperature: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows, _ = _sizes_of(logits)
    log_prob, entropy, lse = (logits.new_empty(rows, dtype=torch.float32) for _ in range(3))
    predicted = logits.new_empty(rows, dtype=torch.int64)
    answers = log_prob, entropy, lse, predicted
    _log_probs(logits, target, *answers, None, None, None, None, ignore_index, softcap, temperature)
    return answers


def log_prob_backward(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    softcap: float,
    temperature: float,
    *incoming: Tensor | None,
) -> Tensor:
    gradient = torch.empty_like(logits)
    given = (None if x is None else x.contiguous() for x in incoming)
    _log_probs(logits, target, None, None, None, None, *given, gradient, ignore_index, softcap, temperature)
    return gradient
