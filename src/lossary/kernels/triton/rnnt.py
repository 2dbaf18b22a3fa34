"""The transducer loss: what kernels/cpu/rnnt.h computes, in its words.

Shapes: logits and gradient (N, T, S + 1, C); labels (N, S); lengths, row weights, values (N). What is kept of a place
(t, u) lies by diagonals, (N, T + S, S + 1) at [t + u, u]: the places of a diagonal, which follow from those of the one
before, are neighbours. One program walks over all diagonals of a sample, with a lane for each number of labels said: a
launch for each would be hundreds.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import INFINITY, below, exp_of_nonpositive
from lossary.kernels.triton.scaled import (
    HUGE_EXPONENT,
    as_number,
    log1p,
    normalised,
    scaled_exp,
    scaled_log,
    sum_of,
)
from lossary.kernels.triton.sums import scale_of

MOSTLY_ASTRAY = tl.constexpr(0.5)
"""Below this probability of straying, loss and gradient are made of what strays."""


@triton.jit
def _lengths(logit_lengths, target_lengths, sample, time, places, within):
    """Frames and labels of a sample, all where they are none, and whether they are."""
    frames = tl.load(logit_lengths + sample, within, 0)
    labels = tl.load(target_lengths + sample, within, 0)
    known = (frames >= 0) & (frames <= time) & (labels >= 0) & (labels < places)
    return tl.where(known, frames, time), tl.where(known, labels, places - 1), known


@triton.jit
def _rows(targets, logit_lengths, target_lengths, row, rows, time, places):
    """Of rows of logits, each a place of a sample: which sample, where the place is kept, whether it counts, its next
    label, and -1 after the last.
    """
    within = row < rows
    u, t, sample = row % places, row // places % time, row // (places * time)
    frames, labels, _known = _lengths(logit_lengths, target_lengths, sample, time, places, within)
    counts = within & (t < frames) & (u <= labels)
    said = tl.load(targets + sample * (places - 1) + u, counts & (u < labels), -1)
    return sample, (sample * (time + places - 1) + t + u) * places + u, counts, said


@triton.jit
def rnnt_places(
    logits,
    targets,
    logit_lengths,
    target_lengths,
    log_blank,
    log_label,
    others,
    largest,
    total,
    rows,
    time,
    places,
    classes,
    blank,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The softmax of each place."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    _sample, place, counts, said = _rows(targets, logit_lengths, target_lengths, row, rows, time, places)
    column = tl.arange(0, BLOCK)[None, :]
    of_row = logits + row * classes
    most = tl.full([ROWS, BLOCK], float("-inf"), tl.float32)
    for begin in range(0, classes, BLOCK):
        within = counts[:, None] & (begin + column < classes)
        most = tl.maximum(most, tl.load(of_row[:, None] + begin + column, within, float("-inf")).to(tl.float32))
    most = tl.max(most, 1)
    rest = tl.zeros([ROWS, BLOCK], tl.float32)
    for begin in range(0, classes, BLOCK):
        c = begin + column
        within = counts[:, None] & (c < classes) & (c != blank) & (c != said[:, None])
        x = tl.load(of_row[:, None] + c, within, float("-inf")).to(tl.float32)
        rest += tl.where(within, exp_of_nonpositive(below(x, most[:, None])), 0.0)
    rest = tl.sum(rest, 1).to(tl.float64)
    of_blank = tl.load(of_row + blank, counts, 0.0).to(tl.float32)
    speaks = counts & (said >= 0) & (said < classes)
    of_label = tl.load(of_row + said, speaks, float("-inf")).to(tl.float32)
    of_blank, of_label = below(of_blank, most), tl.where(speaks, below(of_label, most), float("-inf"))
    of_blank = tl.where(most > -INFINITY, of_blank, float("nan")).to(tl.float64)
    of_label = of_label.to(tl.float64)
    b, b_exponent = scaled_exp(of_blank)
    q, q_exponent = scaled_exp(of_label)
    all = rest + (as_number(b, b_exponent, 1.0) + as_number(q, q_exponent, 1.0))
    tl.store(log_blank + place, of_blank - tl.log(all), counts)
    tl.store(log_label + place, of_label - tl.log(all), counts)
    tl.store(others + place, rest.to(tl.float32) / all.to(tl.float32), counts)
    tl.store(largest + place, most, counts)
    tl.store(total + place, all.to(tl.float32), counts)


@triton.jit
def _at(x, lane, lanes):
    """Of another lane; 0 where there is none."""
    exists = (lane >= 0) & (lane < lanes)
    return tl.where(exists, tl.gather(x, tl.where(exists, lane, 0), 0), 0.0)


@triton.jit
def rnnt_paths(
    targets,
    logit_lengths,
    target_lengths,
    log_blank,
    log_label,
    others,
    alpha,
    alpha_exponent,
    row_weight,
    normalizer,
    known,
    upstream,
    values,
    slopes,
    through,
    of_blank,
    of_label,
    time,
    places,
    classes,
    blank,
    ZERO_INFINITY: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The paths to each place, and those from it. slopes: of each sample, 0 where it has no gradient.

    through, of_blank, of_label: d loss of a place by a class is its p times the first; by those two, the others.
    """
    sample = tl.program_id(0).to(tl.int64)
    u = tl.arange(0, BLOCK)
    frames, labels, exist = _lengths(logit_lengths, target_lengths, sample, time, places, True)
    said = tl.load(targets + sample * (places - 1) + u, u < labels, 0)
    wrong = (u < labels) & ((said < 0) | (said >= classes) | (said == blank))
    strange = tl.where(wrong | ~exist, 1, 0)
    place = sample * (time + places - 1) * places + u
    end = (frames + labels).to(tl.int32)

    zeros = tl.zeros([BLOCK], tl.float64)
    one, nothing = zeros + 1.0, zeros - HUGE_EXPONENT
    heard, heard_exponent = one, tl.where(u == 0, zeros, nothing)
    spoken, spoken_exponent = one, nothing
    lost, all, all_exponent = zeros, one, nothing
    for d in range(end):
        t = d - u
        here = (u <= labels) & (t >= 0) & (t < frames)
        b, b_exponent = scaled_exp(tl.load(log_blank + place, here, 0.0))
        q, q_exponent = scaled_exp(tl.load(log_label + place, here, 0.0))
        rest = tl.load(others + place, here, 0.0).to(tl.float64)
        strange += tl.where((b != b) | (q != q) | (rest != rest), 1, 0)
        m = _at(spoken, u - 1, BLOCK)
        e = tl.where(u > 0, _at(spoken_exponent, u - 1, BLOCK), nothing)
        m, e = sum_of(heard, heard_exponent, m, e)
        m, e = normalised(m, e)
        m, e = tl.where(here, m, one), tl.where(here, e, nothing)
        tl.store(alpha + place, m, here)
        tl.store(alpha_exponent + place, e, here)
        heard, heard_exponent = m * b, tl.where(here, e + b_exponent, nothing)
        spoken, spoken_exponent = m * q, tl.where(here, e + q_exponent, nothing)
        last = t == frames - 1
        rest += tl.where(last & (u < labels), as_number(b, b_exponent, 1.0), 0.0)
        lost += tl.where(here, as_number(m, e, 1.0) * rest, 0.0)
        ends = here & last & (u == labels)
        all, all_exponent = tl.where(ends, heard, all), tl.where(ends, heard_exponent, all_exponent)
        place += places
    astray = tl.sum(lost)
    whole = tl.sum(tl.where(u == labels, all, 0.0))
    whole, whole_exponent = normalised(whole, tl.sum(tl.where(u == labels, all_exponent, 0.0)))
    is_strange, near = tl.max(strange) > 0, (astray < MOSTLY_ASTRAY) & (frames > 0)
    value = tl.where(near, -log1p(-tl.where(near, astray, 0.0)), -scaled_log(whole, whole_exponent))
    value = tl.where(is_strange, float("nan"), value)
    weight = tl.full([], 1.0, tl.float32)
    if row_weight is not None:
        weight = tl.load(row_weight + sample)
    impossible = value == float("inf")
    if ZERO_INFINITY:
        value = tl.where(impossible, 0.0, value)
    tl.store(values + sample, tl.where(weight == 0, 0.0, weight * value).to(tl.float32))

    if slopes is not None:
        slope = weight * scale_of(normalizer, known, None, upstream)
        tl.store(slopes + sample, tl.where(impossible | (weight == 0), 0.0, slope))
        per_all, per_exponent = tl.where(is_strange, float("nan"), 1.0 / whole), -whole_exponent
        tl.debug_barrier()  # other threads may have written what is read
        after, after_exponent = one, nothing
        failing = one
        for step in range(end):
            place -= places
            t = end - 1 - step - u
            here = (u <= labels) & (t >= 0) & (t < frames)
            b, b_exponent = scaled_exp(tl.load(log_blank + place, here, 0.0))
            q, q_exponent = scaled_exp(tl.load(log_label + place, here, 0.0))
            rest = tl.load(others + place, here, 0.0).to(tl.float64)
            m, e = tl.load(alpha + place, here, 1.0), tl.load(alpha_exponent + place, here, 0.0)
            to_here, to_exponent = m * per_all, e + per_exponent
            more = u < labels
            p = as_number(b, b_exponent, 1.0)
            r = tl.where(more, as_number(q, q_exponent, 1.0), 0.0)

            last = t == frames - 1
            fails_on_blank = tl.where(last, tl.where(more, 1.0, 0.0), failing)
            fails_on_label = tl.where(more, _at(failing, u + 1, BLOCK), 0.0)
            b *= tl.where(last, one, after)
            b_exponent += tl.where(last, tl.where(more, nothing, zeros), after_exponent)
            q = tl.where(more, q * _at(after, u + 1, BLOCK), one)
            q_exponent = tl.where(more, q_exponent + _at(after_exponent, u + 1, BLOCK), nothing)
            m, e = sum_of(b, b_exponent, q, q_exponent)
            m, e = normalised(m, e)
            after, after_exponent = tl.where(here, m, one), tl.where(here, e, nothing)
            failing = tl.where(here, rest + (p * fails_on_blank + r * fails_on_label), one)

            passes = as_number(to_here * m, to_exponent + e, 1.0)
            blank_slope = p * passes - as_number(to_here * b, to_exponent + b_exponent, 1.0)
            label_slope = r * passes - as_number(to_here * q, to_exponent + q_exponent, 1.0)
            reached, gain = as_number(to_here, to_exponent, 1.0), fails_on_blank - fails_on_label
            blank_near = reached * p * (r * gain - rest * (1.0 - fails_on_blank))
            label_near = reached * r * (-p * gain - rest * (1.0 - fails_on_label))
            tl.store(through + place, passes.to(tl.float32), here)
            tl.store(of_blank + place, tl.where(near, blank_near, blank_slope).to(tl.float32), here)
            tl.store(of_label + place, tl.where(near, label_near, label_slope).to(tl.float32), here)


