from typing import Annotated

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Range, real, signs, weights
from lossary.core.elementary import hinge, scaled, times, without_infinity
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="margin",
    title="Squared hinge loss: the square of what a score of labels ±1 lacks to a margin",
    formula=r"\ell_i = \max(0, m - y_i x_i)^2",
    symbols={"x": "input", "y": "target", "m": "margin", "w": "weight"},
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = -2 y_i \max(0, m - y_i x_i)",
    derivation=r"The chain rule: twice what is lacking, times the slope $-y_i$ of what is lacking. The pull fades to 0 "
    r"as the score nears the margin, so the loss has no kink; it grows without bound with the mistake, so far-off rows "
    r"rule. It equals the gradient of $(x_i - m y_i)^2$ for labels ±1 while something lacks, and is 0 beyond.",
    unreduced="*s",
    sources=(
        Source(
            "Chang, Hsieh, Lin, Coordinate Descent Method for Large-scale L2-loss Linear Support Vector Machines, 2008",
            "section 1, L2-SVM",
        ),
    ),
    properties=("convex", "nonnegative", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere(
            "keras",
            "keras.losses.SquaredHinge",
            "of margin 1; its mean is over the last axis, then over the batch; labels 0 and 1 are taken for ±1",
        ),
        Elsewhere("lossary", "hinge_loss", "its square, element by element"),
    ),
    examples=(
        Example({"input": [0.5, -2.0], "target": [1.0, 1.0]}, 4.625, "((1 - 0.5)² + (1 + 2)²) / 2"),
        Example({"input": [0.5], "target": [1.0], "margin": 2.0}, 2.25, "(2 - 0.5)²"),
        Example(
            {"input": [0.5, -2.0], "target": [1.0, 1.0], "weight": [3.0, 1.0]}, 2.4375, "(3 · 0.25 + 1 · 9) / (3 + 1)"
        ),
    ),
    use_when=(
        "The optimiser needs a slope without a step, such as L-BFGS or Newton's method.",
        "Scores should follow the share of the label: at margin 1 the best score is 2P - 1, of probability P of +1.",
    ),
    not_when=(
        "Labels have mistakes, or a few rows are far off: hinge_loss, whose pull is bounded.",
        "Probabilities are wanted as such: soft_margin_loss, whose sigmoid gives them.",
    ),
    expect=Expect(
        Example({"input": [0.0, 0.0], "target": [1.0, -1.0]}, 1.0, "scores of 0: the margin squared"),
        "0, where each score has the margin on the side of its label; never negative.",
    ),
    minimiser=Minimiser(
        "The margin times the mean of the labels, by their weights: where a share P of them is +1, the margin times "
        "2P - 1. So its scores, unlike those of the hinge loss, tell the shares.",
        lambda target, weight=None, margin=1.0: margin * np.average(target, weights=weight),
    ),
    aliases=("SquaredHinge", "L2-SVM", "平方合页损失"),
    pitfalls=(
        "The target is +1 or -1. A label of 0 costs the squared margin whatever the input, and is never learnt.",
        "One mislabelled, confident row outweighs many: what it lacks is squared. With noisy labels use hinge_loss.",
        "Its scores are no logits: a sigmoid of them is not calibrated. For probabilities use "
        "binary_cross_entropy_with_logits.",
    ),
    plot=Plot(-3.0, 3.0, {}, {"target": (1.0, -1.0)}, axis="score"),
    kernel=Elementwise("SquaredHinge", ("margin",), weighs_mean=True),
)
def squared_hinge_loss(
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
    """The square of what a score lacks to the margin on the side of its label.

    Use it for classification where only the decision counts and the slope should have no step: it is the loss of the
    L2 support vector machine. Mistakes that are far off weigh more than in `hinge_loss`.

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
        The score from which a right decision costs nothing.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite score on the right side costs 0 with gradient 0; on the wrong side inf, with an infinite gradient. Any
    number is taken for a label, and scales the score.

    Differs from torch
    ------------------
    torch has no squared hinge loss of scores. From those of other libraries it differs so:

    - labels of 0 and 1: an error under `lossary.strict()`; Keras: taken for ±1 where a whole batch holds no other

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> squared_hinge_loss(np.array([0.5, -2.0, 3.0]), np.array([1.0, 1.0, 1.0]), reduction="none").tolist()
    [0.25, 9.0, 0.0]
    """
    lack = without_infinity(hinge(margin - times(target, input)), weight)
    return Unreduced(scaled(lack * lack, weight), denominator=weight)  # pyright: ignore[reportReturnType]
