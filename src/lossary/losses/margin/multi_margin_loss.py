import math
from typing import Annotated, Any

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, arange, is_array, namespace, size
from lossary.core.classes import class_axis, pick, pick_weight, targets
from lossary.core.contract import Range, class_indices, real, weights
from lossary.core.elementary import hinge, times
from lossary.core.minimisers import shares, steps
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss


def _adapt(arguments: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """As in torch the scores of a single row may lack the batch that its target has, or have one, or be one number."""
    input, target = arguments["input"], arguments["target"]
    if not (is_array(input) and is_array(target)) or input.ndim > 2 or target.ndim > 1:
        return {}
    single = size(target) == 1 and math.prod(input.shape[:-1]) == 1
    return {"input": (*target.shape, size(input))} if single else {}


def _best_constant(target: np.ndarray, weight: np.ndarray | None = None, margin: float = 1.0) -> np.ndarray:
    share = shares(target, weight)
    return steps(np.outer(share, np.ones_like(share)), margin)


@loss(
    family="margin",
    title="Multi-class margin loss: the true class must lead every other by a margin",
    formula=r"\ell_n = \frac{1}{C} \sum_{j \ne y_n} w_{y_n} \max(0, m - x_{n, y_n} + x_{nj})^p",
    symbols={"x": "input", "y": "target", "w": "weight", "m": "margin", "p": "p", "C": "the number of classes"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{nk}} = "
    r"\frac{w_{y_n}}{C} \left(h_{nk} - [k = y_n] \sum_j h_{nj}\right), \qquad "
    r"h_{nj} = [j \ne y_n] [d_{nj} > 0] \, p \, d_{nj}^{p - 1}, \qquad d_{nj} = m - x_{n, y_n} + x_{nj}",
    derivation=r"Each rival $j$ lags behind the true class by less than the margin where $d_{nj} > 0$, and has a term "
    r"of its own. With $p = 1$ all of those are pushed by the same force, with $p = 2$ by twice what is lacking; the "
    r"true class is pulled by the sum of these forces. So over the classes the gradient sums to 0; with $p = 1$ three "
    r"rivals within the margin pull the true class three times as hard as each of them is pushed.",
    unreduced="?N",
    sources=(Source("Weston and Watkins, Support Vector Machines for Multi-Class Pattern Recognition, 1999"),),
    properties=("convex", "nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.multi_margin_loss"),
        Elsewhere(
            "optax",
            "optax.losses.multiclass_hinge_loss",
            "of two classes twice this, unreduced; of more the strongest rival only (Crammer and Singer)",
        ),
        Elsewhere(
            "keras",
            "keras.losses.CategoricalHinge",
            "of two classes twice this, where the rival's score is 0 or more; of more the strongest rival only",
        ),
    ),
    examples=(
        Example({"input": [[0.5, 0.0, 2.0]], "target": [0]}, 1.0, "((1 - 0.5 + 0) + (1 - 0.5 + 2)) / 3"),
        Example({"input": [[0.0, 1.0]], "target": [0], "p": 2}, 2.0, "(1 + 1)² / 2"),
    ),
    use_when=(
        "Only the decision counts, and every rival within the margin should learn, not the strongest alone.",
        "There are few classes: what it divides by, C, is then near the number of rivals that compete.",
    ),
    not_when=(
        "Probabilities are wanted: cross_entropy.",
        "There are many classes, of which few compete: the division by C makes the gradient small. "
        "categorical_hinge_loss, or cross_entropy.",
        "Several classes may be true of a row: multilabel_margin_loss, multilabel_soft_margin_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], "target": [3]},
            0.9,
            "10 equal scores: 9 rivals lack 1, divided by 10; (C - 1) / C of C classes",
        ),
        "0, where each true class leads all others by the margin; never negative.",
    ),
    minimiser=Minimiser(
        "Scores at steps of the margin, in the order of the class shares, times their weights: of two classes the "
        "larger leads by one step, whatever the shares. With p=2 it leads by the margin times the difference of both "
        "shares.",
        _best_constant,
    ),
    aliases=("MultiMarginLoss", "Weston-Watkins", "多分类间隔损失"),
    pitfalls=(
        "It divides by all C classes, the true one included: with many classes of which few compete it is small.",
        "Its scores are no logits: a softmax of them is not calibrated. For probabilities use cross_entropy.",
        "The weight does not divide the mean: weights that average 2 double the loss.",
    ),
    plot=Plot(
        -2.0,
        4.0,
        {"target": [0]},
        {"p": (1, 2)},
        axis="lead of the true class",
        embed=lambda x: namespace(x).stack([x, namespace(x).zeros_like(x)], axis=-1),
    ),
    adapt=_adapt,
)
def multi_margin_loss(
    input: Annotated[A, real("?N C")],
    target: Annotated[A, class_indices("?N")],
    p: Annotated[int, Range(1, 2, integer=True)] = 1,
    margin: Annotated[Array | float, Range()] = 1.0,
    weight: Annotated[Array | None, weights("C")] = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What the score of the true class lacks to a lead of `margin` over each other class, averaged over classes.

    Use it for classification where only the decision counts: classes that lag by the margin cost nothing, and scores
    stop growing. Where probabilities are wanted use `cross_entropy`.

    Parameters
    ----------
    input : floating array (N, C), or (C,)
        Scores of the classes; a 0-d array is the score of a single class.
    target : integer array (N,), or ()
        Classes, 0 to C - 1, of any integer dtype. A single row's loss has the shape of its target, () or (1,).
    p : 1 or 2
        The power of what is lacking; 2 makes the loss smooth.
    margin : float
        The lead from which another class costs nothing.
    weight : array (C,), optional
        Weight of each class. As in torch, the mean divides by N and not by the sum of weights.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite lead costs 0 with gradient 0, an infinite lag inf. Where the lead is the margin exactly the gradient is
    0, as in torch. A class weight of 0 removes an infinite loss.

    Differs from torch
    ------------------
    - NaN scores: NaN; torch: 0, as a lead (#7999)
    - forward mode, and second derivatives of p=2: work; torch: not implemented (pytorch/functorch#658,
      pytorch/functorch#434)
    - fp16 and bf16 on the CPU: work; torch: not implemented
    - a class weight of 0 at an infinite loss: 0; torch: NaN

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where p is neither 1 nor 2; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(multi_margin_loss(np.array([[0.5, 0.0, 2.0]]), np.array([0])))
    1.0
    """
    xp = namespace(input)
    axis = class_axis(input)
    index, _, outside = targets(target, input.shape[axis])
    true = xp.expand_dims(index, axis=axis) == arange(input.shape[axis], like=index)
    lack = input - xp.expand_dims(pick(input, index, axis), axis=axis) + margin
    lack = xp.where(true, 0.0, hinge(lack))
    values = xp.sum(lack if p == 1 else lack * lack, axis=axis) / max(input.shape[axis], 1)
    if weight is not None:
        values = times(pick_weight(weight, index), values)
    return xp.where(outside, xp.nan, values)
