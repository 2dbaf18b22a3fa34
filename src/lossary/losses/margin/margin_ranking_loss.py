from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Range, real, signs
from lossary.core.elementary import hinge, times
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


@loss(
    family="margin",
    title="Margin ranking loss: the better of two scores must lead by a margin",
    formula=r"\ell_i = \max(0, m - y_i (a_i - b_i))",
    symbols={"a": "input1", "b": "input2", "y": "target", "m": "margin"},
    gradient=r"\frac{\partial \ell_i}{\partial a_i} = -y_i [y_i (a_i - b_i) < m]",
    derivation=r"Within the margin the loss is a line in the difference $a_i - b_i$, of slope $-y_i$; by $b_i$ the "
    r"gradient is the opposite. So one score rises as the other falls, with the same force for a pair just out of "
    r"order and for one far out of it, and their sum stays where it is.",
    unreduced="*s",
    sources=(Source("Herbrich, Graepel, Obermayer, Large Margin Rank Boundaries for Ordinal Regression, 2000"),),
    properties=("convex", "nonnegative", "translation_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.margin_ranking_loss"),
        Elsewhere("optax", "optax.hinge_loss", "of a - b with margin 1, unreduced"),
    ),
    examples=(
        Example({"input1": [2.0, 1.0], "input2": [1.0, 3.0], "target": [1.0, 1.0]}, 1.0, "(0 + (3 - 1)) / 2"),
        Example({"input1": [2.0], "input2": [1.5], "target": [1.0], "margin": 1.0}, 0.5, "1 - (2 - 1.5)"),
    ),
    use_when=(
        "Of each pair one is known to be better (clicks, comparisons, preferences), and no grade is.",
        "The lead that is enough can be named: pairs that have it stop learning.",
    ),
    not_when=(
        "The lead should have a probability: soft_margin_loss of input1 - input2, Bradley and Terry's model.",
        "The pairs are answers of a language model with a reference: dpo_loss.",
        "Scores are distances to an anchor: triplet_margin_loss.",
    ),
    expect=Expect(
        Example(
            {"input1": [0.0, 0.0], "input2": [0.0, 0.0], "target": [1.0, -1.0], "margin": 1.0},
            1.0,
            "equal scores: the margin, so 0 with the default margin of 0",
        ),
        "0, where in each pair the better score leads by the margin; never negative.",
    ),
    minimiser=Minimiser(
        "none: only differences of scores count. A constant score makes each of them 0, and costs the margin, whatever "
        "the constant."
    ),
    aliases=("MarginRankingLoss", "pairwise hinge loss", "间隔排序损失", "成对排序损失"),
    pitfalls=(
        "The target is +1 (input1 is better) or -1. With labels of 0 and 1 every pair labelled 0 costs the margin and "
        "is never learnt.",
        "With the default margin of 0 equal scores cost nothing: a model that answers a constant has loss 0 and rests.",
        "Scores that grow make any margin small: normalise or regularise them.",
    ),
    plot=Plot(-3.0, 3.0, {"input2": 0.0, "target": 1.0}, {"margin": (0.0, 0.5, 1.0)}, axis="a - b"),
    kernel=Elementwise("MarginRanking", ("margin",), inputs=("input1", "input2")),
)
def margin_ranking_loss(
    input1: Annotated[A, real("*s")],
    input2: Annotated[A, real("*s", broadcasts=True)],
    target: Annotated[Array, signs("*s", broadcasts=True)],
    margin: Annotated[Array | float, Range()] = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What the score that should be higher lacks to a lead of `margin` over the other.

    Use it to learn a ranking from pairs of which one is known to be better. For more than pairs, or where the lead
    should have a probability, the logistic `soft_margin_loss` of the difference is smoother.

    Parameters
    ----------
    input1 : floating array of any shape
        Scores.
    input2 : array that broadcasts to the shape of `input1`
        The scores they are compared with.
    target : array that broadcasts to the shape of `input1`
        1 where `input1` should be higher, -1 where `input2` should.
    margin : float
        The lead from which a pair costs nothing.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    An infinite lead costs 0 with gradient 0, an infinite lag inf. Where the lead is the margin exactly the gradient is
    0: at margin 0 equal scores do not learn. Any number is taken for a label, and scales the difference.

    Differs from torch
    ------------------
    - gradient where the lead is the margin exactly: 0; torch: -y, before 2.14
    - input2 or a target of fewer dimensions: broadcasts; torch: `RuntimeError`

    Raises
    ------
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(margin_ranking_loss(np.array([2.0, 1.0]), np.array([1.0, 3.0]), np.array([1.0, 1.0])))
    1.0
    """
    return hinge(margin - times(target, input1 - input2))
