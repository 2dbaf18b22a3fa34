"""The softmax of similarities of rows with candidates, which are never whole: what kernels/cpu/bind_similarities.cpp
computes, in its words. The products are torch's; a chunk's similarities become their gradient in place.

Shapes: N rows, M candidates, D features; vectors (N, D), (M, D) in fp32. Rows and candidates that are not in the batch
have vectors of zeros. The second direction of a symmetric loss is the first with rows and candidates exchanged.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from lossary.kernels.schemas import REDUCTIONS
from lossary.kernels.triton import sums
from lossary.kernels.triton.launch import launch
from lossary.kernels.triton.numbers import below, exp_of_nonpositive
from lossary.kernels.triton.scaled import log1p
from lossary.kernels.triton.sums import scale_of


@triton.jit
def unit_vectors(x, present, vectors, slopes, width, NORMALIZE: tl.constexpr, BLOCK: tl.constexpr):
    """slopes: of each vector one over its length, 0 where it has no direction."""
    row = tl.program_id(0).to(tl.int64)
    here = tl.load(present + row) != 0 if present is not None else True
    column = tl.arange(0, BLOCK)
    slope = tl.full([], 1.0, tl.float64)
    factor, largest = tl.full([], 1.0, tl.float32), tl.full([], 1.0, tl.float32)
    if NORMALIZE:
        sizes, squares = tl.zeros([BLOCK], tl.float32), tl.zeros([BLOCK], tl.float32)
        for begin in range(0, width, BLOCK):
            c = begin + column
            sizes = tl.maximum(sizes, tl.abs(tl.load(x + row * width + c, c < width, 0.0).to(tl.float32)))
        largest = tl.max(sizes)
        directed = largest > 0
        largest = tl.where(directed, largest, 1.0)
        for begin in range(0, width, BLOCK):
            c = begin + column
            part = tl.div_rn(tl.load(x + row * width + c, c < width, 0.0).to(tl.float32), largest)
            squares += part * part
        root = tl.sqrt_rn(tl.sum(squares))
        factor = tl.where(directed, 1.0 / tl.where(directed, root, 1.0), 1.0)
        slope = tl.where(directed, factor.to(tl.float64) / largest, 0.0)
    for begin in range(0, width, BLOCK):
        c = begin + column
        v = tl.div_rn(tl.load(x + row * width + c, c < width, 0.0).to(tl.float32), largest) * factor
        tl.store(vectors + row * width + c, tl.where(here, v, 0.0), c < width)
    tl.store(slopes + row, tl.where(here, slope, 0.0).to(tl.float32))


@triton.jit
def vector_gradients(d, vectors, slopes, gradient, width, NORMALIZE: tl.constexpr, BLOCK: tl.constexpr):
    """d: with respect to vectors v. Of what these were made of it is slope (d - (d v) v)."""
    row = tl.program_id(0).to(tl.int64)
    slope, column = tl.load(slopes + row), tl.arange(0, BLOCK)
    along = tl.zeros([BLOCK], tl.float32)
    if NORMALIZE:
        for begin in range(0, width, BLOCK):
            c = begin + column
            place = row * width + c
            along += tl.load(d + place, c < width, 0.0) * tl.load(vectors + place, c < width, 0.0)
    drop = tl.sum(along)
    for begin in range(0, width, BLOCK):
        c = begin + column
        place = row * width + c
        g = slope * (tl.load(d + place, c < width, 0.0) - drop * tl.load(vectors + place, c < width, 0.0))
        tl.store(gradient + place, tl.where(slope == 0, 0.0, g), c < width)


@triton.jit(do_not_specialize=["first"])
def similarity_rows(
    x,
    positives,
    labels,
    present,
    candidates_present,
    row_weight,
    temperature,
    fixed_temperature,
    normalizer,
    known,
    upstream,
    values,
    of_temperature,
    first,
    candidates,
    share,
    WANTED: tl.constexpr,
    ADDS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """x: similarities of a chunk of rows, the first of which is `first`; then, where that is wanted, their gradient.

    share: of the direction in the loss. of_temperature: what each row's gradient is, times the temperature.
    """
    place = tl.program_id(0).to(tl.int64)
    row, column = first + place, tl.arange(0, BLOCK)
    here = tl.load(present + row) != 0 if present is not None else True
    t = tl.load(temperature).to(tl.float32) if temperature is not None else fixed_temperature
    t = tl.where((t > 0) & (t < float("inf")), t, float("nan"))
    y = tl.load(positives + row) if positives is not None else row
    known_positive = (y >= 0) & (y < candidates)
    y = tl.where(known_positive, y, 0)
    x += place * candidates
    own = tl.load(x + y) / t
    own_label = tl.load(labels + y) if labels is not None else 0

    most = tl.full([BLOCK], float("-inf"), tl.float32)
    for begin in range(0, candidates, BLOCK):
        c = begin + column
        rival = _rivals(labels, own_label, candidates_present, c, y, candidates)
        most = tl.maximum(most, tl.load(x + c, rival, float("-inf")) / t)
    largest = tl.max(most)
    largest = tl.where(largest == float("-inf"), 0.0, largest)
    added = tl.zeros([BLOCK], tl.float32)
    for begin in range(0, candidates, BLOCK):
        c = begin + column
        rival = _rivals(labels, own_label, candidates_present, c, y, candidates)
        z = tl.load(x + c, rival, 0.0) / t
        added += tl.where(rival, exp_of_nonpositive(below(z, largest)), 0.0)
    total = tl.sum(added).to(tl.float64)

    alone = total == 0
    odds = tl.log(tl.where(alone, 1.0, total)) + (largest - own).to(tl.float64)
    odds = tl.where(alone, tl.where(own > float("-inf"), float("-inf"), float("nan")), odds)
    odds = tl.where(known_positive, odds, float("nan"))
    loss = tl.where(odds < 0, 0.0, odds) + log1p(tl.exp(-tl.abs(odds)))
    weight = share
    if row_weight is not None:
        weight *= tl.load(row_weight + row)
    value = tl.where(here, weight * loss, 0.0)
    if ADDS:
        value += tl.load(values + row)
    tl.store(values + row, value.to(tl.float32))

    if WANTED:
        slope = weight * scale_of(normalizer, known, None, upstream)
        against = (slope / (1.0 + tl.exp(-odds))).to(tl.float32)
        factor = tl.where(alone, 0.0, against / tl.where(alone, 1.0, total).to(tl.float32))
        found = tl.zeros([BLOCK], tl.float32)
        for begin in range(0, candidates, BLOCK):
            c = begin + column
            rival = _rivals(labels, own_label, candidates_present, c, y, candidates)
            z = tl.load(x + c, rival, 0.0) / t
            g = tl.where(rival, exp_of_nonpositive(below(z, largest)) * factor, 0.0)
            found += tl.where(rival, g * (z - own), 0.0)
            g = tl.where(c == y, -against, g)
            tl.store(x + c, tl.where(here, g / t, 0.0), c < candidates)
        if of_temperature is not None:
            tl.store(of_temperature + row, tl.where(here, -tl.sum(found), 0.0))


@triton.jit
def _rivals(labels, own_label, candidates_present, c, y, candidates):
    """Which candidates are a row's negatives."""
    rival = (c < candidates) & (c != y)
    if candidates_present is not None:
        rival &= tl.load(candidates_present + c, rival, 0) != 0
    if labels is not None:
        rival &= tl.load(labels + c, rival, 0) != own_label
    return rival


