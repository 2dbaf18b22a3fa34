from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import label_probabilities, logits, weights
from lossary.core.elementary import scaled, softplus, times
from lossary.core.minimisers import log_odds
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss


@loss(
    family="margin",
    title="Multi-label soft margin loss: binary cross-entropy averaged over the labels of a row",
    formula=r"\ell_n = \frac{1}{K} \sum_k w_{nk} \left[ t_{nk} \log(1 + e^{-x_{nk}}) "
    r"+ (1 - t_{nk}) \log(1 + e^{x_{nk}}) \right]",
    symbols={"x": "input", "t": "target", "w": "weight", "K": "the number of labels"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{nk}} = \frac{w_{nk}}{K} (\sigma(x_{nk}) - t_{nk})",
    derivation=r"Each label has a binary cross-entropy of its own, whose gradient is the predicted probability minus "
    r"the target: $-t \, \sigma(-x) + (1 - t) \, \sigma(x) = \sigma(x) - t$. Labels meet only in the mean, which "
    r"divides by $K$: no score moves for another's sake. Next to a loss that sums over labels the gradient is $K$ "
    r"times smaller, which the learning rate has to make up for.",
    unreduced="?N *d",
    sources=(Source("Bishop, Pattern Recognition and Machine Learning, 2006", "eq. (4.90), for each label"),),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.multilabel_soft_margin_loss"),
        Elsewhere("optax", "optax.sigmoid_binary_cross_entropy", "averaged over the last axis"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "the same mean; unreduced it keeps the labels apart"),
    ),
    examples=(
        Example({"input": [[0.0, 0.0]], "target": [[1.0, 0.0]]}, 0.6931471805599453, "(log 2 + log 2) / 2"),
        Example(
            {"input": [[0.0, 0.0]], "target": [[1.0, 0.0]], "weight": [3.0, 1.0]},
            1.3862943611198906,
            "(3 log 2 + log 2) / 2",
        ),
    ),
    use_when=(
        "Each row has any number of labels, none included, and one loss for each row is wanted: to weigh, mine or log "
        "rows.",
        "Code that uses torch's class of that name: it is the same number.",
    ),
    not_when=(
        "Positives are rare and need a weight of their own: binary_cross_entropy_with_logits has pos_weight, "
        "asymmetric_loss fades easy negatives.",
        "Exactly one label is true of each row: cross_entropy.",
        "Only the order of the labels counts: multilabel_margin_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[0.0, 0.0, 0.0, 0.0]], "target": [[1.0, 0.0, 0.0, 1.0]]},
            0.6931471805599453,
            "logits of 0 are probabilities of ½: log 2, whatever the labels",
        ),
        "0 for labels of 0 and 1, approached as logits grow without bound on the right side; for targets between, the "
        "mean of their binary entropies. Never negative for targets in [0, 1].",
    ),
    minimiser=Minimiser(
        "For each label the log-odds of its share: sigmoid of it gives the share. A weight for each label changes "
        "nothing of it.",
        lambda target: np.stack([log_odds(label) for label in target.reshape(-1, target.shape[-1]).T]),
    ),
    aliases=("MultiLabelSoftMarginLoss", "multi-label cross-entropy", "多标签软间隔损失"),
    pitfalls=(
        "Do not apply a sigmoid first: the input is logits.",
        "Where most labels are absent, rare ones are learnt late; binary_cross_entropy_with_logits has pos_weight.",
        "Targets are 0 and 1. With -1 for absent labels the loss has no lower bound, and nothing says so.",
        "The weight does not divide the mean: weights that average 2 double the loss.",
    ),
    plot=Plot(
        -6.0,
        6.0,
        {},
        {"target": ([[1.0]], [[0.0]], [[0.5]])},
        axis="logit of one label",
        embed=lambda x: namespace(x).expand_dims(x, axis=-1),
    ),
)
def multilabel_soft_margin_loss(
    input: Annotated[A, logits("?N *d K")],
    target: Annotated[A, label_probabilities("?N *d K", broadcasts=True)],
    weight: Annotated[Array | None, weights("?N *d K", broadcasts=True)] = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Binary cross-entropy of several independent labels, averaged over the labels of each row, in nats.

    Use it for multi-label classification where one loss for each row is wanted. `binary_cross_entropy_with_logits` has
    the same mean, the same gradient, and more options.

    Parameters
    ----------
    input : floating array (..., K)
        Logits of K labels; labels are the last dimension.
    target : array that broadcasts to the shape of `input`
        0 for absent, 1 for present, or probabilities.
    weight : array (K,), or one that broadcasts to the shape of `input`, optional
        Weight of each label. As in torch, the mean divides by K and not by the sum of weights.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A logit of ±inf on the right side of a label of exactly 0 or 1 costs 0 with gradient 0; on the wrong side inf. A row
    without labels (K = 0) costs 0. Targets outside [0, 1] are accepted, as in torch.

    Differs from torch
    ------------------
    - a logit of ±inf on the right side of 0 or 1: 0; torch: NaN (#49844)
    - a weight of 0 at an infinite loss: 0; torch: NaN
    - rows without labels (K = 0): 0; torch: NaN

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(multilabel_soft_margin_loss(np.array([[0.0, 0.0]]), np.array([[1, 0]])))
    0.6931471805599453
    """
    xp = namespace(input)
    # The weight goes to the labels: a weight of 0 removes an infinite term from the gradient of the target too.
    positive, negative = scaled(target, weight), scaled(1 - target, weight)
    nll = times(positive, softplus(-input)) + times(negative, softplus(input))
    return xp.sum(nll, axis=-1) / max(input.shape[-1], 1)
