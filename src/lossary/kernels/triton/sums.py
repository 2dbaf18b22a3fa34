"""What means divide by, and totals in two stages, the second in fp64: what programs have summed, in order, whatever
order they ran in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.triton.launch import launch

MEANS = (REDUCTIONS["mean"], REDUCTIONS["batchmean"])
BLOCK = 1024
MOST_PARTS = tl.constexpr(256)
"""Programs that count rows; each reader adds up what they have found."""


@triton.jit(do_not_specialize=["rows", "rows_of_part", "ignore_index"])
def count(target, class_weight, row_weight, parts, rows, rows_of_part, classes, ignore_index, BLOCK: tl.constexpr):
    """What the rows of a part weigh, those that are ignored nothing. target: class indices, or None where all count."""
    part = tl.program_id(0).to(tl.int64)
    found = tl.zeros([BLOCK], tl.float32)
    for begin in range(0, rows_of_part, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        row = part * rows_of_part + place
        within = (place < rows_of_part) & (row < rows)
        weight = tl.where(within, 1.0, 0.0)
        if row_weight is not None:
            weight = tl.load(row_weight + row, within, 0.0).to(tl.float32)
        if target is not None:
            index = tl.load(target + row, within, ignore_index)
            counts = index != ignore_index
            if class_weight is not None:
                exists = (index >= 0) & (index < classes)
                weight *= tl.load(class_weight + tl.where(exists, index, 0), counts, 0.0).to(tl.float32)
            weight = tl.where(counts, weight, 0.0)
        found += weight
    tl.store(parts + part, tl.sum(found))


@triton.jit
def divisor_of(normalizer, known, parts):
    """Of a mean: the caller's, what was counted here, in so many parts, or what the host knows."""
    if normalizer is not None:
        divisor = tl.load(normalizer)
    elif parts is not None:
        part = tl.arange(0, MOST_PARTS)
        divisor = tl.sum(tl.load(parts + part, part < known, 0.0))
    else:
        divisor = known
    return divisor


@triton.jit
def scale_of(normalizer, known, parts, upstream):
    """What gradients are multiplied by; 0 where a mean is over nothing."""
    divisor = divisor_of(normalizer, known, parts).to(tl.float32)
    scale = tl.where(divisor == 0, 0.0, 1.0 / divisor)
    if upstream is not None:
        scale *= tl.load(upstream).to(tl.float32)
    return scale


@triton.jit
def _quotient(all, divisor):
    """0 where a mean is over nothing."""
    nothing = (divisor == 0) & (all == 0)
    return tl.where(nothing, 0.0, all / tl.where(nothing, 1.0, divisor))


@triton.jit
def keep_sum(sums, found, normalizer, known, parts):
    """Of each program; where there is one alone, the answer of the loss."""
    if tl.num_programs(0) == 1:
        found = _quotient(found, divisor_of(normalizer, known, parts).to(tl.float32))
    tl.store(sums + tl.program_id(0).to(tl.int64), found)


@triton.jit
def answer(values, sums, value, row, exists, normalizer, known, parts):
    """The losses of a program's rows, unreduced or summed."""
    if values is not None:
        tl.store(values + row, value, exists)
    else:
        keep_sum(sums, tl.sum(value), normalizer, known, parts)


@triton.jit(do_not_specialize=["count"])
def total(sums, normalizer, known, parts, value, count, BLOCK: tl.constexpr):
    found = tl.zeros([BLOCK], tl.float64)
    for begin in range(0, count, BLOCK):
        place = begin + tl.arange(0, BLOCK)
        found += tl.load(sums + place, place < count, 0.0).to(tl.float64)
    all = tl.sum(found)
    divisor = divisor_of(normalizer, known, parts).to(tl.float64)
    tl.store(value, _quotient(all, divisor).to(tl.float32))


class Divisor(NamedTuple):
    """What a total is divided by, as `divisor_of` takes it."""

    normalizer: Tensor | None = None
    known: float = 1.0
    parts: Tensor | None = None


def weight_of_rows(
    target: Tensor | None, class_weight: Tensor | None, row_weight: Tensor | None, classes: int, ignore_index: int
) -> Divisor:
    """target: class indices of rows, or None where each counts; then there are row weights."""
    of_rows = row_weight if target is None else target
    assert of_rows is not None
    rows = of_rows.numel()
    programs = min(-(-rows // BLOCK), MOST_PARTS.value)
    parts = of_rows.new_empty(programs, dtype=torch.float32)
    if programs:
        rows_of_part = -(-rows // programs)
        arguments = (target, class_weight, row_weight, parts, rows, rows_of_part, classes, ignore_index)
        launch(count, (programs,), *arguments, BLOCK=BLOCK)
    return Divisor(None, float(programs), parts)


def divisor(
    rows: int,
    reduction: int,
    normalizer: Tensor | None,
    target: Tensor | None = None,
    class_weight: Tensor | None = None,
    row_weight: Tensor | None = None,
    classes: int = 0,
    ignore_index: int = 0,
) -> Divisor:
    """Of the mean over rows, by class indices and weights where there are any; of other reductions 1."""
    if reduction not in MEANS:
        return Divisor()
    if normalizer is not None:
        return Divisor(normalizer)
    if target is None and row_weight is None:
        return Divisor(known=float(rows))
    return weight_of_rows(target, class_weight, row_weight, classes, ignore_index)


def room(x: Tensor, unreduced: Sequence[int], programs: int, reduction: int) -> tuple[Tensor | None, Tensor | None]:
    """For the values, where they are not reduced, and else for the sum of each program."""
    if reduction == REDUCTIONS["none"]:
        return x.new_empty(unreduced, dtype=torch.float32), None
    return None, x.new_empty(programs, dtype=torch.float32)


def total_of(partial: Tensor, normalizer: Tensor | None, known: float, parts: Tensor | None = None) -> Tensor:
    value = partial.new_empty((), dtype=torch.float32)
    launch(total, (1,), partial, normalizer, known, parts, value, partial.numel(), BLOCK=8192, num_warps=16)
    return value


def reduced(values: Tensor | None, partial: Tensor | None, divisor: Divisor) -> Tensor:
    """What `room` was made for: the values, or their total."""
    if values is not None:
        return values
    assert partial is not None
    if partial.numel() == 1:
        return partial.reshape(())
    return total_of(partial, *divisor)
