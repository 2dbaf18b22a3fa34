from typing import Annotated, Literal

from lossary.core import boxes as of_boxes
from lossary.core.arrays import A, Array, Impl, Reduction
from lossary.core.contract import Choice, boxes
from lossary.core.record import Elsewhere, Example, Expect, Held, Minimiser, Plot, Source
from lossary.dispatch.loss import loss
from lossary.kernels.families import Boxes


@loss(
    family="detection",
    title="Complete IoU loss of boxes: the overlap, the distance of the centres, and the aspect ratios",
    formula=r"\ell_i = 1 - \frac{I}{U} + \frac{\rho^2}{W^2 + H^2} + \alpha v, \qquad "
    r"v = \frac{4}{\pi^2} \left(\arctan \frac{w'}{h'} - \arctan \frac{w}{h}\right)^2, \qquad "
    r"\alpha = \frac{v}{1 - I / U + v}",
    symbols=of_boxes.symbols(r"I U W H \rho w h w' h' \alpha v r r' q a d g k"),
    gradient=r"\frac{\partial \ell_i}{\partial r} = \frac{I h - (U + I) a}{U^2} + g + k \qquad a = q [r < r'] \qquad "
    r"g = \frac{d}{W^2 + H^2} - \frac{2 \rho^2 W [r > r']}{(W^2 + H^2)^2} \qquad k = \frac{8 \alpha h}{\pi^2 (w^2 + "
    r"h^2)} \left(\arctan \frac{w}{h} - \arctan \frac{w'}{h'}\right)",
    derivation=r"Let the right edge move out by $\mathrm{d}r$: the box grows by $h \, \mathrm{d}r$, what both share "
    r"by $a \, \mathrm{d}r$, where the edge lies inside the target, and the union by the rest. The centre moves by "
    r"half of it, which changes $\rho^2$ by $d \, \mathrm{d}r$, and the angle $\arctan(w / h)$ by $h \, \mathrm{d}r / "
    r"(w^2 + h^2)$. $\alpha$ is held: it grows as boxes come to overlap, so that place comes before shape. The other "
    "edges alike, left and top with the sign turned. The derivative by a centre is the sum of those by both edges, "
    "that by a side half their difference.",
    unreduced="*n",
    held=(Held("α", "the weight v / (1 - IoU + v) of the aspect ratios"),),
    sources=(
        Source(
            "Zheng, Wang, Liu, Li, Ye, Ren, Distance-IoU Loss, 2020",
            "eqs. (9) to (11)",
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
    bounds=(0, 3),
    elsewhere=(
        Elsewhere("torchvision", "torchvision.ops.complete_box_iou_loss", "boxes1, boxes2; adds eps to areas and c²"),
        Elsewhere("ultralytics", "ultralytics.utils.metrics.bbox_iou", "1 - it, with CIoU=True; adds eps to heights"),
        Elsewhere("lossary", "box_iou_loss", "with kind='ciou'"),
    ),
    examples=(
        Example(
            {"input": [0.0, 0.0, 4.0, 1.0], "target": [0.0, 0.0, 2.0, 2.0], "reduction": "mean"},
            0.7470133500170708,
            "1 - 2/6 + 1.25/20 + v² / (4/6 + v), v = 4/π² (arctan 4 - π/4)²",
        ),
        Example(
            {"input": [0.0, 0.0, 2.0, 2.0], "target": [1.0, 1.0, 3.0, 3.0], "reduction": "mean"},
            0.9682539682539683,
            "of one shape: 1 - 1/7 + 2/18",
        ),
    ),
    use_when=(
        "Overlap and place are right soon, and shapes lag behind: people who stand, lines of text, poles.",
        "Results are to be compared with YOLOv5 or YOLOv8, which train boxes with it.",
    ),
    not_when=(
        "Width and height should each be right: box_iou_loss with kind='eiou'. Boxes of one aspect ratio and one "
        "centre are told apart here by their IoU alone.",
        "The gradient must be that of the value, as for second derivatives: box_iou_loss with kind='ciou' and "
        "held_alpha=False.",
        "Masks are compared, not boxes: jaccard_loss or dice_loss.",
    ),
    expect=Expect(
        Example(
            {"input": [0.0, 0.0, 1.0, 1.0], "target": [0.5, 0.7, 0.9, 0.8], "reduction": "mean"},
            1.0242420854327692,
            "the whole image predicted, a flat object of 4% of it: 1 - 0.04 + 0.1025 / 2 + v² / (0.96 + v), v = 4/π² "
            "(π/4 - arctan 4)²",
        ),
        "0, where each predicted box is its target.",
    ),
    minimiser=Minimiser(
        "none: the one box that is best for many targets has no formula. It is what an anchor should be; of targets "
        "that are all one box, that box."
    ),
    aliases=(
        "CompleteBoxIoULoss",
        "CIoU",
        "CIoULoss",
        "ciou_loss",
        "complete IoU",
        "CIoU 损失",
        "完全交并比损失",
    ),
    pitfalls=(
        "The default reduction is 'none', as in torchvision: reduce before backward. Detectors divide the sum by the "
        "number of positives: reduction='mean' with normalizer=positives.",
        "The gradient of v falls with 1 / (w² + h²): it is large for boxes in [0, 1]. The paper drops that factor, so "
        "that it is no gradient of the loss; here it stays.",
        "It does not ask for the right size: boxes of one centre and one aspect ratio have the plain IoU loss.",
        "Boxes in pixels against boxes in [0, 1] overlap nowhere: the loss is about as large as it can be, and raises "
        "nothing.",
    ),
    plot=Plot(-3.0, 3.0, {"target": [[0.0, 0.0, 1.0, 1.0]]}, axis="offset of a unit box", embed=of_boxes.slid),
    domains=of_boxes.domains,
    kernel=Boxes("ciou"),
)
def complete_box_iou_loss(
    input: Annotated[A, boxes("*n 4")],
    target: Annotated[Array, boxes("*n 4", broadcasts=True)],
    reduction: Reduction = "none",
    *,
    format: Annotated[Literal["xyxy", "xywh", "cxcywh"], Choice(voids_properties=("translation_invariant",))] = "xyxy",
    sample_weight: Array | None = None,
    normalizer: Array | float | None = None,
    impl: Impl = "auto",
) -> A:
    """One less the overlap of two boxes, the distance of their centres, and how much their aspect ratios differ.

    Use it to regress boxes where shapes matter, as YOLO does: `distance_box_iou_loss`, and a term for the aspect ratio
    whose weight grows as the boxes come to overlap. It is between 0 and 3. The weight α is a constant in derivatives,
    as in the paper; `box_iou_loss(kind='ciou', held_alpha=False)` has the derivatives of the whole.

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
    distance of two boxes that are one point is 0. A point has every aspect ratio: v is 0, and its gradient too. Where
    two boxes have an end in common, they share the derivative of the smaller and of the larger in halves, so that the
    gradient of a perfect match is exactly 0. An empty mean is 0.

    Differs from torch
    ------------------
    torch has no losses of boxes. From torchvision's and others it differs so:

    - a box without height: a finite gradient; torchvision: NaN (Zzh-tju/DIoU-pytorch-detectron#19)
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
    >>> complete_box_iou_loss(x, np.array([[0.0, 0.0, 2.0, 2.0], [0.0, 2.0, 1.0, 3.0]])).tolist()
    [0.0, 1.4]
    """
    return of_boxes.box_loss(input, target, "ciou", format)
