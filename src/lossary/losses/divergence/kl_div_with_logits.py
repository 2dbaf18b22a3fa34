from typing import Annotated, Literal

from lossary.core.arrays import A, Array, Impl, namespace
from lossary.core.classes import class_axis
from lossary.core.contract import logits
from lossary.core.elementary import TEMPERATURE, generalised_kl, log_softmax, quotient
from lossary.core.record import Elsewhere, Example, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import KLRows


@loss(
    family="divergence",
    title="Kullback-Leibler divergence between the softmax of two sets of logits",
    formula=r"\ell_n = \sum_c p_{n,c} \log \frac{p_{n,c}}{q_{n,c}}, \qquad "
    r"p = \mathrm{softmax}(t / T), \qquad q = \mathrm{softmax}(x / T)",
    unreduced="?N *d",
    sources=(
        Source(
            "Kullback and Leibler, On Information and Sufficiency, 1951", "sec. 2", "doi.org/10.1214/aoms/1177729694"
        ),
        Source(
            "Hinton et al., Distilling the Knowledge in a Neural Network, 2015", "sec. 2", "arxiv.org/abs/1503.02531"
        ),
    ),
    properties=(
        "convex",
        "nonnegative",
        "zero_at_target",
        "shift_invariant",
        "permutation_invariant",
        "class_symmetric",
        "proper",
    ),
    elsewhere=(
        Elsewhere("lossary", "kl_div", "of log_softmax(input) and softmax(target), summed over the classes"),
        Elsewhere("torch", "torch.nn.functional.kl_div", "of log_softmax(input) and softmax(target), batchmean"),
        Elsewhere("optax", "optax.kl_divergence", "of log_softmax and softmax; unreduced, classes along the last axis"),
    ),
    examples=(
        Example(
            {"input_logits": [[0.0, 0.0]], "target_logits": [[1.0986122886681098, 0.0]]},
            0.13081203594113697,
            "p = (¾, ¼), q = (½, ½): log 2 less the entropy of p",
        ),
        Example({"input_logits": [[1.0, 2.0]], "target_logits": [[3.0, 4.0]]}, 0.0, "logits that differ by a constant"),
    ),
    pitfalls=(
        "In distillation gradients shrink by T²: multiply the loss by T², so that its share beside another loss stays.",
        "The expectation is under the target (the teacher). It makes the student cover all that the teacher does; the "
        "reverse, kl_div_with_logits(teacher, student), makes it choose.",
        "A teacher that is to stay as it is must be detached, or run under no_grad; else it is pulled to the student.",
    ),
    plot=Plot(
        -6.0,
        6.0,
        {"target_logits": [[0.0, 0.0]]},
        {"temperature": (0.5, 1.0, 2.0)},
        axis="logit of one of two classes, the target's being equal",
        embed=lambda x: namespace(x).stack([x, 0 * x], axis=-1),
    ),
    reductions=("none", "batchmean", "mean", "sum"),
    kernel=KLRows(),
)
def kl_div_with_logits(
    input_logits: Annotated[A, logits("?N C *d")],
    target_logits: Annotated[Array, logits("?N C *d")],
    *,
    temperature: Annotated[Array | float, TEMPERATURE] = 1.0,
    reduction: Literal["none", "batchmean", "mean", "sum"] = "mean",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """KL(softmax(target_logits / T) ‖ softmax(input_logits / T)) of each row, in nats.

    Use it to distil one classifier into another, or to keep a model near a reference (a policy near the one that it
    started from). Neither set of probabilities is ever stored. Against given probabilities use `kl_div`, or
    `cross_entropy`, which has the same gradient.

    Parameters
    ----------
    input_logits : floating array (N, C, d1, ...), or (C,)
        Logits of the model that learns.
    target_logits : floating array of the shape of `input_logits`
        Logits of the model that it learns from.
    temperature : float in (0, inf)
        What both are divided by: the higher, the more the small probabilities count.
    reduction : "mean", "batchmean", "sum" or "none"
        "mean" divides by the number of rows; "batchmean" by the first dimension.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    Equal logits, or logits that differ by a constant, cost 0, and near that the loss keeps its digits. A target logit
    of -inf takes its class out of the target: it costs nothing, whatever the input there. An input logit of -inf
    against a positive probability is inf. A row of -inf alone is NaN.

    Differs from torch
    ------------------
    torch has no such loss. From `kl_div(log_softmax(input), softmax(target))` it differs so:

    - classes of -inf on both sides: 0; torch: NaN
    - rows that nearly agree: the digits of a small divergence; torch: rounding errors, also below 0
    - reduction "mean": over rows; torch: over rows times classes

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> round(float(kl_div_with_logits(np.array([[0.0, 0.0]]), np.log([[3.0, 1.0]]))), 4)
    0.1308
    """
    xp, axis = namespace(input_logits), class_axis(input_logits)
    log_p, log_q = (log_softmax(quotient(x, temperature), axis) for x in (target_logits, input_logits))
    # Σ (p log(p / q) - p + q), where Σ q - Σ p is 0: no term is negative, so none cancels another.
    return xp.sum(generalised_kl(log_p, log_q), axis=axis)
