from typing import Annotated, Any

import numpy as np

from lossary.core.arrays import A, Array, Impl, Reduction, is_array, namespace
from lossary.core.contract import Range, logits, target_probabilities
from lossary.core.elementary import is_number, modulated, softplus, times
from lossary.core.minimisers import LARGEST_LOGIT, crossing
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Elementwise


def _functor(options: dict[str, Any]) -> tuple[Any, ...]:
    alpha, gamma = options["alpha"], options["gamma"]
    return "SigmoidFocalOfSquares" if gamma == 2 else "SigmoidFocal", alpha, gamma


def _minimiser(target: np.ndarray, alpha: float = 0.25, gamma: float = 2) -> float:
    def slope(x: float) -> float:
        p, rest = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
        missed = target * rest + (1 - target) * p
        nll = -target * np.log(p) - (1 - target) * np.log(rest)
        focused = missed**gamma * (p - target - gamma * (2 * target - 1) * p * rest / missed * nll)
        return float(np.sum(focused if alpha == -1 else (alpha * target + (1 - alpha) * (1 - target)) * focused))

    return crossing(slope, -LARGEST_LOGIT, LARGEST_LOGIT)


@loss(
    family="binary",
    title="Focal loss of binary logits",
    formula=r"\ell_i = w_i (1 - q_i)^\gamma b_i, \qquad b_i = -t_i \log \sigma(x_i) - (1 - t_i) \log \sigma(-x_i), "
    r"\qquad q_i = t_i \sigma(x_i) + (1 - t_i) \sigma(-x_i), \qquad w_i = \alpha t_i + (1 - \alpha)(1 - t_i)",
    symbols={
        "x": "input",
        "t": "target",
        r"\alpha": "alpha",
        r"\gamma": "gamma",
        "q": "the probability given to the target",
        "w": "the weight by alpha",
        "b": "binary cross-entropy",
        "p": "the predicted probability",
        r"\sigma": "the sigmoid",
    },
    gradient=r"\frac{\partial \ell_i}{\partial x_i} = w_i (1 - q_i)^\gamma "
    r"\left[ p_i - t_i - \gamma \frac{q'_i}{1 - q_i} b_i \right], \qquad "
    r"p_i = \sigma(x_i), \qquad q_i = t_i p_i + (1 - t_i)(1 - p_i), \qquad q'_i = (2 t_i - 1) p_i (1 - p_i), \qquad "
    r"b_i = -t_i \log p_i - (1 - t_i) \log(1 - p_i), \qquad w_i = \alpha t_i + (1 - \alpha)(1 - t_i)",
    derivation=r"The product rule: binary cross-entropy, $b_i$, has the derivative $p_i - t_i$, and $q_i$ has $q'_i$. "
    r"For labels 0 and 1, $1 - q_i$ is $|p_i - t_i|$ and $b_i$ is $-\log q_i$: what is left has the size "
    r"$w_i (1 - q_i)^\gamma (1 - q_i - \gamma q_i \log q_i)$. At $\gamma = 2$ and $w_i = 1$ a prediction that is "
    r"right at $q_i = 0.9$ pulls with $0.0029$, where binary cross-entropy pulls with $0.1$.",
    unreduced="*s",
    sources=(
        Source(
            "Lin, Goyal, Girshick, He, Dollár, Focal Loss for Dense Object Detection, 2017",
            "eq. (5)",
            "arxiv.org/abs/1708.02002",
        ),
    ),
    properties=("nonnegative", "permutation_invariant"),
    elsewhere=(
        Elsewhere("torchvision", "torchvision.ops.sigmoid_focal_loss", "the arguments are called inputs and targets"),
        Elsewhere("optax", "optax.losses.sigmoid_focal_loss", "unreduced; alpha is None by default"),
        Elsewhere("keras", "keras.losses.BinaryFocalCrossentropy", "with from_logits and apply_class_balancing True"),
        Elsewhere("lossary", "binary_cross_entropy_with_logits", "with alpha=-1 and gamma=0"),
        Elsewhere("lossary", "focal_loss", "of the two logits (0, x), with weight=[1 - alpha, alpha]"),
        Elsewhere("kornia", "kornia.losses.binary_focal_loss_with_logits", "of at least two dimensions, unreduced"),
        Elsewhere("monai", "monai.losses.FocalLoss", "with alpha=0.25, which is None by default; its mean"),
        Elsewhere(
            "segmentation-models-pytorch",
            "segmentation_models_pytorch.losses.FocalLoss",
            "with mode='binary' and alpha=0.25, which is None by default; its mean",
        ),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0], "target": [1.0, 0.0], "reduction": "sum"},
            0.17328679513998632,
            "(¼ + ¾)(1 - ½)² log 2",
        ),
        Example(
            {"input": [1.0986122886681098], "target": [1.0], "alpha": -1, "gamma": 1.0, "reduction": "sum"},
            0.07192051811294523,
            "p = ¾: ¼ log(4/3)",
        ),
    ),
    use_when=(
        "A detector scores each place of an image, and nearly all of them are background.",
        "Rare positives drown in negatives that the model has long learnt, and their ranking matters, not their value.",
    ),
    not_when=(
        "Probabilities are to be believed, or compared with a cost: binary_cross_entropy_with_logits, which is proper.",
        "Classes are out of balance but no example is easy: binary_cross_entropy_with_logits with pos_weight.",
        "Labels may be missing among the negatives: asymmetric_loss, whose clip lets go of those.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0] * 4, "target": [1.0, 0.0, 0.0, 0.0], "reduction": "mean"},
            0.10830424696249145,
            "logits of 0: ¼ log 2, times the mean of alpha, (0.25 + 3·0.75) / 4",
        ),
        "0 of labels 0 and 1, approached as each logit goes to its side; never below.",
    ),
    minimiser=Minimiser(
        "No log-odds, since it is not proper: with alpha=-1 and gamma=2 the prediction for a share π of positives is "
        "drawn toward ½; alpha shifts it, at the default toward the negatives. gamma=0 and alpha=-1 leave log(π / (1 "
        "- π)).",
        _minimiser,
    ),
    aliases=(
        "BinaryFocalCrossentropy",
        "binary focal loss",
        "binary_focal_loss_with_logits",
        "RetinaNet",
        "二元 focal 损失",
        "二分类焦点损失",
    ),
    pitfalls=(
        "The default reduction is 'none', as in torchvision: reduce before backward.",
        "alpha=0.25 makes negatives three times as heavy as positives: it was tuned together with gamma=2, for which "
        "easy negatives hardly count. With another gamma tune it again, or pass alpha=-1.",
        "Detectors divide the sum by the number of positive anchors: reduction='mean' with normalizer=positives. The "
        "plain mean over all anchors is thousands of times smaller.",
        "At the start nearly all anchors are negative, and their sum drowns the rest: initialise the last bias at "
        "-log((1 - π)/π), with π = 0.01.",
        "It is no proper score: at gamma=2 and alpha=-1 a label of frequency 90% is fitted as 69%.",
    ),
    plot=Plot(-6.0, 6.0, {"target": 1.0, "alpha": -1}, {"gamma": (0.0, 0.5, 2.0, 5.0)}, axis="logit of a positive"),
    kernel=Elementwise(_functor),
)
def sigmoid_focal_loss(
    input: Annotated[A, logits("*s")],
    target: Annotated[A, target_probabilities("*s")],
    alpha: Annotated[Array | float, Range(0.0, 1.0, extra_values=(-1.0,))] = 0.25,
    gamma: Annotated[Array | float, Range(0.0, high_open=True)] = 2,
    reduction: Reduction = "none",
    *,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """Binary cross-entropy that counts a prediction the less, the surer it is and right.

    Use it for dense detection and multi-label problems, where easy negatives outnumber all else a thousandfold. For one
    class out of many use `focal_loss`; where probabilities must be right, `binary_cross_entropy_with_logits`.

    Parameters
    ----------
    input : floating array of any shape
        Logits: log-odds, before any sigmoid.
    target : array of the same shape, in [0, 1]
        Labels 0 and 1, or probabilities, for which the modulating factor is that of the mixture q.
    alpha : float in [0, 1], or -1
        Weight of positives, that of negatives being 1 - alpha. -1 weighs neither.
    gamma : float in [0, inf)
        Power of the modulating factor. 0 is binary cross-entropy, weighted by alpha.
    reduction : "none", "mean" or "sum"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A prediction that is right beyond doubt costs 0 with gradient 0 for every gamma, logits of ±inf among them; on the
    wrong side ±inf costs inf. An alpha of 0 or 1 removes an infinite loss of the labels that it weighs with 0.

    Differs from torch
    ------------------
    torch has no such function. From torchvision's and others it differs so:

    - gamma below 1 at a probability of 0 or 1: a finite gradient; torchvision, kornia: NaN (kornia/kornia#918,
      google-deepmind/optax#1267)
    - infinite logits: 0 on the right side, inf on the wrong one; torchvision: NaN, kornia from 100 on
      (kornia/kornia#2115)
    - a loss below the rounding of 1: its digits; torchvision: 0
    - targets outside [0, 1]: `ValueError` on the CPU; torchvision: accepted
    - names of the first two arguments: input and target, as in torch; torchvision: inputs and targets

    Raises
    ------
    ValueError, TypeError
        On the CPU where targets leave [0, 1]; where shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_focal_loss(np.array([0.0, 0.0]), np.array([1.0, 0.0])).tolist()  # α (1 - 1/2)² log 2
    [0.04332169878499658, 0.12996509635498973]
    """
    xp = namespace(input)
    nll = times(target, softplus(-input)) + times(1 - target, softplus(input))
    rest = target * xp.exp(-softplus(input)) + (1 - target) * xp.exp(-softplus(-input))
    certain = rest == 0  # it is e^-|x| there, too small for a float
    log_rest = xp.where(certain, -softplus(xp.abs(input)), xp.log(xp.where(certain, 1.0, rest)))
    focal = modulated(nll, log_rest, gamma)
    if is_number(alpha, -1):
        return focal
    balance = alpha * target + (1 - alpha) * (1 - target)
    return times(xp.where(alpha == -1, 1.0, balance) if is_array(alpha) else balance, focal)
