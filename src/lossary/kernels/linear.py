"""Cross-entropy of a linear layer without its logits: chunks of rows go through one buffer, where each chunk's logits
become their gradient, which that chunk's part of the gradients of features and weights is made of at once.

Shapes: N rows, D features, C classes, d the positions that each row is classified at (none as a rule).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lossary.kernels.calls import REDUCTIONS

NONE, MEAN, SUM = (REDUCTIONS[name] for name in ("none", "mean", "sum"))
BLOCK = 16
"""Rows of a product are multiples of it: BLAS computes what is left over another way, with other last bits."""
PART = 4096
"""Rows of the weights' gradient that are made at once in half precision: they stay in the cache until fp32 has them."""
SCHEMA = (
    "(Tensor input, Tensor linear_weight, Tensor? linear_bias, Tensor target, Tensor? shares, Tensor? weight, "
    "int ignore_index, float label_smoothing, float softcap, float temperature, float z_loss, int memory_budget, "
    "Tensor? row_weight, int reduction, Tensor? normalizer, Tensor? upstream, int gradients) -> (Tensor, Tensor[])"
)


@torch.no_grad()
@torch.autocast("cpu", enabled=False)
def linear_softmax_rows(
    input: Tensor,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    target: Tensor,
    shares: Tensor | None,
    weight: Tensor | None,
    ignore_index: int,
    label_smoothing: float,
    softcap: float,
    temperature: float,
    z_loss: float,
    memory_budget: int,
    row_weight: Tensor | None,
    reduction: int,
    normalizer: Tensor | None,
    upstream: Tensor | None,
    gradients: int,
) -> tuple[Tensor, list[Tensor]]:
    """Features (N, D), linear_weight (C, *d, D), linear_bias (C, *d), target (N, *d) or (N, C, *d).

    With shares (N, K) of its classes the target is (N, K), and the caller knows what the mean divides by.
    """
    classes, *positions, _ = linear_weight.shape
    columns = linear_weight.flatten(0, -2)
    counted = classes_that_count(target, classes, ignore_index) if target.dtype == torch.int64 else None
    if counted is not None and shares is not None:
        counted = counted.any(1)
    divisor = _divisor(counted, target, weight, row_weight, positions, normalizer) if reduction == MEAN else 1.0
    scale = torch.tensor(1 / divisor if divisor else 0.0, dtype=torch.float64)
    if upstream is not None:
        scale *= upstream

    chunks = Chunks(input, columns, linear_bias, rows_that_count(counted, row_weight), memory_budget)
    made = Gradients(input, linear_weight, linear_bias, gradients, chunks)
    values = input.new_zeros((input.shape[0], *positions), dtype=wide(input)) if reduction == NONE else None
    total = 0.0
    plain = shares is None and (softcap, temperature, z_loss) == (0.0, 1.0, 0.0)
    if plain:
        rows_of, rows_over = torch.ops.lossary.softmax_rows, torch.ops.lossary.softmax_rows_
        options = (label_smoothing, 0.0)
    else:
        rows_of, rows_over = torch.ops.lossary.shaped_rows, torch.ops.lossary.shaped_rows_
        options = (label_smoothing, softcap, temperature, z_loss)
    for part, x, z, count in chunks:
        arguments = (
            z[:count].view(-1, classes, *positions),
            target[part],
            *(() if plain else (None if shares is None else shares[part],)),
            weight,
            ignore_index,
            *options,
            None if row_weight is None else row_weight[part],
            SUM if values is None else NONE,
            None,
            scale,
        )
        if gradients:
            value = rows_over(*arguments)
            made.add(z, x, columns, part, count)
        else:
            value = rows_of(*arguments, 0)[0]
        if values is None:
            total += value.item()
        else:
            values[part] = value
    if values is None:
        values = torch.tensor(total / divisor if divisor else total, dtype=wide(input))
    return values, made.finished()