@triton.jit
def rnnt_gradients(
    logits,
    targets,
    logit_lengths,
    target_lengths,
    largest,
    total,
    slopes,
    through,
    of_blank,
    of_label,
    gradient,
    rows,
    time,
    places,
    classes,
    blank,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    sample, place, counts, said = _rows(targets, logit_lengths, target_lengths, row, rows, time, places)
    slope = tl.load(slopes + sample, row < rows, 0.0)
    counts &= slope != 0
    most, all = tl.load(largest + place, counts, 0.0), tl.load(total + place, counts, 1.0)
    factor = slope * tl.load(through + place, counts, 0.0) / all
    by_blank = slope * tl.load(of_blank + place, counts, 0.0)
    by_label = slope * tl.load(of_label + place, counts, 0.0)
    column = tl.arange(0, BLOCK)[None, :]
    for begin in range(0, classes, BLOCK):
        c = begin + column
        within = c < classes
        at = (row * classes)[:, None] + c
        x = tl.load(logits + at, within & counts[:, None], 0.0).to(tl.float32)
        g = exp_of_nonpositive(below(x, most[:, None])) * factor[:, None]
        g = tl.where(c == blank, by_blank[:, None], tl.where(c == said[:, None], by_label[:, None], g))
        tl.store(gradient + at, tl.where(counts[:, None], g, 0.0), within & (row < rows)[:, None])


TILE = 1024
"""Logits of a block, 8 for each thread of four warps."""


def rnnt(
    logits: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    blank: int,
    zero_infinity: bool,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    time, places, classes = logits.shape[-3:]
    batch = logits.shape[:-3]
    samples = logits.shape[0] if batch else 1
    rows = samples * time * places
    made = [torch.empty_like(logits)] if gradients else []

    def kept(dtype: torch.dtype) -> Tensor:
        return logits.new_empty((samples, time + places - 1, places), dtype=dtype)

    log_blank, log_label, alpha, alpha_exponent = (kept(torch.float64) for _ in range(4))
    others, largest, total = (kept(torch.float32) for _ in range(3))
    values = logits.new_empty(batch, dtype=torch.float32)
    slopes = logits.new_empty(samples, dtype=torch.float32) if made else None
    by_class = [kept(torch.float32) if made else None for _ in range(3)]
    divisor = sums.divisor(samples, reduction, normalizer)

    sequences = targets, logit_lengths, target_lengths
    sizes = time, places, classes, blank % classes
    block = min(triton.next_power_of_2(classes), TILE)
    tile = {"ROWS": min(TILE // block, 64), "BLOCK": block}
    programs = -(-rows // tile["ROWS"])
    launch(
        rnnt_places, (programs,), logits, *sequences, log_blank, log_label, others, largest, total, rows, *sizes, **tile
    )
    lanes = triton.next_power_of_2(places)
    launch(
        rnnt_paths,
        (samples,),
        *(*sequences, log_blank, log_label, others, alpha, alpha_exponent, row_weight, *divisor[:2], upstream),
        *(values, slopes, *by_class, *sizes),
        ZERO_INFINITY=zero_infinity,
        BLOCK=lanes,
        num_warps=min(max(lanes // 32, 1), 16),
    )
    if made:
        given = largest, total, slopes, *by_class, made[0], rows
        launch(rnnt_gradients, (programs,), logits, *sequences, *given, *sizes, **tile)
    if reduction == REDUCTIONS["none"]:
        return values, made
    return sums.total_of(values, *divisor), made
