from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import logits, signs
from lossary.core.elementary import softplus, times
from lossary.core.minimisers import log_odds
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="margin",
    title="Soft margin loss: logistic loss of labels ±1",
    formula=r"\ell_i = \log(1 + e^{-y_i x_i})",
    symbols={"x": "input", "y": "target"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = -y_i \, \sigma(-y_i x_i)",
    derivation=r"The derivative of $\log(1 + e^z)$ is $\sigma(z)$, here of $z = -y_i x_i$. So the pull is the "
    r"probability that the model gives to the wrong label: nearly 1 for a row that is wrong beyond doubt, and never "
    r"quite 0 for one that is right. It is $\sigma(x_i) - t_i$ with $t_i = (y_i + 1) / 2$, as of binary cross-entropy.",
    unreduced="*s",
    sources=(
        Source("Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2009", "eq. (10.18), with f = x/2"),
    ),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.soft_margin_loss"),
        Elsewhere("optax", "optax.sigmoid_binary_cross_entropy", "with labels (y + 1) / 2, unreduced"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "with target (y + 1) / 2"),
    ),
    examples=(
        Example({"input": [0.0, 0.0], "target": [1.0, -1.0]}, 0.6931471805599453, "log(1 + e^0) = log 2"),
        Example({"input": [1000.0], "target": [-1.0]}, 1000.0, "log(1 + e^1000), to the last digit 1000"),
    ),
    use_when=(
        "Labels are ±1, and sigmoid of the score should be the probability of +1.",
        "Of a pair one is better: of the difference of two scores it is the loss of Bradley and Terry's model, by "
        "which reward models are trained.",
    ),
    not_when=(
        "Labels are 0 and 1 or probabilities, or positives need a weight: binary_cross_entropy_with_logits.",
        "Rows that are right by a margin should stop learning: hinge_loss.",
        "There are more than two classes: cross_entropy.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [1.0, -1.0]}, 0.6931471805599453, "scores of 0: log 2"),
        "0, approached as scores grow without bound on the side of their labels; never negative.",
    ),
    minimiser=Minimiser(
        "The log-odds of the share of labels +1: sigmoid of it gives the share.",
        lambda target: log_odds((target + 1) / 2),
    ),
    aliases=("SoftMarginLoss", "软间隔损失"),
    pitfalls=(
        "The target is +1 or -1. A label of 0 costs log 2 whatever the input, and is never learnt.",
        "Inputs are logits: do not apply a sigmoid or a tanh first.",
        "Rescaling the target rescales the gradient: it is not the hinge loss, and no margin is ever large enough.",
    ),
    plot=Plot(-6.0, 6.0, {}, {"target": (1.0, -1.0)}, axis="logit"),
    kernel=Elementwise("SoftMargin"),
)
def soft_margin_loss(
    input: Annotated[A, logits("*s")],
    target: Annotated[A, signs("*s", broadcasts=True)],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Logistic loss of a two-class score, for labels of +1 and -1, in nats.

    Use it where labels come as ±1; for labels of 0 and 1, for probabilities as targets and for class weights use
    `binary_cross_entropy_with_logits`, which is the same loss.

    Parameters
    ----------
    input : floating array of any shape
        Scores: log-odds of the label +1.
    target : array that broadcasts to the shape of `input`
        Labels, 1 or -1.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite score on the right side costs 0 with gradient 0; on the wrong side inf, with gradient -y. Any number is
    taken for a label, as in torch; one of exactly 0 costs log 2.

    Differs from torch
    ------------------
    - a score of 89 and more on the wrong side: its size, gradient 1; torch: inf and NaN in fp32 (tracel-ai/burn#5373,
      huggingface/sentence-transformers#4019)

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(soft_margin_loss(np.array([0.0]), np.array([1.0])))
    0.6931471805599453
    """
    return softplus(-times(target, input))