class Chunks:
    """Chunks of rows and their logits, one after the other in the same memory."""

    def __init__(
        self, input: Tensor, columns: Tensor, bias: Tensor | None, rows: Tensor | None, memory_budget: int
    ) -> None:
        self.input, self.columns, self.bias, self.rows = input, columns, bias, rows
        self.count = input.shape[0] if rows is None else rows.numel()
        bytes_of_row = columns.shape[0] * input.element_size()
        most = max(memory_budget // bytes_of_row // BLOCK, 1) * BLOCK
        self.number = -(-self.count // most)
        self.size = _rounded_up(-(-self.count // max(self.number, 1)))  # about equal

    def __iter__(self) -> Iterator[tuple[Any, Tensor, Tensor, int]]:
        """Which rows, their features and logits in whole blocks, and how many of these are theirs."""
        if not self.count:
            return
        logits = torch.ops.lossary.gradient_memory_matrix(self.input, self.size, self.columns.shape[0])
        for begin in range(0, self.count, self.size):
            end = min(begin + self.size, self.count)
            part = slice(begin, end) if self.rows is None else self.rows[begin:end]
            x, z = _in_blocks(self.input[part]), logits[: _rounded_up(end - begin)]
            if self.bias is None:
                torch.mm(x, self.columns.T, out=z)
            else:
                torch.addmm(self.bias.flatten(), x, self.columns.T, out=z)
            yield part, x, z, end - begin


class Gradients:
    """Of features, weights and bias, as far as they are wanted; chunks add up in fp32."""

    def __init__(self, input: Tensor, weight: Tensor, bias: Tensor | None, wanted: int, chunks: Chunks) -> None:
        self.input = (_like(input) if chunks.rows is None else torch.zeros_like(input)) if wanted & 1 else None
        self.weight = _like(weight) if wanted & 2 else None
        self.bias = torch.zeros_like(bias) if bias is not None and wanted & 4 else None
        self.of_weight, self.of_bias = self.weight, self.bias
        if self.weight is not None:
            self.of_weight = self.weight.flatten(0, -2)
            if self.weight.dtype != wide(weight) and chunks.number > 1:
                like = weight.new_empty((), dtype=wide(weight))
                self.of_weight = torch.ops.lossary.gradient_memory_matrix(like, *self.of_weight.shape)
            if chunks.number == 0:
                self.of_weight.zero_()
        if self.bias is not None:
            self.of_bias = torch.zeros(self.bias.numel(), dtype=wide(weight))
        self.first = True

    def add(self, g: Tensor, x: Tensor, columns: Tensor, part: Any, count: int) -> None:
        """g: the gradient of a chunk's logits, in whole blocks as its features x are."""
        if self.of_weight is not None:
            self._add_products(g[:count], x[:count])
            self.first = False
        if self.of_bias is not None:
            self.of_bias += g[:count].sum(0, dtype=self.of_bias.dtype)
        if self.input is not None:
            if isinstance(part, slice) and g.shape[0] == count:
                torch.mm(g, columns, out=self.input[part])
            else:
                self.input[part] = torch.mm(g, columns)[:count]

    def _add_products(self, g: Tensor, x: Tensor) -> None:
        sums = self.of_weight
        assert sums is not None
        if sums.dtype == g.dtype:
            torch.addmm(sums, g.T, x, beta=0.0 if self.first else 1.0, out=sums)
            return
        for rows in range(0, sums.shape[0], PART):
            into, product = sums[rows : rows + PART], torch.mm(g[:, rows : rows + PART].T, x)
            if self.first:
                into.copy_(product)
            else:
                into.add_(product)

    def finished(self) -> list[Tensor]:
        if self.weight is not None and self.of_weight is not None and self.of_weight.dtype != self.weight.dtype:
            self.weight.flatten(0, -2).copy_(self.of_weight)
        if self.bias is not None and self.of_bias is not None:
            self.bias.copy_(self.of_bias.view_as(self.bias))
        return [x for x in (self.input, self.weight, self.bias) if x is not None]


def classes_that_count(target: Tensor, classes: int, ignore_index: int) -> Tensor:
    """Which class indices count; raises where one that does is no class."""
    counted = target != ignore_index
    wrong = counted & ((target < 0) | (target >= classes))
    if wrong.any():
        row = int(wrong.flatten().nonzero()[0])
        raise IndexError(f"target holds {target.flatten()[row]} in row {row}; the classes are 0 to {classes - 1}")
    return counted


def _divisor(
    counted: Tensor | None,
    target: Tensor,
    weight: Tensor | None,
    row_weight: Tensor | None,
    positions: list[int],
    normalizer: Tensor | None,
) -> float:
    """What the mean divides by."""
    if normalizer is not None:
        return normalizer.item()
    ones = torch.ones((target.shape[0], *positions), dtype=torch.float64) if counted is None else counted.double()
    if counted is not None and weight is not None:
        ones *= weight[torch.where(counted, target, 0)]
    return float((ones if row_weight is None else ones * row_weight).sum())


def rows_that_count(counted: Tensor | None, row_weight: Tensor | None) -> Tensor | None:
    """Their places; None for all. The others, which may hold anything, cost nothing."""
    counts = row_weight if counted is None else counted if row_weight is None else counted & (row_weight != 0)
    if counts is None:
        return None
    counts = counts.reshape(counts.shape[0], -1).any(1)
    return None if counts.all() else counts.nonzero().flatten()


def _rounded_up(rows: int) -> int:
    return -(-rows // BLOCK) * BLOCK


def _in_blocks(x: Tensor) -> Tensor:
    missing = -x.shape[0] % BLOCK
    return torch.nn.functional.pad(x, (0, 0, 0, missing)) if missing else x


def _like(x: Tensor) -> Tensor:
    """Room for the gradient of x, large ones in memory that is kept for gradients."""
    if not x.is_contiguous() or x.ndim < 2:
        return torch.empty_like(x)
    return torch.ops.lossary.gradient_memory_matrix(x, x.numel() // x.shape[-1], x.shape[-1]).view(x.shape)


def wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _fake(
    input, linear_weight, linear_bias, target, shares, weight, ignore_index, label_smoothing, softcap, temperature,
    z_loss, memory_budget, row_weight, reduction, normalizer, upstream, gradients,
):  # fmt: skip
    shape = (input.shape[0], *linear_weight.shape[1:-1]) if reduction == NONE else ()
    inputs = (input, linear_weight, linear_bias)
    return input.new_empty(shape, dtype=wide(input)), [
        torch.empty_like(x) for i, x in enumerate(inputs) if gradients >> i & 1
    ]


def register() -> None:
    torch.library.define("lossary::linear_softmax_rows", SCHEMA, tags=torch.Tag.pt2_compliant_tag)
    torch.library.impl("lossary::linear_softmax_rows", "cpu", linear_softmax_rows)
    torch.library.register_fake("lossary::linear_softmax_rows", _fake)
