from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Range, real, signs, weights
from lossary.core.elementary import hinge, scaled, times
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="margin",
    title="Hinge loss: a score of labels ±1 must be right by a margin",
    formula=r"\ell_i = \max(0, m - y_i x_i)",
    symbols={"x": "input", "y": "target", "m": "margin", "w": "weight"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = -y_i [y_i x_i < m]",
    derivation=r"Where the score lacks something to the margin the loss is a line of slope $-y_i$; beyond it is 0. A "
    r"row is either silent or pulls with the full force, however far off it is. The kink at $m$ has no derivative: 0 "
    r"is taken, so that a row with the margin rests.",
    unreduced="*s",
    sources=(
        Source("Cortes, Vapnik, Support-Vector Networks, 1995", url="doi.org/10.1007/BF00994018"),
        Source("Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2009", "section 12.3.2"),
    ),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("optax", "optax.hinge_loss", "unreduced, of margin 1"),
        Elsewhere(
            "keras",
            "keras.losses.Hinge",
            "of margin 1; its mean is over the last axis, then over the batch; labels 0 and 1 are taken for ±1",
        ),
        Elsewhere("scikit-learn", "sklearn.metrics.hinge_loss", "of margin 1, and of any two labels"),
        Elsewhere("lossary", "margin_ranking_loss", "of x against 0, with the same margin"),
    ),
    examples=(
        Example(
            {"input": [0.5, -2.0, 0.5], "target": [1.0, 1.0, -1.0]}, 5 / 3, "((1 - 0.5) + (1 + 2) + (1 + 0.5)) / 3"
        ),
        Example({"input": [0.5], "target": [1.0], "margin": 2.0}, 1.5, "2 - 0.5"),
        Example(
            {"input": [0.5, -2.0], "target": [1.0, 1.0], "weight": [3.0, 1.0]}, 1.125, "(3 · 0.5 + 1 · 3) / (3 + 1)"
        ),
    ),
    use_when=(
        "Only the sign of the score is used, as in a support vector machine: rows beyond the margin drop out.",
        "Some labels are wrong: a far-off row pulls no harder than a near one.",
    ),
    not_when=(
        "Scores should say how sure they are: soft_margin_loss, or binary_cross_entropy_with_logits for labels of 0 "
        "and 1.",
        "The optimiser needs a slope without a step, or the score should follow the share of the label: "
        "squared_hinge_loss.",
        "Two scores are compared with each other: margin_ranking_loss.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [1.0, -1.0]}, 1.0, "scores of 0: the margin, whatever the labels"),
        "0, where each score has the margin on the side of its label; never negative.",
    ),
    minimiser=Minimiser(
        "The margin, with the sign of the label that most rows have, by their weights: it says which label is more "
        "frequent, not how much.",
        lambda target, weight=None, margin=1.0: margin * np.sign(np.average(target, weights=weight)),
    ),
    aliases=("Hinge", "perceptron_loss", "SVM loss", "L1-SVM", "合页损失", "铰链损失"),
    pitfalls=(
        "The target is +1 or -1. A label of 0 costs the margin whatever the input, and is never learnt.",
        "Its scores are no logits: a sigmoid of them is not calibrated. For probabilities use "
        "binary_cross_entropy_with_logits.",
        "Scores that grow make any margin small: a support vector machine also penalises its weights.",
    ),
    plot=Plot(-3.0, 3.0, {}, {"target": (1.0, -1.0)}, axis="score"),
    kernel=Elementwise("Hinge", ("margin",), weighs_mean=True),
)
def hinge_loss(
    input: Annotated[A, real("*s")],
    target: Annotated[A, signs("*s", broadcasts=True)],
    weight: Annotated[Array | None, weights("*s")] = None,
    reduction: Reduction = "mean",
    *,
    margin: Annotated[Array | float, Range()] = 1.0,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What a score lacks to the margin on the side of its label.

    Use it for classification where only the decision counts: scores that are right by the margin cost nothing, and stop
    growing. Where the slope should have no step, or far-off mistakes count more, use `squared_hinge_loss`; where
    probabilities are wanted, `soft_margin_loss`; for one class out of many, `categorical_hinge_loss`.

    Parameters
    ----------
    input : floating array of any shape
        Scores: positive for the label +1.
    target : array that broadcasts to the shape of `input`
        Labels, 1 or -1.
    weight : array of the shape of `input`, optional
        Weight of each element; the mean divides by its sum.
    reduction : "mean", "sum" or "none"
    margin : float
        The score from which a right decision costs nothing; 0 makes it the loss of a perceptron.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite score on the right side costs 0 with gradient 0; on the wrong side inf, with gradient -y. Where the
    score is the margin exactly the gradient is 0. Any number is taken for a label, and scales the score.

    Differs from torch
    ------------------
    torch has no hinge loss of scores. From those of other libraries it differs so:

    - labels of 0 and 1: an error under `lossary.strict()`; Keras: taken for ±1 where a whole batch holds no other
    - gradient where the score is the margin exactly: 0; optax: -y/2

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> hinge_loss(np.array([0.5, -2.0, 3.0]), np.array([1.0, 1.0, 1.0]), reduction="none").tolist()
    [0.5, 3.0, 0.0]
    """
    return Unreduced(scaled(hinge(margin - times(target, input)), weight), denominator=weight)  # pyright: ignore[reportReturnType]
