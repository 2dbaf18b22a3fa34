"""Log-probabilities of classes, with what else a softmax says of each row: what policy and preference losses,
distillation and evaluation are made of."""

from typing import Annotated

from lossary.core import rows
from lossary.core.arrays import Array
from lossary.core.contract import Range, class_indices, features, linear_weights, logits
from lossary.core.elementary import SOFTCAP, TEMPERATURE
from lossary.core.projection import LOGITS_AT_ONCE
from lossary.core.rows import LogProb as LogProb
from lossary.dispatch.loss import statistics
from lossary.kernels.families import LinearLogProbRows, LogProbRows

IGNORED = Range(integer=True, none_means=-100)


@statistics(unreduced="?N *d", kernel=LogProbRows())
def log_prob(
    input: Annotated[Array, logits("?N C *d")],
    target: Annotated[Array, class_indices("?N *d")],
    *,
    ignore_index: Annotated[int | None, IGNORED] = None,
    softcap: Annotated[Array | float | None, SOFTCAP] = None,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
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
    >>> [round(float(x[0]), 6) for x in (found.log_prob, found.entropy)]  # 4 equal classes: -log 4, log 4
    [-1.386294, 1.386294]
    """
    return rows.log_prob(input, target, ignore_index=ignore_index, softcap=softcap, temperature=temperature)


@statistics(unreduced="?N *n", kernel=LinearLogProbRows())
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
    options = {"ignore_index": ignore_index, "softcap": softcap, "temperature": temperature}
    layer = {"linear_bias": linear_bias, "memory_budget": memory_budget}
    return rows.linear_log_prob(input, linear_weight, target, **layer, **options)
