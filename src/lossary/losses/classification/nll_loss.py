from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.classes import adapt_target, class_axis, pick, pick_weight, targets
from lossary.core.contract import Range, class_indices, log_probabilities, weights
from lossary.core.elementary import times
from lossary.core.minimisers import log_shares
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.dispatch.loss import loss
from lossary.kernels.families import NLLRows


@loss(
    family="classification",
    title="Negative log-likelihood of class indices under log-probabilities",
    formula=r"\ell_n = -w_{y_n} \, x_{n, y_n}, \qquad x = \log p",
    symbols={"x": "input", "p": "the probabilities of which input has the logarithms", "y": "target", "w": "weight"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,c}} = -w_{y_n} [c = y_n]",
    derivation=r"The loss is linear in the log-probability of the true class, and has no other class in it: each row "
    r"pulls that one up, equally hard whether it is near 0 or far below. What holds the others down is the "
    r"normalisation before it: through log_softmax, $x_{n,c} = z_{n,c} - \log \sum_k e^{z_{n,k}}$, the gradient by the "
    r"logits $z$ becomes $w_{y_n} (p_{n,c} - [c = y_n])$, that of cross-entropy.",
    unreduced="?N *d",
    sources=(Source("Fisher, On the Mathematical Foundations of Theoretical Statistics, 1922", "p. 323"),),
    properties=("convex", "permutation_invariant", "class_symmetric", "proper"),
    elsewhere=(
        Elsewhere("torch", "torch.nn.functional.nll_loss"),
        Elsewhere("lossary", "cross_entropy", "nll_loss(log_softmax(x), y) = cross_entropy(x, y)"),
    ),
    examples=(
        Example({"input": [[-0.5, -1.5]], "target": [1]}, 1.5, "-(-1.5)"),
        Example({"input": [[-1.0, -2.0], [-3.0, -4.0]], "target": [0, 1], "weight": [1.0, 3.0]}, 3.25, "(1 + 3·4) / 4"),
    ),
    use_when=(
        "The model ends in log_softmax, and the log-probabilities are wanted for more than the loss.",
        "Log-probabilities are made in another way: a mixture of softmaxes, a tree of classes, logsumexp over paths.",
    ),
    not_when=(
        "There are logits: cross_entropy, which normalises by itself.",
        "The targets are distributions, not classes: kl_div, or cross_entropy of logits.",
        "The model returns probabilities of yes and no: binary_cross_entropy.",
    ),
    expect=Expect(
        Example(
            {
                "input": [[-1.3862943611198906, -1.3862943611198906, -1.3862943611198906, -1.3862943611198906]],
                "target": [2],
            },
            1.3862943611198906,
            "4 classes of probability ¼: log 4",
        ),
        "0 for log-probabilities, where the true class has probability 1. Below 0 the input is not normalised: then "
        "there is no least value.",
    ),
    minimiser=Minimiser(
        "Of all normalised log-probabilities the logarithm of the class shares; with weight each share is multiplied "
        "by its weight, then all are divided by their sum.",
        lambda target, weight=None: log_shares(target, weight),
    ),
    aliases=("NLLLoss", "nll", "negative log-likelihood", "负对数似然", "负对数似然损失"),
    pitfalls=(
        "The input is log-probabilities. Probabilities or logits give a number too, often negative, without meaning.",
        "A log-probability of -inf at the true class is an infinite loss: take log_softmax of logits, not the "
        "logarithm of a softmax, which rounds to 0.",
    ),
    plot=Plot(
        -6.0,
        0.0,
        {"target": [0]},
        {},
        axis="log p of the true class",
        embed=lambda x: namespace(x).stack([x, x], axis=-1),
    ),
    adapt=adapt_target,
    kernel=NLLRows(),
)
def nll_loss(
    input: Annotated[A, log_probabilities("?N C *d")],
    target: Annotated[A, class_indices("?N *d")],
    weight: Annotated[Array | None, weights("C")] = None,
    size_average: bool | None = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Minus the log-probability of each row's class, in nats.

    Use it where a model ends in log_softmax, or has log-probabilities for another reason (mixtures, trees, decoding).
    From logits use `cross_entropy`, which is the same loss and more exact.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Log-probabilities.
    target : integer array (N, d1, ...), or () or (1,) for an input (C,)
        Classes, 0 to C - 1, of any integer dtype.
    weight : array (C,), optional
        Weight of each class. The mean divides by the sum of the weights of the rows' classes.
    ignore_index : int
        Rows with this target count for nothing: value, denominator and gradient are exactly 0.
    reduction : "mean", "sum" or "none"
    size_average, reduce : bool, optional
        Deprecated; as in torch.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A mean over no rows (empty, or all ignored) is 0 with gradient 0. A class weight of 0 removes an infinite loss.

    Differs from torch
    ------------------
    - a class weight of 0 at a log-probability of -inf: 0; torch: NaN
    - backward of non-contiguous inputs (N, C, d1, d2): works; torch: `RuntimeError` (#175084)

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> float(nll_loss(np.log([[0.25, 0.75]]), np.array([0])))
    1.3862943611198906
    """
    xp = namespace(input)
    axis = class_axis(input)
    index, counted, outside = targets(target, input.shape[axis], ignore_index)
    # Masked before the weight: an ignored row may hold inf or NaN.
    log_prob = xp.where(counted, pick(input, index, axis), 0.0)
    row_weight = xp.astype(counted, input.dtype)
    if weight is not None:
        row_weight = row_weight * pick_weight(weight, index)
    return Unreduced(xp.where(outside, xp.nan, times(row_weight, -log_prob)), denominator=row_weight)  # pyright: ignore[reportReturnType]
