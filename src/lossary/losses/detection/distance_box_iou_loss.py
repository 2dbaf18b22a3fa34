from typing import Annotated, Literal

from lossary.core import boxes as of_boxes
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Choice, boxes
from lossary.core.record import Elsewhere, Example, Expect, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Boxes


@loss(
    family="detection",
    title="Distance IoU loss of boxes: the overlap, and the distance of the centres",
    formula=r"\ell_i = 1 - \frac{I}{U} + \frac{\rho^2}{W^2 + H^2}",
    symbols=of_boxes.symbols(r"I U W H \rho h r r' q a d g"),
    gradient=r"\frac{\partial \ell_i}{\partial r} = \frac{I h - (U + I) a}{U^2} + g \qquad a = q [r < r'] \qquad g = "
    r"\frac{d}{W^2 + H^2} - \frac{2 \rho^2 W [r > r']}{(W^2 + H^2)^2}",
    derivation=r"Let the right edge move out by $\mathrm{d}r$: the box grows by $h \, \mathrm{d}r$, what both share "
    r"by $a \, \mathrm{d}r$, where the edge lies inside the target, and the union by the rest. The centre moves by "
    r"half of $\mathrm{d}r$, which changes $\rho^2$ by $d \, \mathrm{d}r$; beyond the target's edge the hull's "
    "diagonal grows too. So boxes that lie apart are pulled together at any distance, though the pull weakens as the "
    "diagonal grows. The other edges alike, left and top with the sign turned. The derivative by a centre is the sum "
    "of those by both edges, that by a side half their difference.",
    unreduced="*n",
    sources=(
        Source(
            "Zheng, Wang, Liu, Li, Ye, Ren, Distance-IoU Loss, 2020",
            "eq. (7)",
            "arxiv.org/abs/1911.08287",
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
        Elsewhere("torchvision", "torchvision.ops.distance_box_iou_loss", "boxes1, boxes2; adds eps to areas and c²"),
        Elsewhere("ultralytics", "ultralytics.utils.metrics.bbox_iou", "1 - it, with DIoU=True"),
        Elsewhere("lossary", "box_iou_loss", "with kind='diou'"),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [1.0, 1.0, 3.0, 3.0], "reduction": "mean"},
            0.9682539682539683,
            "1 - 1/7 + 2/18",
        ),
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [4.0, 4.0, 6.0, 6.0], "reduction": "mean"},
            1.4444444444444444,
            "boxes apart: 1 + 32/72",
        ),
    ),
    use_when=(
        "Predictions start far from their targets, as with coarse anchors: the pull is on the centres.",
        "One box may lie inside the other for long: the distance of the centres still says where it should go.",
    ),
    not_when=(
        "Places are right soon and shapes are not: complete_box_iou_loss, or box_iou_loss with kind='eiou', which "
        "asks for each side.",
        "Results are to be compared with DETR's, which takes generalized_box_iou_loss.",
        "Masks are compared, not boxes: jaccard_loss or dice_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0, 1.0, 1.0], "target": [0.6, 0.6, 0.8, 0.8], "reduction": "mean"},
            1.0,
            "the whole image predicted, an object of 4% of it beside its centre: 1 - 0.04 + 0.08 / 2",
        ),
        "0, where each predicted box is its target; 2, the most, is neared by small boxes far apart.",
    ),
    minimiser=Minimiser(
        "none: the one box that is best for many targets has no formula. It is what an anchor should be; of targets "
        "that are all one box, that box."
    ),
    aliases=(
        "DistanceBoxIoULoss",
        "DIoU",
        "DIoULoss",
        "diou_loss",
        "distance IoU",
        "DIoU 损失",
        "距离交并比损失",
    ),
    pitfalls=(
        "The default reduction is 'none', as in torchvision: reduce before backward. Detectors divide the sum by the "
        "number of positives: reduction='mean' with normalizer=positives.",
        "Of boxes with one centre it is the plain IoU loss: nothing asks for the right shape.",
        "Boxes in pixels against boxes in [0, 1] overlap nowhere: the loss is about as large as it can be, and raises "
        "nothing.",
    ),
    plot=Plot(-3.0, 3.0, {"target": [[0.0, 0.0, 1.0, 1.0]]}, axis="offset of a unit box", embed=of_boxes.slid),
    domains=of_boxes.domains,
    kernel=Boxes("diou"),
)
def distance_box_iou_loss(
    input: Annotated[A, boxes("*n 4")],
    target: Annotated[Array, boxes("*n 4", broadcasts=True)],
    reduction: Reduction = "none",
    *,
    format: Annotated[Literal["xyxy", "xywh", "cxcywh"], Choice(voids_properties=("translation_invariant",))] = "xyxy",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """One less the overlap of two boxes, and the squared distance of their centres over that of their hull's corners.

    Use it to regress boxes that start apart: it moves them together directly, where `generalized_box_iou_loss` first
    makes them larger. It is between 0 and 2.

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
    No number is added to an area. Of two boxes of area 0 the IoU is 1 where they are one and the same, and else 0; the
    distance of two boxes that are one point is 0. Where two boxes have an end in common, they share the derivative of
    the smaller and of the larger in halves, so that the gradient of a perfect match is exactly 0. An empty mean is 0.

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
    >>> distance_box_iou_loss(x, np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 2.0, 1.0, 3.0]])).tolist()
    [0.0, 1.4]
    """
    return of_boxes.box_loss(input, target, "diou", format)
