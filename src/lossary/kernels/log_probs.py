"""Log-probabilities of classes, from logits and from features: what the operators answer on fake tensors, and their
gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lossary.kernels.plans import computed_in, takes_formula


def _fake(input: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = input.shape[0]
    values = [input.new_empty(rows, dtype=computed_in(input)) for _ in range(3)]
    return values[0], values[1], values[2], input.new_empty(rows, dtype=torch.int64)


def _fake_linear_backward(
    input, weight, bias, target, ignore_index, softcap, temperature, memory_budget, widens, d_log_prob,
    d_entropy, d_lse, gradients,
):  # fmt: skip
    return [torch.empty_like(x) for i, x in enumerate((input.contiguous(), weight, bias)) if gradients >> i & 1]


def _fake_backward(logits, *others):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.options = tuple(x for x in inputs if not isinstance(x, (Tensor, type(None))))
    ctx.save_for_backward(*(x for x in inputs if isinstance(x, (Tensor, type(None)))))
    ctx.set_materialize_grads(False)


def _linear_gradients(ctx: Any, *upstream: Tensor | None) -> tuple[Any, ...]:
    input, weight, bias, target = ctx.saved_tensors
    wanted = [i for i in range(3) if ctx.needs_input_grad[i]]
    made: list[Any] = [None] * 9
    if _takes_formula(upstream):
        found = _of_formula(ctx, upstream[:3], [(input, weight, bias)[i] for i in wanted])
    else:
        bits = sum(1 << i for i in wanted)
        found = torch.ops.lossary.linear_log_prob_backward(
            input, weight, bias, target, *ctx.options, *upstream[:3], bits
        )
    for i, gradient in zip(wanted, found, strict=True):
        made[i] = gradient
    return tuple(made)


def _gradients(ctx: Any, *upstream: Tensor | None) -> tuple[Any, ...]:
    logits, target = ctx.saved_tensors
    if _takes_formula(upstream):
        found = _of_formula(ctx, upstream[:3], [logits])[0]
    else:
        found = torch.ops.lossary.log_prob_backward(logits, target, *ctx.options, *upstream[:3])
    return found, None, None, None, None


def _takes_formula(upstream: tuple[Tensor | None, ...]) -> bool:
    return not torch.compiler.is_compiling() and any(takes_formula(d) for d in upstream if d is not None)


def _of_formula(ctx: Any, upstream: tuple[Tensor | None, ...], inputs: list[Tensor]) -> tuple[Tensor, ...]:
    from lossary.log_probs import formula

    again = torch.is_grad_enabled()
    with torch.enable_grad():
        answers = formula(*ctx.saved_tensors, *ctx.options[:3])
        pairs = [(value, d.to(value.dtype)) for value, d in zip(answers, upstream, strict=False) if d is not None]
        return torch.autograd.grad([v for v, _ in pairs], inputs, [d for _, d in pairs], create_graph=again)


def register() -> None:
    torch.library.register_fake("lossary::log_prob", _fake)
    torch.library.register_fake("lossary::linear_log_prob", _fake)
    torch.library.register_fake("lossary::linear_log_prob_backward", _fake_linear_backward)
    torch.library.register_fake("lossary::log_prob_backward", _fake_backward)
    torch.library.register_autograd("lossary::log_prob", _gradients, setup_context=_save)
    torch.library.register_autograd("lossary::linear_log_prob", _linear_gradients, setup_context=_save)
