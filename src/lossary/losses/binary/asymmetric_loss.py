from typing import Annotated, Any

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Flag, Range, logits, target_probabilities, weights
from lossary.core.elementary import hinge, is_number, modulated, sigmoid, softplus, times
from lossary.core.minimisers import LARGEST_LOGIT, crossing
from lossary.core.record import Elsewhere, Example, Expect, Held, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def _functor(options: dict[str, Any]) -> tuple[Any, ...]:
    positive, negative = options["gamma_pos"], options["gamma_neg"]
    name = "AsymmetricOfFourths" if negative == 4 and positive in (0, 1) else "Asymmetric"
    return name, positive, negative, options["clip"], not options["held"]


def _minimiser(
    target: np.ndarray, gamma_pos: float = 0.0, gamma_neg: float = 4.0, clip: float = 0.05, pos_weight: Any = 1.0
) -> float:
    positives, negatives = np.sum(pos_weight * target), np.sum(1 - target)

    def slope(x: float) -> float:
        """By the probability, in which the mean is convex."""
        p, rest = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
        missed = steepness(p - clip, rest + clip, gamma_neg) if p > clip else 0.0
        return float(negatives * missed - positives * steepness(rest, p, gamma_pos))

    def steepness(wrong: float, right: float, power: float) -> float:
        """Of wrong^power · -log right, right being 1 - wrong."""
        return wrong**power / right - power * wrong ** (power - 1) * np.log(right)

    return crossing(slope, -LARGEST_LOGIT, LARGEST_LOGIT)


