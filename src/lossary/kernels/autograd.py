"""Recipes run, and their gradients.

The gradient comes from the pass that computes the value; a second backward runs the kernel again, and derivatives of
the gradient are those of the formula.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lossary.core import reference, rows
from lossary.core.arrays import is_compiling
from lossary.kernels import operators
from lossary.kernels.operators import computed_in
from lossary.kernels.recipe import DataError, Recipe, Source
from lossary.kernels.schemas import REDUCTIONS


def run(recipe: Recipe, tensors: list[Tensor]) -> Any:
    """What the caller gets back."""
    if not recipe.operator.reduces:
        return recipe.answer(*(x.reshape(recipe.shape) for x in _call(recipe, tensors)))
    if not recipe.wanted:
        value = _call(recipe, tensors, None, 0)[0]
        value = value if value.dtype is recipe.dtype else value.to(recipe.dtype)
    else:
        value = (Traced.apply if is_compiling() else fused)(recipe, *tensors)
    return value if recipe.shape is None else value.reshape(recipe.shape)


def _call(recipe: Recipe, tensors: Any, *rest: Any) -> Any:
    try:
        return recipe.operator.overload(*recipe.filled(tensors), *rest)
    except (IndexError, RuntimeError, ValueError) as error:
        raise DataError from error


class Fused(torch.autograd.Function):
    """The call of an operator. Kept lean: on small inputs what stands here is most of the time."""

    @staticmethod
    def forward(ctx: Any, recipe: Recipe, *tensors: Tensor) -> Tensor:
        value, ctx.gradients = _call(recipe, tensors, None, recipe.at_once)
        ctx.recipe = recipe
        ctx.save_for_backward(*tensors)
        return value if value.dtype is recipe.dtype else value.to(recipe.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if ctx.recipe.inplace:
            return _in_slots(ctx.recipe, [_over_logits(ctx, upstream)])
        if takes_formula(upstream):
            return _in_slots(ctx.recipe, _of_formula(ctx.recipe, ctx.saved_tensors, upstream))
        ready, ctx.gradients = ctx.gradients, None  # autograd copies a gradient that somebody else holds
        # Small gradients of fp16 are 0 before a loss scale comes to them.
        if not ready or (ready[0].dtype is torch.float16 and upstream.item() != 1):
            return _in_slots(ctx.recipe, _of_operator(ctx.recipe, ctx.saved_tensors, upstream))
        if not upstream.is_cpu:  # reading it here would wait for the device
            torch.ops.lossary.rescale_(ready, upstream)
        elif upstream.item() != 1:
            for gradient in ready:
                gradient.mul_(upstream)
        return _in_slots(ctx.recipe, ready)


fused: Any = super(torch.autograd.Function, Fused).apply  # pyright: ignore[reportAttributeAccessIssue]
"""`Fused.apply` without the arrangements for functorch, under which no call comes here: 3 of 30 microseconds."""


class Traced(torch.autograd.Function):
    """As `Fused`, for torch.compile, which saves what it likes and differentiates what it sees."""

    @staticmethod
    def forward(ctx: Any, recipe: Recipe, *tensors: Tensor) -> Tensor:
        value, ready = recipe.operator.overload(*recipe.filled(tensors), None, recipe.at_once)
        ctx.recipe = recipe
        ctx.save_for_backward(*tensors, *ready)
        # Where `to` answers the value itself, Dynamo of torch 2.11 takes the two for two outputs: a gradient of 0.
        return value if value.dtype is recipe.dtype else value.to(recipe.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        ready = ctx.saved_tensors[len(ctx.recipe.slots) :]
        if ready:
            return _in_slots(ctx.recipe, [(g * upstream).to(g.dtype) for g in ready])
        return _in_slots(ctx.recipe, _of_operator(ctx.recipe, ctx.saved_tensors, upstream))


def gradients(recipe: Recipe, upstream: Tensor, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The wanted gradients, computed now."""
    return (_of_formula if takes_formula(upstream) else _of_operator)(recipe, tensors, upstream)


def step(recipe: Recipe, places: Mapping[str, int | str]) -> Any:
    """What calls the operator from a later caller's arguments, in C++; None where that cannot make its tensors.

    places: where a caller has each argument.
    """
    parts = []
    for source, slot, gradient in zip(recipe.sources, recipe.slots, recipe.order, strict=True):
        casts = [given for method, *given in source.steps if method == "to"] if isinstance(source, Source) else ()
        if not isinstance(source, Source) or len(source.steps) != len(casts) or len(casts) > 1:
            return None
        parts.append((places[source.argument], casts[0][0] if casts else None, slot, gradient))
    if not recipe.operator.reduces or recipe.shape is not None:
        return None
    arguments, name = (*recipe.arguments, None, recipe.at_once), f"lossary::{recipe.operator.name}"
    return operators.native.Step(recipe, name, arguments, tuple(parts), recipe.dtype, gradients, DataError)


