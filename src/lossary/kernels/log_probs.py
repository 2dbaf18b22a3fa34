"""Log-probabilities of classes from features, chunk by chunk: the operator and its gradient.

The backward makes each chunk's logits again: what they are multiplied by is not known before.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lossary.kernels.linear import Chunks, Gradients, classes_that_count, rows_that_count, wide
from lossary.kernels.plans import takes_formula

LINEAR = "(Tensor input, Tensor linear_weight, Tensor? linear_bias, Tensor target, int ignore_index, "
OPTIONS = "float softcap, float temperature, int memory_budget"
UPSTREAM = ", Tensor? d_log_prob, Tensor? d_entropy, Tensor? d_lse, int gradients"


def linear_log_prob(
    input: Tensor,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    target: Tensor,
    ignore_index: int,
    softcap: float,
    temperature: float,
    memory_budget: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features (N, D), linear_weight (C, D), linear_bias (C), target (N)."""
    answers = [input.new_zeros(input.shape[0], dtype=wide(input)) for _ in range(3)]
    answers.append(torch.full_like(target, -1))
    for part, _, z, count in _chunks(input, linear_weight, linear_bias, target, ignore_index, memory_budget):
        found = torch.ops.lossary.log_prob(z[:count], target[part], ignore_index, softcap, temperature)
        for answer, here in zip(answers, found, strict=True):
            answer[part] = here
    return answers[0], answers[1], answers[2], answers[3]


def linear_log_prob_backward(
    input: Tensor,
    linear_weight: Tensor,
    linear_bias: Tensor | None,
    target: Tensor,
    ignore_index: int,
    softcap: float,
    temperature: float,
    memory_budget: int,
    d_log_prob: Tensor | None,
    d_entropy: Tensor | None,
    d_lse: Tensor | None,
    gradients: int,
) -> list[Tensor]:
    chunks = _chunks(input, linear_weight, linear_bias, target, ignore_index, memory_budget)
    made = Gradients(input, linear_weight, linear_bias, gradients, chunks)
    for part, x, z, count in chunks:
        upstream = [None if d is None else d[part].contiguous() for d in (d_log_prob, d_entropy, d_lse)]
        torch.ops.lossary.log_prob_gradient_(z[:count], target[part], ignore_index, softcap, temperature, *upstream)
        made.add(z, x, linear_weight, part, count)
    return made.finished()


def _chunks(
    input: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, ignore_index: int, memory_budget: int
) -> Chunks:
    rows = rows_that_count(classes_that_count(target, weight.shape[0], ignore_index), None)
    return Chunks(input, weight, bias, rows, memory_budget)


def log_prob_backward(
    logits: Tensor,
    target: Tensor,
    ignore_index: int,
    softcap: float,
    temperature: float,
    d_log_prob: Tensor | None,
    d_entropy: Tensor | None,
    d_lse: Tensor | None,
) -> Tensor:
    gradient = torch.ops.lossary.gradient_memory_matrix(logits, *logits.shape).copy_(logits)
    upstream = [None if d is None else d.contiguous() for d in (d_log_prob, d_entropy, d_lse)]
    torch.ops.lossary.log_prob_gradient_(gradient, target, ignore_index, softcap, temperature, *upstream)
    return gradient


def _fake(input: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = input.shape[0]
    values = [input.new_empty(rows, dtype=wide(input)) for _ in range(3)]
    return values[0], values[1], values[2], input.new_empty(rows, dtype=torch.int64)


def _fake_linear_backward(
    input, weight, bias, target, ignore_index, softcap, temperature, memory_budget, d_log_prob, d_entropy, d_lse,
    gradients,
):  # fmt: skip
    return [torch.empty_like(x) for i, x in enumerate((input, weight, bias)) if gradients >> i & 1]


def _fake_backward(logits, *others):
    return torch.empty_like(logits, memory_format=torch.contiguous_format)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.options = tuple(x for x in inputs if not isinstance(x, (Tensor, type(None))))
    ctx.save_for_backward(*(x for x in inputs if isinstance(x, (Tensor, type(None)))))
    ctx.set_materialize_grads(False)


def _linear_gradients(ctx: Any, *upstream: Tensor | None) -> tuple[Any, ...]:
    input, weight, bias, target = ctx.saved_tensors
    wanted = [i for i in range(3) if ctx.needs_input_grad[i]]
    made: list[Any] = [None] * 8
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
    lean = torch.no_grad(), torch.autocast("cpu", enabled=False)
    define, implement = torch.library.define, torch.library.impl
    answers = ") -> (Tensor, Tensor, Tensor, Tensor)"
    define("lossary::linear_log_prob", LINEAR + OPTIONS + answers)
    define("lossary::linear_log_prob_backward", LINEAR + OPTIONS + UPSTREAM + ") -> Tensor[]")
    define(
        "lossary::log_prob_backward",
        "(Tensor logits, Tensor target, int ignore_index, float softcap, float temperature, "
        "Tensor? d_log_prob, Tensor? d_entropy, Tensor? d_lse) -> Tensor",
    )
    for function in (linear_log_prob, linear_log_prob_backward, log_prob_backward):
        for guard in lean:
            function = guard(function)
        implement(f"lossary::{function.__name__}", "cpu", function)
    torch.library.register_fake("lossary::log_prob", _fake)
    torch.library.register_fake("lossary::linear_log_prob", _fake)
    torch.library.register_fake("lossary::linear_log_prob_backward", _fake_linear_backward)
    torch.library.register_fake("lossary::log_prob_backward", _fake_backward)
    torch.library.register_autograd("lossary::log_prob", _gradients, setup_context=_save)
    torch.library.register_autograd("lossary::linear_log_prob", _linear_gradients, setup_context=_save)
