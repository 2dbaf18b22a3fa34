from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, arange, namespace
from lossary.core.classes import adapt_target, along, class_axis, pick, pick_weight, targets
from lossary.core.contract import Range, class_indices, real, weights
from lossary.core.elementary import hinge, times
from lossary.core.minimisers import shares
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss


@loss(
    family="margin",
    title="Categorical hinge loss: the true class must lead its strongest rival by a margin",
    formula=r"\ell_n = w_{y_n} \max\left(0, m + \max_{c \ne y_n} x_{nc} - x_{n, y_n}\right)",
    symbols={"x": "input", "y": "target", "w": "weight", "m": "margin"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,c}} = "
    r"w_{y_n} [x_{n,y_n} < m + x_{n,r_n}] ([c = r_n] - [c = y_n]), \qquad "
    r"r_n = \arg\max_{c \ne y_n} x_{n,c}",
    derivation=r"Within the margin the loss is linear in two scores: $1$ for the strongest rival $r_n$, $-1$ for the "
    r"true class. Whether it lacks little or much, the pull is the same; once the lead is $m$ it ends, and the row is "
    r"silent. All other classes learn nothing from the row until one of them becomes the strongest rival.",
    unreduced="?N *d",
    sources=(
        Source(
            "Crammer, Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines, 2001",
            url="jmlr.org/papers/v2/crammer01a.html",
        ),
    ),
    properties=("convex", "nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("optax", "optax.losses.multiclass_hinge_loss", "unreduced, of margin 1"),
        Elsewhere(
            "keras",
            "keras.losses.CategoricalHinge",
            "of margin 1 and one-hot targets, where some rival's score is 0 or more: below it counts as 0",
        ),
        Elsewhere("scikit-learn", "sklearn.metrics.hinge_loss", "of more than two labels, of margin 1"),
        Elsewhere("lossary", "multi_margin_loss", "the mean over all C classes; of two classes C times it is the same"),
    ),
    examples=(
        Example({"input": [[0.5, 0.0, 2.0]], "target": [0]}, 2.5, "1 + 2 - 0.5"),
        Example({"input": [[-3.0, -5.0]], "target": [0]}, 0.0, "a lead of 2"),
        Example(
            {"input": [[0.0, 1.0], [0.5, 0.0]], "target": [0, 1], "weight": [3.0, 1.0]},
            1.875,
            "(3 · (1 + 1) + 1 · (1 + 0.5)) / (3 + 1)",
        ),
    ),
    use_when=(
        "The scores are only compared, as in a linear or kernel machine: rows that are right by the margin drop out, "
        "and the solution rests on the hard ones.",
        "A far-off mistake may not pull harder than a near one: the gradient is -1, 0 or 1.",
    ),
    not_when=(
        "Probabilities are wanted, or rows that look alike are of many classes, none with a majority: equal scores are "
        "then best, whatever the shares. cross_entropy.",
        "There are many classes, and one rival a row is too little to learn from: cross_entropy or multi_margin_loss.",
        "Labels are ±1 and there is one score: hinge_loss.",
    ),
    expect=Expect(
        Example({"input": [[0.0, 0.0, 0.0, 0.0]], "target": [2]}, 1.0, "equal scores: the margin, of any C"),
        "0, where each true class leads all others by the margin; never negative.",
    ),
    minimiser=Minimiser(
        "A class whose share, times its weight, is more than half of all leads the others, which are equal, by the "
        "margin. Where no class has such a majority, equal scores are best: the shares leave no trace.",
        lambda target, weight=None, margin=1.0: margin * (shares(target, weight) > 0.5),
    ),
    aliases=("CategoricalHinge", "multiclass_hinge_loss", "Crammer-Singer", "multi-class SVM", "多分类合页损失"),
    pitfalls=(
        "One rival learns in each row, the strongest: with many classes it learns slower than cross_entropy or "
        "multi_margin_loss, where all do.",
        "Its scores are no logits: a softmax of them is not calibrated. For probabilities use cross_entropy.",
        "As in cross_entropy the mean divides by the weights of the targets; where others divide by N, pass "
        "normalizer=N.",
    ),
    adapt=adapt_target,
    plot=Plot(
        -2.0,
        4.0,
        {"target": [0]},
        {"margin": (0.5, 1.0, 2.0)},
        axis="lead of the true class",
        embed=lambda x: namespace(x).stack([x, namespace(x).zeros_like(x)], axis=-1),
    ),
)
def categorical_hinge_loss(
    input: Annotated[A, real("?N C *d")],
    target: Annotated[A, class_indices("?N *d")],
    weight: Annotated[Array | None, weights("C")] = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduction: Reduction = "mean",
    *,
    margin: Annotated[Array | float, Range()] = 1.0,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What the score of the true class lacks to a lead of `margin` over the highest of the others.

    Use it for classification where only the decision counts, as in a support vector machine over all classes at once:
    rows that are right by the margin cost nothing. Where every rival should learn use `multi_margin_loss`; where
    probabilities are wanted, `cross_entropy`; for labels of ±1, `hinge_loss`.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Scores of the classes.
    target : integer array (N, d1, ...), or ()
        Classes, 0 to C - 1, of any integer dtype.
    weight : array (C,), optional
        Weight of each class. The mean divides by the sum of the weights of the rows' classes.
    ignore_index : int
        Rows with this class index count for nothing: value, denominator and gradient are exactly 0.
    reduction : "mean", "sum" or "none"
    margin : float
        The lead from which a row costs nothing.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    Rivals that are equal share the gradient. An infinite lead costs 0 with gradient 0, an infinite lag inf. Where the
    lead is the margin exactly the gradient is 0. A class without rivals (C = 1) costs 0. A class weight of 0 removes an
    infinite loss.

    Differs from torch
    ------------------
    torch has the sum over all rivals alone, multi_margin_loss. From the losses of other libraries it differs so:

    - rivals whose scores are all below 0: their highest; Keras: 0 (keras-team/keras#8083)

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(categorical_hinge_loss(np.array([[0.5, 0.0, 2.0]]), np.array([0])))
    2.5
    """
    xp = namespace(input)
    axis = class_axis(input)
    classes = input.shape[axis]
    index, counted, outside = targets(target, classes, ignore_index)
    # An ignored row may hold inf or NaN: nothing of it enters.
    row = xp.where(xp.expand_dims(counted, axis=axis), input, 0.0)
    true = along(arange(classes, like=index), axis, input.ndim) == xp.expand_dims(index, axis=axis)
    rival = xp.max(xp.where(true, -xp.inf, row), axis=axis) if classes else -xp.inf
    row_weight = xp.astype(counted, input.dtype)
    if weight is not None:
        row_weight = row_weight * pick_weight(weight, index)
    values = times(row_weight, hinge(rival - pick(row, index, axis) + margin))
    return Unreduced(xp.where(outside, xp.nan, values), denominator=row_weight)  # pyright: ignore[reportReturnType]