@loss(
    family="binary",
    title="Asymmetric loss (ASL) of binary logits",
    formula=r"\ell_i = -t_i (1 - p_i)^a \log p_i - (1 - t_i) q_i^b \log(1 - q_i), \qquad "
    r"p_i = \sigma(x_i), \qquad q_i = \max(p_i - m, 0)",
    symbols={
        "x": "input",
        "t": "target",
        "a": "gamma_pos",
        "b": "gamma_neg",
        "m": "clip",
        "p": "the predicted probability",
        "q": "the predicted probability, lowered by the clip",
        r"\sigma": "the sigmoid",
    },
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = t_i g_i + (1 - t_i) h_i, \qquad "
    r"g_i = (1 - p_i)^a (a p_i \log p_i - (1 - p_i)), \qquad "
    r"h_i = \begin{cases} p_i (1 - p_i) \left(\frac{q_i^b}{1 - q_i} - b q_i^{b - 1} \log(1 - q_i)\right) & p_i > m \\ "
    r"0 & \text{otherwise} \end{cases} \qquad p_i = \sigma(x_i), \qquad q_i = \max(p_i - m, 0)",
    derivation=r"Both terms by the product rule, with $\frac{dp}{dx} = p (1 - p)$; above the clip $q$ changes as $p$ "
    r"does, below it not at all. For positives with $a = 0$ it is $p - 1$, that of binary cross-entropy. For "
    r"negatives $p (1 - p)$ is left, since the clip keeps $1 - q$ away from 0: the gradient vanishes at both ends, "
    r"for easy negatives and for those that are probably mislabelled. With held=True the terms with the factors $a$ "
    r"and $b$ are left out: values say the same, and training settles elsewhere.",
    unreduced="*s",
    held=(Held("focus", "the powers of 1 - p and of q", "held=True"),),
    sources=(
        Source(
            "Ridnik, Ben-Baruch, Zamir, Noy, Friedman, Protter, Zelnik-Manor, "
            "Asymmetric Loss For Multi-Label Classification, 2021",
            "",
            "arxiv.org/abs/2009.14119",
        ),
    ),
    properties=("nonnegative", "permutation_invariant"),
    elsewhere=(
        Elsewhere(
            "timm",
            "timm.loss.AsymmetricLossMultiLabel",
            "with gamma_pos=1; it adds all up: reduction='sum'; probabilities are clamped at 1e-8",
        ),
        Elsewhere(
            "ASL",
            "AsymmetricLossOptimized",
            "with gamma_pos=1, reduction='sum'; held is disable_torch_grad_focal_loss, False there by default",
        ),
        Elsewhere("lossary", "sigmoid_focal_loss", "of labels 0 and 1, with alpha=-1, clip=0 and both gammas gamma"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "with clip=0 and both gammas 0"),
    ),
    examples=(
        Example({"input": [0.0], "target": [1.0], "gamma_pos": 1.0}, 0.34657359027997264, "(1 - 1/2) log 2"),
        Example({"input": [0.0], "target": [0.0]}, 0.02451505351223516, "0.45⁴ · -log 0.55"),
        Example({"input": [-3.0], "target": [0.0]}, 0.0, "p = 0.0474 is below the clip of 0.05"),
    ),
    use_when=(
        "An image has a few tags out of hundreds, and a tag that is not set may have been forgotten.",
        "Models are judged by mean average precision over labels, not by their probabilities.",
    ),
    not_when=(
        "Probabilities are to be believed: binary_cross_entropy_with_logits, with pos_weight for rare positives.",
        "Easy examples are to count less on both sides alike: sigmoid_focal_loss.",
        "Exactly one class is true: cross_entropy or focal_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0] * 4, "target": [1.0, 0.0, 0.0, 0.0]},
            0.19167308527416269,
            "logits of 0: log 2 for the positive, 0.45⁴ · -log 0.55 for each of 3 negatives",
        ),
        "0 of labels 0 and 1: reached by negatives whose probability is at most the clip, approached by positives.",
    ),
    minimiser=Minimiser(
        "No log-odds, since it is not proper: negatives count so little that the prediction for a share of positives "
        "is far above it, at the defaults 0.32 for a share of 1%. Without powers and clip it is log(π / (1 - π)).",
        _minimiser,
    ),
    aliases=("ASL", "AsymmetricLossMultiLabel", "AsymmetricLossOptimized", "AsymmetricLoss", "非对称损失"),
    pitfalls=(
        "clip bounds what a negative can cost: (1 - m)^gamma_neg · -log m, 2.44 at the defaults. A negative that is "
        "wrong beyond doubt is taken for a mislabelled one: its gradient vanishes.",
        "Negatives below the clip have no gradient at all: with few labels, and negatives that are all easy, nothing "
        "trains but the positives.",
        "Others add up over labels and rows, or over labels alone: their values are hundreds of times larger. Learning "
        "rates tuned with them belong to reduction='sum', or to normalizer=the number of rows.",
        "Powers of the prediction make it no proper score: sigmoid(x) is no probability to threshold at 1/2 or to rank "
        "against other models.",
        "The paper's best focus leaves positives alone, gamma_pos=0, as is the default here; published code has 1.",
    ),
    plot=Plot(-6.0, 6.0, {"target": 0.0}, {"clip": (0.0, 0.05, 0.2)}, axis="logit of a negative"),
    kernel=Elementwise(_functor),
)
def asymmetric_loss(
    input: Annotated[A, logits("*s")],
    target: Annotated[Array, target_probabilities("*s")],
    weight: Annotated[Array | None, weights("*s", broadcasts=True)] = None,
    reduction: Reduction = "mean",
    *,
    gamma_pos: Annotated[Array | float, Range(0.0, high_open=True)] = 0.0,
    gamma_neg: Annotated[Array | float, Range(0.0, high_open=True)] = 4.0,
    clip: Annotated[Array | float, Range(0.0, 1.0, high_open=True)] = 0.05,
    pos_weight: Annotated[Array | None, weights("*s", broadcasts=True)] = None,
    held: Annotated[bool, Flag()] = False,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Binary cross-entropy that counts negatives the less, the surer they are, and easy ones not at all.

    Use it for multi-label classification with many labels of which few are true: negatives outnumber positives, and
    some of them are labels that nobody set. Where labels are in balance, or probabilities must be right, use
    `binary_cross_entropy_with_logits`; where positives and negatives are to have one focus, `sigmoid_focal_loss`.

    Parameters
    ----------
    input : floating array of any shape
        Logits: log-odds, before any sigmoid.
    target : array of the same shape, in [0, 1]
        Labels 0 and 1, or probabilities, which mix the two terms.
    weight : array that broadcasts to the shape of `input`, optional
        Weight of each element. The mean divides by the number of elements, not by the sum of weights.
    gamma_pos, gamma_neg : float in [0, inf)
        The powers a and b of the focus: of 1 - p for positives, of max(p - m, 0) for negatives. 0 is none.
    clip : float in [0, 1)
        By how much the probabilities of negatives are lowered: the margin m. Those below it cost nothing.
    pos_weight : array that broadcasts to the shape of `input`, optional
        Weight of the positive part of each label; n is as if each positive stood there n times.
    held : bool
        Whether the focus is a constant in the derivatives, a weight that follows the prediction. Values do not change.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A negative whose probability is the clip or less costs 0 with gradient 0. A negative of logit inf costs
    (1 - clip)^gamma_neg · -log clip, and inf without a clip; a positive of -inf costs inf. A prediction that is right
    beyond doubt costs 0 with gradient 0 for all powers.

    Differs from torch
    ------------------
    torch has no such loss. From those of other libraries it differs so:

    - a positive at logit -200: 200; timm: 18.4 with gradient 0, of a probability clamped at 1e-8
    - a power below 1 where the prediction is sure: a finite gradient; timm: NaN (Alibaba-MIIL/ASL#87)
    - soft targets: both terms, each with its own focus; timm: one focus, of a mixture of the probabilities
    - the grad mode of the process: left alone; ASL: switched on where the focus is held (timm mended it)
    - reduction: the mean over elements; ASL, timm: the sum (Alibaba-MIIL/ASL#22)
    - targets outside [0, 1]: `ValueError` on the CPU; timm: accepted

    Raises
    ------
    ValueError, TypeError
        On the CPU where targets leave [0, 1]; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> asymmetric_loss(np.array([0.0, 0.0, -3.0]), np.array([1.0, 0.0, 0.0]), reduction="none").round(6).tolist()
    [0.693147, 0.024515, 0.0]
    """
    positive, negative = (t if weight is None else weight * t for t in (target, 1 - target))
    positive = positive if pos_weight is None else pos_weight * positive
    found = modulated(softplus(-input), -softplus(input), gamma_pos, held)
    missed = modulated(*_of_negatives(input, clip), gamma_neg, held)
    return times(positive, found) + times(negative, missed)


def _of_negatives(x: Array, clip: Array | float) -> tuple[Array, Array]:
    """-log(1 - q) and log q of lowered probabilities q = max(sigmoid(x) - clip, 0)."""
    if is_number(clip, 0):
        return softplus(x), -softplus(-x)
    xp = namespace(x)
    q = hinge(sigmoid(x) - clip)
    rest, none = sigmoid(-x) + clip, q == 0
    # Of small q the logarithm of the rest would lose digits; and the rest is 0 where there is no clip and x is large.
    lost = (clip == 0) & (rest < xp.finfo(x.dtype).smallest_normal) if is_array(clip) else none & ~none
    near, far = -xp.log1p(-xp.where(q < 0.5, q, 0.0)), xp.where(lost, softplus(x), -xp.log(xp.where(lost, 1.0, rest)))
    return xp.where(q < 0.5, near, far), xp.where(none, -xp.inf, xp.log(xp.where(none, 1.0, q)))
