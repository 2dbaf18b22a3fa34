from typing import Annotated, Any

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, arange, is_array, namespace
from lossary.core.contract import label_sets, real
from lossary.core.elementary import hinge
from lossary.core.minimisers import steps
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss


def _adapt(arguments: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """As in torch a 0-d array stands for a row of one."""
    return {n: (1,) for n in ("input", "target") if is_array(arguments[n]) and arguments[n].ndim == 0}


def _best_constant(target: np.ndarray) -> np.ndarray:
    said = np.minimum.accumulate(target, axis=-1) >= 0
    times = np.sum(said[..., None] & (target[..., None] == np.arange(target.shape[-1])), axis=-2)
    return steps(times.T @ (times == 0), 1.0)


@loss(
    family="margin",
    title="Multi-label margin loss: every true label must lead every other by 1",
    formula=r"\ell_n = \frac{1}{C} \sum_{j \in Y_n} \sum_{i \notin Y_n} \max(0, 1 - x_{nj} + x_{ni})",
    symbols={"x": "input", "Y": "target", "C": "the number of classes"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{nk}} = \frac{1}{C} \left([k \notin Y_n] \sum_{j \in Y_n} "
    r"[x_{nj} < 1 + x_{nk}] - [k \in Y_n] \sum_{i \notin Y_n} [x_{nk} < 1 + x_{ni}]\right)",
    derivation=r"Every pair of a true label $j$ and another $i$ has a hinge of its own, whose slope is $-1$ by "
    r"$x_{nj}$ and $1$ by $x_{ni}$ until the lead is 1. So a label is pulled up by the number of others that come too "
    r"near, and another is pushed down by the number of labels that it comes too near to. Labels that are true do not "
    r"compete with each other.",
    unreduced="?N",
    sources=(Source("Elisseeff and Weston, A Kernel Method for Multi-Labelled Classification, 2001"),),
    properties=("convex", "nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.multilabel_margin_loss"),
        Elsewhere("lossary", "multi_margin_loss", "the same with one label a row and margin 1"),
    ),
    examples=(
        Example(
            {"input": [[0.5, 0.25, 0.0, 2.0]], "target": [[3, 0, -1, 1]]},
            0.3125,
            "labels 3 and 0: (0 + 0 + (1 - 0.5 + 0.25) + (1 - 0.5 + 0)) / 4",
        ),
        Example({"input": [[0.0, 0.0]], "target": [[-1, 0]]}, 0.0, "no label at all"),
    ),
    use_when=(
        "The true labels of a row should rank before all others, and how many are taken is decided later.",
        "Classes are few, up to some hundreds: each row costs C² comparisons.",
    ),
    not_when=(
        "Each label needs a probability, or a threshold of its own: multilabel_soft_margin_loss, "
        "binary_cross_entropy_with_logits.",
        "Rows may have no label at all: they cost nothing, and the model never learns to say so. "
        "binary_cross_entropy_with_logits.",
        "Each row has one label: multi_margin_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[0.0, 0.0, 0.0, 0.0]], "target": [[3, 0, -1, -1]]},
            1.0,
            "equal scores of 4 classes: 2 labels lack 1 to each of the 2 others, divided by 4",
        ),
        "0, where each true label leads every other by 1, and for rows with no label or with all; never negative.",
    ),
    minimiser=Minimiser(
        "Scores at steps of 1. Where there are two labels, the one that is more often true without the other leads by "
        "one step.",
        _best_constant,
    ),
    aliases=("MultiLabelMarginLoss", "多标签间隔损失"),
    pitfalls=(
        "The target is a list of labels that the first -1 ends, not a row of 0 and 1: a row [0, 1, 0] says that the "
        "labels are 0, 1 and 0.",
        "It takes memory and time in proportion to N · C²: for many classes use multilabel_soft_margin_loss.",
        "A row without a label, and a row of all labels, cost 0 and teach nothing.",
    ),
    plot=Plot(
        -2.0,
        4.0,
        {"target": [[0, -1]]},
        axis="lead of the true label",
        embed=lambda x: namespace(x).stack([x, namespace(x).zeros_like(x)], axis=-1),
    ),
    adapt=_adapt,
)
def multilabel_margin_loss(
    input: Annotated[A, real("?N C")],
    target: Annotated[A, label_sets("?N C")],
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What each true label of a row lacks to a lead of 1 over each label that is not true, divided by C.

    Use it to rank the true labels of a row before all others. For labels with probabilities use
    `multilabel_soft_margin_loss`.

    Parameters
    ----------
    input : floating array (N, C), or (C,)
        Scores of the classes; a 0-d array is the score of a single class.
    target : integer array (N, C), or (C,)
        The true labels of each row, ended by the first -1; what stands behind it is not read. A label that stands
        there twice counts twice.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite lead costs 0 with gradient 0, an infinite lag inf. Where the lead is 1 exactly the gradient is 0, as in
    torch.

    Differs from torch
    ------------------
    - NaN scores that are compared with anything: NaN; torch: 0, as a lead (#7999)
    - forward mode: works; torch: not implemented (pytorch/functorch#658, pytorch/functorch#434)
    - fp16 and bf16 on the CPU: work; torch: not implemented

    Raises
    ------
    IndexError
        On the CPU where a target is neither a class nor -1.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(multilabel_margin_loss(np.array([[0.5, 0.25, 0.0, 2.0]]), np.array([[3, 0, -1, 1]])))
    0.3125
    """
    xp = namespace(input)
    classes = input.shape[-1]
    place = arange(classes, like=target)
    ended = xp.any(xp.expand_dims(target < 0, axis=-2) & (place <= xp.expand_dims(place, axis=-1)), axis=-1)
    said = xp.expand_dims(~ended, axis=-1) & (xp.expand_dims(target, axis=-1) == place)
    times_said = xp.sum(xp.astype(said, input.dtype), axis=-2)
    is_label = times_said > 0
    outside = xp.any((target < -1) | (target >= classes), axis=-1)
    compared = xp.expand_dims(is_label, axis=-1) & ~xp.expand_dims(is_label, axis=-2)
    lack = xp.expand_dims(input, axis=-2) - xp.expand_dims(input, axis=-1) + 1
    lack = xp.where(compared, hinge(lack), 0.0) * xp.expand_dims(times_said, axis=-1)
    return xp.where(outside, xp.nan, xp.sum(lack, axis=(-2, -1)) / max(classes, 1))
