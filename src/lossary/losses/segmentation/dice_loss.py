from typing import Annotated

from lossary.core.arrays import A, Array, Impl, Reduction, namespace
from lossary.core.contract import Flag, Range, weights
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
    title="Dice loss: overlap of masks, the F1 score of each class",
    formula=r"\ell_{nc} = 1 - \frac{TP + s}{TP + \tfrac12 FP + \tfrac12 FN + s} = \frac{FP + FN}{2 \, TP + FP + FN + "
    r"2 s}, \qquad \text{squared:} \; \ell_{nc} = \frac{\sum_i w_i (p_i - t_i)^2}{\sum_i w_i (p_i^2 + t_i^2) + 2 s}",
    symbols=symbols("TP FP FN s w p t x"),
    gradient=r"\frac{\partial \ell_{nc}}{\partial p_i} = \frac{w_i}{2 \, TP + FP + FN + 2 s} \begin{cases} -1 - "
    r"\ell_{nc} & p_i < t_i \\ 1 - \ell_{nc} & \text{otherwise} \end{cases} \qquad \text{squared:} \; \frac{\partial "
    r"\ell_{nc}}{\partial p_i} = \frac{2 w_i ((1 - \ell_{nc}) p_i - t_i)}{\sum_j w_j (p_j^2 + t_j^2) + 2 s} \qquad "
    r"\text{softmax:} \; \frac{\partial p_c}{\partial x_k} = p_c ([c = k] - p_k) \qquad \text{sigmoid:} \; "
    r"\frac{\partial p}{\partial x} = p (1 - p)",
    derivation=r"A probability that grows by $\mathrm{d}p$ takes $w_i \, \mathrm{d}p$ from $FN$ where it is below its "
    "target, and elsewhere adds as much to $FP$; the denominator grows by it in both cases. So all true pixels pull "
    "alike, and all others push alike, by how the whole class fares and not by their own error; the smaller the "
    "masks, the harder. With overlap='product' $t_i$ itself stands for $[p_i < t_i]$. The factors of softmax or "
    "sigmoid are small where $p$ is near 0 or 1: a class that is missed altogether hardly learns.",
    unreduced="?N C",
    rows="?N *d",
    sources=(
        Source(
            "Dice, Measures of the Amount of Ecologic Association Between Species, 1945", url="doi.org/10.2307/1932409"
        ),
        Source(
            "Milletari, Navab, Ahmadi, V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image "
            "Segmentation, 2016",
            "sec. 3: the squared form",
            "arxiv.org/abs/1606.04797",
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
            "monai.losses.DiceLoss",
            "with softmax=True and to_onehot_y=True, of overlap='product', or 'minimum' with soft_label=True; "
            "smooth_nr = smooth_dr = 2 · smooth, which is 1e-5; its mean divides by samples times classes, whatever "
            "their weights",
        ),
        Elsewhere(
            "segmentation-models-pytorch",
            "segmentation_models_pytorch.losses.DiceLoss",
            "with mode='multiclass': batch=True, absent classes cost 0; smooth=0",
        ),
        Elsewhere(
            "kornia",
            "kornia.losses.dice_loss",
            "with average='macro', of classes='present' and smooth=eps/2; 'micro' adds the sums of the classes first",
        ),
        Elsewhere("keras", "keras.losses.Dice", "of probabilities, as one mask; overlap='product', smooth=5e-8"),
        Elsewhere(
            "optax",
            "optax.losses.dice_loss",
            "unreduced; overlap='product'; class weights are not divided by their sum",
        ),
        Elsewhere("lossary", "tversky_loss", "alpha = beta = 1/2"),
        Elsewhere("lossary", "jaccard_loss", "2 · dice / (1 + dice), with smooth=0"),
    ),
    examples=(
        Example(
            {"input": [[0.0, 0.0]], "target": [0]},
            6 / 35,
            "p = (½, ½): (½ / (1 + ½ + 2) + ½ / (½ + 2)) / 2, one absent",
        ),
        Example(HALVES, 0.5, "1 - 2·½ / (1 + 1)"),
        Example({**HALVES, "squared": True}, 1 / 3, "(¼ + ¼) / (½ + 1)"),
        Example({**HALVES, "target": [[[0.0, 0.0]]], "smooth": 1.0}, 1 / 3, "an absent class: 1 / (1 + 2·1)"),
        Example(
            {**HALVES, "input": [[[1.0, 0.0, 0.0, 0.0]]], "target": [[[1.0, 1.0, 0.0, 0.0]]]},
            1 / 3,
            "one of two pixels found: 1 - 2·1 / (1 + 2)",
        ),
    ),
    use_when=(
        "An object fills a few pixels of many, and the model is judged by Dice or F1.",
        "Masks are soft, as means of several annotators: overlap='minimum' is least at the mask itself.",
    ),
    not_when=(
        "Probabilities should be right, not the mask alone: cross_entropy, which is calibrated.",
        "Misses and false alarms do not cost the same: tversky_loss.",
        "Nearly all masks of a class are empty: sigmoid_focal_loss or cross_entropy, or batch=True here.",
    ),
    expect=Expect(
        Example(
            {"input": [[[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]], "target": [[0, 0, 0, 1]]},
            0.34285714285714286,
            "p = ½ for both classes, 3 pixels and 1: (2 / (3 + 2 + 2) + 2 / (1 + 2 + 2)) / 2",
        ),
        EXACT,
    ),
    minimiser=ALL_OR_NOTHING,
    aliases=(
        "DiceLoss",
        "Dice",
        "soft Dice",
        "Sørensen-Dice",
        "F1 loss",
        "V-Net loss",
        "Dice 损失",
        "Dice 系数损失",
    ),
    pitfalls=(
        "With overlap='product', which is that of most libraries, soft masks are best predicted by 0 or 1, and not by "
        "themselves.",
        "With smooth=0 a class that is absent costs 1 whatever is predicted of it, with gradient 0, and 0 if nothing "
        "is: nothing is learnt there. With a tiny smooth, as 1e-5, its gradient is up to 1 / smooth where almost "
        "nothing is predicted. smooth is in pixels: 1 falls smoothly from a half.",
        "Others add smooth to 2 TP: their smooth is twice this one. Compare losses of one smooth only.",
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
        -8.0,
        6.0,
        {"target": [[[0.0, 0.0]]], "activation": "sigmoid"},
        {"smooth": (1e-5, 0.1, 1.0)},
        axis="logit of one pixel; the class is absent",
        embed=lambda x: namespace(x).stack([x, 0 * x - 8], axis=-1)[:, None, :],
    ),
)
def dice_loss(
    input: Annotated[A, INPUT],
    target: Annotated[Array, TARGET],
    weight: Annotated[Array | None, weights("C")] = None,
    ignore_index: Annotated[int, Range(integer=True)] = -100,
    reduction: Reduction = "mean",
    *,
    activation: Activation = "softmax",
    smooth: Annotated[Array | float, SMOOTH] = 1.0,
    squared: Annotated[bool, Flag()] = False,
    overlap: Overlap = "minimum",
    batch: Batch = False,
    classes: Counted = "all",
    pixel_weight: Annotated[Array | None, PIXEL_WEIGHT] = None,
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """What is predicted and not true, and true and not predicted, as a share of both masks of a class.

    Use it for segmentation where classes have few pixels: each class counts the same, however small. Of hard masks it
    is 1 less the F1 score. Where one kind of error matters more use `tversky_loss`; where every pixel should count the
    same, `cross_entropy`, which is mostly trained beside it.

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
        Pixels that count as found in every class. As in optax; where others write (2 TP + s) / (P + T + s) it is s / 2.
    squared : bool
        The form of V-Net, with squares of probabilities: errors far from 0 and 1 count less. `overlap` has no part in
        it.
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

    - smooth: added to TP, and so twice to the sum of both masks; MONAI: once
    - gradient of a class that is absent: set by smooth, in pixels; MONAI: up to 1e5; segmentation-models-pytorch: none
    - all pixels ignored: 0; kornia: 1
    - sums: of each sample; segmentation-models-pytorch, Keras: of the batch, as with batch=True
      (qubvel-org/segmentation_models.pytorch#712)
    - a soft mask that is predicted exactly: 0; MONAI, Keras, optax: 0.5 where it is 1/2
    - mean with class weights: divided by their sum; MONAI, optax: by their number (Project-MONAI/MONAI#7729)
    - a loss below the rounding of 1: its digits; MONAI, kornia, Keras, optax: 0

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
    >>> logits, classes = np.zeros((1, 2, 1)), np.array([[0]])
    >>> dice_loss(logits, classes, smooth=0.0, reduction="none").tolist()
    [[0.3333333333333333, 1.0]]
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
        squared=squared,
    )  # type: ignore[return-value]
