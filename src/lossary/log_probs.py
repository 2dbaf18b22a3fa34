"""Log-probabilities of classes, with what else a softmax says of each row: what policy and preference losses,
distillation and evaluation are made of."""

import math
from typing import Annotated, Any, NamedTuple

import numpy as np

from lossary.core import dtensors
from lossary.core.arrays import Array, by_rows, cast_index, is_compiling, namespace
from lossary.core.check import Checked, check, prepare
from lossary.core.classes import class_axis, log_odds_against, targets
from lossary.core.contract import Range, class_indices, features, linear_weights, logits
from lossary.core.elementary import log_softmax, logsumexp, shaped, softplus, times
from lossary.core.loss import contract
from lossary.core.projection import LOGITS_AT_ONCE, counted_logits, rows_at_once
from lossary.core.record import Loss
from lossary.core.strict import is_strict
from lossary.kernels import calls
from lossary.losses.classification.cross_entropy import SOFTCAP, TEMPERATURE

IGNORED = Range(integer=True, none=-100)


class LogProb(NamedTuple):
    """Of each row: log_prob, of its class; entropy, of its distribution; lse, log Σ exp of its logits; all in nats.

    predicted: its most probable class. Rows that are ignored have 0, and -1 for a class.
    """

    log_prob: Array
    entropy: Array
    lse: Array
    predicted: Array


def _log_prob(
    input: Annotated[Array, logits("?N C *d")],
    target: Annotated[Array, class_indices("?N *d")],
    *,
    ignore_index: Annotated[int | None, IGNORED] = None,
    softcap: Annotated[Array | float | None, SOFTCAP] = None,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
) -> LogProb:
    xp, axis = namespace(input), class_axis(input)
    index, counted, outside = targets(target, input.shape[axis], ignore_index)
    x = shaped(xp.where(xp.expand_dims(counted, axis=axis), input, 0.0), softcap, temperature)
    log_p = log_softmax(x, axis)
    answers = (
        -softplus(log_odds_against(x, index, axis)),
        -xp.sum(times(xp.exp(log_p), log_p), axis=axis),
        logsumexp(x, axis),
    )
    log_p_own, entropy, lse = (xp.where(outside, xp.nan, xp.where(counted, value, 0.0)) for value in answers)
    return LogProb(log_p_own, entropy, lse, xp.where(counted, xp.argmax(x, axis=axis), -1))


def _linear_log_prob(
    input: Annotated[Array, features("?N *n D")],
    linear_weight: Annotated[Array, linear_weights("C D")],
    target: Annotated[Array, class_indices("?N *n")],
    *,
    linear_bias: Annotated[Array | None, logits("C")] = None,
    ignore_index: Annotated[int | None, IGNORED] = None,
    softcap: Annotated[Array | float | None, SOFTCAP] = None,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
    memory_budget: Annotated[int | str | None, LOGITS_AT_ONCE] = None,
) -> LogProb:
    def of_rows(input: Array, target: Array) -> LogProb:
        x = counted_logits(input, linear_weight, linear_bias, target != ignore_index)
        return _log_prob(x, target, ignore_index=ignore_index, softcap=softcap, temperature=temperature)

    return by_rows(of_rows, input.ndim - 1, rows_at_once(linear_weight, memory_budget), input, target)


def formula(*arguments: Any) -> tuple[Array, Array, Array]:
    """The three values by the formula, of the arguments of an operator."""
    *given, ignore_index, softcap, temperature = arguments
    options = {"ignore_index": ignore_index, "softcap": softcap or math.inf, "temperature": temperature}
    wide = [None if x is None else calls.cast(x, namespace(x).float32) if "16" in str(x.dtype) else x for x in given]
    if len(given) == 2:
        return _log_prob(*wide, **options)[:3]
    input, weight, bias, target = wide
    return _linear_log_prob(input, weight, target, linear_bias=bias, **options)[:3]


LOG_PROB = contract("log_prob", _log_prob, unreduced="?N *d")
LINEAR_LOG_PROB = contract("linear_log_prob", _linear_log_prob, unreduced="?N *n")


def log_prob(
    input: Array,
    target: Array,
    *,
    ignore_index: int | None = None,
    softcap: Array | float | None = None,
    temperature: Array | float = 1.0,
    impl: str = "auto",
) -> LogProb:
    """Log-probability of each row's class, entropy, log-sum-exp and most probable class, from logits.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Logits, as `cross_entropy` takes them.
    target : integer array (N, d1, ...)
        Classes, 0 to C - 1.
    ignore_index : int, optional
        Rows with this class have 0 for every value, no gradient, and -1 for `predicted`. None stands for -100.
    softcap, temperature
        As in `cross_entropy`: log-probabilities are those of what it makes of the logits.
    impl : "auto", "fused" or "reference"

    Returns LogProb(log_prob, entropy, lse, predicted), each of the shape of `target`; the first three can be
    differentiated, to any order. Of half precision they are in fp32: they are added up over sequences.

    >>> import numpy as np
    >>> found = log_prob(np.zeros((1, 4)), np.array([2]))
    >>> float(found.log_prob[0]), float(found.entropy[0])  # 4 equal classes: -log 4, log 4
    (-1.3862943611198906, 1.3862943611198906)
    """
    values = {"input": input, "target": target, "ignore_index": ignore_index}
    return _call(LOG_PROB, values | {"softcap": softcap, "temperature": temperature}, impl)


