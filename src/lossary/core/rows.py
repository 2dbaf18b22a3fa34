"""Temporary: formulas of log_prob."""

import math
from typing import Annotated, Any, NamedTuple

from lossary.core.arrays import Array, by_rows, cast, namespace
from lossary.core.classes import class_axis, log_odds_against, targets
from lossary.core.contract import Range, class_indices, features, linear_weights, logits
from lossary.core.elementary import SOFTCAP, TEMPERATURE, log_softmax, logsumexp, shaped, softplus, times
from lossary.core.projection import LOGITS_AT_ONCE, counted_logits, rows_at_once

IGNORED = Range(integer=True, none_means=-100)


class LogProb(NamedTuple):
    """Of each row: log_prob, of its class; entropy, of its distribution; lse, log Σ exp of its logits; all in nats.

    predicted: its most probable class. Rows that are ignored have 0, and -1 for a class.
    """

    log_prob: Array
    entropy: Array
    lse: Array
    predicted: Array


def log_prob(
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


def linear_log_prob(
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
        return log_prob(x, target, ignore_index=ignore_index, softcap=softcap, temperature=temperature)

    return by_rows(of_rows, input.ndim - 1, rows_at_once(linear_weight, memory_budget), input, target)


def formula(*arguments: Any) -> tuple[Array, Array, Array]:
    """The three values by the formula, of the arguments of an operator."""
    *given, ignore_index, softcap, temperature = arguments
    options = {"ignore_index": ignore_index, "softcap": softcap or math.inf, "temperature": temperature}
    wide = [None if x is None else cast(x, namespace(x).float32) if "16" in str(x.dtype) else x for x in given]
    if len(given) == 2:
        return log_prob(*wide, **options)[:3]
    input, weight, bias, target = wide
    return linear_log_prob(input, weight, target, linear_bias=bias, **options)[:3]
