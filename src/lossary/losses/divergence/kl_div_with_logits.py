from typing import Annotated, Literal

import numpy as np

from lossary.core.arrays import A, Array, Impl, namespace
from lossary.core.classes import class_axis
from lossary.core.contract import logits
from lossary.core.elementary import TEMPERATURE, generalised_kl, log_softmax, quotient
from lossary.core.minimisers import log_mean
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import KLRows


@loss(
    family="divergence",
    title="Kullback-Leibler divergence between the softmax of two sets of logits",
    formula=r"\ell_n = \sum_c p_{n,c} \log \frac{p_{n,c}}{q_{n,c}}, \qquad "
    r"p = \mathrm{softmax}(t / T), \qquad q = \mathrm{softmax}(x / T)",
    symbols={
        "x": "input_logits",
        "t": "target_logits",
        "T": "temperature",
        "p": "probabilities of the target",
        "q": "probabilities of the input",
    },
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,c}} = \frac{q_{n,c} - p_{n,c}}{T}, \qquad "
    r"p = \mathrm{softmax}(t / T), \qquad q = \mathrm{softmax}(x / T)",
    derivation=r"Of $\sum_c p_c (\log p_c - \log q_c)$ only $-\sum_c p_c \log q_c$ depends on the input: it is "
    r"cross-entropy with the target $p$, whose gradient by the logits $x / T$ is $q - p$, and $\frac{1}{T}$ follows "
    r"by the chain rule. At high temperatures $q - p$ itself shrinks as $\frac{1}{T}$, since both approach equal "
    r"probabilities: in all as $\frac{1}{T^2}$, hence the factor $T^2$ of distillation.",
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
    use_when=(
        "A small model learns from the logits of a large one, all classes of which tell something.",
        "A fine-tuned model is held near the one that it started from.",
        "Predictions are to stay alike under noise or augmentation: consistency, adversarial training.",
    ),
    not_when=(
        "The target is probabilities: kl_div of log-probabilities, or cross_entropy of logits.",
        "Labels are at hand and no teacher: cross_entropy.",
        "Only which of two answers is better is known: dpo_loss.",
    ),
    expect=Expect(
        Example(
            {"input_logits": [[0.0, 0.0, 0.0]], "target_logits": [[2.0794415416798357, 0.0, 0.0]]},
            0.4595804290179327,
            "3 classes predicted alike, p = (0.8, 0.1, 0.1): log 3 less the entropy of p",
        ),
        "0 for each row, where the logits differ by a constant; never below.",
    ),
    minimiser=Minimiser(
        "T times the logarithms of the mean of the target's probabilities at temperature T, up to a constant.",
        lambda target, temperature=1.0: temperature * log_mean(np.exp(log_softmax(target / temperature, -1))),
    ),
    aliases=(
        "knowledge distillation",
        "distillation",
        "KD",
        "kl_div logits",
        "知识蒸馏",
        "蒸馏损失",
        "logits 的 KL 散度",
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
