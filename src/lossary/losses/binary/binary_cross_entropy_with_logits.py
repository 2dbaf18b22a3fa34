from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import logits, target_probabilities, weights
from lossary.core.elementary import softplus, times
from lossary.core.minimisers import log_odds
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="binary",
    title="Binary cross-entropy of logits",
    formula=r"\ell_i = -w_i \left[ p_i t_i \log \sigma(x_i) + (1 - t_i) \log \sigma(-x_i) \right], \qquad "
    r"\sigma(x) = \frac{1}{1 + e^{-x}}",
    symbols={"x": "input", "t": "target", "w": "weight", "p": "pos_weight", r"\sigma": "the sigmoid"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = w_i \left[ (1 - t_i) \sigma(x_i) - p_i t_i \sigma(-x_i) \right]",
    derivation=r"The derivative of $\log \sigma(x)$ is $1 - \sigma(x) = \sigma(-x)$, that of $\log \sigma(-x)$ is "
    r"$-\sigma(x)$. Without weights this is $(1 - t_i) \sigma(x_i) - t_i (1 - \sigma(x_i)) = \sigma(x_i) - t_i$: "
    r"predicted probability less target. It is bounded by 1, and near 1 as long as the prediction is surely wrong: no "
    r"mistake is too large to learn from, as it is for the squared error of a sigmoid.",
    unreduced="*s",
    sources=(Source("Bishop, Pattern Recognition and Machine Learning, 2006", "eq. (4.90), with p = σ(x)"),),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.binary_cross_entropy_with_logits"),
        Elsewhere("optax", "optax.sigmoid_binary_cross_entropy", "unreduced"),
        Elsewhere("keras", "keras.losses.BinaryCrossentropy", "with from_logits=True"),
        Elsewhere("lossary", "cross_entropy", "of the two logits (0, x)"),
        Elsewhere(
            "segmentation-models-pytorch",
            "segmentation_models_pytorch.losses.SoftBCEWithLogitsLoss",
            "with ignore_index=None: targets of -100 are ignored by default",
        ),
    ),
    examples=(
        Example({"input": [0.0, 0.0], "target": [1.0, 0.0]}, 0.6931471805599453, "-log σ(0) = log 2"),
        Example(
            {"input": [0.0, 0.0], "target": [1.0, 0.0], "pos_weight": 3.0}, 1.3862943611198906, "(3 + 1) log 2 / 2"
        ),
    ),
    use_when=(
        "The answer is yes or no: one logit, and a probability that is to be believed.",
        "Each of many labels is true or not, independently of the others: tags, symptoms, pixels of a mask.",
        "Positives are rare, and missing one costs more: pos_weight says how much more.",
    ),
    not_when=(
        "Exactly one of the classes is true: cross_entropy, which makes them compete.",
        "Easy negatives outnumber the rest a thousandfold and drown it: sigmoid_focal_loss.",
        "Regions are to overlap, and are a small part of the image: dice_loss, alone or added to this.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0], "target": [1.0, 0.0]},
            0.6931471805599453,
            "logits of 0 predict ½ of everything: log 2",
        ),
        "0 of labels 0 and 1, approached as each logit goes to its side; of soft targets their entropy, where the "
        "sigmoid is the target.",
    ),
    minimiser=Minimiser(
        "The log-odds of the share of positives, log(π / (1 - π)): the bias to start from. pos_weight adds its "
        "logarithm.",
        log_odds,
    ),
    aliases=(
        "BCEWithLogitsLoss",
        "sigmoid_binary_cross_entropy",
        "SoftBCEWithLogitsLoss",
        "BCE with logits",
        "sigmoid cross entropy",
        "logistic loss",
        "多标签分类",
        "sigmoid 交叉熵",
        "逻辑回归损失",
    ),
    pitfalls=(
        "Do not apply a sigmoid first: the loss of a sigmoid of a sigmoid cannot fall below 0.313 for positives and "
        "0.693 for negatives.",
        "pos_weight > 1 raises recall and shifts the fitted log-odds by log(pos_weight): probabilities need "
        "recalibration, or move the threshold instead.",
        "pos_weight of shape (C,) belongs to the last dimension: for (N, C, H, W) give it the shape (C, 1, 1).",
        "Targets of -1 and +1 are not labels here; map them to 0 and 1.",
    ),
    plot=Plot(-6.0, 6.0, {}, {"target": (1.0, 0.0, 0.5)}, axis="logit"),
    kernel=Elementwise("BinaryCrossEntropyWithLogits"),
)
def binary_cross_entropy_with_logits(
    input: Annotated[A, logits("*s")],
    target: Annotated[A, target_probabilities("*s")],
    weight: Annotated[Array | None, weights("*s", broadcasts=True)] = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    pos_weight: Annotated[Array | None, weights("*s", broadcasts=True)] = None,
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy of independent yes-or-no predictions given as logits, in nats.

    Use it for binary and multi-label classification: one logit a label, several labels may be true at once. For one
    class out of many use `cross_entropy`.

    Parameters
    ----------
    input : floating array of any shape
        Logits: log-odds, before any sigmoid.
    target : array of the same shape, in [0, 1]
        Labels 0 and 1, or probabilities.
    weight : array that broadcasts to the shape of `input`, optional
        Weight of each element. As in torch, the mean divides by the number of elements, not by the sum of weights.
    pos_weight : array that broadcasts to the shape of `input`, optional
        Weight of the positive part of each label; n is as if each positive stood there n times.
        `lossary.pos_weight` estimates it.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A logit of ±inf on the right side of a label of exactly 0 or 1 costs 0 with gradient 0; on the wrong side inf, with
    gradient σ(x) - t. Nothing is clamped.

    Differs from torch
    ------------------
    - a logit of ±inf on the right side of 0 or 1: 0; torch: NaN (#49844, #102894, pyro-ppl/numpyro#2240)
    - a logit of -inf on the wrong side: inf; torch: NaN (#135359)
    - targets outside [0, 1]: `ValueError` on the CPU; torch: accepted, and negative losses (#110865, #123339, #177506)

    Raises
    ------
    ValueError, TypeError
        On the CPU where targets leave [0, 1]; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(binary_cross_entropy_with_logits(np.array([0.0]), np.array([1.0])))
    0.6931471805599453
    """
    # The weight goes to the labels, not to the sum: 0 · inf must be 0 in the derivative with respect to the target too.
    positive, negative = (t if weight is None else weight * t for t in (target, 1 - target))
    positive = positive if pos_weight is None else pos_weight * positive
    return times(positive, softplus(-input)) + times(negative, softplus(input))
