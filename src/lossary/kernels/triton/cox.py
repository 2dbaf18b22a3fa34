"""Cox's partial likelihood: what kernels/cpu/cox.h computes, in its words.

Shapes: all (N); what is kept of each place in order of time (6, N), in fp64. One program walks over the batch, block by
block: what a row sees is a scan over all others, which adds in the same order every time.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.scaled import as_number, log1p, normalised, scaled_exp, scaled_log, sum_of
from lossary.kernels.triton.sums import divisor_of, scale_of

NO_HAZARD = tl.constexpr(-1e303)
"""Its exponent, below those that infinities have, of which sums keep the larger."""


@triton.jit
def _rows(input, duration, event, order, members, row_weight, place, within):
    """Of places in order of time: the row, whether it is in the batch, dies, and has a duration or event that is none;
    its hazard, which is NaN then, and its weight.
    """
    row = tl.load(order + place, within, 0)
    counts = within
    if members is not None:
        counts &= tl.load(members + row, within, 0.0) != 0
    time, died = tl.load(duration + row, within, 0), tl.load(event + row, within, 0.0)
    outside = (time < 0) | ((died != 0) & (died != 1) & (died == died))
    strange = outside | (time != time) | (died != died)
    x = tl.load(input + row, within, 0.0).to(tl.float64)
    mantissa, exponent = scaled_exp(tl.where(strange, float("nan"), x))
    mantissa, exponent = tl.where(counts, mantissa, 0.0), tl.where(counts, exponent, NO_HAZARD)
    weight = tl.where(within, 1.0, 0.0)
    if row_weight is not None:
        weight = tl.load(row_weight + row, within, 0.0)
    return row, counts, counts & (died != 0), outside & counts, mantissa, exponent, weight.to(tl.float64)


@triton.jit
def _parted(duration, strata, order, place, beside, within):
    """Whether a place and the one beside it, which exists where `within`, differ in stratum, and in time."""
    row, other = tl.load(order + place, within, 0), tl.load(order + beside, within, 0)
    apart = ~within
    if strata is not None:
        apart |= tl.load(strata + row, within, 0) != tl.load(strata + other, within, 0)
    return apart, apart | (tl.load(duration + row, within, 0) != tl.load(duration + other, within, 0))


@triton.jit
def _hazards(a_parted, a, a_exponent, b_parted, b, b_exponent):
    """The sum since the last part began."""
    both, exponent = sum_of(a, a_exponent, b, b_exponent)
    return a_parted | b_parted, tl.where(b_parted > 0, b, both), tl.where(b_parted > 0, b_exponent, exponent)


@triton.jit
def _numbers(a_parted, a, b_parted, b):
    return a_parted | b_parted, tl.where(b_parted > 0, b, a + b)


@triton.jit
def _later(a, b):
    return tl.maximum(a, b)


@triton.jit
def _of_lane(x, lane: tl.constexpr, BLOCK: tl.constexpr):
    return tl.sum(tl.where(tl.arange(0, BLOCK) == lane, x, 0.0))


@triton.jit(do_not_specialize=["rows"])
def cox_at_risk(input, duration, event, strata, order, members, row_weight, kept, counted, rows, BLOCK: tl.constexpr):
    """From the last place to the first: the hazard of all at risk, and of the events at one time, as far as the place,
    hazard, number and weight. counted: what all events weigh.
    """
    risk, risk_exponent = tl.full([], 0.0, tl.float64), tl.full([], NO_HAZARD, tl.float64)
    dying, dying_exponent = risk, risk_exponent
    events, weights, found = risk, risk, tl.zeros([BLOCK], tl.float64)
    last = (tl.cdiv(rows, BLOCK) - 1) * BLOCK
    rows = rows.to(tl.int64)
    for begin in range(0, last + BLOCK, BLOCK):
        place = (last - begin + tl.arange(0, BLOCK)).to(tl.int64)
        within = place < rows
        given = input, duration, event, order, members, row_weight
        _row, _counts, dies, _outside, hazard, exponent, weight = _rows(*given, place, within)
        apart, parted = _parted(duration, strata, order, place, place + 1, place + 1 < rows)
        apart, parted = apart.to(tl.int32), parted.to(tl.int32)
        weight = tl.where(dies, weight, 0.0)
        found += weight

        begun, m, e = tl.associative_scan((apart, hazard, exponent), 0, _hazards, reverse=True)
        more, larger = sum_of(m, e, risk, risk_exponent)
        m, e = tl.where(begun > 0, m, more), tl.where(begun > 0, e, larger)
        tl.store(kept + place, m, within)
        tl.store(kept + rows + place, e, within)
        risk, risk_exponent = _of_lane(m, 0, BLOCK), _of_lane(e, 0, BLOCK)

        hazard, exponent = tl.where(dies, hazard, 0.0), tl.where(dies, exponent, NO_HAZARD)
        begun, m, e = tl.associative_scan((parted, hazard, exponent), 0, _hazards, reverse=True)
        more, larger = sum_of(m, e, dying, dying_exponent)
        m, e = tl.where(begun > 0, m, more), tl.where(begun > 0, e, larger)
        tl.store(kept + 2 * rows + place, m, within)
        tl.store(kept + 3 * rows + place, e, within)
        dying, dying_exponent = _of_lane(m, 0, BLOCK), _of_lane(e, 0, BLOCK)

        begun, n = tl.associative_scan((parted, tl.where(dies, 1.0, 0.0).to(tl.float64)), 0, _numbers, reverse=True)
        n += tl.where(begun > 0, 0.0, events)
        begun, w = tl.associative_scan((parted, weight), 0, _numbers, reverse=True)
        w += tl.where(begun > 0, 0.0, weights)
        tl.store(kept + 4 * rows + place, n, within)
        tl.store(kept + 5 * rows + place, w, within)
        events, weights = _of_lane(n, 0, BLOCK), _of_lane(w, 0, BLOCK)
    tl.store(counted, tl.sum(found))


@triton.jit(do_not_specialize=["rows"])
def cox_losses(
    input,
    duration,
    event,
    strata,
    order,
    members,
    row_weight,
    kept,
    normalizer,
    known,
    upstream,
    values,
    value,
    gradient,
    rows,
    EFRON: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """From the first place to the last: the losses, and what events so far take of each row that was still there."""
    all, all_exponent = tl.full([], 0.0, tl.float64), tl.full([], NO_HAZARD, tl.float64)
    total, first_of_time = tl.zeros([BLOCK], tl.float64), tl.full([], 0, tl.int64)
    scale = scale_of(normalizer, known, None, upstream).to(tl.float64)
    end = rows
    rows = rows.to(tl.int64)
    for begin in range(0, end, BLOCK):
        place = (begin + tl.arange(0, BLOCK)).to(tl.int64)
        within = place < rows
        given = input, duration, event, order, members, row_weight
        row, counts, dies, outside, hazard, exponent, weight = _rows(*given, place, within)
        apart, parted = _parted(duration, strata, order, place, place - 1, within & (place > 0))

        first = tl.associative_scan(tl.where(parted & within, place, first_of_time), 0, _later)
        first_of_time = tl.max(first)
        risk = tl.load(kept + first, within, 1.0)
        risk_exponent = tl.load(kept + rows + first, within, 0.0)
        dying = tl.load(kept + 2 * rows + first, within, 0.0)
        dying_exponent = tl.load(kept + 3 * rows + first, within, 0.0)
        events = tl.load(kept + 4 * rows + first, within, 0.0)
        weights = tl.load(kept + 5 * rows + first, within, 0.0)

        # Of Efron's denominators R - l/m D the mean of log(1 - l/m D/R), and what their derivatives are multiplied by.
        less = tl.zeros([BLOCK], tl.float64)
        of_others, of_themselves = less + 1.0, less
        if EFRON:
            several = events > 1
            share = tl.where(several, as_number(dying / risk, dying_exponent - risk_exponent, 1023.0), 0.0)
            count = tl.where(events > 0, events, 1.0)
            of_others = less
            for l in range(tl.maximum(tl.max(events), 1.0).to(tl.int32)):
                here = count > l
                part = tl.where(here, l / count, 0.0)
                rest = 1.0 - part * share
                less += log1p(-part * share)
                of_others += tl.where(here, 1.0 / rest, 0.0)
                of_themselves += part / rest
            less, of_others, of_themselves = less / count, of_others / count, of_themselves / count
            of_themselves = tl.where(several, of_themselves, 0.0)

        m, e = normalised(tl.where(dies, risk / hazard, 1.0), tl.where(dies, risk_exponent - exponent, 0.0))
        loss = tl.where((risk == risk) & (hazard == hazard), scaled_log(m, e), float("nan")) + less
        loss = tl.where(dies & (weight != 0), weight * loss, 0.0)
        loss = tl.where(outside, float("nan"), loss)
        total += loss
        if values is not None:
            tl.store(values + row, loss.to(tl.float32), within)
        if gradient is not None:
            takes = parted & (events > 0)
            taken = tl.where(takes, weights * of_others / risk, 0.0)
            taken_exponent = tl.where(takes, -risk_exponent, NO_HAZARD)
            begun, m, e = tl.associative_scan((apart.to(tl.int32), taken, taken_exponent), 0, _hazards)
            more, larger = sum_of(m, e, all, all_exponent)
            m, e = tl.where(begun > 0, m, more), tl.where(begun > 0, e, larger)
            all, all_exponent = _of_lane(m, BLOCK - 1, BLOCK), _of_lane(e, BLOCK - 1, BLOCK)
            slope = as_number(hazard * m, exponent + e, 1023.0)
            given_back = as_number(hazard * (weights * of_themselves / risk), exponent - risk_exponent, 1023.0)
            slope -= tl.where(dies, given_back + weight, 0.0)
            tl.store(gradient + row, tl.where(counts, slope * scale, 0.0).to(tl.float32), within)
    if value is not None:
        divisor = divisor_of(normalizer, known, None).to(tl.float64)
        found = tl.sum(total)
        nothing = (divisor == 0) & (found == 0)
        tl.store(value, tl.where(nothing, 0.0, found / tl.where(nothing, 1.0, divisor)).to(tl.float32))


BLOCK = 512


def cox(
    input: Tensor,
    duration: Tensor,
    event: Tensor,
    strata: Tensor | None,
    order: Tensor,
    members: Tensor | None,
    efron: bool,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    rows = input.numel()
    kept = input.new_empty((6, rows), dtype=torch.float64)
    counted = input.new_empty((), dtype=torch.float64)
    made = [torch.empty_like(input)] if gradients else []
    unreduced = reduction == REDUCTIONS["none"]
    answer = input.new_empty(rows if unreduced else (), dtype=torch.float32)
    divisor = (
        counted if reduction in sums.MEANS and normalizer is None else sums.divisor(rows, reduction, normalizer)[0]
    )
    given = input, duration, event, strata, order, members, row_weight, kept
    launch(cox_at_risk, (1,), *given, counted, rows, BLOCK=BLOCK)
    rooms = answer if unreduced else None, None if unreduced else answer, made[0] if made else None
    launch(cox_losses, (1,), *given, divisor, 1.0, upstream, *rooms, rows, EFRON=efron, BLOCK=BLOCK)
    return answer, made