LONGEST = 1024
"""Of what is read at a time."""
FEWEST = 16
"""Rows of a chunk."""


def _block(width: int) -> int:
    return min(triton.next_power_of_2(width), LONGEST)


def _vectors(x: Tensor, present: Tensor | None, normalize: bool) -> tuple[Tensor, Tensor]:
    vectors, slopes = torch.empty_like(x, dtype=torch.float32), x.new_empty(x.shape[0], dtype=torch.float32)
    options = {"NORMALIZE": normalize, "BLOCK": _block(x.shape[1])}
    launch(unit_vectors, x.shape[:1], x, present, vectors, slopes, x.shape[1], **options)
    return vectors, slopes


def _remaining(positives: Tensor | None, members: Tensor | None, candidates: int) -> Tensor | None:
    """Which candidates are in the batch: one leaves with the last row whose positive it is."""
    if members is None:
        return None
    rows = members.shape[0]
    y = torch.arange(rows, device=members.device) if positives is None else positives
    y = torch.where((y >= 0) & (y < candidates), y, candidates)
    of_any = members.new_zeros(candidates + 1, dtype=torch.bool).index_fill(0, y, True)
    of_members = torch.zeros_like(of_any).index_fill(0, torch.where(members != 0, y, candidates), True)
    return (of_members | ~of_any)[:candidates].to(torch.int8)


