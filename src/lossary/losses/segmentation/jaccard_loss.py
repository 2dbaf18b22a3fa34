from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Range, weights
from lossary.core.overlap import (
    ALL_OR_NOTHING,
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
from lossary.core.record import Elsewhere, Example, Expect, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import OverlapSums

HALVES = {"input": [[[0.5, 0.5]]], "target": [[[1.0, 0.0]]], "activation": "none", "smooth": 0.0}
"""A true pixel and a false one, both of probability 1/2."""


@loss(
    family="segmentation",
    title="Jaccard loss: 1 less the intersection over union of masks",
    formula=r"\ell_{nc} = 1 - \frac{TP + s}{TP + FP + FN + s} = \frac{FP + FN}{TP + FP + FN + s}, \qquad "
    r"TP = \sum_i w_i \min(p_i, t_i)",
    symbols=symbols("TP FP FN s w p t x"),
    gradient=r"\frac{\partial \ell_{nc}}{\partial p_i} = \frac{w_i}{TP + FP + FN + s} \begin{cases} -1 & p_i < t_i \\ "
    r"1 - \ell_{nc} & \text{otherwise} \end{cases} \qquad \text{softmax:} \; \frac{\partial p_c}{\partial x_k} = p_c "
    r"([c = k] - p_k) \qquad \text{sigmoid:} \; \frac{\partial p}{\partial x} = p (1 - p)",
    derivation=r"A probability that grows by $\mathrm{d}p$ moves $w_i \, \mathrm{d}p$ from $FN$ to $TP$ where it is "
    "below its target, and the union stays; elsewhere it adds to $FP$, and the union grows. So all true pixels pull "
    r"by 1 over the union, and all others push by the IoU, $1 - \ell$, over it: while little is found, false pixels "
    "are hardly held back. With overlap='product' $t_i$ itself stands for $[p_i < t_i]$. The factors of softmax or "
    "sigmoid are small where $p$ is near 0 or 1: a class that is missed altogether hardly learns.",
    unreduced="?N C",
    rows="?N *d",
    sources=(
        Source(
            "Jaccard, The Distribution of the Flora in the Alpine Zone, 1912",
            url="doi.org/10.1111/j.1469-8137.1912.tb05611.x",
        ),
        Source(
            "Wang, Ning, Blaschko, Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels, 2023",
            "soft masks",
            "arxiv.org/abs/2302.05666",
        ),
    ),
    properties=("nonnegative", "shift_invariant", "permutation_invariant", "class_symmetric", "bounded"),
    bounds=(0.0, 1.0),
    elsewhere=(
        Elsewhere(
            "monai",
            "monai.losses.DiceLoss",
            "with jaccard=True, softmax=True and to_onehot_y=True, of overlap='product'; smooth is 1e-5",
        ),
        Elsewhere(
            "segmentation-models-pytorch",
            "segmentation_models_pytorch.losses.JaccardLoss",
            "with mode='multiclass': batch=True, absent classes cost 0; smooth=0",
        ),
        Elsewhere("lossary", "tversky_loss", "alpha = beta = 1"),
        Elsewhere("lossary", "dice_loss", "jaccard / (2 - jaccard), with smooth=0"),
    ),
    examples=(
        Example(
            {"input": [[0.0, 0.0]], "target": [0]},
            7 / 24,
            "p = (½, ½): (½ / (½ + ½ + 1) + ½ / (½ + 1)) / 2, one absent",
        ),
        Example(HALVES, 2 / 3, "1 - ½ / (½ + ½ + ½)"),
        Example(
            {**HALVES, "input": [[[1.0, 0.0, 0.0, 0.0]]], "target": [[[1.0, 1.0, 0.0, 0.0]]]},
            0.5,
            "one of two pixels found: 1 - 1 / 2",
        ),
    ),
    use_when=(
        "Results are reported as mIoU: each class counts the same, whatever its size.",
        "A student learns the masks of a teacher: of soft masks overlap='minimum' is least at the masks themselves.",
    ),
    not_when=(
        "Boxes are compared, not masks: generalized_box_iou_loss.",
        "Misses and false alarms do not cost the same: tversky_loss.",
        "Probabilities should be right, not the mask alone: cross_entropy, which is calibrated.",
    ),
    expect=Expect(
        Example(
            {"input": [[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]], "target": [[0, 0, 0, 1]]},
            0.5079365079365079,
            "p = ½ for both classes, 3 pixels and 1: (2 / (3 + ½ + 1) + 2 / (1 + 1½ + 1)) / 2",
        ),
        EXACT,
    ),
    minimiser=ALL_OR_NOTHING,
    aliases=(
        "JaccardLoss",
        "Jaccard",
        "soft Jaccard",
        "soft IoU",
        "mIoU loss",
        "Jaccard 损失",
        "掩码 IoU 损失",
    ),
    pitfalls=(
        "It grows faster than dice_loss near a perfect prediction, twice as fast at 0, and slower near 1: both have "
        "the same minimum, and order predictions of one mask the same way.",
        "The mean over samples is not the IoU of a data set, whose sums run over all of it: batch=True is nearer to "
        "it.",
        "With smooth=0 a class that is absent costs 1 whatever is predicted of it, with gradient 0, and 0 if nothing "
        "is: nothing is learnt there. With a tiny smooth, as 1e-5, its gradient is up to 1 / smooth where almost "
        "nothing is predicted. smooth is in pixels: 1 falls smoothly.",
        "The mean is over samples and classes: a class of 3 pixels weighs as much as one of a million. Where most "
        "samples lack a class, batch=True or classes='present'.",
        "Probabilities in place of logits are softened once more, without an error: pass activation='none'.",
        "It is not calibrated, and its gradient vanishes where a class is missed altogether: it is mostly trained "
        "beside cross_entropy.",
    ),
    check=check_masks,
    domains=input_domain,
    variant=over_batch,
    kernel=OverlapSums(alpha=1.0, beta=1.0),
    plot=Plot(
        0.0,
        1.0,
        {"target": [[[1.0, 0.0]]], "activation": "none"},
        {"smooth": (0.0, 0.1, 1.0)},
        axis="probability of a true pixel",
        embed=lambda x: namespace(x).stack([x, 0.5 + 0 * x], axis=-1)[:, None, :],
    ),
)
def jaccard_loss(
    input: Annotated[A, INPUT],
    target: Annotated[Array, TARGET],
    weight: Annotated[Array | None, weights("C")] = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduction: Reduction = "mean",
    *,
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
    """What one mask of a class has and the other lacks, as a share of their union: 1 less the IoU.

    Use it for segmentation that is judged by the mean IoU. It orders predictions as `dice_loss` does, and is harder on
    them: a Dice loss of d is a Jaccard loss of 2d / (1 + d). Where one kind of error matters more use `tversky_loss`;
    for boxes it is not meant.

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
    smooth : float in [0, inf)
        Pixels that count as found in every class: added to both sides of TP / (TP + FP + FN).
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
    the gradient 0. A pixel of logits of -inf alone makes its sample NaN. The loss of a nearly perfect prediction keeps
    its digits: it is a ratio of sums of terms that are not negative, and never 1 less a number.

    Differs from torch
    ------------------
    torch has no such loss. From those of other libraries it differs so:

    - gradient of a class that is absent: set by smooth, in pixels; MONAI: up to 1e5; segmentation-models-pytorch: none
    - sums: of each sample; segmentation-models-pytorch: of the batch, as with batch=True
    - a soft mask that is predicted exactly: 0; MONAI: 2/3 where it is 1/2
    - mean with class weights: divided by their sum; MONAI: by their number
    - a loss below the rounding of 1: its digits; MONAI: 0

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
    >>> p, mask = np.array([[[1.0, 0.0, 0.0]]]), np.array([[[1.0, 1.0, 0.0]]])
    >>> float(jaccard_loss(p, mask, activation="none", smooth=0.0))
    0.5
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
        alpha=1.0,
        beta=1.0,
    )  # type: ignore[return-value]
