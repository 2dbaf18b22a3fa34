from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, kind, namespace
from lossary.core.check import Checked
from lossary.core.classes import adapt_target, along, class_axis, pick_weight, targets
from lossary.core.contract import Range, class_indices, describe, logits, target_probabilities, weights
from lossary.core.elementary import log_softmax, modulated, softplus, times
from lossary.core.minimisers import log_focal, shares
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.core.reduce import Unreduced
from lossary.core.rows import local
from lossary.dispatch.loss import loss
from lossary.kernels.families import SoftmaxRows
from lossary.losses.classification.cross_entropy import check_ignore_index


def _check(call: Checked) -> None:
    check_ignore_index(call)
    if call.dims["C"] == 1:
        raise ValueError(
            f"focal_loss: input is {describe(call.first)}: one class, whose softmax is always 1 and its loss 0. "
            "For one logit a label use sigmoid_focal_loss"
        )


@loss(
    family="classification",
    title="Focal loss of logits with class indices or probabilities",
    formula=r"\ell_n = -w_{y_n} (1 - p_{n,y_n})^\gamma \log p_{n,y_n}, \qquad p_n = \mathrm{softmax}(x_n), \qquad "
    r"\ell_n = -\sum_c w_c \, t_{n,c} (1 - p_{n,c})^\gamma \log p_{n,c}",
    symbols={"x": "input", "y": "target", "t": "target", "w": "weight", r"\gamma": "gamma"},
    gradient=r"\frac{\partial \ell_n}{\partial x_{n,c}} = w_{y_n} f(p_{n,y_n}) (p_{n,c} - [c = y_n]), \qquad "
    r"f(q) = (1 - q)^\gamma - \gamma q (1 - q)^{\gamma - 1} \log q, \qquad p_n = \mathrm{softmax}(x_n), \qquad "
    r"\frac{\partial \ell_n}{\partial x_{n,c}} = p_{n,c} \sum_k w_k \, t_{n,k} f(p_{n,k}) - w_c \, t_{n,c} f(p_{n,c})",
    derivation=r"It is cross-entropy's gradient times $f$ of the probability of the true class. The product rule gives "
    r"$f$ two terms: the factor $(1 - q)^\gamma$ itself, and the slope of the factor times $-\log q$. At $q = 0$ it is "
    r"1, a row that is wrong learns as with cross-entropy; towards $q = 1$ it falls as "
    r"$(1 + \gamma) (1 - q)^\gamma$. In between it may exceed 1: with $\gamma = 2$ it is largest, 1.22, at "
    r"$q = 0.10$.",
    unreduced="?N *d",
    sources=(
        Source(
            "Lin, Goyal, Girshick, He, Dollár, Focal Loss for Dense Object Detection, 2017",
            "eq. (5)",
            "arxiv.org/abs/1708.02002",
        ),
    ),
    properties=("nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric"),
    elsewhere=(
        Elsewhere("keras", "keras.losses.CategoricalFocalCrossentropy", "with from_logits=True; alpha is weight"),
        Elsewhere("monai", "monai.losses.FocalLoss", "with use_softmax=True; its mean divides by the classes too"),
        Elsewhere("lossary", "cross_entropy", "with gamma=0"),
        Elsewhere(
            "kornia",
            "kornia.losses.focal_loss",
            "with alpha=None, unreduced: (N, C, *d), of which all are 0 but those of the true class",
        ),
    ),
    examples=(
        Example({"input": [[0.0, 0.0]], "target": [1]}, 0.17328679513998632, "(1 - ½)² log 2"),
        Example(
            {"input": [[1.0986122886681098, 0.0]], "target": [0], "gamma": 1.0},
            0.07192051811294523,
            "p = (¾, ¼): ¼ log(4/3)",
        ),
        Example(
            {"input": [[1.0986122886681098, 0.0]], "target": [[0.5, 0.5]], "gamma": 1.0},
            0.5558206444764315,
            "½ (¼ log(4/3) + ¾ log 4)",
        ),
    ),
    use_when=(
        "Easy rows outnumber hard ones a thousand to one, and their many small losses are most of the gradient, as in "
        "dense detection.",
        "The order of the scores counts (average precision, top-1), and probabilities are not read.",
    ),
    not_when=(
        "Probabilities or expected costs are read from the model: cross_entropy, with another threshold or with "
        "weights where classes are rare.",
        "Labels are noisy: what is mislabelled is what it learns from. cross_entropy, with label_smoothing.",
        "Each label is a yes or no of its own: sigmoid_focal_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]], "target": [3]},
            1.8650939253251773,
            "10 equal logits: 0.9² · log 10",
        ),
        "0, approached as the true class leads without bound; never negative. With target probabilities more than 0, "
        "but less than their entropy.",
    ),
    minimiser=Minimiser(
        "Logits whose softmax p lies between the class shares (gamma = 0) and the uniform distribution (large gamma): "
        "p is in proportion to share times f(p), with the f of the gradient. With weight the shares are multiplied by "
        "their weights first.",
        lambda target, weight=None, gamma=2.0: log_focal(shares(target, weight), gamma),
    ),
    aliases=("FocalLoss", "CategoricalFocalCrossentropy", "焦点损失", "多分类焦点损失"),
    pitfalls=(
        "It is no proper score: the softmax of its minimiser is nearer to uniform than the class frequencies. At "
        "gamma=2 a class of 90% is fitted as 69%: recalibrate before reading probabilities.",
        "Its values are smaller than cross-entropy's: at gamma=2 an untrained model of 10 classes stands at 1.865, and "
        "losses of different gamma do not compare.",
        "It learns from hard rows, and mislabelled rows are the hardest: with noisy labels use cross_entropy.",
        "The alpha of the paper is a factor for each class: weight=[1 - alpha, alpha] of two classes. As in "
        "cross_entropy the mean divides by the weights of the targets; where others divide by N, pass normalizer=N.",
        "One-stage detectors divide the sum by the number of positive anchors, not by all: pass normalizer.",
    ),
    check=_check,
    adapt=adapt_target,
    plot=Plot(
        -6.0,
        6.0,
        {"target": [0]},
        {"gamma": (0.0, 0.5, 2.0, 5.0)},
        axis="logit of the true class, the other being 0",
        embed=lambda x: namespace(x).stack([x, 0 * x], axis=-1),
    ),
    kernel=SoftmaxRows(),
)
def focal_loss(
    input: Annotated[A, logits("?N C *d")],
    target: Annotated[A, class_indices("?N *d") | target_probabilities("?N C *d")],
    weight: Annotated[Array | None, weights("C")] = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduction: Reduction = "mean",
    *,
    gamma: Annotated[Array | float, Range(0.0, high_open=True)] = 2.0,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Cross-entropy that counts a row the less, the surer the model already is of its class.

    Use it where easy rows of frequent classes drown the rest: dense detection, segmentation of small objects. For
    independent labels, one logit each, use `sigmoid_focal_loss`; where probabilities must be right, `cross_entropy`
    with `weight`.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Logits: scores before any softmax, of two classes or more.
    target : integer array (N, d1, ...), or floating array of the shape of `input`
        Classes, 0 to C - 1, of any integer dtype; or a probability for each class, whose terms are each modulated.
    weight : array (C,), optional
        Weight of each class, the paper's alpha. The mean over class indices divides by the sum of the weights of the
        rows' classes, the mean over probabilities by the number of rows.
    ignore_index : int
        Rows with this class index count for nothing: value, denominator and gradient are exactly 0. With
        probabilities it must stay negative.
    reduction : "mean", "sum" or "none"
    gamma : float in [0, inf)
        Power of the modulating factor. 0 is cross-entropy, to the last bit; the paper's choice is 2.
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A row that is right beyond doubt costs 0 with gradient 0 for every gamma. A logit of -inf takes its class out of the
    softmax: it costs nothing where its target is 0, and inf where it is not. A mean over no rows is 0 with gradient 0.
    A row of -inf alone is NaN. The loss of a confident, right row keeps its digits: 1e-20 is not rounded to 0.

    Differs from torch
    ------------------
    torch has no softmax focal loss. From those of other libraries it differs so:

    - gamma below 1 at a row of probability 1: gradient 0; MONAI: NaN, as kornia's binary one (kornia/kornia#918)
    - a loss below the rounding of 1: its digits; MONAI, kornia: 0
    - input of one class: `ValueError` that names sigmoid_focal_loss; MONAI: loss 0 whatever the input
      (Project-MONAI/MONAI#2509)
    - a class out of range: `IndexError` on the CPU, NaN where values cannot be read; kornia: an illegal memory access
      on CUDA (kornia/kornia#839)
    - mean with class weights: divided by the weights of the targets, as cross_entropy; MONAI: by rows times classes

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where there is only one class; where shapes, dtypes or options do not fit, or probabilities leave [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> float(focal_loss(np.zeros((1, 2)), np.array([1])))  # (1 - 1/2)² log 2
    0.17328679513998632
    """
    xp = namespace(input)
    axis = class_axis(input)
    if kind(target) == "float":
        log_prob = log_softmax(input, axis)
        prob = xp.exp(log_prob)
        certain = prob == 1
        log_rest = xp.where(certain, -xp.inf, xp.log1p(-xp.where(certain, 0.0, prob)))
        share = target if weight is None else along(weight, axis, input.ndim) * target
        return xp.sum(times(share, modulated(-log_prob, log_rest, gamma)), axis=axis)

    index, counted, outside = targets(target, input.shape[axis], ignore_index)
    # An ignored row may hold inf or NaN: nothing of it enters.
    row = local(xp.where(xp.expand_dims(counted, axis=axis), input, 0.0), axis, index)
    against = row.log_odds_against()
    row_weight = xp.astype(counted, input.dtype)
    if weight is not None:
        row_weight = row_weight * pick_weight(weight, index)
    values = times(row_weight, modulated(softplus(against), -softplus(-against), gamma))
    return Unreduced(xp.where(outside, xp.nan, values), denominator=row_weight)  # pyright: ignore[reportReturnType]