def linear_log_prob(
    input: Array,
    linear_weight: Array,
    target: Array,
    *,
    linear_bias: Array | None = None,
    ignore_index: int | None = None,
    softcap: Array | float | None = None,
    temperature: Array | float = 1.0,
    memory_budget: int | str | None = None,
    impl: str = "auto",
) -> LogProb:
    """`log_prob` of a linear layer's outputs, which are never whole on the CPU.

    Policy losses (PPO, GRPO), preference losses (DPO), distillation and perplexities need no more of a language model's
    last layer: examples/log_probs.py writes them. The backward makes the logits again, chunk by chunk.

    Parameters
    ----------
    input : floating array (N, D), (N, n1, ..., D), or (D,)
        Features.
    linear_weight : floating array (C, D)
    target : integer array (N, n1, ...)
        Classes, 0 to C - 1.
    linear_bias : array (C,), optional
    ignore_index, softcap, temperature, impl
        As in `log_prob`.
    memory_budget : int or str, optional
        Bytes that logits may take at a time, as in `linear_cross_entropy`.

    Returns LogProb(log_prob, entropy, lse, predicted), each of the shape of `target`, as `log_prob` does. A row's
    values have the same bits in any batch and chunk, as the losses of `linear_cross_entropy` have.

    >>> import numpy as np
    >>> found = linear_log_prob(np.zeros((1, 3)), np.ones((4, 3)), np.array([2]))
    >>> float(found.lse[0])  # log 4
    1.3862943611198906
    """
    values = {"input": input, "linear_weight": linear_weight, "target": target, "linear_bias": linear_bias}
    options = {"ignore_index": ignore_index, "softcap": softcap, "temperature": temperature}
    return _call(LINEAR_LOG_PROB, values | options | {"memory_budget": memory_budget}, impl)


def _call(record: Loss, values: dict[str, Any], impl: str) -> LogProb:
    if impl not in ("auto", "fused", "reference"):
        raise ValueError(f"{record.name}: impl is {impl!r}; it must be 'auto', 'fused' or 'reference'")
    try:
        return _anew(record, values, impl)
    except dtensors.ERRORS as error:
        dtensors.refuse(record.name, values, error)
        raise


def _anew(record: Loss, values: dict[str, Any], impl: str) -> LogProb:
    checked = check(record, values | {"reduction": "none", "sample_weight": None, "normalizer": None, "impl": impl})
    reason = _refuse(checked) if impl != "reference" else "the formula was asked for"
    if impl == "fused" and reason is not None:
        raise ValueError(f"{record.name}: impl='fused' cannot serve this call: {reason}. Use impl='auto'")
    if reason is not None:
        with np.errstate(all="ignore"):  # what NumPy would warn of (log 0) the formulas answer on purpose
            return record.function(**prepare(checked))
    try:
        return _fused(checked)
    except (RuntimeError, IndexError):
        if not is_compiling():
            prepare(checked)  # which knows the argument, the position and the fix
        raise


def _refuse(call: Checked) -> str | None:
    inputs = tuple(name for name in ("input", "linear_weight", "linear_bias") if name in call.values)
    sizes = (*call.first.shape, *call.values.get("linear_weight", call.first).shape)
    return calls.refuse_all(call, inputs) or ("there is nothing to compute" if 0 in sizes else None)


def _fused(call: Checked) -> LogProb:
    import torch

    if is_strict():
        prepare(call)
    target = cast_index(call.values["target"], call.first)
    options = (call.values["ignore_index"], *calls.shape_of_logits(call.values))
    if "linear_weight" not in call.values:
        x = call.first.movedim(class_axis(call.first), -1)
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        found = torch.ops.lossary.log_prob(rows, target.reshape(-1), *options)
    else:
        values, x = call.values, call.first
        layer = (x.reshape(-1, x.shape[-1]), values["linear_weight"], values["linear_bias"])
        arguments = (*layer, target.reshape(-1), *options, values["memory_budget"], calls.widens(call))
        found = torch.ops.lossary.linear_log_prob(*arguments)
    return LogProb(*(value.reshape(target.shape) for value in found))