def takes_formula(upstream: Tensor) -> bool:
    """Derivatives of the gradient, and gradients of many incoming ones at once, are the formula's."""
    f = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    return torch.is_grad_enabled() or f.is_legacy_batchedtensor(upstream) or f.is_batchedtensor(upstream)


def _in_slots(recipe: Recipe, found: Any) -> tuple[Any, ...]:
    """What autograd wants back: one for the recipe, and one for each tensor."""
    found = [*found, None]
    return (None, *[found[i] for i in recipe.order])


def _of_operator(recipe: Recipe, tensors: tuple[Tensor, ...], upstream: Tensor) -> list[Tensor]:
    return recipe.operator.overload(*_scaled_by(upstream, recipe, tensors), recipe.wanted)[1]


def _scaled_by(upstream: Tensor, recipe: Recipe, tensors: tuple[Tensor, ...]) -> list[Any]:
    """An operator's arguments, for a gradient that is multiplied by the incoming one."""
    tensors = tensors[: len(recipe.slots)]
    *given, row_weight, reduction, normalizer = recipe.filled(tensors)
    weight = upstream.to(computed_in(tensors[0])).contiguous()
    if reduction != REDUCTIONS["none"]:
        return [*given, row_weight, reduction, normalizer, weight]
    if row_weight is not None:
        weight = (weight.reshape(row_weight.numel(), -1) * row_weight.reshape(-1, 1)).reshape(weight.shape)
    return [*given, weight, REDUCTIONS["sum"], None, None]


def _over_logits(ctx: Any, upstream: Tensor) -> Tensor:
    recipe: Recipe = ctx.recipe
    if torch.is_grad_enabled():
        name = recipe.formula.call.loss.name
        raise RuntimeError(f"{name}: inplace_backward=True has no second derivative; leave it out")
    logits, *rest = _scaled_by(upstream, recipe, ctx.saved_tensors)
    gradient = logits.detach()
    operators.OPERATORS[f"{recipe.operator.name}_"].overload(gradient, *rest)
    torch.autograd.graph.increment_version(logits)  # so that whoever saved the logits too is told
    return gradient


def _of_formula(recipe: Recipe, tensors: tuple[Tensor, ...], upstream: Tensor) -> list[Tensor]:
    inputs = [tensors[recipe.order.index(i)] for i in range(len(recipe.order) - recipe.order.count(-1))]
    return _differentiate(lambda: [reference.run(recipe.formula.call_of(tensors))], inputs, [upstream])


def _differentiate(formula: Any, inputs: list[Tensor], upstream: Any) -> list[Tensor]:
    """The gradient of what the formula answers, which has derivatives of its own if they are wanted."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        pairs = [(value, d.to(value.dtype)) for value, d in zip(formula(), upstream, strict=False) if d is not None]
        values, factors = zip(*pairs, strict=True)
        return list(torch.autograd.grad(values, inputs, factors, create_graph=again))


# Log-probabilities of rows: operators whose gradients are operators.


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.options = tuple(x for x in inputs if not isinstance(x, (Tensor, type(None))))
    ctx.save_for_backward(*(x for x in inputs if isinstance(x, (Tensor, type(None)))))
    ctx.set_materialize_grads(False)


def _of_statistics(ctx: Any, *upstream: Tensor | None) -> tuple[Any, ...]:
    """upstream: of the log-probability, the entropy and the log-sum-exp; what is predicted has no derivative."""
    *inputs, target = ctx.saved_tensors
    wanted = [i for i in range(len(inputs)) if ctx.needs_input_grad[i]]
    found: Any
    if not is_compiling() and any(takes_formula(d) for d in upstream if d is not None):
        found = _differentiate(
            lambda: rows.formula(*inputs, target, *ctx.options[:3]), [inputs[i] for i in wanted], upstream[:3]
        )
    elif len(inputs) == 1:
        found = [torch.ops.lossary.log_prob_backward(*inputs, target, *ctx.options, *upstream[:3])]
    else:
        bits = sum(1 << i for i in wanted)
        found = torch.ops.lossary.linear_log_prob_backward(*inputs, target, *ctx.options, *upstream[:3], bits)
    made: list[Any] = [None] * len(ctx.needs_input_grad)
    for i, gradient in zip(wanted, found, strict=True):
        made[i] = gradient
    return tuple(made)


for _name in ("log_prob", "linear_log_prob"):
    torch.library.register_autograd(f"lossary::{_name}", _of_statistics, setup_context=_save)
