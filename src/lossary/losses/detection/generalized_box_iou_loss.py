from typing import Annotated, Literal

from lossary.core import boxes as of_boxes
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Choice, boxes
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Boxes


@loss(
    family="detection",
    title="Generalized IoU loss of boxes: the overlap, and what of the hull neither box covers",
    formula=r"\ell_i = 1 - \frac{I}{U} + \frac{C - U}{C}",
    symbols=of_boxes.symbols(r"I U C H h r r' q a c"),
    gradient=r"\frac{\partial \ell_i}{\partial r} = \frac{I h - (U + I) a}{U^2} + c \qquad a = q [r < r'] \qquad c = "
    r"\frac{U H [r > r'] - C (h - a)}{C^2}",
    derivation=r"Let the right edge move out by $\mathrm{d}r$: the box grows by $h \, \mathrm{d}r$, what both share "
    r"by $a \, \mathrm{d}r$, where the edge lies inside the target, and the union by the rest. Beyond the target's "
    r"edge the hull grows too, by $H \, \mathrm{d}r$; the quotient rule does the rest. Of boxes that lie apart only "
    "the second term is left: it makes the prediction grow towards its target until both overlap. The other edges "
    "alike, left and top with the sign turned. The derivative by a centre is the sum of those by both edges, that by "
    "a side half their difference.",
    unreduced="*n",
    sources=(
        Source(
            "Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, Generalized Intersection over Union, 2019",
            url="arxiv.org/abs/1902.09630",
        ),
    ),
    properties=(
        "nonnegative",
        "zero_at_target",
        "symmetric",
        "translation_invariant",
        "scale_invariant",
        "permutation_invariant",
        "bounded",
    ),
    bounds=(0, 2),
    elsewhere=(
        Elsewhere("torchvision", "torchvision.ops.generalized_box_iou_loss", "boxes1, boxes2; adds eps to each area"),
        Elsewhere("ultralytics", "ultralytics.utils.metrics.bbox_iou", "1 - it, with GIoU=True"),
        Elsewhere("lossary", "box_iou_loss", "with kind='giou'"),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [1.0, 1.0, 3.0, 3.0], "reduction": "mean"},
            1.0793650793650793,
            "1 - 1/7 + (9 - 7) / 9",
        ),
        Example(
            {"input": [[0.0, 0.0, 2.0, 2.0]], "target": [[4.0, 4.0, 2.0, 2.0]], "format": "xywh", "reduction": "sum"},
            1.7777777777777777,
            "boxes apart: 1 + (36 - 8) / 36",
        ),
    ),
    use_when=(
        "A detector of DETR's kind is trained, whose loss of boxes is this one beside l1_loss of the coordinates.",
        "Predictions may miss their targets altogether, where the plain IoU has no gradient.",
    ),
    not_when=(
        "Predictions start far off and should move rather than grow: distance_box_iou_loss.",
        "One box often lies inside the other, where it is the plain IoU loss: distance_box_iou_loss, or "
        "complete_box_iou_loss where the shape matters too.",
        "Masks are compared, not boxes: jaccard_loss or dice_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0, 1.0, 1.0], "target": [0.4, 0.4, 0.6, 0.6], "reduction": "mean"},
            0.96,
            "the whole image predicted, an object of 4% of it: 1 - 0.04; the hull is the image",
        ),
        "0, where each predicted box is its target; 2, the most, is neared by small boxes far apart.",
    ),
    minimiser=Minimiser(
        "none: the one box that is best for many targets has no formula. It is what an anchor should be; of targets "
        "that are all one box, that box."
    ),
    aliases=(
        "GeneralizedBoxIoULoss",
        "GIoU",
        "GIoULoss",
        "giou_loss",
        "generalized IoU",
        "GIoU 损失",
        "广义交并比损失",
    ),
    pitfalls=(
        "The default reduction is 'none', as in torchvision: reduce before backward. Detectors divide the sum by the "
        "number of positives: reduction='mean' with normalizer=positives.",
        "Of boxes inside each other it is the plain IoU loss: it does not see where the inner one lies.",
        "Boxes in pixels against boxes in [0, 1] overlap nowhere: the loss is about as large as it can be, and raises "
        "nothing.",
    ),
    plot=Plot(-3.0, 3.0, {"target": [[0.0, 0.0, 1.0, 1.0]]}, axis="offset of a unit box", embed=of_boxes.slid),
    domains=of_boxes.domains,
    kernel=Boxes("giou"),
)
def generalized_box_iou_loss(
    input: Annotated[A, boxes("*n 4")],
    target: Annotated[Array, boxes("*n 4", broadcasts=True)],
    reduction: Reduction = "none",
    *,
    format: Annotated[Literal["xyxy", "xywh", "cxcywh"], Choice(voids_properties=("translation_invariant",))] = "xyxy",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """One less the overlap of two boxes, and the share of their hull that neither covers.

    Use it to regress boxes: it is between 0 and 2, falls as boxes that lie apart come nearer, and is invariant to the
    scale of the image. Where centres should be found first, take `distance_box_iou_loss`.

    Parameters
    ----------
    input : floating array (..., 4)
        Predicted boxes.
    target : array that broadcasts to the shape of `input`
        True boxes, one for each predicted one.
    format : "xyxy", "xywh" or "cxcywh"
        What the four numbers are: (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2; the corner (x1, y1) and the sides; or
        the centre and the sides. Of both arguments alike, in any unit that both share.
    reduction : "none", "mean" or "sum"
    sample_weight, normalizer, impl
        As for every loss: a weight for each box, the denominator of the mean, and the implementation
        (docs/conventions.md).

    Edge cases
    ----------
    No number is added to an area. Of two boxes of area 0 the IoU is 1 where they are one and the same, and else 0, and
    so is the share that they cover of a hull without area. Where two boxes have an end in common, they share the
    derivative of the smaller and of the larger in halves, so that the gradient of a perfect match is exactly 0. An
    empty mean is 0.

    Differs from torch
    ------------------
    torch has no losses of boxes. From torchvision's and others it differs so:

    - identical boxes of side 1e-5 in fp32: 0; torchvision: 0.999, with eps=1e-7
    - identical points: 0; torchvision: 1 (pytorch/vision#7746)
    - a box with x2 < x1: `ValueError` on the CPU; torchvision: a number (pytorch/vision#2582)
    - names of the first two arguments: input and target, as in torch; torchvision: boxes1 and boxes2

    Raises
    ------
    ValueError, TypeError
        Where a box has its ends in the wrong order or a negative side (on the CPU; NaN where values cannot be read), or
        shapes, dtypes or options do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    >>> generalized_box_iou_loss(x, np.array([[0.0, 0.0, 2.0, 1.0], [3.0, 0.0, 4.0, 1.0]])).tolist()
    [0.5, 1.5]
    """
    return of_boxes.box_loss(input, target, "giou", format)
