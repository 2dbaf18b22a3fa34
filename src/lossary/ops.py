"""The operators of torch: what they answer on fake tensors, and their gradients.

Importing this module loads the kernels. The gradient comes from the pass that computes the value; a second backward
runs the kernel again, and derivatives of the gradient are those of the formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lossary.kernels import status

NONE, MEAN, SUM = 0, 1, 2
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)

missing = status.missing()
if missing is None:
    torch.ops.load_library(str(status.library()))


@dataclass(frozen=True)
class Operator:
    """name: of the operator. inputs: the places of its differentiable arguments.

    All end in: row_weight, reduction, normalizer, upstream (what the gradient is multiplied by), gradients (a bit for
    each input whose gradient is wanted); they answer the value and the wanted gradients.
    """

    name: str
    inputs: tuple[int, ...]

    def __call__(self, *arguments: Any) -> tuple[Tensor, list[Tensor]]:
        return getattr(torch.ops.lossary, self.name)(*arguments)


SOFTMAX_ROWS = Operator("softmax_rows", (0,))
ELEMENTWISE = Operator("elementwise", (1, 3))
PAIRS = Operator("pairs", (0, 1, 2))


class Fused(torch.autograd.Function):
    """A call of an operator; `second` answers the same from its inputs, with derivatives of every order."""

    @staticmethod
    def forward(ctx: Any, operator: Operator, wanted: int, second: Any, *arguments: Any) -> Tensor:
        *given, reduction, normalizer = arguments
        at_once = wanted if reduction != NONE else 0  # unreduced, each row's gradient waits for its upstream one
        value, gradients = operator(*given, reduction, normalizer, None, at_once)
        ctx.operator, ctx.wanted, ctx.second, ctx.reduction = operator, wanted, second, reduction
        ctx.places = [i for i, x in enumerate(arguments) if isinstance(x, Tensor)]
        ctx.others = [None if isinstance(x, Tensor) else x for x in arguments]
        if torch.compiler.is_compiling():
            ctx.save_for_backward(*(arguments[i] for i in ctx.places), *gradients)
            ctx.gradients = len(gradients)
        else:
            ctx.save_for_backward(*(arguments[i] for i in ctx.places))
            ctx.gradients = gradients
        return value

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.compiler.is_compiling() and ctx.gradients:
            gradients = [(g * upstream).to(g.dtype) for g in ctx.saved_tensors[-ctx.gradients :]]
        elif torch.is_grad_enabled() and not torch.compiler.is_compiling():
            gradients = _of_formula(ctx, upstream)
        else:
            gradients = _of_operator(ctx, upstream)
        answer: list[Any] = [None] * (3 + len(ctx.others))
        for place, gradient in zip(_wanted_places(ctx), gradients, strict=True):
            answer[3 + place] = gradient
        return tuple(answer)


def _wanted_places(ctx: Any) -> list[int]:
    return [place for i, place in enumerate(ctx.operator.inputs) if ctx.wanted >> i & 1]


def _arguments(ctx: Any) -> list[Any]:
    arguments = list(ctx.others)
    for place, x in zip(ctx.places, ctx.saved_tensors, strict=False):
        arguments[place] = x
    return arguments


def _of_operator(ctx: Any, upstream: Tensor) -> list[Tensor]:
    kept, ctx.gradients = ctx.gradients, None  # not kept here: autograd copies a gradient that somebody else holds
    if kept:
        if upstream.item() == 1:
            return kept
        if kept[0].dtype != torch.float16:  # whose small gradients are 0 before a loss scale comes to them
            return [g.mul_(upstream) for g in kept]
    *given, row_weight, reduction, normalizer = _arguments(ctx)
    if reduction != NONE:
        return ctx.operator(*given, row_weight, reduction, normalizer, upstream.contiguous(), ctx.wanted)[1]
    weight = upstream.contiguous()
    if row_weight is not None:
        weight = (weight.reshape(row_weight.numel(), -1) * row_weight.reshape(-1, 1)).reshape(weight.shape)
    return ctx.operator(*given, weight, SUM, None, None, ctx.wanted)[1]


def _of_formula(ctx: Any, upstream: Tensor) -> list[Tensor]:
    arguments = _arguments(ctx)
    inputs = [arguments[place] for place in _wanted_places(ctx)]
    return list(torch.autograd.grad(ctx.second(inputs), inputs, upstream, create_graph=True))


def _wide(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _fake(x: Tensor, shape: Any, reduction: int, inputs: tuple[Any, ...], wanted: int) -> tuple[Tensor, list[Tensor]]:
    value = x.new_empty(shape if reduction == NONE else [], dtype=_wide(x))
    return value, [torch.empty_like(y) for i, y in enumerate(inputs) if wanted >> i & 1]


def _fake_softmax_rows(
    x, target, weight, ignore_index, smoothing, gamma, rows, reduction, normalizer, upstream, wanted
):
    axis = min(x.ndim - 1, 1)
    return _fake(x, [n for i, n in enumerate(x.shape) if i != axis], reduction, (x,), wanted)


def _fake_elementwise(f, x, target, third, cycle, weight, a, b, rows, reduction, normalizer, upstream, wanted):
    return _fake(x, x.shape, reduction, (x, third), wanted)


def _fake_pairs(x1, x2, x3, target, margin, eps, swap, rows, reduction, normalizer, upstream, wanted):
    return _fake(x1, x1.shape[:-1], reduction, (x1, x2, x3), wanted)


if missing is None:
    torch.library.register_fake("lossary::softmax_rows", _fake_softmax_rows)
    torch.library.register_fake("lossary::elementwise", _fake_elementwise)
    torch.library.register_fake("lossary::pairs", _fake_pairs)
