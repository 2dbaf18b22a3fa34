from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Range, weights
from lossary.core.overlap import (
    COEFFICIENT,
    EXACT,
    INPUT,
    PIXEL_WEIGHT,
    SMOOTH,
    TARGET,
    Activation,
    Batch,
    Counted,
    Overlap,
    check_masks,
    input_domain,
    over_batch,
    overlap_loss,
    symbols,
)
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import OverlapSums

HALVES = {"input": [[[0.5, 0.5]]], "target": [[[1.0, 0.0]]], "activation": "none", "smooth": 0.0}
"""A true pixel and a false one, both of probability 1/2."""


@loss(
    family="segmentation",
    title="Tversky loss: overlap of masks, with weights of false positives and false negatives",
    formula=r"\ell_{nc} = \left(\frac{\alpha \, FP + \beta \, FN}{TP + \alpha \, FP + \beta \, FN + "
    r"s}\right)^{\gamma}, \qquad TP = \sum_i w_i \min(p_i, t_i), \qquad FP = \sum_i w_i p_i - TP, \qquad FN = \sum_i "
    "w_i t_i - TP",
    symbols=symbols("TP FP FN s w p t x")
    | {r"\alpha": "alpha", r"\beta": "beta", r"\gamma": "gamma", "u": "loss with gamma=1", "R": "the denominator"},
    gradient=r"\frac{\partial \ell_{nc}}{\partial p_i} = \frac{w_i \gamma u^{\gamma - 1}}{R} \begin{cases} -\beta - "
    r"(1 - \beta) u & p_i < t_i \\ \alpha (1 - u) & \text{otherwise} \end{cases} \qquad u = \frac{\alpha \, FP + "
    r"\beta \, FN}{R} \qquad R = TP + \alpha \, FP + \beta \, FN + s \qquad \text{softmax:} \; \frac{\partial "
    r"p_c}{\partial x_k} = p_c ([c = k] - p_k) \qquad \text{sigmoid:} \; \frac{\partial p}{\partial x} = p (1 - p)",
    derivation=r"A probability that grows by $\mathrm{d}p$ moves $w_i \, \mathrm{d}p$ from $FN$ to $TP$ where it is "
    r"below its target, and elsewhere adds it to $FP$; the quotient rule weighs the one by $\beta$, the other by "
    r"$\alpha$. So $\beta > \alpha$ pulls at true pixels harder than it pushes at others, and finds more. $\gamma "
    r"u^{\gamma - 1}$ is the factor of the power: with $\gamma > 1$ classes that are nearly right count less. With "
    "overlap='product' $t_i$ itself stands for $[p_i < t_i]$. The factors of softmax or sigmoid are small where $p$ "
    "is near 0 or 1: a class that is missed altogether hardly learns.",
    unreduced="?N C",
    rows="?N *d",
    sources=(
        Source("Tversky, Features of Similarity, 1977", url="doi.org/10.1037/0033-295X.84.4.327"),
        Source(
            "Salehi, Erdogmus, Gholipour, Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional "
            "Deep Networks, 2017",
            "eq. (3)",
            "arxiv.org/abs/1706.05721",
        ),
        Source(
            "Abraham, Khan, A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion "
            "Segmentation, 2018",
            "eq. (4): gamma, which its figure 1 takes for its inverse",
            "arxiv.org/abs/1810.07842",
        ),
        Source(
            "Wang, Popordanoska, Bertels, Lemmens, Blaschko, Dice Semimetric Losses, 2023",
            "soft masks",
            "arxiv.org/abs/2303.16296",
        ),
    ),
    properties=("nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric", "bounded"),
    bounds=(0.0, 1.0),
    elsewhere=(
        Elsewhere(
            "monai",
            "monai.losses.TverskyLoss",
            "with softmax=True and to_onehot_y=True, of gamma 1 and overlap='product'; smooth_nr = smooth_dr = "
            "smooth, which is 1e-5; its mean divides by samples times classes, whatever their weights",
        ),
        Elsewhere(
            "segmentation-models-pytorch",
            "segmentation_models_pytorch.losses.TverskyLoss",
            "with mode='multiclass': batch=True, absent classes cost 0; smooth=0; gamma is that of the mean over "
            "classes, not of each",
        ),
        Elsewhere(
            "kornia",
            "kornia.losses.tversky_loss",
            "of class indices; of classes='present' and smooth=eps",
        ),
        Elsewhere(
            "keras",
            "keras.losses.Tversky",
            "of probabilities, as one mask; smooth=1e-7; up to 3.15 alpha and beta are exchanged",
        ),
        Elsewhere("lossary", "dice_loss", "alpha = beta = 1/2"),
        Elsewhere("lossary", "jaccard_loss", "alpha = beta = 1"),
    ),
    examples=(
        Example({"input": [[0.0, 0.0]], "target": [0]}, 6 / 35, "p = (½, ½): (¼ / (½ + ¼ + 1) + ¼ / (¼ + 1)) / 2"),
        Example({**HALVES, "alpha": 0.3, "beta": 0.7}, 0.5, "0.5 / (0.5 + 0.3·0.5 + 0.7·0.5)"),
        Example({**HALVES, "alpha": 0.3, "beta": 0.7, "gamma": 0.75}, 0.5946035575013605, "0.5^(3/4)"),
        Example({**HALVES, "alpha": 0.3, "beta": 0.7, "gamma": 4 / 3}, 0.3968502629920499, "0.5^(4/3)"),
        Example({**HALVES, "alpha": 1.0, "beta": 1.0}, 2 / 3, "1 / (0.5 + 0.5 + 0.5)"),
    ),
    use_when=(
        "A miss costs more than a false alarm, as of lesions: beta above alpha; or less: alpha above beta.",
        "Classes that are nearly right should count less than the others: gamma above 1.",
    ),
    not_when=(
        "Both errors cost the same: dice_loss or jaccard_loss, with two options fewer.",
        "Probabilities should be right, not the mask alone: cross_entropy, with weight for rare classes.",
        "Pixels are hard or easy each for itself: sigmoid_focal_loss or focal_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]], "target": [[0, 0, 0, 1]]},
            0.34285714285714286,
            "p = ½ for both classes, 3 pixels and 1: (1 / (1½ + 1 + 1) + 1 / (½ + 1 + 1)) / 2",
        ),
        EXACT,
    ),
    minimiser=Minimiser(
        "none: no share of classes is best. One probability for all n pixels of a mask, of which a share q is true, "
        "costs least at 1 where beta · q (q n + smooth) > alpha · (1 - q) smooth, and else at 0."
    ),
    aliases=(
        "TverskyLoss",
        "Tversky",
        "FocalTverskyLoss",
        "focal Tversky",
        "Tversky 损失",
        "特沃斯基损失",
    ),
    pitfalls=(
        "alpha weighs false positives, beta false negatives: for lesions that must not be missed beta is the larger. "
        "Some libraries have them the other way round.",
        "gamma is an exponent. The paper's exponent is 1 / gamma: its gamma of 4/3 is 0.75 here.",
        "alpha = beta = 0 costs nothing, whatever the input.",
        "With smooth=0 a class that is absent costs 1 whatever is predicted of it, with gradient 0, and 0 if nothing "
        "is: nothing is learnt there. With a tiny smooth, as 1e-5, its gradient is up to 1 / smooth where almost "
        "nothing is predicted. smooth is in pixels: 1 falls smoothly from a half.",
        "The mean is over samples and classes: a class of 3 pixels weighs as much as one of a million. Where most "
        "samples lack a class, batch=True or classes='present'.",
        "Probabilities in place of logits are softened once more, without an error: pass activation='none'.",
        "It is not calibrated, and its gradient vanishes where a class is missed altogether: it is mostly trained "
        "beside cross_entropy.",
    ),
    check=check_masks,
    domains=input_domain,
    variant=over_batch,
    kernel=OverlapSums(),
    plot=Plot(
        0.0,
        1.0,
        {"target": [[[1.0, 0.0]]], "activation": "none", "smooth": 0.0},
        {"alpha": (0.1, 0.5, 0.9)},
        axis="probability of a false pixel",
        embed=lambda x: namespace(x).stack([0.5 + 0 * x, x], axis=-1)[:, None, :],
    ),
)
def tversky_loss(
    input: Annotated[A, INPUT],
    target: Annotated[Array, TARGET],
    weight: Annotated[Array | None, weights("C")] = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduction: Reduction = "mean",
    *,
    alpha: Annotated[Array | float, COEFFICIENT] = 0.5,
    beta: Annotated[Array | float, COEFFICIENT] = 0.5,
    gamma: Annotated[Array | float, Range(0.0, low_open=True, high_open=True)] = 1.0,
    activation: Activation = "softmax",
    smooth: Annotated[Array | float, SMOOTH] = 1.0,
    overlap: Overlap = "minimum",
    batch: Batch = False,
    classes: Counted = "all",
    pixel_weight: Annotated[Array | None, PIXEL_WEIGHT] = None,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What is predicted but not true, and true but not predicted, as a share of the mask of a class.

    Use it for segmentation where a class has few pixels and one kind of error matters more: with beta > alpha misses
    count more than false alarms. At alpha = beta = 1/2 it is `dice_loss`, at 1 `jaccard_loss`; with gamma it is the
    focal Tversky loss. Where every pixel should count the same use `cross_entropy`.

    Parameters
    ----------
    input : floating array (N, C, d1, ...), or (C,)
        Logits; with activation="none" probabilities.
    target : integer array (N, d1, ...), or array of the shape of `input`
        Classes, 0 to C - 1, of any integer dtype; or for each class a mask of 0 and 1, or a soft one in [0, 1].
    weight : array (C,), optional
        Weight of each class. The mean divides by the sum of the weights of the classes that it counts; a weight of 0
        leaves a class out, as the background.
    ignore_index : int
        Pixels with this class index are in none of the sums. With masks it must stay negative: use `pixel_weight`.
    activation : "softmax", "sigmoid" or "none"
        What makes probabilities of the input: over the classes, of each number alone (masks that may overlap, or a
        single class), or nothing.
    alpha, beta : float in [0, inf)
        Weights of false positives and of false negatives.
    gamma : float in (0, inf)
        Exponent of the loss of each sample and class. Below 1 small losses learn faster, above 1 large ones.
    smooth : float in [0, inf)
        Pixels that count as found in every class: added to both sides of the ratio TP / (TP + alpha FP + beta FN).
    overlap : "minimum" or "product"
        What soft masks share with probabilities: the smaller of both, so that only equal ones cost nothing, or the
        product, which is least at p = 0 or 1 whatever the mask. Of masks of 0 and 1 both are the same.
    batch : bool
        Whether the sums run over the batch too: one loss for each class, (C,), for small objects that many samples
        lack. `sample_weight` (N,) then weighs the pixels of each sample; else, of shape (N,) or (N, C), the losses.
    classes : "all" or "present"
        "present" leaves out, of value and mean, the classes of which a sample has no pixel.
    pixel_weight : array (N, d1, ...), optional
        Weight of each pixel, inside the sums. What a pixel of weight 0 holds does not count.
    reduction : "mean", "sum" or "none"
    sample_weight, normalizer, impl
        As for every loss: a weight for each row or element, the denominator of the mean, and the
        implementation (docs/conventions.md).

    Edge cases
    ----------
    A class that is absent and not predicted costs 0, also without smoothing, where it is 0 / 0 and has the gradient 0;
    so does one whose pixels are all ignored or of weight 0. Infinite logits are probabilities of exactly 0 and 1, with
    the gradient 0. A loss of exactly 0 has the gradient 0 for every gamma but 1. A pixel of logits of -inf alone makes
    its sample NaN. The loss of a nearly perfect prediction keeps its digits: it is a ratio of sums of terms that are
    not negative, and never 1 less a number.

    Differs from torch
    ------------------
    torch has no such loss. From those of other libraries it differs so:

    - alpha: weighs false positives; Keras 3: false negatives, up to 3.15 (keras-team/keras#23333)
    - gamma: the exponent of each class; segmentation-models-pytorch: of their mean
      (qubvel-org/segmentation_models.pytorch#734)
    - gradient of a class that is absent: set by smooth, in pixels; MONAI: up to 1e5; segmentation-models-pytorch: none
    - a soft mask that is predicted exactly: 0; MONAI, Keras, kornia: 0.5 where it is 1/2

    Raises
    ------
    IndexError
        On the CPU where a target is not a class.
    ValueError, TypeError
        Where a single class goes with a softmax or with class indices; where shapes, dtypes or options do not fit, or
        masks or probabilities leave [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> p, mask = np.array([[[0.5, 0.5]]]), np.array([[[1.0, 0.0]]])
    >>> float(tversky_loss(p, mask, activation="none", smooth=0.0, alpha=1.0, beta=1.0))
    0.6666666666666666
    """
    return overlap_loss(
        input,
        target,
        weight=weight,
        ignore_index=ignore_index,
        activation=activation,
        smooth=smooth,
        overlap=overlap,
        batch=batch,
        classes=classes,
        pixel_weight=pixel_weight,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
    )  # type: ignore[return-value]