def similarities(
    input: Tensor,
    candidates: Tensor,
    temperature: Tensor | None,
    positives: Tensor | None,
    labels: Tensor | None,
    members: Tensor | None,
    fixed_temperature: float,
    symmetric: bool,
    normalize: bool,
    memory_budget: int,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    rows, width, count = input.shape[0], input.shape[1], candidates.shape[0]
    remaining = _remaining(positives, members, count)
    x, x_slopes = _vectors(input, members, normalize)
    y, y_slopes = _vectors(candidates, remaining, normalize)
    divisor = sums.divisor(rows, reduction, normalizer, row_weight=row_weight)
    if divisor.parts is not None:
        divisor = sums.Divisor(divisor.parts.sum())
    values = x.new_empty(rows)
    directions = [(x, y, members, remaining)] + [(y, x, remaining, members)] * symmetric
    of_temperature = x.new_empty((len(directions), rows)) if gradients & 4 else None

    left = memory_budget - 4 * count * width
    in_chunk = min(max(left // (4 * (count + 2 * width)) // FEWEST, 1) * FEWEST, rows)
    buffer = x.new_empty((in_chunk, count))
    d_x, d_y = torch.zeros_like(x) if gradients & 1 else None, torch.zeros_like(y) if gradients & 2 else None
    for i, (anchors, others, present, others_present) in enumerate(directions):
        d_anchors, d_others = (d_y, d_x) if i else (d_x, d_y)
        for begin in range(0, rows, in_chunk):
            chunk = anchors[begin : begin + in_chunk]
            part = torch.mm(chunk, others.T, out=buffer[: chunk.shape[0]])
            launch(
                similarity_rows,
                (chunk.shape[0],),
                *(part, positives, labels, present, others_present, row_weight, temperature, fixed_temperature),
                *(*divisor[:2], upstream, values, of_temperature[i] if of_temperature is not None else None),
                *(begin, count, 0.5 if symmetric else 1.0),
                WANTED=bool(gradients),
                ADDS=i > 0,
                BLOCK=_block(count),
            )
            if d_anchors is not None:
                d_anchors[begin : begin + in_chunk].addmm_(part, others)
            if d_others is not None:
                d_others.addmm_(part.T, chunk)

    made = []
    for d, vectors, slopes, like in ((d_x, x, x_slopes, input), (d_y, y, y_slopes, candidates)):
        if d is not None:
            made.append(torch.empty_like(like))
            options = {"NORMALIZE": normalize, "BLOCK": _block(width)}
            launch(vector_gradients, like.shape[:1], d, vectors, slopes, made[-1], width, **options)
    if of_temperature is not None:
        made.append(sums.total_of(of_temperature, temperature, 1.0))
    if reduction == REDUCTIONS["none"]:
        return values, made
    return sums.total_of(values, *divisor), made
